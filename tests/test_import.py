"""`phosphene import` and `phosphene models`, as somebody with a folder of checkpoints meets them."""

import hashlib
import tomllib
from pathlib import Path

import cv2
import pytest
import torch
from command_line import phosphene

from instrument import catalog
from instrument.__main__ import command_line
from instrument.model import read_model

GOLDEN = Path(__file__).parent / "golden"
FILE = GOLDEN / "stylegan2_cond_64.pkl"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A working folder with one imported model, and what was said."""
    folder = tmp_path_factory.mktemp("import")
    done = phosphene(folder, "import", FILE, "-o", "models/faces", "--license", "CC0-1.0", "--about", "Noise.")
    assert done.returncode == 0, done.stderr
    return folder, done.stderr


def test_it_makes_a_model_folder(place):
    folder, said = place
    made = folder / "models" / "faces"
    assert sorted(path.name for path in made.iterdir()) == ["model.toml", "preview.jpg", "weights.safetensors"]
    table = tomllib.loads((made / "model.toml").read_text("utf-8"))
    assert table["license"] == "CC0-1.0" and table["about"] == "Noise." and table["source"] == FILE.name
    assert table["sha256"] == hashlib.sha256(FILE.read_bytes()).hexdigest()
    assert table["stylegan2"]["classes"] == 4
    assert cv2.imread(str(made / "preview.jpg")).shape == (256, 256, 3)
    assert read_model(made).network.resolution == 64
    assert "StyleGAN2 (skip), 64 px, colour, 4 classes" in said and "`phosphene play --model models/faces`" in said


def test_the_preview_shows_every_class(tmp_path, monkeypatch):
    asked = []
    kind = catalog.plug("generators", "stylegan2")
    mapped = kind.map
    monkeypatch.setattr(kind, "map", lambda self, z, label, *more: asked.append(label) or mapped(self, z, label, *more))
    assert command_line(["import", str(FILE), "-o", str(tmp_path / "faces")]) == 0
    assert torch.cat(asked).sum(0).tolist() == [4, 4, 4, 4] and torch.cat(asked).max(1).values.min() == 1


def test_what_was_imported_plays_and_so_does_the_checkpoint_itself(place):
    folder, _ = place
    for model in ("faces", FILE):
        done = phosphene(folder, "play", "--model", model, "--output", "none", "--seconds", "1", "--osc-port", "0")
        assert done.returncode == 0, done.stderr


def test_models_lists_it_with_its_preview(place):
    folder, _ = place
    (folder / "models" / "broken").mkdir(exist_ok=True)
    (folder / "models" / "broken" / "model.toml").write_text("generator = 'stylegan2'", "utf-8")
    said = phosphene(folder, "models").stdout
    assert "faces\n  StyleGAN2 (skip), 64 px, colour, 4 classes\n  0.04 billion products a picture" in said
    assert str(Path("models") / "faces" / "preview.jpg") in said
    assert "blooms\n" in said
    assert "broken\n" in said and "lacks a table [stylegan2] or [stylegan3]" in said


def test_inspect_prints_and_writes_nothing(tmp_path):
    done = phosphene(tmp_path, "import", FILE, "--inspect")
    assert done.returncode == 0 and "SynthesisNetwork" in done.stdout and "[48, 48, 3, 3]" in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["net.pkl"], "-o: names the folder to make"),
        (["none.pkl", "-o", "models/new"], "none.pkl: cannot be read: No such file or directory"),
        (["net.pkl", "-o", "models/new"], "net.pkl: the file is of another kind, not a checkpoint"),
        ([str(FILE), "-o", "full"], "-o: full exists already and is not empty; name another folder"),
        ([str(FILE), "-o", "net.pkl"], "-o: net.pkl exists already"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(tmp_path, words, said):
    (tmp_path / "net.pkl").write_bytes(b"no pickle" * 9)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    before = sorted(tmp_path.rglob("*"))
    done = phosphene(tmp_path, "import", *words)
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before
