"""What is missing: a mistake is answered in one line and nothing is written; what the machine lacks is named, and it plays."""

import json
import re
import shutil
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from command_line import QUICK, Server, kicks, phosphene, running

SHIPPED = Path(__file__).parents[1]
PATCH = """
bpm = 120
[inputs.audio]
source = "default"
[inputs.keys]
[modulators.hit]
plug = "envelope"
on = "audio/onset"
[modulators.boil]
plug = "lfo"
shape = "saw"
[bends.kick]
op = "zoom"
layer = "b16.conv1"
[walk]
plug = "drift"
[[routes]]
from = "hit"
to = "walk/push"
amount = 0.5
[cues]
"key/1" = "undertow"
[rest.hit]
decay = 0.2
"""
RECORDING = 'plug = "recording"\nfile = "new.mp4"\n'
SCENE = """
patch = "audio"
fade = 4.0
[rest.walk]
speed = 0.1
"""
SHOW = ["--seconds", "0.2", *QUICK]
UNSEEN = ["--output", "none"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with closing(Server(PHOSPHENE_PLUGS="plugs")) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of things to ask for, nearly all of them wrong."""
    folder = tmp_path_factory.mktemp("wrong")
    kicks(folder / "song.wav", 1.0)
    broken = {
        "noise.toml": b"\x00\xff",
        "quote.toml": but(PATCH, '"default"', '"default'),
        "plug.toml": but(PATCH, "[inputs.keys]", "[inputs.kyes]"),
        "modulator.toml": but(PATCH, 'plug = "lfo"', 'plug = "lof"'),
        "setting.toml": but(PATCH, 'shape = "saw"', 'shap = "saw"'),
        "choice.toml": but(PATCH, 'shape = "saw"', 'shape = "sow"'),
        "key.toml": but(PATCH, "bpm = 120", "bmp = 120"),
        "type.toml": but(PATCH, "bpm = 120", 'bpm = "fast"'),
        "op.toml": but(PATCH, 'op = "zoom"', 'op = "zom"'),
        "layer.toml": but(PATCH, 'layer = "b16.conv1"', 'layer = "b16.conv3"'),
        "route.toml": but(PATCH, 'to = "walk/push"', 'to = "walk/pusch"'),
        "source.toml": but(PATCH, 'from = "hit"', 'from = "hti"'),
        "signal.toml": but(PATCH, '"audio/onset"', '"audio/onste"'),
        "amount.toml": but(PATCH, "amount = 0.5", "amount = 10"),
        "cue.toml": but(PATCH, '"undertow"', '"undretow"'),
        "rest.toml": but(PATCH, "decay", "dekay"),
        "walk.toml": but(PATCH, 'plug = "drift"', 'plug = "drft"'),
        "taken.toml": (PATCH + '\n[modulators.kick]\nplug = "lfo"\n').encode(),
        "twice.toml": f"{PATCH}[outputs.r]\n{RECORDING}[outputs.r2]\n{RECORDING}".encode(),
        "song.toml": but(PATCH, '"default"', '"song.wav"'),
        "scene-key.toml": but(SCENE, "fade = 4.0", "fdae = 4.0"),
        "scene-rest.toml": but(SCENE, "speed = 0.1", "spede = 0.08"),
        "scene-range.toml": but(SCENE, "speed = 0.1", "speed = 80"),
        "scene-patch.toml": but(SCENE, 'patch = "audio"', 'patch = "audoi"'),
        "scene-model.toml": b'model = "untraind"',
        "text.wav": b"this is no sound\n" * 100,
        "text.jsonl": b"this is no take\n" * 3,
        "empty.jsonl": b'{"take": "phosphene take 1"}\n',
        "header.jsonl": b'{"take": "phosphene take 1", "seed": "x"}\n{"tick": [0, 0, 0.1, 0], "events": []}\n',
        "gone.jsonl": b'{"take": "phosphene take 1", "scene": "/gone/mine.toml"}\n{"tick": [0, 0, 0.1, 0], "events": []}\n',
        "sung.jsonl": b'{"take": "phosphene take 1", "song": "there.mp4"}\n{"tick": [0, 0, 0.1, 0], "events": []}\n',
        "there.mp4": b"a film",
        "there.jsonl": b"a take",
        "there.json": b'{"a": "letter"}',
    }
    for name, content in broken.items():
        (folder / name).write_bytes(content)
    for name in ("plugs", "film.mp4", "hollow", "cut"):
        (folder / name).mkdir()
    (folder / "plugs" / "outputs").mkdir()
    (folder / "plugs" / "outputs" / "plain.py").write_text("class Output:\n    delivery, target = 'here', None\n")
    shutil.copy(SHIPPED / "models" / "untrained" / "model.toml", folder / "cut")
    (folder / "cut" / "weights.safetensors").write_bytes(b"\x10" * 100)
    return folder


def but(text: str, old: str, new: str) -> bytes:
    """The text with something else in it."""
    assert old in text
    return text.replace(old, new).encode()


def everything(folder: Path) -> dict[str, bytes | None]:
    """All that lies in a folder, with its content, but for what Python keeps of a plug it has read."""
    there = [path for path in folder.rglob("*") if "__pycache__" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in there}


MISTAKES = [  # arguments, then what the one line must say
    # --- names
    (
        "play firts-light",
        "scene: no scene 'firts-light'; did you mean 'first-light'? There is: chrome, duet, first-light, ",
    ),
    ("play --patch audoi", "--patch: no patch 'audoi'; did you mean 'audio'?"),
    ("play --patch nowhere.toml", "--patch: no patch 'nowhere.toml'"),
    (
        "play --model untraind",
        "--model: no model 'untraind'; did you mean 'untrained'? There is: blooms, liquid, untrained",
    ),
    ("play --output windoe", "--output windoe: no output 'windoe'; did you mean 'window'?"),
    ("play --output none:3", "--output none:3: no output 'none'"),
    ("play --output window:left", "--output window:left: display must be a whole number, got 'left'"),
    ("play --output plain:3", "--output plain:3: 'plain' takes nothing after the colon"),
    ("play --output none --output window", "--output none: plays without any output, so it stands alone"),
    ("play --output ndi --output ndi", "--output ndi: is given twice"),
    ("play --set walk/sped=1", "--set: no parameter 'walk/sped'; did you mean 'walk/speed'?"),
    ("play --set walk/speed=9999", "--set: walk/speed lies in 0.005..5 1/s, got 9999"),
    ("play --set walk/speed=nan", "--set: walk/speed lies in 0.005..5 1/s, got nan"),
    ("play --set walk/speed", "--set: expected owner/parameter=number, got 'walk/speed'"),
    ("play --osc-port 99999", "--osc-port: osc: port must be in range 0..65535, got 99999"),
    ("play --device cuda", "--device: no device 'cuda'"),
    ("play --device cuda:7", "--device: no device 'cuda:7'"),
    (
        "play --executor float23",
        "--executor: blooms: on this cpu there is no executor 'float23'; did you mean 'float32'?",
    ),
    # --- patches
    ("play --patch noise.toml", "noise.toml: is not text in UTF-8"),
    ("play --patch quote.toml", "quote.toml: is not valid TOML: "),
    ("play --patch plug.toml", "plug.toml: [inputs.kyes]: no input 'kyes'; did you mean 'keys'?"),
    ("play --patch modulator.toml", "modulator.toml: [modulators.boil]: no modulator 'lof'; did you mean 'lfo'?"),
    ("play --patch setting.toml", "setting.toml: [modulators.boil]: no setting 'shap'; did you mean 'shape'?"),
    ("play --patch choice.toml", "choice.toml: [modulators.boil]: shape must be one of 'sine', "),
    ("play --patch key.toml", "key.toml: no key 'bmp'; did you mean 'bpm'?"),
    ("play --patch type.toml", "type.toml: bpm must be a number, got 'fast'"),
    ("play --patch op.toml", "op.toml: [bends.kick]: no op 'zom'; did you mean 'zoom'?"),
    ("play --patch layer.toml", "layer.toml: [bends.kick]: no layer 'b16.conv3'; did you mean 'b16.conv"),
    ("play --patch route.toml", "to: no parameter 'walk/pusch'; did you mean 'walk/push'?"),
    ("play --patch source.toml", "no signal 'hti'; did you mean 'hit'?"),
    ("play --patch signal.toml", "signal.toml: [modulators.hit]: no signal 'audio/onste'; did you mean 'audio/onset'?"),
    ("play --patch amount.toml", "amount is a fraction of the target's range, -1..1, got 10"),
    ("play --patch cue.toml", "cue.toml: [cues]: no scene 'undretow'; did you mean 'undertow'?"),
    ("play --patch rest.toml", "rest.toml: [rest]: no parameter 'hit/dekay'; did you mean 'hit/decay'?"),
    ("play --patch walk.toml", "walk.toml: [walk]: no walk 'drft'; did you mean 'drift'?"),
    ("play --patch taken.toml", "taken.toml: the name 'kick' is taken"),
    # --- scenes and models
    ("play scene-key.toml", "scene-key.toml: no key 'fdae'; did you mean 'fade'?"),
    ("play scene-rest.toml", "scene-rest.toml: [rest]: no parameter 'walk/spede'; did you mean 'walk/speed'?"),
    ("play scene-range.toml", "scene-range.toml: [rest]: walk/speed lies in 0.005..5 1/s, got 80"),
    ("play scene-patch.toml", "scene-patch.toml: patch: no patch 'audoi'; did you mean 'audio'?"),
    ("play scene-model.toml", "scene-model.toml: model: no model 'untraind'; did you mean 'untrained'?"),
    ("play --model hollow", "--model: hollow/model.toml: cannot be read: No such file or directory"),
    ("play --model cut", "--model: cut/weights.safetensors: cannot be read as safetensors"),
    # --- songs and takes
    ("play --audio nowhere.wav", "--audio: nowhere.wav: no such sound file"),
    ("play --audio text.wav", "--audio: text.wav: not a sound file that can be read"),
    ("render nowhere.wav -o new.mp4", "nowhere.wav: no such song or take"),
    ("render text.wav -o new.mp4", "text.wav: not a sound file that can be read"),
    ("render quote.toml -o new.mp4", "quote.toml: not a sound file that can be read"),
    ("render text.jsonl -o new.mp4", "text.jsonl: line 1: not a take"),
    ("render empty.jsonl -o new.mp4", "empty.jsonl: not a take: there are no ticks in it"),
    ("render header.jsonl -o new.mp4", "header.jsonl: line 1: seed must be a whole number, got 'x'"),
    ("render gone.jsonl -o new.mp4", "line 1: scene: /gone/mine.toml is no longer there; --scene names another"),
    ("render song.wav -o new.mp4 --set walk/sped=1", "--set: no parameter 'walk/sped'; did you mean 'walk/speed'?"),
    # --- files to write
    ("render song.wav -o nowhere/new.mp4", "-o: nowhere/new.mp4: there is no folder nowhere"),
    ("render song.wav -o there.mp4", "-o: there.mp4 exists already; --overwrite replaces it"),
    ("render song.wav -o film.mp4 --overwrite", "-o: film.mp4 is a folder; name a file"),
    ("render song.wav -o new.avi", "-o: new.avi: a video file's name ends in .mp4, .mov, .mkv, not '.avi'"),
    ("render song.wav -o song.wav --overwrite", "-o: song.wav is named already, for the source"),
    ("play --output recording:nowhere/new.mp4", "nowhere/new.mp4: nowhere/new.mp4: there is no folder nowhere"),
    ("play --output recording:there.mp4", "recording:there.mp4: there.mp4 exists already; --overwrite replaces it"),
    ("play --output recording:new.avi", "--output recording:new.avi: new.avi: a video file's name ends in"),
    ("play --output recording", "--output recording: lacks the setting 'file' (text)"),
    ("play --take nowhere/new.jsonl", "--take: nowhere/new.jsonl: there is no folder nowhere"),
    ("play --take there.jsonl", "--take: there.jsonl exists already; --overwrite replaces it"),
    ("play --take new.txt", "--take: the name of a take ends in .jsonl, got 'new.txt'"),
    ("play --report nowhere/new.json", "--report: nowhere/new.json: there is no folder nowhere"),
    ("play --report there.json --overwrite", "--report: there.json exists already and is something else"),
    (
        "play --take a.jsonl --output recording:a.jsonl",
        "--output recording:a.jsonl: a.jsonl is named already, for --take",
    ),
    ("play --patch twice.toml", "twice.toml: [outputs.r2]: new.mp4 is named already, for twice.toml: [outputs.r]"),
    (
        "play --output ndi --output ndi:Phosphene",
        "--output ndi:Phosphene: Phosphene is named already, for --output ndi",
    ),
    (
        "play --patch song.toml --output recording:song.wav --overwrite",
        "song.wav is named already, for song.toml: [inp",
    ),
    ("render sung.jsonl -o there.mp4 --overwrite", "-o: there.mp4 is named already, for sung.jsonl: song"),
]


@pytest.mark.parametrize(("words", "answer"), MISTAKES, ids=[words for words, _ in MISTAKES])
def test_a_mistake_is_one_line_and_nothing_is_written(server: Server, folder: Path, words: str, answer: str) -> None:
    before = everything(folder)
    verb, *arguments = words.split()
    usual = ["--take", "usual.jsonl"] if verb == "play" and "--take" not in arguments else []
    usual += UNSEEN if verb == "play" and "--output" not in arguments and "twice.toml" not in arguments else []
    code, said = server.answer(folder, verb, *(SHOW if verb == "play" else []), *usual, *arguments)
    assert code == 2, said
    *notes, last = said.splitlines()
    assert last.startswith("phosphene: ")
    assert answer in last
    assert "Traceback" not in said
    assert all(note.startswith(("audio: ", "OSC: ")) for note in notes), said  # what was opened meanwhile
    assert everything(folder) == before


def test_a_broken_plug_of_ones_own_is_named_with_its_line(server: Server, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(PATCH + "[inputs.mine]\n", "utf-8")
    (tmp_path / "plugs" / "inputs").mkdir(parents=True)
    plug = tmp_path / "plugs" / "inputs" / "mine.py"
    start = "class Input:\n    def __init__(self) -> None:\n        "
    for content, answer in [
        ("class Input\n", r"SyntaxError: .*mine\.py"),
        ("import nothing_like_it\n", r"ModuleNotFoundError: .*'nothing_like_it'.*mine\.py, line 1\)"),
        (start + "raise RuntimeError('two\\nlines')", r"RuntimeError: two \(.*mine\.py, line 3\)"),
        (start + "{}['speed']", r"KeyError: 'speed' \(.*mine\.py, line 3\)"),
        (start + "raise ValueError('mine: one to nine, got ten')", r"mine: one to nine, got ten$"),
        ("class Inptu: ...\n", r"AttributeError: .*'Input'"),
    ]:
        plug.write_text(content)
        code, said = server.answer(tmp_path, "play", "--patch", "mine.toml", *SHOW, *UNSEEN)
        assert code == 2
        assert re.match(rf"phosphene: mine\.toml: \[inputs\.mine\]: {answer}", said.splitlines()[-1]), said
        assert "Traceback" not in said


def test_a_broken_bend_of_ones_own_is_not_blamed_on_the_patch_that_looks_among_bends(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "plugs" / "bends").mkdir(parents=True)
    bend = tmp_path / "plugs" / "bends" / "foo.py"
    for content, answer in [
        ("x = 1\ndef foo(x)\n    return x\n", r"SyntaxError: expected ':'"),
        ("x = 1\nprint(y)\n", r"NameError: name 'y' is not defined"),
        ("x = 1\nimport nothing_like_it\n", r"ModuleNotFoundError: No module named 'nothing_like_it'"),
    ]:
        bend.write_text(content)
        code, said = server.answer(tmp_path, "play", *SHOW, *UNSEEN)
        assert code == 2
        assert re.fullmatch(rf"phosphene: bends/foo\.py: {answer} \({bend}, line 2\)\n", said), said


LACKING = "from instrument.plugs import Unavailable\n"
LACKS = "raise Unavailable('no laser', 'plug one in')\n"


@pytest.mark.parametrize("kind", ["modulators", "walks", "generators"])
@pytest.mark.parametrize("when", ["imported", "made"])
def test_what_no_show_can_do_without_is_one_line(server: Server, tmp_path: Path, kind: str, when: str) -> None:
    name = {"modulators": "Modulator", "walks": "Walk", "generators": "Generator"}[kind]
    body = LACKS if when == "imported" else f"class {name}:\n    def __init__(self, *arguments):\n        {LACKS}"
    (tmp_path / "plugs" / kind).mkdir(parents=True)
    (tmp_path / "plugs" / kind / "laser.py").write_text(LACKING + body)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.toml").write_text('generator = "laser"')
    tables = {"modulators": "[modulators.laser]", "walks": '[walk]\nplug = "laser"', "generators": 'model = "model"'}
    (tmp_path / "mine.toml").write_text(tables[kind] + "\n")
    code, said = server.answer(tmp_path, "play", "--patch", "mine.toml", *UNSEEN, "--seconds", "0.1")
    places = {"modulators": "[modulators.laser]", "walks": "[walk]", "generators": "model"}
    assert said == f"phosphene: mine.toml: {places[kind]}: no laser; plug one in\n"
    assert code == 2


@pytest.mark.parametrize("kind", ["inputs", "outputs"])
def test_an_edge_whose_file_cannot_be_imported_for_what_is_missing_is_left_out(
    server: Server, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "plugs" / kind).mkdir(parents=True)
    (tmp_path / "plugs" / kind / "laser.py").write_text(LACKING + LACKS)
    (tmp_path / "mine.toml").write_text(f"[{kind}.laser]\n")
    asked = ["--output", "laser:3"] if kind == "outputs" else []
    for arguments in (["--patch", "mine.toml"], ["--patch", "mine.toml", *asked]):
        code, said = server.answer(tmp_path, "play", *arguments, "--seconds", "0.1")
        assert code == 0, said
        assert said.splitlines()[0] == "no laser; plug one in"
        assert "Playing the patch mine" in said


def test_a_folder_of_plugs_that_is_not_there_is_said(server: Server, tmp_path: Path) -> None:
    assert server.answer(tmp_path, "play", *SHOW, *UNSEEN) == (
        2,
        "phosphene: PHOSPHENE_PLUGS: there is no folder plugs\n",
    )


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder of modules that hide what this machine may have: sound, MIDI, NDI."""
    hidden = {"sounddevice": 'OSError("PortAudio library not found")', "NDIlib": 'ModuleNotFoundError("NDIlib")'}
    hidden["rtmidi"] = 'ImportError("no rtmidi")'
    (tmp_path / "bare").mkdir()
    for name, error in hidden.items():
        (tmp_path / "bare" / f"{name}.py").write_text(f"raise {error}\n")
    return tmp_path / "bare"


def test_with_nothing_at_all_it_plays_the_demo_track_in_time_into_the_page(bare: Path, tmp_path: Path) -> None:
    """No display, sound device, MIDI, NDI or GPU."""
    edges = ["--midi", "nano", "--output", "window", "--output", "ndi:Wall", "--take", "show.jsonl"]
    arguments = ["play", "--patch", "midi", *edges, "--report", "report.json", *QUICK]
    with running(tmp_path, *arguments, PYTHONPATH=str(bare)) as show:
        page = show.hears(r"preview: open (http://127\.0\.0\.1:\d+/)")[1]
        show.hears(r"Playing the patch midi on the cpu")
        began = time.monotonic()
        status: dict[str, dict[str, int]] = {"events": {"audio": 0}}
        while status["events"]["audio"] < 400 and time.monotonic() - began < 30:  # a little more than 0.7 s of sound
            with urllib.request.urlopen(f"{page}status") as answer:
                status = json.load(answer)
        with urllib.request.urlopen(f"{page}frame.jpg") as answer:
            assert answer.read(2) == b"\xff\xd8"
        assert show.stopped(signal.SIGTERM) == 0
    said = show.said
    for line in [
        r"no MIDI here: .*",
        r"audio: no sound device can be opened; install PortAudio .*THE DEMO TRACK PLAYS INSTEAD",
        r"audio: the song plays silently; .*",
        r"no display; .*",
        r"the NDI package is not installed; pip install 'phosphene\[ndi\]'",
        r"THE PICTURE IS ON THE PREVIEW PAGE INSTEAD",
    ]:
        assert len(re.findall(rf"^{line}$", said, re.M)) == 1, (line, said)
    notes = [line for line in said.splitlines() if "as a cue it moves" not in line]
    assert len(notes) == 10, said  # those, where it listens and shows, that it plays, that it closes
    report = json.loads((tmp_path / "report.json").read_text())
    assert list(report["outputs"]) == ["preview"]
    assert report["faults"] == []
    header, *ticks = map(json.loads, (tmp_path / "show.jsonl").read_text().splitlines())
    assert header["song"] == "demo"
    heard = sum(len(line["events"]) for line in ticks) / 6 * 512 / 44_100  # seconds: six signals a block
    assert heard == pytest.approx(ticks[-1]["tick"][1] + 0.1, abs=0.1)


def test_a_preview_that_is_asked_for_anyway_is_not_opened_twice(tmp_path: Path) -> None:
    done = phosphene(tmp_path, "play", "--output", "window", "--output", "preview:0", "--seconds", "0.1", *QUICK)
    assert done.returncode == 0
    assert done.stderr.count("preview: open") == 1
    assert "INSTEAD\n" not in done.stderr.replace("DEMO TRACK PLAYS INSTEAD", "")
