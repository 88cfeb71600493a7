"""Loudness as the ear has it, and what comes of it over seconds: a build-up, a drop, silence."""

import math

import numpy as np
from numpy.typing import NDArray

from instrument.listening.gain import GATE, HALF_LIFE, QUIET

WINDOW_SECONDS = 0.4  # of momentary loudness (ITU-R BS.1770-4)
SONE = 0.3  # loudness grows by this power of power (Stevens 1957): 10 dB more are twice as loud
SHORT_SECONDS, LONG_SECONDS = 1.5, 12.0  # a build-up is the one against the other
FULL_DB = 12.0  # so much louder than before is a build-up of 1
LANDING_SECONDS, BEFORE_SECONDS = 0.25, 4.0  # the bass of a drop, and that of before
DROP_DB, LEAST_SHARE = 9.0, 0.25  # it jumps by so much, and to that part of the loudest bass of late, as amplitude
REST_SECONDS = 8.0  # between two drops, and before the first
FALL_SECONDS = 0.5  # of quiet that are silence
WAKE = 1.4  # times the gate, at which silence ends


def k_weights(frequencies: NDArray[np.floating]) -> NDArray[np.float32]:
    """How much power counts at each frequency in Hz: the two filters of ITU-R BS.1770-4, at its 48 kHz."""
    z = np.exp(2j * np.pi * np.minimum(frequencies, 22000) / 48000)

    def gain(b: tuple[float, float, float], a: tuple[float, float]) -> NDArray[np.complex128]:
        found: NDArray[np.complex128] = (b[0] * z**2 + b[1] * z + b[2]) / (z**2 + a[0] * z + a[1])
        return found

    shelf = gain((1.53512485958697, -2.69169618940638, 1.19839281085285), (-1.69065929318241, 0.73248077421585))
    pass_high = gain((1.0, -2.0, 1.0), (-1.99004745483398, 0.99007225036621))
    return np.square(np.abs(shelf * pass_high)).astype(np.float32)


class Loudness:
    """Power of the whole sound, K-weighted, and of its bass, block by block; `dt` is the length of a block in seconds."""

    def __init__(self, dt: float) -> None:
        self.keep = 0.5 ** (dt / HALF_LIFE)
        self.recent, self.at = np.zeros(max(round(WINDOW_SECONDS / dt), 1)), 0
        self.peak = QUIET**2
        self.build, self.drop = Build(dt), Drop(dt)

    def __call__(self, power: float, bass: float, sounds: bool, silent: bool) -> dict[str, float]:
        """`loudness` 0..1 against its recent peak, `build` 0.5 where the music goes on as it did, and `drop` when one lands."""
        self.recent[self.at] = power
        self.at = (self.at + 1) % len(self.recent)
        now = float(np.add.reduce(self.recent)) / len(self.recent)
        if sounds:
            self.peak = max(now, self.peak * self.keep, QUIET**2)
        heard = ((now / self.peak) ** SONE - (GATE**2 / self.peak) ** SONE) / (1 - (GATE**2 / self.peak) ** SONE)
        return {
            "loudness": min(max(heard, 0.0), 1.0),
            "build": self.build(power, sounds),
            "drop": self.drop(bass, silent),
        }


class Build:
    """By how much the music is louder than it was: 0.5 as loud, 1 louder by 12 dB, 0 softer by 12 dB."""

    def __init__(self, dt: float) -> None:
        self.quick, self.slow = 1 - math.exp(-dt / SHORT_SECONDS), 1 - math.exp(-dt / LONG_SECONDS)
        self.short = self.long = 0.0
        self.heard = 0

    def __call__(self, power: float, sounds: bool) -> float:
        if not sounds:  # a pause is no change
            return 0.5
        self.heard += 1
        self.short += max(self.quick, 1 / self.heard) * (
            power - self.short
        )  # at first a plain mean, so that it is even
        self.long += max(self.slow, 1 / self.heard) * (power - self.long)
        decibels = 10 * math.log10((self.short + GATE**2) / (self.long + GATE**2))
        return min(max(0.5 + 0.5 * decibels / FULL_DB, 0.0), 1.0)


class Drop:
    """The moment when the bass comes back at once, after seconds without it."""

    def __init__(self, dt: float) -> None:
        self.dt, self.keep = dt, 0.5 ** (dt / HALF_LIFE)
        self.quick, self.slow = 1 - math.exp(-dt / LANDING_SECONDS), 1 - math.exp(-dt / BEFORE_SECONDS)
        self.landing = self.before = self.peak = 0.0
        self.since = 0.0

    def __call__(self, bass: float, silent: bool) -> float:
        if silent:  # music that begins again after a pause is no drop
            return 0.0
        self.landing += self.quick * (bass - self.landing)
        self.peak = max(self.landing, self.peak * self.keep)
        jump = 10 * math.log10((self.landing + GATE**2) / (self.before + GATE**2))
        self.before += self.slow * (bass - self.before)
        self.since += self.dt
        if jump < DROP_DB or self.landing < LEAST_SHARE**2 * self.peak or self.since < REST_SECONDS:
            return 0.0
        self.since = 0.0
        return min(jump / (2 * DROP_DB), 1.0)


class Silence:
    """Whether nothing sounds: from half a second of quiet on, until something is louder than the gate by 3 dB."""

    def __init__(self, dt: float) -> None:
        self.dt, self.quiet, self.on = dt, FALL_SECONDS, True

    def __call__(self, level: float) -> bool:
        self.quiet = 0.0 if level > GATE else self.quiet + self.dt
        self.on = level < WAKE * GATE if self.on else self.quiet >= FALL_SECONDS
        return self.on
