"""`phosphene listen`: what is heard, as it is shown and as it is written down; files, a sound card, and what is refused."""

import json
import shutil
import signal
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import kicks, phosphene, running
from numpy.typing import NDArray
from sound_card import RATE, sound_card, written
from virtual_display import until

from instrument.announcing import Announcer
from instrument.media import read_sound

BPM, FIRST, SECONDS, PAUSE = 126.0, 0.4, 24.0, 4.0


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kick, snare, hats between them, a bass note on the one; then a pause, and again."""
    rng, t = np.random.default_rng(3), np.arange(int(0.3 * RATE)) / RATE
    kick = np.sin(2 * np.pi * (50 * t + 8 * (1 - np.exp(-t / 0.03)))) * np.exp(-t / 0.09)
    bass = 0.4 * np.sin(2 * np.pi * 82.4 * t) * np.exp(-t / 0.15)
    whole = np.zeros(int((SECONDS + PAUSE + 3.0) * RATE))
    for number, beat in enumerate(np.arange(FIRST, SECONDS - 0.5, 60 / BPM)):
        noise = rng.normal(0, 0.3, (2, len(t)))
        struck = kick if number % 2 == 0 else 0.6 * noise[0] * np.exp(-t / 0.06)
        struck = struck + (bass if number % 4 == 0 else 0.0)
        for time, sound in ((beat, struck), (beat + 30 / BPM, 0.4 * np.diff(noise[1], prepend=0) * np.exp(-t / 0.03))):
            whole[round(time * RATE) :][: len(t)] += 0.5 * sound
    end = int((SECONDS + PAUSE) * RATE)
    whole[end : end + len(t)] += 0.5 * kick
    return written(tmp_path_factory.mktemp("listen") / "song.wav", whole.clip(-1, 1)[:, None])


def listened(folder: Path, *arguments: object) -> list[dict[str, Any]]:
    """What the command writes about a sound."""
    done = phosphene(folder, "listen", *arguments, "--jsonl", "heard.jsonl", "--overwrite")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in (folder / "heard.jsonl").read_text("utf-8").splitlines()]


def at(moments: list[dict[str, Any]], kind: str) -> NDArray[np.float64]:
    return np.array([moment["at"] for moment in moments if moment["kind"] == kind])


def test_beats_are_announced_before_they_come_and_where_they_are(song: Path, tmp_path: Path) -> None:
    moments = listened(tmp_path, song, "--look-ahead", "0.1")
    beats = [moment for moment in moments if moment["kind"] == "beat" and 6 < moment["at"] < SECONDS - 1]
    off = (np.array([moment["at"] for moment in beats]) - FIRST) * BPM / 60
    assert len(beats) == pytest.approx((SECONDS - 7) * BPM / 60, abs=2)
    assert abs(off - off.round()).max() * 60 / BPM < 0.02, "seconds from the truth"
    ahead = [moment["at"] - moment["time"] for moment in beats]
    assert min(ahead) > 0.08 and max(ahead) <= 0.101
    assert all(moment["bpm"] == pytest.approx(BPM, rel=0.01) and moment["confidence"] > 0.3 for moment in beats)


def test_a_downbeat_is_said_beside_its_beat_every_bar(song: Path, tmp_path: Path) -> None:
    moments = listened(tmp_path, song)
    bars = at(moments, "downbeat")
    assert set(bars) <= set(at(moments, "beat"))
    late = bars[(bars > 12) & (bars < SECONDS - 1)]
    assert len(late) >= 5
    assert np.diff(late) == pytest.approx(240 / BPM, abs=0.02)


def test_onsets_name_their_band_and_a_pause_is_silence_in_which_no_beats_are(song: Path, tmp_path: Path) -> None:
    moments = listened(tmp_path, song)
    bands = {moment["band"] for moment in moments if moment["kind"] == "onset"}
    assert {"bass", "high"} <= bands
    falls = [(moment["at"], moment["silent"]) for moment in moments if moment["kind"] == "silence"]
    (begins, _), (ends, _) = [fall for fall in falls if fall[0] > 5][:2]
    assert SECONDS < begins < SECONDS + 1.5
    assert ends == pytest.approx(SECONDS + PAUSE, abs=0.03)
    assert not [beat for beat in at(moments, "beat") if begins < beat < ends]
    times = [moment["time"] for moment in moments]
    assert times == sorted(times)
    assert [moment["bpm"] for moment in moments if moment["kind"] == "tempo"][-1] == pytest.approx(BPM, rel=0.02)


def test_moments_are_the_same_however_the_sound_is_cut(song: Path) -> None:
    sound = read_sound(song)
    samples, rng, at = sound.samples[: 9 * RATE], np.random.default_rng(1), 0
    whole, cut, pieces = Announcer(RATE, 0.05), Announcer(RATE, 0.05), []
    while at < len(samples):
        size = int(rng.integers(1, 9000))
        pieces += cut.push(samples[at : at + size])
        at += size
    assert pieces == whole.push(samples)
    assert pieces


def test_what_is_there_already_is_kept_and_what_is_no_sound_is_named(song: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").write_text("mine")
    (tmp_path / "text.wav").write_text("this is no sound")
    for arguments, answer in (
        ((song, "--jsonl", "notes.jsonl"), "--jsonl: notes.jsonl exists already; --overwrite"),
        ((song, "--jsonl", "nowhere/heard.jsonl"), "--jsonl: "),
        ((song, "--look-ahead", "1.5"), "--look-ahead is 0 to 1 seconds, got 1.5"),
        (("nowhere.ogg",), "nowhere.ogg: no such sound file"),
        (("text.wav",), "text.wav"),
    ):
        done = phosphene(tmp_path, "listen", *arguments)
        assert done.returncode == 2, done.stderr
        assert answer in done.stderr.splitlines()[-1]
    assert (tmp_path / "notes.jsonl").read_text() == "mine"
    shutil.copy(song, tmp_path / "own.wav")
    done = phosphene(tmp_path, "listen", "own.wav", "--jsonl", "own.wav", "--overwrite")
    assert done.returncode == 2
    assert "--jsonl: own.wav is named already, for the sound" in done.stderr
    assert (tmp_path / "own.wav").read_bytes() == song.read_bytes()
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (22050, 2), (96000, 8), (192000, 1)])
def test_any_file_is_heard(rate: int, channels: int, tmp_path: Path) -> None:
    kicks(tmp_path / "mono.wav", 8.0, rate)
    with wave.open(str(tmp_path / "mono.wav")) as read, wave.open(str(tmp_path / "song.wav"), "wb") as write:
        samples = np.frombuffer(read.readframes(read.getnframes()), "<i2")
        write.setparams((channels, 2, rate, 0, "NONE", ""))
        write.writeframes(samples.repeat(channels).tobytes())
    moments = listened(tmp_path, tmp_path / "song.wav")
    assert np.diff(at(moments, "onset")) == pytest.approx(0.5, abs=0.02)
    assert [moment["bpm"] for moment in moments if moment["kind"] == "tempo"][-1] == pytest.approx(120, rel=0.02)


def test_a_file_of_nothing_is_named_and_one_of_a_single_sample_is_heard(tmp_path: Path) -> None:
    written(tmp_path / "empty.wav", np.zeros((0, 1)))
    done = phosphene(tmp_path, "listen", "empty.wav")
    assert done.returncode == 2
    assert "empty.wav: the sound track is empty" in done.stderr
    written(tmp_path / "one.wav", np.ones((1, 1)))
    assert listened(tmp_path, "one.wav") == []


def test_hours_of_sound_take_no_more_memory_than_seconds(tmp_path: Path) -> None:
    size = 2 * 3 * 3600 * 8000
    with wave.open(str(tmp_path / "long.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
    with (tmp_path / "long.wav").open(
        "r+b"
    ) as raw:  # as long as its header says, of zeros that take no room on the disk
        for place, length in ((4, 36 + size), (40, size)):
            raw.seek(place)
            raw.write(length.to_bytes(4, "little"))
        raw.truncate(44 + size)
    program = """
import resource, sys
from pathlib import Path
from instrument.media import sound_of
pieces = sound_of(Path(sys.argv[1]))
next(pieces)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(sum(len(piece.samples) for piece in pieces), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "long.wav"], capture_output=True, text=True, check=True
    )
    samples, grown = map(int, done.stdout.split())
    assert samples == pytest.approx(3 * 3600 * 8000, abs=8192)
    assert grown < 20_000, "kB; the samples are 691,200"


def test_a_colon_in_a_name_is_no_protocol_and_a_file_that_is_stopped_is_not_done(tmp_path: Path) -> None:
    kicks(tmp_path / "12:30 mix.wav", 300.0)
    with running(tmp_path, "listen", "12:30 mix.wav", "--jsonl", "heard.jsonl") as listening:
        until(lambda: (tmp_path / "heard.jsonl").is_file() and (tmp_path / "heard.jsonl").stat().st_size > 0, 30)
        assert listening.stopped(signal.SIGINT) == 130


def test_lines_alone_come_over_standard_output(song: Path, tmp_path: Path) -> None:
    done = phosphene(tmp_path, "listen", song, "--jsonl", "-")
    assert all(set(json.loads(line)) >= {"time", "kind", "at"} for line in done.stdout.splitlines())
    assert "beats" in done.stderr


def test_a_sound_card_is_heard_until_it_is_stopped(tmp_path: Path) -> None:
    def written_so_far() -> str:
        out = tmp_path / "heard.jsonl"
        return out.read_text("utf-8") if out.is_file() else ""

    command = "listen", "vmon", "--jsonl", "heard.jsonl"
    with (
        sound_card(tmp_path) as card,
        card.playing(kicks(tmp_path / "kicks.wav", 60.0)),
        running(tmp_path, *command, **card.env) as show,
    ):
        until(lambda: '"beat"' in written_so_far(), 30)
        assert show.stopped(signal.SIGINT) == 0
    moments = [json.loads(line) for line in written_so_far().splitlines()]
    assert any(moment["kind"] == "onset" for moment in moments)
