"""Growth: by how much each band has become louder since the block before, on the scale of the ear."""

import numpy as np
from numpy.typing import NDArray

from instrument.listening.spectrum import Spectrum

SILENT = 10 ** (-66 / 20)  # a band with less amplitude than this is empty
COMPRESSION = 100.0  # what is heard goes down to about 1/100 of the sound's recent peak
SPLASH = 0.1  # of a fall in amplitude may appear in other bands, because a sound cut off is no longer a pure tone

Bands = NDArray[np.float32]


class Growth:
    """Growth of log bands over the block before, with the maximum filter of Böck and Widmer (DAFx 2013)."""

    def __init__(self, spectrum: Spectrum) -> None:
        bands = len(spectrum.centres)
        self.bass = int(spectrum.groups[1])
        self.pair, self.before = np.zeros((2, bands), np.float32), np.zeros(bands, np.float32)
        self.heard = np.zeros(bands, np.float32)  # the bands now, on the scale of the ear: 0 to log(1 + COMPRESSION)

    def __call__(self, bands: Bands, loudest: float, fall: float) -> Bands:
        """Amplitudes [bands], the sound's recent peak and by how much it is falling -> how much of them is new [bands]."""
        sounding = np.maximum(bands - SILENT, 0)
        np.maximum(sounding - SPLASH * fall, 0, out=self.pair[0])
        self.pair[1] = widened(self.before, self.bass)
        self.heard, reference = np.log1p(self.pair * (COMPRESSION / loudest))
        self.before = sounding
        found: Bands = np.maximum(self.heard - reference, 0)
        return found


def widened(before: Bands, bass: int) -> Bands:
    """What each band [bands] had before; after the first `bass` of them, the most that it or a neighbour had.

    A tone that slides into the next band has not begun there; in the bass a band is a note of its own.
    """
    reference = before.copy()
    above = reference[bass:]
    np.maximum(above, before[bass - 1 : -1], out=above)
    np.maximum(above[:-1], before[bass + 1 :], out=above[:-1])
    return reference
