"""Smooth: follows a signal, quickly up and slowly down."""

import math
from typing import Annotated

from instrument.flow import Signals, Tick
from instrument.parameters import Range


class Modulator:
    """An envelope follower: one pole, with one time constant for rising and another for falling."""

    def __init__(self, *, source: str) -> None:
        self.source, self.value = source, 0.0

    def step(
        self,
        tick: Tick,
        signals: Signals,
        *,
        rise: Annotated[float, Range(0.001, 10, "s", "exponential")] = 0.02,
        fall: Annotated[float, Range(0.001, 10, "s", "exponential")] = 0.3,
    ) -> float:
        goal = signals.values.get(self.source, 0.0)
        self.value += (goal - self.value) * (1 - math.exp(-tick.dt / (rise if goal > self.value else fall)))
        return self.value
