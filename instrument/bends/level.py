"""Ops on each value alone: louder, softer, cut off."""

from typing import Annotated

import torch
from torch import Tensor

from instrument.bend import deviation, op
from instrument.parameters import Range


@op
def gain(x: Tensor, *, amount: Annotated[Tensor, Range(-60, 18, "dB")] = 0.0) -> Tensor:
    """Turn maps up or down. [N, C, h, w] -> the same."""
    return x * 10 ** (amount / 20)


@op(identity=False)
def threshold(
    x: Tensor,
    *,
    level: Annotated[Tensor, Range(-3, 3, "σ")] = 0.0,
    soft: Annotated[Tensor, Range(0.01, 2, "σ", "exponential")] = 0.2,
) -> Tensor:
    """Cut each map into a stencil of its lowest and highest value at `level` σ above its mean, with a soft edge.

    [N, C, h, w] -> the same. A flat map stays as it is.
    """
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)  # [N, C, 1, 1]
    above = ((x - x.mean((2, 3), keepdim=True)) / (deviation(x) + 1e-8) - level) / soft
    return low + (high - low) * torch.sigmoid(4 * above)
