"""The noisy room: a sound as a microphone far from the loudspeakers has it."""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, sosfilt

REVERBERATION, DIRECT = 0.6, 0.004  # seconds in which it falls by 60 dB, and before the first of it
LOW, HIGH = 120.0, 7000.0  # Hz: what passes
PEAK = 10 ** (-30 / 20)


def room(
    samples: NDArray[np.float32], rate: int, chance: np.random.Generator, decibels: float = 10.0
) -> NDArray[np.float32]:
    """Samples [n] -> with as much reverberation as sound, bands cut off, pink noise so many dB below, and its peak at -30 dB."""
    t = np.arange(int(REVERBERATION * rate)) / rate
    tail = chance.standard_normal(len(t)) * np.exp(-6.9 * t / REVERBERATION) * (t >= DIRECT)
    tail /= np.sqrt(np.square(tail).sum())
    tail[0] = 1
    sound = fftconvolve(samples, tail)[: len(samples)]
    sound = sosfilt(butter(2, (LOW, min(HIGH, 0.45 * rate)), "band", fs=rate, output="sos"), sound)
    noise = pink(len(sound), chance)
    sound = sound + noise * np.sqrt(np.square(sound).mean() / np.square(noise).mean()) * 10 ** (-decibels / 20)
    return (sound * (PEAK / max(np.abs(sound).max(), 1e-9))).astype(np.float32)


def pink(count: int, chance: np.random.Generator) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(chance.standard_normal(count))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    found: NDArray[np.float64] = np.fft.irfft(spectrum, count)
    return found
