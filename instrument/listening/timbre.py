"""The colour of a sound: how bright, how far up it reaches, how like noise, and how much of it is held or struck."""

import math

import numpy as np
from numpy.typing import NDArray

from instrument.listening.spectrum import Spectrum

DARK, BRIGHT = 80.0, 4000.0  # Hz: where brightness is 0 and 1
LOWEST, HIGHEST = 80.0, 16000.0  # Hz: where rolloff is 0 and 1
ROLLOFF = 0.85  # of the power lies below it
NOISE_FROM, NOISE_TO = 200.0, 8000.0  # Hz: where flatness is measured
WHITE = math.exp(
    -0.5772156649
)  # flatness of white noise, whose power in a bin is distributed exponentially (Euler's constant)
HELD_SECONDS = 0.2

Row = NDArray[np.float32]


class Timbre:
    """Of one spectrum at a time; where most of it ends and how like noise it is are of the one last looked at."""

    def __init__(self, spectrum: Spectrum) -> None:
        self.height = np.log2(spectrum.centres / DARK).astype(np.float32) / math.log2(BRIGHT / DARK)
        self.bin = float(spectrum.frequencies[1])
        self.noise = slice(*np.searchsorted(spectrum.frequencies, (NOISE_FROM, NOISE_TO)))
        self.rolloff = self.flat = 0.0

    def __call__(self, power: Row, amplitudes: Row, sounds: float) -> dict[str, float]:
        """Power [bins] and amplitudes [bands] -> each 0..1; `sounds` 0..1 fades them out as the sound fades."""
        whole = float(np.add.reduce(amplitudes))
        centre = float(np.add.reduce(amplitudes * self.height)) / whole if whole else 0.0
        found = {"brightness": centre, "rolloff": self.rolloff, "flatness": self.flat}
        return {name: min(max(value, 0.0), 1.0) * sounds for name, value in found.items()}

    def look(self, power: Row) -> None:
        """What is slow to work out, of the power [bins]."""
        sums = np.cumsum(power)
        edge = int(sums.searchsorted(ROLLOFF * sums[-1])) * self.bin
        self.rolloff = math.log2(max(edge, LOWEST) / LOWEST) / math.log2(HIGHEST / LOWEST)
        self.flat = self.flatness(power[self.noise])

    @staticmethod
    def flatness(power: Row) -> float:
        """The geometric mean over the arithmetic (Johnston 1988), against that of white noise: noise is 1, a chord nearly 0."""
        mean = float(np.add.reduce(power)) / max(len(power), 1)
        if mean == 0:
            return 0.0
        return math.exp(float(np.add.reduce(np.log(power + np.float32(1e-6 * mean)))) / len(power)) / mean / WHITE


class Parting:
    """Parts what is held from what is struck, as harmonic and percussive: of each band, what it mostly had in the last 0.2 s is
    held, and what is above that is struck (the median over time of Fitzgerald, DAFx 2010).
    """

    def __init__(self, bands: int, dt: float) -> None:
        self.past, self.at = np.zeros((max(round(HELD_SECONDS / dt) | 1, 3), bands), np.float32), 0

    def __call__(self, amplitudes: Row) -> tuple[float, float]:
        """Amplitudes [bands] -> the amplitudes of what is held and of what is struck."""
        self.past[self.at] = amplitudes
        self.at = (self.at + 1) % len(self.past)
        held = np.minimum(np.sort(self.past, axis=0)[len(self.past) // 2], amplitudes)
        struck = amplitudes - held
        return math.sqrt(float(np.add.reduce(held * held))), math.sqrt(float(np.add.reduce(struck * struck)))
