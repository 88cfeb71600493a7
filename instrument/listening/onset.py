"""Onsets: the moments when something begins, heard as sudden growth in the bands."""

import math

import numpy as np
from numpy.typing import NDArray

from instrument.listening.spectrum import Spectrum

SILENT = 10 ** (-66 / 20)  # a band with less amplitude than this is empty
COMPRESSION = 100.0  # growth is heard down to about 1/100 of the sound's recent peak
SPLASH = 0.06  # of a fall in amplitude may appear in other bands, because a sound cut off is no longer a pure tone
THRESHOLD = 0.35  # an onset has at least this part of the strongest recent growth
REFRACTORY = 0.1  # seconds in which nothing else is an onset
MEAN_SECONDS, PEAK_HALF_LIFE = 0.15, 3.0
LEAST = 0.1  # the strongest recent growth never counts as less, or a steady tone's flutter would have onsets


class Onsets:
    """Causal log-band spectral flux, with the maximum filter of Böck and Widmer (DAFx 2013) against vibrato.

    Bass, mid and high have a flux each, measured against its own running mean and recent peak, so that a hat is heard
    beside a kick. `dt` is the length of a block in seconds.
    """

    def __init__(self, spectrum: Spectrum, dt: float) -> None:
        bands = len(spectrum.centres)
        self.dt, self.since = dt, REFRACTORY
        self.now, self.before = np.zeros((2, bands), np.float32), np.zeros(bands + 1, np.float32)
        self.bass = int(spectrum.groups[1])
        self.sizes = np.diff([*spectrum.groups, bands]).astype(np.float32)
        self.groups = spectrum.groups
        self.means, self.peaks = [0.0] * 3, [LEAST] * 3
        self.adapt = 1 - math.exp(-dt / MEAN_SECONDS)
        self.keep = 0.5 ** (dt / PEAK_HALF_LIFE)

    def __call__(self, bands: NDArray[np.float32], loudest: float, fall: float) -> float:
        """Amplitudes [bands], the sound's recent peak and by how much it is falling -> an onset's strength 0..1, or 0."""
        sounding = np.maximum(bands - SILENT, 0)
        np.maximum(sounding - SPLASH * fall, 0, out=self.now[0])
        self.now[1] = self.reference()
        heard = np.log1p(self.now * (COMPRESSION / loudest))  # [2, bands]
        growth = np.add.reduceat(np.maximum(heard[0] - heard[1], 0), self.groups) / self.sizes
        self.before[:-1] = sounding
        strength = self.measured(growth.tolist())
        self.since += self.dt
        if strength < THRESHOLD or self.since < REFRACTORY:
            return 0.0
        self.since = 0.0
        return strength

    def reference(self) -> NDArray[np.float32]:
        """What each band had before, above the bass the most that it or a neighbour had.

        A tone that slides into the next band has not begun there; in the bass a band is a note of its own.
        """
        reference, before, bass = self.before[:-1].copy(), self.before, self.bass
        np.maximum(reference[bass:], before[bass - 1 : -2], out=reference[bass:])
        np.maximum(reference[bass:], before[bass + 1 :], out=reference[bass:])
        return reference

    def measured(self, growth: list[float]) -> float:
        """The largest of the three growths, 0..1, each against its own mean and peak."""
        rise = [max(now - mean, 0.0) for now, mean in zip(growth, self.means, strict=True)]
        self.means = [mean + self.adapt * (now - mean) for now, mean in zip(growth, self.means, strict=True)]
        self.peaks = [max(now, peak * self.keep, LEAST) for now, peak in zip(rise, self.peaks, strict=True)]
        floor = max(self.peaks) / 4
        return max(now / max(peak, floor) for now, peak in zip(rise, self.peaks, strict=True))
