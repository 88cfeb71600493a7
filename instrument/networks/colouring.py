"""Colours on a processor: a block's, and the picture so far, doubled, in one go.

By a function that is written for the processor here (`llvm`). In float32; they have no gradients.
"""

import math
from collections.abc import Iterator
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from instrument.networks import llvm
from instrument.networks.llvm import Code, Function, Place, Value, filled, fits
from instrument.networks.turns import in_turns

LANES = 4  # a pixel's colours while they are summed, then pixels of one colour
AT_ONCE = 8  # pixels
GROUP = 4  # channels that are summed before it is asked whether there are more
WORTH = 500_000  # multiplications that are worth waking another thread


@cache
def there_is() -> bool:
    """Whether this machine has such colours, and they are what torch's are."""
    given = torch.Generator().manual_seed(0)
    x, image = torch.randn(1, 5, 8, 16, generator=given), torch.randn(1, 3, 4, 8, generator=given)
    weight, style = torch.randn(3, 5, generator=given), torch.rand(1, 5, generator=given)
    bias, up, clamp = torch.randn(3, generator=given), torch.rand(4, 4, generator=given), 2.0
    try:
        if not llvm.lanes():
            return False
        found = Colouring(weight, bias, clamp, up)(x, style, image)
    except (RuntimeError, OSError, AttributeError, TypeError):  # another LLVM, or one that does not know this processor
        return False
    colours = F.conv2d(x, (weight * style)[..., None, None], bias).clamp(-clamp, clamp)
    larger = F.conv_transpose2d(image, 4 * up.expand(3, 1, 4, 4), stride=2, padding=1, groups=3)
    return torch.allclose(found, larger + colours, 1e-4, 1e-4)


class Colouring:
    """A styled 1×1 convolution, limited, and added to it the picture so far, doubled; W is [C, I], of four colours at most.

    Pictures are doubled by a filter [4, 4], four times as loud, as F.conv_transpose2d does it. Without a clamp nothing is
    limited.
    """

    def __init__(self, weight: Tensor, bias: Tensor, clamp: float, up: Tensor) -> None:
        self.colours, self.into = weight.shape
        more = LANES - self.colours
        self.weight = filled(F.pad(weight, [0, 0, 0, more]), GROUP).t().contiguous()  # [I, 4]
        self.bias, self.limit = F.pad(bias, [0, more]), weight.new_tensor(clamp or math.inf)
        # for even and odd rows, how much the rows above and below count, of each the samples to the left and to the right
        rows, columns = torch.tensor([[3, 1], [2, 0]]), torch.tensor([[3, 2, 3, 2], [1, 0, 1, 0]])
        self.taps = (4 * up)[rows][..., columns].contiguous()  # [2, 2, 2, 4]
        self.run = written(self.colours)

    def __call__(self, x: Tensor, style: Tensor, image: Tensor) -> Tensor:
        """x [N, I, h, w], style [N, I], image [N, C, h / 2, w / 2] -> [N, C, h, w]; h is even, w divisible by eight.

        ValueError names what is something else.
        """
        count, _, height, width = x.shape
        fits(x, count, self.into, height // 2 * 2, width // AT_ONCE * AT_ONCE)
        fits(style, count, self.into)
        fits(image, count, self.colours, height // 2, width // 2)
        x, style = filled(x.permute(0, 2, 3, 1), GROUP), filled(style, GROUP)
        weight, image = self.weight * style[..., None], F.pad(image.contiguous(), [1, 1, 1, 1])
        y = x.new_empty(count, self.colours, height, width)
        for i in range(count):
            self.work_out([x[i], y[i], weight[i], self.bias, self.limit, image[i], self.taps])
        return y

    def work_out(self, given: list[Tensor]) -> None:
        """Each thread makes some rows, where that is worth it."""
        height, width, into = given[0].shape
        threads = max(1, min(torch.get_num_threads(), height * width * into // WORTH))
        rows = -(-height // threads)

        def work(turns: Iterator[int]) -> None:  # it holds what is given for as long as a thread is at it
            for first in turns:
                self.run(
                    *(numbers.data_ptr() for numbers in given), into, height, width, first, min(first + rows, height)
                )

        in_turns(range(0, height, rows), work)


@cache
def written(colours: int) -> Function:
    """It takes the addresses of x, y and so on, then their sizes, and which rows are to be made."""
    places = "x", "y", "weight", "bias", "limit", "image", "taps"
    code = Code(places, ["into", "height", "width", "first", "last"], LANES)
    x, y, weight, bias, limit, image, taps = code.places.values()
    into, height, width, first, last = code.numbers.values()
    wide = width // 2 + 2  # the image, with nothing about it
    all_of_it = (height // 2 + 2) * wide
    nothing, most = bias.load(), limit.broadcast()
    with code.loop(first, last) as row:
        place = taps + row % 2 * (4 * LANES)
        sides = [[(place + (2 * below + side) * LANES).load() for side in range(2)] for below in range(2)]
        line = image + (row // 2 + row % 2) * wide
        with code.loop(0, width, AT_ONCE) as column:
            at = row * width + column
            there = x + at * into

            def summed(group: Value, sums: list[Value], there: Place = there) -> list[Value]:
                for i in range(GROUP):
                    factor = (weight + (group * GROUP + i) * LANES).load()
                    samples = [(there + into * k + group * GROUP + i).broadcast() for k in range(AT_ONCE)]
                    sums = [so_far + sample * factor for so_far, sample in zip(sums, samples, strict=True)]
                return sums

            pixels = code.folded(into // GROUP, [nothing] * AT_ONCE, summed)
            for k in range(0, AT_ONCE, LANES):
                for colour, values in enumerate(turned(pixels[k : k + LANES])[:colours]):
                    low = code.select(most < values, most, values)
                    made = code.select(low < -most, -most, low)
                    for below, (left, right) in enumerate(sides):
                        older = (line + all_of_it * colour + wide * below + (column // 2 + k // 2)).load()
                        made = made + older.mixed(older, [0, 1, 1, 2]) * left + older.mixed(older, [1, 2, 2, 3]) * right
                    (y + height * width * colour + at + k).store(made)
    return code.compiled()


def turned(pixels: list[Value]) -> list[Value]:
    """Four pixels' four colours -> four colours of four pixels."""
    one, two, three, four = pixels
    early = [first.mixed(second, [0, 4, 1, 5]) for first, second in ((one, two), (three, four))]
    late = [first.mixed(second, [2, 6, 3, 7]) for first, second in ((one, two), (three, four))]
    return [first.mixed(second, lanes) for first, second in (early, late) for lanes in ([0, 1, 4, 5], [2, 3, 6, 7])]
