"""Casting: a model, by its name, becomes a voice: its network opened, its walk begun, the patch's bends put into its layers."""

import inspect
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from instrument import catalog
from instrument.bend import Plan, Slot
from instrument.captured import Captured
from instrument.checkpoints.files import read_checkpoint
from instrument.document import Mistake, located, read, settled
from instrument.faults import Faults
from instrument.flow import ParameterFrame
from instrument.ladder import STEPS, Eased, Ladder
from instrument.latent.classes import Classed, Classes
from instrument.model import Model, kind_of
from instrument.packed import Packed
from instrument.parameters import Parameter, Range, declared, unknown
from instrument.patch import Bent, Patch
from instrument.plugging import built
from instrument.plugs import FASTEST, LIKELY, Eases, Executed, Generator, Walk
from instrument.scene import Scene
from instrument.show import Show
from instrument.threads import other_threads
from instrument.voice import Voice

log = logging.getLogger("phosphene")


@dataclass(frozen=True)
class Part:
    """A voice that has been checked, but for the faders that it will hang on."""

    name: str
    path: Path
    generator: Generator
    walk: Walk
    slots: list[Slot]
    faders: Mapping[str, Parameter]
    classes: Classes | None


class Casting:
    """Makes the voices of a show. Those that play one model share what draws it; the same part is the same voice."""

    def __init__(self, patch: Patch, show: Show) -> None:
        self.patch, self.show = patch, show
        self.parts: dict[tuple[Path, int, tuple[int, ...]], Part] = {}
        self.voices: list[tuple[Part, Voice]] = []

    def part(self, name: str, where: str, supplied: Mapping[str, Any]) -> Part:
        """The part of a model, with a walk from this seed and these anchors.

        Raises Mistake naming what is wrong, and who named it. What the first model's network cannot be run by is a mistake;
        another kind of network is then run by what is likely the fastest.
        """
        with located(where):
            found = catalog.data("models", name)
        path = found.resolve()  # one model may be named in several ways
        key = path, supplied["seed"], supplied["anchors"]
        if key not in self.parts:
            there = next((part for part in self.parts.values() if part.path == path), None)
            generator, slots = (there.generator, there.slots) if there else self.opened(name, found, where)
            classes = Classes(generator) if isinstance(generator, Classed) and generator.classes else None
            walk = built("walks", self.patch.walk, supplied, classes or generator)
            self.parts[key] = Part(name, path, generator, walk, slots, movable(generator), classes)
        return self.parts[key]

    def opened(self, name: str, path: Path, where: str) -> tuple[Generator, list[Slot]]:
        with located(where):
            generator = opened_model(path, self.show.device)
        slots = [slot(at, bent, generator) for at, bent in self.patch.bends.items()]
        if isinstance(generator, Executed):
            layers = {slot.layer for slot in slots}
            try:
                executor = generator.run_by(self.show.executor, layers)
            except ValueError as error:
                if not self.parts:
                    raise Mistake(f"--executor: {name}: {error}") from error
                executor = generator.run_by(LIKELY, layers)
            log.debug("%s runs by %s", name, executor)
        return generator, slots

    def voice(self, part: Part, packed: Packed, faults: Faults) -> Voice:
        """The voice of a part, its parameters taken from `packed`; live it is on a ladder, and captured on a GPU."""
        for other, voice in self.voices:
            if other is part:
                return voice
        kin = next((voice for other, voice in self.voices if other.path == part.path), None)
        again = partial(replace, name=part.name, walk=part.walk, classes=part.classes)
        made = again(kin) if kin else self.new(part, packed, faults)
        self.voices.append((part, made))
        return made

    def understudy(
        self,
        supplied: Mapping[str, Any],
        packed: Packed,
        faults: Faults,
        at_rest: ParameterFrame,
        name: str,
        check: Callable[[], None],
    ) -> Voice:
        """The voice of a model on the shelf, warm; `check` raises once nobody waits for it any more.

        There is no race in it, which would disturb the show that plays meanwhile, and be disturbed.
        """
        shelf = catalog.names("models")
        if name not in shelf:
            raise Mistake(f"/model/{name}: {unknown('model', name, shelf)}")
        executor = LIKELY if self.show.executor == FASTEST else self.show.executor
        another = Casting(self.patch, replace(self.show, executor=executor))
        check()
        voice = another.voice(another.part(name, f"/model/{name}", supplied), packed, faults)
        check()
        voice.warm(at_rest)
        return voice

    def new(self, part: Part, packed: Packed, faults: Faults) -> Voice:
        plan = Plan(part.slots, packed.views, part.generator.layers(), faults.report)
        faders = {name: view for name, view in packed.views["generator"].items() if name in part.faders}
        if not self.show.live:
            return Voice(part.name, part.generator, part.walk, plan, faders, classes=part.classes)
        captured = Captured(part.generator, plan, faders) if packed.device.is_cuda else None
        steps = len(STEPS) - 1 if isinstance(part.generator, Eases) else 0
        # of threads a processor alone has to choose the number
        ladder = Ladder(self.show.fps, steps, other_threads if packed.device.is_cpu else lambda: False)
        generator = Eased(captured or part.generator, ladder)
        return Voice(part.name, generator, part.walk, plan, faders, captured, classes=part.classes)


def model_named(patch: Patch, scene: Scene, asked: str | None) -> tuple[str, str]:
    """Which model plays, and who says so: the one that was `asked` for, or the scene's, or the patch's."""
    named = [(asked, "--model"), (scene.model, f"{scene.path}: model"), (patch.model, f"{patch.path}: model")]
    return next((name, where) for name, where in named if name is not None)


def model(name: str, where: str, device: torch.device) -> Generator:
    """The generator of a model, by its name or path. Raises Mistake naming what is wrong, and who named it."""
    with located(where):
        return opened_model(catalog.data("models", name), device)


def opened_model(path: Path, device: torch.device) -> Generator:
    """The generator that plays a model folder, or the network in a checkpoint. Raises ValueError naming what is wrong."""
    if path.is_dir():
        kind: str = read(path / "model.toml").take("generator", str)
        played: Path | Model = path
    else:
        played = read_checkpoint(path)
        kind = kind_of(played.network)
    generator: Generator = catalog.plug("generators", kind)(played, device)
    return generator


def movable(generator: Generator) -> dict[str, Parameter]:
    """What can be moved of a network; `label`, if it has classes, from the first of them to the last."""
    found = declared(generator.render)
    classes = generator.classes if isinstance(generator, Classed) else 0
    if "label" in found and classes > 1:
        found["label"] = Parameter("label", Range(0, classes - 1), 0.0)
    elif isinstance(generator, Classed):
        found.pop("label", None)
    return found


def slot(name: str, bent: Bent, generator: Generator) -> Slot:
    """A slot, held against the ops there are and the layers that the model has."""
    with located(bent.where):
        found = catalog.op(bent.op)
    layers = generator.layers()
    layer = nearest(bent.layer, layers)
    if layer not in layers:
        raise Mistake(f"{bent.where}: {unknown('layer', bent.layer, layers)}")
    if layer != bent.layer:
        log.info("%s: this model has no %s; it acts at %s", bent.where, bent.layer, layer)
    count = layers[layer][0]
    if isinstance(bent.channels, tuple) and not 0 <= bent.channels[0] <= bent.channels[1] < count:
        raise Mistake(f"{bent.where}: channels must lie in 0..{count - 1} of {layer}, got {list(bent.channels)}")
    if isinstance(bent.channels, float) and not 0 < bent.channels <= 1:
        raise Mistake(f"{bent.where}: channels as a share must lie in 0..1, got {bent.channels:g}")
    settings = settled(bent.where, found.function, bent.settings)
    if "seed" in inspect.signature(found.function).parameters:
        settings["seed"] = bent.seed
    return Slot(name, found, layer, bent.channels, bent.seed, bent.mask, settings)


def nearest(layer: str, layers: Mapping[str, tuple[int, int, int]]) -> str:
    """The layer, or where this model does the same: so that a patch written for one plays any model.

    Of a block beyond a small model's last it is the same layer of that one; in StyleGAN3, which has no blocks, the first
    layer that is as large.
    """
    asked = re.fullmatch(r"b(\d+)\.(const|conv0|conv1|rgb)", layer)
    if layer in layers or not asked or int(asked[1]) not in {2**power for power in range(2, 13)}:
        return layer
    sizes = [int(found[1]) for name in layers if (found := re.fullmatch(r"b(\d+)\.\w+", name))]
    if sizes:
        return f"b{max(sizes)}.{asked[2]}" if int(asked[1]) > max(sizes) else layer
    if "input" not in layers:
        return layer
    if asked[2] in ("const", "rgb"):
        return "input" if asked[2] == "const" else "rgb"
    inner = [name for name in layers if name not in ("input", "rgb")]
    return next((name for name in inner if layers[name][1] >= int(asked[1])), inner[-1])
