"""The network draws what the published implementation draws, and refuses every model folder that is not one."""

import itertools
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import tomli_w
import torch
from parts import CPU, TINY, tiny, write_model
from safetensors.torch import load_file, save_file

from instrument import catalog
from instrument.bend import OPS
from instrument.flow import Latent
from instrument.generators.stylegan2 import Generator
from instrument.model import model_toml, read_network

GOLDEN = Path(__file__).parent / "golden"
SKIP = tiny(32, 512, 32, z_dim=32, w_dim=32, mapping_layers=4)
WPLUS = tiny(32, 512, 32, z_dim=32, w_dim=32, clamp=3.0)


def untouched(layer, x):
    return x


def drawn(generator, w, truncation=1.0, noise=1.0, bend=untouched):
    """The pictures of w [N, num_ws, w_dim] as [N, 3, R, R]."""
    faders = {"truncation": torch.tensor(truncation), "noise": torch.tensor(noise)}
    return torch.stack([generator.render(Latent(row), bend, **faders) for row in w])


def agrees(found, told):
    """Within a ten-thousandth of the largest value."""
    assert found.shape == told.shape
    assert (found - told).abs().max() <= 1e-4 * told.abs().max()


def golden(folder, name, config):
    """A generator with the weights of a golden file, and what the file says goes in and comes out."""
    told = load_file(GOLDEN / f"stylegan2_{name}_32.safetensors")
    weights = {key.removeprefix("G."): weight for key, weight in told.items() if key.startswith("G.")}
    assert weights.keys() == config.shapes().keys(), "names of weights are those of published networks"
    write_model(folder, config, **weights)
    return Generator(folder, CPU), told


@pytest.fixture(scope="module")
def skip(tmp_path_factory):
    return golden(tmp_path_factory.mktemp("skip"), "skip", SKIP)


@pytest.fixture(scope="module")
def wplus(tmp_path_factory):
    return golden(tmp_path_factory.mktemp("wplus"), "wplus", WPLUS)


@pytest.fixture
def w(generator):
    return generator.map(torch.randn(3, generator.z_dim, generator=torch.Generator().manual_seed(3)))


# --- parity


def test_z_becomes_the_same_w(skip, wplus):
    for generator, told in (skip, wplus):
        agrees(generator.map(told["in.z"]), told["out.ws.psi1.0"])


def test_truncation_gives_the_same_w(skip):
    from instrument.latent.paths import truncate

    generator, told = skip
    agrees(truncate(generator.map(told["in.z"]), torch.tensor(0.6), generator.mapping.mean), told["out.ws.psi0.6"])


@pytest.mark.parametrize(
    ("truncation", "noise", "name"), [(1.0, 1.0, "psi1.0"), (0.6, 1.0, "psi0.6"), (1.0, 0.0, "nonoise")]
)
def test_w_becomes_the_same_picture(skip, truncation, noise, name):
    generator, told = skip
    agrees(drawn(generator, generator.map(told["in.z"]), truncation, noise), told[f"out.img.{name}"])


def test_a_row_of_w_for_each_layer_and_a_tight_clamp_give_the_same_picture(wplus):
    generator, told = wplus
    agrees(drawn(generator, told["in.ws"]), told["out.img.wplus"])
    assert (told["in.ws"][0] != told["in.ws"][0, 0]).any(), "its rows do differ"


def test_pictures_of_a_batch_are_those_of_each_alone(skip):
    generator, told = skip
    ws = generator.map(told["in.z"])
    together = generator.synthesize(ws)
    agrees(together, told["out.img.psi1.0"])


# --- shapes, layers, parameters


@pytest.mark.parametrize("resolution", [8, 16, 32])
def test_every_resolution_has_its_layers_and_they_are_what_bends_get(tmp_path, resolution):
    generator = Generator(write_model(tmp_path, tiny(resolution)), CPU)
    seen = {}

    def noted(layer, x):
        seen[layer] = tuple(x.shape[1:])
        return x

    w = generator.map(torch.zeros(1, 8))
    assert w.shape == (1, 2 * (resolution.bit_length() - 2), 8)
    assert drawn(generator, w, bend=noted).shape == (1, 3, resolution, resolution)
    assert seen == generator.layers() and list(seen) == list(generator.layers())
    assert list(seen)[:4] == ["b4.const", "b4.conv1", "b4.rgb", "b8.conv0"]


def test_at_truncation_zero_every_latent_is_the_mean_picture(generator, w):
    pictures = drawn(generator, w, truncation=0.0)
    mean = drawn(generator, generator.mapping.mean.expand(1, generator.network.num_ws, -1))
    assert torch.allclose(pictures, mean.expand_as(pictures), atol=1e-5)


def test_noise_scales_what_was_trained(generator, w):
    silent, full = drawn(generator, w, noise=0.0), drawn(generator, w, noise=1.0)
    assert not torch.allclose(silent, full, atol=1e-3)
    assert torch.equal(drawn(generator, w, noise=0.0), silent)


def test_rendering_leaves_latent_and_weights_alone(generator, w):
    before = w.clone()
    first = drawn(generator, w)
    assert torch.equal(drawn(generator, w), first) and torch.equal(w, before)


def test_colours_take_the_last_row_of_w_and_no_map_does(generator, w):
    def maps(ws):
        seen = {}

        def noted(layer, x):
            seen[layer] = x.clone()
            return x

        return drawn(generator, ws, bend=noted), seen

    other = w[:1].clone()
    other[:, -1] += 1
    (one, before), (two, after) = maps(w[:1]), maps(other)
    assert not torch.allclose(one, two, atol=1e-3)
    changed = {layer for layer in before if not torch.equal(before[layer], after[layer])}
    assert changed == {"b16.rgb"}


# --- bends


def test_with_nothing_bent_the_picture_is_the_same_bit_for_bit(generator, w):
    from instrument.bend import Plan, Slot
    from instrument.flow import ParameterFrame

    catalog.op("gain")
    slots = [
        Slot(f"{layer} {name}", op, layer) for layer in generator.layers() for name, op in OPS.items() if op.identity
    ]
    rest = {slot.name: {name: item.default for name, item in slot.parameters.items()} for slot in slots}
    values = {owner: {name: torch.tensor(value) for name, value in items.items()} for owner, items in rest.items()}
    plan = Plan(slots, values, generator.layers(), lambda part, error: pytest.fail(part))
    plan.update(ParameterFrame(rest))
    assert torch.equal(drawn(generator, w, bend=plan.bend), drawn(generator, w))


@pytest.mark.parametrize(
    "layer", [f"b{r}.{part}" for r in (4, 8, 16) for part in ("conv0" if r > 4 else "const", "conv1", "rgb")]
)
def test_a_bend_at_any_layer_is_seen(generator, w, layer):
    def louder(here, x):
        return 2 * x if here == layer else x

    assert layer in generator.layers()
    bent, straight = drawn(generator, w, bend=louder), drawn(generator, w)
    assert not torch.allclose(bent, straight, atol=1e-3) and bent.isfinite().all()


def test_a_mirrored_constant_is_a_mirrored_picture_where_nothing_else_tells_the_sides_apart(tmp_path):
    weights = {}
    for name, shape in TINY.shapes().items():
        if name.endswith(("conv0.weight", "conv1.weight")):
            drawn_at_random = torch.randn(shape, generator=torch.Generator().manual_seed(4))
            weights[name] = drawn_at_random + drawn_at_random.flip(3)
    generator = Generator(write_model(tmp_path, **weights), CPU)

    def mirrored(layer, x):
        return x.flip(3) if layer == "b4.const" else x

    w = generator.map(torch.ones(1, 8))
    one, other = drawn(generator, w, noise=0.0), drawn(generator, w, noise=0.0, bend=mirrored)
    assert torch.allclose(one.flip(3), other, atol=1e-3 * one.abs().max().item()), "no filter leans to one side"


# --- folders that are no model


def refused(folder):
    with pytest.raises(ValueError) as error:
        Generator(folder, CPU)
    (line,) = str(error.value).splitlines()
    return line


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"resolution": None}, "[stylegan2]: lacks the setting 'resolution' (a whole number)"),
        ({"resolutoin": 16}, "[stylegan2]: no setting 'resolutoin'; did you mean 'resolution'?"),
        ({"resolution": 24}, "[stylegan2]: resolution must be a power of two from 8, got 24"),
        ({"resolution": 4}, "resolution must be a power of two from 8, got 4"),
        ({"resolution": 0}, "resolution must be a power of two from 8, got 0"),
        ({"resolution": 16.0}, "resolution must be a whole number, got 16.0"),
        ({"resolution": "16"}, "resolution must be a whole number, got '16'"),
        ({"z_dim": True}, "z_dim must be a whole number"),
        ({"channels": [16, 16]}, "channels must be 3 numbers, one for each block from 4 to 16 px"),
        ({"channels": [16, -4, 8]}, "channels must not be negative, got [16, -4, 8]"),
        ({"architecture": "skips"}, "architecture must be one of 'skip', 'orig', 'resnet', got 'skips'"),
        ({"colours": 2}, "colours must be 1 or 3, got 2"),
        ({"clamp": -1}, "clamp must not be negative, got -1"),
        ({"clamp": float("nan")}, "clamp must be a number, got nan"),
    ],
)
def test_a_wrong_model_toml_is_answered_with_file_and_key(tmp_path, change, words):
    folder = write_model(tmp_path)
    said = {key: value for key, value in {**asdict(TINY), **change}.items() if value is not None}
    (folder / "model.toml").write_text(tomli_w.dumps({"stylegan2": said}), "utf-8")
    line = refused(folder)
    assert line.startswith(f"{folder / 'model.toml'}: ") and words in line


@pytest.mark.parametrize("content", [b"[stylegan2", b"\xff\xff", b"stylegan2 = 3", b"", None])
def test_a_model_toml_that_cannot_be_read_is_named(tmp_path, content):
    folder = write_model(tmp_path)
    (folder / "model.toml").unlink()
    if content is not None:
        (folder / "model.toml").write_bytes(content)
    assert str(folder / "model.toml") in refused(folder)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (
            {"synthesis__b8__conv0__bias": None},
            "lacks the tensor 'synthesis.b8.conv0.bias' [16] that the network's sizes ask for",
        ),
        (
            {"synthesis__b4__const": torch.zeros(16, 4, 5)},
            "'synthesis.b4.const' is [16, 4, 5], the network's sizes ask for [16, 4, 4]",
        ),
        ({"mapping__fc2__bias": torch.zeros(8)}, "unknown tensor 'mapping.fc2.bias' (1 in all)"),
        ({"mapping__w_avg": None}, "lacks the tensor 'mapping.w_avg' [8]"),
    ],
)
def test_weights_that_do_not_fit_are_answered_with_file_and_tensor(tmp_path, weights, words):
    line = refused(write_model(tmp_path, **weights))
    assert line.startswith(f"{tmp_path / 'weights.safetensors'}: ") and words in line


def test_weights_for_another_size_are_refused(tmp_path):
    folder = write_model(tmp_path)
    for change in ({"w_dim": 16}, {"channels": [16, 16, 4]}, {"mapping_layers": 1}, {"architecture": "resnet"}):
        (folder / "model.toml").write_text(model_toml(replace(TINY, **change), {}), "utf-8")
        assert "weights.safetensors" in refused(folder)


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"\x08\0\0\0\0\0\0\0{}      ", b"\xff" * 64, b"\x80\x02}q\x00.", None]
)
def test_weights_that_are_no_safetensors_are_refused_by_name(tmp_path, content):
    folder = write_model(tmp_path)
    (folder / "weights.safetensors").unlink()
    if content is not None:
        (folder / "weights.safetensors").write_bytes(content)
    assert str(folder / "weights.safetensors") in refused(folder)


def test_weights_cut_short_are_refused(tmp_path):
    path = write_model(tmp_path) / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert "cannot be read as safetensors" in refused(tmp_path)


def test_half_precision_weights_are_played_in_full(tmp_path, generator, w, model_folder):
    weights = {name: weight.half() for name, weight in load_file(model_folder / "weights.safetensors").items()}
    write_model(tmp_path)
    save_file(weights, tmp_path / "weights.safetensors")
    picture = drawn(Generator(tmp_path, CPU), w)
    assert picture.dtype == torch.float32
    assert (picture - drawn(generator, w)).abs().max() < 0.02 * drawn(generator, w).abs().max()


def test_what_is_usual_may_be_left_out(tmp_path):
    toml = write_model(tmp_path) / "model.toml"
    assert "clamp" not in toml.read_text() and read_network(toml) == TINY
    assert read_network(toml).clamp == 256.0


# --- what Phosphene comes with


SHIPPED = catalog.names("models")
every_model = pytest.mark.parametrize("folder", SHIPPED.values(), ids=SHIPPED)


def test_what_is_shipped():
    assert {"blooms", "liquid", "untrained"} <= SHIPPED.keys()
    assert all((folder / "weights.safetensors").stat().st_size < 16e6 for folder in SHIPPED.values())


@every_model
def test_a_shipped_model_draws_something_worth_seeing(folder):
    generator = Generator(folder, CPU)
    z = torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        one, other = drawn(generator, generator.map(z), truncation=0.7)
    for picture in (one, other):
        assert picture.isfinite().all() and picture.clamp(-1, 1).std() > 0.1
    assert (one - other).abs().mean() > 0.05, "another latent is another picture"


@every_model
@torch.inference_mode()
def test_faders_and_bends_at_every_layer_of_a_shipped_model_are_seen_and_nothing_explodes(folder):
    generator = Generator(folder, CPU)
    w = generator.map(torch.randn(1, generator.z_dim, generator=torch.Generator().manual_seed(1)))
    plain = drawn(generator, w, 0.7).clamp(-1, 1)

    def change(truncation=0.7, noise=1.0, bend=untouched):
        picture = drawn(generator, w, truncation, noise, bend)
        assert picture.isfinite().all()
        return (picture.clamp(-1, 1) - plain).abs().mean()

    assert min(change(truncation=0.0), change(truncation=1.4)) > 0.02
    assert min(change(noise=0.0), change(noise=4.0)) > 0.001
    for name, layer in itertools.product(OPS, generator.layers()):

        def bent(end, name=name, layer=layer):
            faders = {key: torch.tensor(item.range.from_unit(end)) for key, item in OPS[name].parameters.items()}
            return lambda at, x: OPS[name].function(x, **faders) if at == layer else x

        assert max(change(bend=bent(0.0)), change(bend=bent(1.0))) > 0.005, (name, layer)
