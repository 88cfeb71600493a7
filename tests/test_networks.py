"""The networks that learn: the same mathematics as the one that plays."""

import subprocess
import sys

import pytest
import torch
from parts import tiny

from instrument.networks.mapping import MappingNetwork
from instrument.networks.simple import Simple
from instrument.networks.stylegan2 import planned
from instrument.training.networks import Discriminator, Generator, deviation, fresh

CONFIG = tiny(32, 256, 32, z_dim=16, w_dim=24, mapping_layers=3)


@pytest.fixture(scope="module")
def weights():
    found = fresh(CONFIG, 1)
    random = torch.Generator().manual_seed(2)
    for name, weight in found.items():  # nothing may be 0 by chance of being fresh
        if name.endswith(("bias", "noise_strength")):
            weight += 0.3 * torch.randn(weight.shape, generator=random)
    return found


def test_it_makes_the_pictures_that_the_playing_network_makes(weights):
    z = torch.randn(3, CONFIG.z_dim, generator=torch.Generator().manual_seed(3))
    ours = Generator(CONFIG, weights)
    rows, plan = MappingNetwork(weights, CONFIG)(z), planned(CONFIG, weights)
    assert torch.allclose(ours.map(z), rows[:, 0], atol=1e-5)
    played = Simple(plan)(plan.styles(rows), torch.zeros(plan.noisy), lambda _, x: x)
    assert torch.allclose(ours.synthesize(rows, None), played, atol=1e-4)


def test_in_16_bits_they_are_nearly_the_same(weights):
    z = torch.randn(2, CONFIG.z_dim, generator=torch.Generator().manual_seed(3))
    exact, short = (Generator(CONFIG, weights, kind)(z, None) for kind in (torch.float32, torch.bfloat16))
    assert ((short.float() - exact).square().mean() / exact.square().mean()).sqrt() < 0.05


def test_its_weights_come_out_as_they_went_in(weights):
    out = Generator(CONFIG, weights).weights()
    assert out.keys() == weights.keys()
    assert all(torch.equal(out[name], weights[name]) for name in weights)


def test_every_weight_that_learns_has_a_slope(weights):
    ours, judge = Generator(CONFIG, weights), Discriminator(CONFIG)
    judge(ours(torch.randn(4, CONFIG.z_dim))).sum().backward()
    for net in (ours, judge):
        assert [name for name, weight in net.named_parameters() if weight.grad is None or not weight.grad.any()] == []


def test_noise_is_new_each_time_and_can_be_left_out(weights):
    ours, z = Generator(CONFIG, weights), torch.randn(1, CONFIG.z_dim)
    assert not torch.equal(ours(z), ours(z))
    assert torch.equal(ours(z, None), ours(z, None))


@pytest.mark.parametrize("batch", [1, 2, 4, 6, 8])
def test_the_judge_scores_each_picture_and_takes_any_batch(batch):
    assert Discriminator(CONFIG)(torch.randn(batch, 3, 32, 32)).shape == (batch,)


def test_the_judge_sees_when_all_pictures_are_alike():
    alike = torch.randn(1, 8, 4, 4).expand(8, -1, -1, -1)
    assert deviation(alike).max() < 1e-3 < deviation(torch.randn(8, 8, 4, 4)).min()


def test_the_deviation_is_that_of_every_so_many_pictures():
    x = torch.randn(8, 3, 4, 4)
    for group in ([0, 2, 4, 6], [1, 3, 5, 7]):
        wanted = x[group].std(0, correction=0).mean()
        assert deviation(x)[group].flatten() == pytest.approx(wanted.expand(64), rel=1e-4)


@pytest.mark.parametrize(("blocks", "learning"), [(0, 5), (1, 3), (2, 2)])
def test_frozen_blocks_of_the_judge_do_not_learn(blocks, learning):
    judge = Discriminator(CONFIG)
    judge.freeze(blocks)
    parts = [judge.enter, *judge.blocks, judge.last]
    assert sum(all(weight.requires_grad for weight in part.parameters()) for part in parts) == learning


def test_a_judge_is_flattened_on_one_thread_too():
    """In a process of its own, because what may go wrong there is a crash inside oneDNN."""
    program = """
import torch
from instrument.training.judge import Judge
from instrument.training.recipe import Recipe, network
torch.set_num_threads(1)
judge = Judge(Recipe(network("small", 128), batch=32), torch.bfloat16)
judge.steepness(torch.zeros(32, 3, 128, 128)).backward()
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=120).returncode == 0
