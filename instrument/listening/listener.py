"""What the music does now: level, bass, mid, high, onset and brightness, 0..1, a block at a time, and where its pulse is."""

import math

import numpy as np
from numpy.typing import NDArray

from instrument.flow import Reading
from instrument.listening.flux import Flux
from instrument.listening.gain import GATE, QUIET, AutoGain
from instrument.listening.growth import Growth
from instrument.listening.onset import Onsets
from instrument.listening.pulse import Pulse
from instrument.listening.spectrum import Spectrum, block_of

DARK, BRIGHT = 80.0, 4000.0  # Hz: where brightness is 0 and 1
LEAK = 0.06  # of a band's amplitude may appear in the next, because the window is steep
RATES = 8000, 192000


class Listener:
    """Hears a sound piece by piece and tells its signals for every complete block.

    Causal, and the same to the last bit however the sound is cut into pieces. Any rate from 8 to 192 kHz; raises
    ValueError for others.
    """

    def __init__(self, rate: int) -> None:
        if not RATES[0] <= rate <= RATES[1]:
            raise ValueError(f"a sound has 8000..192000 samples a second, got {rate}")
        self.block = block_of(rate)
        dt = self.block / rate
        self.spectrum = Spectrum(rate)
        self.gain, self.growth, self.onsets = AutoGain(dt, 3), Growth(self.spectrum), Onsets(self.spectrum, dt)
        self.flux, self.pulse = Flux(rate, self.block), Pulse(dt)
        self.reading: Reading | None = None  # of the last whole block
        self.share = np.float32(2 / (4 * self.block))
        self.window = np.zeros(4 * self.block, np.float32)
        self.rest = np.zeros(0, np.float32)
        self.height = np.log2(self.spectrum.centres / DARK).astype(np.float32) / math.log2(BRIGHT / DARK)

    def push(self, samples: NDArray[np.float32]) -> list[dict[str, float]]:
        """Samples [n] or [n, channels] -> the signals 0..1 of every block they complete, in order of time."""
        waiting = np.concatenate((self.rest, mono(samples)))
        whole = len(waiting) - len(waiting) % self.block
        self.rest = waiting[whole:]
        return [self.hear(waiting[start : start + self.block]) for start in range(0, whole, self.block)]

    def hear(self, block: NDArray[np.float32]) -> dict[str, float]:
        """The signals at the end of one block, by name."""
        self.reading = self.pulse(self.flux(block))
        self.window[: -self.block] = self.window[self.block :]
        self.window[-self.block :] = block
        offset = np.add.reduce(self.window * self.spectrum.weights) * self.share  # a constant offset is no bass
        window = self.window - offset
        blocks = np.add.reduce(np.square(window.reshape(4, self.block)), axis=1).tolist()
        level = math.sqrt((blocks[2] + blocks[3]) / (2 * self.block))  # of two blocks, or a low bass would flutter
        fall = math.sqrt(max(blocks) / self.block) - math.sqrt(blocks[3] / self.block)
        power = self.spectrum(window)
        amplitudes = np.sqrt(power)
        bass, mid, high = np.sqrt(np.add.reduceat(power, self.spectrum.groups)).tolist()
        bands = bass, max(mid - LEAK * bass, 0.0), max(high - LEAK * mid, 0.0)
        signals = self.gain(level, bands)
        onset = self.onsets(self.growth(amplitudes, self.gain.peak, fall))
        return {
            **dict(zip(("level", "bass", "mid", "high"), signals, strict=True)),
            "onset": onset if level > GATE else 0.0,
            "brightness": self.brightness(amplitudes, level),
        }

    def brightness(self, amplitudes: NDArray[np.float32], level: float) -> float:
        """The spectrum's centre of gravity in octaves, 0 at 80 Hz, 1 at 4 kHz; it fades to 0 as the sound does."""
        whole = amplitudes.sum()
        if level <= GATE or whole == 0:
            return 0.0
        centre = float((amplitudes * self.height).sum() / whole)
        return min(max(centre, 0.0), 1.0) * min((level - GATE) / (QUIET - GATE), 1.0)


def mono(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of all channels [n], -1..1; what is no number becomes silence, so that it cannot poison the means."""
    if not np.isfinite(samples).all():
        samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    clipped = np.minimum(np.maximum(samples, np.float32(-1)), np.float32(1))
    if clipped.ndim == 1:
        return clipped
    mix: NDArray[np.float32] = clipped[:, 0].copy()
    for channel in range(1, clipped.shape[1]):  # one by one: the order of a sum decides its last digit
        mix += clipped[:, channel]
    mix /= np.float32(clipped.shape[1])
    return mix
