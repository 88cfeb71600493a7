"""Phase: how many times something has gone round, in time with the music or by the second."""

from typing import Literal

from instrument.flow import Tick

CATCH = 0.5  # the part of its speed by which it hurries or waits, to be in place again


class Phase:
    """Turns of a wheel. In beats or bars its place is the music's: at a steady pace the turns are beats (or bars) times pace.

    A pace that moves only changes the speed, because its place would leap about: the hundredth beat is a whole turn at one
    pace and half a turn at the next. When the pace rests again, the wheel hurries or waits by at most half of its speed
    until it is in place, which takes a turn at most. Where the music leaps, the wheel leaps with it. In Hz it has no place
    and runs free.
    """

    def __init__(self, unit: Literal["Hz", "beats", "bars"]) -> None:
        self.unit = unit
        self.turns, self.last, self.pace = 0.0, 0.0, 0.0

    def step(self, tick: Tick, pace: float) -> float:
        """The turns so far and the part of one, never backwards; `pace` is turns a second, a beat or a bar."""
        now = tick.time if self.unit == "Hz" else tick.beat if self.unit == "beats" else tick.bar
        passed, steady = (now - self.last) * pace, pace == self.pace
        self.turns, self.last, self.pace = self.turns + passed, now, pace
        if steady and self.unit != "Hz":
            astray = (now * pace - self.turns + 0.5) % 1 - 0.5
            self.turns += min(max(astray, -CATCH * passed), CATCH * passed)
        return self.turns
