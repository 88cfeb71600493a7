"""Styled 3×3 convolutions on a processor, tile by tile, with a quarter of the multiplications (`filtering`).

A convolution that doubles is four side by side, one for each place that a result may have at a sample, their weights smoothed
by the doubling's filter beforehand. In float32; they have no gradients.
"""

import math
from collections.abc import Iterator
from functools import cache
from threading import local

import torch
import torch.nn.functional as F
from torch import Tensor

from instrument.networks import llvm, winograd
from instrument.networks.filtering import CHANNELS, LINE, POINTS, SIDE, Shape, between, together, written
from instrument.networks.llvm import filled, fits
from instrument.networks.turns import in_turns

FEW, LARGE = 64, 16  # channels for which this pays on maps of any size; rows with which it does for any number of them
MANY = 128  # channels of which a few more, to fill a vector, cost little
AT_A_TIME = 1_000_000  # bytes, about, of samples that a thread turns at a time
FEWEST = 24  # tiles that they are, at least
WORTH = 4_000_000  # multiplications that are worth waking another thread
kept = local()  # each thread's memory for what lies between


def pay(weight: Tensor, up: Tensor | None, precision: torch.dtype, size: int) -> bool:
    """Whether a convolution with weight [O, I, k, k] of maps with `size` rows is faster so than torch's."""
    out, into, side, _ = weight.shape
    if weight.device.type != "cpu" or precision != torch.float32 or side != winograd.TAPS:
        return False
    full = out % CHANNELS == into % CHANNELS == 0
    if up is None and size >= LARGE:
        return (full or min(out, into) >= MANY) and there_are()
    return full and max(out, into) <= FEW and there_are()


@cache
def there_are() -> bool:
    """Whether this machine has such convolutions, and they give what torch's do."""
    given = torch.Generator().manual_seed(0)
    x, weight = torch.randn(1, CHANNELS, 5, 9, generator=given), torch.randn(CHANNELS, CHANNELS, 3, 3, generator=given)
    style, loudness, (bias,) = torch.rand(3, 1, CHANNELS, generator=given)
    up = torch.rand(4, 4, generator=given)
    noise, slope, clamp = torch.randn(1, 180, generator=given), 0.2, 9.0
    try:
        if not llvm.lanes():
            return False
        plain = Tiles(weight)(x, style, loudness, bias)
        doubled = Tiles(weight, up, slope=slope, clamp=clamp)(x, style, loudness, bias, noise, bias[0])
    except (RuntimeError, OSError, AttributeError, TypeError):  # another LLVM, or one that does not know this processor
        return False
    x = x * style[..., None, None]
    told = F.conv2d(x, weight, padding=1) * loudness[..., None, None] + bias[:, None, None]
    large = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    large = F.conv2d(large, 4 * up.flip((0, 1)).expand(CHANNELS, 1, 4, 4), padding=1, groups=CHANNELS)
    large = large * loudness[..., None, None] + bias[:, None, None] + noise.view(10, 18) * bias[0]
    large = F.leaky_relu(large, slope).clamp(-clamp, clamp)
    return torch.allclose(plain, told, 1e-4, 1e-4) and torch.allclose(doubled, large, 1e-4, 1e-3)


class Tiles:
    """d · conv(x · s, W) + b + noise, less steep below zero, and limited; W is [O, I, 3, 3].

    With `up` [4, 4] maps are doubled and smoothed by it, as by F.conv_transpose2d and a filter four times as loud. What is
    infinite, or nearly, takes the whole tile with it: there it is no number.
    """

    def __init__(
        self, weight: Tensor, up: Tensor | None = None, padding: int = 1, slope: float = 1.0, clamp: float = 0.0
    ) -> None:
        """Results below zero are multiplied by the slope; without a clamp nothing is limited."""
        self.padding, self.places, (self.out, self.into) = padding, 1 if up is None else 2, weight.shape[:2]
        weight = F.pad(weight, [0, 0, 0, 0, 0, lacking(self.into), 0, lacking(self.out)])
        weight = weight if up is None else doubling(weight, up)
        columns, self.block = together(len(weight), llvm.lanes())
        matrices = winograd.prepared(weight, SIDE)[1].view(POINTS, -1, columns, weight.shape[1])
        self.weights = matrices.transpose(2, 3).contiguous()  # [36, O / columns, I, columns]
        self.limits = weight.new_tensor([slope, clamp or math.inf])
        self.run = written(llvm.lanes(), columns, self.block)

    def __call__(
        self,
        x: Tensor,
        style: Tensor,
        loudness: Tensor,
        bias: Tensor,
        noise: Tensor | None = None,
        strength: Tensor | None = None,
    ) -> Tensor:
        """x [N, I, h, w], style [N, I], loudness [N, O], bias [O] -> [N, O, H, W].

        Noise [N or 1, H*W] is added `strength` times, a number that is a tensor. ValueError names what is something else.
        """
        count, _, height, width = x.shape
        into, out = self.into + lacking(self.into), self.out + lacking(self.out)
        shape = Shape(into, out, self.places, height, width, self.padding)
        down, across = (self.places * side for side in shape.results)
        fits(x, count, self.into, height, width)
        fits(style, count, self.into)
        fits(loudness, count, self.out)
        fits(bias, self.out)
        if noise is not None and strength is not None:
            noise = noise.expand(count, -1).contiguous()
            fits(noise, count, down * across)
            fits(strength)
        x, style, loudness, bias = (
            filled(numbers, CHANNELS) for numbers in (x.permute(0, 2, 3, 1), style, loudness, bias)
        )
        y = x.new_empty(count, down, across, out)
        for i in range(count):
            given = [x[i], y[i], self.weights, style[i], loudness[i], bias, self.limits]
            grains = [None, None] if noise is None or strength is None else [noise[i], strength]
            self.work_out([*given, *grains], shape)
        return y[..., : self.out].permute(0, 3, 1, 2)

    def work_out(self, given: list[Tensor | None], shape: Shape) -> None:
        """Each thread takes some rows of tiles at a time."""
        rows = rows_of(shape, torch.get_num_threads())
        *offsets, end = between(shape, rows, self.block)
        down, grain = shape.tiles[0], 0 if given[-1] is None else self.places * shape.results[1]

        def work(turns: Iterator[int]) -> None:  # it holds what is given for as long as a thread is at it
            zeros = memory(end)
            places = [zeros if numbers is None else numbers.data_ptr() for numbers in given]
            places += [zeros + offset for offset in offsets]
            for first in turns:
                self.run(*places, *shape, grain, first, min(first + rows, down))

        in_turns(range(0, down, rows), work)


@cache
def rows_of(shape: Shape, threads: int) -> int:
    """How many rows of tiles are worked out at a time by each of so many threads."""
    down, across = shape.tiles
    worth = POINTS * down * across * shape.into * shape.made // WORTH
    tiles = max(FEWEST, AT_A_TIME // (llvm.BYTES * POINTS * (shape.into + shape.made)))
    return -(-down // min(down, max(-(-down * across // tiles), min(threads, worth))))


def doubling(weight: Tensor, up: Tensor) -> Tensor:
    """Weights [O, I, 3, 3] that double, smoothed by taps [4, 4] -> [4·O, I, 3, 3], those of each place together."""
    taps = (4 * up.flip((0, 1)))[None, None]
    smooth = F.conv2d(weight.reshape(-1, 1, 3, 3), taps, padding=3).view(*weight.shape[:2], 6, 6)
    return torch.cat([smooth[..., row::2, column::2].flip((2, 3)) for row in range(2) for column in range(2)])


def lacking(channels: int) -> int:
    return -channels % CHANNELS


def memory(size: int) -> int:
    """The address of so many bytes of this thread's own, where a line begins."""
    if not hasattr(kept, "memory") or len(kept.memory) < size + LINE:
        kept.memory = torch.empty(size + LINE, dtype=torch.uint8)
    return -(-int(kept.memory.data_ptr()) // LINE) * LINE
