"""Chroma: how strong each of the twelve pitch classes is, and the key they make."""

import math

import numpy as np
from numpy.typing import NDArray

CLASSES = "c", "c_sharp", "d", "d_sharp", "e", "f", "f_sharp", "g", "g_sharp", "a", "a_sharp", "b"
LOWEST, HIGHEST = 100.0, 2100.0  # Hz
CENTRE, OCTAVES = 420.0, 1.3  # where melodies and chords mostly are, and how far about it counts
ATTACK_SECONDS, RELEASE_SECONDS, KEY_SECONDS = 0.05, 0.35, 12.0
BETTER = 0.05  # another key must correlate by so much more than the present one
SPAN = 0.15  # of correlation, from even to wholly minor
MAJOR = 6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88  # Krumhansl and Kessler 1982
MINOR = 6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17

Row = NDArray[np.float64]


class Chroma:
    """Twelve strengths of the peaks of a long spectrum; `size` samples at `rate` Hz, a new one every `dt` seconds."""

    def __init__(self, rate: float, size: int, dt: float) -> None:
        self.window = np.hanning(size + 1)[:-1].astype(np.float32)
        frequencies = np.arange(1, size // 2 + 1) * rate / size
        self.bins = slice(*(np.searchsorted(frequencies, (LOWEST, HIGHEST)) + 1))
        pitch = 69 + 12 * np.log2(frequencies[self.bins.start - 1 : self.bins.stop - 1] / 440)
        self.classes = np.round(pitch).astype(int) % 12
        octaves = (pitch - 69 - 12 * math.log2(CENTRE / 440)) / 12
        self.weights = np.cos(np.pi * (pitch - np.round(pitch))) ** 2 * np.exp(-0.5 * (octaves / OCTAVES) ** 2)
        self.attack, self.release = (1 - math.exp(-dt / seconds) for seconds in (ATTACK_SECONDS, RELEASE_SECONDS))
        self.slow = 1 - math.exp(-dt / KEY_SECONDS)
        self.strengths, self.mean = np.zeros(12), np.zeros(12)
        self.key = 0
        self.minor = 0.5

    def __call__(self, samples: NDArray[np.float32], sounds: bool) -> None:
        """The last `size` samples: `strengths` [12] 0..1, `key` (its tonic 0..11) and `minor` 0..1 are then of now."""
        found = self.peaks(np.abs(np.fft.rfft(samples * self.window)[self.bins])) if sounds else np.zeros(12)
        rising = found > self.strengths
        self.strengths += np.where(rising, self.attack, self.release) * (found - self.strengths)
        if found.any():
            self.mean += self.slow * (found - self.mean)
            self.find_key()

    def peaks(self, heights: NDArray[np.float32]) -> Row:
        """What the peaks among the bins add up to in each pitch class, the strongest 1."""
        peak = np.zeros(len(heights), bool)
        peak[1:-1] = (heights[1:-1] > heights[:-2]) & (heights[1:-1] >= heights[2:])
        peak &= heights > 2 * heights.mean()
        found: Row = np.bincount(self.classes, heights * self.weights * peak, 12).astype(np.float64)
        found /= max(found.max(), 1e-12)
        return found

    def find_key(self) -> None:
        """The key that the mean chroma is most like."""
        likeness = like_keys(self.mean)
        best = int(likeness.argmax())
        if likeness[best] > likeness[self.key] + BETTER:
            self.key = best
        self.minor = min(max(0.5 + 0.5 * float(likeness[12:].max() - likeness[:12].max()) / SPAN, 0.0), 1.0)


def unit(rows: Row) -> Row:
    """Each row less its mean, and of length 1."""
    apart = rows - rows.mean(1, keepdims=True)
    found: Row = apart / np.maximum(np.sqrt(np.square(apart).sum(1, keepdims=True)), 1e-9)
    return found


PROFILES = unit(np.array([np.roll(profile, tonic) for profile in (MAJOR, MINOR) for tonic in range(12)]))


def like_keys(chroma: Row) -> Row:
    """Chroma [12] -> how like the profile of each key it is, major from c to b and then minor [24] (Krumhansl 1990)."""
    found: Row = (PROFILES * unit(chroma[None])).sum(1)
    return found
