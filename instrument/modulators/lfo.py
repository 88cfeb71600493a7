"""LFO: a low-frequency oscillator, free or in time."""

import math
import random
from typing import Annotated, Literal

from instrument.flow import Signals, Tick
from instrument.parameters import Range


class Modulator:
    """A wave between 0 and 1: `sine` starts at the middle going up, `saw` rises, `square` starts up, `random` steps.

    `unit` says what `rate` counts: cycles a second ("Hz"), or with "beats" cycles a beat.
    """

    def __init__(
        self,
        *,
        shape: Literal["sine", "triangle", "saw", "square", "random"] = "sine",
        unit: Literal["Hz", "beats"] = "Hz",
        seed: int,
    ) -> None:
        self.shape, self.unit, self.seed = shape, unit, seed
        self.cycles, self.last = 0.0, 0.0

    def step(
        self,
        tick: Tick,
        signals: Signals,
        *,
        rate: Annotated[float, Range(0.005, 30, "cycles", "exponential")] = 0.5,
        phase: Annotated[float, Range(0, 1, "turns")] = 0.0,
    ) -> float:
        now = tick.beat if self.unit == "beats" else tick.time
        self.cycles, self.last = self.cycles + (now - self.last) * rate, now
        cycle, turn = divmod(self.cycles + phase, 1)
        if self.shape == "sine":
            return 0.5 + 0.5 * math.sin(2 * math.pi * turn)
        if self.shape == "triangle":
            return 1 - abs(2 * turn - 1)
        if self.shape == "saw":
            return turn
        if self.shape == "square":
            return float(turn < 0.5)
        return random.Random(f"{self.seed} {cycle:.0f}").random()
