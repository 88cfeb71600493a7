"""LFO: a low-frequency oscillator, free or in time."""

import math
import random
from typing import Annotated, Literal

from instrument.flow import Signals, Tick
from instrument.parameters import Range
from instrument.phase import Phase


class Modulator:
    """A wave between 0 and 1: `sine` starts at the middle going up, `saw` rises, `square` starts up, `random` steps.

    `unit` says what `rate` counts: cycles a second ("Hz"), a beat ("beats") or a bar ("bars"). In beats and bars a wave keeps
    its place in the music: at rate 0.25 it begins on every fourth beat or bar, also after the tempo has leapt.
    """

    def __init__(
        self,
        *,
        shape: Literal["sine", "triangle", "saw", "square", "random"] = "sine",
        unit: Literal["Hz", "beats", "bars"] = "Hz",
        seed: int,
    ) -> None:
        self.shape, self.phase, self.seed = shape, Phase(unit), seed

    def step(
        self,
        tick: Tick,
        signals: Signals,
        *,
        rate: Annotated[float, Range(0.005, 30, "cycles", "exponential")] = 0.5,
        phase: Annotated[float, Range(0, 1, "turns")] = 0.0,
    ) -> float:
        cycle, turn = divmod(self.phase.step(tick, rate) + phase, 1)
        if self.shape == "sine":
            return 0.5 + 0.5 * math.sin(2 * math.pi * turn)
        if self.shape == "triangle":
            return 1 - abs(2 * turn - 1)
        if self.shape == "saw":
            return turn
        if self.shape == "square":
            return float(turn < 0.5)
        return random.Random(f"{self.seed} {cycle:.0f}").random()
