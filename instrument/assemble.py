"""Assembling: a patch and a scene become a rig, or one clear line says why not."""

import inspect
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from instrument import catalog
from instrument.bend import Plan, Slot
from instrument.checkpoints.files import read_checkpoint
from instrument.document import Mistake, limited, located, read, settled
from instrument.faults import Faults
from instrument.heard import Heard
from instrument.ladder import Eased
from instrument.master import Master
from instrument.matrix import Matrix, Rest
from instrument.model import Model, kind_of
from instrument.packed import Packed
from instrument.parameters import Parameter, declared, unknown
from instrument.patch import Bent, Patch, Plugged
from instrument.plugs import SUPPLIED, Framing, Generator, Precise, Unavailable
from instrument.queued import port
from instrument.rig import Rig
from instrument.scene import Scene, read_scene

log = logging.getLogger("phosphene")

PAGE = Plugged("preview", {}, "the preview page")


@dataclass(frozen=True)
class Show:
    """What is decided at the command line, not in a patch: how to play rather than what."""

    live: bool = True
    model: str | None = None
    fps: float = 30.0
    seed: int | None = None
    size: tuple[int, int] | None = None
    framing: Framing = "fill"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: str = "float32"
    rest: Mapping[str, float] = field(default_factory=dict)
    status: Callable[[], dict[str, Any]] = dict
    strict: bool = False


def assemble(patch: Patch, scene: Scene, show: Show) -> Rig:
    """The rig of a patch in a scene. Raises Mistake naming file, key, what was expected and what there is.

    What the machine lacks is said in one line and left out; nothing is opened before everything else has been checked.
    """
    if catalog.PLUGS and not Path(catalog.PLUGS).is_dir():
        raise Mistake(f"PHOSPHENE_PLUGS: there is no folder {catalog.PLUGS}")
    faults = Faults(strict=show.strict)
    seed = next((seed for seed in (show.seed, scene.seed) if seed is not None), 1)
    supplied = {"seed": seed, "anchors": scene.anchors, "fps": show.fps, "live": show.live, "status": show.status}

    generator = model(*model_named(patch, scene, show.model), show.device)
    if isinstance(generator, Precise):
        with located("--precision"):
            log.debug("the network runs in %s", generator.run_in(show.precision))
    patch = playable(patch, generator)
    modulators = {name: built("modulators", item, supplied) for name, item in patch.modulators.items()}
    walk = built("walks", patch.walk, supplied, generator)
    if patch.bends:
        catalog.ops()  # now, so that a file that is broken is said to be, and not the patch that looks into it
    slots = [slot(name, bent, generator) for name, bent in patch.bends.items()]
    owners = owned(patch, walk, generator, modulators, slots)
    matrix = routed(patch, owners)
    scene = fitting(scene, patch, matrix, generator)
    said = [(f"{patch.path}: [rest]", patch.rest), (f"{scene.path}: [rest]", scene.rest), ("--set", show.rest)]
    for where, rest in said:
        for address, value in rest.items():
            checked(where, matrix, address, value)
            matrix.set(address, value)
    scenes = {name: cue(patch, name, matrix, generator, show.rest) for name in dict.fromkeys(patch.cues.values())}
    cues = {signal: scenes[name] for signal, name in patch.cues.items()}

    packed = Packed(
        {name: owners[name] for name in ["generator", "master", *(item.name for item in slots)]}, show.device
    )
    plan = Plan(slots, packed.views, generator.layers(), faults.report)
    checked_inputs, checked_outputs = checked_plugs("inputs", patch.inputs), checked_plugs("outputs", patch.outputs)
    inputs = opened("inputs", checked_inputs, supplied)
    try:
        outputs = opened("outputs", checked_outputs, supplied)
        if show.live and unseen(patch.outputs, outputs):
            log.warning("THE PICTURE IS ON THE PREVIEW PAGE INSTEAD")
            outputs |= opened("outputs", checked_plugs("outputs", {"preview": PAGE}), supplied)
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
        generator=Eased(generator, show.fps) if show.live else generator,
        packed=packed,
        plan=plan,
        master=Master(show.size, show.framing),
        outputs=ports,
        faults=faults,
        live=show.live,
        cues=cues,
        heard=Heard(signals_named(patch)),
    )


def model_named(patch: Patch, scene: Scene, asked: str | None) -> tuple[str, str]:
    """Which model plays, and who says so: the one that was `asked` for, or the scene's, or the patch's."""
    named = [(asked, "--model"), (scene.model, f"{scene.path}: model"), (patch.model, f"{patch.path}: model")]
    return next((name, where) for name, where in named if name is not None)


def model(name: str, where: str, device: torch.device) -> Generator:
    """The generator of a model."""
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


Checked = tuple[Plugged, Any, dict[str, Any]]  # a plug as it is named, its class, its settings


def plug_class(kind: catalog.Kind, item: Plugged) -> Checked:
    """A plug's class and its settings, checked. What an input or output lacks is Unavailable: the show is one without it."""
    with located(item.where, optional(kind)):
        found = catalog.plug(kind, item.plug)
    return item, found, settled(item.where, found.__init__, item.settings)


def checked_plugs(kind: catalog.Kind, items: Mapping[str, Plugged]) -> dict[str, Checked]:
    """The classes and settings of inputs or outputs; those whose file cannot do without what is missing are named."""
    found = {}
    for name, item in items.items():
        try:
            found[name] = plug_class(kind, item)
        except Unavailable as missing:
            log.warning("%s", missing)
    return found


def optional(kind: catalog.Kind) -> tuple[type[Exception], ...]:
    """What passes: a show goes on without an input or output, and without nothing else."""
    return (Unavailable,) if kind in ("inputs", "outputs") else ()


def built(kind: catalog.Kind, item: Plugged, supplied: Mapping[str, Any], *arguments: Any) -> Any:
    """A plug, constructed."""
    return constructed(kind, plug_class(kind, item), supplied, *arguments)


def constructed(kind: catalog.Kind, checked: Checked, supplied: Mapping[str, Any], *arguments: Any) -> Any:
    item, found, settings = checked
    wanted = inspect.signature(found.__init__).parameters
    given = {name: value for name, value in supplied.items() if name in wanted and name in SUPPLIED}
    with located(item.where, optional(kind)):
        return found(*arguments, **given, **settings)


def opened(kind: catalog.Kind, items: Mapping[str, Checked], supplied: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs or outputs that this machine can have; the others are named in one line each."""
    found: dict[str, Any] = {}
    for name, item in items.items():
        try:
            found[name] = constructed(kind, item, supplied)
        except Unavailable as missing:
            log.warning("%s", missing)
        except BaseException:
            for source in found.values():
                source.close()
            raise
    return found


def unseen(wanted: Mapping[str, Plugged], there: Mapping[str, Any]) -> bool:
    """Whether a window that was wanted is not there, and no preview page is wanted anyway."""
    missing = any(item.plug == "window" and name not in there for name, item in wanted.items())
    return missing and not any(item.plug == "preview" for item in wanted.values())


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


def owned(
    patch: Patch, walk: Any, generator: Generator, modulators: Mapping[str, Any], slots: list[Slot]
) -> dict[str, Mapping[str, Parameter]]:
    """Who has which parameters, by the name that its addresses begin with."""
    with located(str(patch.path)):
        found: dict[str, Mapping[str, Parameter]] = {
            "walk": declared(walk.step),
            "generator": declared(generator.render),
            "master": declared(Master.__call__),
        }
        named = [(name, declared(modulator.step)) for name, modulator in modulators.items()]
    for name, parameters in [*named, *((item.name, item.parameters) for item in slots)]:
        if name in found:
            raise Mistake(
                f"{patch.path}: the name {name!r} is taken; modulators, bends, walk, generator, master share names"
            )
        found[name] = parameters
    return found


def routed(patch: Patch, owners: Mapping[str, Mapping[str, Parameter]]) -> Matrix:
    addresses = [f"{owner}/{name}" for owner, items in owners.items() for name in items]
    for route, where in patch.routes:
        if route.target not in addresses:
            raise Mistake(f"{where}: to: {unknown('parameter', route.target, addresses)}")
    return Matrix(owners, [route for route, _ in patch.routes])


def checked(where: str, matrix: Matrix, address: str, value: float) -> None:
    """Refuse a rest value that someone wrote down for a parameter that is not there, or out of its range."""
    if address not in matrix.index:
        raise Mistake(f"{where}: {unknown('parameter', address, matrix.index)}")
    limited(f"{where}: {address}", value, matrix.parameters[address].range)


def foreign(addresses: Iterable[str], generator: Generator) -> list[str]:
    """Those addresses of the generator that another kind of network has and this one does not, such as noise."""
    own = {f"generator/{name}" for name in declared(generator.render)}
    strange = [address for address in addresses if address.startswith("generator/") and address not in own]
    if not strange:
        return []
    kinds = [catalog.plug("generators", name) for name in catalog.plugs("generators")]
    known = {f"generator/{name}" for kind in kinds for name in declared(kind.render)}
    return [address for address in strange if address in known]


def playable(patch: Patch, generator: Generator) -> Patch:
    """The patch without what it does to parameters that only other kinds of network have."""
    left = foreign([*patch.rest, *(route.target for route, _ in patch.routes)], generator)
    if left:
        log.info("%s: this model has no %s; the patch goes without", patch.name, ", ".join(sorted(set(left))))
    rest = {address: value for address, value in patch.rest.items() if address not in left}
    return replace(patch, rest=rest, routes=tuple(item for item in patch.routes if item[0].target not in left))


def fitting(scene: Scene, patch: Patch, matrix: Matrix, generator: Generator) -> Scene:
    """The scene; of one that was made for another patch or kind of network, those values that there is a place for."""
    left = foreign(scene.rest, generator)
    if left:
        log.info("%s: this model has no %s; the scene goes without", scene.name, ", ".join(left))
    if scene.patch not in (None, patch.name):
        others = [address for address in scene.rest if address not in matrix.index and address not in left]
        if others:
            log.info("%s is for the patch %s; here it goes without %s", scene.name, scene.patch, ", ".join(others))
        left += others
    return replace(scene, rest={address: value for address, value in scene.rest.items() if address not in left})


def cue(patch: Patch, name: str, matrix: Matrix, generator: Generator, said: Rest) -> Scene:
    """A scene that a cue names, with a rest value for every parameter but the master's, which belong to the performer.

    So it is the same scene wherever the show comes from. `said` is what the command line sets.
    """
    with located(f"{patch.path}: [cues]"):
        scene = fitting(read_scene(catalog.data("scenes", name)), patch, matrix, generator)
    for address, value in scene.rest.items():
        checked(f"{scene.path} (cued by {patch.path}): [rest]", matrix, address, value)
    stays = [key for key in ("anchors", "bpm", "model") if getattr(scene, key)]
    if stays:
        log.info("%s: as a cue it moves what rests; its %s count only when it is played", name, " and ".join(stays))
    defaults = {address: parameter.default for address, parameter in matrix.parameters.items()}
    ours = {address: value for address, value in defaults.items() if not address.startswith("master/")}
    return replace(scene, rest={**ours, **patch.rest, **scene.rest, **said})


def signals_named(patch: Patch) -> set[str]:
    """Every signal that the patch may mean: what routes and cues name, and any word among the modulators' settings."""
    words = {word for item in patch.modulators.values() for word in item.settings.values() if isinstance(word, str)}
    return words | {route.source for route, _ in patch.routes} | set(patch.cues) | set(patch.modulators)
