"""Flux: how much begins in bass, mid and high in each block, 0..1: what the pulse is followed by.

Growth of log mel bands over the block before, with the maximum filter of Böck and Widmer (DAFx 2013), each of the three
against its own mean and recent peak.
"""

import math

import numpy as np
from numpy.typing import NDArray

from instrument.listening.growth import widened

BANDS, LOW, HIGH = 40, 30.0, 16000.0  # triangles on the mel scale, and between which frequencies in Hz
EDGES = 180.0, 2500.0  # Hz: bass below, high above
COMPRESSION = 1000.0
BASS_BANDS = 3  # in which each is a note of its own: the maximum filter leaves them alone
MEAN_SECONDS, PEAK_SECONDS, LEAST, CREEP = 0.15, 4.0, 0.05, 0.002


class Flux:
    """Blocks of `block` samples in, three numbers out for each."""

    def __init__(self, rate: int, block: int) -> None:
        size, dt = 2 * block, block / rate
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
        self.window = (window / window.sum()).astype(np.float32)
        self.samples = np.zeros(size, np.float32)
        self.columns, self.weights, self.starts, centres = triangles(rate, size)
        self.groups = np.searchsorted(centres, (0.0, *EDGES))
        self.sizes = np.diff([*self.groups, len(centres)]).astype(np.float32)
        self.before = np.zeros(len(centres), np.float32)
        self.mean, self.peak = np.zeros(3), np.zeros(3)
        self.adapt, self.keep = 1 - math.exp(-dt / MEAN_SECONDS), math.exp(-dt / PEAK_SECONDS)

    def __call__(self, block: NDArray[np.float32]) -> NDArray[np.float64]:
        """The next block's samples -> how much begins in bass, mid and high [3]."""
        half = len(block)
        self.samples[:half], self.samples[half:] = self.samples[half:], block
        heights = np.abs(np.fft.rfft(self.samples * self.window)).astype(np.float32)
        # added one by one and not as a matrix product, whose last digit may differ between two runs
        bands = np.log1p(COMPRESSION * np.add.reduceat(heights[self.columns] * self.weights, self.starts))
        new = np.maximum(bands - widened(self.before, BASS_BANDS), 0)
        growth = np.add.reduceat(new, self.groups) / self.sizes
        self.before = bands
        self.mean += self.adapt * (growth - self.mean)
        rise = np.maximum(growth - self.mean, 0)
        self.peak = np.maximum(rise, self.peak * self.keep + CREEP * (1 - self.keep))
        found: NDArray[np.float64] = rise / np.maximum(self.peak, LEAST)
        return found


def triangles(
    rate: int, size: int
) -> tuple[NDArray[np.int_], NDArray[np.float32], NDArray[np.int_], NDArray[np.float64]]:
    """Mel triangles as rows of bins: the bins, their weights (of each row 1 in all), where rows begin, and centres in Hz.

    A triangle that is narrower than a bin has the nearest one; those above the highest frequency are left out.
    """
    edges = hertz(np.linspace(mel(LOW), mel(HIGH), BANDS + 2))
    bins = np.arange(size // 2 + 1) * rate / size
    columns: list[NDArray[np.int_]] = []
    weights, starts, centres = [], [], []
    for low, centre, high in zip(edges, edges[1:], edges[2:], strict=False):
        if high > rate / 2:
            break
        height = np.maximum(np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)), 0)
        if not height.any():
            height[np.abs(bins - centre).argmin()] = 1.0
        inside = np.flatnonzero(height)
        starts.append(sum(len(row) for row in columns))
        columns.append(inside)
        weights.append(height[inside] / height[inside].sum())
        centres.append(centre)
    joined = np.concatenate(columns), np.concatenate(weights).astype(np.float32)
    return *joined, np.array(starts), np.array(centres)


def mel(frequency: float) -> float:
    """Hz -> mel (O'Shaughnessy 1987)."""
    return 2595 * math.log10(1 + frequency / 700)


def hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mel -> Hz."""
    found: NDArray[np.float64] = 700 * (10 ** (mels / 2595) - 1)
    return found
