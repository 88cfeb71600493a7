"""Chords: a place for each of the twelve notes, and the walk is where they pull it together."""

import math
from typing import Annotated

import torch

from instrument.flow import Latent, Tick
from instrument.latent.classes import Places
from instrument.parameters import Range
from instrument.plugs import Space

NOTES = 12
FAINT = 0.2  # notes that are all weaker pull the less, the weaker they are

Weight = Annotated[float, Range(0, 1)]


class Walk:
    """The weighted mean of twelve pictures in w, one for each note: of the anchors in order, then of the seed and those after.

    Only how the notes compare decides where it goes, and how strong the strongest is how fast. When none sounds it stays:
    a chord that has died away is still the last thing that was said, and the next one sets out from there. It begins at c.
    """

    def __init__(self, space: Space, *, seed: int, anchors: tuple[int, ...]) -> None:
        seeds = (*anchors, *range(seed, seed + NOTES))[:NOTES]
        self.places = Places(space, seeds)
        self.shares = [1.0] + [0.0] * (NOTES - 1)  # of each note in the place where it is; they add up to 1

    def step(
        self,
        tick: Tick,
        *,
        c: Weight = 0.0,
        c_sharp: Weight = 0.0,
        d: Weight = 0.0,
        d_sharp: Weight = 0.0,
        e: Weight = 0.0,
        f: Weight = 0.0,
        f_sharp: Weight = 0.0,
        g: Weight = 0.0,
        g_sharp: Weight = 0.0,
        a: Weight = 0.0,
        a_sharp: Weight = 0.0,
        b: Weight = 0.0,
        focus: Annotated[float, Range(0.5, 8, "", "exponential")] = 2.0,
        glide: Annotated[float, Range(0.01, 30, "s", "exponential")] = 1.0,
    ) -> Latent:
        """`focus` is the power of a weight: 1 as it is, above it the strong ones win. `glide` is the time constant (to 63 %)."""
        weights = (c, c_sharp, d, d_sharp, e, f, f_sharp, g, g_sharp, a, a_sharp, b)
        strongest = max(weights)
        if strongest > 0:
            pulls = [(weight / strongest) ** focus for weight in weights]
            way = 1 - math.exp(-tick.dt / glide * min(1.0, strongest / FAINT))
            goals = (pull / sum(pulls) for pull in pulls)
            self.shares = [share + (goal - share) * way for share, goal in zip(self.shares, goals, strict=True)]
        pictures = self.places()  # [12, num_ws, w_dim]
        return Latent(torch.einsum("n,nwd->wd", torch.tensor(self.shares, device=pictures.device), pictures))
