"""Patches: which plugs, which bends, which routes, read from TOML and not built yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from instrument import catalog
from instrument.bend import Mask
from instrument.document import Mistake, Table, fitted, flat, limited, read
from instrument.matrix import Route
from instrument.parameters import unknown
from instrument.plugs import root
from instrument.tempo import GESTURES, TEMPI


@dataclass(frozen=True)
class Plugged:
    """A plug by its file's name, with its settings, and where that was said."""

    plug: str
    settings: Mapping[str, Any]
    where: str


@dataclass(frozen=True)
class Bent:
    """A slot as written."""

    op: str
    layer: str
    channels: Literal["all"] | tuple[int, int] | float
    seed: int
    mask: Mask
    settings: Mapping[str, Any]
    where: str


@dataclass(frozen=True)
class Keeping:
    """What `[tempo]` says: whether the tempo follows what comes in, beats a bar, and which signals are a performer's word.

    Where `bar` is None it is as heard.
    """

    follow: bool = True
    bar: int | None = None
    gestures: Mapping[str, str] = field(default_factory=dict)  # signal -> gesture


@dataclass(frozen=True)
class Patch:
    """What a patch file says. Routes and cues are in the order of the file, and so are modulators and bends."""

    name: str
    about: str
    bpm: float
    model: str
    inputs: Mapping[str, Plugged]
    modulators: Mapping[str, Plugged]
    walk: Plugged
    bends: Mapping[str, Bent]
    routes: tuple[tuple[Route, str], ...]
    outputs: Mapping[str, Plugged]
    cues: Mapping[str, str] = field(default_factory=dict)
    tempo: Keeping = Keeping()
    rest: Mapping[str, float] = field(default_factory=dict)
    path: Path | None = None


def read_patch(path: Path) -> Patch:
    """A patch from its file. Raises Mistake naming file and key; whether plugs exist is found when it is assembled."""
    table = read(path)
    walk = Table(f"{path}: [walk]", table.take("walk", dict, {}))
    patch = Patch(
        name=path.stem,
        about=table.take("about", str, ""),
        bpm=limited(f"{path}: bpm", table.take("bpm", float, 120.0), TEMPI),
        model=table.take("model", str, "blooms"),
        inputs=plugged(table.tables("inputs")),
        modulators=plugged(table.tables("modulators")),
        walk=Plugged(walk.take("plug", str, "drift"), walk.rest(), walk.where),
        bends={name: bent(inner) for name, inner in table.tables("bends").items()},
        routes=routes(str(path), table.take("routes", list[dict[str, Any]], [])),
        outputs=plugged(table.tables("outputs")),
        cues={key: fitted(f"{path}: [cues]: {key}", name, str) for key, name in table.take("cues", dict, {}).items()},
        tempo=keeping(Table(f"{path}: [tempo]", table.take("tempo", dict, {}))),
        rest=flat(f"{path}: [rest]", table.take("rest", dict, {})),
        path=path,
    )
    table.end()
    check_signals(patch)
    return patch


def keeping(table: Table) -> Keeping:
    """The table [tempo]: `follow`, `bar`, and for each gesture the signal that is it when struck."""
    follow, bar = table.take("follow", bool, True), table.take("bar", int, None)
    if bar is not None and not 1 <= bar <= 32:
        raise Mistake(f"{table.where}: bar must be 1 to 32 beats, got {bar}")
    found = {name: table.take(name, str, None) for name in GESTURES}
    table.end()
    return Keeping(follow, bar, {signal: name for name, signal in found.items() if signal is not None})


def plugged(tables: Mapping[str, Table]) -> dict[str, Plugged]:
    """Tables of plugs: the plug is the table's name unless it says `plug = …`."""
    return {name: Plugged(inner.take("plug", str, name), inner.rest(), inner.where) for name, inner in tables.items()}


def bent(table: Table) -> Bent:
    return Bent(
        op=table.take("op", str),
        layer=table.take("layer", str),
        channels=table.take("channels", Literal["all"] | tuple[int, int] | float, "all"),
        seed=table.take("seed", int, 0),
        mask=table.take("mask", Mask, "everywhere"),
        where=table.where,
        settings=table.rest(),
    )


def routes(where: str, written: list[dict[str, Any]]) -> tuple[tuple[Route, str], ...]:
    """Routes with the place each was written at."""
    found = []
    for number, row in enumerate(written, 1):
        table = Table(f"{where}: routes, number {number}", row)
        source, target = table.take("from", str), table.take("to", str)
        amount, centred = table.take("amount", float), table.take("centred", bool, False)
        table.end()
        if not -1 <= amount <= 1:
            raise Mistake(f"{table.where}: amount is a fraction of the target's range, -1..1, got {amount:g}")
        found.append((Route(source, target, amount, centred), table.where))
    return tuple(found)


def signals_said(patch: Patch) -> list[tuple[str, str]]:
    """Every signal that a route, a cue, a gesture or a modulator goes by, and where that was said."""
    said = [(route.source, where) for route, where in patch.routes]
    said += [(signal, f"{patch.path}: [cues]") for signal in patch.cues]
    said += [(signal, f"{patch.path}: [tempo]: {gesture}") for signal, gesture in patch.tempo.gestures.items()]
    for item in patch.modulators.values():
        named = [item.settings.get(key) for key in ("on", "source")]
        said += [(signal, item.where) for signal in named if signal and isinstance(signal, str)]
    return said


def check_signals(patch: Patch) -> None:
    """Refuse a route from, or a modulator on, something that this patch has not."""
    roots = {"tempo", *(root(item.plug) for item in patch.inputs.values())}
    for signal, where in signals_said(patch):
        if signal in patch.modulators:
            continue
        source, _, path = signal.partition("/")
        if source not in roots or not path:
            check_inputs(patch)
            there_is = [*patch.modulators, *(f"{source}/…" for source in sorted(roots))]
            raise Mistake(f"{where}: {unknown('signal', signal, there_is)}")


def check_inputs(patch: Patch) -> None:
    """Refuse an input that does not exist: a signal may be missing for that reason alone, and then this is what helps."""
    there_is = catalog.plugs("inputs")
    for item in patch.inputs.values():
        if item.plug not in there_is:
            raise Mistake(f"{item.where}: {unknown('input', item.plug, there_is)}")
