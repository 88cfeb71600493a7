"""Programs for the processor, made and run by OpenVINO, an optional extra: nodes to draw them with, and running them."""

import sys
from functools import cache, reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor

from instrument.networks import winograd

# where it is there, importing OpenVINO would send a message to its makers, and a show is nobody's business
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
try:
    import openvino
    from openvino import opset13

    ops: Any = opset13  # its functions, which make nodes
except ImportError:  # it is an extra
    openvino = ops = None

POINTWISE = [1, 1], [0, 0], [0, 0], [1, 1]  # strides, paddings, dilations
FEWEST, SMALLEST = 128, 16  # channels and rows that pay for turning samples
AT_A_TIME = 5_000_000  # bytes, about, of turned samples that are multiplied: with what becomes of them they fit a cache
Node = Any  # what OpenVINO's functions make; it has no annotations


def there_is_openvino() -> bool:
    """Whether this way can be gone on this machine."""
    return openvino is not None


@cache
def core() -> Any:
    return openvino.Core()


class Drawn:
    """A piece before it is compiled: it makes these nodes, by name, of the parameters that it takes."""

    def __init__(self, end: str, bent: str, makes: dict[str, Node], takes: dict[str, Node]) -> None:
        self.end, self.bent, self.makes, self.takes = end, bent, list(makes), list(takes)
        self.model = openvino.Model(list(makes.values()), list(takes.values()), end or "end")


class Piece:
    """What lies between two cuts; `end` is the layer it ends at, `bent` what is bent there, the maps `x` or the `image`."""

    def __init__(self, drawn: Drawn, options: dict[str, Any]) -> None:
        self.end, self.bent, self.makes, self.takes = drawn.end, drawn.bent, drawn.makes, drawn.takes
        self.request = core().compile_model(drawn.model, "CPU", options).create_infer_request()

    def __call__(self, maps: dict[str, Tensor]) -> dict[str, Tensor]:
        """What it makes of these, by name; it is overwritten by the next call."""
        # kept by us until it is done: OpenVINO is handed places in memory, and keeps nothing there alive
        given = [maps[name].float().contiguous() for name in self.takes]
        for i, numbers in enumerate(given):
            self.request.set_input_tensor(i, openvino.Tensor(numbers.numpy(), shared_memory=True))
        self.request.infer()
        return {name: torch.from_numpy(self.request.get_output_tensor(i).data) for i, name in enumerate(self.makes)}


def enlarged(x: Node, taps: Tensor) -> Node:
    """x [1, C, h, w] -> [1, C, 2h, 2w], smoothed by taps [4, 4]."""
    kernel = constant(4 * taps.expand(x.get_output_shape(0)[1], 1, 1, 4, 4))
    return ops.group_convolution_backprop_data(x, kernel, [2, 2], None, [1, 1], [1, 1], [1, 1])


def fits_tiles(weight: Tensor, size: int) -> bool:
    """Whether a convolution with weight [O, I, k, k] of maps with `size` rows is faster on tiles."""
    return weight.shape[2] == winograd.TAPS and min(weight.shape[:2]) >= FEWEST and size >= SMALLEST


def on_tiles(x: Node, weight: Tensor, precision: torch.dtype) -> Node:
    """A convolution of x [1, I, h, w] with weight [O, I, 3, 3] -> [1, O, h, w] by `winograd`.

    The sides of x are even, and divisible by 4 in float32, as those of a network's maps are.
    """
    _, into, height, width = x.get_output_shape(0)
    side = winograd.SIDES[precision]
    read, matrices, made = winograd.prepared(weight, side)
    out, reach, down, across = len(weight), len(read), height // side, width // side
    products = constant(matrices.transpose(0, 1).reshape(-1, out, into, 1, 1))  # across first, as the samples are below
    x = ops.pad(x, places(0, 0, 1, 1), places(0, 0, 1, 1), "constant", number_of(0))
    strips = min(down, -(-precision.itemsize * reach**2 * into * down * across // AT_A_TIME))
    results = []
    for strip in range(strips):
        first, last = (side * (down * end // strips) for end in (strip, strip + 1))
        tiles = x if strips == 1 else sliced(x, first, last + 2, 2)
        for axis, many in (2, (last - first) // side), (3, across):
            samples = [sliced(tiles, i, i + side * (many - 1) + 1, axis, side) for i in range(reach)]
            tiles = ops.concat([combined(row, samples) for row in read], 1)
        multiplied = parted(ops.group_convolution(tiles, products, *POINTWISE), reach)
        columns = [[combined(row, parted(combined(way, multiplied), reach)) for row in made] for way in made]
        together = ops.concat([column[i] for i in range(side) for column in columns], 1)
        results.append(ops.depth_to_space(together, "blocks_first", side))
    return ops.concat(results, 2)


def combined(factors: Tensor, maps: list[Node]) -> Node:
    """The sum of the maps, all of one shape, each multiplied by its factor [len(maps)]."""
    some = [(factor, x) for factor, x in zip(factors.tolist(), maps, strict=True) if factor]
    return reduce(ops.add, (x if factor == 1 else ops.multiply(x, number_of(factor)) for factor, x in some))


def parted(x: Node, count: int) -> list[Node]:
    """So many equal parts of the channels."""
    return ops.split(x, ops.constant(1), count).outputs()  # type: ignore[no-any-return]


def limited(x: Node, clamp: float) -> Node:
    return ops.clamp(x, -clamp, clamp) if clamp else x


def spread(row: Node) -> Node:
    """A number for each channel [1, C] -> [1, C, 1, 1]."""
    return ops.reshape(row, places(1, -1, 1, 1), False)


def sliced(x: Node, start: int, stop: int, axis: int, step: int = 1) -> Node:
    return ops.slice(x, *(places(number) for number in (start, stop, step, axis)))


def places(*numbers: int) -> Node:
    return ops.constant(np.array(numbers))


def constant(numbers: Tensor) -> Node:
    return ops.constant(np.ascontiguousarray(numbers.detach().float().numpy()))


def number_of(value: float, *shape: int) -> Node:
    return ops.constant(np.full(shape, value, np.float32))
