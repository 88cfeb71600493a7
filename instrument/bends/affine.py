"""Ops on where things are: turn, zoom, move. Distances are fractions of the picture, so they mean the same at every layer."""

from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from instrument.bend import op
from instrument.parameters import Range


@op
def turn(x: Tensor, *, angle: Annotated[Tensor, Range(-180, 180, "deg")] = 0.0) -> Tensor:
    """Turn every map about its centre, anticlockwise. [N, C, h, w] -> the same."""
    cos, sin, none = torch.cos(torch.deg2rad(angle)), torch.sin(torch.deg2rad(angle)), torch.zeros_like(angle)
    return resample(x, torch.stack([cos, -sin, none, sin, cos, none]))


@op
def zoom(x: Tensor, *, octaves: Annotated[Tensor, Range(-3, 3, "octaves")] = 0.0) -> Tensor:
    """Magnify every map about its centre, one octave doubles. [N, C, h, w] -> the same."""
    scale, none = 2**-octaves, torch.zeros_like(octaves)
    return resample(x, torch.stack([scale, none, none, none, scale, none]))


@op
def move(
    x: Tensor,
    *,
    right: Annotated[Tensor, Range(-1, 1, "frame")] = 0.0,
    up: Annotated[Tensor, Range(-1, 1, "frame")] = 0.0,
) -> Tensor:
    """Move every map; 1 is the whole width or height. [N, C, h, w] -> the same."""
    one, none = torch.ones_like(right), torch.zeros_like(right)
    return resample(x, torch.stack([one, none, -2 * right, none, one, 2 * up]))


def resample(x: Tensor, matrix: Tensor) -> Tensor:
    """x [N, C, h, w] read at the positions that matrix [6] (2×3, output to input, -1..1) gives; mirrored at the border."""
    theta = matrix.to(x.dtype).view(1, 2, 3).expand(len(x), 2, 3)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)  # [N, h, w, 2]
    # reflection, or the edge would show as a band of repeated values wherever a map is turned
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
