"""3×3 convolutions of many channels with fewer multiplications: Winograd's minimal filtering.

In F(4×4, 3×3) tiles of 6×6 samples are turned into 36 others, which are multiplied with 36 matrices made of the weights
once; what that gives is turned into 4×4 results: a quarter of the multiplications (Lavin and Gray, "Fast Algorithms for
Convolutional Neural Networks", 2015). In F(2×2, 3×3) it is 4 of 9, and numbers of few digits lose less. Where channels are
few, the turning costs more than it saves.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from instrument.networks import onednn

TAPS = 3  # weights along a side
SIDES = {torch.float32: 4, torch.bfloat16: 2}  # results along a side of a tile
SIDE = SIDES[torch.float32]
READ = SIDE + TAPS - 1  # samples that a tile reads along a side; its neighbour begins SIDE further
POINTS = 0.0, 1.0, -1.0, 2.0, -2.0  # as many as there are results and one more, and infinity
FEWEST = 128  # channels in and out that pay for the turning
SMALLEST = 16  # rows that do
STRIP = 64  # tiles, about, that a thread works out at a time: with what becomes of them they fit its caches


def fits(weight: Tensor, size: int) -> bool:
    """Whether a convolution with weight [O, I, k, k] of maps with `size` rows has enough of both to be faster this way."""
    return weight.shape[2] == TAPS and min(weight.shape[:2]) >= FEWEST and size >= SMALLEST


def pays(weight: Tensor, precision: torch.dtype, size: int) -> bool:
    """Whether such a convolution is faster this way with torch, in a precision, on the device where the weight is."""
    there = precision == torch.float32 and onednn.there_is(precision, weight.device.type)
    return there and fits(weight, size)


class Winograd:
    """d · conv(x · s, W) + b with W [O, I, 3, 3], of maps that lie channels-last and have about `size` rows."""

    def __init__(self, weight: Tensor, size: int, padding: int = 1) -> None:
        self.padding, (self.out, self.into) = padding, weight.shape[:2]
        self.strip = STRIP * torch.get_num_threads()
        self.read, matrices, self.made = prepared(weight, SIDE)
        step, _, across = self.strips(self.side_of(size), self.side_of(size))
        self.products = onednn.products(matrices.flatten(0, 1), step * across)

    def __call__(self, x: Tensor, style: Tensor, loudness: Tensor, bias: Tensor) -> Tensor:
        """x [N, I, h, w], style [N, I], loudness [N, O], bias [O] -> [N, O, h, w], larger where the padding is more."""
        height, width = (self.side_of(side) for side in x.shape[2:])
        step, down, across = self.strips(height, width)
        ends = [self.padding, across * SIDE - width + self.padding, self.padding, down * SIDE - height + self.padding]
        padded = F.pad(x.permute(0, 2, 3, 1), [0, 0, *ends])
        tiles = padded.unfold(1, READ, SIDE).unfold(2, READ, SIDE)  # [N, down, across, I, 6, 6]
        made = x.new_empty(len(x), down, SIDE, across, SIDE, self.out)
        for i in range(len(x)):
            for row in range(0, down, step):
                results = self.filtered(tiles[i, row : row + step], style[i])  # [rows, across, 4, 4, O]
                torch.addcmul(bias, results, loudness[i], out=made[i, row : row + step].transpose(1, 2))
        return made.view(len(x), down * SIDE, across * SIDE, -1)[:, :height, :width].permute(0, 3, 1, 2)

    def filtered(self, tiles: Tensor, style: Tensor) -> Tensor:
        """tiles [rows, across, I, 6, 6], style [I] -> [rows, across, 4, 4, O]."""
        tiles = tiles.permute(0, 1, 3, 4, 2)
        styled = torch.mul(tiles, style, out=tiles.new_empty(tiles.shape)).flatten(0, 1)
        results = turned(self.products(turned(styled, self.read)), self.made)
        return results.view(*tiles.shape[:2], *results.shape[1:])

    def side_of(self, size: int) -> int:
        """How many results there are along a side of so many samples."""
        return size + 2 * self.padding - TAPS + 1

    def strips(self, height: int, width: int) -> tuple[int, int, int]:
        """Of so many results: rows of tiles in a strip, in all strips, which are as large as each other; tiles in a row."""
        down, across = -(-height // SIDE), -(-width // SIDE)
        strips = -(-down * across // self.strip)
        step = -(-down // strips)
        return step, step * -(-down // step), across


def turned(tiles: Tensor, matrix: Tensor) -> Tensor:
    """M · tile · Mᵀ of each: tiles [T, n, n, C], matrix [m, n] -> [T, m, m, C]."""
    many, side, _, channels = tiles.shape
    once = torch.bmm(matrix.expand(many, -1, -1), tiles.view(many, side, -1)).view(-1, side, channels)
    return torch.bmm(matrix.expand(len(once), -1, -1), once).view(many, len(matrix), -1, channels)


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
