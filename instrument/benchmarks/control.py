"""The control path, listen to wander, with 100 parameters and 200 routes: target under 0.5 ms median."""

import time
from typing import Any

import torch

from instrument.benchmarks.stage import rig
from instrument.clock import Virtual
from instrument.report import percentiles
from instrument.show import Show


def measure(show: Show, seconds: float) -> dict[str, Any]:
    """Milliseconds a frame of everything before `render`, and its parts."""
    played = rig(show, modulators=40, routes=190, events=20)
    parts: dict[str, list[float]] = {"listen": [], "modulate": [], "resolve": [], "wander": [], "all": []}
    until = time.perf_counter() + seconds
    with torch.inference_mode():
        for tick in Virtual(30, 120, 1_000_000):
            marks = [time.perf_counter()]
            events = played.listen(tick)
            marks.append(time.perf_counter())
            signals = played.modulate(tick, events)
            marks.append(time.perf_counter())
            parameters = played.resolve(tick, signals)
            marks.append(time.perf_counter())
            played.wander(tick, parameters)
            marks.append(time.perf_counter())
            for name, start, end in zip(parts, marks, marks[1:], strict=False):
                parts[name].append((end - start) * 1000)
            parts["all"].append((marks[-1] - marks[0]) * 1000)
            if marks[-1] > until:
                break
    return {
        "parameters": len(played.matrix.parameters),
        "routes": len(played.matrix.amount),
        "frames": len(parts["all"]),
        **{f"{name}_ms": percentiles(values[20:], 50, 99) for name, values in parts.items()},
        "target": "all_ms p50 under 0.5",
    }
