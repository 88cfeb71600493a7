"""Meters: what was heard of late, kept for the eye."""

import math
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from instrument.flow import Hearing, Onset
from instrument.listening.growth import COMPRESSION
from instrument.listening.onset import BANDS, THRESHOLD, Picker

LEVELS = "level", *BANDS
RECENT = 8  # blocks, the highest of which is shown: as many as pass between two looks, and some more
KEPT = 192  # onsets: those of six seconds at the least


class Meters:
    """Keeps what one who looks now and then would miss. One thread takes, any others look; none waits for another."""

    def __init__(self, dt: float, bands: int) -> None:
        """`dt` is the length of a block in seconds."""
        self.dt = dt
        self.picks = {band: Picker(THRESHOLD, dt) for band in BANDS}  # each for itself: a kick under a hat is seen too
        self.recent: deque[tuple[int, Mapping[str, float]]] = deque(maxlen=RECENT)
        self.onsets: deque[Onset] = deque(maxlen=KEPT)
        self.last = 0, 0.0, np.zeros(bands, np.float32)  # blocks so far, when the last ended, and its bands

    def take(self, until: float, blocks: Sequence[Mapping[str, float]], heard: NDArray[np.float32]) -> None:
        """The signals of blocks of which the last ends at a time in seconds, and its bands on the scale of the ear."""
        count = self.last[0]
        for left, signals in zip(range(len(blocks), 0, -1), blocks, strict=True):
            count += 1
            self.recent.append((count, signals))
            for band, pick in self.picks.items():
                if strength := pick(signals[f"onset/{band}"]):
                    self.onsets.append(Onset(count, until - left * self.dt, band, strength))
        self.last = count, until, heard  # after the rest, and at once: whoever looks has all of what is counted

    def hearing(self, after: int, source: str, gone: bool) -> Hearing:
        """What was heard after so many blocks; the levels are at least those of the last one."""
        count, until, heard = self.last
        recent = [signals for number, signals in tuple(self.recent) if number > min(after, count - 1)]
        return Hearing(
            source=source,
            gone=gone,
            silent=not recent or recent[-1]["silence"] > 0,
            blocks=count,
            time=until,
            levels={name: max((signals[name] for signals in recent), default=0.0) for name in LEVELS},
            spectrum=heard / np.float32(math.log1p(COMPRESSION)),
            onsets=[onset for onset in tuple(self.onsets) if after < onset.block <= count],
        )
