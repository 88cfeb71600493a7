"""Pitch: how high one voice sings, and how surely it is one voice. YIN (de Cheveigné and Kawahara, JASA 111, 2002)."""

import math

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST = 36.0, 96.0  # MIDI notes, 65 Hz to 2.1 kHz: pitch 0 and 1
DIP, VOICED = 0.15, 0.35  # the first dip below this is the period; a dip that is not below that is no voice


class Pitch:
    """Of the last `size` samples at `rate` Hz, which must hold two of the longest periods."""

    def __init__(self, rate: float, size: int) -> None:
        self.rate, self.size = rate, size
        self.shortest, longest = int(rate / hertz(HIGHEST)), math.ceil(rate / hertz(LOWEST)) + 1
        self.longest = min(longest, size // 2)
        self.width = size - self.longest  # samples that are compared
        self.counts = np.arange(1, self.longest)
        self.pitch = self.voiced = 0.0

    def __call__(self, samples: NDArray[np.float32], sounds: bool) -> None:
        """`voiced` 0..1 is then of now, and so is `pitch` 0..1 if there is a voice; otherwise it stays."""
        likeness = self.difference(samples) if sounds else None
        lag = None if likeness is None else self.period(likeness)
        if lag is None or likeness is None:
            self.voiced = 0.0
            return
        self.voiced = min(max(1 - float(likeness[lag]) / VOICED, 0.0), 1.0)
        before, here, after = likeness[lag - 1 : lag + 2].tolist()
        bow = before - 2 * here + after
        exact = lag + (0.5 * (before - after) / bow if bow > 0 else 0.0)
        note = 69 + 12 * math.log2(self.rate / exact / 440)
        self.pitch = min(max((note - LOWEST) / (HIGHEST - LOWEST), 0.0), 1.0)

    def difference(self, samples: NDArray[np.float32]) -> NDArray[np.float64] | None:
        """By how much the sound differs from itself so many samples later, against the mean of all shorter [longest]."""
        first = np.zeros(self.size, np.float32)
        first[: self.width] = samples[: self.width]
        like = np.fft.irfft(np.fft.rfft(samples) * np.fft.rfft(first).conj(), self.size)[: self.longest]
        sums = np.concatenate(((0.0,), np.cumsum(np.square(samples, dtype=np.float64))))
        energy = sums[self.width : self.width + self.longest] - sums[: self.longest]
        apart = np.maximum(energy[0] + energy - 2 * like, 0)[1:]
        whole = np.cumsum(apart)
        if whole[-1] <= 0:
            return None
        return np.concatenate(((1.0,), apart * self.counts / np.maximum(whole, 1e-12)))

    def period(self, likeness: NDArray[np.float64]) -> int | None:
        """The lag at the bottom of the first dip, or of the deepest; None if that is not deep enough."""
        inside = likeness[self.shortest : -1]
        low = np.flatnonzero(inside < DIP)
        lag = self.shortest + (int(low[0]) if len(low) else int(inside.argmin()))
        while lag < len(likeness) - 2 and likeness[lag + 1] < likeness[lag]:
            lag += 1
        return lag if likeness[lag] < VOICED and 0 < lag < len(likeness) - 1 else None


def hertz(note: float) -> float:
    """A MIDI note's frequency."""
    return float(440 * 2 ** ((note - 69) / 12))
