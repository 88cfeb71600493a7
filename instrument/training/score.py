"""How good a model is, in numbers, as EfficientNet-Lite0 sees it. None of them is FID: the network is another.

All are taken on the last vector of `features.py` unless said otherwise, and all depend on how many pictures were looked
at, which is why that number is among them.
"""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instrument.flow import Latent
from instrument.latent.paths import circle
from instrument.plugs import Generator
from instrument.training.features import Features, apart
from instrument.training.pictures import eight_bit

NEIGHBOURS = 3
SAME = 1e-6  # of two vectors: they see the same picture
STEP = 1e-3  # of a way between two points, for the path's length
FRAMES = 1000  # of a walk, for its largest step


def made(generator: Generator, count: int, truncation: float, seed: int) -> NDArray[np.uint8]:
    """Pictures [N, 3, R, R] of random points."""
    random = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(count):
        w = generator.map(torch.randn(1, generator.z_dim, generator=random))[0]
        found.append(eight_bit(picture(generator, w, truncation)))
    return np.stack(found)


@torch.inference_mode()
def picture(generator: Generator, w: Tensor, truncation: float) -> Tensor:
    return generator.render(Latent(w), lambda _, x: x, truncation=torch.tensor(truncation)).float().clamp(-1, 1).cpu()


@torch.inference_mode()
def vectors(features: Features, batches: Iterable[Tensor]) -> NDArray[np.float64]:
    """What is seen in pictures: [N, 1280]."""
    return torch.cat([features.vector(batch).double() for batch in batches]).numpy()


def frechet(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """The Fréchet distance of two clouds [N, D], taken as normal (Dowson & Landau 1982): 0 where they are alike."""
    mean = ((a.mean(0) - b.mean(0)) ** 2).sum()
    one, two = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, axes = np.linalg.eigh(one)
    root = axes * np.sqrt(values.clip(0)) @ axes.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ two @ root).clip(0)).sum()
    return float(mean + np.trace(one) + np.trace(two) - 2 * shared)


def distances(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of every row of a [N, D] to every row of b [M, D]: [N, M]."""
    return torch.cdist(torch.from_numpy(a), torch.from_numpy(b)).numpy()


def reached(of: NDArray[np.float64], by: NDArray[np.float64]) -> float:
    """The share of `by` that lies within the reach of `of`: nearer to one of them than its third neighbour is.

    With the made pictures as `of` and real ones as `by` this is recall, the other way round precision (Kynkäänniemi et
    al. 2019).
    """
    among = distances(of, of)
    np.fill_diagonal(among, np.inf)
    reach = np.partition(among, NEIGHBOURS - 1, axis=1)[:, NEIGHBOURS - 1]
    return float((distances(by, of) <= reach).any(1).mean())


def copied(real: NDArray[np.float64], found: NDArray[np.float64]) -> tuple[float, NDArray[np.int64]]:
    """The share of made pictures nearer to a real one than 99 in 100 real ones are to each other, and each one's nearest
    real one [N]. Real ones that are there twice say nothing of how near is near.
    """
    among = distances(real, real)
    np.fill_diagonal(among, np.inf)
    nearest = among.min(1)
    near = np.quantile(nearest[nearest > SAME], 0.01) if (nearest > SAME).any() else SAME
    across = distances(found, real)
    return float((across.min(1) < near).mean()), across.argmin(1)


@torch.inference_mode()
def path_length(generator: Generator, features: Features, count: int, truncation: float, seed: int) -> float:
    """How much the picture changes on a way through w, squared and for the whole way (Karras et al. 2019, section 4.1).

    The change is that of the maps at four strides (`apart`); the network and the missing weights make it another number
    than the published one.
    """
    random, found = torch.Generator().manual_seed(seed), []
    for _ in range(count):
        ends = generator.map(torch.randn(2, generator.z_dim, generator=random))
        place = torch.rand(1, generator=random).item()
        pair = [torch.lerp(ends[0], ends[1], at) for at in (place, place + STEP)]
        before, after = (features(picture(generator, w, truncation)[None]) for w in pair)
        found.append(apart(before, after).item() / STEP**2)
    return float(np.mean(found))


def largest_step(generator: Generator, truncation: float, seed: int) -> float:
    """How many times the usual change from one picture to the next the largest is, on a circle of 1,000: 1 is even."""
    first, second = torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(seed))
    way = [circle(first, second, frame / FRAMES)[None] for frame in range(FRAMES + 1)]
    pictures = (picture(generator, generator.map(z)[0], truncation) for z in way)
    steps = [(now - before).abs().mean().item() for before, now in pairwise(pictures)]
    return float(np.max(steps) / np.median(steps))
