"""The master: freeze, size, level."""

import pytest
import torch

from instrument.master import Master, framed
from instrument.parameters import declared

ONE = torch.tensor(1.0)


def picture(width, height, seed=1):
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def bars(image):
    """Which rows and which columns are all black, as the first and last that are not."""
    lit = image.gt(-0.99).any(0)
    rows, columns = lit.any(1).nonzero().flatten(), lit.any(0).nonzero().flatten()
    return (rows[0].item(), rows[-1].item()), (columns[0].item(), columns[-1].item())


def test_at_its_defaults_the_picture_is_what_it_was_bit_for_bit():
    image = picture(8, 8)
    assert torch.equal(Master()(image, level=ONE, freeze=0.0), image)


def test_level_zero_is_black_and_half_is_half_the_light():
    image = picture(8, 8)
    master, light = Master(), (image + 1) / 2
    assert torch.equal(master(image, level=torch.tensor(0.0)), torch.full_like(image, -1))
    assert torch.allclose((master(image, level=torch.tensor(0.5)) + 1) / 2, light / 2, atol=1e-6)


def test_frozen_it_holds_the_picture_and_still_dims_it():
    master, first, second = Master(), picture(8, 8), picture(8, 8, 2)
    master(first, level=ONE, freeze=0.0)
    assert torch.equal(master(second, level=ONE, freeze=1.0), first)
    assert torch.equal(master(second, level=ONE, freeze=0.5), first), "from a half up"
    assert master(second, level=torch.tensor(0.0), freeze=1.0).eq(-1).all()
    assert torch.equal(master(second, level=ONE, freeze=0.49), second)


def test_frozen_while_one_picture_dissolves_into_another_it_holds_what_is_seen_and_goes_on_from_there():
    master, flat = Master(), torch.ones(3, 4, 4)
    master(flat * 0.5, 0.0, level=ONE, freeze=0.0)
    master.dissolve(0.0, 1.0)
    seen = master(flat * -0.5, 0.25, level=ONE, freeze=0.0)
    assert torch.allclose(seen, flat * 0.25)
    for now in (0.5, 0.9, 2.0):
        assert torch.equal(master(flat * -0.5, now, level=ONE, freeze=1.0), seen)
    assert torch.allclose(master(flat * -0.5, 2.5, level=ONE, freeze=0.0), flat * -0.125)
    assert torch.equal(master(flat * -0.5, 3.1, level=ONE, freeze=0.0), flat * -0.5)


def test_a_picture_of_another_size_is_framed_as_the_first_was():
    master = Master()
    master(picture(8, 8), level=ONE, freeze=0.0)
    master.dissolve(0.0, 1.0)
    assert master(picture(16, 16), 0.5, level=ONE, freeze=0.0).shape == (3, 8, 8)


def test_frozen_from_the_start_it_holds_the_first_picture():
    master, first = Master(), picture(8, 8)
    assert torch.equal(master(first, level=ONE, freeze=1.0), first)
    assert torch.equal(master(picture(8, 8, 2), level=ONE, freeze=1.0), first)


def test_the_held_picture_does_not_change_when_it_is_dimmed():
    master, first = Master(), picture(8, 8)
    kept = first.clone()
    master(first, level=torch.tensor(0.3), freeze=1.0)
    assert torch.equal(first, kept) and torch.equal(master(first, level=ONE, freeze=1.0), kept)


@pytest.mark.parametrize("framing", ["fill", "letterbox", "fit"])
@pytest.mark.parametrize("size", [(16, 16), (32, 18), (18, 32), (64, 64), (7, 5), (100, 3)])
@pytest.mark.parametrize("model", [(16, 16), (24, 10)])
def test_every_framing_gives_the_size_that_was_asked_for(framing, size, model):
    width, height = size
    found = Master(size, framing)(picture(*model), level=ONE)
    assert found.shape == (3, height, width) and found.isfinite().all()


def test_the_models_own_size_is_left_bit_for_bit():
    image = picture(16, 16)
    for framing in ("fill", "letterbox", "fit"):
        assert framed(image, (16, 16), framing) is image


def test_letterbox_centres_the_whole_picture_between_black_bars():
    white = torch.ones(3, 16, 16)
    assert bars(framed(white, (64, 32), "letterbox")) == ((0, 31), (16, 47))
    assert bars(framed(white, (32, 64), "letterbox")) == ((16, 47), (0, 31))


def test_fill_and_fit_leave_no_bar():
    white = torch.ones(3, 16, 16)
    for framing in ("fill", "fit"):
        assert framed(white, (64, 32), framing).gt(0.99).all()


def test_fill_crops_evenly_and_fit_stretches():
    ramp = torch.linspace(-1, 1, 16).view(1, 1, 16).expand(3, 16, 16)  # dark left, bright right
    filled, fitted = framed(ramp, (32, 64), "fill"), framed(ramp, (32, 64), "fit")
    middle = filled[0, 32]
    assert middle[0] == pytest.approx(-middle[-1].item(), abs=1e-4) and middle[-1] < 0.6, "both sides lose the same"
    assert fitted[0, 32, 0] < -0.95 and fitted[0, 32, -1] > 0.95, "nothing is lost"


@pytest.mark.parametrize("size", [(20, 64), (64, 20), (20, 20)])
def test_made_smaller_in_any_direction_fine_lines_become_grey_and_do_not_shimmer(size):
    stripes = torch.ones(3, 64, 64)
    stripes[:, ::2] = -1
    stripes[:, :, ::2] = -1  # a quarter of the dots is lit: a mean of -0.5
    small = framed(stripes, size, "fit")
    shrunk = [axis for axis, length in ((1, size[1]), (2, size[0])) if length < 64]
    inner = small[:, 2:-2, 2:-2]
    assert all(inner.diff(dim=axis).abs().max() < 0.3 for axis in shrunk)
    assert inner.mean() == pytest.approx(-0.5, abs=0.05)


def test_level_and_freeze_are_its_parameters():
    assert {name: item.default for name, item in declared(Master.__call__).items()} == {"level": 1.0, "freeze": 0.0}


def test_what_is_not_a_number_is_black_in_a_blackout_and_grey_in_the_light():
    broken = torch.full((3, 8, 8), float("nan"))
    assert Master()(broken, level=torch.tensor(0.0)).eq(-1).all()
    assert Master()(broken, level=torch.tensor(1.0)).eq(0).all()
