"""The tempo: the one musical clock of a show. It is asked for the beat at a moment, also one that is still to come.

By itself it runs on at its tempo. What is heard draws it nearer, by at most a twenty-fifth of its speed, so that nothing
jumps; where it is wrong for longer, it leaps, and always forward: the beat never runs backwards, and no beat comes twice. A
performer's word goes before what is heard.
"""

import math
from bisect import bisect
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from instrument.flow import Reading, Tick
from instrument.parameters import Range

TEMPI = Range(1, 999, "beats a minute")
SURE = 0.35  # a reading below is not believed
GESTURES = "tap", "double", "halve", "shift", "one", "lock", "sooner", "later"  # a performer's words
BEND = 0.04  # the most that speed is changed, to catch up or to wait
CATCH = 1.0  # seconds in which a small error is made good
ASTRAY, ENOUGH = 0.125, 1.0  # beats: an error that is too large to be made good, if it lasts so many beats
LEVELS = 0.25, 4.0  # times as many beats as are heard, which the performer can ask for
SAME = 0.17  # octaves: what is heard from one moment to the next is nearer than that, or it is another tempo or level
BARS_SURE = 4  # beats in a row that say that bars begin elsewhere, before they are believed; who knows is at once
NUDGE, MOST = 0.01, 0.25  # seconds by which the picture comes sooner or later, each time and at most
ABOVE = 2.0  # seconds for which a source that goes before others is waited for
TAPS, LAPSE, BOUNCE = 8, 2.5, 0.15  # taps that count; seconds after which one is a first one; before which it is none


class Position(NamedTuple):
    """Where the clock is at a time in seconds: the beat, its place 0..bar in a bar of so many beats, and beats a second."""

    time: float
    beat: float
    place: float
    bar: int
    speed: float


class Tempo:
    """Beats by time in seconds. `bpm` is what it begins with; `bar` is beats a bar, or None to hear them, 4 to begin with.

    Pictures are drawn `ahead` seconds before they are seen, and so is their beat: it is that of the moment when they are.
    """

    def __init__(self, bpm: float, bar: int | None = None, ahead: float = 0.0) -> None:
        self.pace = bpm / 60  # beats a second, of the music
        self.since, self.at, self.speed = 0.0, 0.0, self.pace  # then the beat was this, and since then it goes so fast
        self.ahead = ahead
        self.hears_bar, self.bar = bar is None, bar or 4
        self.one_at, self.bars = 0, 0  # the beat with which a bar begins, and the number of that bar
        self.told = False  # where the bar begins, by the performer
        self.elsewhere = 0  # beats in a row in which the bar was heard to be another
        self.last_place = -1
        self.rank, self.ranked_at = 0, 0.0  # of the source that goes before others, and when it last spoke
        self.seen = 0.0, 0.0  # the beat and the bar of the last tick
        self.confidence = 0.0
        self.level, self.aside = 1.0, 0.0  # what is heard is that many times as slow; and that part of a beat late
        self.chosen = False  # the level, by the performer
        self.heard = 0.0  # seconds a beat, as heard last
        self.locked = False
        self.astray = 0.0  # beats for which it has been wrong
        self.heard_at = 0.0
        self.taps: deque[float] = deque(maxlen=TAPS)
        self.past: Sequence[
            tuple[float, float, float]
        ] = ()  # of a take or a sidecar: times, beats and bars, instead of all that

    @property
    def bpm(self) -> float:
        """Beats a minute."""
        return 60 * self.pace

    def beat(self, time: float) -> float:
        """The beat at a time in seconds."""
        if self.past:
            return between(self.past, time)
        return self.at + self.speed * (time - self.since)

    def bar_of(self, beat: float) -> float:
        """Bars until a beat, and which part of one."""
        return self.bars + (beat - self.one_at) / self.bar

    def position(self, time: float) -> Position:
        """Where it is at a time; with no regard to when pictures are seen."""
        beat = self.beat(time)
        return Position(time, beat, self.place(beat), self.bar, self.speed)

    def follows(self, now: float) -> int:
        """The rank of the source that it follows now; 0 while it follows none."""
        return self.rank if not self.locked and now - self.ranked_at < ABOVE else 0

    def tick(self, index: int, time: float, dt: float) -> Tick:
        """The tick at a time, with the beat and bar of when it is seen; they never run backwards."""
        if self.past:
            seen = time + self.ahead
            return Tick(index, time, dt, between(self.past, seen), between(self.past, seen, 2))
        beat = self.beat(time + self.ahead)
        beat, bar = self.seen = max(beat, self.seen[0]), max(self.bar_of(beat), self.seen[1])
        return Tick(index, time, dt, beat, bar)

    def hear(self, now: float, time: float, reading: Reading, rank: int = 0) -> None:
        """At `now` the pulse is known as it was at `time`. Of several sources the one of the highest rank is heard."""
        if rank < self.rank and now - self.ranked_at < ABOVE:
            return
        period, phase, confidence = reading.period, reading.phase, reading.confidence
        self.confidence = confidence
        if confidence >= SURE:
            self.rank, self.ranked_at = rank, now
        passed, self.heard_at = max(time - self.heard_at, 0.0), time
        if self.locked or confidence < SURE:
            self.run(now, self.pace)
            return
        if confidence < 1:  # who knows the tempo is never on another level
            self.keep_level(reading, time)
        period /= self.level
        self.pace = 1 / period
        if phase is None:
            self.run(now, self.pace)
            return
        error = (self.within(phase, time) - self.beat(time) + 0.5) % 1 - 0.5
        self.astray = self.astray + passed / period if abs(error) > ASTRAY else 0.0
        if self.astray > ENOUGH:
            self.leap(now, error % 1)
            return
        self.run(now, self.pace * (1 + min(max(error * period / CATCH, -BEND), BEND)))
        if reading.bar and self.level == 1 and not self.aside:
            self.hear_bar(self.beat(time) + error - phase, reading)

    def keep_level(self, reading: Reading, time: float) -> None:
        """Where what is heard becomes twice as fast or half, the beat stays as it is, if the performer chose its level.

        Where it becomes another tempo it is other music, and may be heard otherwise.
        """
        before, self.heard = self.heard, reading.period
        octaves = math.log2(reading.period / before) if before and self.chosen else 0.0
        if abs(octaves) < SAME:
            return
        self.chosen = abs(octaves - round(octaves)) < SAME
        if self.chosen and reading.phase is not None:
            self.level *= 2.0 ** round(octaves)
            phase, beat = reading.phase, self.beat(time)

            def apart(aside: float) -> float:
                self.aside = aside
                return abs((self.within(phase, time) - beat + 0.5) % 1 - 0.5)

            self.aside = min((self.aside, (self.aside + 0.5) % 1), key=apart)

    def hear_bar(self, beat: float, reading: Reading) -> None:
        """The beat, a whole number or nearly, is one that has its place in a bar. Once a beat it is asked whether in ours too."""
        if self.told or reading.place == self.last_place or (reading.bar != self.bar and not self.hears_bar):
            return
        self.last_place = reading.place
        same = reading.bar == self.bar and self.place(round(beat)) == reading.place
        self.elsewhere = 0 if same else self.elsewhere + 1
        if self.elsewhere >= (1 if reading.confidence == 1 else BARS_SURE):
            self.begin_bar(round(beat) - reading.place, reading.bar)

    def begin_bar(self, beat: int, bar: int) -> None:
        """Bars of so many beats begin with this beat. Their number goes on, forwards."""
        now = self.seen[0]
        begun = self.bar_of(now)
        self.bar, self.one_at, self.elsewhere = bar, beat, 0
        self.bars = 0
        self.bars = math.ceil(begun - self.bar_of(now))

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
        self.level, self.pace, self.chosen = min(self.level * 2, LEVELS[1]), self.pace * 2, True
        self.run(now, self.pace)

    def halve(self, now: float) -> None:
        """Half as many beats."""
        self.level, self.pace, self.chosen = max(self.level / 2, LEVELS[0]), self.pace / 2, True
        self.run(now, self.pace)

    def shift(self, now: float) -> None:
        """The beat is half-way between those that were taken for it."""
        self.aside = (self.aside + 0.5) % 1
        self.leap(now, 0.5)

    def one(self, now: float) -> None:
        """The bar begins now."""
        self.leap(now, -self.beat(now) % 1)
        self.begin_bar(round(self.beat(now)), self.bar)
        self.told = True

    def lock(self, now: float) -> None:
        """Heed nothing that is heard any more; or do so again, also of bars."""
        self.locked = not self.locked
        self.told = False
        self.taps.clear()
        self.run(now, self.pace)

    def sooner(self, now: float) -> None:
        """The picture a hundredth of a second before."""
        self.ahead = min(self.ahead + NUDGE, MOST)

    def later(self, now: float) -> None:
        """The picture a hundredth of a second after."""
        self.ahead = max(self.ahead - NUDGE, -MOST)

    def place(self, beat: float) -> float:
        """Where in the bar a beat is, 0..bar."""
        return (beat - self.one_at) % self.bar


def between(past: Sequence[tuple[float, ...]], time: float, column: int = 1) -> float:
    """The beat at a time, on straight lines between rows (time, beat, bar) and on at the ends; in column 2 the bar."""
    if len(past) == 1:
        return past[0][column]
    at = min(max(bisect(past, (time, float("inf"))), 1), len(past) - 1)
    early, late, low, high = past[at - 1][0], past[at][0], past[at - 1][column], past[at][column]
    return low + (high - low) * (time - early) / (late - early)
