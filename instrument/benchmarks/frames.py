"""Frames: whole ones, from ten moving faders to eight bits, with bends at rest, at work and changing.

Target on a large GPU: 300 a second of StyleGAN2 at 1024 px with 32768 over the resolution, 500 at 512 px, p99 at most 1.3 p50.
"""

import gc
import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import torch

from instrument import catalog
from instrument.assemble import assemble
from instrument.benchmarks import osc
from instrument.benchmarks.networks import numbers, stylegan2, stylegan3
from instrument.benchmarks.stage import frame
from instrument.clock import Virtual
from instrument.flow import Event, Tick
from instrument.model import Network, model_toml, write_tensors
from instrument.parameters import Parameter
from instrument.patch import read_patch
from instrument.plugs import LIKELY
from instrument.report import percentiles
from instrument.rig import Rig
from instrument.scene import Scene
from instrument.show import Show

HERE = {"256px_8192_128": (stylegan2, 256, 8192, 128), "512px_8192_256": (stylegan2, 512, 8192, 256)}
ON_A_GPU = {
    f"{resolution}px_{base}": (stylegan2, resolution, base, 512)
    for resolution in (256, 512, 1024)
    for base in (16384, 32768)
} | {f"stylegan3_t_{resolution}px": (stylegan3, resolution, 32768, 512) for resolution in (256, 512, 1024)}
MOVING = 10  # faders
CHANGE = 20  # frames from one state of the bends to the other
RATE, BLINK = 60.0, 200  # frames a second where latencies are taken, and messages
WORK = {"kick/octaves": 0.1, "tilt/angle": 15.0, "glow/amount": 0.5, "glitter/amount": 0.2}  # bends of the patch
BENDS = {address.partition("/")[0] for address in WORK}
PATIENT = 0.5  # frames a second that a show is asked for, so that it leaves nothing out


class Hands:
    """An input that turns ten faders every frame, and puts the bends to work or to rest as it is told."""

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        still = [address for address in parameters if address.partition("/")[0] not in ("master", *BENDS)]
        self.parameters, self.moving = parameters, still[:MOVING]
        self.random, self.work = random.Random(1), cycle([False])

    def poll(self, tick: Tick) -> Sequence[Event]:
        turned = [(address, self.parameters[address].range.from_unit(self.random.random())) for address in self.moving]
        work = next(self.work)
        bent = [(address, value if work else self.parameters[address].default) for address, value in WORK.items()]
        return [Event(f"osc/{address}", value) for address, value in turned + bent]

    def close(self) -> None:
        """Nothing is held open."""


WAYS = {"at_rest": (False,), "at_work": (True,), "changing": (False,) * CHANGE + (True,) * CHANGE}


def measure(show: Show, seconds: float) -> dict[str, Any]:
    """Milliseconds a frame of each network, how long after a message the picture shows it, and the GPU's memory."""
    gpu, show = show.device.type == "cuda", replace(show, executor=LIKELY)
    found: dict[str, Any] = {}
    for name, (kind, *sizes) in (ON_A_GPU if gpu else HERE).items():
        with model(kind(*sizes)) as folder:
            if gpu:
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats(show.device)
            played, hands = rig_of(replace(show, model=str(folder), fps=PATIENT))
            try:
                found[name] = {way: laps(played, hands, WAYS[way], seconds) for way in WAYS}
            finally:
                played.close()
            if gpu:
                found[name]["memory_mib"] = round(torch.cuda.max_memory_reserved(show.device) / 2**20)
            del played, hands  # or two of them would lie in the memory
            gc.collect()
            heard = osc.measure(replace(show, model=str(folder), fps=RATE if gpu else show.fps), seconds, BLINK)
            found[name]["from_message_to_picture_ms"] = heard["age_ms"]
            found[name]["missed_ticks"] = f"{heard['missed_ticks']} of {heard['frames'] + heard['missed_ticks']}"
    return found


@contextmanager
def model(network: Network) -> Iterator[Path]:
    """A model folder, for as long as it is needed."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_tensors(folder / "weights.safetensors", numbers(network))
        (folder / "model.toml").write_text(model_toml(network, {}), "utf-8")
        yield folder


def rig_of(show: Show) -> tuple[Rig, Hands]:
    """The audio patch without its edges and routes, so that only those hands move its faders."""
    patch = read_patch(catalog.data("patches", "audio"))
    patch = replace(patch, inputs={}, outputs={}, routes=(), cues={}, rest={})
    played = assemble(patch, Scene("bench"), show)
    hands = Hands(played.matrix.parameters)
    played.inputs = {"hands": hands}
    return played, hands


def laps(played: Rig, hands: Hands, work: Sequence[bool], seconds: float) -> dict[str, Any]:
    """Percentiles of the time from the beginning of a frame until its eight bits are there, frame after frame."""
    hands.work, taken = cycle(work), []
    with torch.inference_mode():
        played.warm()
        until = time.perf_counter() + seconds
        for tick in Virtual(RATE, 120, 1_000_000):
            begun = time.perf_counter()
            _ = frame(played, tick).pixels
            taken.append((time.perf_counter() - begun) * 1000)
            if time.perf_counter() > until and len(taken) > 2 * CHANGE:
                break
    rows = taken[5:]
    return {**percentiles(rows, 50, 99, 100), "a_second": round(1000 * len(rows) / sum(rows), 1)}
