"""StyleGAN3 turns and moves its picture itself, and patches for the other kind of network play it."""

import logging
import math
from pathlib import Path

import pytest
import torch
from parts import CPU

from instrument import catalog
from instrument.assemble import assemble
from instrument.casting import nearest
from instrument.flow import Latent
from instrument.generators import load
from instrument.networks import llvm, tiles
from instrument.networks.lean_waves import LeanWaves
from instrument.networks.simple import SimpleWaves
from instrument.networks.stylegan3 import moved
from instrument.patch import read_patch
from instrument.scene import read_scene
from instrument.show import Show

GOLDEN = Path(__file__).parent / "golden"
REST = {"truncation": 1.0, "turn": 0.0, "x": 0.0, "y": 0.0}


@pytest.fixture(scope="module")
def waves():
    return load(GOLDEN / "stylegan3_t_32.pkl")


def untouched(layer, x):
    return x


def drawn(generator, bend=untouched, **faders):
    values = {name: torch.tensor(value) for name, value in {**REST, **faders}.items()}
    w = generator.map(torch.randn(1, generator.z_dim, generator=torch.Generator().manual_seed(1)))[0]
    return generator.render(Latent(w), bend, **values)


def test_at_rest_it_draws_what_it_learnt(waves):
    w = waves.map(torch.randn(1, waves.z_dim, generator=torch.Generator().manual_seed(1)))
    assert torch.allclose(drawn(waves), waves.synthesize(w)[0], atol=1e-5)


@pytest.mark.parametrize("name", ["stylegan3_t_32", "stylegan3_r_32"])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("on_tiles", [False, True])
def test_lean_draws_what_the_papers_say_and_shows_bends_the_same_maps(monkeypatch, name, count, on_tiles):
    on_tiles = on_tiles and llvm.lanes() > 0
    monkeypatch.setattr(tiles, "pay", lambda weight, up, precision, size: on_tiles and weight.shape[2] == 3)
    plan = load(GOLDEN / f"{name}.pkl").plan
    w = torch.randn(count, 8, 32, generator=torch.Generator().manual_seed(2))
    transform, seen = moved(*map(torch.tensor, (0.2, 0.1, 0.3))), []

    def noted(layer, x):
        seen.append((layer, x.clone()))
        return x

    one, other = (kind(plan)(plan.styles(w), transform, noted) for kind in (SimpleWaves, LeanWaves))
    assert (one - other).abs().max() <= 1e-4 * one.abs().max()
    half = len(seen) // 2
    for (layer, x), (same, y) in zip(seen[:half], seen[half:], strict=True):
        assert layer == same and (x - y).abs().max() <= 1e-4 * x.abs().max()


def test_motion_is_its_inverse_as_a_matrix():
    turn, x, y = 0.3, 0.1, -0.05
    there = torch.tensor([[math.cos(turn), -math.sin(turn), x], [math.sin(turn), math.cos(turn), y], [0, 0, 1]])
    found = moved(*map(torch.tensor, (turn, x, y)))
    assert torch.allclose(found @ there, torch.eye(3), atol=1e-6)


def test_a_whole_turn_is_none_and_a_part_of_one_is(waves):
    assert torch.allclose(drawn(waves, turn=180.0), drawn(waves, turn=-180.0), atol=1e-4)
    assert not torch.allclose(drawn(waves, turn=90.0), drawn(waves), atol=1e-2)


def test_moving_shifts_what_is_drawn(waves):
    still = drawn(waves)
    aside = drawn(waves, x=8 / 32)  # a quarter of the picture: 8 px to the right
    down = drawn(waves, y=8 / 32)

    def like(one, other):
        return torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1]

    assert like(aside[:, :, 8:], still[:, :, :-8]) > 0.9 > like(aside, still)
    assert like(down[:, 8:], still[:, :-8]) > 0.9 > like(down, still)


def test_its_layers_are_what_bends_get(waves):
    seen = {}

    def noted(layer, x):
        seen[layer] = tuple(x.shape[1:])
        return x

    drawn(waves, noted)
    assert seen == waves.layers() and list(seen) == ["input", "L0", "L1", "L2", "L3", "L4", "L5", "rgb"]


@pytest.mark.parametrize("layer", ["input", "L0", "L1", "L2", "L3", "L4", "L5", "rgb"])
def test_a_bend_at_any_layer_is_seen(waves, layer):
    bent = drawn(waves, lambda here, x: x.flip(3) if here == layer else x)
    assert bent.isfinite().all() and not torch.allclose(bent, drawn(waves), atol=1e-3)


def test_a_layer_of_the_other_kind_is_the_first_that_is_as_large(waves):
    layers = waves.layers()
    assert nearest("b4.const", layers) == "input" and nearest("b4.conv1", layers) == "L0"
    assert nearest("b32.conv0", layers) == "L2" and nearest("b1024.conv1", layers) == "L5"
    assert nearest("b64.rgb", layers) == "rgb" and nearest("L3", layers) == "L3"
    assert nearest("b33.conv0", layers) == "b33.conv0" and nearest("c32.conv0", layers) == "c32.conv0"


def test_the_shipped_show_plays_on_it_less_what_it_has_not(caplog):
    caplog.set_level(logging.INFO)
    patch = read_patch(catalog.data("patches", "audio"))
    scene = read_scene(catalog.data("scenes", "first-light"))
    show = Show(live=False, model=str(GOLDEN / "stylegan3_t_32.pkl"), device=CPU)
    rig = assemble(patch_without_edges(patch), scene, show)
    try:
        with torch.inference_mode():
            rig.warm()
    finally:
        rig.close()
    assert "generator/noise" not in rig.matrix.index and "generator/turn" in rig.matrix.index
    assert any("this model has no generator/noise; the scene goes without" in line for line in caplog.messages)


def patch_without_edges(patch):
    from dataclasses import replace

    return replace(patch, inputs={}, outputs={})
