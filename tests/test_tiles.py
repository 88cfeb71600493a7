import math
from itertools import pairwise
from threading import Event, Timer, current_thread

import pytest
import torch
import torch.nn.functional as F

from instrument.networks import filtering, llvm, tiles
from instrument.networks.filtering import BETWEEN, Shape, between
from instrument.networks.tiles import Tiles

pytestmark = pytest.mark.skipif(not llvm.lanes(), reason="needs llvmlite and a processor with AVX2")

UP = torch.tensor(
    [[0.1, 0.2, 0.1, 0.0], [0.2, 0.5, 0.3, 0.1], [0.1, 0.3, 0.4, 0.2], [0.0, 0.1, 0.0, 0.1]]
)  # of no symmetry
SIZES = [(16, 16), (4, 4), (37, 30), (61, 3), (2, 9), (1, 1)]  # rows of tiles are left over; smaller than a tile


def given(count, into, out, height, width, seed=6):
    random = torch.Generator().manual_seed(seed)

    def numbers(*shape):
        return torch.randn(shape, generator=random)

    x = numbers(count, into, height, width).contiguous(memory_format=torch.channels_last)
    return x, numbers(out, into, 3, 3), numbers(count, into), numbers(count, out), numbers(out)


def told(x, weight, style, loudness, bias, padding=1, up=None):
    x = x * style[..., None, None]
    if up is None:
        x = F.conv2d(x, weight, padding=padding)
    else:
        x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
        x = F.conv2d(x, 4 * up.flip((0, 1)).expand(len(weight), 1, 4, 4), padding=1, groups=len(weight))
    return x * loudness[..., None, None] + bias[:, None, None]


def agrees(found, told, by=2e-5):
    assert found.shape == told.shape and found.dtype == told.dtype
    assert (found - told).abs().max() <= by * told.abs().max()


@pytest.fixture(params=[8, 16])
def lanes(request, monkeypatch):
    """Processors with AVX2 and with AVX-512."""
    if request.param > llvm.lanes():
        pytest.skip("this processor has fewer lanes")
    monkeypatch.setattr(llvm, "lanes", lambda: request.param)
    return request.param


@pytest.mark.parametrize("channels", [(16, 16), (48, 32), (5, 7), (17, 3)])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("padding", [1, 2])
def test_they_give_the_convolution(lanes, channels, size, padding):
    x, weight, *rest = given(2, *channels, *size)
    agrees(Tiles(weight, padding=padding)(x, *rest), told(x, weight, *rest, padding))


@pytest.mark.parametrize("channels", [(16, 16), (32, 48), (5, 7)])
@pytest.mark.parametrize("size", SIZES)
def test_they_double(lanes, channels, size):
    x, weight, *rest = given(2, *channels, *size)
    agrees(Tiles(weight, UP)(x, *rest), told(x, weight, *rest, up=UP))


@pytest.mark.parametrize("up", [None, UP])
@pytest.mark.parametrize("each", [1, 2])
def test_results_get_noise_are_less_steep_below_zero_and_limited(up, each):
    x, weight, *rest = given(2, 16, 32, 12, 20)
    exact = told(x, weight, *rest, up=up)
    noise, strength = torch.randn(each, exact[0, 0].numel()), torch.tensor(3.0)
    clamp = exact.abs().max().item() / 4
    found = Tiles(weight, up, slope=0.2, clamp=clamp)(x, *rest, noise, strength)
    exact = exact + noise.view(each, 1, *exact.shape[2:]) * strength
    agrees(found, F.leaky_relu(exact, 0.2).clamp(-clamp, clamp), 1e-4)
    assert found.max() == pytest.approx(clamp) and found.min() < -clamp / 2


def test_there_are_some():
    assert tiles.there_are()


def test_maps_and_noise_may_lie_as_they_like():
    x, weight, style, *rest = given(2, 16, 16, 12, 20)
    rows = torch.cat([style, style], 1)
    agrees(Tiles(weight)(x.contiguous(), rows[:, 16:], *rest), told(x, weight, style, *rest))
    half = torch.cat([x, x], 3)[..., :20]
    agrees(Tiles(weight)(half, style, *rest), told(x, weight, style, *rest))
    agrees(Tiles(weight)(torch._neg_view(x), style, *rest), told(-x, weight, style, *rest))
    noise, strength = torch.randn(2, 240, 2)[..., 0], torch.tensor(0.5)
    found = Tiles(weight)(x, style, *rest, noise, strength)
    agrees(found, told(x, weight, style, *rest) + noise.view(2, 1, 12, 20) * strength)


WRONG = {
    "other channels": lambda x, style, loudness, bias: (x[:, :16], style, loudness, bias),
    "other maps than styles": lambda x, style, loudness, bias: (x, style[:1], loudness, bias),
    "loudness of other channels": lambda x, style, loudness, bias: (x, style, loudness[:, :16], bias),
    "a bias too few": lambda x, style, loudness, bias: (x, style, loudness, bias[:16]),
    "other precision": lambda x, style, loudness, bias: (x.bfloat16(), style, loudness, bias),
    "noise for another size": lambda *given: (*given, torch.zeros(1, 16), torch.tensor(1.0)),
    "noise for more maps": lambda *given: (*given, torch.zeros(3, 64), torch.tensor(1.0)),
    "a strength for each": lambda *given: (*given, torch.zeros(1, 64), torch.ones(2)),
    "somewhere else": lambda x, style, loudness, bias: (x.to("meta"), style, loudness, bias),
    "a style too many": lambda x, style, loudness, bias: (x[:, :31], style, loudness, bias),
    "a strength of another kind": lambda *given: (*given, torch.zeros(1, 64), torch.tensor(1)),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused_not_read(wrong):
    x, weight, *rest = given(2, 32, 32, 8, 8)
    with pytest.raises((ValueError, RuntimeError), match=r"expected torch.float32 \[|expanded size"):
        Tiles(weight)(*wrong(x, *rest))


@pytest.mark.parametrize("up", [None, UP])
def test_the_bits_are_the_same_alone_in_a_batch_each_time_and_on_any_threads(up):
    x, weight, style, loudness, bias = given(3, 64, 64, 40, 40)
    layer, before = Tiles(weight, up), torch.get_num_threads()
    both = layer(x, style, loudness, bias)
    try:
        for threads in (1, 2, 3, 7):
            torch.set_num_threads(threads)
            for _ in range(5):
                assert torch.equal(layer(x, style, loudness, bias), both)
            assert torch.equal(layer(x[1:2], style[1:2], loudness[1:2], bias), both[1:2])
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("up", [None, UP])
@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_written_beside_what_it_is_for(lanes, monkeypatch, up, size):
    """Each place in memory lies between numbers that stay as they are."""
    x, weight, style, loudness, bias = given(1, 16, 48, *size)
    layer = Tiles(weight, up, slope=0.2, clamp=9.0)
    shape = Shape(16, 48, layer.places, *size, 1)
    rows, edge, mark = shape.tiles[0], 64, 1234.5
    ends = [end // 4 for end in between(shape, rows, layer.block)]
    many = [shape.made * shape.results[0] * shape.results[1], *(b - a for a, b in pairwise(ends))]
    places = [torch.full((edge + number + edge,), mark) for number in many]
    y, *others = (place[edge:].data_ptr() for place in places)
    x = x.permute(0, 2, 3, 1).contiguous()
    first = [x.data_ptr(), y, *(one.data_ptr() for one in (layer.weights, style, loudness, bias, layer.limits))]
    layer.run(*first, others[0], others[0], *others, *shape, 0, 0, rows)
    for name, place in zip(["y", *BETWEEN], places, strict=True):
        assert (place[:edge] == mark).all() and (place[-edge:] == mark).all(), name
    assert (places[0][edge:-edge] != mark).all()


def test_what_is_no_number_is_not_hidden():
    x, weight, *rest = given(1, 16, 16, 16, 16)
    x[0, 3, 9, 9] = math.nan
    found = Tiles(weight, slope=0.2, clamp=256.0)(x, *rest)
    assert found[0, :, 8:11, 8:11].isnan().all() and not found[0, :, :4].isnan().any()


@pytest.mark.parametrize("error", [RuntimeError, OSError, AttributeError, TypeError, None])
def test_convolutions_that_answer_something_else_or_nothing_are_not_used(monkeypatch, error):
    right = Tiles.__call__

    def wrong(*given):
        if error:
            raise error("another LLVM")
        return right(*given) + 0.1

    assert tiles.there_are.__wrapped__()
    monkeypatch.setattr(Tiles, "__call__", wrong)
    assert not tiles.there_are.__wrapped__()


@pytest.mark.parametrize("mistaken", ["input_transform", "multiply", "output_transform"])
def test_code_that_does_something_else_is_not_used(monkeypatch, mistaken):
    monkeypatch.setattr(filtering, mistaken, lambda *given: None)
    monkeypatch.setattr(tiles, "written", filtering.written.__wrapped__)
    assert not tiles.there_are.__wrapped__()


def test_all_threads_take_part_where_it_is_worth_it():
    small, large = Shape(16, 16, 1, 16, 16, 1), Shape(64, 64, 1, 64, 64, 1)
    assert tiles.rows_of(small, 8) == small.tiles[0] == 4
    assert tiles.rows_of(large, 4) == 4 and tiles.rows_of(large, 8) == 2
    wide = Shape(512, 512, 1, 256, 256, 1)
    assert tiles.rows_of(wide, 1) == 1, "no more than fits the caches, but for a row"


def test_nothing_that_is_written_to_goes_while_another_thread_is_at_it(monkeypatch):
    """The thread that asked is interrupted; what it gave is let go when no thread needs it."""
    x, weight, *rest = given(1, 64, 64, 64, 64)
    layer, begun, go_on, ended = Tiles(weight), Event(), Event(), Event()
    asking, right, seen = current_thread(), layer.run, []

    def run(*arguments):
        if current_thread() is asking:
            assert begun.wait(10)
            Timer(0.05, go_on.set).start()
            raise KeyboardInterrupt
        begun.set()
        assert go_on.wait(10)
        right(*arguments)
        seen.append(arguments[-2])
        ended.set()

    layer.run = run
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyboardInterrupt):
            layer(x, *rest)
    finally:
        torch.set_num_threads(before)
    assert ended.is_set() and len(seen) == 1, "the other ends what it is at, and takes no more"


def test_only_where_they_are_faster():
    def pay(out, into, size, up=None, precision=torch.float32, taps=3, device="cpu"):
        return tiles.pay(torch.empty(out, into, taps, taps, device=device), up, precision, size)

    assert pay(16, 16, 4) and pay(64, 64, 4) and pay(512, 512, 16) and pay(181, 256, 32) and pay(32, 64, 8, UP)
    assert not pay(128, 128, 8) and not pay(24, 24, 64) and not pay(128, 128, 16, UP)
    assert not pay(64, 64, 16, precision=torch.bfloat16) and not pay(64, 64, 16, taps=1)
    assert not pay(64, 64, 16, device="meta")


def test_where_there_are_none_torch_s_own_are_taken(monkeypatch):
    monkeypatch.setattr(llvm, "lanes", lambda: 0)
    assert not tiles.there_are.__wrapped__()


def test_columns_fill_the_registers(lanes):
    for made in (16, 32, 48):
        columns, block = filtering.together(made, lanes)
        assert made % columns == 0 and block * columns // lanes == filtering.SUMS[lanes]
