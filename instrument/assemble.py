"""Assembling: a patch and a scene become a rig, or one clear line says why not."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from instrument import catalog
from instrument.casting import Casting, Part, model_named
from instrument.document import Mistake, limited, located
from instrument.faults import Faults
from instrument.heard import Heard
from instrument.master import Master
from instrument.matrix import Matrix, Rest
from instrument.packed import Packed
from instrument.parameters import Parameter, declared, unknown
from instrument.patch import Patch, Plugged, signals_said
from instrument.plugging import Checked, built, checked_plugs, opened
from instrument.plugs import root
from instrument.queued import port
from instrument.rig import Rig
from instrument.scene import Scene, read_scene
from instrument.show import Show
from instrument.tempo import Tempo
from instrument.voice import Understudies

log = logging.getLogger("phosphene")

PAGE = Plugged("preview", {}, "the preview page")


def assemble(patch: Patch, scene: Scene, show: Show) -> Rig:
    """The rig of a patch in a scene. Raises Mistake naming file, key, what was expected and what there is.

    What the machine lacks is said in one line and left out; nothing is opened before everything else has been checked.
    """
    if catalog.PLUGS and not Path(catalog.PLUGS).is_dir():
        raise Mistake(f"PHOSPHENE_PLUGS: there is no folder {catalog.PLUGS}")
    faults = Faults(strict=show.strict)
    supplied = supplies(scene, show, patch)
    if patch.bends:
        catalog.ops()  # now, so that a file that is broken is said to be, and not the patch that looks into it
    checked_inputs = checked_plugs("inputs", patch.inputs)
    check_known(patch, checked_inputs)
    casting = Casting(patch, show)
    first = casting.part(*model_named(patch, scene, show.model), supplied)
    scenes = {name: cued(patch, name) for name in dict.fromkeys(patch.cues.values())}
    brought = {signal: scenes[name] for signal, name in patch.cues.items() if can_strike(patch, signal)}
    others: dict[str, Part] = {}
    if any(of.model for of in brought.values()):  # then a scene that names none brings the show's own
        for signal, of in brought.items():
            others[signal] = (
                casting.part(of.model, f"{of.path}: model", supplies(of, show, patch)) if of.model else first
            )
    faders = generator_parameters([first, *others.values()])
    patch = playable(patch, faders)
    modulators = {name: built("modulators", item, supplied) for name, item in patch.modulators.items()}
    owners = owned(patch, first, faders, modulators)
    matrix = routed(patch, owners)
    scene = fitting(scene, patch, matrix, faders)
    said = [(f"{patch.path}: [rest]", patch.rest), (f"{scene.path}: [rest]", scene.rest), ("--set", show.rest)]
    for where, rest in said:
        for address, value in rest.items():
            checked(where, matrix, address, value)
            matrix.set(address, value)
    cues = {name: cue(patch, of, matrix, faders, show.rest) for name, of in scenes.items()}

    packed = Packed({name: owners[name] for name in ["generator", "master", *patch.bends]}, show.device)
    checked_outputs = checked_plugs("outputs", patch.outputs)
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
    voice = casting.voice(first, packed, faults)
    cued_voices = {signal: casting.voice(part, packed, faults) for signal, part in others.items()}
    understudy = partial(casting.understudy, supplied, packed, faults, matrix.at_rest())
    return Rig(
        inputs=inputs,
        modulators=modulators,
        matrix=matrix,
        voice=voice,
        packed=packed,
        master=Master(show.size, show.framing),
        outputs=ports,
        faults=faults,
        live=show.live,
        tempo=Tempo(scene.bpm or patch.bpm, patch.tempo.bar, ahead=show.latency.screen / 1000),
        keeping=patch.tempo,
        cues={signal: cues[name] for signal, name in patch.cues.items()},
        cued=cued_voices,
        understudies=Understudies(understudy, show.live, [*cued_voices.values(), voice]),
        heard=Heard(signals_named(patch)),
    )


def unseen(wanted: Mapping[str, Plugged], there: Mapping[str, Any]) -> bool:
    """Whether a window that was wanted is not there, and no preview page is wanted anyway."""
    missing = any(item.plug == "window" and name not in there for name, item in wanted.items())
    return missing and not any(item.plug == "preview" for item in wanted.values())


def can_strike(patch: Patch, signal: str) -> bool:
    """Whether anything in the patch can strike a signal: a song that is rendered has no keys."""
    roots = {root(item.plug) for item in patch.inputs.values()}
    return signal in patch.modulators or signal.partition("/")[0] in roots or "take" in roots


def supplies(scene: Scene, show: Show, patch: Patch) -> dict[str, Any]:
    """What plugs can ask for, of a scene, a show and a patch."""
    seed = next((seed for seed in (show.seed, scene.seed) if seed is not None), 1)
    return {
        "seed": seed,
        "anchors": scene.anchors,
        "fps": show.fps,
        "live": show.live,
        "named": frozenset(signals_named(patch)),
        "latency": show.latency.audio / 1000,
        "status": show.status,
        "monitor": show.monitor,
    }


def generator_parameters(parts: Iterable[Part]) -> dict[str, Parameter]:
    """What can be moved of any network in the show; where they differ over one, the widest range has it."""
    found: dict[str, Parameter] = {}
    for part in parts:
        for name, fader in part.faders.items():
            if name not in found or fader.range.high - fader.range.low > found[name].range.high - found[name].range.low:
                found[name] = fader
    return found


def owned(
    patch: Patch, part: Part, faders: Mapping[str, Parameter], modulators: Mapping[str, Any]
) -> dict[str, Mapping[str, Parameter]]:
    """Who has which parameters, by the name that its addresses begin with."""
    with located(str(patch.path)):
        found: dict[str, Mapping[str, Parameter]] = {
            "walk": declared(part.walk.step),
            "generator": faders,
            "master": declared(Master.__call__),
        }
        named = [(name, declared(modulator.step)) for name, modulator in modulators.items()]
    for name, parameters in [*named, *((item.name, item.parameters) for item in part.slots)]:
        if name in found or name in ("model", "tempo"):  # `/model/NAME` asks for one, `/tempo/…` says how fast
            raise Mistake(
                f"{patch.path}: the name {name!r} is taken; modulators, bends, walk, generator, master, model, tempo share names"
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


def foreign(addresses: Iterable[str], faders: Mapping[str, Parameter]) -> list[str]:
    """Those addresses of the generator that another kind of network has and none in this show, such as noise."""
    own = {f"generator/{name}" for name in faders}
    strange = [address for address in addresses if address.startswith("generator/") and address not in own]
    if not strange:
        return []
    kinds = [catalog.plug("generators", name) for name in catalog.plugs("generators")]
    known = {f"generator/{name}" for kind in kinds for name in declared(kind.render)}
    return [address for address in strange if address in known]


def playable(patch: Patch, faders: Mapping[str, Parameter]) -> Patch:
    """The patch without what it does to parameters that only other kinds of network have."""
    left = foreign([*patch.rest, *(route.target for route, _ in patch.routes)], faders)
    if left:
        log.info("%s: this model has no %s; the patch goes without", patch.name, ", ".join(sorted(set(left))))
    rest = {address: value for address, value in patch.rest.items() if address not in left}
    return replace(patch, rest=rest, routes=tuple(item for item in patch.routes if item[0].target not in left))


def fitting(scene: Scene, patch: Patch, matrix: Matrix, faders: Mapping[str, Parameter]) -> Scene:
    """The scene; of one that was made for another patch or kind of network, those values that there is a place for."""
    left = foreign(scene.rest, faders)
    if left:
        log.info("%s: this model has no %s; the scene goes without", scene.name, ", ".join(left))
    if scene.patch not in (None, patch.name):
        others = [address for address in scene.rest if address not in matrix.index and address not in left]
        if others:
            log.info("%s is for the patch %s; here it goes without %s", scene.name, scene.patch, ", ".join(others))
        left += others
    return replace(scene, rest={address: value for address, value in scene.rest.items() if address not in left})


def cued(patch: Patch, name: str) -> Scene:
    """A scene that a cue names, as it is written."""
    with located(f"{patch.path}: [cues]"):
        return read_scene(catalog.data("scenes", name))


def cue(patch: Patch, scene: Scene, matrix: Matrix, faders: Mapping[str, Parameter], said: Rest) -> Scene:
    """A scene that a cue names, with a rest value for every parameter but the master's, which belong to the performer.

    So it is the same scene wherever the show comes from. `said` is what the command line sets.
    """
    with located(f"{patch.path}: [cues]"):
        scene = fitting(scene, patch, matrix, faders)
    for address, value in scene.rest.items():
        checked(f"{scene.path} (cued by {patch.path}): [rest]", matrix, address, value)
    stays = [key for key in ("anchors", "bpm") if getattr(scene, key) and (key == "bpm" or scene.model is None)]
    if stays:
        what = " and ".join(stays)
        log.info("%s: as a cue it moves what rests; its %s count only when it is played", scene.name, what)
    defaults = {address: parameter.default for address, parameter in matrix.parameters.items()}
    ours = {address: value for address, value in defaults.items() if not address.startswith("master/")}
    return replace(scene, rest={**ours, **patch.rest, **scene.rest, **said})


def check_known(patch: Patch, inputs: Mapping[str, Checked]) -> None:
    """Refuse a signal that an input of the patch would have, if it is none of those that such an input has."""
    kinds = {root(item.plug): kind.SIGNALS for item, kind, _ in inputs.values() if hasattr(kind, "SIGNALS")}
    for signal, where in signals_said(patch):
        source, _, path = signal.partition("/")
        if path not in kinds.get(source, {path}):
            there_is = [f"{source}/{name}" for name in kinds[source]]
            raise Mistake(f"{where}: {unknown('signal', signal, there_is)}")


def signals_named(patch: Patch) -> set[str]:
    """Every signal that the patch may mean: what routes and cues name, and any word among the modulators' settings."""
    words = {word for item in patch.modulators.values() for word in item.settings.values() if isinstance(word, str)}
    return words | {signal for signal, _ in signals_said(patch)} | {*patch.modulators}
