"""Models change while a show plays: cued ones at once, others when they are ready, and none that fails takes it along."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from parts import CPU, Paint, Script, ScriptedWalk, events, frame_of, rig_of, tiny, write_model
from virtual_display import until

from instrument.__main__ import command_line
from instrument.assemble import assemble
from instrument.bend import Plan
from instrument.clock import Virtual
from instrument.document import Mistake
from instrument.flow import Event
from instrument.ladder import Eased, Ladder
from instrument.patch import read_patch
from instrument.perform import perform
from instrument.report import Meter
from instrument.rig import CHANGE
from instrument.scene import Scene
from instrument.show import Show
from instrument.take import Recorder, read_take
from instrument.voice import KEPT, PUZZLES, Understudies, Voice

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


def voice_of(name="other", check=None, level=-0.5):
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

    def make(name, check):
        made.append(name)
        return voice_of(name)

    rig = asking(events(("osc/model/a", 0.0)), events(("osc/model/b", None)), make=make)
    levels(rig, 0, 1)
    assert made == ["b"]


def test_live_the_show_goes_on_until_it_is_ready_and_then_says_so_to_the_take():
    ready = threading.Event()

    def make(name, check):
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


@pytest.fixture
def slowly():
    """A maker that waits for `gate`, and notes what it makes; names with a question mark cannot be made."""
    gate, made = threading.Event(), []

    def make(name, check):
        made.append(name)
        while not gate.wait(0.01):
            check()
        if name.endswith("?"):
            raise Mistake(f"/model/{name}: no model {name!r}")
        return voice_of(name)

    make.gate, make.made = gate, made
    yield make
    gate.set()


def settled(rig):
    """Wait until everything that was asked for is made or has failed, taking up what is ready."""
    until(lambda: frame_of(rig, 1) and not rig.understudies.asked, 30)


def test_live_the_last_one_asked_for_is_the_one_that_plays_and_what_it_overtook_is_not_made(slowly):
    rig = asking(events(*((f"osc/model/{name}", 1.0) for name in "abcdefgh")), [], make=slowly, live=True)
    frame_of(rig, 0)
    slowly.gate.set()
    settled(rig)
    assert rig.voice.name == "h" and len(slowly.made) <= 2
    rig.close()


def test_live_after_a_name_that_cannot_be_had_the_one_before_it_plays(slowly, caplog):
    rig = asking(events(("osc/model/right", 1.0), ("osc/model/typo?", 1.0)), [], make=slowly, live=True)
    frame_of(rig, 0)
    slowly.gate.set()
    settled(rig)
    assert rig.voice.name == "right"
    assert caplog.messages == ["/model/typo?: no model 'typo?'; the show goes on as it is"]
    rig.close()


def test_a_cue_calls_off_what_was_asked_for_before_it(slowly):
    script = [events(("osc/model/asked", 1.0)), events(("key/1", 1.0)), []]
    rig = asking(*script, make=slowly, live=True)
    rig.cues, rig.cued = {"key/1": Scene("x", fade=0.0)}, {"key/1": voice_of("cued")}
    frame_of(rig, 0)
    frame_of(rig, 1)
    slowly.gate.set()
    until(lambda: rig.understudies.find("asked") is not None, 30)
    frame_of(rig, 2)
    assert rig.voice.name == "cued"
    rig.close()


def test_a_show_that_ends_meanwhile_waits_for_nothing(slowly):
    rig = asking(events(("osc/model/never", 1.0)), [], make=slowly, live=True)
    frame_of(rig, 0)
    until(lambda: slowly.made == ["never"], 30)
    rig.close()
    assert not rig.understudies.worker.is_alive() and rig.understudies.find("never") is None


def test_mistakes_are_said_once_and_only_so_many(slowly, caplog):
    slowly.gate.set()
    rig = asking([], make=slowly, live=True)
    for number in range(3 * PUZZLES):
        for _ in range(2):
            rig.understudies.want(f"{number}?")
            settled(rig)
    assert len(caplog.messages) == PUZZLES == len(set(caplog.messages))
    rig.close()


def test_offline_one_that_cannot_be_made_ends_the_rendering():
    def make(name, check):
        raise Mistake("/model/othr: no model 'othr'; did you mean 'other'?")

    rig = asking(events(("osc/model/othr", 1)), make=make)
    with pytest.raises(Mistake, match="did you mean 'other'"):
        frame_of(rig, 0)


def test_what_was_made_stays_and_so_do_only_a_few():
    made = []
    voices = Understudies(
        lambda name, check: made.append(name) or voice_of(name), live=False, known=[voice_of("first")]
    )
    for name in ("first", *"abcdef", "f", "first", "a"):
        voices.want(name)
        assert voices.ready().name == name
        assert voices.ready() is None, "once"
    assert made == [*"abcdef", "a"] and len(voices.made) == KEPT


def test_a_voice_that_plays_already_changes_nothing():
    rig = asking(events(("osc/model/other", 1)), [], events(("osc/model/other", 1)), [], make=voice_of)
    levels(rig, 0, 40)
    assert levels(rig, 41, 42) == [-0.5, -0.5]


def test_pictures_that_nobody_sees_are_never_late():
    """Or a slow network would begin its show with less than it can."""
    voice = voice_of()
    voice.generator = Eased(voice.generator, Ladder(1e6))  # at such a rate every picture is
    for _ in range(100):
        voice.warm(rig_of().matrix.at_rest(), 3)
    assert voice.generator.ladder.step == 0 and not voice.generator.ladder.recent


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
    assert names == ["one"] + ["two"] * 2 + ["one"] * 9, "a scene that names no model brings the show's own"
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
    assert command_line(["import", str(WAVES), "-o", "models/wave"]) == 0
    rig = show_of(folder, [events(("osc/model/wave", 1), ("osc/generator/truncation", 0.3)), []], live=False)
    assert set(played(rig)[0]) == {"wave"}
    assert set(rig.voice.faders) == {"truncation"}


def test_what_only_a_cued_model_has_can_be_moved_from_the_start(folder):
    (folder / "scenes" / "other.toml").write_text(f'model = "{WAVES}"\n[rest.generator]\nturn = 90\nnoise = 2\n')
    rig = show_of(folder, [[], events(("key/2", 1)), []], live=False)
    assert {"generator/turn", "generator/noise"} <= rig.matrix.index.keys()
    assert rig.voice.faders.keys() == {"truncation", "noise"}
    played(rig)
    assert rig.voice.faders.keys() == {"truncation", "turn", "x", "y"}


def test_cues_of_one_model_share_its_network_and_each_has_its_walk(folder):
    (folder / "scenes" / "again.toml").write_text('model = "two"\nseed = 10\n')
    (folder / "scenes" / "path.toml").write_text('model = "models/two"\nseed = 9\n')
    more = '"key/3" = "again"\n"key/4" = "scenes/path.toml"\n[outputs'
    (folder / "patch.toml").write_text(PATCH.replace("[outputs", more))
    rig = show_of(folder, [[]])
    two, again, path = (rig.cued[f"key/{number}"] for number in (2, 3, 4))
    assert two.generator is again.generator and two.walk is not again.walk
    assert path is not rig.voice and path.generator.z_dim == 12, "cued by its path"
    assert rig.cued["key/1"] is rig.voice


def test_two_cues_of_one_scene_bring_one_voice(folder):
    (folder / "patch.toml").write_text(PATCH.replace("[outputs", '"key/3" = "other"\n[outputs'))
    (folder / "scenes" / "calm.toml").write_text('model = "two"\nseed = 3\n')
    rig = show_of(folder, [[]])
    assert rig.cued["key/2"] is rig.cued["key/3"] is not rig.cued["key/1"]


def test_where_no_cue_names_a_model_cues_leave_it_alone(folder):
    (folder / "scenes" / "other.toml").write_text("fade = 0.0\n")
    names, _ = played(show_of(folder, [events(("osc/model/two", 1)), events(("key/1", 1)), []], live=False))
    assert set(names) == {"two"}


def test_a_song_s_rendering_loads_no_model_that_no_key_can_bring(folder):
    (folder / "scenes" / "other.toml").write_text('model = "tow"\n')
    patch = replace(read_patch(folder / "patch.toml"), inputs={})
    assert assemble(patch, Scene("x"), Show(device=CPU, live=False)).cued == {}


def test_a_name_for_models_is_no_name_for_a_bend(folder):
    (folder / "patch.toml").write_text(PATCH.replace("bends.kick", "bends.model"))
    with pytest.raises(Mistake, match="the name 'model' is taken"):
        show_of(folder, [[]])
