"""Smooth: follows a signal, quickly up and slowly down."""

import math
from typing import Annotated, Literal

from instrument.flow import Signals, Tick
from instrument.parameters import Range


class Modulator:
    """An envelope follower: one pole, with one time constant for rising and another for falling, in seconds or in beats.

    It does not hear what is below `threshold`; what is above fills 0..1 again. It stays up for `hold` before it falls.
    """

    def __init__(self, *, source: str, unit: Literal["seconds", "beats"] = "seconds") -> None:
        self.source, self.unit = source, unit
        self.value, self.held, self.beat = 0.0, 0.0, 0.0

    def step(
        self,
        tick: Tick,
        signals: Signals,
        *,
        rise: Annotated[float, Range(0.001, 10, "s or beats", "exponential")] = 0.02,
        fall: Annotated[float, Range(0.001, 10, "s or beats", "exponential")] = 0.3,
        hold: Annotated[float, Range(0, 10, "s or beats")] = 0.0,
        threshold: Annotated[float, Range(0, 1)] = 0.0,
        curve: Annotated[float, Range(-1, 1)] = 0.0,
    ) -> float:
        """`curve` 0 is straight; above, soft sounds move it less than loud ones (1: v⁴), and below more (-1: ⁴√v)."""
        passed = tick.dt if self.unit == "seconds" else tick.beat - self.beat
        self.beat = tick.beat
        heard = signals.values.get(self.source, 0.0)
        goal = (heard - threshold) / (1 - threshold) if heard > threshold else 0.0
        if goal >= self.value:
            self.held = 0.0
            self.value += (goal - self.value) * (1 - math.exp(-passed / rise))
        else:
            self.held += passed
            falling = min(passed, max(0.0, self.held - hold))  # of this tick, what is left when it has held long enough
            self.value += (goal - self.value) * (1 - math.exp(-falling / fall))
        return math.pow(self.value, 4**curve)
