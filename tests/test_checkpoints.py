"""Other people's networks draw what they drew where they came from, and nothing in their files is ever run."""

import json
from pathlib import Path

import checkpoint_files
import pytest
import torch
from parts import random_weights, tiny
from safetensors import safe_open

from instrument.__main__ import command_line
from instrument.checkpoints.files import outline, read_checkpoint
from instrument.generators import load
from instrument.networks.simple import Simple
from instrument.networks.stylegan2 import planned

GOLDEN = Path(__file__).parent / "golden"
PICKLES = sorted(GOLDEN.glob("*.pkl"))
every_pickle = pytest.mark.parametrize("file", PICKLES, ids=lambda path: path.stem)


def agrees(found, told):
    assert found.shape == told.shape
    assert (found - told).abs().max() <= 1e-4 * told.abs().max()


def told_by(file):
    """What a golden file says goes in and comes out, and what it says of itself."""
    with safe_open(file.with_suffix(".safetensors"), "pt") as opened:
        return {name: opened.get_tensor(name) for name in opened.keys()}, opened.metadata()


# --- parity


def draws_what_is_told(generator, file):
    told, about = told_by(file)
    cutoff, checked = json.loads(about["truncation_cutoff"]), 0
    for psi in (1.0, 0.6):
        if f"out.ws.psi{psi}" in told:
            w = generator.map(told["in.z"], told.get("in.c"), psi, cutoff)
            agrees(w, told[f"out.ws.psi{psi}"])
            checked += 1
            if f"out.img.psi{psi}" in told:
                agrees(generator.synthesize(w), told[f"out.img.psi{psi}"])
    if "out.img.nonoise" in told:
        agrees(
            generator.synthesize(generator.map(told["in.z"], told.get("in.c")), noise="none"), told["out.img.nonoise"]
        )
    if "out.img.transformed" in told:
        w = generator.map(told["in.z"])
        agrees(generator.synthesize(w, transform=told["in.transform"]), told["out.img.transformed"])
    if "in.ws" in told:
        agrees(generator.synthesize(told["in.ws"]), told["out.img.wplus"])
        checked += 1
    assert checked


@every_pickle
def test_a_pickle_plays_as_it_did_where_it_came_from(file):
    draws_what_is_told(load(file), file)


@every_pickle
def test_so_does_the_model_folder_that_is_made_of_it(file, tmp_path):
    assert command_line(["import", str(file), "-o", str(tmp_path / "made"), "--device", "cpu"]) == 0
    draws_what_is_told(load(tmp_path / "made"), file)


@every_pickle
def test_every_number_arrives_as_it_is(file):
    told, _ = told_by(file)
    weights = read_checkpoint(file).weights
    ours = {name.removeprefix("G."): value for name, value in told.items() if name.startswith("G.")}
    assert all(torch.equal(weights[name], value) for name, value in ours.items())


def test_the_resnet_draws_what_it_drew(tmp_path):
    told, _ = told_by(GOLDEN / "stylegan2_resnet_32.pkl")
    weights = {name.removeprefix("G."): value for name, value in told.items() if name.startswith("G.")}
    network = tiny(32, 512, 32, z_dim=32, w_dim=32, architecture="resnet")
    file = tmp_path / "resnet.pkl"
    file.write_bytes(checkpoint_files.nvidia(network, weights))
    generator = load(file)
    agrees(generator.synthesize(generator.map(told["in.z"])), told["out.img.psi1.0"])
    agrees(generator.synthesize(generator.map(told["in.z"], truncation=0.6)), told["out.img.psi0.6"])
    agrees(generator.synthesize(generator.map(told["in.z"]), noise="none"), told["out.img.nonoise"])


# --- forms


KINDS = {
    "skip": tiny(),
    "resnet": tiny(architecture="resnet"),
    "orig": tiny(architecture="orig"),
    "grey": tiny(colours=1),
    "without noise": tiny(noise=False),
    "without a clamp": tiny(clamp=0.0),
    "with classes": tiny(classes=3),
    "with a mean for each class": tiny(classes=3, averages=True),
    "with another rate": tiny(rate=0.1),
    "at 64 px": tiny(64, 256, 16),
}


def drawn(model):
    """Two pictures of a network, the plain way."""
    plan = planned(model.network, model.weights)
    w = torch.randn(2, model.network.num_ws, model.network.w_dim, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        return Simple(plan)(plan.styles(w), torch.ones(plan.noisy), lambda _, x: x)


@pytest.mark.parametrize("network", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_kind_of_stylegan2_is_read_in_every_protocol(tmp_path, network, protocol):
    weights = random_weights(network)
    file = tmp_path / "net.pkl"
    file.write_bytes(checkpoint_files.nvidia(network, weights, protocol))
    model = read_checkpoint(file)
    assert model.network == network
    assert weights.keys() == model.weights.keys()
    assert all(torch.equal(weights[name], model.weights[name]) for name in weights)


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
def test_the_pickles_of_tensorflow_are_the_same_networks(tmp_path, architecture):
    network = tiny(architecture=architecture, clamp=0.0)
    weights = random_weights(network)
    file = tmp_path / "net.pkl"
    file.write_bytes(checkpoint_files.tensorflow(network, weights))
    model = read_checkpoint(file)
    assert model.network == network
    assert all(torch.allclose(weights[name], model.weights[name], atol=1e-6) for name in weights)


@pytest.mark.parametrize("older", [False, True])
def test_so_are_rosinality_s_files_of_both_kinds(tmp_path, older):
    network = tiny(clamp=0.0)
    weights = random_weights(network)
    file = tmp_path / "net.pt"
    file.write_bytes(checkpoint_files.rosinality(network, weights, older))
    model = read_checkpoint(file)
    assert model.network == network
    assert all(torch.equal(weights[name], model.weights[name]) for name in weights)


def test_where_the_mean_w_is_missing_it_is_measured(tmp_path):
    network = tiny(clamp=0.0)
    weights = random_weights(network)
    file = tmp_path / "net.pt"
    file.write_bytes(checkpoint_files.rosinality(network, weights, mean=False))
    model = read_checkpoint(file)
    generator = load(file)
    many = generator.map(torch.randn(20_000, 8, generator=torch.Generator().manual_seed(9)))[:, 0].mean(0)
    assert torch.allclose(model.weights["mapping.w_avg"], many, atol=0.05 * many.abs().max().item())


@pytest.mark.parametrize("kind", ["F2", "F8", "bfloat16"])
def test_numbers_of_other_lengths_are_read_as_they_are(tmp_path, kind):
    network = tiny(clamp=0.0)
    to = {"F2": torch.float16, "F8": torch.float64, "bfloat16": torch.bfloat16}[kind]
    weights = {name: value.to(to) for name, value in random_weights(network).items()}
    file = tmp_path / "net.pt"
    file.write_bytes(checkpoint_files.rosinality(network, weights))
    model = read_checkpoint(file)
    assert all(torch.equal(weights[name].float(), model.weights[name]) for name in weights if "filter" not in name)


def test_a_file_says_what_is_in_it(tmp_path):
    lines = outline(GOLDEN / "stylegan3_t_32.pkl")
    assert any("SynthesisNetwork" in line for line in lines)
    assert any("[32, 32, 3, 3]" in line for line in lines)
    file = tmp_path / "net.pkl"
    file.write_bytes(checkpoint_files.nvidia(tiny(), random_weights(tiny())))
    assert not any("/home/someone" in line for line in outline(file)), (
        "where its maker kept pictures is nobody's business"
    )
