"""The tempo: the one musical clock of a show. It is asked for the beat at a moment, also one that is still to come.

By itself it runs on at its tempo. What is heard draws it nearer, by at most a twenty-fifth of its speed, so that nothing
jumps; where it is wrong for longer, it leaps, and always forward: the beat never runs backwards, and no beat comes twice. A
performer's word goes before what is heard.
"""

from bisect import bisect
from collections import deque
from collections.abc import Sequence

from instrument.parameters import Range

TEMPI = Range(1, 999, "beats a minute")
SURE = 0.35  # a reading below is not believed
GESTURES = "tap", "double", "halve", "shift", "one", "lock"  # a performer's words
BEND = 0.04  # the most that speed is changed, to catch up or to wait
CATCH = 1.0  # seconds in which a small error is made good
ASTRAY, ENOUGH = 0.125, 1.0  # beats: an error that is too large to be made good, if it lasts so many beats
TAPS, LAPSE, BOUNCE = 8, 2.5, 0.15  # taps that count; seconds after which one is a first one; before which it is none


class Tempo:
    """Beats by time in seconds. `bpm` is what it begins with; `bar` is beats a bar."""

    def __init__(self, bpm: float, bar: int = 4) -> None:
        self.pace = bpm / 60  # beats a second, of the music
        self.since, self.at, self.speed = 0.0, 0.0, self.pace  # then the beat was this, and since then it goes so fast
        self.bar, self.one_at = bar, 0
        self.confidence = 0.0
        self.level, self.aside = 1.0, 0.0  # what is heard is that many times as slow; and that part of a beat late
        self.locked = False
        self.astray = 0.0  # beats for which it has been wrong
        self.heard_at = 0.0
        self.taps: deque[float] = deque(maxlen=TAPS)
        self.past: Sequence[tuple[float, float]] = ()  # of a take: times and their beats, instead of all that

    @property
    def bpm(self) -> float:
        """Beats a minute."""
        return 60 * self.pace

    def beat(self, time: float) -> float:
        """The beat at a time in seconds."""
        if self.past:
            return between(self.past, time)
        return self.at + self.speed * (time - self.since)

    def hear(self, now: float, time: float, period: float, phase: float, confidence: float) -> None:
        """At `now` the pulse is known as it was at `time`: seconds a beat, place in it 0..1, how sure 0..1."""
        self.confidence = confidence
        passed, self.heard_at = max(time - self.heard_at, 0.0), time
        if self.locked or confidence < SURE:
            self.run(now, self.pace)
            return
        period, phase = period / self.level, self.within(phase, time)
        error = (phase - self.beat(time) + 0.5) % 1 - 0.5
        self.pace = 1 / period
        self.astray = self.astray + passed / period if abs(error) > ASTRAY else 0.0
        if self.astray > ENOUGH:
            self.leap(now, error % 1)
            return
        self.run(now, self.pace * (1 + min(max(error * period / CATCH, -BEND), BEND)))

    def within(self, phase: float, time: float) -> float:
        """The place in our beat, of one in the beat that is heard, on the level that the performer chose.

        Where several that are heard are one of ours, it is in the one that is nearest.
        """
        several = max(round(1 / self.level), 1)
        places = [((phase + n) * self.level + self.aside) % 1 for n in range(several)]
        beat = self.beat(time)
        return min(places, key=lambda place: abs((place - beat + 0.5) % 1 - 0.5))

    def run(self, now: float, speed: float) -> None:
        """From now on go so fast."""
        self.since, self.at, self.speed = now, self.beat(now), speed

    def leap(self, now: float, beats: float) -> None:
        """Be further on by so many beats, at once."""
        self.run(now, self.pace)
        self.at += beats
        self.astray = 0.0

    # what a performer says

    def tap(self, now: float) -> None:
        """A beat is now; from the second tap on they say how fast it goes."""
        if self.taps and now - self.taps[-1] < BOUNCE:
            return
        if self.taps and now - self.taps[-1] > LAPSE:
            self.taps.clear()
        self.taps.append(now)
        if len(self.taps) > 1:
            self.pace = (len(self.taps) - 1) / (self.taps[-1] - self.taps[0])
            self.locked = True
        self.leap(now, -self.beat(now) % 1)

    def double(self, now: float) -> None:
        """Twice as many beats."""
        self.level, self.pace = min(self.level * 2, 4.0), self.pace * 2
        self.run(now, self.pace)

    def halve(self, now: float) -> None:
        """Half as many beats."""
        self.level, self.pace = max(self.level / 2, 0.25), self.pace / 2
        self.run(now, self.pace)

    def shift(self, now: float) -> None:
        """The beat is half-way between those that were taken for it."""
        self.aside = (self.aside + 0.5) % 1
        self.leap(now, 0.5)

    def one(self, now: float) -> None:
        """The bar begins now."""
        self.leap(now, -self.beat(now) % 1)
        self.one_at = round(self.beat(now)) % self.bar

    def lock(self, now: float) -> None:
        """Heed nothing that is heard any more; or do so again."""
        self.locked = not self.locked
        self.taps.clear()
        self.run(now, self.pace)

    def place(self, beat: float) -> float:
        """Where in the bar a beat is, 0..bar."""
        return (beat - self.one_at) % self.bar


def between(past: Sequence[tuple[float, float]], time: float) -> float:
    """The beat at a time, on straight lines between (time, beat) and on at the ends."""
    if len(past) == 1:
        return past[0][1]
    at = min(max(bisect(past, (time, float("inf"))), 1), len(past) - 1)
    (early, low), (late, high) = past[at - 1], past[at]
    return low + (high - low) * (time - early) / (late - early)
