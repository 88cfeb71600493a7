"""Onsets: the moments when something begins, heard as sudden growth in the bands."""

import math

import numpy as np

from instrument.listening.growth import Bands
from instrument.listening.spectrum import Spectrum

THRESHOLD = 0.3  # an onset has at least this part of the strongest recent growth
REFRACTORY = 0.1  # seconds in which nothing else is an onset
MEAN_SECONDS, PEAK_HALF_LIFE = 0.15, 3.0
LEAST = 0.1  # the strongest recent growth never counts as less, or a steady tone's flutter would have onsets


class Onsets:
    """Picks onsets out of the growth of bands, causally.

    Bass, mid and high have a flux each, measured against its own running mean and recent peak, so that a hat is heard
    beside a kick. `dt` is the length of a block in seconds.
    """

    def __init__(self, spectrum: Spectrum, dt: float) -> None:
        self.dt, self.since = dt, REFRACTORY
        self.sizes = np.diff([*spectrum.groups, len(spectrum.centres)]).astype(np.float32)
        self.groups = spectrum.groups
        self.means, self.peaks = [0.0] * 3, [LEAST] * 3
        self.adapt = 1 - math.exp(-dt / MEAN_SECONDS)
        self.keep = 0.5 ** (dt / PEAK_HALF_LIFE)

    def __call__(self, growth: Bands) -> float:
        """By how much each band [bands] has grown on the scale of the ear -> an onset's strength 0..1, or 0."""
        strength = self.measured((np.add.reduceat(growth, self.groups) / self.sizes).tolist())
        self.since += self.dt
        if strength < THRESHOLD or self.since < REFRACTORY:
            return 0.0
        self.since = 0.0
        return strength

    def measured(self, growth: list[float]) -> float:
        """The largest of the three growths, 0..1, each against its own mean and peak."""
        rise = [max(now - mean, 0.0) for now, mean in zip(growth, self.means, strict=True)]
        self.means = [mean + self.adapt * (now - mean) for now, mean in zip(growth, self.means, strict=True)]
        self.peaks = [max(now, peak * self.keep, LEAST) for now, peak in zip(rise, self.peaks, strict=True)]
        floor = max(self.peaks) / 4
        return max(now / max(peak, floor) for now, peak in zip(rise, self.peaks, strict=True))
