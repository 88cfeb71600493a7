"""Pairs: a world's factors are axes of the latent space."""

import pytest
import torch

from instrument.training.pairs import factors_at, placed, unlike


def test_a_factor_is_found_again_at_its_place():
    factors = torch.rand(200, 23)
    z = placed(factors, 128)
    assert z.shape == (200, 128)
    assert torch.allclose(z.square().mean(1), torch.ones(200), atol=1e-4)
    assert torch.allclose(factors_at(z, 23), factors.clamp(0.001, 0.999), atol=1e-4)
    assert torch.allclose(factors_at(3 * z, 23), factors.clamp(0.001, 0.999), atol=1e-4), "the length says nothing"


def test_random_points_are_random_factors():
    found = factors_at(torch.randn(20_000, 64), 8)
    assert found.mean(0) == pytest.approx(torch.full((8,), 0.5), abs=0.01)
    assert found.var(0) == pytest.approx(torch.full((8,), 1 / 12), abs=0.003)


def test_without_factors_a_point_is_random():
    assert placed(torch.zeros(3, 0), 16).square().mean(1) == pytest.approx(torch.ones(3), abs=1e-4)


def test_pictures_are_unlike_as_far_as_they_differ_at_any_size():
    picture = torch.rand(2, 3, 32, 32)
    assert unlike(picture, picture) == 0
    assert unlike(picture, picture + 0.5) == pytest.approx(0.5)
    noise = torch.rand(2, 3, 32, 32) - 0.5
    assert unlike(picture, picture + noise) < 0.15, "what is only fine counts less than what is there at every size"
