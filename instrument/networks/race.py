"""The fastest way to run a network on this machine: found by a short race when it is first played, and remembered.

Which way wins is a matter of the processor: some multiply bfloat16 eight times as fast as float32, some not at all.
"""

import hashlib
import json
import logging
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Protocol

import torch
from platformdirs import user_cache_path
from torch import Tensor

from instrument.files import whole
from instrument.networks.lean import Lean
from instrument.networks.stylegan2 import Plan
from instrument.plugs import Bend

log = logging.getLogger("phosphene")

ROUNDS = 5  # each way in turn, after one that does not count
MARGIN = 0.9  # of the time of what is exact: less gain than that is not worth less than full precision


class Executor(Protocol):
    """Runs a plan: styles [N, total] -> pictures [N, C, R, R].

    `noise` [layers] scales what was trained, None is none; `fresh` noise is drawn anew. Of the blocks the first `stages`
    are run; the picture is as large as they make it.
    """

    def __call__(
        self, styles: Tensor, noise: Tensor | None, bend: Bend, fresh: bool = False, stages: int | None = None
    ) -> Tensor: ...


def ways(device: torch.device) -> Mapping[str, Callable[[Plan], Executor]]:
    """The ways there are on a device; the first is exact, and the one that rendering uses."""
    found: dict[str, Callable[[Plan], Executor]] = {"float32": Lean}
    if device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        found["bfloat16"] = lambda plan: Lean(plan, torch.bfloat16)
    if device.type == "cuda":
        found["float16"] = lambda plan: Lean(plan, torch.float16)
    return found


def fastest(plan: Plan, device: torch.device) -> tuple[str, Executor]:
    """The fastest way of running a plan, by its name: the one that is remembered, or the winner of a race."""
    there_are, memory, key = ways(device), user_cache_path("phosphene") / "executors.json", of(plan, device)
    known = remembered(memory)
    if known.get(key) not in there_are:
        known[key] = raced({name: make(plan) for name, make in there_are.items()}, plan, device)
        remember(memory, known)
    return known[key], there_are[known[key]](plan)


def of(plan: Plan, device: torch.device) -> str:
    """What a race was run on: the network's shape, the device, the version of torch."""
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    said = [plan.layers(), card, platform.node(), torch.__version__, torch.get_num_threads()]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


@torch.inference_mode()
def raced(runners: Mapping[str, Executor], plan: Plan, device: torch.device) -> str:
    """The name of the winner: run in turn, so that a busy moment slows all of them down."""
    styles, noise = torch.ones(1, plan.styles.total, device=device), torch.ones(plan.noisy, device=device)
    times: dict[str, list[float]] = {name: [] for name in runners}
    for lap in range(ROUNDS + 1):
        for name, runner in runners.items():
            begun = time.perf_counter()
            runner(styles, noise, lambda _, x: x)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if lap:
                times[name].append(time.perf_counter() - begun)
    lasted = {name: median(taken) for name, taken in times.items()}
    exact, winner = next(iter(lasted)), min(lasted, key=lasted.__getitem__)
    log.debug("race: %s", ", ".join(f"{name} {taken * 1000:.1f} ms" for name, taken in lasted.items()))
    return winner if lasted[winner] < MARGIN * lasted[exact] else exact


def remembered(memory: Path) -> dict[str, str]:
    """What earlier races found; nothing, if that cannot be read."""
    try:
        found = json.loads(memory.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def remember(memory: Path, known: Mapping[str, str]) -> None:
    """Where nothing can be written, the race is run again next time."""
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        with whole(memory) as writing:
            writing.write_text(json.dumps(known), "utf-8")
    except OSError as error:
        log.debug("%s cannot be written: %s", memory, error)
