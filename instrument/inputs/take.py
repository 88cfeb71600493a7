"""Take: plays back the events of a recorded performance."""

from collections.abc import Sequence
from pathlib import Path

from instrument.flow import Event, Tick
from instrument.take import read_take


class Input:
    """The events of a take `file`, each at the first tick that is not before the one it was recorded at.

    On the take's own ticks these are the same events at the same ticks; at another frame rate none is lost.
    """

    def __init__(self, *, file: str) -> None:
        take = read_take(Path(file))
        self.waiting = [(tick.time, events) for tick, events in zip(take.ticks, take.events, strict=True)]
        self.next = 0

    def poll(self, tick: Tick) -> Sequence[Event]:
        found: list[Event] = []
        while self.next < len(self.waiting) and self.waiting[self.next][0] <= tick.time + 1e-9:
            found += self.waiting[self.next][1]
            self.next += 1
        return found

    def close(self) -> None:
        """Nothing is held open."""
