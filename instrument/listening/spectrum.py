"""From samples to bands: one Fourier transform a block, summed into bands of about equal width to the ear."""

import math

import numpy as np
from numpy.typing import NDArray

BASS, MID, HIGH, TOP = 20.0, 150.0, 2000.0, 16000.0  # Hz: where the three named bands begin, and where the last ends
BANDS_AN_OCTAVE = 6
RECENT = 0.2  # of the window falls, and is its newest part: what begins is seen 5 ms sooner than through a Hann window


def block_of(rate: int) -> int:
    """How many samples one block has: 512 at 44.1 and 48 kHz, elsewhere the power of two that lasts about as long."""
    return int(2 ** round(math.log2(rate * 512 / 46000)))


class Spectrum:
    """The power in each bin of a window of four blocks, as mean square: a sine of amplitude 1 has 0.5 in all.

    `frequencies` [bins] are the bins' in Hz, up to the top; `centres` [bands] are the bands' middles; `groups` [3] is where
    bass, mid and high begin among the bands.
    """

    def __init__(self, rate: int) -> None:
        size = 4 * block_of(rate)
        self.weights = lopsided(size, round(size * RECENT))
        self.scale = np.float32(2 / (size * np.square(self.weights).sum()))
        width = rate / size  # Hz a bin
        bins = [self.split(low, high, width, size // 2) for low, high in ((BASS, MID), (MID, HIGH), (HIGH, TOP))]
        self.edges = np.array(sorted({edge for group in bins for edge in group}))
        self.starts, self.end = self.edges[:-1], int(self.edges[-1])
        self.groups = np.searchsorted(self.edges, [group[0] for group in bins])
        self.centres = np.sqrt(self.edges[:-1] * np.maximum(self.edges[1:] - 1, self.edges[:-1])) * width
        self.frequencies = np.arange(self.end) * width

    @staticmethod
    def split(low: float, high: float, width: float, last: int) -> list[int]:
        """The bins where the bands between two frequencies begin and end; low down a band is a single bin."""
        count = round(BANDS_AN_OCTAVE * math.log2(high / low))
        edges = low * (high / low) ** (np.arange(count + 1) / count)
        return [min(max(math.ceil(edge / width), 1), last) for edge in edges]

    def __call__(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """Window [4 blocks] -> power [bins]."""
        bins = np.fft.rfft(window * self.weights)[: self.end]
        power: NDArray[np.float32] = np.multiply(bins.real**2 + bins.imag**2, self.scale)
        return power

    def bands(self, power: NDArray[np.float32]) -> NDArray[np.float32]:
        """Power [bins] -> power [bands]."""
        # added band by band and not as a matrix product, whose last digit may differ between two runs
        found: NDArray[np.float32] = np.add.reduceat(power, self.starts)
        return found


class Window:
    """The last four blocks, which a spectrum is taken of."""

    def __init__(self, spectrum: Spectrum) -> None:
        self.weights = spectrum.weights
        self.samples = np.zeros(len(self.weights), np.float32)
        self.block = len(self.weights) // 4
        self.share = np.float32(2 / len(self.weights))
        self.newest = 0.0  # amplitude (rms) of the newest block by itself

    def __call__(self, block: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, float]:
        """The next block's samples -> the window [4 blocks] without its constant offset, which is no bass; its level, and by
        how much it falls, as amplitudes (rms).
        """
        self.samples[: -self.block] = self.samples[self.block :]
        self.samples[-self.block :] = block
        samples = self.samples - np.add.reduce(self.samples * self.weights) * self.share
        powers = (np.add.reduce(np.square(samples.reshape(4, self.block)), axis=1) / np.float32(self.block)).tolist()
        level = math.sqrt((powers[2] + powers[3]) / 2)  # of two blocks, or a low bass would flutter
        self.newest = math.sqrt(powers[3])
        return samples, level, math.sqrt(max(powers)) - self.newest


def lopsided(size: int, fall: int) -> NDArray[np.float32]:
    """A window [size] that rises as one half of a Hann window and falls, over `fall` samples, as the other half of a shorter."""
    rise = size - fall
    up, down = np.arange(rise) / rise, np.arange(fall) / fall
    return np.concatenate((0.5 - 0.5 * np.cos(np.pi * up), 0.5 + 0.5 * np.cos(np.pi * down))).astype(np.float32)
