"""The fastest way to run a network on this machine: found by a short race when it is first played, and remembered.

Which way wins is a matter of the processor: some multiply bfloat16 eight times as fast as float32, some not at all.
"""

import hashlib
import json
import logging
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import TypeVar

import torch

from instrument import __version__, places, threads
from instrument.files import whole
from instrument.parameters import unknown
from instrument.plugs import FASTEST, LIKELY

T = TypeVar("T")
log = logging.getLogger("phosphene")

RUNNERS = "torch", "openvino", "llvmlite"
ROUNDS = 9  # each way in turn, after one that does not count
MARGIN = 0.9  # of the time of what is exact: less gain than that is not worth less than full precision


def precisions(device: torch.device) -> Mapping[str, torch.dtype]:
    """The precisions that a device multiplies in; the first is exact, and the one that rendering uses."""
    found = {"float32": torch.float32}
    if device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        found["bfloat16"] = torch.bfloat16
    if device.type == "cuda":
        found["float16"] = torch.float16
    return found


def chosen(
    asked: str,
    ways: Mapping[str, Callable[[], T]],
    trial: Callable[[T], object],
    layers: Mapping[str, object],
    device: torch.device,
) -> tuple[str, T]:
    """The way that was asked for by its name, the `fastest`, or what is `likely` to be it. ValueError names what there is."""
    if asked == FASTEST:
        return fastest(ways, trial, layers, device)
    if asked == LIKELY:
        asked = remembered(memory()).get(of(layers, ways, device), list(ways)[-1])
    if asked not in ways:
        raise ValueError(f"on this {device.type} there is {unknown('executor', asked, [*ways, FASTEST])}")
    return asked, ways[asked]()


def fastest(
    ways: Mapping[str, Callable[[], T]],
    trial: Callable[[T], object],
    layers: Mapping[str, object],
    device: torch.device,
) -> tuple[str, T]:
    """The fastest of some ways to run a network, by its name: the one that is remembered, or the winner of a race.

    A `trial` makes a picture with what a way makes; `layers` are what networks are told apart by.
    """
    known, key = remembered(memory()), of(layers, ways, device)
    if known.get(key) not in ways:
        known[key] = raced({name: make() for name, make in ways.items()}, trial, device)
        remember(memory(), known)
    return known[key], ways[known[key]]()


def version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # it is an extra
        return ""


def memory() -> Path:
    """The file that races are remembered in."""
    return places.cache() / "executors.json"


def of(layers: Mapping[str, object], ways: Iterable[str], device: torch.device) -> str:
    """What a race was run on: the network's shape, the ways there were, the device, what computes in which version."""
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    said = [layers, list(ways), card, platform.node(), threads.ALL, __version__, *map(version, RUNNERS)]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


@torch.inference_mode()
def raced(runners: Mapping[str, T], trial: Callable[[T], object], device: torch.device) -> str:
    """The name of the winner: run in turn, so that a busy moment slows all of them down."""
    times: dict[str, list[float]] = {name: [] for name in runners}
    for lap in range(ROUNDS + 1):
        for name, runner in runners.items():
            begun = time.perf_counter()
            trial(runner)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if lap:
                times[name].append(time.perf_counter() - begun)
    lasted = {name: min(taken) for name, taken in times.items()}  # what it can do: neighbours come and go
    exact, winner = next(iter(lasted)), min(lasted, key=lasted.__getitem__)
    log.debug("race: %s", ", ".join(f"{name} {taken * 1000:.1f} ms" for name, taken in lasted.items()))
    return winner if lasted[winner] < MARGIN * lasted[exact] else exact


def remembered(file: Path) -> dict[str, str]:
    """What earlier races found; nothing, if that cannot be read."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def remember(file: Path, known: Mapping[str, str]) -> None:
    """Where nothing can be written, the race is run again next time."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole(file) as writing:
            writing.write_text(json.dumps(known), "utf-8")
    except OSError as error:
        log.debug("%s cannot be written: %s", file, error)
