"""Every shipped patch assembles, and every mistake in one is answered with one line: file, key, and what could be."""

import copy
import re
from dataclasses import replace

import pytest
from parts import CPU

from instrument import catalog
from instrument.assemble import assemble
from instrument.document import Mistake
from instrument.matrix import Route
from instrument.patch import read_patch
from instrument.plugging import checked_plugs
from instrument.scene import Scene
from instrument.show import Show

GOOD = {
    "about": "All there is to say.",
    "bpm": 100,
    "model": "",
    "inputs": {"keys": {}, "osc": {"port": 0}},
    "outputs": {"memory": {"limit": 4}, "second": {"plug": "memory"}},
    "walk": {"plug": "drift"},
    "modulators": {
        "hit": {"plug": "envelope", "on": "key/space"},
        "wave": {"plug": "lfo", "shape": "saw", "unit": "beats"},
        "held": {"plug": "hold", "on": "hit", "source": "wave"},
        "dark": {"plug": "toggle", "on": "osc/dark", "start": False},
    },
    "bends": {
        "kick": {"op": "zoom", "layer": "b8.conv1"},
        "glow": {"op": "gain", "layer": "b16.conv0", "channels": [0, 3], "mask": "left"},
        "glitter": {"op": "grain", "layer": "b16.conv1", "channels": 0.5, "seed": 3},
    },
    "routes": [
        {"from": "hit", "to": "kick/octaves", "amount": 0.2},
        {"from": "osc/fader", "to": "walk/speed", "amount": -0.5, "centred": True},
    ],
    "cues": {"key/1": "calm"},
    "rest": {"wave": {"rate": 0.5}, "walk/speed": 0.2},
}


def toml(value):
    """A value in TOML; tables are written inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {toml(item)}' for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return f"'{value}'" if isinstance(value, str) else str(value).lower()


def written(folder, content, name="patch.toml"):
    path = folder / name
    path.write_text("\n".join(f'"{key}" = {toml(value)}' for key, value in content.items()), "utf-8")
    return path


@pytest.fixture
def load(tmp_path, model_folder, monkeypatch, own_plugs):
    """Read and assemble the good patch with changes made to it: dotted keys, None to leave one out."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes" / "calm.toml").write_text("[rest]\n'walk/speed' = 0.05\n")

    def load(changes=None, scene=None, **show):
        patch = read_patch(written(tmp_path, changed({**GOOD, "model": str(model_folder)}, changes or {})))
        rig = assemble(patch, scene or Scene("none"), Show(device=CPU, strict=True, **show))
        rig.close()
        return rig

    return load


def changed(content, changes):
    content = copy.deepcopy(content)
    for keys, value in changes.items():
        *way, last = keys.split(".") if isinstance(keys, str) else keys
        place = content
        for key in way:
            place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
        if value is None:
            del place[last]
        else:
            place[int(last) if isinstance(place, list) else last] = value
    return content


def mistake(load, *arguments, **keywords):
    """The one line that answers."""
    with pytest.raises(Mistake) as refused:
        load(*arguments, **keywords)
    (line,) = str(refused.value).splitlines()
    return line


# --- what Phosphene comes with


@pytest.mark.parametrize("name", sorted(catalog.names("patches")))
def test_every_shipped_patch_assembles_warms_and_draws(name):
    patch = read_patch(catalog.data("patches", name))
    for kind in ("inputs", "outputs"):
        assert checked_plugs(kind, getattr(patch, kind)).keys() == getattr(patch, kind).keys()
    assert patch.inputs and patch.outputs and patch.about
    rig = assemble(replace(patch, inputs={}, outputs={}), Scene("none"), Show(device=CPU, strict=True))
    rig.warm()
    assert rig.voice.image.isfinite().all()
    assert rig.faults.lines() == []


@pytest.mark.parametrize("name", sorted(catalog.names("patches")))
def test_every_shipped_patch_says_what_each_part_is_for(name):
    text = catalog.data("patches", name).read_text("utf-8")
    assert text.startswith("# "), "a performer reads it from the top"


# --- what a patch says


def test_a_patch_is_read_as_it_was_written(load, tmp_path):
    patch = read_patch(written(tmp_path, GOOD))
    assert (patch.name, patch.bpm, patch.walk.plug) == ("patch", 100.0, "drift")
    assert list(patch.modulators) == ["hit", "wave", "held", "dark"] and patch.outputs["second"].plug == "memory"
    assert patch.routes[1][0] == Route("osc/fader", "walk/speed", -0.5, centred=True)
    assert patch.bends["glow"].channels == (0, 3) and patch.bends["glow"].mask == "left"
    assert patch.rest == {"wave/rate": 0.5, "walk/speed": 0.2}


def test_an_empty_patch_is_a_patch(tmp_path, model_folder):
    (tmp_path / "empty.toml").write_text(f"model = '{model_folder}'")
    rig = assemble(read_patch(tmp_path / "empty.toml"), Scene("none"), Show(device=CPU))
    rig.warm()
    assert rig.voice.image.shape == (3, 16, 16)


def test_what_was_written_is_what_is_built(load):
    rig = load()
    assert list(rig.inputs) == ["keys", "osc"] and list(rig.outputs) == ["memory", "second"]
    assert list(rig.modulators) == ["hit", "wave", "held", "dark"]
    assert rig.matrix.rest[rig.matrix.index["walk/speed"]] == 0.2
    assert [slot.name for slot in rig.voice.plan.slots] == ["kick", "glow", "glitter"]
    assert rig.cues["key/1"].rest["walk/speed"] == 0.05


def test_the_seed_of_a_slot_reaches_its_op_too(load):
    slots = {slot.name: slot for slot in load().voice.plan.slots}
    assert slots["glitter"].seed == 3 and slots["glitter"].settings == {"seed": 3}
    assert slots["kick"].settings == {}


def test_later_rest_values_win_signature_patch_scene_command_line(load):
    def speed(rig):
        return rig.matrix.rest[rig.matrix.index["walk/speed"]]

    scene = Scene("x", rest={"walk/speed": 0.3})
    assert speed(load({("rest", "walk/speed"): None})) == 0.1
    assert speed(load()) == 0.2
    assert speed(load(scene=scene)) == 0.3
    assert speed(load(scene=scene, rest={"walk/speed": 0.4})) == 0.4


def test_the_seed_of_the_command_line_goes_before_the_scenes(load):
    def place(**show):
        return load(scene=Scene("x", seed=5), **show).voice.walk.points[0].tolist()

    assert place() == place(seed=5) != place(seed=6)


# --- mistakes

MISTAKES = [
    # unknown keys
    ({"bmp": 3}, ["no key 'bmp'; did you mean 'bpm'?"]),
    ({"route": []}, ["no key 'route'; did you mean 'routes'?"]),
    ({"routes.0.form": "hit"}, ["routes, number 1", "no key 'form'; did you mean 'from'?"]),
    # types
    ({"bpm": "fast"}, ["bpm must be a number, got 'fast'"]),
    ({"about": 3}, ["about must be text, got 3"]),
    ({"walk": 3}, ["walk must be a table, got 3"]),
    ({"walk.plug": 3}, ["[walk]", "plug must be text, got 3"]),
    ({"inputs": []}, ["inputs must be a table, got []"]),
    ({"bends": {"kick": 3}}, ["bends.kick must be a table, got 3"]),
    ({"routes": {}}, ["routes must be a list, each a table"]),
    ({"routes.0.amount": "much"}, ["routes, number 1: amount must be a number, got 'much'"]),
    ({"routes.1.centred": 1}, ["routes, number 2: centred must be true or false, got 1"]),
    ({"modulators.hit.on": 3}, ["[modulators.hit]: on must be text, got 3"]),
    ({"modulators.dark.start": "no"}, ["[modulators.dark]: start must be true or false, got 'no'"]),
    ({"modulators.wave.shape": "sinus"}, ["[modulators.wave]: shape must be one of 'sine', 'triangle'", "got 'sinus'"]),
    (
        {"bends.glow.channels": "some"},
        ["[bends.glow]: channels must be one of 'all' or [a whole number, a whole number]"],
    ),
    ({"bends.glow.mask": "middle"}, ["[bends.glow]: mask must be one of 'everywhere', 'centre'", "got 'middle'"]),
    ({("cues", "key/1"): 3}, ["[cues]: key/1 must be text, got 3"]),
    ({"rest.wave.rate": "slow"}, ["[rest]: wave/rate must be a number, got 'slow'"]),
    # what is missing
    ({"bends.kick.layer": None}, ["[bends.kick]: lacks the key 'layer' (text)"]),
    ({"bends.kick.op": None}, ["[bends.kick]: lacks the key 'op' (text)"]),
    ({"routes.0.amount": None}, ["routes, number 1: lacks the key 'amount' (a number)"]),
    ({"modulators.hit.on": None}, ["[modulators.hit]: lacks the setting 'on' (text)"]),
    # names
    ({"walk.plug": "drfit"}, ["[walk]: no walk 'drfit'; did you mean 'drift'?"]),
    ({"inputs.mid": {}}, ["[inputs.mid]: no input 'mid'; did you mean 'midi'?"]),
    ({"outputs.windw": {}}, ["[outputs.windw]: no output 'windw'; did you mean 'window'?"]),
    ({"modulators.hit.plug": "envelop"}, ["[modulators.hit]: no modulator 'envelop'; did you mean 'envelope'?"]),
    ({"bends.kick.op": "zom"}, ["[bends.kick]: no op 'zom'; did you mean 'zoom'?"]),
    ({"bends.kick.layer": "b8.conv"}, ["[bends.kick]: no layer 'b8.conv'; did you mean 'b8.conv"]),
    ({"bends.kick.layer": "b500.conv1"}, ["[bends.kick]: no layer 'b500.conv1'"]),
    ({"bends.kick.layer": "b512.conv9"}, ["[bends.kick]: no layer 'b512.conv9'"]),
    (
        {"routes.0.to": "kick/octave"},
        ["routes, number 1: to: no parameter 'kick/octave'; did you mean 'kick/octaves'?"],
    ),
    ({"routes.0.from": "hti"}, ["routes, number 1: no signal 'hti'; did you mean 'hit'?"]),
    ({"routes.0.from": "midi/cc/1"}, ["routes, number 1: no signal 'midi/cc/1'", "key/…", "osc/…"]),
    ({"routes.0.from": "key"}, ["routes, number 1: no signal 'key'"]),
    ({"modulators.hit.on": "keys/space"}, ["[modulators.hit]: no signal 'keys/space'; did you mean", "key/…"]),
    ({"modulators.held.source": "wav"}, ["[modulators.held]: no signal 'wav'; did you mean 'wave'?"]),
    ({"cues": {"pad/1": "calm"}}, ["[cues]: no signal 'pad/1'"]),
    ({"cues": {"key/1": "clam"}}, ["[cues]: no scene 'clam'; did you mean 'calm'?"]),
    ({"rest.wave.rat": 1}, ["[rest]: no parameter 'wave/rat'; did you mean 'wave/rate'?"]),
    ({"rest.wvae.rate": 1}, ["[rest]: no parameter 'wvae/rate'; did you mean 'wave/rate'?"]),
    ({"walk.sped": 1}, ["[walk]: no setting 'sped'"]),
    ({"modulators.wave.shpe": "saw"}, ["[modulators.wave]: no setting 'shpe'; did you mean 'shape'?"]),
    ({"modulators.wave.rate": 2.0}, ["[modulators.wave]: no setting 'rate'"]),
    ({"outputs.memory.limt": 4}, ["[outputs.memory]: no setting 'limt'; did you mean 'limit'?"]),
    ({"bends.kick.amount": 4}, ["[bends.kick]: no setting 'amount'"]),
    ({"model": ""}, ["model: no model ''", "There is: "]),
    ({"model": "untraind"}, ["model: no model 'untraind'; did you mean 'untrained'?"]),
    ({"modulators.kick": {"plug": "lfo"}}, ["the name 'kick' is taken"]),
    ({"modulators.walk": {"plug": "lfo"}}, ["the name 'walk' is taken"]),
    # ranges
    ({"bpm": 0}, ["bpm lies in 1..999 beats a minute, got 0"]),
    ({"bpm": float("nan")}, ["bpm must be a number, got nan"]),
    ({"routes.0.amount": 1.5}, ["routes, number 1: amount is a fraction of the target's range, -1..1, got 1.5"]),
    ({"rest.wave.rate": 1000}, ["[rest]: wave/rate lies in 0.005..30 cycles, got 1000"]),
    ({"rest.wave.rate": float("inf")}, ["[rest]: wave/rate must be a number, got inf"]),
    ({"bends.glow.channels": [3, 99]}, ["[bends.glow]: channels must lie in 0..7 of b16.conv0, got [3, 99]"]),
    ({"bends.glow.channels": [3, 1]}, ["[bends.glow]: channels must lie in 0..7"]),
    ({"bends.glow.channels": 0.0}, ["[bends.glow]: channels as a share must lie in 0..1, got 0"]),
    ({"bends.glow.channels": 2}, ["[bends.glow]: channels as a share must lie in 0..1, got 2"]),
    ({"bends.glitter.seed": 2**63}, ["[bends.glitter]: seed must be a whole number"]),
    ({"outputs.memory.limit": 0}, ["[outputs.memory]: ", "limit must be 1 or more, got 0"]),
]


@pytest.mark.parametrize(("changes", "words"), MISTAKES, ids=lambda value: None)
def test_a_mistake_is_one_line_with_file_key_and_what_could_be(load, tmp_path, changes, words):
    line = mistake(load, changes)
    assert line.startswith(f"{tmp_path / 'patch.toml'}: ")
    assert all(word in line for word in words), line


def test_a_wrong_value_in_a_cued_scene_is_found_before_the_show_and_not_on_stage(load, tmp_path):
    calm = tmp_path / "scenes" / "calm.toml"
    wrong = {"'walk/sped' = 1": "did you mean 'walk/speed'?", "'walk/speed' = 99": "walk/speed lies in 0.005..5 1/s"}
    for text, words in wrong.items():
        calm.write_text(f"[rest]\n{text}\n")
        line = mistake(load)
        assert "calm.toml" in line and words in line and str(tmp_path / "patch.toml") in line
    calm.write_text("fade = -1\n")
    assert "calm.toml: fade lies in 0..3600 s, got -1" in mistake(load)


def test_a_mistake_at_the_command_line_says_so(load):
    assert mistake(load, rest={"walk/sped": 1}).startswith(
        "--set: no parameter 'walk/sped'; did you mean 'walk/speed'?"
    )
    assert mistake(load, rest={"walk/speed": 99}) == "--set: walk/speed lies in 0.005..5 1/s, got 99"
    assert mistake(load, model="untraind").startswith("--model: no model 'untraind'; did you mean 'untrained'?")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("generator = 'stylegan2'\nx =", ["model.toml: is not valid TOML"]),
        ("about = 'none'", ["model.toml: lacks the key 'generator' (text)"]),
        ("generator = 3", ["model.toml: generator must be text, got 3"]),
        ("generator = 'stylegan'", ["no generator 'stylegan'; did you mean 'stylegan"]),
        ("generator = 'stylegan2'\nstylegan2 = 3", ["model.toml: stylegan2 must be a table, got 3"]),
        (
            "generator = 'stylegan2'\n[stylegan2]\nresolution = 16.0",
            ["model.toml: [stylegan2]: lacks the setting 'z_dim'"],
        ),
        (None, ["model.toml: cannot be read"]),
    ],
)
def test_a_model_that_cannot_be_played_is_said_with_both_files(load, tmp_path, content, words):
    folder = tmp_path / "broken"
    folder.mkdir()
    if content is not None:
        (folder / "model.toml").write_text(content)
    line = mistake(load, {"model": str(folder)})
    assert line.startswith(f"{tmp_path / 'patch.toml'}: model: ") and all(word in line for word in words), line


@pytest.mark.parametrize("text", ["[walk", "bpm = 1\nbpm = 2", "a = [1,", "= 3", "[walk]\nplug = drift"])
def test_malformed_toml_is_one_line_with_the_place(tmp_path, text):
    path = tmp_path / "patch.toml"
    path.write_text(text)
    line = mistake(read_patch, path)
    assert line.startswith(f"{path}: is not valid TOML: ") and re.search(r"line \d|end of document", line)


def leaves(content, way=()):
    """The way to every value of the good patch, tables too."""
    if way:
        yield way
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in pairs:
        yield from leaves(value, (*way, str(key)))


WRONG = [3, -1, 10**400, 1e30, float("nan"), True, "", "x", "walk/speed"]
WRONG += [[], [1], [[]], {}, {"x": 1}, {"x": {"x": 1}}, [{}]]


@pytest.mark.parametrize("way", list(leaves(GOOD)), ids=".".join)
def test_whatever_stands_at_a_key_it_loads_or_is_one_line(load, way):
    for wrong in WRONG:
        if way[:2] == ("inputs", "osc") and way != ("inputs", "osc"):
            continue  # a real socket: its own tests
        try:
            load({way: wrong})
        except Mistake as answer:
            assert len(str(answer).splitlines()) == 1 and "patch.toml" in str(answer), (wrong, str(answer))


def test_nothing_is_opened_before_everything_was_checked(tmp_path, load, monkeypatch):
    from instrument.inputs import keys

    monkeypatch.setattr(keys.Input, "__init__", lambda self: pytest.fail("it was opened"))
    for changes in (
        {"outputs.windw": {}},
        {"cues": {"key/1": "clam"}},
        {"rest.wave.rate": 1000},
        {"outputs.memory.limt": 1},
    ):
        mistake(load, changes)


def test_what_was_opened_is_closed_when_something_after_it_cannot_be(load, monkeypatch):
    from instrument.inputs import keys

    closed = []
    monkeypatch.setattr(keys.Input, "close", lambda self: closed.append(self))
    mistake(load, {"outputs.memory.limit": 0})
    assert len(closed) == 1


def test_a_patch_made_for_larger_pictures_plays_a_smaller_model_and_says_what_it_changed(load, caplog):
    caplog.set_level("INFO", "phosphene")
    rig = load({"bends.kick.layer": "b512.conv0"})
    (slot,) = (slot for slot in rig.voice.plan.slots if slot.name == "kick")
    last = list(rig.voice.generator.layers())[-1].partition(".")[0]
    assert slot.layer == f"{last}.conv0"
    assert any(f"this model has no b512.conv0; it acts at {last}.conv0" in line for line in caplog.messages)
