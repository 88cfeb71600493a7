"""Every shipped scene plays in its patch, and every mistake in one is answered with one line."""

import re
from dataclasses import replace

import pytest
from parts import CPU

from instrument import catalog
from instrument.assemble import assemble
from instrument.document import Mistake
from instrument.flow import Signals, Tick
from instrument.patch import read_patch
from instrument.scene import Scene, read_scene
from instrument.show import Show


@pytest.fixture
def load(tmp_path, model_folder):
    """Assemble a small patch in the scene that this text is."""

    def load(text, patch="patch"):
        (tmp_path / "scene.toml").write_text(text, "utf-8")
        (tmp_path / f"{patch}.toml").write_text(f"model = '{model_folder}'\n[modulators.wave]\nplug = 'lfo'\n", "utf-8")
        scene = read_scene(tmp_path / "scene.toml")
        return assemble(read_patch(tmp_path / f"{patch}.toml"), scene, Show(device=CPU, strict=True))

    return load


def mistake(load, *arguments):
    with pytest.raises(Mistake) as refused:
        load(*arguments)
    (line,) = str(refused.value).splitlines()
    return line


@pytest.mark.parametrize("name", sorted(catalog.names("scenes")))
def test_every_shipped_scene_plays_in_its_patch(name):
    scene = read_scene(catalog.data("scenes", name))
    assert scene.about and scene.patch
    patch = replace(read_patch(catalog.data("patches", scene.patch)), inputs={}, outputs={})
    rig = assemble(patch, scene, Show(device=CPU, strict=True))
    for address, value in scene.rest.items():
        assert rig.matrix.rest[rig.matrix.index[address]] == value
    rig.warm()
    assert rig.voice.image.clamp(-1, 1).std() > 0.05, "there is something to see before anybody plays"


@pytest.mark.parametrize("name", sorted(catalog.names("scenes")))
@pytest.mark.parametrize("patch", sorted(catalog.names("patches")))
def test_every_shipped_scene_can_be_played_in_every_shipped_patch(name, patch):
    scene, other = read_scene(catalog.data("scenes", name)), read_patch(catalog.data("patches", patch))
    assemble(replace(other, inputs={}, outputs={}), scene, Show(device=CPU, strict=True))


def test_a_scene_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "night.toml"
    path.write_text(
        "about = 'x'\npatch = 'p'\nmodel = 'm'\nseed = -3\nbpm = 90\nfade = 0\nanchors = [4, 5]\n[rest.walk]\nspeed = 1\n"
    )
    assert read_scene(path) == Scene("night", "x", "p", "m", -3, 90.0, 0.0, (4, 5), {"walk/speed": 1.0}, path)


def test_an_empty_scene_is_a_scene(load):
    rig = load("")
    assert rig.matrix.rest[rig.matrix.index["walk/speed"]] == 0.1


@pytest.mark.parametrize("seed", [0, -(2**63) + 1, 2**63 - 1])
def test_every_seed_that_can_be_written_can_be_played(load, seed):
    load(f"seed = {seed}\nanchors = [{seed}]").warm()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("abuot = 'x'", "no key 'abuot'; did you mean 'about'?"),
        ("[rset]", "no key 'rset'; did you mean 'rest'?"),
        ("seed = 1.5", "seed must be a whole number, got 1.5"),
        ("seed = 9223372036854775808", "seed must be a whole number"),
        ("seed = true", "seed must be a whole number, got True"),
        ("anchors = 3", "anchors must be a list, each a whole number, got 3"),
        ("anchors = [1, 'two']", "anchors must be a whole number, got 'two'"),
        ("fade = 'slow'", "fade must be a number, got 'slow'"),
        ("fade = -1", "fade lies in 0..3600 s, got -1"),
        ("fade = nan", "fade must be a number, got nan"),
        ("bpm = 0", "bpm lies in 1..999 beats a minute, got 0"),
        ("model = 3", "model must be text, got 3"),
        ("patch = ['a']", "patch must be text, got ['a']"),
        ("rest = 3", "rest must be a table, got 3"),
        ("[rest.walk]\nspeed = 'fast'", "[rest]: walk/speed must be a number, got 'fast'"),
        ("[rest.walk]\nsped = 1", "[rest]: no parameter 'walk/sped'; did you mean 'walk/speed'?"),
        ("[rest.wlak]\nspeed = 1", "[rest]: no parameter 'wlak/speed'; did you mean 'walk/speed'?"),
        ("[rest.walk]\nspeed = 99", "[rest]: walk/speed lies in 0.005..5 1/s, got 99"),
        ("[rest]\nwalk = 3", "[rest]: no parameter 'walk'"),
        ("model = 'untraind'", "model: no model 'untraind'; did you mean 'untrained'?"),
        ("seed = ", "is not valid TOML"),
    ],
)
def test_a_mistake_is_one_line_with_file_key_and_what_could_be(load, tmp_path, text, words):
    line = mistake(load, text)
    assert line.startswith(f"{tmp_path / 'scene.toml'}: ") and words in line, line
    assert words != "is not valid TOML" or re.search(r"line \d|end of document", line)


def test_a_scene_made_for_another_patch_brings_what_fits(load):
    text = "patch = 'other'\n[rest]\n'walk/speed' = 0.5\n'elsewhere/amount' = 3"
    rig = load(text)
    assert rig.matrix.rest[rig.matrix.index["walk/speed"]] == 0.5
    assert "elsewhere/amount" in mistake(load, text, "other"), "in its own patch it is a mistake"


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert mistake(read_scene, tmp_path / "none.toml").startswith(f"{tmp_path / 'none.toml'}: cannot be read")


@pytest.mark.parametrize("patch", sorted(catalog.names("patches")))
def test_a_cue_leads_to_the_scene_wherever_the_show_comes_from(patch):
    """What rests after a cue's fade is what rests when that scene is played, but for what the performer's hand holds."""
    written = replace(read_patch(catalog.data("patches", patch)), inputs={}, outputs={})
    own = [name for name in catalog.names("scenes") if read_scene(catalog.data("scenes", name)).patch == patch]
    show = Show(device=CPU, strict=True, rest={"generator/truncation": 0.5})
    played = {name: assemble(written, read_scene(catalog.data("scenes", name)), show) for name in own}
    for begun, rig in played.items():
        rig.matrix.set("master/level", 0.25)
        for seconds, goal in enumerate([*written.cues.values(), begun], 1):
            cue = next((cue for cue in rig.cues.values() if cue.name == goal), None)
            if cue is None:
                continue
            rig.matrix.fade(cue.rest, 1.0, float(seconds))
            rig.resolve(Tick(0, seconds + 0.5, 0.5, 0.0), Signals({}, frozenset()))  # and half-way there the next
            rig.matrix.fade(cue.rest, 0.0, seconds + 0.5)
            found = rig.resolve(Tick(0, seconds + 0.6, 0.1, 0.0), Signals({}, frozenset()))
            expected = played[goal].resolve(Tick(0, 0.0, 0.0, 0.0), Signals({}, frozenset()))
            assert found["master"]["level"] == 0.25
            assert {**found.values, "master": None} == {**expected.values, "master": None}


def test_a_cue_says_what_of_its_scene_it_cannot_bring(caplog):
    caplog.set_level("INFO", "phosphene")
    patch = replace(read_patch(catalog.data("patches", "touchdesigner")), inputs={}, outputs={})
    assemble(patch, Scene("none"), Show(device=CPU))
    assert "vigil: as a cue it moves what rests; its anchors count only when it is played" in caplog.messages
