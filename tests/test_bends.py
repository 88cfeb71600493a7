"""Every op there is meets one list of properties, so a new one is tested by existing; then closed forms."""

import inspect
import itertools
import math
from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin

import pytest
import torch

from instrument import catalog
from instrument.bend import OPS
from instrument.parameters import settings

catalog.op("gain")  # looking one up registers all

SHAPES = [(1, 8, 4, 4), (2, 3, 16, 16), (1, 5, 9, 6)]
every_op = pytest.mark.parametrize("name", sorted(OPS))
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def maps(shape=(2, 3, 16, 16), seed=1, scale=1.0):
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def example(kind):
    """Some value of a setting's type."""
    options = [option for option in get_args(kind) if option is not NoneType]
    if get_origin(kind) in (Union, UnionType):
        return example(options[0])
    if get_origin(kind) is Literal:
        return options[0]
    return {int: 3, float: 0.5, bool: True, str: ""}[kind]


def needed(function):
    """Values for the settings that an op must be given."""
    found = settings(function).items()
    return {name: example(kind) for name, (kind, default) in found if default is inspect.Parameter.empty}


def bent(name, x, **values):
    """x through an op, its parameters as the show hands them over: 0-dim tensors on the device of the maps."""
    op = OPS[name]
    faders = {key: torch.tensor(values.pop(key, item.default), device=x.device) for key, item in op.parameters.items()}
    return op.function(x, **faders, **{**needed(op.function), **values})


def positions(name):
    """Every combination of the ends, the middle and the default of an op's parameters."""
    items = OPS[name].parameters.values()
    stops = [{item.range.low, item.range.high, item.range.from_unit(0.5), item.default} for item in items]
    return [dict(zip(OPS[name].parameters, stop, strict=True)) for stop in itertools.product(*stops)]


# --- what holds for every op


@every_op
@every_shape
def test_it_keeps_shape_type_and_device_and_is_finite_over_its_range(name, shape):
    x = maps(shape)
    for values in positions(name):
        y = bent(name, x, **values)
        assert (y.shape, y.dtype, y.device) == (x.shape, x.dtype, x.device)
        assert y.isfinite().all(), values


@every_op
@pytest.mark.parametrize("x", [torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 7.0), maps(scale=1e4)])
def test_flat_and_loud_maps_stay_finite(name, x):
    for values in positions(name):
        assert bent(name, x, **values).isfinite().all(), values


@every_op
def test_it_leaves_its_input_alone(name):
    x = maps()
    before = x.clone()
    for values in positions(name):
        bent(name, x, **values)
        assert torch.equal(x, before), values


@every_op
def test_at_its_defaults_it_changes_nothing_if_it_says_so(name):
    x = maps()
    if OPS[name].identity:
        assert torch.allclose(bent(name, x), x, atol=1e-5), "or a slot would jump when it enters the plan"
    else:
        assert not torch.allclose(bent(name, x), x, atol=1e-3), "it could say identity"


@every_op
def test_each_of_its_parameters_does_something(name):
    x = maps()
    for key, item in OPS[name].parameters.items():
        moved = [
            (
                bent(name, x, **{**values, key: item.range.low}),
                bent(name, x, **{**values, key: item.range.from_unit(0.7)}),
            )
            for values in positions(name)
        ]
        assert any(not torch.allclose(one, other, atol=1e-3) for one, other in moved), key


@every_op
def test_the_same_values_give_the_same_maps(name):
    x = maps()
    for values in positions(name):
        assert torch.equal(bent(name, x, **values), bent(name, x, **values))


@every_op
def test_no_parameter_is_ever_read_back(name):
    x = torch.empty(2, 3, 16, 16, device="meta")  # tensors without values: an `if` on one of them raises
    for values in positions(name):
        assert bent(name, x, **values).shape == x.shape


@every_op
def test_maps_in_any_memory_order_give_the_same(name):
    x = maps()
    for values in positions(name):
        last = bent(name, x.contiguous(memory_format=torch.channels_last), **values)
        assert torch.allclose(last, bent(name, x, **values), atol=1e-4), values


@every_op
def test_each_picture_of_a_batch_is_bent_as_if_it_were_alone(name):
    x = maps()
    for values in positions(name):
        together = bent(name, x, **values)
        assert torch.allclose(together[:1], bent(name, x[:1], **values), atol=1e-4), values


@every_op
def test_it_runs_where_the_show_runs(name):
    with torch.inference_mode():
        bent(name, maps())


@every_op
def test_it_says_what_it_does(name):
    assert "[N, C, h, w]" in (OPS[name].function.__doc__ or "")


# --- closed forms: level


@pytest.mark.parametrize(("decibels", "times"), [(20 * math.log10(2), 2), (-60, 0.001), (0, 1), (-20, 0.1)])
def test_gain_is_in_decibels(decibels, times):
    x = maps()
    assert torch.allclose(bent("gain", x, amount=decibels), times * x, rtol=1e-5)


def test_threshold_cuts_a_stencil_of_the_lowest_and_the_highest():
    x = maps((1, 4, 16, 16))
    y = bent("threshold", x, level=0.3, soft=0.01)
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    height = (x - x.mean((2, 3), keepdim=True)) / x.std((2, 3), keepdim=True, correction=0)
    clear = (height - 0.3).abs() > 0.05
    assert torch.allclose(y[clear], torch.where(height > 0.3, high, low)[clear], atol=1e-4)


def test_threshold_leaves_a_flat_map_as_it_is():
    x = torch.full((1, 2, 8, 8), 3.0)
    assert torch.equal(bent("threshold", x), x)


# --- closed forms: where things are


def dot(row, column, size=9):
    x = torch.zeros(1, 1, size, size)
    x[0, 0, row, column] = 1
    return x


def where(x):
    """Row and column of the brightest place."""
    return divmod(x[0, 0].argmax().item(), x.shape[3])


def smooth(size=32):
    """Maps of a few slow waves, which any good interpolation gets right."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    return torch.stack([torch.sin(2 * x + y), torch.cos(3 * y - x), x * y])[None]


def test_turning_is_anticlockwise():
    right_of_the_centre = dot(4, 7)
    assert where(bent("turn", right_of_the_centre, angle=90.0)) == (1, 4), "it has come to the top"
    assert where(bent("turn", right_of_the_centre, angle=-90.0)) == (7, 4)
    assert where(bent("turn", right_of_the_centre, angle=180.0)) == (4, 1)


def test_four_quarter_turns_are_none():
    x = y = maps((1, 2, 16, 16))
    for quarter in range(1, 5):
        y = bent("turn", y, angle=90.0)
        assert torch.allclose(y, x.rot90(quarter, (2, 3)), atol=1e-4)
    assert torch.allclose(y, x, atol=1e-4)


def test_half_a_turn_is_the_same_both_ways():
    x = maps((1, 2, 16, 16))
    assert torch.allclose(bent("turn", x, angle=180.0), bent("turn", x, angle=-180.0), atol=1e-4)


def test_an_octave_of_zoom_doubles():
    y, x = torch.meshgrid(torch.linspace(-1, 1, 33), torch.linspace(-1, 1, 33), indexing="ij")
    ramps = torch.stack([x, y])[None]
    inner = (..., slice(3, -3), slice(3, -3))
    assert torch.allclose(bent("zoom", ramps, octaves=1.0)[inner], ramps[inner] / 2, atol=1e-5)
    assert where(bent("zoom", dot(4, 6), octaves=1.0)) == (4, 8), "away from the centre"


@pytest.mark.parametrize("octaves", [0.1, 0.5, 1.0])
def test_in_and_out_again_is_where_it_was_in_the_centre(octaves):
    x = smooth()
    there = bent("zoom", bent("zoom", x, octaves=octaves), octaves=-octaves)
    assert torch.allclose(there[..., 12:20, 12:20], x[..., 12:20, 12:20], atol=0.02)


@pytest.mark.parametrize("steps", [1, 3, 5])
def test_moving_by_whole_places_is_a_shift(steps):
    x = maps((1, 2, 16, 16))
    right, up = bent("move", x, right=steps / 16), bent("move", x, up=steps / 16)
    assert torch.allclose(right[..., steps:], x[..., :-steps], atol=1e-5), "right moves right"
    assert torch.allclose(up[..., :-steps, :], x[..., steps:, :], atol=1e-5), "up moves up"


def test_a_move_is_the_same_part_of_the_picture_at_every_size():
    for size in (8, 16, 32):
        assert where(bent("move", dot(size // 2, size // 2, size), right=0.25, up=0.25)) == (size // 4, 3 * size // 4)


@pytest.mark.parametrize(
    ("op", "value"), [("move/right", 0.3), ("move/up", -0.7), ("turn/angle", 30.0), ("zoom/octaves", -2.0)]
)
def test_beyond_the_border_is_no_dark_edge(op, value):
    name, parameter = op.split("/")
    assert torch.allclose(
        bent(name, torch.ones(1, 1, 16, 16), **{parameter: value}), torch.ones(1, 1, 16, 16), atol=1e-5
    )


# --- closed forms: grain


@pytest.mark.parametrize("phase", [0.0, 0.3, 0.8])
def test_grain_is_as_strong_as_it_says_at_every_phase(phase):
    x = maps((1, 4, 128, 128), scale=3.0)
    noise = bent("grain", x, amount=0.5, phase=phase) - x
    deviation = x.std((2, 3), correction=0)
    assert torch.allclose(noise.std((2, 3)) / deviation, torch.full((1, 4), 0.5), rtol=0.05)
    assert noise.mean((2, 3)).abs().max() < 0.05


def test_grain_boils_and_comes_back_after_one_turn():
    x = maps((1, 4, 32, 32))
    grains = [bent("grain", x, amount=1.0, phase=phase) - x for phase in (0.0, 0.25, 0.5, 1.0)]
    assert torch.allclose(grains[0], grains[3], atol=1e-5)
    assert torch.allclose(grains[0], -grains[2], atol=1e-5)
    quarter = torch.corrcoef(torch.stack([grains[0].flatten(), grains[1].flatten()]))[0, 1]
    assert abs(quarter) < 0.1, "a quarter turn later it is other noise"


def test_grain_is_of_its_seed():
    x = maps()
    assert torch.equal(bent("grain", x, amount=1.0, seed=4), bent("grain", x, amount=1.0, seed=4))
    assert not torch.allclose(bent("grain", x, amount=1.0, seed=4), bent("grain", x, amount=1.0, seed=5), atol=0.1)


def test_grain_on_a_flat_map_is_none():
    x = torch.full((1, 2, 8, 8), 3.0)
    assert torch.equal(bent("grain", x, amount=2.0), x)
