"""Takes: written and read back, cut short, and files that are none."""

import json
import logging

import pytest
from parts import events, tick

from instrument.document import Mistake
from instrument.flow import Event, Tick
from instrument.inputs.take import Input
from instrument.take import FORMAT, Recorder, read_take

TICKS = [Tick(0, 0.0, 1 / 30, 0.0), Tick(1, 1 / 30, 1 / 30, 1 / 15), Tick(4, 4 / 30, 3 / 30, 4 / 15)]
EVENTS = [[], events(("midi/cc/74", 0.1), ("osc/walk/speed", -3.7)), events(("key/ü", 1.0))]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "evening.jsonl"
    recorder = Recorder(path, {"scene": "first-light", "seed": None, "size": (64, 48)})
    for now, heard in zip(TICKS, EVENTS, strict=True):
        recorder.write(now, heard)
    recorder.close()
    return path


def said(path):
    with pytest.raises(Mistake) as refused:
        read_take(path)
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"{path}: ")
    return line


def test_what_was_played_comes_back_to_the_last_digit(path):
    take = read_take(path)
    assert take.ticks == TICKS and take.events == EVENTS
    assert take.header == {"take": FORMAT, "scene": "first-light", "seed": None, "size": [64, 48]}


def test_it_is_one_json_object_a_line(path):
    header, *lines = map(json.loads, path.read_text("utf-8").splitlines())
    assert header["take"] == FORMAT
    assert lines[1] == {
        "tick": [1, 1 / 30, 1 / 30, 1 / 15, 0.0],
        "events": [["midi/cc/74", 0.1], ["osc/walk/speed", -3.7]],
    }


@pytest.mark.parametrize("lost", [1, 2, 7, 30])
def test_a_last_line_that_was_cut_short_is_left_out(path, lost):
    whole = path.read_bytes()
    path.write_bytes(whole[:-lost])
    assert read_take(path).ticks == (TICKS if lost == 1 else TICKS[:-1])


def test_a_line_that_is_broken_further_up_is_a_mistake_with_its_number(path):
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([*lines[:2], lines[2][:20], *lines[3:]]), "utf-8")
    assert ": line 3: not a take: " in said(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "there are no ticks in it"),
        (json.dumps({"take": FORMAT}) + "\n", "there are no ticks in it"),
        ('{"take": "something else"}\n{}', "line 1: not a take: the first line must say 'phosphene take 1'"),
        ("[1, 2]\n[3]", "line 1: not a take"),
        ("3", "line 1: not a take"),
        ("ID3 this is a song\n", "line 1: not a take"),
        (json.dumps({"take": FORMAT}) + '\n{"tick": [1, 2, 3], "events": []}\n', "line 2: not a take"),
        (json.dumps({"take": FORMAT}) + '\n{"tick": [1, 2, 3, 4]}\n', "line 2: not a take"),
        (json.dumps({"take": FORMAT}) + '\n{"tick": [1, 2, 3, 4], "events": [["a", "x"]]}\n', "line 2: not a take"),
        (json.dumps({"take": FORMAT}) + '\n{"tick": [1, 2, 3, 4], "events": 3}\n', "line 2: not a take"),
        (json.dumps({"take": FORMAT}) + "\nnull\n", "line 2: not a take"),
    ],
)
def test_another_file_is_refused_in_one_line_that_names_it(tmp_path, content, words):
    path = tmp_path / "other.jsonl"
    path.write_text(content, "utf-8")
    assert words in said(path)


def test_what_cannot_be_read_is_refused(tmp_path):
    assert "cannot be read as a take" in said(tmp_path / "missing.jsonl")
    assert "cannot be read as a take" in said(tmp_path)
    (tmp_path / "picture").write_bytes(b"\x89PNG\xff\xfe")
    assert "cannot be read as a take" in said(tmp_path / "picture")


def test_a_take_that_is_there_is_not_written_over_unasked(path):
    before = path.read_bytes()
    with pytest.raises(Mistake, match="exists already; --overwrite replaces it"):
        Recorder(path, {})
    assert path.read_bytes() == before
    Recorder(path, {"seed": 4}, overwrite=True).close()
    assert path.read_text("utf-8") == json.dumps({"take": FORMAT, "seed": 4}) + "\n"


def test_a_take_in_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(Mistake, match="there is no folder"):
        Recorder(tmp_path / "none" / "a.jsonl", {})


def test_each_tick_is_on_disk_soon_after_it_was_played(tmp_path):
    path = tmp_path / "a.jsonl"
    recorder = Recorder(path, {})
    recorder.write(tick(0), [])
    recorder.write(tick(1), [])
    while not recorder.lines.empty():
        pass
    assert len(path.read_text("utf-8").splitlines()) >= 2, "a kill now loses the last line at most"
    recorder.close()


def test_a_full_disk_ends_the_take_and_not_the_show(path, caplog):
    class Full:
        name = "evening.jsonl"

        def __enter__(self):
            return self

        def __exit__(self, *error):
            recorder_file.close()

        def write(self, text):
            raise OSError(28, "No space left on device")

    recorder = Recorder(path, {}, overwrite=True)
    recorder_file = recorder.file
    recorder.close()
    with caplog.at_level(logging.INFO, "phosphene"):
        recorder.file = Full()
        recorder.write(tick(0), [])
        recorder.run()
    assert len(caplog.messages) == 1 and "No space left on device" in caplog.messages[0]
    for n in range(1000):
        recorder.write(tick(n), [])
    assert recorder.lines.empty(), "nothing gathers that nobody writes"


# --- played back


def polled(path, *times):
    source = Input(file=str(path))
    return [list(source.poll(Tick(n, time, 0.1, 0.0))) for n, time in enumerate(times)]


def test_on_its_own_ticks_the_same_events_come_at_the_same_ticks(path):
    assert polled(path, *(now.time for now in TICKS)) == EVENTS


def test_at_other_ticks_each_event_comes_at_the_first_that_is_not_before_it(path):
    assert polled(path, 0.0, 0.02, 0.04, 0.5, 0.6) == [[], [], EVENTS[1], EVENTS[2], []]
    assert polled(path, 10.0) == [[*EVENTS[1], *EVENTS[2]]], "none is lost"


def test_events_know_no_arrival_after_they_were_played_back(path):
    assert all(event.arrived is None for heard in polled(path, 10.0) for event in heard)
    assert Event("a", 1.0).arrived is None
