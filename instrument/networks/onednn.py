"""What torch has of oneDNN beyond its public operations, and does without: weights laid out once for the processor.

F.conv2d lays them out anew in every call, which on small maps takes as long as to multiply, and goes a slow way where maps
are small or channels few. These operations are torch's own, for its compiler, and may change: what they answer is held
against the public ones before they are used, and where they are not there or differ, the public ones are. Like all of
`lean`, which writes over its maps, they have no gradients.
"""

from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

LAST = torch.channels_last
ONES, NONE = [1, 1], [0, 0]
Way = Callable[[Tensor], Tensor]


def convolution(weight: Tensor, size: int | None) -> Way:
    """F.conv2d with weight [O, I, 3, 3] and padding 1, of maps [N, I, h, w] that lie channels-last.

    The weights are laid out for one map of `size` rows and columns; None is for no size above others.
    """
    if size and there_is(weight.dtype, weight.device.type):
        return packed(weight, size)
    weight = weight.contiguous(memory_format=LAST)
    return lambda x: F.conv2d(x, weight, padding=1)


def doubling(weight: Tensor, size: int | None) -> Way:
    """F.conv_transpose2d with weight [I, O, 3, 3] and stride 2, of such maps; `size` is as in `convolution`."""
    if size and there_is(weight.dtype, weight.device.type):
        return packed_doubling(weight, size)
    weight = weight.contiguous(memory_format=LAST)
    return lambda x: F.conv_transpose2d(x, weight, stride=2)


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """F.linear: x [..., I], weight [O, I], bias [O] -> [..., O]."""
    if not there_is(x.dtype, x.device.type):
        return F.linear(x, weight, bias)
    return fused_linear(x, weight, bias)


def packed(weight: Tensor, size: int) -> Way:
    shape = [1, weight.shape[1], size, size]

    def lay() -> Tensor:
        last = weight.contiguous(memory_format=LAST)
        return torch.ops.mkldnn._reorder_convolution_weight(last, ONES, ONES, ONES, 1, shape)  # type: ignore[no-any-return]

    call = torch.ops.mkldnn._convolution_pointwise
    return by_threads(lay, lambda x, laid: call(x, laid, None, ONES, ONES, ONES, 1, "none", [], ""))


def packed_doubling(weight: Tensor, size: int) -> Way:
    shape, two = [1, weight.shape[0], size, size], [2, 2]

    def lay() -> Tensor:
        last = weight.contiguous(memory_format=LAST)
        return torch.ops.mkldnn._reorder_convolution_transpose_weight(last, NONE, NONE, two, ONES, 1, shape)  # type: ignore[no-any-return]

    call = torch.ops.mkldnn._convolution_transpose_pointwise
    return by_threads(lay, lambda x, laid: call(x, laid, None, NONE, NONE, two, ONES, 1, "none", [], ""))


def by_threads(lay: Callable[[], Tensor], call: Callable[[Tensor, Tensor], Tensor]) -> Way:
    """Weights laid out for as many threads as draw: for another number, small maps would have them laid out in every call."""
    kept = {torch.get_num_threads(): lay()}

    def way(x: Tensor) -> Tensor:
        threads = torch.get_num_threads()
        if threads not in kept:
            kept[threads] = lay()
        return call(x, kept[threads])

    return way


def fused_linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")  # type: ignore[no-any-return]


@cache
def there_is(kind: torch.dtype, device: str) -> bool:
    """Whether these operations are there, and answer what the public ones do."""
    if device != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    given = torch.Generator().manual_seed(0)

    def some(*shape: int) -> Tensor:
        return torch.randn(shape, generator=given).to(kind)

    x, weight = some(1, 48, 8, 8).contiguous(memory_format=LAST), some(32, 48, 3, 3) / 20
    rows, matrix, bias = some(64, 48), some(3, 48), some(3)
    turned = weight.transpose(0, 1)
    try:
        with torch.inference_mode():
            answers = packed(weight, 8)(x), packed_doubling(turned, 8)(x), fused_linear(rows, matrix, bias)
            public = (
                F.conv2d(x, weight, padding=1),
                F.conv_transpose2d(x, turned, stride=2),
                F.linear(rows, matrix, bias),
            )
    except (RuntimeError, AttributeError, TypeError):  # another torch, or a processor that has no such numbers
        return False
    near = 0.05 if kind == torch.bfloat16 else 1e-4
    return all(ours.is_contiguous(memory_format=LAST) for ours in answers[:2]) and all(
        ours.shape == theirs.shape and torch.allclose(ours.float(), theirs.float(), near, near)
        for ours, theirs in zip(answers, public, strict=True)
    )
