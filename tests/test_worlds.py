"""The worlds: pictures that are functions of their factors, worth seeing, and made to be learnt."""

import itertools

import cv2
import numpy as np
import pytest
import torch

from instrument.training.pictures import factors_of, world, worlds

every_world = pytest.mark.parametrize("name", worlds())
SIZE = 48


def pictures(name, count=12, resolution=SIZE, seed=3):
    made = world(f"world:{name}")
    return made.render(factors_of(made, count, seed), resolution)


def test_there_are_two():
    assert worlds() == ["blooms", "liquid"]


@every_world
@pytest.mark.parametrize("resolution", [32, 48])
def test_a_picture_has_the_size_that_was_asked_for_and_lies_in_0_to_1(name, resolution):
    found = pictures(name, 3, resolution)
    assert found.shape == (3, 3, resolution, resolution)
    assert found.dtype == torch.float32
    assert found.min() >= 0
    assert found.max() <= 1
    assert found.isfinite().all()


@every_world
def test_the_same_factors_are_the_same_picture_alone_or_among_others(name):
    made = world(f"world:{name}")
    factors = factors_of(made, 5)
    together = made.render(factors, SIZE)
    assert torch.equal(together, made.render(factors, SIZE))
    alone = torch.cat([made.render(one[None], SIZE) for one in factors])
    assert torch.allclose(together, alone, atol=1e-4)


@every_world
def test_every_factor_is_named_once_and_changes_some_picture(name):
    made = world(f"world:{name}")
    assert len(set(made.FACTORS)) == len(made.FACTORS)
    base = factors_of(made, 6, seed=5)
    before = made.render(base, SIZE)
    for index, factor in enumerate(made.FACTORS):
        moved = base.clone()
        moved[:, index] = (moved[:, index] + 0.5) % 1
        change = (made.render(moved, SIZE) - before).abs().mean((1, 2, 3))
        assert change.max() > 0.003, factor


@every_world
def test_no_factor_makes_a_picture_jump(name):
    """Where a factor changes a picture most, smaller steps change it less."""
    made = world(f"world:{name}")
    base = factors_of(made, 3, seed=6)

    def changes(one, index, low, high, steps):
        way = one.repeat(steps + 1, 1)
        way[:, index] = torch.linspace(low, high, steps + 1)
        found = made.render(way, 32)
        return (found[1:] - found[:-1]).abs().mean((1, 2, 3))

    for one, (index, factor) in itertools.product(base, enumerate(made.FACTORS)):
        coarse = changes(one, index, 0.0, 1.0, 50)
        place = int(coarse.argmax())
        fine = changes(one, index, place / 50, (place + 1) / 50, 8)
        assert fine.max() < 0.7 * coarse.max() + 0.001, factor


@every_world
def test_no_two_are_alike_and_none_is_a_dud(name):
    found = pictures(name, 24).flatten(1)
    apart = torch.cdist(found, found) / found.shape[1] ** 0.5
    assert apart.fill_diagonal_(1).min() > 0.05
    assert found.std(1).min() > 0.05
    assert found.mean(1).max() < 0.8


def test_a_bloom_lies_whole_in_the_picture_fills_it_and_stands_upright():
    found = pictures("blooms", 48).amax(1)  # [N, h, w]
    border = torch.cat([found[:, 0], found[:, -1], found[:, :, 0], found[:, :, -1]], 1)
    assert border.max() < 0.25, "nothing is cut off"
    lit = found > 0.25
    height, width = (lit.any(axis).float().sum(1) for axis in (2, 1))
    assert torch.maximum(height, width).min() > 0.6 * SIZE, "one scale"
    sides = (found - found.flip(2)).abs().mean((1, 2)) / found.mean((1, 2))
    assert sides.median() < 0.6, "a petal at twelve o'clock: left and right nearly agree"


def test_blooms_have_every_hue_about_as_often():
    found = pictures("blooms", 96, 32).permute(0, 2, 3, 1).numpy()
    hues = []
    for picture in found:
        hue, saturation, value = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV))
        strong = (saturation > 0.4) & (value > 0.3)
        hues += [np.angle(np.exp(1j * np.deg2rad(hue[strong])).mean())] if strong.sum() > 10 else []
    counts, _ = np.histogram(hues, 6, (-np.pi, np.pi))
    assert counts.min() > 0.06 * len(hues)
    assert counts.max() < 0.3 * len(hues)


@every_world
def test_a_picture_is_what_it_was(name):
    """Its colours in the middle of each quarter, to what a processor's last bits may change."""
    golden = {
        "blooms": [0.1638, 0.166, 0.1173, 0.1189, 0.1245, 0.126, 0.1011, 0.0985],
        "liquid": [0.433, 0.3875, 0.4935, 0.4858, 0.4825, 0.4285, 0.4084, 0.4001],
    }
    small = torch.nn.functional.adaptive_avg_pool2d(pictures(name, 2, seed=11), 2).mean(1).flatten().tolist()
    assert small == pytest.approx(golden[name], abs=0.004)
