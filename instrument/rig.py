"""The rig: what is plugged in, one method for each verb of the loop."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from torch import Tensor

from instrument.faults import Faults
from instrument.flow import START, Event, Frame, Latent, ParameterFrame, Signals, Sound, Tick
from instrument.heard import Heard
from instrument.master import Master
from instrument.matrix import Matrix
from instrument.packed import Packed
from instrument.parameters import unknown
from instrument.patch import Keeping
from instrument.plugs import Closed, Hears, Input, Modulator, Pulses
from instrument.queued import Port
from instrument.scene import Scene
from instrument.tempo import Tempo
from instrument.voice import ASKED, Understudies, Voice

log = logging.getLogger("phosphene")
T = TypeVar("T")
CHANGE = 1.0  # seconds in which one model's picture dissolves into another's, at most
NEARLY = (
    1e-9  # beats or bars: a whole number and one that is so much below it are the same, or rounding would lose a bar
)
PUZZLES = 32  # addresses that are wondered at; a stranger may send any number


@dataclass
class Rig:
    """Everything a show needs, plugged together; each plug's faults stay its own.

    A plug that raises is reported once and its last good result is used: no events, the old signal, the old latent, the
    old picture. `cues` are scenes to fade to when a signal is struck; `cued` are the voices that they bring, if they do,
    and `understudies` makes others that are asked for.
    """

    inputs: Mapping[str, Input]
    modulators: Mapping[str, Modulator]
    matrix: Matrix
    voice: Voice
    packed: Packed
    master: Master
    outputs: Mapping[str, Port]
    faults: Faults
    live: bool = True
    tempo: Tempo = field(default_factory=lambda: Tempo(120.0))
    keeping: Keeping = field(default_factory=Keeping)
    cues: Mapping[str, Scene] = field(default_factory=dict)
    cued: Mapping[str, Voice] = field(default_factory=dict)
    understudies: Understudies | None = None
    heard: Heard = field(default_factory=Heard)
    puzzling: set[str] = field(default_factory=set)
    struck_last: frozenset[str] = frozenset()
    last_beat: int = 0
    last_bar: int = 0
    last_parameters: ParameterFrame | None = None

    def warm(self) -> None:
        """Make every voice's first pictures, which nobody sees. Raises what a part raises; of a bend, ValueError naming it."""
        parameters = self.matrix.at_rest()
        self.packed.write(parameters)
        for voice in self.voices():
            voice.warm(parameters)
        assert self.voice.image is not None
        _ = Frame(self.mastered(START, self.voice.image, parameters), START).pixels

    def settle(self, fps: float) -> None:
        """Find on how many threads of the processor each voice is to draw, and how much its pictures may be."""
        for voice in self.voices():
            voice.settle(self.matrix.at_rest(), fps)

    def voices(self) -> list[Voice]:
        """Those that are there before the show, each once, the one that begins last."""
        others = {id(voice): voice for voice in self.cued.values() if voice is not self.voice}
        return [*others.values(), self.voice]

    def listen(self, tick: Tick) -> list[Event]:
        """What has come in since the last tick. A model that was asked for plays from the tick on in which it is ready.

        Asking for it is heard in that tick, so that a take has the change where it was seen.
        """
        events: list[Event] = []
        for name, source in self.inputs.items():
            events += self.guarded(f"input {name!r}", partial(polled, source, tick), [])
            if self.keeping.follow and isinstance(source, Pulses):
                self.guarded(f"input {name!r}", partial(follow, self.tempo, source, tick), None)
        if self.understudies:
            events = [event for event in events if not self.understudies.hear(event)]
            if voice := self.understudies.ready():
                self.take_up(voice, tick, CHANGE)
                events.append(Event(ASKED + voice.name, None))
        return events

    def leads(self, time: float) -> str:
        """Who leads the tempo: an input by its name, the performer who has `tapped` or `locked` it, or nobody."""
        if self.tempo.locked:
            return "tapped" if self.tempo.taps else "locked"
        rank = self.tempo.follows(time)
        pulsing = (name for name, source in self.inputs.items() if isinstance(source, Pulses) and source.rank == rank)
        return next(pulsing, "")

    def modulate(self, tick: Tick, events: Sequence[Event]) -> Signals:
        """The signals now: what came in, then each modulator in the order of the patch, with last frame's parameters."""
        heard = self.heard
        heard.begin()
        self.count(tick)
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
        for signal, gesture in self.keeping.gestures.items():
            if signal in heard.struck:
                getattr(self.tempo, gesture)(tick.time)
        for signal, scene in self.cues.items():
            if signal in heard.struck:
                self.matrix.fade(scene.rest, scene.fade, tick.time)
                if signal in self.cued:
                    self.take_up(self.cued[signal], tick, min(scene.fade, CHANGE))
                    if self.understudies:
                        self.understudies.forget()
        return Signals(heard.now, frozenset(heard.struck))

    def count(self, tick: Tick) -> None:
        """Strike `tempo/beat` where a beat has come since the last tick, `tempo/bar` where it begins a bar."""
        beat, bar = math.floor(tick.beat + NEARLY), math.floor(tick.bar + NEARLY)
        if beat > self.last_beat:
            self.heard.take("tempo/beat", None)
            if bar > self.last_bar:
                self.heard.take("tempo/bar", None)
        self.last_beat, self.last_bar = beat, bar

    def take_up(self, voice: Voice, tick: Tick, seconds: float) -> None:
        """Play this voice from now on; the picture of the one before dissolves into its."""
        if voice is self.voice:
            return
        self.voice.leave()
        self.voice = voice
        voice.begin()
        self.master.dissolve(tick.time, seconds)

    def wonder(self, address: str) -> None:
        """Say once of an OSC address that it moves nothing: whoever sends it would wait for something to happen."""
        path = address.removeprefix("osc/")
        if path == address or address.startswith(ASKED) or address in self.heard.named:
            return
        if path in self.puzzling or len(self.puzzling) == PUZZLES:
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
        voice = self.voice
        latent = self.guarded("walk", lambda: voice.wander(tick, parameters), voice.latent)
        assert latent is not None, "the walk failed before its first latent"
        return latent

    def render(self, tick: Tick, latent: Latent, parameters: ParameterFrame, events: Sequence[Event] = ()) -> Frame:
        """The picture, bent and mastered."""
        self.packed.write(parameters)
        voice = self.voice
        image = self.guarded("generator", lambda: voice.draw(latent, parameters), voice.image)
        assert image is not None, "the generator failed before its first picture"
        voice.image = image
        arrivals = tuple(event.arrived for event in events if event.arrived is not None)
        return Frame(self.mastered(tick, image, parameters), tick, self.sound(), arrivals)

    def show(self, frame: Frame) -> None:
        """Hand the frame to every output. Offline an output that fails ends the show: a file with holes is of no use."""
        if self.outputs:
            _ = frame.pixels  # made here, once: an output's own thread finds it ready
        for name, port in self.outputs.items():
            if self.live:
                self.guarded(f"output {name!r}", partial(port.send, frame), None)
            else:
                port.send(frame)

    def mastered(self, tick: Tick, image: Tensor, parameters: ParameterFrame) -> Tensor:
        """The picture [3, H, W] as it leaves the house; for `level`, what was packed last."""
        level, freeze = self.packed.views["master"]["level"], parameters["master"]["freeze"]
        return self.master(image, tick.time, level=level, freeze=freeze)

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
            if self.understudies:
                closing.callback(self.understudies.close)
            for name, source in self.inputs.items():
                closing.callback(self.guarded, f"input {name!r}", source.close, None)
            for name, port in self.outputs.items():
                if self.live:
                    closing.callback(self.guarded, f"output {name!r}", port.close, None)
                else:
                    closing.callback(port.close)


def follow(tempo: Tempo, source: Pulses, tick: Tick) -> None:
    """Let the tempo hear a pulse."""
    if (heard := source.pulse()) is not None:
        time, reading = heard
        tempo.hear(tick.time, time, reading, source.rank)


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
