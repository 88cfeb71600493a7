"""Ways between latents, by closed form."""

import pytest
import torch

from instrument.latent.paths import catmull_rom, circle, normal, truncate


def keys(count=6, dim=16):
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


# --- truncation


def test_truncation_runs_on_the_line_from_the_mean_to_w():
    w, mean = keys(4), keys(1)[0] + 3
    assert torch.equal(truncate(w, torch.tensor(0.0, dtype=w.dtype), mean), mean.expand_as(w))
    assert torch.equal(truncate(w, torch.tensor(1.0, dtype=w.dtype), mean), w)
    for psi in (0.7, -0.5, 1.4):
        assert torch.allclose(truncate(w, torch.tensor(psi, dtype=w.dtype), mean), mean + psi * (w - mean))


# --- splines


def test_a_spline_passes_its_keys():
    for four in keys().unfold(0, 4, 1).movedim(-1, 1):
        assert torch.allclose(catmull_rom(four, 0.0), four[1], atol=1e-12)
        assert torch.allclose(catmull_rom(four, 1.0), four[2], atol=1e-12)


def test_a_spline_has_a_continuous_slope_half_the_way_between_the_neighbours():
    points, h = keys(), 1e-6
    for i in range(2):
        before, after = points[i : i + 4], points[i + 1 : i + 5]
        arriving = (catmull_rom(before, 1.0) - catmull_rom(before, 1 - h)) / h
        leaving = (catmull_rom(after, h) - catmull_rom(after, 0.0)) / h
        expected = (points[i + 3] - points[i + 1]) / 2
        assert torch.allclose(arriving, expected, atol=1e-4) and torch.allclose(leaving, expected, atol=1e-4)


def test_a_spline_through_keys_on_a_line_is_that_line_at_an_even_pace():
    line = torch.arange(4.0)[:, None] * torch.tensor([1.0, -2.0])
    for position in (0.1, 0.5, 0.9):
        assert torch.allclose(catmull_rom(line, position), (1 + position) * torch.tensor([1.0, -2.0]))


def test_a_spline_takes_keys_of_any_shape():
    assert catmull_rom(torch.zeros(4, 14, 512), 0.3).shape == (14, 512)


# --- circles


def test_a_circle_starts_at_the_first_and_is_at_the_second_after_a_quarter():
    first, second = keys(2, 64).float()
    assert torch.equal(circle(first, second, 0.0), first)
    assert torch.allclose(circle(first, second, 0.25), second, atol=1e-6)
    assert torch.allclose(circle(first, second, 0.5), -first, atol=1e-6)


@pytest.mark.parametrize("turns", [0.0, 0.37, 0.999, -0.2])
def test_a_circle_closes_also_after_ten_thousand_turns(turns):
    first, second = keys(2, 512).float()
    there = circle(first, second, turns)
    for whole in (1, 7, 10_000):
        assert torch.allclose(circle(first, second, turns + whole), there, atol=1e-6)


def test_every_point_of_a_circle_is_as_normal_as_its_two():
    random = torch.Generator().manual_seed(3)
    first, second = torch.randn(2, 200_000, generator=random)
    for turns in (0.0, 0.1, 0.125, 0.4, 0.77):
        z = circle(first, second, turns)
        assert z.mean().abs() < 0.01 and z.var().item() == pytest.approx(1, abs=0.02)


def test_a_circle_keeps_the_type():
    assert circle(torch.zeros(3), torch.zeros(3), 0.3).dtype == torch.float32


# --- seeds


def test_a_seed_is_a_place():
    assert torch.equal(normal(5, 64), normal(5, 64)) and not torch.equal(normal(5, 64), normal(6, 64))
    z = normal(5, 100_000)
    assert z.mean().abs() < 0.02 and z.var().item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("seed", [-1, 0, 2**63 - 1, -(2**63) + 1])
def test_every_whole_number_of_64_bits_is_a_seed(seed):
    assert normal(seed, 4).isfinite().all()
