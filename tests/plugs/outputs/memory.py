"""Memory: keeps frames, for the tests of whole shows."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from instrument.flow import Frame, Sound, Tick
from instrument.plugs import Delivery


class Output:
    """Keeps the last `limit` frames, one list for each thing: pixels uint8 [H, W, 3], ticks, and sounds."""

    delivery: ClassVar[Delivery] = "here"
    target: ClassVar[str | None] = None

    def __init__(self, *, limit: int = 1000) -> None:
        if limit < 1:
            raise ValueError(f"memory: limit must be 1 or more, got {limit}")
        self.limit, self.closed = limit, False
        self.pixels: list[NDArray[np.uint8]] = []
        self.ticks: list[Tick] = []
        self.sounds: list[Sound | None] = []

    def show(self, frame: Frame) -> None:
        self.pixels.append(frame.pixels)
        self.ticks.append(frame.tick)
        self.sounds.append(frame.sound)
        for kept in (self.pixels, self.ticks, self.sounds):
            del kept[: -self.limit]

    def close(self) -> None:
        self.closed = True
