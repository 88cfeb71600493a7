"""z to w: the mapping network, and truncation (Karras et al. 2019, section 2 and appendix B; 2020 limited data for labels)."""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor


class MappingNetwork:
    """z and a class to w: both normalised, then fully connected layers with a learning rate of their own."""

    def __init__(self, weights: Mapping[str, Tensor], layers: int, num_ws: int, rate: float) -> None:
        self.num_ws, self.mean, self.layers = num_ws, weights["mapping.w_avg"], []  # [w_dim], or one for each class
        for i in range(layers):
            weight, bias = weights[f"mapping.fc{i}.weight"], weights[f"mapping.fc{i}.bias"]
            scale = rate * math.sqrt(2)  # the activation's gain, moved before it, where it costs nothing
            self.layers.append((weight * (scale / math.sqrt(weight.shape[1])), bias * scale))
        self.embed: tuple[Tensor, Tensor] | None = None
        if "mapping.embed.weight" in weights:
            weight = weights["mapping.embed.weight"]
            self.embed = weight / math.sqrt(weight.shape[1]), weights["mapping.embed.bias"]

    def __call__(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """z [N, z_dim], label [N, classes] (a share of each) -> w [N, num_ws, w_dim]."""
        x = normalised(z)
        if self.embed:
            assert label is not None
            x = torch.cat([x, normalised(F.linear(label, *self.embed))], 1)  # [N, z_dim + w_dim]
        for weight, bias in self.layers:
            x = F.leaky_relu_(F.linear(x, weight, bias), 0.2)
        return x[:, None].expand(-1, self.num_ws, -1)

    def middle(self, label: Tensor | None) -> Tensor:
        """The mean w [w_dim], or [N, 1, w_dim] where every class has its own."""
        return self.mean if self.mean.ndim == 1 or label is None else (label @ self.mean)[:, None]


def normalised(x: Tensor) -> Tensor:
    """x [N, D], each with a mean square of 1."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()
