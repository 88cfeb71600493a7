"""Time: a clock is an iterable of ticks, and the loop does not know whether it is the real one."""

import math
import time
from collections.abc import Iterator
from typing import Protocol

from instrument.flow import Tick
from instrument.tempo import Tempo


class Clock(Protocol):
    """What the loop runs on: its ticks, and how many of them it could not make."""

    missed: int

    def __iter__(self) -> Iterator[Tick]: ...


class Real:
    """Ticks at `fps` on the wall clock: sleeps until the next frame is due.

    Ticks lie on the grid n / fps of the wall clock. One that cannot be begun before the next is due is skipped and
    counted in `missed`, so a stall is never caught up frame by frame. It ends after `seconds` (one tick at least), or never.
    """

    def __init__(self, fps: float, tempo: float | Tempo, seconds: float | None = None) -> None:
        self.fps, self.tempo, self.seconds, self.missed = fps, kept(tempo), seconds, 0

    def __iter__(self) -> Iterator[Tick]:
        end = math.inf if self.seconds is None else max(1, round(self.seconds * self.fps))
        start, last, n = time.perf_counter(), -1, 0
        while n < end:
            wait = start + n / self.fps - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            yield self.tempo.tick(n, n / self.fps, (n - last) / self.fps)
            due = int((time.perf_counter() - start) * self.fps)
            last, n = n, max(n + 1, due)
            self.missed += int(min(n, end)) - last - 1


class Virtual:
    """`frames` ticks at `fps` that take no time at all: for rendering offline."""

    missed = 0

    def __init__(self, fps: float, tempo: float | Tempo, frames: int) -> None:
        self.fps, self.tempo, self.frames = fps, kept(tempo), frames

    def __len__(self) -> int:
        return self.frames

    def __iter__(self) -> Iterator[Tick]:
        for n in range(self.frames):
            yield self.tempo.tick(n, n / self.fps, 1 / self.fps)


def kept(tempo: float | Tempo) -> Tempo:
    """A tempo, or a steady one of so many beats a minute."""
    return tempo if isinstance(tempo, Tempo) else Tempo(tempo)


class Replay:
    """The ticks of a take, exactly as they were."""

    missed = 0

    def __init__(self, ticks: list[Tick]) -> None:
        self.ticks = ticks

    def __len__(self) -> int:
        return len(self.ticks)

    def __iter__(self) -> Iterator[Tick]:
        return iter(self.ticks)
