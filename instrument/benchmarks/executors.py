"""Executors: ways of running the same network, frame about, against the plain one; how near to what the machine can do."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from instrument.benchmarks.networks import numbers, stylegan2
from instrument.bend import untouched
from instrument.networks.compiled import Compiled
from instrument.networks.lean import Lean
from instrument.networks.program import there_is_openvino
from instrument.networks.race import precisions
from instrument.networks.simple import Simple
from instrument.networks.stylegan2 import Plan, StyleGAN2, planned
from instrument.plugs import Bend
from instrument.report import percentiles
from instrument.show import Show

SIZES = {"256px_4096_64": (256, 4096, 64), "512px_8192_256": (512, 8192, 256), "256px_16384_512": (256, 16384, 512)}
Runner = Callable[[Tensor, Tensor, Bend], Tensor]  # styles, noise, bend -> pictures
ON_A_GPU = {"256px": (256, 16384, 512), "512px": (512, 32768, 512), "1024px_config_f": (1024, 32768, 512)}


@torch.inference_mode()
def measure(show: Show, seconds: float) -> dict[str, Any]:
    """Milliseconds a picture by way, how many times as fast as the plain way, and the share of the machine's best.

    On a processor they are its own time on one thread, which neighbours hardly change. The share is of the products that the
    papers' mathematics takes; float32 does with fewer.
    """
    found: dict[str, Any] = {}
    gpu = show.device.type == "cuda"
    with threads(torch.get_num_threads() if gpu else 1):
        kinds = precisions(show.device)
        best = {name: peak(kind, show.device) for name, kind in kinds.items()}
        for name, (resolution, base, most) in (ON_A_GPU if gpu else SIZES).items():
            plan, network = made(resolution, base, most, show.device)
            there_are: dict[str, Runner] = {way: Lean(plan, kind) for way, kind in kinds.items()}
            if not gpu and there_is_openvino():
                there_are |= {"openvino": Compiled(plan, ()), "openvino, bent at every layer": Compiled(plan)}
            lasted = in_turn({"plain": Simple(plan), **there_are}, plan, show.device, seconds)
            found[name] = {
                "ms": {way: round(taken, 2) for way, taken in lasted.items()},
                "times_as_fast": {way: round(lasted["plain"] / lasted[way], 2) for way in there_are},
                "share_of_best": {
                    way: round(network.products / best.get(way, max(best.values())) / lasted[way] * 1000, 2)
                    for way in there_are
                },
            }
    if not gpu:
        found["beside_a_busy_neighbour"] = crowded(show.device, seconds)
    return found


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def made(resolution: int, base: int, most: int, device: torch.device) -> tuple[Plan, StyleGAN2]:
    """The plan of a network of random numbers."""
    network = stylegan2(resolution, base, most)
    return planned(network, {name: weight.to(device) for name, weight in numbers(network).items()}), network


def in_turn(ways: dict[str, Runner], plan: Plan, device: torch.device, seconds: float) -> dict[str, float]:
    """The median milliseconds of each, a few pictures in a row and the first not counted, which finds others' in the caches."""
    styles, noise = torch.ones(1, plan.styles.total, device=device), torch.ones(plan.noisy, device=device)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or min(map(len, taken.values())) < 6:
        for name, run in ways.items():
            laps = [timed(lambda run=run: run(styles, noise, untouched), device) for _ in range(3)]  # type: ignore[misc]
            taken[name] += laps[1:]
    return {name: median(laps[2:]) for name, laps in taken.items()}


def timed(call: Callable[[], Tensor], device: torch.device) -> float:
    """Milliseconds: of the GPU by its own events, of the processor by the time that this process had it."""
    if device.type != "cuda":
        begun = time.process_time()
        call()
        return (time.process_time() - begun) * 1000
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    call()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end))


def peak(kind: torch.dtype, device: torch.device) -> float:
    """Products a second in a convolution that suits the machine best: many channels, a large map."""
    x = torch.randn(1, 256, 128, 128, device=device, dtype=kind).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(256, 256, 3, 3, device=device, dtype=kind).contiguous(memory_format=torch.channels_last)
    laps = [timed(lambda: F.conv2d(x, weight, padding=1), device) for _ in range(8)]
    return 9 * 256 * 256 * 128 * 128 / min(laps) * 1000


def crowded(device: torch.device, seconds: float) -> dict[str, Any]:
    """Milliseconds of each way on one thread and on all, alone and while another process keeps a core busy."""
    plan, _ = made(*SIZES["256px_4096_64"], device)
    name, kind = list(precisions(device).items())[-1]
    there_are: dict[str, Runner] = {name: Lean(plan, kind)}
    if there_is_openvino():
        there_are["openvino"] = Compiled(plan, ())
    found: dict[str, Any] = {}
    for way, run in there_are.items():
        for count in sorted({1, torch.get_num_threads()}):
            with threads(count):
                for where, busy in (("alone", []), ("crowded", [[sys.executable, "-c", "while True: pass"]])):
                    neighbours = [subprocess.Popen(command) for command in busy]
                    try:
                        found[f"{way}, {where}, threads {count}"] = laps_of(run, plan, seconds)
                    finally:
                        for neighbour in neighbours:
                            neighbour.kill()
                            neighbour.wait()
    return found


def laps_of(run: Runner, plan: Plan, seconds: float) -> dict[str, float | None]:
    """Percentiles of one frame after the other, at 30 a second as in a show."""
    styles, noise = torch.ones(1, plan.styles.total), torch.ones(plan.noisy)
    laps: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(laps) < 30:
        begun = time.perf_counter()
        run(styles, noise, untouched)
        laps.append((time.perf_counter() - begun) * 1000)
        time.sleep(max(0.0, 1 / 30 - (time.perf_counter() - begun)))
    return percentiles(laps[10:], 50, 90, 99)
