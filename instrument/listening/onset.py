"""Onsets: the moments when something begins, heard as sudden growth in the bands."""

import math
from collections.abc import Sequence

import numpy as np

from instrument.listening.growth import Bands
from instrument.listening.spectrum import Spectrum

THRESHOLD = 0.3  # an onset has at least this part of the strongest recent growth
REFRACTORY = 0.1  # seconds in which nothing else is an onset
MEAN_SECONDS, PEAK_HALF_LIFE = 0.15, 3.0
LEAST = 0.1  # the strongest recent growth never counts as less, or a steady tone's flutter would have onsets


class Rises:
    """Growths measured against their own running mean and recent peak; `dt` is the length of a block in seconds."""

    def __init__(self, count: int, dt: float) -> None:
        self.means, self.peaks = [0.0] * count, [LEAST] * count
        self.adapt = 1 - math.exp(-dt / MEAN_SECONDS)
        self.keep = 0.5 ** (dt / PEAK_HALF_LIFE)

    def __call__(self, growths: Sequence[float]) -> list[float]:
        """Each growth -> by how much it rises, 0..1."""
        rise = [max(now - mean, 0.0) for now, mean in zip(growths, self.means, strict=True)]
        self.means = [mean + self.adapt * (now - mean) for now, mean in zip(growths, self.means, strict=True)]
        self.peaks = [max(now, peak * self.keep, LEAST) for now, peak in zip(rise, self.peaks, strict=True)]
        floor = max(self.peaks) / 4
        return [now / max(peak, floor) for now, peak in zip(rise, self.peaks, strict=True)]


class Picker:
    """Strikes out of strengths: what reaches the threshold, and then nothing for a while."""

    def __init__(self, threshold: float, dt: float) -> None:
        self.threshold, self.dt, self.since = threshold, dt, REFRACTORY

    def __call__(self, strength: float) -> float:
        """A block's strength 0..1 -> the same if it strikes, or 0."""
        self.since += self.dt
        if strength < self.threshold or self.since < REFRACTORY:
            return 0.0
        self.since = 0.0
        return strength


class Onsets:
    """Picks onsets out of the growth of bands, causally.

    Bass, mid and high have a flux each, measured against its own running mean and recent peak, so that a hat is heard
    beside a kick.
    """

    def __init__(self, spectrum: Spectrum, dt: float) -> None:
        self.sizes = np.diff([*spectrum.groups, len(spectrum.centres)]).astype(np.float32)
        self.groups = spectrum.groups
        self.rises, self.pick = Rises(3, dt), Picker(THRESHOLD, dt)

    def __call__(self, growth: Bands) -> dict[str, float]:
        """By how much each band [bands] has grown on the scale of the ear -> what rises, 0..1, and an onset's strength or 0."""
        bass, mid, high = rises = self.rises((np.add.reduceat(growth, self.groups) / self.sizes).tolist())
        return {"onset": self.pick(max(rises)), "onset/bass": bass, "onset/mid": mid, "onset/high": high}
