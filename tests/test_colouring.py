import math

import pytest
import torch
import torch.nn.functional as F

from instrument.networks import colouring, llvm
from instrument.networks.colouring import Colouring

pytestmark = pytest.mark.skipif(not llvm.lanes(), reason="needs llvmlite and a processor with AVX2")

UP = torch.tensor(
    [[0.1, 0.2, 0.1, 0.0], [0.2, 0.5, 0.3, 0.1], [0.1, 0.3, 0.4, 0.2], [0.0, 0.1, 0.0, 0.1]]
)  # of no symmetry
LAST = torch.channels_last


def given(count, into, colours, height, width, seed=6):
    """A layer's weights [C, I] and bias, maps, styles and the picture so far."""
    random = torch.Generator().manual_seed(seed)

    def numbers(*shape):
        return torch.randn(shape, generator=random)

    x = numbers(count, into, height, width).contiguous(memory_format=LAST)
    image = numbers(count, colours, height // 2, width // 2)
    return numbers(colours, into), numbers(colours), x, numbers(count, into), image


def told(weight, bias, x, style, image, clamp=math.inf):
    colours = F.conv2d(x * style[..., None, None], weight[..., None, None], bias).clamp(-clamp, clamp)
    taps = 4 * UP.expand(len(weight), 1, 4, 4)
    return colours + F.conv_transpose2d(image, taps, stride=2, padding=1, groups=len(weight))


def agrees(found, told, by=1e-5):
    assert found.shape == told.shape and found.dtype == told.dtype
    assert (found - told).abs().max() <= by * told.abs().max()


@pytest.mark.parametrize("into", [1, 4, 7, 64])
@pytest.mark.parametrize("colours", [1, 3, 4])
@pytest.mark.parametrize("size", [(8, 8), (2, 24), (30, 40), (128, 128)])
def test_colours_are_added_to_the_doubled_picture(into, colours, size):
    weight, bias, *rest = given(2, into, colours, *size)
    found = Colouring(weight, bias, 0.0, UP)(*rest)
    agrees(found, told(weight, bias, *rest))
    assert found.is_contiguous()


def test_colours_alone_are_limited():
    weight, bias, *rest = given(2, 16, 3, 16, 16)
    found, free = Colouring(weight, bias, 1.5, UP)(*rest), told(weight, bias, *rest)
    agrees(found, told(weight, bias, *rest, clamp=1.5))
    assert (found - free).abs().max() > 1


def test_maps_and_pictures_may_lie_as_they_like():
    weight, bias, x, style, image = given(2, 12, 3, 16, 16)
    layer, exact = Colouring(weight, bias, 0.0, UP), told(weight, bias, x, style, image)
    wide = torch.cat([x, x], 1).contiguous(memory_format=LAST)
    for maps in (x.contiguous(), wide[:, 12:], torch._neg_view(-x)):
        agrees(layer(maps, style, image), exact)
    for picture in (
        image.contiguous(memory_format=LAST),
        torch.cat([image, image], 3)[..., :8],
        torch._neg_view(-image),
    ):
        agrees(layer(x, style, picture), exact)
    agrees(layer(x, torch.cat([style, style], 1)[:, 12:], image), exact)


WRONG = {
    "other channels": lambda x, style, image: (x[:, :8], style, image),
    "other maps than styles": lambda x, style, image: (x, style[:1], image),
    "a style too many": lambda x, style, image: (x[:, :31], style, image),
    "a colour too few": lambda x, style, image: (x, style, image[:, :2]),
    "a picture for each but one": lambda x, style, image: (x, style, image[:1]),
    "a picture of the same size": lambda x, style, image: (x, style, torch.zeros(2, 3, 16, 16)),
    "an odd height": lambda x, style, image: (x[:, :, :15], style, image[:, :, :7]),
    "a width of twelve": lambda x, style, image: (x[..., :12], style, image[..., :6]),
    "other precision": lambda x, style, image: (x.bfloat16(), style, image),
    "a picture in other precision": lambda x, style, image: (x, style, image.double()),
    "somewhere else": lambda x, style, image: (x, style, image.to("meta")),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused_not_read(wrong):
    weight, bias, *rest = given(2, 32, 3, 16, 16)
    with pytest.raises(ValueError, match=r"expected torch.float32 \["):
        Colouring(weight, bias, 0.0, UP)(*wrong(*rest))


def test_the_bits_are_the_same_alone_in_a_batch_and_on_any_threads():
    weight, bias, x, style, image = given(3, 128, 3, 120, 128)
    layer, before = Colouring(weight, bias, 2.0, UP), torch.get_num_threads()
    both = layer(x, style, image)
    try:
        for threads in (1, 2, 3, 7):
            torch.set_num_threads(threads)
            assert torch.equal(layer(x, style, image), both)
            assert torch.equal(layer(x[1:2], style[1:2], image[1:2]), both[1:2])
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("rows", [(0, 16), (4, 10)])
def test_nothing_is_written_beside_what_it_is_for(colours, rows):
    weight, bias, x, style, image = given(1, 16, colours, 16, 24)
    layer, edge, mark = Colouring(weight, bias, 0.0, UP), 64, 1234.5
    made = torch.full((edge + colours * 16 * 24 + edge,), mark)
    picture = F.pad(image, [1, 1, 1, 1])
    scaled = layer.weight * style[0, :, None]
    first = [x.permute(0, 2, 3, 1).data_ptr(), made[edge:].data_ptr()]
    others = [numbers.data_ptr() for numbers in (scaled, layer.bias, layer.limit, picture, layer.taps)]
    layer.run(*first, *others, 16, 16, 24, *rows)
    assert (made[:edge] == mark).all() and (made[-edge:] == mark).all()
    inside, there = made[edge:-edge].view(colours, 16, 24), slice(*rows)
    agrees(inside[:, there], told(weight, bias, x, style, image)[0, :, there])
    inside[:, there] = mark
    assert (inside == mark).all(), "other rows are another thread's"


def test_what_is_no_number_is_not_hidden():
    weight, bias, x, style, image = given(1, 16, 3, 16, 16)
    x[0, 3, 9, 9] = image[0, 1, 2, 2] = math.nan
    found = Colouring(weight, bias, 256.0, UP)(x, style, image)
    assert found[0, :, 9, 9].isnan().all() and found[0, 1, 3:7, 3:7].isnan().all()
    assert not found[0, :, 10:].isnan().any() and not found[0, 0, :8].isnan().any()


@pytest.mark.parametrize("error", [RuntimeError, OSError, AttributeError, TypeError, None])
def test_colours_that_are_something_else_or_nothing_are_not_used(monkeypatch, error):
    right = Colouring.__call__

    def wrong(*given):
        if error:
            raise error("another LLVM")
        return right(*given) + 0.1

    assert colouring.there_is.__wrapped__()
    monkeypatch.setattr(Colouring, "__call__", wrong)
    assert not colouring.there_is.__wrapped__()


def test_where_nothing_can_be_written_there_are_none(monkeypatch):
    monkeypatch.setattr(llvm, "lanes", lambda: 0)
    assert not colouring.there_is.__wrapped__()
