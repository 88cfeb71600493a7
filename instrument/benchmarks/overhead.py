"""The whole loop against the bare generator, frame about, in one run: target at most 15 % more."""

import time
from statistics import median
from typing import Any

import torch

from instrument.benchmarks.stage import frame, rig
from instrument.clock import Virtual
from instrument.show import Show


def measure(show: Show, seconds: float) -> dict[str, Any]:
    """Milliseconds of the loop without bends (listen to 8-bit pixels) and of the generator alone, and their ratio."""
    played = rig(show, modulators=10, routes=50, events=20)
    played.voice.plan.slots = ()  # bends are the picture's cost, not the loop's
    whole, bare = [], []
    until = time.perf_counter() + seconds
    with torch.inference_mode():
        played.warm()
        for tick in Virtual(30, 120, 1_000_000):
            start = time.perf_counter()
            made = frame(played, tick)
            played.show(made)
            _ = made.pixels
            latent = played.voice.latent
            assert latent is not None, "the frame has one"
            middle = time.perf_counter()
            image = played.voice.generator.render(latent, lambda layer, x: x, **played.voice.faders)
            settle(image)
            end = time.perf_counter()
            whole.append((middle - start) * 1000)
            bare.append((end - middle) * 1000)
            if end > until:
                break
    ratio = median(ours / alone for ours, alone in zip(whole, bare, strict=True))
    return {
        "frames": len(whole),
        "generator_ms": round(median(bare), 2),
        "loop_ms": round(median(whole), 2),
        "ratio": round(ratio, 3),
        "target": "ratio at most 1.15",
    }


def settle(image: torch.Tensor) -> None:
    """Wait for the device."""
    if image.device.type == "cuda":
        torch.cuda.synchronize()
