"""Voices: a model with its walk and its bends, ready to play; and how another one is made while the show goes on."""

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass

import torch
from torch import Tensor

from instrument.bend import Plan
from instrument.captured import Captured
from instrument.document import Mistake
from instrument.flow import START, Event, Latent, ParameterFrame
from instrument.plugs import Generator, Walk

log = logging.getLogger("phosphene")

ASKED = "osc/model/"  # an event so named asks for a model: /model/liquid
KEPT, WAITING = 4, 4  # models that were asked for and stay in memory; that may be asked for at once
PATIENCE = 5.0  # seconds that the end of a show waits for one that is being made


@dataclass
class Voice:
    """`faders` are the generator's parameters as 0-dim tensors; `latent` and `image` the last good ones.

    `captured` is where on a GPU its pictures are replayed; `threads` on how many of the processor's it draws, None
    leaves that alone.
    """

    name: str
    generator: Generator
    walk: Walk
    plan: Plan
    faders: Mapping[str, Tensor]
    captured: Captured | None = None
    latent: Latent | None = None
    image: Tensor | None = None
    threads: int | None = None

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
            self.latent = self.walk.step(START, **parameters["walk"])
            with self.plan.rehearsal() if n == 0 else nullcontext():
                self.image = self.draw(self.latent, parameters)
        if self.captured and self.latent:
            self.captured.capture(self.latent, parameters)


class Understudies:
    """Voices that are asked for by their model's name while the show plays, and taken up between frames.

    `known` are there already; `make` makes another, warm. Live it does so in a thread of its own while the show goes on,
    and the last one asked for wins; offline at once, so that a rendering is the same every time. One that cannot be made is
    said, and changes nothing.
    """

    def __init__(self, make: Callable[[str], Voice], live: bool, known: Iterable[Voice] = ()) -> None:
        self.make, self.live = make, live
        self.known = {voice.name: voice for voice in known}
        self.made: dict[str, Voice] = {}
        self.asked: queue.Queue[str | None] = queue.Queue(WAITING)
        self.wanted: str | None = None
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
        if "/" in name or "\\" in name or name.startswith("."):
            log.warning("/model/%s: a model is asked for by its name", name)
            return
        self.wanted = name
        if self.find(name):
            return
        if not self.live:
            self.prepare(name)
            return
        if self.worker is None:
            self.worker = threading.Thread(target=self.work, name="understudies", daemon=True)
            self.worker.start()
        if name not in self.asked.queue and not self.asked.full():
            self.asked.put(name)

    def close(self) -> None:
        """Wait for one that is being made, and make no more."""
        if self.worker is not None:
            with suppress(queue.Full):
                self.asked.put(None, timeout=PATIENCE)
            self.worker.join(PATIENCE)

    def work(self) -> None:
        while (name := self.asked.get()) is not None:
            if self.find(name) is None:
                self.prepare(name)

    def prepare(self, name: str) -> None:
        try:
            with torch.inference_mode():
                voice = self.make(name)
        except Mistake as mistake:
            log.warning("%s; the show goes on as it is", mistake)
        except Exception as error:
            log.warning("/model/%s: %s: %s; the show goes on as it is", name, type(error).__name__, error)
            log.debug("the fault of %s", name, exc_info=error)
        else:
            self.made[name] = voice
            while len(self.made) > KEPT:
                self.made.pop(next(iter(self.made)))

    def find(self, name: str) -> Voice | None:
        """The voice of a model, if it is there."""
        return self.known.get(name) or self.made.get(name)

    def ready(self) -> Voice | None:
        """The voice that was asked for last, once it is made."""
        voice = self.find(self.wanted) if self.wanted else None
        if voice is not None:
            self.wanted = None
        return voice
