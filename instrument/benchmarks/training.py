"""Training: pictures a second by resolution and width, pair by pair and before a judge; steps are taken in turn."""

import time
from dataclasses import replace
from itertools import product
from typing import Any, get_args

import numpy as np
import torch

from instrument.plugs import Unavailable
from instrument.show import Show
from instrument.training.pictures import Pictures
from instrument.training.precision import fastest
from instrument.training.recipe import Recipe, Size, network, paired
from instrument.training.training import Training

RESOLUTIONS, FACTORS, BATCH = (64, 128, 256), 23, 16


def measure(show: Show, seconds: float) -> dict[str, Any]:
    """Pictures a second of each, after two steps to warm up."""
    precision = fastest(show.device)
    rates: dict[str, float] = {}
    sizes = [size for size in get_args(Size) if size != "stock" or show.device.type == "cuda"]
    for resolution in RESOLUTIONS:
        pixels = np.random.default_rng(0).integers(0, 256, (64, 3, resolution, resolution), np.uint8)
        pictures = Pictures("noise", pixels, torch.rand(64, FACTORS))
        trainings: dict[str, Training] = {}
        for size, way in product(sizes, ("pairs", "judged")):
            try:
                trainings[f"{resolution}px_{size}_{way}"] = begun(size, resolution, way, pictures, show, precision)
            except Unavailable:
                continue
        rates |= taken_in_turn(trainings, seconds, show.device)
    return {"precision": str(precision), "batch": BATCH, "pictures_per_second": rates}


def begun(size: Size, resolution: int, way: str, pictures: Pictures, show: Show, precision: torch.dtype) -> Training:
    recipe = Recipe(network(size, resolution), batch=BATCH)
    if way == "pairs":
        recipe = paired(replace(recipe, judge="none"))
    return Training(recipe, pictures, show.device, precision)


def taken_in_turn(trainings: dict[str, Training], seconds: float, device: torch.device) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in trainings}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or not all(len(laps) > 2 for laps in taken.values()):
        for name, training in trainings.items():
            begin = time.perf_counter()
            training.step()
            if device.type == "cuda":
                torch.cuda.synchronize()
            taken[name].append(time.perf_counter() - begin)
    return {name: round(BATCH / float(np.median(laps[2:])), 1) for name, laps in taken.items()}
