"""Keyframes: from picture to picture that you chose, on the beat."""

from typing import Annotated

from instrument.flow import Latent, Tick
from instrument.latent.classes import Places
from instrument.latent.paths import catmull_rom
from instrument.parameters import Range
from instrument.plugs import Space


class Walk:
    """A closed Catmull-Rom spline in w through the anchors' pictures, in order; without anchors, eight of the seed."""

    def __init__(self, space: Space, *, seed: int, anchors: tuple[int, ...]) -> None:
        seeds = anchors or tuple(range(seed, seed + 8))
        self.places = Places(space, seeds)
        self.position, self.beat = 0.0, 0.0

    def step(
        self,
        tick: Tick,
        *,
        beats: Annotated[float, Range(0.25, 64, "beats", "exponential")] = 8.0,
        push: Annotated[float, Range(0, 1)] = 0.0,
    ) -> Latent:
        """`beats` is the way from one key to the next, `push` reaches ahead by up to one key."""
        self.position += (tick.beat - self.beat) / beats
        self.beat = tick.beat
        key, between = divmod(self.position + push, 1)
        keys = self.places()  # [keys, num_ws, w_dim]
        around = [(int(key) + step) % len(keys) for step in (-1, 0, 1, 2)]
        return Latent(catmull_rom(keys[around], between))
