"""Scenes: values at rest, places in the latent space, and how long it takes to get there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from instrument.document import flat, limited, read
from instrument.parameters import Range
from instrument.tempo import TEMPI

FADE = Range(0, 3600, "s")


@dataclass(frozen=True)
class Scene:
    """What a scene file says: `rest` in each parameter's unit, `anchors` as seeds, `fade` in seconds."""

    name: str
    about: str = ""
    patch: str | None = None
    model: str | None = None
    seed: int | None = None
    bpm: float | None = None
    fade: float = 2.0
    anchors: tuple[int, ...] = ()
    rest: Mapping[str, float] = field(default_factory=dict)
    path: Path | None = None


def read_scene(path: Path) -> Scene:
    """A scene from its file. Raises Mistake naming file and key."""
    table = read(path)
    bpm = table.take("bpm", float, None)
    scene = Scene(
        name=path.stem,
        about=table.take("about", str, ""),
        patch=table.take("patch", str, None),
        model=table.take("model", str, None),
        seed=table.take("seed", int, None),
        bpm=None if bpm is None else limited(f"{path}: bpm", bpm, TEMPI),
        fade=limited(f"{path}: fade", table.take("fade", float, 2.0), FADE),
        anchors=tuple(table.take("anchors", list[int], [])),
        rest=flat(f"{path}: [rest]", table.take("rest", dict, {})),
        path=path,
    )
    table.end()
    return scene
