"""Level: whether each pulse is a beat, or only every other one.

What lies half-way between two beats is as regular as they are, so the pulse alone may take both for beats. How sure the network
was of either, over some bars, tells them apart.
"""

import math

import numpy as np

EACH, EVEN, ODD = range(3)  # which pulses are beats
REACH = -0.04, 0.08  # seconds about a pulse in which the network's word for it is looked for; it comes a little late
REACHES = 0.25  # of a pulse, at most
RARE = 2.5  # how many times as likely as it is a beat was made to look in the training
LASTS = 8.0  # seconds for which it is remembered
ENOUGH = 2  # times that both must have been heard
USUALLY = 0.4  # how much it counts that a tempo is unusual
FEW, MUCH = 1.0, 3.0  # by how much another level must be likelier, in its logarithm, in the beginning and later on
BEGINNING = 15.0  # seconds
WAIT = 3.0  # seconds between two changes
ANEW = 0.27  # by so much of its octave a pulse that is followed changes at once only if it is another
SUREST = 0.98  # no share is surer than that
FAINT = 0.2  # where neither of two pulses is more like a beat, there is no word about either


class Level:
    """Follows the pulse from block to block of `dt` seconds; about `usual` beats a minute are likeliest, by `spread` octaves."""

    def __init__(self, dt: float, usual: float, spread: float, slowest: float) -> None:
        self.dt, self.usual, self.spread, self.slowest = dt, usual, spread, slowest
        self.which, self.count = EACH, 0
        self.period, self.phase = 0.0, 0.0
        self.now, self.changed = 0.0, -WAIT
        self.forget()

    def forget(self) -> None:
        """What was heard was of other pulses."""
        self.heard, self.weight = np.zeros(2), np.zeros(2)  # of even pulses and odd ones
        self.last = [0.0, 0.0]
        self.near, self.strongest = -1, 0.0  # the pulse that is near, by its number

    def __call__(self, period: float, phase: float, beat: float) -> tuple[float, float]:
        """Seconds a pulse and the place in it 0..1, how like a beat it is now 0..1 -> seconds a beat and the place in that."""
        self.now += self.dt
        if self.period and abs(math.log2(period / self.period)) > ANEW:
            self.begin(period, phase)
        elif self.phase > 0.75 and phase < 0.25:
            self.count += 1
        elif self.phase < 0.25 and phase > 0.75:
            self.count -= 1
        self.period, self.phase = period, phase
        pulse = self.count + round(phase)
        away = (self.count + phase - pulse) * period
        inside = max(REACH[0], -REACHES * period) < away < min(REACH[1], REACHES * period)
        if self.near >= 0 and not (inside and pulse == self.near):
            self.weigh(self.near % 2)
        if inside:
            self.near, self.strongest = pulse, max(self.strongest, beat)
        return self.told(self.which, period, phase)

    def told(self, which: int, period: float, phase: float) -> tuple[float, float]:
        if which == EACH:
            return period, phase
        return 2 * period, ((self.count + (which == ODD)) % 2 + phase) / 2

    def begin(self, period: float, phase: float) -> None:
        """The pulse has become another; the beat stays what it was, as nearly as can be."""
        before, place = self.told(self.which, self.period, self.phase)

        def apart(which: int) -> tuple[bool, float]:
            now, there = self.told(which, period, phase)
            return abs(math.log2(now / before)) > ANEW, abs((there - place + 0.5) % 1 - 0.5)

        self.which = min((EACH, EVEN, ODD), key=apart)
        if apart(self.which)[0]:
            self.which = EACH
        self.forget()

    def weigh(self, side: int) -> None:
        """A pulse has passed; `side` is 0 of an even one and 1 of an odd."""
        like, self.last[side] = self.strongest, self.strongest
        self.near, self.strongest = -1, 0.0
        if max(self.last) < FAINT:
            return
        kept = math.exp(-2 * self.period / LASTS)
        likely = like / (like + RARE * (1 - like))
        self.heard[side] = kept * self.heard[side] + (1 - kept) * likely
        self.weight[side] = kept * self.weight[side] + (1 - kept)
        if self.weight.min() < 0.999 * (1 - kept**ENOUGH) or self.now - self.changed < WAIT:
            return
        fits = self.fits()
        best = int(fits.argmax())
        if fits[best] > fits[self.which] + (FEW if self.now < BEGINNING else MUCH):
            self.which, self.changed = best, self.now

    def fits(self) -> np.ndarray:
        """How likely each level is, as a logarithm: a pulse that it leaves out had better be none."""
        shares = np.clip(self.heard / self.weight, 1 - SUREST, SUREST)
        even, odd = np.log(shares / (1 - shares))
        each, other = self.usually(self.period), self.usually(2 * self.period)
        return np.array((even + odd + each, even + other, odd + other))

    def usually(self, period: float) -> float:
        if 60 / period < self.slowest:
            return -math.inf
        return -USUALLY * 0.5 * (math.log2(60 / period / self.usual) / self.spread) ** 2
