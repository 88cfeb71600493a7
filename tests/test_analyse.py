"""`phosphene analyse`: beats where they are, from the first one on; a sidecar that is edited, refused, kept; and rendered by."""

import json
import sys
import wave
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Server, kicks, phosphene, pictures
from numpy.typing import NDArray

from instrument.__main__ import Parser
from instrument.commands import analyse as command
from instrument.document import Mistake
from instrument.flow import Tick
from instrument.inputs.audio import Input
from instrument.listening import hindsight
from instrument.listening.listener import SIGNALS
from instrument.plugs import Unavailable
from instrument.songs.features import read_features
from instrument.songs.scrutiny import Scrutiny
from instrument.songs.sidecar import Sidecar, barred, beside, check_song, read_sidecar, write_sidecar
from instrument.tempo import Tempo, between

RATE, BPM, FIRST, BARS, DRUMS_ALONE = 22_050, 124.0, 0.3, 12, 8
BEATS = FIRST + np.arange(4 * BARS) * 60 / BPM
CHORDS = (57, 60, 64), (53, 57, 60), (48, 52, 55), (52, 55, 59)  # a minor, f, c, e minor


def song(path: Path) -> Path:
    """A band of which all is known: kick, snare, hats, a chord a bar; from the ninth bar on the drums are alone with a bass."""
    rng, t = np.random.default_rng(3), np.arange(int(0.3 * RATE)) / RATE
    kick = np.sin(2 * np.pi * (50 * t + 8 * (1 - np.exp(-t / 0.03)))) * np.exp(-t / 0.09)
    whole = np.zeros(int((BEATS[-1] + 1.0) * RATE))
    for number, beat in enumerate(BEATS):
        noise = rng.normal(0, 0.3, (2, len(t)))
        struck = kick if number % 2 == 0 else 0.6 * noise[0] * np.exp(-t / 0.06)
        hat = 0.4 * np.diff(noise[1], prepend=0) * np.exp(-t / 0.03)
        for time, heard in ((beat, struck), (beat + 30 / BPM, hat)):
            whole[round(time * RATE) :][: len(t)] += 0.5 * heard
    length = np.arange(int(240 / BPM * RATE)) / RATE
    for bar in range(BARS):
        notes = CHORDS[bar % 4] if bar < DRUMS_ALONE else (33,)
        held = sum(np.sin(2 * np.pi * 440 * 2 ** ((note - 69) / 12) * length) for note in notes)
        whole[round(BEATS[4 * bar] * RATE) :][: len(length)] += 0.1 * held * np.minimum(1, 50 * (length[-1] - length))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((whole.clip(-1, 1) * 30_000).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with closing(Server()) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A song with its sidecar, and what was said."""
    path = song(tmp_path_factory.mktemp("analysed") / "song.wav")
    done = phosphene(path.parent, "analyse", "song.wav")
    assert done.returncode == 0, done.stderr
    return path, done.stderr


@pytest.fixture
def sidecar(analysed: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of it, to be edited; its song lies beside it."""
    for file in analysed[0].parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return beside(tmp_path / "song.wav")


def edited(path: Path, **changes: Any) -> Path:
    content = {**json.loads(path.read_text("utf-8")), **changes}
    path.write_text(json.dumps({key: value for key, value in content.items() if value != "gone"}), "utf-8")
    return path


# --- what is found


def test_every_beat_is_there_from_the_first_on_and_within_ten_milliseconds(analysed: tuple[Path, str]) -> None:
    found = np.array([time for time, _ in read_sidecar(beside(analysed[0])).beats])
    assert len(found) == len(BEATS)
    assert abs(found - BEATS).max() < 0.01


def test_bars_tempo_key_and_sections_are_those_of_the_song(analysed: tuple[Path, str]) -> None:
    known = read_sidecar(beside(analysed[0]))
    assert [place for _, place in known.beats] == [1 + number % 4 for number in range(4 * BARS)]
    assert known.tempo == pytest.approx(BPM, rel=0.003)
    assert known.key == "a minor"
    assert known.sections[0] == (0.0, "A")
    (second,) = known.sections[1:]
    assert second == (pytest.approx(BEATS[4 * DRUMS_ALONE], abs=0.01), "B")
    assert known.seconds == pytest.approx(BEATS[-1] + 1.0, abs=1 / RATE)


def test_what_was_found_is_said_in_a_few_lines(analysed: tuple[Path, str]) -> None:
    said = analysed[1].splitlines()
    assert said[0].startswith("song.wav: 0:24.0, 124.0 beats a minute, a minor")
    assert said[1].startswith(f"{4 * BARS} beats in {BARS} bars from 0.29")
    assert said[2].startswith("2 sections: A 0:00.0, B 0:")
    assert len(said) == 4


def test_each_beat_has_its_own_line_and_written_again_it_is_the_same(sidecar: Path) -> None:
    before = sidecar.read_text("utf-8")
    assert sum(line.startswith("  [") for line in before.splitlines()) == 4 * BARS
    write_sidecar(sidecar, read_sidecar(sidecar))
    assert sidecar.read_text("utf-8") == before


def test_the_features_are_the_listener_s_with_what_hindsight_knows_better(sidecar: Path) -> None:
    found = read_features(sidecar, read_sidecar(sidecar))
    assert found.signals.shape == (len(found.times), len(SIGNALS))
    assert found.times[0] == pytest.approx(256 / RATE)
    heard = Input(source=str(sidecar.with_name("song.wav")), live=False, named={"audio/kick", "audio/loudness"})
    events = [event for n in range(300) for event in heard.poll(Tick(n, n / 30, 1 / 30, 0.0))]
    for name in ("kick", "loudness"):
        live = [event.value for event in events if event.address == f"audio/{name}"]
        assert found.signals[: len(live), SIGNALS.index(name)].tolist() == pytest.approx(live)
    column = {name: found.signals[:, SIGNALS.index(name)] for name in SIGNALS}
    struck = (found.times[:, None] > BEATS + 0.01) & (found.times[:, None] < BEATS + 0.06)
    after = (found.times[:, None] > BEATS + 0.12) & (found.times[:, None] < BEATS + 0.2)
    percussive, harmonic = (
        column[name][struck.any(1)].mean() / column[name][after.any(1)].mean() for name in ("percussive", "harmonic")
    )
    assert percussive > 4
    assert harmonic < 1.6
    for bar in range(DRUMS_ALONE):
        during = (found.times > BEATS[4 * bar] + 0.3) & (found.times < BEATS[4 * bar] + 1.7)
        notes = np.array([column[f"chroma/{note}"][during].mean() for note in hindsight_notes()])
        assert set(np.argsort(notes)[-3:]) == {note % 12 for note in CHORDS[bar % 4]}


def hindsight_notes() -> list[str]:
    return [name.removeprefix("chroma/") for name in SIGNALS if name.startswith("chroma/")]


def test_hindsight_finds_the_course_that_a_brute_search_finds() -> None:
    """Of a pulse with so few tempi that every course can be tried."""
    from instrument.listening.pulse import WEIGHT, Pulse

    dt, rng = 0.1, np.random.default_rng(2)
    pulse = Pulse(dt)
    likely = rng.random(14).astype(np.float32)
    intervals = pulse.intervals.tolist()

    def score(first: int, course: list[int]) -> tuple[float, list[int]]:
        """Of the course whose first interval began `first` blocks before the song."""
        with np.errstate(divide="ignore"):
            change = np.log(pulse.change)
        total, at, beats = float(np.log(pulse.belief[pulse.first[intervals.index(course[0])]])), -first, []
        for number, interval in enumerate(course):
            state = int(pulse.first[intervals.index(interval)])
            if number:
                total += float(change[intervals.index(course[number - 1]), intervals.index(interval)]) - hindsight.COST
            for place in range(interval):
                if 0 <= at + place < len(likely):
                    total += WEIGHT * float(likely[at + place]) * float(pulse.template[state + place])
            if at >= 0:
                beats.append(at)
            at += interval
        return total, beats

    def courses(left: int) -> Iterator[list[int]]:
        for interval in intervals:
            if interval >= left:
                yield [interval]
            else:
                yield from ([interval, *rest] for rest in courses(left - interval))

    # the first block moves on by one from where the belief begins, so a course starts a place before it
    best = max(
        score(first, course)
        for first in range(1, max(intervals))
        for course in courses(len(likely) + first)
        if first < course[0]
    )
    assert hindsight.course(likely, Pulse(dt)).tolist() == best[1]


def analyse(folder: Path, *arguments: object) -> int:
    """The command in this process, because its libraries take seconds to load."""
    parser = Parser(prog="phosphene analyse")
    command.arguments(parser)
    return command.run(parser.parse([str(folder / "quiet.wav"), *map(str, arguments)]))


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    """The folder of a second of silence."""
    with wave.open(str(tmp_path / "quiet.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(bytes(2 * RATE))
    return tmp_path


def test_who_says_how_fast_it_is_is_believed() -> None:
    dt, likely = 512 / 44100, np.full(3000, 0.02, np.float32)
    likely[(np.arange(0.2, 34, 60 / 168) / dt).astype(int) + 2] = 0.9
    assert hindsight.tempo(hindsight.beats(likely, dt)) == pytest.approx(168, rel=0.005)
    assert hindsight.tempo(hindsight.beats(likely, dt, 84)) == pytest.approx(84, rel=0.005)


def test_beats_that_lie_half_way_between_another_s_are_moved_onto_them() -> None:
    true = 0.25 + 0.5 * np.arange(40)
    assert hindsight.on_the_beat(true + 0.25, true + 0.01)[:-1] == pytest.approx(true)
    assert hindsight.on_the_beat(true, true + 0.01) is true
    assert hindsight.on_the_beat(true, np.sort([*true, *(true + 0.25)])) is true, "of twice as many it says nothing"


def test_a_long_song_is_heard_in_stretches_as_if_in_one() -> None:
    rng, t = np.random.default_rng(1), np.arange(8 * RATE) / RATE
    sound = (0.3 * np.sin(2 * np.pi * 220 * t) * (t % 1) + 0.1 * rng.normal(size=len(t)) * (t % 0.5 < 0.1)).astype("f4")
    whole, cut = Scrutiny(RATE, 256), Scrutiny(RATE, 256)
    cut.stretch = 150
    for start in range(0, len(sound), 5000):
        cut.push(sound[start : start + 5000])
    whole.push(sound)
    one, other = whole.end(), cut.end()
    assert len(one.held) == len(other.held) == len(sound) // 256
    assert abs(one.held - other.held).max() < 0.002
    assert abs(one.struck - other.struck).max() < 0.002
    assert np.median(abs(one.chroma - other.chroma)) < 0.01


def test_without_librosa_it_is_said_what_mends_that(quiet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(Unavailable, match=r"pip install 'phosphene\[analyse\]'"):
        analyse(quiet)
    assert [path.name for path in quiet.iterdir()] == ["quiet.wav"]


def test_of_a_silent_song_there_are_no_beats_and_it_is_said(quiet: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "phosphene"):
        assert analyse(quiet) == 0
    assert caplog.messages[:2] == ["quiet.wav: 0:01.0, no beats", "1 section: A 0:00.0"]
    known = read_sidecar(quiet / "quiet.wav.beats.json")
    assert (known.beats, known.tempo, known.key, known.score()) == ([], None, None, [])


# --- what is kept, and what is refused


def test_nothing_of_the_user_s_is_lost(quiet: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert analyse(quiet) == 0
    path, features = quiet / "quiet.wav.beats.json", quiet / "quiet.wav.features.npz"
    mine = edited(path, sections=[{"seconds": 0.5, "name": "mine"}]).read_text("utf-8")
    for more in ((), ("-o", quiet)):
        with pytest.raises(Mistake, match=r"quiet.wav.beats.json exists already; --overwrite replaces it"):
            analyse(quiet, *more)
    before = features.read_bytes()
    features.unlink()
    caplog.clear()
    with caplog.at_level("INFO", "phosphene"):
        assert analyse(quiet) == 0
    assert caplog.messages == [f"{features}: written anew; {path} is kept as it is"]
    assert path.read_text("utf-8") == mine
    assert features.read_bytes() == before
    assert analyse(quiet, "--overwrite") == 0
    assert path.read_text("utf-8") != mine


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (("nowhere.ogg",), "nowhere.ogg: no such song"),
        (("text.wav",), "text.wav: not a sound file that can be read"),
        (("song.wav", "-o", "nowhere"), "there is no folder nowhere"),
        (("song.wav", "--bpm", "20"), "--bpm lies in 55..215 beats a minute, got 20"),
        (("song.wav", "--overwrit"), "no option '--overwrit'; did you mean '--overwrite'?"),
    ],
)
def test_what_cannot_be_had_is_one_line(
    server: Server, tmp_path: Path, arguments: tuple[str, ...], answer: str
) -> None:
    (tmp_path / "text.wav").write_text("this is no sound")
    kicks(tmp_path / "song.wav")
    code, said = server.answer(tmp_path, "analyse", *arguments)
    assert (code, said.count("\n")) == (2, 1)
    assert answer in said
    assert not [*tmp_path.glob("*.json"), *tmp_path.glob("*.npz")]


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"format": "phosphene beats 9"}, "format must be 'phosphene beats 1', got 'phosphene beats 9'"),
        ({"format": "gone"}, "lacks the key 'format'"),
        ({"beets": []}, "no key 'beets'; did you mean 'beats'?"),
        ({"beats": [[1.0, 1], [0.9, 2]]}, "beats: number 2 is at 0.9 s, which is not after the 1 s of the one before"),
        ({"beats": [[1.0, 1], [2.0, 3]]}, "number 2, at 2 s: its place comes after 1, so it is 2, or 1 where a bar begins"),
        ({"beats": [[1.0, 0]]}, "number 1, at 1 s: its place lies in 1..32 places in a bar, got 0"),
        ({"beats": [[1.0]]}, "beats: number 1 must be [a number, a whole number], got [1.0]"),
        ({"beats": [["1.0", 1]]}, "beats: number 1 must be a number, got '1.0'"),
        ({"beats": [[100.0, 1]]}, "beats: number 1 is at 100 s, and the song lasts from 0 to 24.0"),
        ({"beats": {}}, "beats must be"),
        ({"sections": [{"seconds": 1.0, "nam": "x"}]}, "sections: number 1: lacks the key 'name' (text)"),
        ({"sections": [{"seconds": 1.0, "name": "x", "colour": 1}]}, "sections: number 1: no key 'colour'"),
        ({"sections": [{"seconds": 2.0, "name": "x"}, {"seconds": 2.0, "name": "y"}]}, "sections: number 2 is at 2 s"),
        ({"key": "a minr"}, "key: no key 'a minr'; did you mean 'a minor'?"),
        ({"features": "../song.npz"}, "features: must be the name of a file beside it, got '../song.npz'"),
        ({"features": ""}, "features: must be the name of a file beside it, got ''"),
        ({"tempo": 0}, "tempo lies in 1..999 beats a minute, got 0"),
        ({"song": {"file": "x"}}, "song: lacks the key 'seconds' (a number)"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_file_and_key(sidecar: Path, changes: dict[str, Any], answer: str) -> None:
    with pytest.raises(Mistake) as caught:
        read_sidecar(edited(sidecar, **changes))
    assert str(caught.value).startswith(f"{sidecar}: ")
    assert answer in str(caught.value)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (b'{"format": ', "is not valid JSON: Expecting value: line 1 column 12"),
        (b"[]", "the whole must be a table, got []"),
        (b'{"format": 1, "format": 2}', "the key 'format' comes twice"),
        (b'{"tempo": NaN}', "NaN is no number"),
        (b'{"tempo": ' + b"9" * 5000 + b"}", "is not valid JSON"),
        (b"\xef\xbb\xbf{}", "lacks the key 'format'"),  # as some editors begin a text
        (b"\xff\xfe", "is not text in UTF-8"),
        (b"[" * 100_000, "is not valid JSON"),
    ],
)
def test_what_is_no_json_is_said_to_be_none(tmp_path: Path, text: bytes, answer: str) -> None:
    path = tmp_path / "song.wav.beats.json"
    path.write_bytes(text)
    with pytest.raises(Mistake, match=r"song.wav.beats.json: ") as caught:
        read_sidecar(path)
    assert answer in str(caught.value)


def test_a_song_without_beats_goes_at_its_tempo(sidecar: Path) -> None:
    rows = read_sidecar(edited(sidecar, beats=[], tempo=120.0)).score()
    assert [between(rows, time) for time in (0.0, 0.5, 10.0)] == pytest.approx([1, 2, 21])
    assert [between(rows, time, 2) for time in (0.0, 2.0)] == pytest.approx([1, 2])
    assert read_sidecar(edited(sidecar, beats=[], tempo=None)).score() == []


def test_features_that_are_none_or_another_s_are_refused(sidecar: Path) -> None:
    known, file = read_sidecar(sidecar), sidecar.with_name("song.wav.features.npz")
    with np.load(file, allow_pickle=False) as there:
        whole = dict(there)
    for change, answer in (
        ({"sha256": "0"}, "belongs to another song"),
        ({"names": whole["names"][1:]}, "has other signals than this version hears"),
        ({"signals": whole["signals"][1:]}, "signals must be float32"),
        ({"signals": whole["signals"] * np.float32(np.nan)}, "each 0..1"),
        ({"times": whole["times"][::-1]}, "times must be float64 that rise"),
        ({"times": np.array(["1", None], object)}, "cannot be read as a song's features"),
    ):
        np.savez(file, **{**whole, **change})
        with pytest.raises(Mistake) as caught:
            read_features(sidecar, known)
        assert answer in str(caught.value)
    file.write_bytes(b"no archive")
    with pytest.raises(Mistake, match="cannot be read"):
        read_features(sidecar, known)
    file.unlink()
    with pytest.raises(Mistake, match=r"features: there is no .*keeps the beats"):
        read_features(sidecar, known)


def test_a_sidecar_of_another_song_is_refused_but_one_of_the_same_music_can_be_named(sidecar: Path) -> None:
    known, other = read_sidecar(sidecar), kicks(sidecar.with_name("other.wav"))
    assert check_song(sidecar, known, sidecar.with_name("song.wav"))
    with pytest.raises(Mistake, match=r"belongs to another song than .*other.wav: to song.wav of 24.0"):
        check_song(sidecar, known, other)
    with pytest.raises(Mistake, match=r"and this lasts 3.00 s"):
        check_song(sidecar, known, other, lambda: (RATE, 3.0))
    assert not check_song(sidecar, known, other, lambda: (48_000, known.seconds + 0.05))


# --- the clock


def score_of(*beats: tuple[float, int], tempo: float | None = 120.0) -> Tempo:
    found = Tempo(100.0)
    found.past = Sidecar("a", "b", 100.0, 44100, "c", tempo, None, [], beats).score()
    return found


def test_a_beat_is_a_whole_number_exactly_and_time_between_is_shared_out_evenly() -> None:
    beats = [(0.75, 4), (1.25, 1), (1.8, 2), (2.4, 3), (2.9, 1), (3.5, 2)]
    clock = score_of(*beats)
    ticks = [clock.tick(0, time, 0.0) for time, _ in beats]
    assert np.diff([tick.beat for tick in ticks]).tolist() == [1.0] * 5
    assert all(tick.beat == round(tick.beat) for tick in ticks)
    assert [tick.bar == round(tick.bar) for tick in ticks] == [place == 1 for _, place in beats]
    assert ticks[4].bar - ticks[1].bar == 1
    for (time, _), (after, _) in pairwise(beats):
        middle = clock.tick(0, (time + after) / 2, 0.0)
        assert middle.beat % 1 == pytest.approx(0.5)
    assert clock.tick(0, 0.25, 0.0).beat == pytest.approx(ticks[0].beat - 1), "before the first at the song's tempo"
    assert clock.tick(0, 5.5, 0.0).beat == pytest.approx(ticks[-1].beat + 4), "and after the last"
    assert 0 < clock.tick(0, 0.0, 0.0).beat <= 1
    assert 0 < clock.tick(0, 0.0, 0.0).bar <= 1


def test_a_song_that_begins_on_the_one_has_its_first_beat_and_bar_passed_at_once() -> None:
    begun = score_of((0.0, 1), (0.5, 2)).tick(0, 0.0, 0.0)
    assert (begun.beat, begun.bar) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("places", "bars", "ends"),
    [
        ([1, 2, 3, 1, 2, 3], [0, 1 / 3, 2 / 3, 1, 4 / 3, 5 / 3], (3, 3)),
        ([3, 4, 1, 2, 3, 4, 1], [-0.5, -0.25, 0, 0.25, 0.5, 0.75, 1], (4, 4)),
        ([2, 3], [0.25, 0.5], (4, 4)),
        ([1], [0], (4, 4)),
        ([1, 2, 3, 4, 1, 2, 3, 4, 5, 1], [0, 0.25, 0.5, 0.75, 1, 1.2, 1.4, 1.6, 1.8, 2], (4, 5)),
    ],
)
def test_a_bar_has_as_many_beats_as_lie_between_two_ones(
    places: list[int], bars: list[float], ends: tuple[int, int]
) -> None:
    found, first, last = barred(places)
    assert found == pytest.approx(bars)
    assert (first, last) == ends


# --- rendering by it

PATCH = """
[inputs.audio]
plug = "audio"
[modulators.beat]
plug = "envelope"
on = "tempo/beat"
[[routes]]
from = "beat"
to = "master/level"
amount = -1.0
[walk]
plug = "orbit"
"""


def rendered(folder: Path, server: Server, model: Path, *arguments: object) -> tuple[NDArray[np.uint8], str]:
    options = (
        "--patch",
        "flash.toml",
        "--model",
        model,
        "--size",
        "32x32",
        "--fps",
        20,
        "--seconds",
        1.5,
        "--overwrite",
    )
    code, said = server.answer(folder, "render", "song.wav", "-o", "out.mp4", *options, *arguments)
    assert code == 0, said
    return pictures(folder / "out.mp4")[0], said


def dark(frames: NDArray[np.uint8]) -> list[int]:
    """The pictures in which the light goes out, by their numbers."""
    light = frames.mean((1, 2, 3))
    return [n for n in range(1, len(light)) if light[n] < 0.6 * light[n - 1]]


def test_a_beat_that_is_moved_strikes_where_it_was_moved_to_bit_for_bit(
    server: Server, sidecar: Path, model_folder: Path
) -> None:
    folder = sidecar.parent
    (folder / "flash.toml").write_text(PATCH)
    beats = [[0.25, 1], [0.5, 2], [0.75, 3], [1.0, 4], [1.25, 1]]
    edited(sidecar, beats=beats, tempo=60)
    first, said = rendered(folder, server, model_folder)
    assert "song.wav.beats.json: its 5 beats in 2 bars are those of the video" in said
    assert dark(first) == [5, 10, 15, 20, 25]
    beats[2][0] = 0.85
    edited(sidecar, beats=beats)
    moved, _ = rendered(folder, server, model_folder)
    assert dark(moved) == [5, 10, 17, 20, 25]
    other = sidecar.rename(folder / "mine.json")
    named, _ = rendered(folder, server, model_folder, "--sidecar", other.name)
    assert np.array_equal(named, moved)
    other.rename(sidecar)
    heard, said = rendered(folder, server, model_folder, "--no-sidecar")
    assert "beats in" not in said
    assert dark(heard) != dark(moved)


def test_a_render_refuses_a_sidecar_of_another_song_before_anything_is_written(server: Server, sidecar: Path) -> None:
    folder = sidecar.parent
    kicks(folder / "song.wav")
    for arguments, answer in (
        ((), "song.wav.beats.json: belongs to another song than song.wav"),
        (("--sidecar", "song.wav.beats.json"), "and this lasts 3.00 s"),
        (("--sidecar", "none.json"), "--sidecar: none.json: no such file"),
    ):
        code, said = server.answer(folder, "render", "song.wav", "-o", "out.mp4", *arguments)
        assert (code, said.count("\n")) == (2, 1), said
        assert answer in said
    assert not (folder / "out.mp4").exists()


def test_sections_and_key_are_those_of_the_sidecar_as_it_is_now(sidecar: Path) -> None:
    edited(sidecar, sections=[{"seconds": 0.0, "name": "in"}, {"seconds": 2.0, "name": "verse"}], key="Eb major")
    source = Input(
        source=str(sidecar.with_name("song.wav")), sidecar=str(sidecar), live=False,
        named={"audio/section", "audio/key", "audio/minor"},
    )  # fmt: skip
    heard = [(n, source.poll(Tick(n, n / 30, 1 / 30, 0.0))) for n in range(120)]
    struck = [n for n, events in heard for event in events if event.address == "audio/section" and event.value]
    assert struck == [60]
    values = {(event.address, event.value) for _, events in heard for event in events}
    assert {("audio/key", 0.25), ("audio/minor", 0.0)} <= values
    assert source.pulse() is None
    with pytest.raises(ValueError, match="for a song that is rendered"):
        Input(source="demo", sidecar=str(sidecar), live=True)
