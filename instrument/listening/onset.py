"""Onsets: the moments when something begins, heard as sudden growth in the bands."""

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from instrument.listening.growth import COMPRESSION, SILENT, Bands
from instrument.listening.spectrum import Spectrum

THRESHOLD = 0.3  # an onset has at least this part of the strongest recent growth
REFRACTORY = 0.1  # seconds in which nothing else is an onset
MASKED, MASKING_SECONDS = (
    0.5,
    0.05,
)  # and then it must at first reach half of what the last was above the threshold, and less and less
MEAN_SECONDS, PEAK_HALF_LIFE = 0.15, 3.0
SWELL, BEFORE = (
    1.5,
    3,
)  # no swell counts as less, in nepers, or a chord's beating would have onsets; blocks it is held against
BANDS = "bass", "mid", "high"  # each with a flux of its own
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
    """Strikes out of strengths: what reaches the threshold, then nothing for a while, and then what the last does not mask."""

    def __init__(self, threshold: float, dt: float) -> None:
        self.threshold, self.dt, self.since = threshold, dt, REFRACTORY
        self.mask, self.keep = 0.0, math.exp(-dt / MASKING_SECONDS)

    def __call__(self, strength: float) -> float:
        """A block's strength 0..1 -> the same if it strikes, or 0."""
        self.since += self.dt
        if self.since < REFRACTORY:
            return 0.0
        if strength < self.threshold + self.mask:
            self.mask *= self.keep
            return 0.0
        self.since, self.mask = 0.0, MASKED * (strength - self.threshold)
        return strength


class Swell:
    """How much louder the newest block is by itself than those before it: no window delays it, and it has no bands."""

    def __init__(self, dt: float) -> None:
        self.before = deque([0.0] * BEFORE, maxlen=BEFORE)
        self.peak, self.keep = SWELL, 0.5 ** (dt / PEAK_HALF_LIFE)

    def __call__(self, amplitude: float, loudest: float) -> float:
        """The block's amplitude and the sound's recent peak -> 0..1 of the strongest recent swell."""
        heard = math.log1p(COMPRESSION * max(amplitude - SILENT, 0.0) / loudest)
        swell = max(heard - max(self.before), 0.0)
        self.before.append(heard)
        self.peak = max(swell, self.peak * self.keep, SWELL)
        return swell / self.peak


class Onsets:
    """Picks onsets out of the growth of bands, causally.

    Bass, mid and high have a flux each, measured against its own running mean and recent peak, so that a hat is heard
    beside a kick. What begins out of near silence is heard a block sooner by its swell.
    """

    def __init__(self, spectrum: Spectrum, dt: float) -> None:
        self.sizes = np.diff([*spectrum.groups, len(spectrum.centres)]).astype(np.float32)
        self.groups = spectrum.groups
        self.rises, self.swell, self.pick = Rises(3, dt), Swell(dt), Picker(THRESHOLD, dt)

    def __call__(self, growth: Bands, newest: float, loudest: float) -> dict[str, float]:
        """What rises, 0..1, and an onset's strength or 0.

        Out of: by how much each band [bands] has grown on the scale of the ear, the amplitude of the newest block, and the
        sound's recent peak.
        """
        bass, mid, high = rises = self.rises((np.add.reduceat(growth, self.groups) / self.sizes).tolist())
        strength = max(*rises, self.swell(newest, loudest))
        return {"onset": self.pick(strength), "onset/bass": bass, "onset/mid": mid, "onset/high": high}
