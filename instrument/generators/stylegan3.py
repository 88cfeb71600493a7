"""StyleGAN3, ready to play: a model folder's network, whose picture can also be turned and moved."""

import math
from collections.abc import Collection
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor

from instrument.bend import untouched
from instrument.flow import Latent
from instrument.latent.classes import Label, shares
from instrument.latent.paths import truncate
from instrument.model import Model, read_model
from instrument.networks.lean_waves import LeanWaves
from instrument.networks.mapping import MappingNetwork
from instrument.networks.race import chosen, precisions
from instrument.networks.stylegan3 import StyleGAN3, moved, planned
from instrument.parameters import Range
from instrument.plugs import Bend


class Generator:
    """A StyleGAN3 model on a device.

    Raises ValueError naming file and key if a file of the folder is missing, lacks something or does not fit the other.
    """

    def __init__(self, model: Path | Model, device: torch.device) -> None:
        found = model if isinstance(model, Model) else read_model(model)
        if not isinstance(found.network, StyleGAN3):
            raise ValueError(f"{model}: holds another kind of network than StyleGAN3")
        weights = {name: weight.to(device, torch.float32) for name, weight in found.weights.items()}
        self.network, self.device = found.network, device
        self.z_dim, self.classes = found.network.z_dim, found.network.classes
        self.mapping = MappingNetwork(weights, self.network)
        self.plan = planned(self.network, weights)

    @cached_property
    def executor(self) -> LeanWaves:
        """What draws: float32, unless `run_by` set another before the first picture, which then costs nothing to prepare."""
        return LeanWaves(self.plan)

    def run_by(self, executor: str, layers: Collection[str] | None = None) -> str:
        """From now on run by this executor, or by the one that a race finds fastest here; answers its name.

        Bends act at `layers` alone; None is at any.
        """
        styles, still = torch.ones(1, self.plan.styles.total, device=self.device), torch.eye(3, device=self.device)
        ways = {name: partial(LeanWaves, self.plan, kind) for name, kind in precisions(self.device).items()}
        name, self.executor = chosen(
            executor, ways, lambda run: run(styles, still, untouched), self.layers(), self.device
        )
        return name

    def layers(self) -> dict[str, tuple[int, int, int]]:
        """Every layer that can be bent: name -> (channels, height, width)."""
        return self.plan.layers()

    def map(self, z: Tensor, label: Tensor | None = None, truncation: float = 1.0, cutoff: int | None = None) -> Tensor:
        """z [N, z_dim] -> w [N, num_ws, w_dim], its first `cutoff` rows truncated; label [N, classes] is a share of each.

        Without a label a network that has classes makes its first.
        """
        return self.mapping(z.to(self.device), label, truncation, cutoff)

    def synthesize(self, w: Tensor, transform: Tensor | None = None) -> Tensor:
        """w [N, num_ws, w_dim] -> pictures [N, C, R, R], about -1..1.

        `transform` [3, 3] is the inverse of how the picture is to move; None is how the file says that it lies.
        """
        transform = self.plan.input.transform if transform is None else transform.to(self.device)
        return self.executor(self.plan.styles(w), transform, untouched)

    def render(
        self,
        latent: Latent,
        bend: Bend,
        *,
        truncation: Annotated[Tensor, Range(-1, 1.5)] = 0.8,
        turn: Annotated[Tensor, Range(-180, 180, "deg")] = 0.0,
        x: Annotated[Tensor, Range(-1, 1)] = 0.0,
        y: Annotated[Tensor, Range(-1, 1)] = 0.0,
        label: Label = 0.0,
    ) -> Tensor:
        """The picture [3, R, R] of a latent, each layer passed through `bend`.

        `truncation` 1 is the full variety, 0 the mean picture, below 0 its opposites. The picture is turned about its middle
        by `turn`, and moved to the right and down by `x` and `y` of its width: the network draws what comes into view.
        `label` is the class, from 0, between two a mixture.
        """
        there_is = shares(label, self.classes, self.device) if self.classes else None
        middle = self.mapping.middle(there_is)
        w = truncate(latent.w, truncation, middle)  # [num_ws, w_dim]
        faders = (torch.as_tensor(value, device=self.device) for value in (turn * (math.pi / 180), x, y))
        transform = self.plan.input.transform @ moved(*faders)
        picture = self.executor(self.plan.styles(w[None]), transform, bend)[0]
        return picture.expand(3, -1, -1)
