"""StyleGAN2, ready to play: a model folder's network, and an executor for its plan."""

from collections.abc import Callable, Collection
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from instrument.bend import untouched
from instrument.flow import Latent
from instrument.latent.classes import Label, shares
from instrument.latent.paths import truncate
from instrument.model import Model, read_model
from instrument.networks.compiled import Compiled
from instrument.networks.lean import Lean
from instrument.networks.mapping import MappingNetwork
from instrument.networks.program import there_is_openvino
from instrument.networks.race import chosen, precisions
from instrument.networks.stylegan2 import StyleGAN2, planned
from instrument.parameters import Range
from instrument.plugs import Bend

Noise = Literal["const", "random", "none"]


class Generator:
    """A StyleGAN2 model on a device.

    Raises ValueError naming file and key if a file of the folder is missing, lacks something or does not fit the other.
    """

    def __init__(self, model: Path | Model, device: torch.device) -> None:
        found = model if isinstance(model, Model) else read_model(model)
        if not isinstance(found.network, StyleGAN2):
            raise ValueError(f"{model}: holds another kind of network than StyleGAN2")
        weights = {name: weight.to(device, torch.float32) for name, weight in found.weights.items()}
        self.network, self.device = found.network, device
        self.z_dim, self.classes = found.network.z_dim, found.network.classes
        self.mapping = MappingNetwork(weights, self.network)
        self.plan = planned(self.network, weights)
        self.noisy, self.stages = True, len(self.plan.blocks)

    @cached_property
    def executor(self) -> Lean | Compiled:
        """What draws: float32, unless `run_by` set another before the first picture, which then costs nothing to prepare."""
        return Lean(self.plan)

    def run_by(self, executor: str, layers: Collection[str] | None = None) -> str:
        """From now on run by this executor, or by the one that a race finds fastest here; answers its name.

        Bends act at `layers` alone; None is at any.
        """
        styles = torch.ones(1, self.plan.styles.total, device=self.device)
        noise = torch.ones(self.plan.noisy, device=self.device)
        ways: dict[str, Callable[[], Lean | Compiled]] = {
            name: partial(Lean, self.plan, kind) for name, kind in precisions(self.device).items()
        }
        if self.device.type == "cpu" and there_is_openvino():
            ways["openvino"] = partial(Compiled, self.plan, layers)
        name, self.executor = chosen(
            executor, ways, lambda run: run(styles, noise, untouched), self.layers(), self.device
        )
        return name

    def ease(self, *, noise: bool, fine: bool) -> None:
        """From now on draw with noise or without, and at the full size or enlarged from half of it where that can be."""
        self.noisy = noise
        self.stages = len(self.plan.blocks) - (not fine and self.network.architecture == "skip")

    def layers(self) -> dict[str, tuple[int, int, int]]:
        """Every layer that can be bent: name -> (channels, height, width)."""
        return self.plan.layers()

    def map(self, z: Tensor, label: Tensor | None = None, truncation: float = 1.0, cutoff: int | None = None) -> Tensor:
        """z [N, z_dim] -> w [N, num_ws, w_dim], its first `cutoff` rows truncated; label [N, classes] is a share of each.

        Without a label a network that has classes makes its first.
        """
        return self.mapping(z.to(self.device), label, truncation, cutoff)

    def synthesize(self, w: Tensor, noise: Noise | Tensor = "const") -> Tensor:
        """w [N, num_ws, w_dim] -> pictures [N, C, R, R], about -1..1.

        `noise` is what the network was trained with, new for every picture, none, or a strength for every layer [layers].
        """
        strength = noise if isinstance(noise, Tensor) else torch.tensor(float(noise != "none"), device=self.device)
        strength = strength.to(self.device).expand(self.plan.noisy)
        return self.executor(self.plan.styles(w), strength, untouched, fresh=noise == "random")

    def render(
        self,
        latent: Latent,
        bend: Bend,
        *,
        truncation: Annotated[Tensor, Range(-1, 1.5)] = 0.8,
        noise: Annotated[Tensor, Range(0, 4)] = 1.0,
        label: Label = 0.0,
    ) -> Tensor:
        """The picture [3, R, R] of a latent, each layer passed through `bend`.

        `truncation` 1 is the full variety, 0 the mean picture, below 0 its opposites; `noise` scales the trained strengths.
        `label` is the class, from 0, between two a mixture.
        """
        there_is = shares(label, self.classes, self.device) if self.classes else None
        middle = self.mapping.middle(there_is)
        w = truncate(latent.w, truncation, middle)  # [num_ws, w_dim]
        strength = torch.as_tensor(noise).expand(self.plan.noisy) if self.noisy else None
        picture = self.executor(self.plan.styles(w[None]), strength, bend, stages=self.stages)
        if self.stages < len(self.plan.blocks):
            picture = F.interpolate(picture, scale_factor=2, mode="bilinear")
        return picture[0].expand(3, -1, -1)  # a network without colours is grey
