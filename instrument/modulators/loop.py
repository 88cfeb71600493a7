"""Loop: what a signal did in the last bars, again and again."""

import math
from bisect import bisect
from collections import deque

from instrument.flow import Signals, Tick


class Modulator:
    """Passes `source` on; while `on` is up (0.5 and more), its last `bars` bars (1 to 8) repeat, each in its place in the bar.

    A key that is held loops while it is held. A toggle as `on` makes it stay, and so does an OSC message with 1 and then 0.
    Raises ValueError for another number of bars.
    """

    def __init__(self, *, source: str, on: str, bars: int = 1) -> None:
        if not 1 <= bars <= 8:
            raise ValueError(f"bars: 1 to 8, got {bars}")
        self.source, self.on, self.bars = source, on, bars
        self.past: deque[tuple[float, float]] = deque()  # (bar, value), of the last bars
        self.loop: list[tuple[float, float]] = []  # the same, from when `on` came up; empty while it is down

    def step(self, tick: Tick, signals: Signals) -> float:
        value = signals.values.get(self.source, 0.0)
        if not self.past or tick.bar > self.past[-1][0]:
            self.past.append((tick.bar, value))
        while len(self.past) > 1 and self.past[1][0] <= tick.bar - self.bars:
            self.past.popleft()
        if signals.values.get(self.on, 0.0) < 0.5:
            self.loop = []
            return value
        self.loop = self.loop or list(self.past)
        begin = self.loop[-1][0] - self.bars
        again = (begin + (tick.bar - begin) % self.bars, math.inf)
        return self.loop[max(0, bisect(self.loop, again) - 1)][1]
