"""z to w: the mapping network, and truncation (Karras et al. 2019, section 2 and appendix B; 2020 limited data for labels)."""

import math
from collections.abc import Mapping
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class Sizes(Protocol):
    """What the mapping needs to know of a network."""

    @property
    def mapping_layers(self) -> int: ...
    @property
    def num_ws(self) -> int: ...
    @property
    def classes(self) -> int: ...
    @property
    def rate(self) -> float: ...


class MappingNetwork:
    """z and a class to w: both normalised, then fully connected layers with a learning rate of their own."""

    def __init__(self, weights: Mapping[str, Tensor], sizes: Sizes) -> None:
        self.num_ws, self.classes, self.layers = sizes.num_ws, sizes.classes, []
        self.mean = weights["mapping.w_avg"]  # [w_dim], or one for each class
        for i in range(sizes.mapping_layers):
            weight, bias = weights[f"mapping.fc{i}.weight"], weights[f"mapping.fc{i}.bias"]
            scale = sizes.rate * math.sqrt(2)  # the activation's gain, moved before it, where it costs nothing
            self.layers.append((weight * (scale / math.sqrt(weight.shape[1])), bias * scale))
        if self.classes:
            weight = weights["mapping.embed.weight"]
            self.embed = weight / math.sqrt(weight.shape[1]), weights["mapping.embed.bias"]

    def __call__(
        self, z: Tensor, label: Tensor | None = None, truncation: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        """z [N, z_dim], label [N, classes] -> w [N, num_ws, w_dim], its first `cutoff` rows truncated."""
        if self.classes and label is None:
            label = F.one_hot(torch.zeros(len(z), dtype=torch.long), self.classes)
        x = normalised(z)
        if self.classes and label is not None:
            label = label.to(z)
            x = torch.cat([x, normalised(F.linear(label, *self.embed))], 1)  # [N, z_dim + w_dim]
        for weight, bias in self.layers:
            x = F.leaky_relu_(F.linear(x, weight, bias), 0.2)
        w = x[:, None].expand(-1, self.num_ws, -1)
        if truncation == 1:
            return w
        near = torch.lerp(self.middle(label), x, truncation)[:, None].expand(-1, self.num_ws, -1)
        return near if cutoff is None else torch.cat([near[:, :cutoff], w[:, cutoff:]], 1)

    def middle(self, label: Tensor | None = None) -> Tensor:
        """The mean w [w_dim], or [N, w_dim] where every class has its own; without a label the mean of those."""
        if self.mean.ndim == 1:
            return self.mean
        return self.mean.mean(0) if label is None else label @ self.mean


def normalised(x: Tensor) -> Tensor:
    """x [N, D], each with a mean square of 1."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()
