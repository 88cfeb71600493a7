"""Grain: noise in the feature maps that boils as its phase turns."""

from functools import lru_cache
from typing import Annotated

import torch
from torch import Tensor

from instrument.bend import deviation, op
from instrument.parameters import Range


@op
def grain(
    x: Tensor,
    *,
    amount: Annotated[Tensor, Range(0, 2, "σ")] = 0.0,
    phase: Annotated[Tensor, Range(0, 1, "turns")] = 0.0,
    seed: int = 0,
) -> Tensor:
    """Add noise of `amount` times each map's deviation. [N, C, h, w] -> the same.

    The noise is one point on a circle through two fixed fields, so it keeps its strength while `phase` turns and comes
    back after one turn: a sawtooth on `phase` makes it boil in a loop.
    """
    one, other = fields(x.shape[1:], seed, x.device, x.dtype)  # each [C, h, w]
    turned = 2 * torch.pi * phase
    loud = amount * deviation(x)  # [N, C, 1, 1]
    return torch.addcmul(torch.addcmul(x, loud * torch.cos(turned), one), loud * torch.sin(turned), other)


@lru_cache(maxsize=32)
def fields(shape: torch.Size, seed: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Two fields [C, h, w] of unit normal noise: the same for the same seed, on every device."""
    noise = torch.randn(2, *shape, generator=torch.Generator().manual_seed(seed)).to(device, dtype)
    return noise[0], noise[1]
