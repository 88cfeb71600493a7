"""Sections: the moments at which the music has become another, heard over seconds."""

import math

import numpy as np
from numpy.typing import NDArray

RECENT_SECONDS, BEFORE_SECONDS = 2.5, 10.0  # what is held against what
NEW = 0.25  # how far apart the two must be, of how far they are from silence
REST_SECONDS = 8.0  # between two sections


class Sections:
    """Holds the sound of the last seconds against that of those before (novelty; after Foote 2000); `dt` in seconds."""

    def __init__(self, size: int, dt: float) -> None:
        self.quick, self.slow = 1 - math.exp(-dt / RECENT_SECONDS), 1 - math.exp(-dt / BEFORE_SECONDS)
        self.recent, self.before = np.zeros(size, np.float32), np.zeros(size, np.float32)
        self.dt, self.since, self.heard = dt, 0.0, 0

    def __call__(self, sound: NDArray[np.float32], sounds: bool) -> float:
        """A description of the sound now [size] -> how new the section is that has begun, 0..1, or 0."""
        if not sounds:
            return 0.0
        self.since += self.dt
        self.heard += 1
        self.recent += np.float32(max(self.quick, 1 / self.heard)) * (sound - self.recent)  # at first plain means
        self.before += np.float32(max(self.slow, 1 / self.heard)) * (sound - self.before)
        size = float(np.add.reduce(np.square(self.before)))
        apart = math.sqrt(float(np.add.reduce(np.square(self.recent - self.before))) / size) if size else 0.0
        if self.since < REST_SECONDS or apart < NEW:
            return 0.0
        self.since, self.heard = 0.0, 0  # both begin anew, with the sound that there is now
        return min(apart / (2 * NEW), 1.0)
