"""Options that commands share."""

import argparse
import json
import math
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from instrument import catalog
from instrument.document import Mistake, located, parsed
from instrument.latency import LIMITS, Latency, kept
from instrument.parameters import settings as known_settings
from instrument.parameters import unknown
from instrument.patch import Patch, Plugged, read_patch
from instrument.places import config
from instrument.plugs import FASTEST, Unavailable
from instrument.scene import Scene, read_scene
from instrument.show import Show

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
    parser.add_argument("--fps", type=frame_rate, metavar="F", help="frames a second (default: 30)")
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
    add_device(parser)
    parser.add_argument(
        "--executor",
        metavar="E",
        help="what runs the network: float32 (exact; rendering's default), bfloat16, float16 or openvino where the machine "
        "has them, or the fastest (playing's default)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist already")


def add_device(parser: argparse.ArgumentParser) -> None:
    """Where to compute."""
    parser.add_argument(
        "--device", metavar="D", default="auto", help="where the network runs: auto (default), cpu, cuda, cuda:1 …, mps"
    )


def add_latencies(parser: argparse.ArgumentParser) -> None:
    """How late this machine hears and shows, instead of what is kept for it."""
    for name, what in (("audio", "sound is heard"), ("screen", "pictures are seen")):
        parser.add_argument(
            f"--{name}-latency",
            type=milliseconds,
            metavar="MS",
            help=f"how late {what}, {LIMITS} (default: as kept for this machine, see `phosphene calibrate`)",
        )


def latency(args: argparse.Namespace) -> Latency:
    """How late this machine hears and shows: as it is said, or else as it is kept. Raises Mistake for a wrong config file."""
    said = {name: getattr(args, f"{name}_latency") for name in asdict(Latency())}
    return replace(kept(config()), **{name: value for name, value in said.items() if value is not None})


def show(args: argparse.Namespace, *, live: bool) -> Show:
    """How to play, as these options have it."""
    return Show(
        live=live,
        model=args.model,
        fps=args.fps or 30.0,
        seed=args.seed,
        size=args.size,
        framing=args.framing or "fill",
        device=device(args.device),
        executor=args.executor or (FASTEST if live else "float32"),
        rest=rest(args.settings),
        latency=latency(args) if live else Latency(),
    )


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


def whole(least: int) -> Callable[[str], int]:
    """A reader of whole numbers from `least` on."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and least <= int(text) < 10**9):
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
        return int(text)

    return read


def not_negative(text: str) -> float:
    """A number from 0 on."""
    return 0.0 if text.strip("0.") == "" and "0" in text else positive(text)


def milliseconds(text: str) -> float:
    """A latency."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not LIMITS.low <= number <= LIMITS.high:
        raise argparse.ArgumentTypeError(f"{text!r} lies not in {LIMITS}")
    return number


def frame_rate(text: str) -> float:
    """Frames a second that every output can have."""
    number = positive(text)
    if not 0.1 <= number <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} lies not in 0.1..1000 frames a second")
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


def chosen(scene_name: str | None, patch_name: str | None) -> tuple[Scene, Patch]:
    """The scene and the patch that were asked for, or the first ones."""
    if scene_name is None and patch_name is not None:
        scene = Scene("none")
    else:
        scene = read_scene(found("scenes", scene_name or FIRST_SCENE, "scene"))
    where = "--patch" if patch_name else f"{scene.path}: patch"
    return scene, read_patch(found("patches", patch_name or scene.patch or FIRST_PATCH, where))


def found(kind: catalog.Data, name: str, where: str) -> Path:
    """A data file by name; a wrong name is a Mistake."""
    with located(where):
        return catalog.data(kind, name)


def with_input(patch: Patch, plug: str, option: str, **settings: Any) -> Patch:
    """The patch with these settings, from an option, in its input of that plug; an input that it lacks is added."""
    name = next((name for name, item in patch.inputs.items() if item.plug == plug), plug)
    now = patch.inputs.get(name) or Plugged(plug, {}, option)
    where = option if now.settings.keys() <= settings.keys() else f"{option}, {now.where}"
    return replace(patch, inputs={**patch.inputs, name: Plugged(plug, {**now.settings, **settings}, where)})


def outputs(texts: list[str], overwrite: bool) -> dict[str, Plugged]:
    """The outputs of --output: `window`, `window:1`, `recording:show.mp4`, `ndi:Main`, `none`."""
    if texts == ["none"]:
        return {}
    plugged: dict[str, Plugged] = {}
    for number, text in enumerate(texts):
        if text == "none":
            raise Mistake("--output none: plays without any output, so it stands alone")
        if text in texts[:number]:
            raise Mistake(f"--output {text}: is given twice")
        item = output(text, overwrite)
        count = sum(there.plug == item.plug for there in plugged.values())
        plugged[f"{item.plug} {count + 1}" if count else item.plug] = item
    return plugged


def output(text: str, overwrite: bool) -> Plugged:
    """One output of --output: the plug before the colon, and after it the setting that the plug says is its target."""
    where, (plug, _, target) = f"--output {text}", text.partition(":")
    try:
        with located(where, (Unavailable,)):
            found = catalog.plug("outputs", plug)
    except Unavailable:  # said when it is assembled, and left out
        return Plugged(plug, {}, where)
    known = known_settings(found.__init__)
    given: dict[str, Any] = {"overwrite": True} if overwrite and "overwrite" in known else {}
    if target:
        if found.target is None:
            raise Mistake(f"{where}: {plug!r} takes nothing after the colon")
        given[found.target] = parsed(f"{where}: {found.target}", target, known[found.target][0])
    if "overwrite" in known and target:  # said now, and not after seconds of loading
        check_writable(Path(target).expanduser(), overwrite, where)
    return Plugged(plug, given, where)


def check_writable(path: Path, overwrite: bool, where: str) -> None:
    """Refuse a file in a folder that does not exist or is locked, or one that exists already."""
    if path.is_dir():
        raise Mistake(f"{where}: {path} is a folder; name a file")
    if not path.parent.is_dir():
        raise Mistake(f"{where}: {path}: there is no folder {path.parent}")
    if path.exists() and not overwrite:
        raise Mistake(f"{where}: {path} exists already; --overwrite replaces it")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise Mistake(f"{where}: {path} cannot be written: permission denied")


def check_figures(path: Path, key: str, where: str) -> None:
    """Refuse a file of figures that would replace anything but its like, which is known by a key it has."""
    try:
        there = json.loads(path.read_text("utf-8")) if path.is_file() else None
    except (ValueError, OSError):
        there = None
    its_like = isinstance(there, dict) and key in there
    if path.exists() and not path.is_dir() and not its_like:
        raise Mistake(f"{where}: {path} exists already and is something else; it is left as it is")
    check_writable(path, its_like, where)


Named = list[tuple[str, Path]]  # files, each with where it was named


def check_apart(read: Named, written: Named) -> None:
    """Refuse to write into a file that is named for something else: a song must not become the recording of itself."""
    seen = {path.expanduser().resolve(): where for where, path in read}
    for where, path in written:
        file = path.expanduser().resolve()
        if file in seen:
            raise Mistake(f"{where}: {path} is named already, for {seen[file]}")
        seen[file] = where


def heard(patch: Patch) -> Named:
    """The files that a patch's inputs may read; the name of a device is taken for one too, which does no harm."""
    said = [(item.where, item.settings.get(key)) for item in patch.inputs.values() for key in ("source", "file")]
    return [(where, Path(name)) for where, name in said if name and isinstance(name, str)]


def shown(patch: Patch) -> Named:
    """What a patch's outputs write to, by their targets; of NDI it is the name, which only one can have too."""
    said = [(item.where, target(item)) for item in patch.outputs.values()]
    return [(where, Path(name)) for where, name in said if name and isinstance(name, str)]


def target(item: Plugged) -> Any:
    """What an output's target setting is, as it was said or by default; None for an output that this machine cannot have."""
    try:
        with located(item.where, (Unavailable,)):
            found = catalog.plug("outputs", item.plug)
    except Unavailable:
        return None
    _, default = known_settings(found.__init__).get(found.target, (None, None))
    return item.settings.get(found.target, default)


def device(name: str) -> torch.device:
    """The device of a name; "auto" is the fastest there is."""
    cards = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    there_is = ["cpu", *cards, *["cuda"][: len(cards)], *["mps"] * torch.backends.mps.is_available()]
    if name == "auto":
        return torch.device(there_is[-1])
    if name not in there_is:
        raise Mistake(f"--device: {unknown('device', name, there_is)}")
    return torch.device(name)
