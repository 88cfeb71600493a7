"""What a processor does with rows of tiles: a styled 3×3 convolution and what comes after it, in one go.

Samples are turned, multiplied with the weights and turned back (`winograd`) while they lie in the caches, and their results
are finished before they are put down.
"""

from functools import cache
from itertools import accumulate
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch

from instrument.networks import winograd
from instrument.networks.llvm import BYTES, Code, Function, Value

SIDE = winograd.SIDES[torch.float32]  # results along a side of a tile
READ = SIDE + winograd.TAPS - 1  # samples that it reads along a side; its neighbour begins SIDE further
POINTS = READ**2
CHANNELS = 16  # what they are multiples of
SUMS = {16: 24, 8: 12}  # vectors of sums that fit a processor's registers beside what is added, by its lanes
LINE = 64  # bytes that a processor fetches at a time
GIVEN = ["x", "y", "weights", "style", "loudness", "bias", "limits", "noise", "strength"]  # float32, channels last
BETWEEN = ["zeros", "waste", "lines", "turned", "products", "results"]
NUMBERS = ["grain", "first", "last"]  # the numbers in a row of noise, 0 for none; rows of tiles


class Shape(NamedTuple):
    """Of maps [into, height, width] and of what is made of them."""

    into: int
    out: int
    places: int  # along an axis, for results at one sample: 2 where maps are doubled
    height: int
    width: int
    padding: int

    @property
    def made(self) -> int:
        """Channels, those of each place."""
        return self.out * self.places * self.places

    @property
    def results(self) -> tuple[int, int]:
        """Down and across, at each place."""
        more = self.padding * 2 - (winograd.TAPS - 1)
        return self.height + more, self.width + more

    @property
    def tiles(self) -> tuple[int, int]:
        """Down and across."""
        down, across = self.results
        return (down + SIDE - 1) // SIDE, (across + SIDE - 1) // SIDE


def together(made: int, lanes: int) -> tuple[int, int]:
    """How many channels of so many are worked out at a time, and for how many tiles.

    Two vectors of channels where there is room for them: each sample that is loaded is multiplied twice.
    """
    columns = 32 if lanes == 16 and made % 32 == 0 else 16
    return columns, SUMS[lanes] * lanes // columns


@cache
def between(shape: Shape, rows: int, block: int) -> list[int]:
    """Where what is BETWEEN begins, in bytes, with so many rows of tiles, a block of them at a time; and where all ends."""
    across = shape.tiles[1]
    samples = POINTS * (rows * across + block)
    sizes = [
        shape.width * shape.into,
        SIDE * across * shape.places * shape.out,
        READ * (SIDE * across + READ - SIDE) * shape.into,
        samples * shape.into,
        samples * shape.made,
        READ * SIDE * across * shape.made,
    ]
    return list(accumulate((-(-BYTES * size // LINE) * LINE for size in sizes), initial=0))


@cache
def written(lanes: int, columns: int, block: int) -> Function:
    """It takes the addresses of GIVEN and BETWEEN, the numbers of a Shape and NUMBERS."""
    code = Code([*GIVEN, *BETWEEN], [*Shape._fields, *NUMBERS], lanes)
    it = SimpleNamespace(**code.places, **code.numbers, block=block)
    numbers: list[Any] = [code.numbers[name] for name in Shape._fields]
    shape: Any = Shape(*numbers)  # worked out as the function runs
    (it.down, it.wide), (_, it.across), it.made = shape.results, shape.tiles, shape.made
    it.line = it.across * SIDE + (READ - SIDE)  # samples
    read, _, made = winograd.matrices(SIDE)
    it.read, it.back = read.tolist(), made.tolist()
    it.lines = [it.lines + it.line * it.into * k for k in range(READ)]  # each [I / lanes, samples, lanes]
    it.results = [it.results + it.across * it.made * (SIDE * k) for k in range(READ)]
    surround(code, it)
    with code.loop(it.first, it.last) as row:
        input_transform(code, it, row, (row - it.first) * it.across)
    multiply(code, it, columns, ((it.last - it.first) * it.across + (it.block - 1)) // it.block)
    with code.loop(it.first, it.last) as row:
        output_transform(code, it, columns, row, (row - it.first) * it.across)
    return code.compiled()


def surround(code: Code, it: SimpleNamespace) -> None:
    """There is nothing beyond a map's edges."""
    nothing = code.vector_of(0)
    with code.loop(0, it.width * it.into, code.lanes) as i:
        (it.zeros + i).store(nothing)
    with code.loop(0, it.into, code.lanes) as channel:
        for first, last in (code.value(0), it.padding), (it.padding + it.width, it.line):
            with code.loop(first, last) as x:
                for line in it.lines:
                    (line + it.line * channel + x * code.lanes).store(nothing)


def input_transform(code: Code, it: SimpleNamespace, row: Value, tile: Value) -> None:
    """A row of tiles: six lines of samples, styled, turned downwards and then across; its first is tile so many."""
    lanes = code.lanes
    samples = []
    for k in range(READ):
        y = row * SIDE + k - it.padding
        samples.append(code.select((y >= 0) & (y < it.height), it.x + y * it.width * it.into, it.zeros))
    with code.loop(0, it.width) as x, code.loop(0, it.into, lanes) as channel:
        style = (it.style + channel).load()
        found = [(line + x * it.into + channel).load() * style for line in samples]
        for line, turned in zip(it.lines, combined(it.read, found), strict=True):
            (line + it.line * channel + (x + it.padding) * lanes).store(turned)
    with code.loop(0, it.across) as x, code.loop(0, it.into, lanes) as channel:
        there = it.turned + block_at(it, tile + x, it.into, lanes) + channel * (POINTS * it.block)
        for k, line in enumerate(it.lines):
            found = [(line + it.line * channel + (x * SIDE + i) * lanes).load() for i in range(READ)]
            for i, turned in enumerate(combined(it.read, found)):
                (there + (READ * k + i) * it.block * lanes).store(turned)


def multiply(code: Code, it: SimpleNamespace, columns: int, blocks: Value) -> None:
    """Each point of the tiles with its weights."""
    lanes, vectors = code.lanes, range(0, columns, code.lanes)
    nothing = [code.vector_of(0)] * (it.block * len(vectors))
    with code.loop(0, POINTS) as point, code.loop(0, it.made, columns) as first, code.loop(0, blocks) as block:
        weights = it.weights + (point * it.made + first) * it.into
        turned = it.turned + block * it.into * (POINTS * it.block) + point * (it.block * lanes)
        products = it.products + (block * it.made + first) * (POINTS * it.block) + point * (it.block * columns)

        def summed(channel: Value, sums: list[Value]) -> list[Value]:
            there = turned + channel // lanes * (POINTS * it.block * lanes) + channel % lanes
            factors = [(weights + channel * columns + vector).load() for vector in vectors]
            samples = [(there + tile * lanes).broadcast() for tile in range(it.block)]
            found = [sample * factor for sample in samples for factor in factors]
            return [so_far + product for so_far, product in zip(sums, found, strict=True)]

        sums = iter(code.folded(it.into, nothing, summed))
        for tile in range(it.block):
            for vector in vectors:
                (products + tile * columns + vector).store(next(sums))


def output_transform(code: Code, it: SimpleNamespace, columns: int, row: Value, tile: Value) -> None:
    """A row of tiles' products: turned back across and downwards, finished, and put down at each of the places."""
    lanes = code.lanes
    with code.loop(0, it.across) as x, code.loop(0, it.made, columns) as first:
        there = it.products + block_at(it, tile + x, it.made, columns) + first * (POINTS * it.block)
        for vector in range(0, columns, lanes):
            for k, line in enumerate(it.results):
                found = [(there + (READ * k + i) * it.block * columns + vector).load() for i in range(READ)]
                for i, result in enumerate(combined(it.back, found)):
                    (line + it.across * SIDE * (first + vector) + (x * SIDE + i) * lanes).store(result)
    strength, slope, clamp = it.strength.broadcast(), it.limits.broadcast(), (it.limits + 1).broadcast()
    with code.loop(0, it.places) as below:
        made, grains = [], []
        for k in range(SIDE):
            there = (row * SIDE + k) * it.places + below
            inside = row * SIDE + k < it.down
            made.append(code.select(inside, it.y + there * it.wide * it.places * it.out, it.waste))
            grains.append(it.noise + code.select(inside, there, there * 0) * it.grain)
        with code.loop(0, it.wide) as x, code.loop(0, it.places) as right:
            grainy = [(grain + x * it.places + right).broadcast() * strength for grain in grains]
            with code.loop(0, it.out, lanes) as channel:
                at = it.across * SIDE * ((below * it.places + right) * it.out + channel) + x * lanes
                found = combined(it.back, [(line + at).load() for line in it.results])
                loudness, bias = (it.loudness + channel).load(), (it.bias + channel).load()
                for y, grain, result in zip(made, grainy, found, strict=True):
                    loud = result * loudness + (bias + grain)
                    steep = code.select(loud < loud * slope, loud * slope, loud)
                    low = code.select(clamp < steep, clamp, steep)
                    (y + (x * it.places + right) * it.out + channel).store(code.select(low < -clamp, -clamp, low))


def block_at(it: SimpleNamespace, tile: Value, channels: Value, many: int) -> Value:
    """Where a tile's points begin. They lie as [blocks of tiles, channels / many, points, tiles, many]."""
    at: Value = tile // it.block * channels * (POINTS * it.block) + tile % it.block * many
    return at


def combined(matrix: list[list[float]], values: list[Value]) -> list[Value]:
    """The values, multiplied with a matrix."""
    sums = []
    for row in matrix:
        terms = sorted((value for value in zip(row, values, strict=True) if value[0]), key=lambda term: term[0] != 1)
        (factor, first), *others = terms
        total = first if factor == 1 else first * factor
        for factor, value in others:
            total = total + value if factor == 1 else total - value if factor == -1 else total + value * factor
        sums.append(total)
    return sums
