"""The tactus: whether each pulse is a beat, or only every other one (Lerdahl and Jackendoff, 1983, chapter 4).

What lies half-way between two beats is as regular as they are, so the pulse alone may take both for beats. How sure the network
was of either, over some bars, tells them apart.
"""

import math

import numpy as np
from numpy.typing import NDArray

EACH, EVEN, ODD = range(3)  # which pulses are beats
BEFORE, AFTER = (
    0.04,
    0.08,
)  # seconds about a pulse in which the network's word for it is looked for; it comes a little late
WIDEST = 0.25  # of a pulse: no more than that
RARE = 2.5  # beats are rare, and the network was taught to say so many times as often as it should that there is one
LASTS = 8.0  # seconds for which a pulse is remembered
ENOUGH = 2  # times that both must have been heard
HEED = 0.4  # how much it counts that a tempo is unusual
FEW, MUCH = 1.0, 3.0  # by how much another tactus must be likelier, as a logarithm, in a song's beginning and later on
BEGINNING = 15.0  # seconds of music; after so much silence another song begins
WAIT = 3.0  # seconds between two changes
JUMP = 0.27  # octaves: a pulse whose tempo changes by more from one block to the next is another
SUREST = 0.98  # no share is surer than that
FAINT = 0.2  # where neither of two pulses is more like a beat, there is no word about either
DRAWN = 0.05  # of an error, each block: a reading that leaps there and back has missed no pulse


class Tactus:
    """Follows the pulse from block to block of `dt` seconds.

    About `usual` beats a minute are likeliest, by `spread` octaves, and none is slower than `slowest`.
    """

    def __init__(self, dt: float, usual: float, spread: float, slowest: float) -> None:
        self.dt, self.usual, self.spread, self.slowest = dt, usual, spread, slowest
        self.which = EACH
        self.period, self.phase, self.place = 0.0, 0.0, 0.0  # of the pulse, and pulses so far
        self.sounding, self.silent, self.since = 0.0, 0.0, WAIT  # seconds: of music, of none, since the last change
        self.forget()

    def forget(self) -> None:
        """What was heard was of other pulses."""
        self.heard, self.weight = np.zeros(2), np.zeros(2)  # of even pulses and odd ones
        self.last = [0.0, 0.0]
        self.near: int | None = None  # the pulse that is near, by its number
        self.strongest = 0.0

    def __call__(self, period: float, phase: float, beat: float) -> tuple[float, float]:
        """Seconds a pulse and the place in it 0..1, how like a beat it is now 0..1 -> seconds a beat and the place in that."""
        self.since += self.dt
        if self.period and abs(math.log2(period / self.period)) > JUMP:
            self.begin(period, phase)
        else:
            self.place += self.dt / period
            self.place += DRAWN * (self.count(phase) + phase - self.place)
        self.period, self.phase = period, phase
        count = self.count(phase)
        pulse = count + round(phase)
        away = (count + phase - pulse) * period
        inside = -min(BEFORE, WIDEST * period) < away < min(AFTER, WIDEST * period)
        if self.near is not None and not (inside and pulse == self.near):
            self.weigh(self.near % 2)
        if inside:
            self.near, self.strongest = pulse, max(self.strongest, beat)
        return self.told(self.which, period, phase)

    def count(self, phase: float) -> int:
        """Whole pulses so far."""
        return round(self.place - phase)

    def told(self, which: int, period: float, phase: float) -> tuple[float, float]:
        if which == EACH:
            return period, phase
        return 2 * period, ((self.count(phase) + (which == ODD)) % 2 + phase) / 2

    def begin(self, period: float, phase: float) -> None:
        """The pulse has become another; where it is twice or half the one before, the beat stays what it was."""
        before, there = self.told(self.which, self.period, self.phase)
        self.place = self.count(self.phase) + phase

        def apart(which: int) -> tuple[bool, float]:
            now, here = self.told(which, period, phase)
            return abs(math.log2(now / before)) > JUMP, abs((here - there + 0.5) % 1 - 0.5)

        self.which = min((EACH, EVEN, ODD), key=apart)
        if apart(self.which)[0]:
            self.which = EACH
        self.forget()

    def weigh(self, side: int) -> None:
        """A pulse has passed; `side` is 0 of an even one and 1 of an odd."""
        like, self.last[side] = self.strongest, self.strongest
        self.near, self.strongest = None, 0.0
        if max(self.last) < FAINT:
            self.silent += self.period
            return
        if self.silent > BEGINNING:
            self.sounding = 0.0
            self.forget()
        self.sounding, self.silent = self.sounding + self.period, 0.0
        kept = math.exp(-2 * self.period / LASTS)
        self.heard[side] = kept * self.heard[side] + (1 - kept) * like / (like + RARE * (1 - like))
        self.weight[side] = kept * self.weight[side] + (1 - kept)
        if self.weight.min() < 0.999 * (1 - kept**ENOUGH) or self.since < WAIT:
            return
        said = self.fits()
        best = int(said.argmax())
        # of a pulse that is a beat the network is never as sure as of one that is none
        soon = self.sounding < BEGINNING or best == EACH
        if said[best] > said[self.which] + (FEW if soon else MUCH):
            self.which, self.since = best, 0.0

    def fits(self) -> NDArray[np.float64]:
        """How likely each tactus is."""
        return fits(self.heard / self.weight, self.period, self.usual, self.spread, self.slowest)


def whole(like: NDArray[np.floating], period: float, usual: float, spread: float, slowest: float) -> int:
    """The tactus of a song that has been heard to its end: how like a beat each pulse was [pulses], seconds a pulse."""
    pairs = np.asarray(like[: len(like) // 2 * 2], np.float64).reshape(-1, 2)
    pairs = pairs[pairs.max(1, initial=0.0) >= FAINT]
    if not len(pairs):
        return EACH
    return int(fits((pairs / (pairs + RARE * (1 - pairs))).mean(0), period, usual, spread, slowest).argmax())


def fits(
    shares: NDArray[np.float64], period: float, usual: float, spread: float, slowest: float
) -> NDArray[np.float64]:
    """How likely each tactus is, as a logarithm, where such shares of even pulses and of odd ones are beats [2].

    A pulse that it leaves out had better be none.
    """

    def liked(period: float) -> float:
        return -math.inf if 60 / period < slowest else -HEED / 2 * (math.log2(60 / period / usual) / spread) ** 2

    shares = np.clip(shares, 1 - SUREST, SUREST)
    even, odd = np.log(shares / (1 - shares))
    each, other = liked(period), liked(2 * period)
    return np.array((even + odd + each, even + other, odd + other))
