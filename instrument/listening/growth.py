"""Growth: by how much each band has become louder since the block before, on the scale of the ear."""

import numpy as np
from numpy.typing import NDArray

from instrument.listening.spectrum import Spectrum

SILENT = 10 ** (-66 / 20)  # a band with less amplitude than this is empty
COMPRESSION = 100.0  # what is heard goes down to about 1/100 of the sound's recent peak
SPLASH = 0.1  # of a fall in amplitude may appear in other bands, because a sound cut off is no longer a pure tone

Bands = NDArray[np.float32]


class Growth:
    """Log bands and their growth over the block before, with the maximum filter of Böck and Widmer (DAFx 2013).

    A tone that slides into the next band has not begun there, so above the bass a band is compared with the most that it or
    a neighbour had; in the bass a band is a note of its own.
    """

    def __init__(self, spectrum: Spectrum) -> None:
        bands = len(spectrum.centres)
        self.bass = int(spectrum.groups[1])
        self.pair, self.before = np.zeros((2, bands), np.float32), np.zeros(bands + 1, np.float32)

    def __call__(self, bands: Bands, loudest: float, fall: float) -> tuple[Bands, Bands]:
        """Amplitudes [bands], the sound's recent peak and by how much it is falling -> what is heard and what of it is new."""
        sounding = np.maximum(bands - SILENT, 0)
        np.maximum(sounding - SPLASH * fall, 0, out=self.pair[0])
        self.pair[1] = self.reference()
        heard, reference = np.log1p(self.pair * (COMPRESSION / loudest))
        self.before[:-1] = sounding
        return heard, np.maximum(heard - reference, 0)

    def reference(self) -> Bands:
        """What each band had before, above the bass the most that it or a neighbour had."""
        reference, before, bass = self.before[:-1].copy(), self.before, self.bass
        np.maximum(reference[bass:], before[bass - 1 : -2], out=reference[bass:])
        np.maximum(reference[bass:], before[bass + 1 :], out=reference[bass:])
        return reference
