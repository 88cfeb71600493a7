"""Classes: a fader says which kind of picture a network makes, whatever walk it is on."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from parts import CPU, Script, events, tiny, write_model

from instrument import catalog
from instrument.assemble import assemble
from instrument.clock import Virtual
from instrument.document import Mistake
from instrument.generators import load
from instrument.latent.classes import shares
from instrument.latent.paths import normal
from instrument.patch import read_patch
from instrument.perform import perform
from instrument.report import Meter
from instrument.scene import Scene
from instrument.show import Show

PATCH = 'model = "kinds"\n[inputs.keys]\n[outputs.memory]\n'


@pytest.fixture
def folder(tmp_path, monkeypatch, own_plugs):
    """A folder to work in, with models of three classes, of five with a mean for each, and of none."""
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "models" / "kinds", tiny(classes=3))
    write_model(tmp_path / "models" / "means", tiny(classes=5, averages=True), seed=2)
    write_model(tmp_path / "models" / "plain", tiny(), seed=3)
    (tmp_path / "patch.toml").write_text(PATCH)
    return tmp_path


def rig_of_patch(folder, *script, rest=None, model=None, walk="drift", anchors=()):
    """The patch's rig, at rest where it is told, with somebody who plays the script."""
    patch = read_patch(folder / "patch.toml")
    patch = replace(patch, walk=replace(patch.walk, plug=walk), rest=rest or {})
    rig = assemble(patch, Scene("x", anchors=anchors), Show(device=CPU, strict=True, live=False, model=model))
    return replace(rig, inputs={"player": Script(*script or ([],))})


def frames(rig, count=2):
    rig.warm()
    perform(rig, Meter(rig, Virtual(30, 120, count)))
    return rig.outputs["memory"].output.pixels


def drawn(model, seed, label, truncation=0.8):
    """The picture [H, W, 3] of a seed and of shares of classes, as a program of one's own would make it."""
    network = load(model)
    with torch.inference_mode():
        w = network.map(normal(seed, network.z_dim)[None], torch.tensor([label]), truncation)
        picture = network.synthesize(w)[0]
    return (picture * 127.5 + 127.5).clamp(0, 255).round().byte().permute(1, 2, 0).numpy()


@pytest.mark.parametrize(
    ("label", "there_is"), [(0, [1, 0, 0]), (2, [0, 0, 1]), (0.25, [0.75, 0.25, 0]), (1.5, [0, 0.5, 0.5])]
)
def test_a_label_is_one_class_or_a_part_of_two(label, there_is):
    assert shares(torch.tensor(float(label)), 3).tolist() == shares(label, 3).tolist() == there_is


@pytest.mark.parametrize("model", ["kinds", "means"])
@pytest.mark.parametrize(("label", "there_is"), [(0.0, (1, 0, 0)), (1.0, (0, 1, 0)), (1.25, (0, 0.75, 0.25))])
def test_the_picture_is_that_of_the_class_drawn_in_around_its_own_mean(folder, model, label, there_is):
    rig = rig_of_patch(folder, rest={"generator/label": label}, model=model, anchors=(7,))
    there_is = [float(share) for share in there_is] + [0.0, 0.0] * (model == "means")
    apart = frames(rig, 1)[0].astype(int) - drawn(model, 7, there_is)
    assert abs(apart).max() <= 1


@pytest.mark.parametrize("walk", catalog.plugs("walks"))
def test_it_moves_while_the_show_plays_on_every_walk(folder, walk):
    def last(*moved):
        return frames(rig_of_patch(folder, [], events(*moved), [], walk=walk), 3)

    still, moved = last(), last(("osc/generator/label", 1.5))
    assert np.array_equal(still[0], moved[0])
    assert not np.array_equal(still[1], moved[1]), "in the very frame"


def test_its_range_is_the_network_s_and_one_without_classes_has_none(folder):
    assert rig_of_patch(folder).matrix.parameters["generator/label"].range.high == 2
    assert rig_of_patch(folder, model="means").matrix.parameters["generator/label"].range.high == 4
    assert "generator/label" not in rig_of_patch(folder, model="plain").matrix.index
    with pytest.raises(Mistake, match=r"\[rest\]: generator/label .*0\.\.2, got 3"):
        rig_of_patch(folder, rest={"generator/label": 3.0})


def test_a_patch_with_a_label_plays_a_network_that_has_none(folder, caplog):
    caplog.set_level("INFO")
    rig = rig_of_patch(folder, rest={"generator/label": 1.0}, model="plain")
    assert "this model has no generator/label; the patch goes without" in caplog.text
    frames(rig)


def test_the_fader_reaches_every_class_of_the_show_s_models(folder):
    (folder / "scenes").mkdir()
    (folder / "scenes" / "more.toml").write_text('model = "means"\n[rest.generator]\nlabel = 4\n')
    (folder / "patch.toml").write_text(PATCH + '[cues]\n"key/1" = "more"\n')
    assert rig_of_patch(folder).matrix.parameters["generator/label"].range.high == 4


def test_another_model_keeps_to_the_classes_that_it_has(folder):
    """One with fewer, or with none, plays too; a label beyond its last class is that one."""
    rig = rig_of_patch(folder, events(("osc/model/kinds", 1)), [], rest={"generator/label": 4.0}, model="means")
    as_last = rig_of_patch(folder, [], rest={"generator/label": 2.0}, model="kinds")
    played, wanted = (frames(one, 60)[-1] for one in (rig, as_last))
    assert np.array_equal(played, wanted)
    frames(rig_of_patch(folder, events(("osc/model/plain", 1)), [], rest={"generator/label": 4.0}, model="means"), 60)
