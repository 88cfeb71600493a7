"""Options that commands share."""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from instrument import catalog
from instrument.document import Mistake, parsed
from instrument.parameters import settings as known_settings
from instrument.parameters import unknown
from instrument.patch import Patch, Plugged, read_patch
from instrument.scene import Scene, read_scene

FIRST_SCENE, FIRST_PATCH = "first-light", "audio"


def add_show_options(parser: argparse.ArgumentParser) -> None:
    """What both playing and rendering can be told."""
    parser.add_argument(
        "--patch", metavar="P", help="patch: a name, or a .toml file (default: the one the scene is for)"
    )
    parser.add_argument("--model", metavar="M", help="model: a name, or a folder (default: the scene's or the patch's)")
    parser.add_argument(
        "--size", type=size, metavar="WxH", help="size of the picture in pixels (default: the model's own)"
    )
    parser.add_argument(
        "--framing",
        choices=["fill", "letterbox", "fit"],
        default=None,
        help="how the picture gets another shape: fill crops (default), letterbox adds black bars, fit stretches",
    )
    parser.add_argument("--fps", type=positive, metavar="F", help="frames a second (default: 30)")
    parser.add_argument("--seed", type=seed, metavar="S", help="another seed is another journey (default: the scene's)")
    parser.add_argument(
        "--seconds", type=positive, metavar="N", help="how long (default: until stopped, or the whole song)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="OWNER/PARAMETER=VALUE",
        help="a parameter's value at rest, in its unit, such as walk/speed=0.2; may be given several times",
    )
    parser.add_argument(
        "--device", choices=["auto", "cpu", "cuda", "mps"], default="auto", help="where the network runs"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist already")


def size(text: str) -> tuple[int, int]:
    """Width and height of WxH."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and 16 <= int(width) <= 16384 and 16 <= int(height) <= 16384):
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 1280x720 (16 to 16384 pixels a side)")
    return int(width), int(height)


def seed(text: str) -> int:
    """A whole number of 64 bits, as torch wants it."""
    try:
        number = int(text)
    except ValueError:
        number = 2**63
    if abs(number) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 64 bits")
    return number


def positive(text: str) -> float:
    """A number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def rest(settings: list[str]) -> dict[str, float]:
    """The values of --set."""
    found = {}
    for text in settings:
        address, _, value = text.partition("=")
        try:
            found[address] = float(value)
        except ValueError as error:
            raise Mistake(f"--set: expected owner/parameter=number, got {text!r}") from error
    return found


def chosen(scene_name: str | None, patch_name: str | None, model: str | None) -> tuple[Scene, Patch]:
    """The scene and the patch that were asked for, or the first ones."""
    if scene_name is None and patch_name is not None:
        scene = Scene("none")
    else:
        scene = read_scene(found("scenes", scene_name or FIRST_SCENE, "scene"))
    patch = read_patch(found("patches", patch_name or scene.patch or FIRST_PATCH, "--patch"))
    if scene.patch is not None and patch_name is not None and patch.name != scene.patch:
        scene = replace(scene, rest=shared(scene.rest, patch))
    return (replace(scene, model=str(found("models", model, "--model"))) if model else scene), patch


def shared(values: Mapping[str, float], patch: Patch) -> dict[str, float]:
    """Those rest values of a scene made for another patch that any patch has."""
    owners = {"walk", "generator", "master", *patch.modulators, *patch.bends}
    return {address: value for address, value in values.items() if address.partition("/")[0] in owners}


def found(kind: Any, name: str, where: str) -> Path:
    """A data file by name; a wrong name is a Mistake."""
    try:
        return catalog.data(kind, name)
    except KeyError as error:
        raise Mistake(f"{where}: {error.args[0]}") from error


def with_input(patch: Patch, plug: str, **settings: Any) -> Patch:
    """The patch with these settings in its input of that plug; an input that it lacks is added."""
    name = next((name for name, item in patch.inputs.items() if item.plug == plug), plug)
    now = patch.inputs.get(name) or Plugged(plug, {}, f"--{plug}")
    return replace(patch, inputs={**patch.inputs, name: replace(now, settings={**now.settings, **settings})})


def outputs(texts: list[str], overwrite: bool) -> dict[str, Plugged]:
    """The outputs of --output: `window`, `window:1`, `recording:show.mp4`, `ndi:Main`, `none`."""
    plugged = {}
    for text in texts:
        plug, _, target = text.partition(":")
        if plug == "none":
            continue
        try:
            output = catalog.plug("outputs", plug)
        except KeyError as error:
            raise Mistake(f"--output: {error.args[0]}") from error
        known = known_settings(output.__init__)
        given: dict[str, Any] = {"overwrite": True} if overwrite and "overwrite" in known else {}
        if target:
            if output.target is None:
                raise Mistake(f"--output: {plug!r} takes nothing after the colon, got {target!r}")
            given[output.target] = parsed(f"--output {plug}: {output.target}", target, known[output.target][0])
        name = plug if plug not in plugged else text
        plugged[name] = Plugged(plug, given, f"--output {text}")
    return plugged


def check_writable(path: Path, overwrite: bool) -> None:
    """Refuse a file in a folder that does not exist, or one that exists already."""
    if not path.parent.is_dir():
        raise Mistake(f"{path}: there is no folder {path.parent}")
    if path.exists() and not overwrite:
        raise Mistake(f"{path}: exists already; --overwrite replaces it")


def device(name: str) -> torch.device:
    """The device of a name; "auto" is the fastest there is."""
    there_is = ["cpu"] + ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available()
    if name == "auto":
        return torch.device(there_is[-1])
    if name not in there_is:
        raise Mistake(f"--device: {unknown('device', name, there_is)}")
    return torch.device(name)
