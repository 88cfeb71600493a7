"""Rendering as a process: frame-exact, repeatable, in time with the song; and a take gives the same show again."""

import json
import resource
import signal
from pathlib import Path

import numpy as np
import pytest
from command_line import QUICK, difference, kicks, lines, phosphene, pictures, running, sound
from numpy.typing import NDArray
from virtual_display import until

from instrument.commands.render import take_inputs
from instrument.flow import Event, Tick
from instrument.take import Take

SMALL = ["--size", "64x64"]


def render(folder: Path, source: str, *arguments: object) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Render into out.mp4; the pictures and their times."""
    done = phosphene(folder, "render", source, "-o", "out.mp4", "--overwrite", *arguments)
    assert done.returncode == 0, done.stderr
    return pictures(folder / "out.mp4")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    kicks(tmp_path / "song.wav")
    return tmp_path


# --- a song


def test_the_pictures_follow_the_kicks_and_last_as_long_as_the_song(folder: Path) -> None:
    frames, times = render(folder, "song.wav", "--fps", 30, *SMALL)
    assert len(frames) == 90
    assert times == pytest.approx(np.arange(90) / 30, abs=1e-4)
    change = np.abs(np.diff(frames.astype(np.int16), axis=0)).mean((1, 2, 3))
    shown = times[1:]
    # a picture answers to what sounds while it is on the screen, so the first may begin a frame before the kick does
    struck = np.any([(shown > kick - 1 / 30) & (shown < kick + 0.1) for kick in np.arange(0.5, 3, 0.5)], axis=0)
    assert change[struck].mean() > 1.5 * change[~struck].mean()
    samples, rate = sound(folder / "out.mp4")
    assert len(samples) / rate == pytest.approx(3, abs=1024 / rate)
    loud = np.flatnonzero(abs(samples[:, 0]) > 0.2) / rate
    assert loud[0] == pytest.approx(0.5, abs=0.01)


def test_the_same_command_gives_the_same_pictures_and_another_seed_others(folder: Path) -> None:
    arguments = ["--fps", 20, "--seconds", 1.5, "--scene", "undertow", *SMALL]
    first, times = render(folder, "song.wav", *arguments)
    assert len(first) == 30, "N seconds at F frames a second are N * F frames"
    samples, rate = sound(folder / "out.mp4")
    assert len(samples) / rate == pytest.approx(1.5, abs=1024 / rate)
    again, times_again = render(folder, "song.wav", *arguments)
    assert np.array_equal(first, again)
    assert np.array_equal(times, times_again)
    other, _ = render(folder, "song.wav", *arguments, "--seed", 8)
    assert difference(first, other) > 10


def test_what_goes_wrong_on_the_way_is_one_line(folder: Path) -> None:
    def nearly_full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    with running(folder, "render", "song.wav", "-o", "out.mp4", *SMALL, preparing=nearly_full) as rendering:
        assert rendering.ended() == 1
    assert rendering.said.count("\n") == 1
    assert rendering.said.startswith("phosphene: out.mp4: the video file cannot be written (")


def test_ctrl_c_leaves_what_was_rendered(folder: Path) -> None:
    kicks(folder / "song.wav", 60)
    with running(folder, "render", "song.wav", "-o", "out.mkv", *SMALL) as rendering:
        until(lambda: (folder / "out.mkv").exists() and (folder / "out.mkv").stat().st_size > 50_000, 60)
        assert rendering.stopped() == 130
    assert rendering.said == "out.mkv: stopped; what has been rendered of it can be played\n"
    frames, times = pictures(folder / "out.mkv")
    assert 1 < len(frames) < 1800
    assert len(sound(folder / "out.mkv")[0]) / 22_050 == pytest.approx(times[-1], abs=0.2)


# --- a take


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a show of two seconds, recorded both ways, far from the scene and the song it was played with."""
    there, folder = tmp_path_factory.mktemp("played"), tmp_path_factory.mktemp("show")
    kicks(there / "song.wav")
    (there / "scenes").mkdir()
    (there / "scenes" / "mine.toml").write_text('patch = "audio"\nseed = 4\n[rest.walk]\nspeed = 0.5\n')
    outputs = ["--output", f"recording:{folder / 'live.mp4'}", "--take", folder / "show.jsonl"]
    chosen = ["--audio", "song.wav", "--set", "generator/truncation=0.9", "--seconds", 2]
    done = phosphene(there, "play", "mine", *chosen, *outputs, *QUICK, "--size", "128x128")
    assert done.returncode == 0, done.stderr
    return folder


def test_a_take_is_the_show_again_at_any_size(show: Path) -> None:
    live, live_times = pictures(show / "live.mp4")
    first, times = render(show, "show.jsonl")
    assert times == pytest.approx(live_times, abs=1e-3)
    assert difference(first, live) < 1, "it is what was seen"
    samples, rate = sound(show / "out.mp4")
    loud = np.flatnonzero(abs(samples[:, 0]) > 0.2) / rate
    assert loud[0] == pytest.approx(0.5, abs=0.05), "with what was heard"
    again, _ = render(show, "show.jsonl")
    assert np.array_equal(first, again)
    large, _ = render(show, "show.jsonl", "--size", "256x256")
    assert large.shape == (len(first), 256, 256, 3)
    halved = large.reshape(-1, 128, 2, 128, 2, 3).mean((2, 4)).round().astype(np.uint8)
    assert difference(first, halved) < 10, "but for what is finer than a pixel"
    assert difference(first, np.roll(halved, 1, axis=0)) > 2 * difference(first, halved)


def test_what_the_command_line_says_comes_before_what_the_take_says(show: Path) -> None:
    arguments = ["--scene", "undertow", "--fps", 5, "--seconds", 1, "--size", "32x48"]
    frames, times = render(show, "show.jsonl", *arguments)
    assert frames.shape == (5, 48, 32, 3)
    assert times == pytest.approx(np.arange(5) / 5, abs=1e-3)


def test_what_was_chosen_unasked_is_the_same_in_any_folder(tmp_path: Path) -> None:
    """One's own scene and patch go before the shipped ones of their names, where they lie and nowhere else."""
    here, there = tmp_path / "here", tmp_path / "there"
    for place in (here, there):
        (place / "scenes").mkdir(parents=True)
        (place / "patches").mkdir()
    (here / "scenes" / "first-light.toml").write_text('patch = "mine"\nseed = 4\n')
    (here / "patches" / "mine.toml").write_text('[walk]\nplug = "orbit"\n')
    for folder, take in ((here, "own.jsonl"), (tmp_path, "shipped.jsonl")):
        played = ["--output", "none", "--seconds", 0.3, "--take", there / take, "--fps", 10, "--size", "64x64"]
        done = phosphene(folder, "play", *(played if folder == here else [*played, "--audio", "demo", "--osc-port", 0]))
        assert done.returncode == 0, done.stderr
    for name, content in {"scenes/first-light": 'patch = "audio"\nseed = 99', "patches/audio": "bpm = 3"}.items():
        (there / f"{name}.toml").write_text(content)
    own = json.loads((there / "own.jsonl").read_text().splitlines()[0])
    assert (own["scene"], own["patch"]) == (f"{here}/scenes/first-light.toml", f"{here}/patches/mine.toml")
    shipped = json.loads((there / "shipped.jsonl").read_text().splitlines()[0])
    assert (shipped["scene"], shipped["patch"], shipped["model"]) == ("first-light", "audio", "blooms")
    for folder, take in ((here, "own.jsonl"), (tmp_path, "shipped.jsonl")):
        at_home, _ = render(folder, str(there / take))
        away, _ = render(there, take)
        assert np.array_equal(at_home, away)


def test_a_take_s_song_is_heard_by_the_channels_that_it_was_played_by() -> None:
    song = take_inputs(Path("a.jsonl"), Take({"song": "demo"}, [], []), [3, 4])["audio"]
    assert song.settings == {"source": "demo", "channels": [3, 4], "analysed": False}


def test_that_the_sound_of_a_device_is_not_in_a_take_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "phosphene"):
        for song, address in ((None, "audio/bass"), (None, "midi/cc/1"), ("demo", "audio/bass")):
            take_inputs(Path("a.jsonl"), Take({"song": song}, [Tick(0, 0.0, 0.1, 0.0)], [[Event(address, 0.5)]]))
    said = "a.jsonl: a sound device was heard, whose sound no take keeps; the video will be silent"
    assert caplog.messages == [said]


def test_a_show_that_was_killed_can_be_rendered_and_its_recording_played(folder: Path) -> None:
    arguments = ["--audio", "song.wav", "--output", "recording:live.mp4", "--take", "show.jsonl", *QUICK]
    with running(folder, "play", *arguments) as killed:
        until(lambda: lines(folder / "show.jsonl") > 35 or killed.process.poll() is not None, 60)
        killed.stopped(signal.SIGKILL)
    live, seconds = pictures(folder / "live.mp4")
    with (folder / "show.jsonl").open("r+b") as file:
        file.truncate((folder / "show.jsonl").stat().st_size - 9)  # in the middle of a line
    frames, times = render(folder, "show.jsonl")
    assert len(frames) == lines(folder / "show.jsonl") - 1
    assert len(live) > len(frames) - 25, "all but the last seconds"
    both, at, at_live = np.intersect1d(times.round(3), seconds.round(3), return_indices=True)
    assert len(both) >= min(len(frames), len(live)) - 2, "a busy machine leaves out a picture"
    assert difference(frames[at], live[at_live]) < 1
