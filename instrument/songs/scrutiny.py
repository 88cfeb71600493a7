"""Scrutiny: what librosa hears in a finished song: what is held and what is struck, the notes, and beats of its own.

The one place that imports it, and only when it is asked, because that takes seconds.
"""

import logging
from dataclasses import dataclass
from statistics import median_low
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from instrument.plugs import Unavailable

SECONDS, MARGIN = 30.0, 3.0  # of a stretch that is heard at once, and of the song on either side of it
STEADY = 120.0  # seconds of a song, about, that its tempo is asked of at once
HELD = 17  # blocks, about 0.2 s, and as many bins: what lasts longer is held, what is broader is struck
OCTAVES = 6  # of notes, from 32.7 Hz
EARLY = 0.039  # seconds by which librosa's beats come later than those of the music, as measured

Row = NDArray[np.float32]


def librosa() -> ModuleType:
    """The library. Raises Unavailable where it is not installed."""
    try:
        import librosa as library
    except ImportError as error:
        raise Unavailable(
            "a song is analysed by librosa, which is not here", "pip install 'phosphene[analyse]'"
        ) from error
    logging.getLogger("numba").setLevel(logging.WARNING)
    found: ModuleType = library
    return found


@dataclass(frozen=True)
class Heard:
    """Of each block: the amplitudes (rms) of what is held and struck [blocks], the notes 0..1 [blocks, 12], and how much begins
    [blocks].
    """

    held: Row
    struck: Row
    chroma: Row
    begins: Row


class Scrutiny:
    """Hears a song piece by piece, in stretches that overlap, so that an hour takes no more memory than a minute."""

    def __init__(self, rate: int, block: int) -> None:
        self.librosa = librosa()
        self.rate, self.block = rate, block
        self.stretch, self.margin = (round(seconds * rate / block) for seconds in (SECONDS, MARGIN))  # blocks
        # float32, and at first a silence stands for what was before
        self.waiting = bytearray(np.zeros(self.margin * block, np.float32).tobytes())
        self.parts: list[Heard] = []

    def push(self, samples: Row) -> None:
        """The next samples [n] of the song, as mono."""
        self.waiting += samples.tobytes()
        whole, step = (self.stretch + 2 * self.margin) * self.block, self.stretch * self.block
        while len(self.waiting) >= 4 * whole:
            self.parts.append(self.heard(np.frombuffer(self.waiting[: 4 * whole], np.float32), self.stretch))
            del self.waiting[: 4 * step]

    def end(self) -> Heard:
        """The song is over: what was heard in every whole block of it."""
        waiting = np.frombuffer(self.waiting, np.float32)
        left = len(waiting) // self.block - self.margin
        after = np.zeros(self.margin * self.block, np.float32)
        if left > 0 or not self.parts:
            self.parts.append(self.heard(np.concatenate((waiting, after)), left))
        names = ("held", "struck", "chroma", "begins")
        return Heard(*(np.concatenate([getattr(part, name) for part in self.parts]) for name in names))

    def heard(self, samples: Row, blocks: int) -> Heard:
        """What is heard in so many blocks after the margin."""
        library, size = self.librosa, 4 * self.block
        bins = library.stft(samples, n_fft=size, hop_length=self.block)
        parts = library.decompose.hpss(bins, kernel_size=HELD)
        window = library.filters.get_window("hann", size)
        scale = np.sqrt(2 / (size * np.square(window).sum()))
        here = slice(self.margin, self.margin + blocks)
        held, struck = (scale * np.sqrt(np.square(np.abs(part[:, here])).sum(0)) for part in parts)
        tones = library.istft(parts[0], hop_length=self.block, length=len(samples))
        chroma = library.feature.chroma_cqt(y=tones, sr=self.rate, hop_length=self.block, n_octaves=OCTAVES, tuning=0.0)
        begins = library.onset.onset_strength(y=samples, sr=self.rate, hop_length=self.block, aggregate=np.median)
        return Heard(*(np.asarray(row, np.float32) for row in (held, struck, chroma[:, here].T, begins[here])))

    def beats(self, begins: Row) -> NDArray[np.float64]:
        """The moments of its beats in seconds (Ellis, J. New Music Research 36, 2007).

        How fast they are is the middle of what is heard in each stretch: asked of a long song at once, it takes gigabytes.
        """
        if not begins.any():
            return np.zeros(0)
        count = max(round(len(begins) * self.block / self.rate / STEADY), 1)
        tempi = [
            float(self.librosa.feature.tempo(onset_envelope=part, sr=self.rate, hop_length=self.block)[0])
            for part in np.array_split(begins, count)
            if part.any()
        ]
        _, found = self.librosa.beat.beat_track(
            onset_envelope=begins, sr=self.rate, hop_length=self.block, units="time", bpm=median_low(tempi)
        )
        return np.asarray(found, np.float64) - EARLY
