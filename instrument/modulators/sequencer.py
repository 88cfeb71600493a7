"""Sequencer: a row of values, one after the other, in time."""

from typing import Annotated, Literal

from instrument.flow import Signals, Tick
from instrument.parameters import Range
from instrument.phase import Phase

MOST = 32  # steps


class Modulator:
    """1 to 32 `steps`, each 0..1, round and round, in their place in the music.

    `unit` says what `length` counts: 16 steps of 0.25 beats last four beats, 16 of 0.0625 bars last a bar and begin with it,
    however many beats it has. Raises ValueError for too few or too many steps, and for one that is out of range.
    """

    def __init__(self, *, steps: list[float], unit: Literal["beats", "bars"] = "beats") -> None:
        if not 1 <= len(steps) <= MOST:
            raise ValueError(f"steps: 1 to {MOST} numbers, got {len(steps)}")
        for number, value in enumerate(steps, 1):
            if not 0 <= value <= 1:
                raise ValueError(f"steps: each is 0..1, got {value:g} as number {number}")
        self.steps, self.phase = steps, Phase(unit)

    def step(
        self,
        tick: Tick,
        signals: Signals,
        *,
        length: Annotated[float, Range(0.0625, 16, "beats or bars", "exponential")] = 1.0,
        glide: Annotated[float, Range(0, 1)] = 0.0,
    ) -> float:
        """`length` is that of one step, `glide` the part of it that the way from the last value takes."""
        count = len(self.steps)
        at = self.phase.step(tick, 1 / (length * count)) % 1 * count
        now = min(int(at), count - 1)
        value, gone = self.steps[now], at - now
        if gone >= glide:
            return value
        return self.steps[now - 1] + (value - self.steps[now - 1]) * gone / glide
