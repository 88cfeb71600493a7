"""Other people's networks draw what they drew where they came from, and nothing in their files is ever run."""

import contextlib
import io
import itertools
import json
import os
import pickle
import random
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import checkpoint_files
import pytest
import torch
from parts import random_weights, tiny
from safetensors import safe_open

from instrument.__main__ import command_line
from instrument.checkpoints.files import read_checkpoint
from instrument.checkpoints.outline import outline
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
        return {name: opened.get_tensor(name) for name in opened.keys()}, opened.metadata()  # noqa: SIM118


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


# --- files that mean harm


def calling(name, *arguments):
    """A pickle that calls a function when Python's own loader reads it."""
    module, _, function = name.rpartition(".")
    written = b"".join(pickle.dumps(item, 2)[2:-1] for item in arguments)  # without their beginnings and ends
    called = b"c" + module.encode() + b"\n" + function.encode() + b"\n"
    return b"\x80\x04" + called + b"(" + written + b"tR."


def held_as(value):
    """A network's dictionary whose G_ema is something else."""
    return b"\x80\x04}" + pickle.dumps("G_ema", 2)[2:-1] + value[2:-1] + b"s."


def storage(content):
    """A call of what reads a storage out of bytes."""
    return calling("torch.storage._load_from_bytes", content)


MARK = "/tmp/phosphene-was-here"
HARM = {
    "os.system": calling("os.system", f"touch {MARK}"),
    "posix.system": calling("posix.system", f"touch {MARK}"),
    "nt.system": calling("nt.system", f"touch {MARK}"),
    "subprocess": calling("subprocess.Popen", ["touch", MARK]),
    "exec": calling("builtins.exec", f"open({MARK!r}, 'w')"),
    "eval": calling("builtins.eval", f"open({MARK!r}, 'w')"),
    "exec of Python 2": calling("__builtin__.exec", f"open({MARK!r}, 'w')"),
    "getattr": calling("builtins.getattr", "x", "__class__"),
    "import": calling("builtins.__import__", "os"),
    "torch.load": calling("torch.load", MARK),
    "torch.hub": calling("torch.hub.load", "someone/something", "model"),
    "runpy": calling("runpy.run_path", MARK),
    "a dotted name": b"\x80\x04\x8c\x02os\x8c\x06system\x93" + pickle.dumps(f"touch {MARK}", 2)[2:-1] + b"\x85R.",
    "a dotted name across modules": b"\x80\x04\x8c\x08builtins\x8c\x0dexec.__call__\x93\x8c\x01x\x85R.",
    "a name within a known module": calling("torch._utils._import_dotted_name", "os.system"),
    "a name within a name": b"\x80\x04\x8c\x0btorch_utils\x8c\x2bpersistence._reconstruct_persistent_obj.__globals__\x93.",
    "a known name with other letters": calling("Collections.OrderedDict"),
    "an instance by the old way": b"\x80\x02(cos\nsystem\nX\x04\x00\x00\x00true" + b"o.",
    "an instance by the oldest way": b"\x80\x02(X\x04\x00\x00\x00trueios\nsystem\n.",
    "a registered extension": b"\x80\x02\x82\x01.",
    "in a storage": held_as(storage(calling("os.system", f"touch {MARK}"))),
    "in a storage of torch's": held_as(storage(b"PK\x03\x04" + b"\0" * 100)),
    "in a dictionary": held_as(calling("collections.OrderedDict", [["a", 1]])[:-1] + calling("os.system", "true")[2:]),
    "in a chain of calls": b"\x80\x02" + b"ccollections\nOrderedDict\n)R" * 1000 + calling("os.system", "true")[2:],
    "a state for a known class": b"\x80\x02ccollections\nOrderedDict\n}X\x0c\x00\x00\x00__setstate__K\x01sb.",
    "an array of objects": held_as(calling("numpy.dtype", "O8", False, True)),
    "an array of nothing": held_as(calling("numpy.core.multiarray._reconstruct", 1, (1 << 40,), b"b")),
    "a huge buffer": held_as(calling("builtins.bytearray", 1 << 40)),
    "a huge range": held_as(calling("builtins.range", 1 << 60)),
    "a reference outwards": b"\x80\x02X\x01\x00\x00\x00aQ.",
    "a buffer from outside": b"\x80\x05\x97.",
}


def refused(tmp_path, content, name="net.pkl"):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(ValueError, match=str(file)) as error:
        read_checkpoint(file)
    (line,) = str(error.value).splitlines()
    return line


@pytest.mark.parametrize("harm", HARM)
def test_nothing_in_a_file_is_run(tmp_path, harm):
    Path(MARK).unlink(missing_ok=True)
    refused(tmp_path, HARM[harm])
    assert not Path(MARK).exists()


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "torch.hub.load", "numpy.load", "codecs.decode"])
def test_what_a_file_asks_for_is_named(tmp_path, name):
    assert repr(name) in refused(tmp_path, calling(name, "x"))


def test_the_text_in_a_file_is_not_run(tmp_path):
    file = tmp_path / "net.pkl"
    content = checkpoint_files.nvidia(tiny(), random_weights(tiny()))
    assert checkpoint_files.NEVER.encode() in content
    file.write_bytes(content)
    read_checkpoint(file)


BOMBS = {
    "nested tuples as a key": b"\x80\x02}" + b"K\x01" + b"\x85\x86".join([b""] * 2) + b"2\x86" * 60 + b"K\x02s.",
    "a memo far away": b"\x80\x02K\x01r\xff\xff\xff\x7f.",
    "a text that claims to be long": b"\x80\x04\x8d" + (1 << 40).to_bytes(8, "little") + b"x.",
    "bytes that claim to be long": b"\x80\x04\x8e" + (1 << 62).to_bytes(8, "little") + b"x.",
    "a stretch that claims to be long": b"\x80\x04\x95" + b"\xff" * 8 + b"N.",
    "a number that is long": b"\x80\x02\x8b" + (1 << 24).to_bytes(4, "little") + b"\x7f" * (1 << 24) + b".",
    "millions of instructions": b"\x80\x02" + b"]0" * 3_000_000 + b"N.",
    "millions of lists": b"\x80\x02" + b"]" * 3_000_000 + b".",
    "millions of marks": b"\x80\x02" + b"(" * 3_000_000 + b".",
    "millions of copies": b"\x80\x02]" + b"2" * 3_000_000 + b".",
    "lists in lists": b"\x80\x02]" + b"(22222222e" * 200_000 + b".",
    "a wide text": b"\x80\x02X" + (100_000_000).to_bytes(4, "little") + "𐀀".encode() * 25_000_000 + b".",
    "a zip of too many files": None,
    "a zip that is compressed": None,
    "a storage that claims to be long": None,
    "a tensor that repeats one number": None,
    "a tensor beyond its storage": None,
    "a tensor before its storage": None,
}


def zip_of(count, compressed=False):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        for i in range(count):
            archive.writestr(f"a/data/{i}", b"")
        archive.writestr("a/data.pkl", b"\x80\x02N." + b"\0" * (100_000_000 if compressed else 0))
    return stream.getvalue()


def with_tensor(size, stride, offset=0, numbers=4, said=None):
    """rosinality's file with one tensor of that shape."""
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
    storage += pickle.dumps(numbers if said is None else said, 2)[2:-1] + b"tQ"
    shape = b"".join(pickle.dumps(item, 2)[2:-1] for item in (offset, size, stride))
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + shape + b"\x89ccollections\nOrderedDict\n)RtR"
    content = b"\x80\x02}X\x05\x00\x00\x00g_ema}X\x0e\x00\x00\x00style.1.weight" + tensor + b"ss."
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a/data.pkl", content)
        archive.writestr("a/data/0", b"\0" * 4 * numbers)
    return stream.getvalue()


BOMBS["a zip of too many files"] = zip_of(60_000)
BOMBS["a zip that is compressed"] = zip_of(0, compressed=True)
BOMBS["a storage that claims to be long"] = with_tensor((1 << 30,), (1,), said=1 << 30)
BOMBS["a tensor that repeats one number"] = with_tensor((1 << 20, 1 << 20), (0, 0))
BOMBS["a tensor beyond its storage"] = with_tensor((2, 2), (2, 2))
BOMBS["a tensor before its storage"] = with_tensor((2, 2), (-2, -1), offset=3)


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused(tmp_path, bomb):
    refused(tmp_path, BOMBS[bomb])


def test_all_of_that_costs_neither_memory_nor_time(tmp_path):
    for i, content in enumerate([*HARM.values(), *BOMBS.values()]):
        (tmp_path / f"{i}.pkl").write_bytes(content)
    done = subprocess.run([sys.executable, "-c", WATCHED, str(tmp_path)], capture_output=True, text=True, check=True)
    slowest, grown = map(float, done.stdout.split())
    assert grown < 1000, f"{grown} MB"
    assert slowest < 5, f"{slowest} seconds of the processor's"  # 1 on an idle machine, see docs/models.md


WATCHED = """
import resource, sys, time
from pathlib import Path
from instrument.checkpoints.files import read_checkpoint
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, slowest = peak(), 0.0
for file in sorted(Path(sys.argv[1]).iterdir()):
    begun = time.process_time()
    try:
        read_checkpoint(file)
        raise SystemExit(f"{file} was read")
    except ValueError:
        pass
    slowest = max(slowest, time.process_time() - begun)
print(slowest, peak() - before)
"""


@pytest.mark.parametrize("name", ["os.system", "posix.system", "exec", "a dotted name"])
def test_python_s_own_loader_would_have_run_it(name):
    Path(MARK).unlink(missing_ok=True)
    pickle.loads(HARM[name])
    assert Path(MARK).exists()
    Path(MARK).unlink()


# --- files that are no checkpoints, or not whole


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"\x80", "cut off"),
        (b"\x80\x04N.", "it holds a NoneType, not networks"),
        (b"\x80\x04}.", "it holds nothing: no network by the names that are known"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 99, "the file is a picture, not a checkpoint"),
        (b"<!DOCTYPE html><html>Sign in</html>", "the file is a web page, perhaps instead of a download"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "a pointer of Git LFS, not the file itself"),
        (b"\x1f\x8b\x08\x00" + b"\0" * 99, "compressed with gzip"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 99, "an HDF5 file"),
        (b'\x10\0\0\0\0\0\0\0{"a": 1}       ', "a safetensors file, which a model folder needs model.toml for"),
        (b"PK\x03\x04" + b"\0" * 99, "as a .zip it cannot be read"),
        (zip_of(3)[:-40], "as a .zip it cannot be read"),
        (b"garbage" * 20, "of another kind, not a checkpoint"),
        (b"\x80\x02K\x01.\x80\x02K\x01.", "it holds a int, not networks"),
    ],
)
def test_other_files_are_told_what_they_are(tmp_path, content, words):
    assert words in refused(tmp_path, content)


def test_a_file_that_is_not_there_or_a_folder_is_said(tmp_path):
    with pytest.raises(ValueError, match="cannot be read"):
        read_checkpoint(tmp_path / "none.pkl")
    with pytest.raises(ValueError, match="cannot be read"):
        read_checkpoint(tmp_path)


WHOLE = {
    "NVIDIA's": checkpoint_files.nvidia(tiny(), random_weights(tiny())),
    "TensorFlow's": checkpoint_files.tensorflow(tiny(), random_weights(tiny())),
    "rosinality's": checkpoint_files.rosinality(tiny(), random_weights(tiny())),
    "rosinality's older": checkpoint_files.rosinality(tiny(), random_weights(tiny()), older=True),
}
every_whole = pytest.mark.parametrize("whole", WHOLE)


@every_whole
def test_a_file_that_is_cut_off_is_refused_wherever_that_is(tmp_path, whole):
    content = WHOLE[whole]
    for length in [*range(1, 200, 7), *range(200, len(content) - 1, len(content) // 60)]:
        refused(tmp_path, content[:length])


# --- networks that are not played


def other(tmp_path, **changes):
    return refused(tmp_path, checkpoint_files.nvidia(tiny(), random_weights(tiny()), **changes))


def test_what_is_not_played_is_told_what_it_is(tmp_path):
    assert "StyleGAN1 of 2019" in refused(
        tmp_path, checkpoint_files.tensorflow(tiny(), random_weights(tiny()), version=3)
    )
    stream = io.BytesIO()
    torch.save({"GAN": {"SE.net.0.weight": torch.zeros(2)}, "version": "1.8"}, stream)
    assert "lucidrains" in refused(tmp_path, stream.getvalue(), "model_1.pt")
    stream = io.BytesIO()
    torch.save({"state_dict": {"conv.weight": torch.zeros(2)}}, stream)
    assert "it holds state_dict: no network by the names that are known" in refused(tmp_path, stream.getvalue())
    held = {"G_ema": checkpoint_files.Persistent("Generator", {}, {}, {"model": checkpoint_files.Persistent("Stack")})}
    with checkpoint_files.stand_ins():
        content = pickle.dumps(held, 4)
    assert "the network is a Generator made of model: no StyleGAN2 and no StyleGAN3" in refused(tmp_path, content)
    with checkpoint_files.stand_ins():
        content = pickle.dumps({"G": None, "D": None, "G_ema": None}, 4)
    assert "the pickle has no G_ema; it has G, D, G_ema" in refused(tmp_path, content)


def test_a_layer_that_does_something_else_is_named(tmp_path):
    assert "synthesis.b4.conv1: activation is 'relu'; only 'lrelu' is known here" in other(
        tmp_path, layer={"activation": "relu"}
    )
    assert "synthesis.b4.conv1: act_gain is '1.0'" in other(tmp_path, layer={"act_gain": 1.0})
    assert "synthesis.b4.conv1: use_noise must be bool, got '1'" in other(tmp_path, layer={"use_noise": 1})
    assert "resolution must be a power of two" in other(tmp_path, whole={"img_resolution": 24})
    assert "colours must be 1 or 3" in other(tmp_path, whole={"img_channels": 4})
    assert "z_dim must be int, got 'None'" in other(tmp_path, whole={"z_dim": None})


def test_a_number_of_another_shape_is_named(tmp_path):
    weights = random_weights(tiny())
    weights["synthesis.b8.conv0.weight"] = weights["synthesis.b8.conv0.weight"][:, :3]
    line = refused(tmp_path, checkpoint_files.nvidia(tiny(), weights))
    assert "tensor 'synthesis.b8.conv0.weight' is [16, 3, 3, 3], the network's sizes ask for [16, 16, 3, 3]" in line


# --- files that chance has changed


def changed(content, dice):
    """Bytes changed, put in, taken out and moved, mostly where a pickle's instructions are."""
    found = bytearray(content)
    for _ in range(dice.randint(1, 8)):
        near, anywhere = int(dice.expovariate(1 / 3000)), dice.randrange(len(found))
        at = min(near, anywhere) if dice.random() < 0.7 else anywhere
        kind = dice.random()
        if kind < 0.5:
            found[at] = dice.choice([dice.randrange(256), *b".(}]NRbtuseQ\x81\x85\x86\x87\x93\x94\x8c\x8a\xff\x00"])
        elif kind < 0.7:
            del found[at : at + dice.randint(1, 9)]
        elif kind < 0.9:
            found[at:at] = dice.randbytes(dice.randint(1, 9))
        else:
            other = dice.randrange(len(found))
            found[at:at] = found[other : other + dice.randint(1, 300)]
    return bytes(found)


@every_whole
def test_a_file_that_chance_has_changed_is_read_or_refused(tmp_path, whole):
    """For two seconds each; `PHOSPHENE_FUZZ=600 pytest -k chance` takes ten minutes."""
    file, until = tmp_path / "changed.pkl", time.monotonic() + float(os.environ.get("PHOSPHENE_FUZZ", "2"))
    for seed in itertools.count():
        file.write_bytes(changed(WHOLE[whole], random.Random(seed)))
        try:
            read_or_refused(file)
        except BaseException as error:
            raise AssertionError(f"seed {seed}") from error
        if time.monotonic() > until:
            break


def read_or_refused(file):
    with contextlib.suppress(ValueError):
        model = read_checkpoint(file)
        assert {name: tuple(value.shape) for name, value in model.weights.items()} == model.network.shapes()
    with contextlib.suppress(ValueError):
        outline(file)


def test_what_holds_itself_is_outlined_to_an_end(tmp_path):
    (tmp_path / "net.pkl").write_bytes(b"\x80\x02}q\x01X\x08\x00\x00\x00_modulesh\x01s.")
    assert outline(tmp_path / "net.pkl") == ["1 things"]


def test_parts_that_share_parts_are_refused_at_once(tmp_path):
    """Each of six levels holds the one below sixty times: a small file, and thousands of millions of parts."""
    network, weights = tiny(), random_weights(tiny())
    part = checkpoint_files.Persistent("Leaf")
    for _ in range(6):
        part = checkpoint_files.Persistent("Nest", parts={f"p{number}": part for number in range(60)})
    content = checkpoint_files.nvidia(network, weights, parts={"extra": part})
    begun = time.monotonic()
    assert "more than any network has" in refused(tmp_path, content)
    assert time.monotonic() - begun < 10
