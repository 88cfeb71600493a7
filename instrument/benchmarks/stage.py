"""What measurements are made on: the shipped model and patch, with as many modulators and routes as are wanted."""

import random
from collections.abc import Sequence
from dataclasses import replace

from instrument import catalog
from instrument.assemble import assemble
from instrument.flow import Event, Frame, Tick
from instrument.matrix import Route
from instrument.patch import Plugged, read_patch
from instrument.rig import Rig
from instrument.scene import Scene
from instrument.show import Show


class Crowd:
    """An input of `events` events a tick: knobs being turned."""

    def __init__(self, events: int) -> None:
        self.events, self.random = events, random.Random(1)

    def poll(self, tick: Tick) -> Sequence[Event]:
        return [Event(f"midi/cc/{number}", self.random.random()) for number in range(self.events)]

    def close(self) -> None:
        """Nothing is held open."""


def frame(played: Rig, tick: Tick) -> Frame:
    """One frame of a show, all of it but the outputs."""
    events = played.listen(tick)
    parameters = played.resolve(tick, played.modulate(tick, events))
    return played.render(tick, played.wander(tick, parameters), parameters, events)


def rig(show: Show, modulators: int = 0, routes: int = 0, events: int = 0) -> Rig:
    """The audio patch without its edges, with `modulators` LFOs and `routes` routes more; LFOs have two parameters each."""
    patch = read_patch(catalog.data("patches", "audio"))
    extra = {f"lfo{i}": Plugged("lfo", {}, "bench") for i in range(modulators)}
    patch = replace(patch, inputs={}, outputs={}, modulators={**patch.modulators, **extra})
    plain = assemble(patch, Scene("bench"), show)
    dice = random.Random(2)
    targets = [address for address in plain.matrix.index if not address.startswith("master")]
    sources = [*extra, *(f"midi/cc/{number}" for number in range(events))] or ["none"]
    more = [(Route(dice.choice(sources), dice.choice(targets), 0.01), "bench") for _ in range(routes)]
    made = assemble(replace(patch, routes=patch.routes + tuple(more)), Scene("bench"), show)
    made.inputs = {"crowd": Crowd(events)} if events else {}
    return made
