"""3×3 convolutions with fewer multiplications: Winograd's minimal filtering.

In F(4×4, 3×3) tiles of 6×6 samples are turned into 36 others, which are multiplied with 36 matrices made of the weights
once; what that gives is turned into 4×4 results: a quarter of the multiplications (Lavin and Gray, "Fast Algorithms for
Convolutional Neural Networks", 2015). In F(2×2, 3×3) it is 4 of 9, and numbers of few digits lose less.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

TAPS = 3  # weights along a side
SIDES = {torch.float32: 4, torch.bfloat16: 2}  # results along a side of a tile
POINTS = 0.0, 1.0, -1.0, 2.0, -2.0  # as many as there are results and one more, and infinity


def prepared(weight: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """For tiles of side×side results: what turns samples along an axis, the weights turned, what turns products.

    With weight [O, I, 3, 3] and n = side + 2 their shapes are [n, n], [n, n, O, I] (down, across) and [side, n].
    """
    read, taken, made = matrices(side)
    return read, torch.einsum("ki,lj,ocij->kloc", taken, taken, weight), made


def matrices(side: int) -> tuple[Tensor, Tensor, Tensor]:
    """For tiles of side×side results, what turns samples, weights and products of one axis (Toom and Cook).

    Their shapes are [side + 2, side + 2], [side + 2, 3] and [side, side + 2]. Two polynomials are multiplied by multiplying
    their values at as many points as their product has coefficients; turned round, the same numbers are a filter's.
    """
    points = torch.tensor(POINTS[: side + 1])
    many = side + TAPS - 1
    read, taken, made = points.new_zeros(many, many), points.new_zeros(many, TAPS), points.new_zeros(side, many)
    made[:, :-1] = points ** torch.arange(side)[:, None]
    taken[:-1] = points[:, None] ** torch.arange(TAPS)
    made[-1, -1] = taken[-1, -1] = 1  # at infinity the highest coefficient is all there is
    for i in range(len(points)):
        others = torch.cat([points[:i], points[i + 1 :]])
        read[i, :-1] = polynomial(others)
        taken[i] /= (points[i] - others).prod()
    read[-1] = polynomial(points)
    return read, taken, made


def polynomial(roots: Tensor) -> Tensor:
    """The coefficients of the product of all x - root, the lowest first."""
    found = torch.ones(1)
    for root in roots:
        found = F.pad(found, [1, 0]) - root * F.pad(found, [0, 1])
    return found
