"""Ramp: climbs or falls over so many beats or bars, and begins again."""

import math
from typing import Annotated, Literal

from instrument.flow import Signals, Tick
from instrument.parameters import Range
from instrument.phase import Phase


class Modulator:
    """From 0 to 1, or `falling` from 1 to 0, in time: a ramp of 4 bars begins with every fourth bar.

    `unit` says what `length` counts. When `length` is moved the ramp goes on from where it is, and is in place again within
    one ramp: so a fader or a scene can change it without a jump, and the ramp still ends where the phrase does.
    """

    def __init__(self, *, unit: Literal["beats", "bars"] = "beats", falling: bool = False) -> None:
        self.phase, self.falling = Phase(unit), falling

    def step(
        self,
        tick: Tick,
        signals: Signals,
        *,
        length: Annotated[float, Range(0.25, 32, "beats or bars", "exponential")] = 4.0,
        curve: Annotated[float, Range(-1, 1)] = 0.0,
    ) -> float:
        """`curve` 0 is a straight line; above, it waits and then hurries (1: t⁴), and below it hurries first (-1: ⁴√t)."""
        way = math.pow(self.phase.step(tick, 1 / length) % 1, 4**curve)
        return 1 - way if self.falling else way
