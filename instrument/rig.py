"""The rig: what is plugged in, one method for each verb of the loop."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from torch import Tensor

from instrument.bend import Plan
from instrument.faults import Faults
from instrument.flow import Event, Frame, Latent, ParameterFrame, Signals, Sound, Tick
from instrument.heard import Heard
from instrument.master import Master
from instrument.matrix import Matrix
from instrument.packed import Packed
from instrument.parameters import unknown
from instrument.plugs import Closed, Generator, Hears, Input, Modulator, Walk
from instrument.queued import Port
from instrument.scene import Scene

log = logging.getLogger("phosphene")
T = TypeVar("T")
PUZZLES = 32  # addresses that are wondered at; a stranger may send any number


@dataclass
class Rig:
    """Everything a show needs, plugged together; each plug's faults stay its own.

    A plug that raises is reported once and its last good result is used: no events, the old signal, the old latent, the
    old picture. `cues` are scenes to fade to when a signal is struck.
    """

    inputs: Mapping[str, Input]
    modulators: Mapping[str, Modulator]
    matrix: Matrix
    walk: Walk
    generator: Generator
    packed: Packed
    plan: Plan
    master: Master
    outputs: Mapping[str, Port]
    faults: Faults
    live: bool = True
    cues: Mapping[str, Scene] = field(default_factory=dict)
    heard: Heard = field(default_factory=Heard)
    puzzling: set[str] = field(default_factory=set)
    struck_last: frozenset[str] = frozenset()
    last_parameters: ParameterFrame | None = None
    last_latent: Latent | None = None
    last_image: Tensor | None = None

    def warm(self, pictures: int = 3) -> None:
        """Make a few pictures that nobody sees: what is slow once is slow now, and what cannot work fails before the show.

        The first is made with every bend in place, also those that rest. Raises what a part raises; of a bend, ValueError
        naming it.
        """
        tick = Tick(0, 0.0, 0.0, 0.0)
        parameters = self.matrix.resolve(tick, Signals({}, frozenset()))
        for n in range(pictures):
            self.last_latent = self.walk.step(tick, **parameters["walk"])
            with self.plan.rehearsal() if n == 0 else nullcontext():
                self.last_image = self.picture(self.last_latent, parameters)
            _ = Frame(self.mastered(self.last_image, parameters), tick).pixels

    def listen(self, tick: Tick) -> list[Event]:
        """What has come in since the last tick."""
        events: list[Event] = []
        for name, source in self.inputs.items():
            events += self.guarded(f"input {name!r}", partial(polled, source, tick), [])
        return events

    def modulate(self, tick: Tick, events: Sequence[Event]) -> Signals:
        """The signals now: what came in, then each modulator in the order of the patch, with last frame's parameters."""
        heard = self.heard
        heard.begin()
        for event in events:
            if not self.matrix.hear(event):
                heard.take(event.address, event.value)
                self.wonder(event.address)
        parameters = self.last_parameters or self.matrix.resolve(tick, Signals({}, frozenset()))
        late = set(self.struck_last)  # struck last tick by modulators further down, too late for those above them
        for name, modulator in self.modulators.items():
            late.discard(name)
            signals = Signals(heard.now, frozenset(heard.struck | late))
            step = partial(stepped, modulator, tick, signals, parameters[name])
            heard.take(name, self.guarded(f"modulator {name!r}", step, heard.last.get(name, 0.0)))
        self.struck_last = frozenset(heard.struck & self.modulators.keys())
        for signal, scene in self.cues.items():
            if signal in heard.struck:
                self.matrix.fade(scene.rest, scene.fade, tick.time)
        return Signals(heard.now, frozenset(heard.struck))

    def wonder(self, address: str) -> None:
        """Say once of an OSC address that it moves nothing: whoever sends it would wait for something to happen."""
        path = address.removeprefix("osc/")
        if path == address or address in self.heard.named or path in self.puzzling or len(self.puzzling) == PUZZLES:
            return
        self.puzzling.add(path)
        if path in self.matrix.index:
            log.warning("OSC: /%s came without a number, which moves no parameter", path)
            return
        there_is = [*self.matrix.index, *(name[4:] for name in self.heard.named if name.startswith("osc/"))]
        log.warning("OSC: %s", unknown("address", f"/{path}", [f"/{known}" for known in there_is]))

    def resolve(self, tick: Tick, signals: Signals) -> ParameterFrame:
        """Every parameter's value."""
        self.last_parameters = self.matrix.resolve(tick, signals)
        return self.last_parameters

    def wander(self, tick: Tick, parameters: ParameterFrame) -> Latent:
        """Where the walk is."""
        latent = self.guarded("walk", lambda: self.walk.step(tick, **parameters["walk"]), self.last_latent)
        assert latent is not None, "the walk failed before its first latent"
        self.last_latent = latent
        return latent

    def render(self, tick: Tick, latent: Latent, parameters: ParameterFrame, events: Sequence[Event] = ()) -> Frame:
        """The picture, bent and mastered."""
        image = self.guarded("generator", lambda: self.picture(latent, parameters), self.last_image)
        assert image is not None, "the generator failed before its first picture"
        self.last_image = image
        arrivals = tuple(event.arrived for event in events if event.arrived is not None)
        return Frame(self.mastered(image, parameters), tick, self.sound(), arrivals)

    def show(self, frame: Frame) -> None:
        """Hand the frame to every output. Offline an output that fails ends the show: a file with holes is of no use."""
        if self.outputs:
            _ = frame.pixels  # made here, once: an output's own thread finds it ready
        for name, port in self.outputs.items():
            if self.live:
                self.guarded(f"output {name!r}", partial(port.send, frame), None)
            else:
                port.send(frame)

    def picture(self, latent: Latent, parameters: ParameterFrame) -> Tensor:
        """The generator's picture [3, h, w] with this frame's parameters and bends in place."""
        self.packed.write(parameters)
        self.plan.update(parameters)
        return self.generator.render(latent, self.plan.bend, **self.packed.views["generator"])

    def mastered(self, image: Tensor, parameters: ParameterFrame) -> Tensor:
        """The picture [3, H, W] as it leaves the house; for `level`, what `picture` packed last."""
        level, freeze = self.packed.views["master"]["level"], parameters["master"]["freeze"]
        return self.master(image, level=level, freeze=freeze)

    def sound(self) -> Sound | None:
        """What the first input that hears has heard since the last frame."""
        for name, source in self.inputs.items():
            if isinstance(source, Hears):
                return self.guarded(f"input {name!r}", source.heard, None)
        return None

    def guarded(self, part: str, call: Callable[[], T], otherwise: T) -> T:
        """The call's result, or if it fails a report and `otherwise`."""
        try:
            return call()
        except Closed:
            raise
        except Exception as error:
            self.faults.report(part, error)
            return otherwise

    def close(self) -> None:
        """Finish every output and let go of every device, also when one of them fails."""
        with ExitStack() as closing:  # it runs them all, last first, and raises the error of one that failed
            for name, source in self.inputs.items():
                closing.callback(self.guarded, f"input {name!r}", source.close, None)
            for name, port in self.outputs.items():
                if self.live:
                    closing.callback(self.guarded, f"output {name!r}", port.close, None)
                else:
                    closing.callback(port.close)


def polled(source: Input, tick: Tick) -> list[Event]:
    """An input's events, as plain numbers; an answer that is no list of events is the input's fault, and found here."""
    return [Event(str(event.address), plain(event.value), event.arrived) for event in source.poll(tick)]


def plain(value: float | None) -> float | None:
    """An event's value as a Python number: plugs of one's own may answer with NumPy's. Raises ValueError for NaN and inf."""
    if value is None:
        return None
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"an event's value is a finite number, not {number}")
    return number


def stepped(modulator: Modulator, tick: Tick, signals: Signals, parameters: Mapping[str, float]) -> float:
    """A modulator's value, clamped to 0..1; what is not a number is its fault, and found here."""
    value = float(modulator.step(tick, signals, **parameters))
    if value != value:
        raise ValueError("it answered with something that is not a number")
    return min(max(value, 0.0), 1.0)
