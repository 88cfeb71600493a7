"""Orbit: a closed loop in time with the music."""

from typing import Annotated

from instrument.flow import Latent, Tick
from instrument.latent.paths import circle, normal
from instrument.parameters import Range
from instrument.plugs import Space


class Walk:
    """A great circle in z through two anchors (or two points of the seed): after `beats` beats it is where it began."""

    def __init__(self, space: Space, *, seed: int, anchors: tuple[int, ...]) -> None:
        self.space = space
        first, second = anchors[:2] if len(anchors) > 1 else (anchors[0] if anchors else seed, seed + 1)
        self.first, self.second = normal(first, space.z_dim), normal(second, space.z_dim)
        self.aside = normal(seed + 2, space.z_dim)
        self.turns, self.beat = 0.0, 0.0

    def step(
        self,
        tick: Tick,
        *,
        beats: Annotated[float, Range(1, 256, "beats", "exponential")] = 32.0,
        offset: Annotated[float, Range(0, 1, "turns")] = 0.0,
        push: Annotated[float, Range(0, 1)] = 0.0,
    ) -> Latent:
        """`beats` is the length of the loop, `offset` a place further along it, `push` leans off the circle."""
        self.turns += (tick.beat - self.beat) / beats
        self.beat = tick.beat
        z = circle(self.first, self.second, self.turns + offset) + 2 * push * self.aside  # [z_dim]
        return Latent(self.space.map(z[None])[0])
