"""Pairs: a world's factors are axes of the latent space."""

import pytest
import torch
from parts import needs_weights

from instrument.training.features import Features
from instrument.training.pairs import attentive, between, placed, seen_unlike, unlike, width


def factors_at(z, count):
    """The first factors that points stand for, whatever their length."""
    return torch.special.ndtr(z[:, :count] / z.square().mean(1, keepdim=True).sqrt())


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


def test_a_fresh_network_hears_the_factors_alone():
    weights = {"mapping.fc0.weight": torch.randn(16, 40), "synthesis.b4.conv1.noise_strength": torch.zeros(())}
    attentive(weights, 23)
    assert weights["synthesis.b4.conv1.noise_strength"] > 0, "or the fader for noise would do nothing"
    assert weights["mapping.fc0.weight"][:, 23:].count_nonzero() == 0
    heard = (placed(torch.rand(500, 23), 40) @ weights["mapping.fc0.weight"].t()).var(0).mean()
    assert heard == pytest.approx(40, rel=0.35), "as strongly as all axes together would be"


def test_there_is_room_for_the_length_beside_the_factors():
    assert (width(23), width(43)) == (40, 64)
    assert placed(torch.rand(1000, 43), width(43)).square().mean(1) == pytest.approx(torch.ones(1000), abs=0.5)


def test_half_of_the_points_move_towards_one_another():
    w = torch.randn(8, 5)
    moved = between(w, 4)
    assert torch.equal(moved[:4], w[:4])
    for old, new, other in zip(w[4:], moved[4:], w[4:].roll(1, 0), strict=True):
        part = (new - old) / (other - old)
        assert torch.allclose(part, part[0].expand(5), atol=1e-4)
        assert 0 <= part[0] <= 1


@needs_weights
def test_trained_eyes_see_how_far_pictures_are_apart():
    eyes, picture = Features(), torch.rand(1, 3, 64, 64) * 2 - 1
    made = picture.lerp(torch.rand(1, 3, 64, 64) * 2 - 1, 0.1).requires_grad_()
    seen = seen_unlike(eyes, made, picture)
    assert 0 < seen < seen_unlike(eyes, -picture, picture)
    assert seen_unlike(eyes, picture, picture) == 0
    seen.backward()
    assert made.grad.abs().sum() > 0


@needs_weights
def test_large_pictures_are_seen_through_a_window_that_moves():
    torch.manual_seed(0)
    eyes, picture = Features(), torch.rand(1, 3, 256, 256) * 2 - 1
    other = picture.clone()
    other[:, :, :64, :64] *= -1
    seen = [bool(seen_unlike(eyes, other, picture) > 0) for _ in range(12)]
    assert {True, False} == set(seen), "now with the corner, now without it"
