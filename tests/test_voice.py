"""Models change while a show plays: cued ones at once, others when they are ready, and none that fails takes it along."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from parts import CPU, Paint, Script, ScriptedWalk, events, frame_of, rig_of, tiny, write_model
from virtual_display import until

from instrument.assemble import assemble
from instrument.bend import Plan
from instrument.clock import Virtual
from instrument.document import Mistake
from instrument.flow import Event
from instrument.patch import read_patch
from instrument.perform import perform
from instrument.report import Meter
from instrument.rig import CHANGE
from instrument.scene import Scene
from instrument.show import Show
from instrument.take import Recorder, read_take
from instrument.voice import KEPT, Understudies, Voice

WAVES = Path(__file__).parent / "golden" / "stylegan3_r_32.pkl"
PATCH = """
model = "one"
[inputs.keys]
[walk]
plug = "drift"
[bends.kick]
op = "zoom"
layer = "b8.conv0"
[cues]
"key/1" = "calm"
"key/2" = "other"
[outputs.memory]
"""


def voice_of(name="other", level=-0.5):
    """A voice whose picture is flat."""
    return Voice(name, Paint(), ScriptedWalk(level), Plan((), {}, Paint().layers(), pytest.fail), {})


def asking(*script, make, live=False):
    """A rig that hears the script, and makes voices."""
    return rig_of(inputs={"osc": Script(*script)}, understudies=Understudies(make, live))


def levels(rig, *at):
    """The flat picture's value at these ticks."""
    return [round(frame_of(rig, n)[3].image[0, 0, 0].item(), 3) for n in at]


# --- asked for by name


def test_offline_it_is_made_at_once_and_the_picture_dissolves_into_its():
    rig = asking([], events(("osc/model/other", 1.0)), [], make=voice_of)
    frames = round(30 * CHANGE)
    assert levels(rig, 0, 1, 1 + frames // 2, 1 + frames) == [0.5, 0.5, 0.0, -0.5]
    assert rig.voice.name == "other" and rig.faults.lines() == []


def test_a_button_that_is_let_go_of_asks_for_nothing_and_a_stroke_does():
    made = []

    def make(name):
        made.append(name)
        return voice_of(name)

    rig = asking(events(("osc/model/a", 0.0)), events(("osc/model/b", None)), make=make)
    levels(rig, 0, 1)
    assert made == ["b"]


def test_live_the_show_goes_on_until_it_is_ready_and_then_says_so_to_the_take():
    ready = threading.Event()

    def make(name):
        assert ready.wait(30)
        return voice_of(name)

    rig = asking(events(("osc/model/other", 1.0)), [], make=make, live=True)
    assert [heard for n in range(10) for heard in frame_of(rig, n)[0]] == [], "asked for, and not there yet"
    assert rig.voice.name == "paint"
    ready.set()
    until(lambda: rig.understudies.find("other") is not None, 30)
    assert frame_of(rig, 10)[0] == [Event("osc/model/other", None)]
    assert rig.voice.name == "other"
    rig.close()
    assert not rig.understudies.worker.is_alive()


def test_live_the_last_one_asked_for_is_the_one_that_plays():
    gate = threading.Event()

    def make(name):
        assert gate.wait(30)
        return voice_of(name)

    rig = asking(events(("osc/model/a", 1.0), ("osc/model/b", 1.0)), [], make=make, live=True)
    frame_of(rig, 0)
    gate.set()
    until(lambda: rig.understudies.find("b") is not None, 30)
    frame_of(rig, 1)
    assert rig.voice.name == "b"
    rig.close()


def test_one_that_cannot_be_made_is_said_and_the_show_goes_on(caplog):
    def make(name):
        raise Mistake("/model/othr: no model 'othr'; did you mean 'other'?") if name == "othr" else OSError("torn")

    rig = asking(events(("osc/model/othr", 1)), events(("osc/model/x", 1)), events(("osc/model/../y", 1)), make=make)
    assert levels(rig, 0, 1, 2) == [0.5] * 3
    assert caplog.messages == [
        "/model/othr: no model 'othr'; did you mean 'other'?; the show goes on as it is",
        "/model/x: OSError: torn; the show goes on as it is",
        "/model/../y: a model is asked for by its name",
    ]


def test_what_was_made_stays_and_so_do_only_a_few():
    made = []
    voices = Understudies(lambda name: made.append(name) or voice_of(name), live=False, known=[voice_of("first")])
    for name in ("first", *"abcdef", "f", "first", "a"):
        voices.want(name)
        assert voices.ready().name == name
        assert voices.ready() is None, "once"
    assert made == [*"abcdef", "a"] and len(voices.made) == KEPT


def test_a_voice_that_plays_already_changes_nothing():
    rig = asking(events(("osc/model/other", 1)), [], events(("osc/model/other", 1)), [], make=voice_of)
    levels(rig, 0, 40)
    assert levels(rig, 41, 42) == [-0.5, -0.5]


# --- of a patch


@pytest.fixture
def folder(tmp_path, monkeypatch, own_plugs):
    """A folder to work in, with two models of other sizes, and scenes of which one names the second."""
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "models" / "one")
    write_model(tmp_path / "models" / "two", tiny(32, z_dim=12, w_dim=10), seed=2)
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes" / "calm.toml").write_text("fade = 0.0\n[rest.walk]\nspeed = 0.05\n")
    (tmp_path / "scenes" / "other.toml").write_text('model = "two"\nseed = 9\nfade = 0.0\n[rest.walk]\nspeed = 2\n')
    (tmp_path / "patch.toml").write_text(PATCH)
    return tmp_path


def show_of(folder, script, **more):
    """The patch's rig, with somebody who plays the script."""
    patch = read_patch(folder / "patch.toml")
    return replace(
        assemble(patch, Scene("x"), Show(device=CPU, strict=True, **more)), inputs={"player": Script(*script)}
    )


def played(rig, frames=12, take=None):
    """The pictures of a show, and which model was on."""
    names, pictures = [], rig.outputs["memory"].output
    rig.warm()
    show = rig.show
    rig.show = lambda frame: (names.append(rig.voice.name), show(frame))[1]
    perform(rig, Meter(rig, Virtual(30, 120, frames)), take)
    return names, pictures.pixels


def test_a_cue_brings_the_model_of_its_scene_in_its_very_frame(folder):
    script = [[], events(("key/2", 1)), [], events(("key/1", 1), ("key/2", 0)), []]
    names, frames = played(show_of(folder, script, live=False))
    assert names == ["one"] + ["two"] * 11, "a scene that names no model plays on with the one that is there"
    assert {frame.shape for frame in frames} == {(16, 16, 3)}, "a film has one size"


def test_another_model_has_the_bends_and_the_faders_of_the_show(folder):
    def last(moved):
        script = [events(("key/2", 1)), events(*moved), []]
        return played(show_of(folder, script, live=False), 3)[1][-1]

    still = last([])
    assert np.array_equal(still, last([]))
    assert not np.array_equal(still, last([("osc/kick/octaves", 1.0)]))
    assert not np.array_equal(still, last([("osc/generator/truncation", 0.1)]))


def test_a_mistake_in_the_model_of_a_cue_is_found_before_the_show(folder):
    (folder / "scenes" / "other.toml").write_text('model = "tow"\n')
    with pytest.raises(Mistake, match=r"other\.toml: model: no model 'tow'; did you mean 'two'\?"):
        show_of(folder, [[]])


def test_a_take_has_a_model_that_was_asked_for_where_it_was_seen(folder):
    rig = show_of(folder, [[]])
    rig.understudies.want("two")
    until(lambda: rig.understudies.find("two") is not None, 30)
    with_take = Recorder(folder / "show.jsonl", {}, overwrite=False)
    names, frames = played(rig, 5, with_take)
    with_take.close()
    assert names == ["two"] * 5
    take = read_take(folder / "show.jsonl")
    assert [event.address for event in take.events[0]] == ["osc/model/two"]
    again = played(show_of(folder, take.events, live=False), 5)
    assert again[0] == names and np.array_equal(again[1][-1], frames[-1])
    rig.close()


def test_a_network_of_another_kind_plays_with_what_the_show_can_move_of_it(folder):
    (folder / "wave.pkl").write_bytes(WAVES.read_bytes())
    rig = show_of(folder, [events(("osc/model/wave.pkl", 1), ("osc/generator/truncation", 0.3)), []], live=False)
    assert set(played(rig)[0]) == {"wave.pkl"}
    assert set(rig.voice.faders) == {"truncation"}


def test_what_only_a_cued_model_has_can_be_moved_from_the_start(folder):
    (folder / "scenes" / "other.toml").write_text(f'model = "{WAVES}"\n[rest.generator]\nturn = 90\nnoise = 2\n')
    rig = show_of(folder, [[], events(("key/2", 1)), []], live=False)
    assert {"generator/turn", "generator/noise"} <= rig.matrix.index.keys()
    assert rig.voice.faders.keys() == {"truncation", "noise"}
    played(rig)
    assert rig.voice.faders.keys() == {"truncation", "turn", "x", "y"}
