"""The ladder: where a machine is too slow for a show, the picture gives way step by step, and comes back when it can.

A show that is late stutters; one that leaves out what is least seen does not. Before anything is left out another number of
threads is tried. Going down is quick. Going up is tried after a while of ease, and after ever longer ones where that was in
vain, so that a show near the edge does not swing.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from math import ceil, inf
from statistics import median
from typing import Any

import torch
from torch import Tensor

from instrument.flow import Latent
from instrument.plugs import Bend, Generator

log = logging.getLogger("phosphene")

STEPS = ("everything", "no noise", "every second picture", "every second picture, half as fine")
LATE, EASY = 0.85, 0.45  # of a frame's time: over the first it goes down, under the second for long it goes up
TOO_LONG = LATE, 1.0, 2 * LATE  # frames that a picture may take on each step but the last, as far as can be told before
WINDOW, FEWEST = 2.0, 10  # seconds, and pictures, that are looked back on at least
PATIENCE, LONGEST = 10.0, 300.0  # seconds of ease before it goes up: at first, and at most
AGAIN = 20.0  # seconds before another number of threads is tried again; ever longer where that was in vain


class Ladder:
    """Which step a show is on, by how long its pictures take.

    `switch` changes to another number of threads and back; it answers False where there is none.
    """

    def __init__(self, fps: float, highest: int = len(STEPS) - 1, switch: Callable[[], bool] = lambda: False) -> None:
        self.budget, self.highest, self.threads = 1 / fps, highest, Threads(switch)
        self.step, self.came_up = 0, False
        self.patience, self.eased, self.stood = PATIENCE, 0.0, 0.0  # seconds: needed, of ease so far, on this step
        self.looked = 0.0  # seconds that are looked back on so far
        self.recent: deque[float] = deque(maxlen=max(FEWEST, round(WINDOW * fps)))

    @property
    def said(self) -> str:
        """The step in words."""
        return STEPS[self.step]

    @property
    def halves(self) -> bool:
        """Whether every second picture is left out."""
        return self.step >= STEPS.index("every second picture")

    def expect(self, seconds: float, other: float | None) -> None:
        """Begin where pictures that take so long have their place, so that a show too much for a machine begins in time.

        `other` is how long they take on the other number of threads, as far as is known.
        """
        self.threads.other = other or 0.0
        step = min(self.highest, sum(seconds > frames * self.budget for frames in TOO_LONG))
        if step > self.step:
            self.move(step - self.step)

    def hear(self, seconds: float) -> None:
        """How long the picture of a frame took; 0 for one that was left out."""
        self.recent.append(seconds)
        passed = max(seconds, self.budget)
        self.stood, self.looked = self.stood + passed, self.looked + passed
        self.threads.since += passed
        if self.looked < WINDOW or len(self.recent) < FEWEST:
            return
        taken = self.taken()
        late = taken > LATE * self.budget
        self.eased = self.eased + passed if taken < EASY * self.budget else 0.0
        if self.threads.change(median(lap for lap in self.recent if lap), late):
            self.look_anew()
        elif late and self.step < self.highest:
            if self.came_up and self.stood < PATIENCE:  # in vain
                self.patience = min(2 * self.patience, LONGEST)
            self.move(1)
        elif self.step and self.eased > self.patience:
            self.move(-1)

    def taken(self) -> float:
        """Seconds that nine in ten frames stay under; where every second picture is left out, frames share two and two."""
        laps = list(self.recent)
        if self.halves:
            laps = [(one + other) / 2 for one, other in pairwise(laps)]
        return sorted(laps)[ceil(0.9 * len(laps)) - 1]

    def move(self, by: int) -> None:
        self.step += by
        self.came_up = by < 0
        self.stood = 0.0
        self.look_anew()
        log.warning("pictures take %s: %s from now on", "too long" if by > 0 else "less time again", self.said)

    def leave(self) -> None:
        """Another model plays: what is being tried is no longer measured."""
        self.threads.leave()
        self.look_anew()

    def look_anew(self) -> None:
        """What was before says nothing of what is now."""
        self.eased = self.looked = 0.0
        self.recent.clear()


class Threads:
    """Tries the other number of threads where pictures are late, and keeps whichever is quicker."""

    def __init__(self, switch: Callable[[], bool]) -> None:
        self.switch = switch
        self.before: float | None = None  # seconds a picture took before the trial that is on
        self.own, self.other = inf, 0.0  # seconds at best on this number, and on the other as far as is known
        self.since, self.patience = AGAIN, AGAIN  # seconds since a trial, and until there may be another

    def change(self, lap: float, late: bool) -> bool:
        """How long pictures take now, and whether that is too long; answers whether the number is another now."""
        if self.before is not None:
            if lap < self.before:
                self.own, self.other, self.patience = lap, self.own, AGAIN
            else:
                self.other, self.patience = lap, min(2 * self.patience, LONGEST)
                self.switch()
            self.before = None
            return True
        self.own = min(self.own, lap)
        if not (late and self.since > self.patience and self.other < lap and self.switch()):
            return False
        self.before, self.since = lap, 0.0
        return True

    def leave(self) -> None:
        """Nobody measures the trial any more: it is undone."""
        if self.before is not None:
            self.switch()
            self.before = None


class Eased:
    """A generator on a ladder: what it does less of is decided by how long its pictures take."""

    def __init__(self, generator: Generator, ladder: Ladder) -> None:
        self.generator, self.ladder = generator, ladder
        self.step, self.out_of_turn = 0, False
        self.newest: Tensor | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.generator, name)

    def render(self, latent: Latent, bend: Bend, **parameters: Tensor) -> Tensor:
        """The picture [3, H, W]. Where every second one is left out, it stands between the last two and is then the last."""
        if self.step != self.ladder.step:
            self.step = self.ladder.step
            self.generator.ease(noise=self.step < 1, fine=self.step < 3)  # type: ignore[attr-defined]
        if not self.ladder.halves:
            self.newest = None
            return self.timed(lambda: self.generator.render(latent, bend, **parameters))
        self.out_of_turn = not self.out_of_turn
        if self.newest is not None and self.out_of_turn:
            self.ladder.hear(0.0)
            return self.newest
        older, self.newest = self.newest, self.timed(lambda: self.generator.render(latent, bend, **parameters))
        return self.newest if older is None else torch.lerp(older, self.newest, 0.5)

    def leave(self) -> None:
        """Another model plays from now on."""
        self.ladder.leave()
        self.newest = None

    def timed(self, draw: Callable[[], Tensor]) -> Tensor:
        begun = time.perf_counter()
        picture = draw()
        if picture.is_cuda:
            torch.cuda.synchronize(picture.device)
        self.ladder.hear(time.perf_counter() - begun)
        return picture
