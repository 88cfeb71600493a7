"""Hold: takes a new value each time something is struck, and keeps it."""

import random

from instrument.flow import Signals, Tick


class Modulator:
    """Sample and hold: on each strike of `on` the value of `source`, or without a source a random one."""

    def __init__(self, *, on: str, source: str = "", seed: int) -> None:
        self.on, self.source = on, source
        self.random, self.value = random.Random(seed), 0.0

    def step(self, tick: Tick, signals: Signals) -> float:
        if self.on in signals.struck:
            self.value = signals.values.get(self.source, 0.0) if self.source else self.random.random()
        return self.value
