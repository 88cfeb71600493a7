"""Toggle: a key or pad that switches on when struck and off when struck again."""

from instrument.flow import Signals, Tick


class Modulator:
    """0 or 1, changed by each strike of `on`."""

    def __init__(self, *, on: str, start: bool = False) -> None:
        self.on, self.value = on, float(start)

    def step(self, tick: Tick, signals: Signals) -> float:
        if self.on in signals.struck:
            self.value = 1 - self.value
        return self.value
