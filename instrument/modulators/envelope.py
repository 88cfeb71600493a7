"""Envelope: rises when something is struck, then falls."""

import math
from typing import Annotated

from instrument.flow import Signals, Tick
from instrument.parameters import Range


class Modulator:
    """Attack to the strength of the strike, then exponential decay; struck again it starts from where it is.

    `on` is the signal that strikes it, such as "audio/onset" or "midi/note/36".
    """

    def __init__(self, *, on: str) -> None:
        self.on = on
        self.value, self.peak = 0.0, 0.0

    def step(
        self,
        tick: Tick,
        signals: Signals,
        *,
        attack: Annotated[float, Range(0.001, 2, "s", "exponential")] = 0.005,
        decay: Annotated[float, Range(0.01, 10, "s", "exponential")] = 0.3,
    ) -> float:
        """`attack` is seconds from nothing to the top, `decay` the time constant of the fall (to 37 %)."""
        if self.on in signals.struck:
            self.peak = signals.values.get(self.on, 0.0)
        if self.value < self.peak:
            self.value = min(self.peak, self.value + tick.dt / attack)
        else:
            self.peak = 0.0  # reached, or a strike too soft to be seen above what still sounds
            self.value *= math.exp(-tick.dt / decay)
        return self.value
