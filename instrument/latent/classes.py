"""Classes: a network that was taught several kinds of picture, and where between them it is."""

from collections.abc import Iterable
from typing import Annotated, Protocol, runtime_checkable

import torch
from torch import Tensor

from instrument.latent.paths import normal
from instrument.parameters import Range

Label = Annotated[Tensor, Range(0, 999)]  # a network's own ends with its last class


class Space(Protocol):
    """What a walk walks in; it has a `label`, if that can move."""

    z_dim: int

    def map(self, z: Tensor) -> Tensor: ...


@runtime_checkable
class Classed(Protocol):
    """A network that may have been taught `classes` kinds of picture; 0 is none. Its parameter `label` says which."""

    z_dim: int
    classes: int

    def map(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """z [N, z_dim] standard normal, label [N, classes] a share of each -> w [N, num_ws, w_dim]."""
        ...


class Classes:
    """The latent space of such a network at a label, which may move while somebody walks in it."""

    def __init__(self, generator: Classed) -> None:
        self.generator, self.z_dim, self.label = generator, generator.z_dim, 0.0

    def map(self, z: Tensor) -> Tensor:
        """z [N, z_dim] standard normal -> w [N, num_ws, w_dim]."""
        label = shares(self.label, self.generator.classes)
        return self.generator.map(z, label.expand(len(z), -1))


class Places:
    """The places of some seeds [n, num_ws, w_dim]; they are mapped anew when the label of their space has moved."""

    def __init__(self, space: Space, seeds: Iterable[int]) -> None:
        self.space, self.z = space, torch.stack([normal(seed, space.z_dim) for seed in seeds])
        self.w, self.label = space.map(self.z), getattr(space, "label", None)

    def __call__(self) -> Tensor:
        label = getattr(self.space, "label", None)
        if label != self.label:
            self.w, self.label = self.space.map(self.z), label
        return self.w


def shares(label: float | Tensor, classes: int, device: torch.device | None = None) -> Tensor:
    """How much of each class there is [classes] at a label: at a whole number all of one, between two a part of both.

    Beyond the last it is all of the last.
    """
    numbers = torch.arange(classes, device=device)
    return (1 - torch.maximum(numbers - label, numbers - (classes - 1.0)).abs()).clamp(min=0)
