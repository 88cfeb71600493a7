"""Drift: an endless smooth wandering that never repeats, and a push that springs back."""

from typing import Annotated

import torch
from torch import Tensor

from instrument.flow import Latent, Tick
from instrument.latent.paths import catmull_rom, normal
from instrument.parameters import Range
from instrument.plugs import Space

STRIDE = 0.5  # distance between drawn points, in correlation times


class Walk:
    """An Ornstein-Uhlenbeck process in z, which keeps every latent standard normal; begins at the first anchor.

    The process is drawn every half correlation time and joined by a spline, so the same seed gives the same path at
    every frame rate.
    """

    def __init__(self, space: Space, *, seed: int, anchors: tuple[int, ...]) -> None:
        self.space = space
        self.random = torch.Generator().manual_seed(seed)
        # drawn in any case: the seed as an anchor is this very point
        own = torch.randn(space.z_dim, generator=self.random)
        start = normal(anchors[0], space.z_dim) if anchors else own
        then = self.after(start)
        self.points = torch.stack([start, start, then, self.after(then)])  # [4, z_dim]
        self.aside = normal(seed + 1, space.z_dim)
        self.travelled = 0.0

    def step(
        self,
        tick: Tick,
        *,
        speed: Annotated[float, Range(0.005, 5, "1/s", "exponential")] = 0.1,
        push: Annotated[float, Range(0, 1)] = 0.0,
    ) -> Latent:
        """`speed` is correlation times a second: 0.1 forgets where it was in about ten seconds. `push` leans aside."""
        self.travelled += tick.dt * speed / STRIDE
        while self.travelled >= 1:
            self.points = torch.stack([*self.points[1:], self.after(self.points[3])])
            self.travelled -= 1
        z = catmull_rom(self.points, self.travelled) + 2 * push * self.aside  # [z_dim]
        return Latent(self.space.map(z[None])[0])

    def after(self, z: Tensor) -> Tensor:
        """The process one stride later: its exact transition, for any stride."""
        kept = torch.exp(torch.tensor(-STRIDE))
        return kept * z + torch.sqrt(1 - kept**2) * torch.randn(len(z), generator=self.random)
