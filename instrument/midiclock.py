"""The clock of MIDI: 24 ticks a beat, which come trembling and with gaps, made into a line through them.

Arithmetic alone: times are handed in. From a start, a continue or a song position on, each tick has its number in the song,
and with it the beat and the bar are known; without one the pace is all that ticks say (MIDI 1.0, System Real Time Messages).
"""

from collections import deque
from collections.abc import Collection, Sequence
from statistics import mean, median

from instrument.flow import Reading

TICKS = 24  # a beat
SIXTEENTH = 6  # ticks: the unit of song positions
BAR = 4  # beats: a clock says nothing of bars, and a song position counts sixteenths from the first one
WINDOW = 48  # ticks that are remembered: trembling by ±5 ms leaves the line within 1.5
RECENT = 12  # the last of them, which are held against the line through those before
ENOUGH = 12  # ticks before a pace is known
SILENCE = 1.0  # seconds without a tick: the clock has stopped
SLOWEST = 0.2  # seconds a tick, 12.5 beats a minute: what comes less often is no clock


class MidiClock:
    """One sender's clock. Times are seconds, of one clock or another, and never run backwards."""

    def __init__(self) -> None:
        self.ticks: deque[tuple[int, float]] = deque(maxlen=WINDOW)  # by their number, and when they came
        self.number, self.at = -1, -SILENCE  # of the last tick, and when it was
        self.first, self.length = 0.0, 0.0  # when number 0 was by the line, and seconds a tick, 0 if not known
        self.origin: int | None = None  # the song's first tick; None where the song is not known or stands
        self.position: int | None = None  # ticks into the song, where it goes on from

    def start(self) -> None:
        """The next tick is the first of the song."""
        self.locate(0)
        self.go_on()

    def locate(self, sixteenths: int) -> None:
        """The song goes on, or goes on playing, at this place."""
        self.position = sixteenths * SIXTEENTH
        if self.origin is not None:
            self.go_on()

    def go_on(self) -> None:
        """The next tick is where the song stopped, if that is known."""
        if self.position is not None:
            self.origin = self.number + 1 - self.position
            self.ticks.clear()  # a sender may begin its ticks anew; their pace is still the same

    def stop(self) -> None:
        """The song stands, though ticks may go on."""
        if self.origin is not None:
            self.position, self.origin = self.number + 1 - self.origin, None

    def tick(self, time: float) -> None:
        """A tick that came at this time."""
        if time - self.at > SILENCE:
            self.ticks.clear()
            self.length = 0.0
        self.number, self.at = self.number + 1, time
        self.ticks.append((self.number, time))
        if len(self.ticks) < 2 * RECENT:
            if len(self.ticks) >= ENOUGH and (hole := gap(self.ticks)):
                self.count(hole, 1)
        elif abs(median(late := [self.off(*each) for each in list(self.ticks)[-RECENT:]])) > 0.5:
            lost = round(median(late))
            if lost > 0 and min(folded(late), folded([each - mean(late[:4]) for each in late])) < bent(late):
                ways = [sum((each - lost * (i >= hole)) ** 2 for i, each in enumerate(late)) for hole in range(RECENT)]
                self.count(len(self.ticks) - RECENT + ways.index(min(ways)), lost)
            else:
                self.ticks = deque(list(self.ticks)[-RECENT:], WINDOW)
        self.draw()

    def off(self, number: int, time: float) -> float:
        """By how many ticks one is later than the line has it."""
        return (time - self.first) / self.length - number

    def count(self, hole: int, lost: int) -> None:
        """Count ticks that were lost before one of those that are remembered."""
        self.number += lost
        self.ticks = deque(((n + lost * (i >= hole), time) for i, (n, time) in enumerate(self.ticks)), WINDOW)

    def draw(self) -> None:
        """The line through all but the recent ticks and those far off; through few, with the pace that was, if one was known."""
        ticks = list(self.ticks)
        if len(ticks) >= 2 * RECENT:
            near = [each for each in ticks[:-RECENT] if abs(self.off(*each)) < 0.5]
            ticks = near if len(near) >= ENOUGH else ticks[:-RECENT]
        if len(ticks) >= ENOUGH:
            self.length = steepness(ticks)
        self.first = sum(time - number * self.length for number, time in ticks) / len(ticks)

    def reading(self, time: float) -> Reading | None:
        """What is known at a time; None where no clock ticks."""
        if not 0 < self.length < SLOWEST or time - self.at > SILENCE:
            return None
        if self.origin is None or not self.ticks:
            return Reading(TICKS * self.length, None, 1.0)
        beat = ((time - self.first) / self.length - self.origin) / TICKS
        return Reading.known(TICKS * self.length, beat, BAR)


Ticks = Collection[tuple[int, float]]


def steepness(ticks: Ticks) -> float:
    """Seconds a tick, of the straight line of least squares."""
    across, up = sum(number for number, _ in ticks) / len(ticks), sum(time for _, time in ticks) / len(ticks)
    spread = sum((number - across) ** 2 for number, _ in ticks)
    return sum((number - across) * (time - up) for number, time in ticks) / spread


def left(ticks: Ticks) -> float:
    """The squares that the straight line leaves, added up."""
    length = steepness(ticks)
    off = [time - number * length for number, time in ticks]
    return sum((each - sum(off) / len(off)) ** 2 for each in off)


def gap(ticks: Ticks) -> int | None:
    """Before which of the first ticks of all one was lost, if with it the line leaves not half as much."""
    ways = [left([(n + (i >= hole), time) for i, (n, time) in enumerate(ticks)]) for hole in range(1, len(ticks))]
    return ways.index(min(ways)) + 1 if min(ways) < left(ticks) / 2 else None


def folded(late: Sequence[float]) -> float:
    """The squares that are left if whole ticks are lost and the pace is the same."""
    return sum((each - round(each)) ** 2 for each in late)


def bent(late: Sequence[float]) -> float:
    """The squares that are left if ticks go on at another pace, from the one on from which that leaves least."""
    found = []
    for turn in range(len(late) - 1):
        after = range(1, len(late) - turn + 1)
        steep = sum(n * each for n, each in zip(after, late[turn:], strict=True)) / sum(n * n for n in after)
        found.append(
            sum(each**2 for each in late[:turn])
            + sum((each - n * steep) ** 2 for n, each in zip(after, late[turn:], strict=True))
        )
    return min(found)
