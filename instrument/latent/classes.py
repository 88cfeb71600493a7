"""Classes: a network that was taught several kinds of picture, and where between them it is."""

from typing import Annotated, Protocol, runtime_checkable

import torch
from torch import Tensor

from instrument.parameters import Range

Label = Annotated[Tensor, Range(0, 999)]  # a network's own ends with its last class


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
        label = shares(torch.tensor(self.label), self.generator.classes)
        return self.generator.map(z, label.expand(len(z), -1))


def shares(label: Tensor, classes: int) -> Tensor:
    """How much of each class there is [classes] at a label: at a whole number all of one, between two a part of both.

    Beyond the last it is all of the last.
    """
    apart = torch.arange(classes, device=label.device) - label.clamp(max=classes - 1)
    return (1 - apart.abs()).clamp(min=0)
