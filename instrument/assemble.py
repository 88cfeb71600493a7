"""Assembling: a patch and a scene become a rig, or one clear line says why not."""

import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from instrument import catalog
from instrument.bend import Plan, Slot
from instrument.document import Mistake, limited, read, settled
from instrument.faults import Faults
from instrument.master import Master
from instrument.matrix import Matrix
from instrument.packed import Packed
from instrument.parameters import Parameter, declared, unknown
from instrument.patch import Bent, Patch, Plugged
from instrument.plugs import SUPPLIED, Framing, Generator, Unavailable
from instrument.queued import port
from instrument.rig import Rig
from instrument.scene import Scene, read_scene

log = logging.getLogger("phosphene")


@dataclass(frozen=True)
class Show:
    """What is decided at the command line, not in a patch: how to play rather than what."""

    live: bool = True
    fps: float = 30.0
    seed: int | None = None
    size: tuple[int, int] | None = None
    framing: Framing = "fill"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    rest: Mapping[str, float] = field(default_factory=dict)
    status: Callable[[], dict[str, Any]] = dict
    strict: bool = False


def assemble(patch: Patch, scene: Scene, show: Show) -> Rig:
    """The rig of a patch in a scene. Raises Mistake naming file, key, what was expected and what there is.

    What the machine lacks is said in one line and left out; nothing is opened before everything else has been checked.
    """
    faults = Faults(strict=show.strict)
    seed = next((seed for seed in (show.seed, scene.seed) if seed is not None), 1)
    supplied = {"seed": seed, "anchors": scene.anchors, "fps": show.fps, "live": show.live, "status": show.status}

    generator = model(scene.model or patch.model, scene.path if scene.model else patch.path, show.device)
    modulators = {name: built("modulators", item, supplied) for name, item in patch.modulators.items()}
    walk = built("walks", patch.walk, supplied, generator)
    slots = [slot(name, bent, generator) for name, bent in patch.bends.items()]
    owners: dict[str, Mapping[str, Parameter]] = {
        "walk": declared(walk.step),
        "generator": declared(generator.render),
        "master": declared(Master.__call__),
    }
    named = [(name, declared(modulator.step)) for name, modulator in modulators.items()]
    for name, parameters in [*named, *((item.name, item.parameters) for item in slots)]:
        if name in owners:
            raise Mistake(
                f"{patch.path}: the name {name!r} is taken; modulators, bends, walk, generator, master share names"
            )
        owners[name] = parameters
    matrix = routed(patch, owners)
    values = [(patch.path, patch.rest), (scene.path, scene.rest), ("--set", show.rest)]
    for where, rest in values:
        for address, value in rest.items():
            checked(where, matrix, address, value)
            matrix.set(address, value)
    cues = {signal: cue(patch, name, matrix) for signal, name in patch.cues.items()}

    packed = Packed(
        {name: owners[name] for name in ["generator", "master", *(item.name for item in slots)]}, show.device
    )
    plan = Plan(slots, packed.views, generator.layers(), faults.report)
    classes = {**checked_plugs("inputs", patch.inputs), **checked_plugs("outputs", patch.outputs)}
    inputs = opened(patch.inputs, classes, supplied)
    try:
        outputs = opened(patch.outputs, classes, supplied)
    except BaseException:
        for source in inputs.values():
            source.close()
        raise
    ports = {
        name: port(output, partial(faults.report, f"output {name!r}"), live=show.live)
        for name, output in outputs.items()
    }
    return Rig(
        inputs=inputs,
        modulators=modulators,
        matrix=matrix,
        walk=walk,
        generator=generator,
        packed=packed,
        plan=plan,
        master=Master(show.size, show.framing),
        outputs=ports,
        faults=faults,
        live=show.live,
        cues=cues,
    )


def model(name: str, said_in: Path | None, device: torch.device) -> Generator:
    """The generator of a model folder: the plug that its model.toml names."""
    try:
        folder = catalog.data("models", name)
        kind = read(folder / "model.toml").take("generator", str)
        generator: Generator = catalog.plug("generators", kind)(folder, device)
    except (KeyError, ValueError, OSError) as error:
        raise Mistake(
            f"{said_in or '--model'}: model: {error.args[0] if isinstance(error, KeyError) else error}"
        ) from error
    return generator


def plug_class(kind: catalog.Kind, item: Plugged) -> tuple[Any, dict[str, Any]]:
    """A plug's class and its settings, checked."""
    try:
        found = catalog.plug(kind, item.plug)
    except KeyError as error:
        raise Mistake(f"{item.where}: {error.args[0]}") from error
    return found, settled(item.where, found.__init__, item.settings)


def checked_plugs(kind: catalog.Kind, items: Mapping[str, Plugged]) -> dict[str, tuple[Any, dict[str, Any]]]:
    return {item.where: plug_class(kind, item) for item in items.values()}


def built(kind: catalog.Kind, item: Plugged, supplied: Mapping[str, Any], *arguments: Any) -> Any:
    """A plug, constructed."""
    found, settings = plug_class(kind, item)
    return constructed(found, settings, item, supplied, *arguments)


def constructed(
    found: Any, settings: Mapping[str, Any], item: Plugged, supplied: Mapping[str, Any], *arguments: Any
) -> Any:
    wanted = inspect.signature(found.__init__).parameters
    given = {name: value for name, value in supplied.items() if name in wanted and name in SUPPLIED}
    try:
        return found(*arguments, **given, **settings)
    except (ValueError, KeyError) as error:
        raise Mistake(f"{item.where}: {error.args[0] if error.args else error}") from error


def opened(
    items: Mapping[str, Plugged], classes: Mapping[str, tuple[Any, Any]], supplied: Mapping[str, Any]
) -> dict[str, Any]:
    """Inputs or outputs that this machine can have; the others are named in one line each."""
    found: dict[str, Any] = {}
    for name, item in items.items():
        try:
            found[name] = constructed(*classes[item.where], item, supplied)
        except Unavailable as missing:
            log.warning("%s", missing)
        except BaseException:
            for source in found.values():
                source.close()
            raise
    return found


def slot(name: str, bent: Bent, generator: Generator) -> Slot:
    """A slot, held against the ops there are and the layers that the model has."""
    try:
        found = catalog.op(bent.op)
    except KeyError as error:
        raise Mistake(f"{bent.where}: {error.args[0]}") from error
    layers = generator.layers()
    if bent.layer not in layers:
        raise Mistake(f"{bent.where}: {unknown('layer', bent.layer, layers)}")
    count = layers[bent.layer][0]
    if isinstance(bent.channels, tuple) and not 0 <= bent.channels[0] <= bent.channels[1] < count:
        raise Mistake(f"{bent.where}: channels must lie in 0..{count - 1} of {bent.layer}, got {list(bent.channels)}")
    if isinstance(bent.channels, float) and not 0 < bent.channels <= 1:
        raise Mistake(f"{bent.where}: channels as a share must lie in 0..1, got {bent.channels:g}")
    settings = settled(bent.where, found.function, bent.settings)
    if "seed" in inspect.signature(found.function).parameters:
        settings["seed"] = bent.seed
    return Slot(name, found, bent.layer, bent.channels, bent.seed, bent.mask, settings)


def routed(patch: Patch, owners: Mapping[str, Mapping[str, Parameter]]) -> Matrix:
    addresses = [f"{owner}/{name}" for owner, items in owners.items() for name in items]
    for route, where in patch.routes:
        if route.target not in addresses:
            raise Mistake(f"{where}: to: {unknown('parameter', route.target, addresses)}")
    return Matrix(owners, [route for route, _ in patch.routes])


def checked(where: Path | str | None, matrix: Matrix, address: str, value: float) -> None:
    """Refuse a rest value that someone wrote down for a parameter that is not there, or out of its range."""
    if address not in matrix.index:
        raise Mistake(f"{where}: rest: {unknown('parameter', address, matrix.index)}")
    limited(f"{where}: rest: {address}", value, matrix.parameters[address].range)


def cue(patch: Patch, name: str, matrix: Matrix) -> Scene:
    """A scene that a cue names, held against this patch's parameters."""
    try:
        scene = read_scene(catalog.data("scenes", name))
    except KeyError as error:
        raise Mistake(f"{patch.path}: [cues]: {error.args[0]}") from error
    for address, value in scene.rest.items():
        checked(f"{scene.path} (cued by {patch.path})", matrix, address, value)
    return scene


def device(name: str) -> torch.device:
    """The device of a name; "auto" is the fastest there is."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if (name == "cuda" and not torch.cuda.is_available()) or (name == "mps" and not torch.backends.mps.is_available()):
        raise Mistake(f"--device: there is no {name} device here")
    return torch.device(name)
