"""Voices: a model with its walk and its bends, ready to play; and how another one is made while the show goes on."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from instrument.bend import Plan
from instrument.captured import Captured
from instrument.document import Mistake
from instrument.flow import START, Event, Latent, ParameterFrame, Tick
from instrument.ladder import Eased
from instrument.latent.classes import Classes
from instrument.plugs import Generator, Walk
from instrument.threads import draw_on, settle

log = logging.getLogger("phosphene")

ASKED = "osc/model/"  # an event so named asks for a model: /model/liquid
KEPT = 4  # models that were asked for and stay in memory
PUZZLES = 32  # mistakes that are said; a stranger may send any number


@dataclass
class Voice:
    """`faders` are the generator's parameters as 0-dim tensors; `latent` and `image` the last good ones.

    `classes` is the space that the walk walks in, where the network was taught several kinds of picture.
    `captured` is where on a GPU its pictures are replayed; `threads` on how many of the processor's it draws, None
    leaves that alone.
    """

    name: str
    generator: Generator
    walk: Walk
    plan: Plan
    faders: Mapping[str, Tensor]
    captured: Captured | None = None
    classes: Classes | None = None
    latent: Latent | None = None
    image: Tensor | None = None
    threads: int | None = None

    def settle(self, parameters: ParameterFrame, fps: float) -> None:
        """Find on how many threads of the processor it is to draw, and how much a picture may be."""
        lap, other = settle(partial(self.warm, parameters, 1), fps)
        self.threads = torch.get_num_threads()
        if isinstance(self.generator, Eased):
            self.generator.ladder.expect(lap, other)

    def begin(self) -> None:
        """Play from now on."""
        draw_on(self.threads)

    def leave(self) -> None:
        """Play no more for now; how many threads were found best is kept."""
        if isinstance(self.generator, Eased):
            self.generator.leave()
        if self.threads is not None:
            self.threads = torch.get_num_threads()

    def wander(self, tick: Tick, parameters: ParameterFrame) -> Latent:
        """Where the walk is."""
        if self.classes:
            self.classes.label = parameters["generator"].get("label", 0.0)
        self.latent = self.walk.step(tick, **parameters["walk"])
        return self.latent

    def draw(self, latent: Latent, parameters: ParameterFrame) -> Tensor:
        """The picture [3, h, w] of a latent, with this frame's bends in place."""
        self.plan.update(parameters)
        return self.generator.render(latent, self.plan.bend, **self.faders)

    def warm(self, parameters: ParameterFrame, pictures: int = 3) -> None:
        """Make a few pictures that nobody sees: what is slow once is slow now, and what cannot work fails before it plays.

        The first is made with every bend in place, also those that rest. Raises what a part raises; of a bend, ValueError
        naming it.
        """
        for n in range(pictures):
            latent = self.wander(START, parameters)
            with self.plan.rehearsal() if n == 0 else nullcontext():
                self.image = self.draw(latent, parameters)
        if isinstance(self.generator, Eased):
            self.generator.leave()  # nobody saw these, so they were not late
        if self.captured and self.latent:
            self.captured.capture(self.latent, parameters)


class Stopped(Exception):
    """The show has ended meanwhile."""


class Understudies:
    """Voices that are asked for by their model's name while the show plays, and taken up between frames.

    `known` are there already; `make` makes another, warm, and is told how to learn that the show has ended. Live it does so
    in a thread of its own while the show goes on, the one asked for last first; one that cannot be made is said, and changes
    nothing. Offline it is made at once, so that a rendering is the same every time, and a mistake ends it.
    """

    def __init__(
        self, make: Callable[[str, Callable[[], None]], Voice], live: bool, known: Iterable[Voice] = ()
    ) -> None:
        self.make, self.live = make, live
        self.known = {voice.name: voice for voice in known}
        self.made: dict[str, Voice] = {}
        self.asked: tuple[str, ...] = ()  # the newest last; replaced whole, because two threads read it
        self.failed: deque[str] = deque()
        self.said: set[str] = set()
        self.woken, self.ended = threading.Event(), threading.Event()
        self.worker: threading.Thread | None = None

    def hear(self, event: Event) -> bool:
        """Take an event that asks for a model; answers whether it was one."""
        if not event.address.startswith(ASKED):
            return False
        if event.value is None or event.value > 0:  # a button says 0 when it is let go of
            self.want(event.address.removeprefix(ASKED))
        return True

    def want(self, name: str) -> None:
        """Ask for a model."""
        self.asked = (*(other for other in self.asked if other != name), name)[-KEPT:]
        if self.find(name):
            return
        if not self.live:
            with torch.inference_mode():
                self.made[name] = self.make(name, self.check)
            return
        self.woken.set()
        if self.worker is None:
            self.worker = threading.Thread(target=self.work, name="understudies")
            self.worker.start()

    def forget(self) -> None:
        """Nothing that was asked for is wanted any more."""
        self.asked = ()

    def ready(self) -> Voice | None:
        """The voice that was asked for last, once it is made; of those that could be made."""
        while self.failed:
            name = self.failed.popleft()
            self.asked = tuple(other for other in self.asked if other != name)
            self.woken.set()  # perhaps for the one before it
        voice = self.find(self.asked[-1]) if self.asked else None
        if voice is not None:
            self.asked = ()
            self.keep(voice)
        return voice

    def keep(self, voice: Voice) -> None:
        """Of those that have played, the last few stay."""
        if self.made.pop(voice.name, None):
            self.made[voice.name] = voice
        while len(self.made) > KEPT:
            self.made.pop(next(iter(self.made)))

    def find(self, name: str) -> Voice | None:
        """The voice of a model, if it is there."""
        return self.known.get(name) or self.made.get(name)

    def close(self) -> None:
        """Make no more; one that is being made is left at its next step."""
        self.ended.set()
        self.woken.set()
        if self.worker is not None:
            self.worker.join()

    def check(self) -> None:
        if self.ended.is_set():
            raise Stopped

    def work(self) -> None:
        while not self.ended.is_set():
            self.woken.wait()
            self.woken.clear()
            name = self.asked[-1] if self.asked else None
            if name is not None and self.find(name) is None and name not in self.failed:
                self.prepare(name)
                self.woken.set()  # another may have been asked for

    def prepare(self, name: str) -> None:
        try:
            with torch.inference_mode():
                self.made[name] = self.make(name, self.check)
        except Stopped:
            return
        except Exception as error:
            said = str(error) if isinstance(error, Mistake) else f"/model/{name}: {type(error).__name__}: {error}"
            if said not in self.said and len(self.said) < PUZZLES:
                self.said.add(said)
                log.warning("%s; the show goes on as it is", said)
                log.debug("the fault of %s", name, exc_info=error)
            self.failed.append(name)
