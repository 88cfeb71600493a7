"""A tempo that another program tells in words: so many beats a minute, and a beat is now. Arithmetic alone."""

from collections import deque
from itertools import pairwise
from statistics import median

from instrument.flow import Reading
from instrument.parameters import Range

TEMPI = Range(10, 999, "beats a minute")
BAR = 4  # beats, where beats are told by number: the first of all is number 0
STROKES = 8  # beats in a row that say the pace
LAPSE = 4.0  # beats: a pace that is said by beats alone is no longer known after so many without one


class Told:
    """What was said last. A pace in words stands until another is said, or 0, which lets go of it."""

    def __init__(self) -> None:
        self.said = 0.0  # beats a minute, 0 if none was
        self.beats: deque[tuple[float, float]] = deque(maxlen=STROKES)  # when, and which
        self.numbered = False

    def pace(self, bpm: float) -> None:
        """So many beats a minute; out of range is clamped, 0 and less is none."""
        self.said = TEMPI.clamp(bpm) if bpm > 0 else 0.0

    def beat(self, time: float, number: float | None) -> None:
        """A beat is at this time in seconds; or the beat of this number is, parts of one included."""
        last = self.beats[-1] if self.beats else None
        self.numbered = number is not None
        if number is None:
            number = last[1] + self.since(last[0], time) if last else 0.0
        if last and not 0 < number - last[1] <= LAPSE:
            self.beats.clear()  # it goes on elsewhere, so it does not say how fast
        self.beats.append((time, number))

    def since(self, before: float, time: float) -> int:
        """How many beats are between one and the next: more than one, if some were not told."""
        period = self.period()
        return max(round((time - before) / period), 1) if period else 1

    def period(self) -> float | None:
        """Seconds a beat, as said, or else as the beats come."""
        if self.said:
            return 60 / self.said
        apart = [(late - early) / (after - before) for (early, before), (late, after) in pairwise(self.beats)]
        period = median(apart) if apart else 0.0
        return period if TEMPI.low <= 60 / max(period, 1e-9) <= TEMPI.high else None

    def reading(self, time: float) -> Reading | None:
        """What is known at a time; None where nothing is."""
        period = self.period()
        if period is None:
            return None
        if not self.beats:
            return Reading(period, None, 1.0)
        then, number = self.beats[-1]
        if not self.said and time - then > LAPSE * period:
            return None
        return Reading.known(period, number + (time - then) / period, BAR * self.numbered)
