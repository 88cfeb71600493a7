"""What calibrating works out, with time handed in; and the command with a real window, keys, and a real sound card."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from command_line import Running, running
from numpy.typing import NDArray
from sound_card import SoundCard, sound_card
from virtual_display import VirtualDisplay, until, virtual_display

from instrument.calibration import LIT, PERIOD, Dial, Ear, click, clicks, onsets, picture, steady
from instrument.flow import Reading
from instrument.latency import Latency, keep, kept
from instrument.tempo import Tempo

RATE = 48_000
ORANGE = 255, 160, 0


def room(late: float, rate: int, seconds: float = 8.0, noise: float = 0.001) -> NDArray[np.float32]:
    """What a microphone hears of the clicks, so many seconds late: quieter, through a noisy room with an echo [n, 2]."""
    sound = np.random.default_rng(1).normal(0, noise, round(seconds * rate)).astype(np.float32)
    one = click(rate)
    for start in np.arange(-1.0, seconds) + late:
        for after, loud in ((0.0, 0.2), (0.011, -0.08), (0.025, 0.05)):
            place = round((start + after) * rate)
            if 0 <= place < len(sound) - len(one):
                sound[place : place + len(one)] += loud * one
    return np.stack((sound, sound), axis=1)


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000, 96_000])
def test_a_click_begins_its_track_and_is_found_where_it_begins(rate: int) -> None:
    track = clicks(rate)
    assert len(track) == PERIOD * rate
    assert abs(track[0, 0]) == abs(track).max() == pytest.approx(0.8)
    found = onsets(room(0.3, rate)[:, 0], rate)
    assert found == pytest.approx(np.arange(0.3, 8.0), abs=1.5 / rate)


@pytest.mark.parametrize("late", [-0.24, -0.01, 0.0, 0.0123, 0.13, 0.4])
@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_how_late_a_device_is_read_is_found_whatever_was_heard_before(late: float, rate: int) -> None:
    """The device has heard 3.21 seconds less than the speakers have played, and comes in pieces of uneven length."""
    ear, ahead = Ear(rate), 3.21
    sound = room(late - ahead % PERIOD, rate)
    cuts = np.cumsum(np.random.default_rng(2).integers(0, rate // 20, 400))
    for piece, end in zip(np.split(sound, cuts), np.minimum([*cuts, len(sound)], len(sound)), strict=True):
        ear.hear(piece, end / rate + ahead)
    heard = ear.late()
    assert heard is not None
    assert heard.late == pytest.approx(late, abs=0.0002)
    assert heard.count >= 7


def test_samples_that_are_lost_on_the_way_do_not_move_what_is_found() -> None:
    ear = Ear(RATE)
    sound = room(0.05, RATE)
    lost = 3 * RATE + RATE // 2  # a third of a second is missing from there on
    for begin in range(0, len(sound), 800):
        if not lost <= begin < lost + RATE // 3:
            ear.hear(sound[begin : begin + 800], (begin + 800) / RATE)
    heard = ear.late()
    assert heard is not None
    assert heard.late == pytest.approx(0.05, abs=0.001)


@pytest.mark.parametrize("kind", ["nothing", "silence", "noise", "tone", "clicks at random"])
def test_where_no_clicks_come_at_their_distance_nothing_is_found(kind: str) -> None:
    ear, random = Ear(RATE), np.random.default_rng(3)
    sound = np.zeros((10 * RATE, 1), np.float32)
    if kind == "nothing":
        assert ear.late() is None
    if kind == "noise":
        sound += random.normal(0, 0.1, sound.shape).astype(np.float32)
    if kind == "tone":
        sound[:, 0] += 0.5 * np.sin(2 * np.pi * 2000 * np.arange(len(sound)) / RATE).astype(np.float32)
    if kind == "clicks at random":
        for start in random.integers(0, len(sound) - 2000, 10):
            sound[start : start + len(click(RATE)), 0] += click(RATE)
    for begin in range(0, len(sound), 800):
        ear.hear(sound[begin : begin + 800], (begin + 800) / RATE)
    assert ear.late() is None


def test_the_middle_is_robust_and_whole_periods_do_not_count() -> None:
    heard = steady([0.1, 1.101, -0.899, 3.1, 0.46, 2.1])
    assert heard is not None
    assert heard.late == pytest.approx(0.1, abs=0.0006)
    around = steady([0.499, -0.5, 0.501, 1.5, 0.5])
    assert around is not None
    assert abs(around.late) == pytest.approx(0.5, abs=0.001)
    assert steady([0.1] * 4) is None
    assert steady([0.0, 0.2, 0.1, 0.3, 0.05, 0.25]) is None


def test_keys_move_the_dial_by_fine_steps_to_its_ends() -> None:
    dial = Dial(12.0)
    for key, wanted in (("right", 17), ("left", 12), ("left", 7), ("up", 32), ("down", 7), ("space", 7)):
        assert not dial.press(f"key/{key}")
        assert dial.value == wanted
    for _ in range(20):
        dial.press("key/up")
    assert dial.value == 250
    assert not dial.kept
    assert dial.press("key/escape")
    assert not dial.kept
    assert dial.press("key/return")
    assert dial.kept


@pytest.mark.parametrize("latency", [-100.0, 0.0, 35.0, 250.0])
def test_the_flash_is_drawn_as_much_sooner_than_the_click_as_the_screen_is_late(latency: float) -> None:
    """Ticks of a show whose speakers have played as much as time has passed: the flash begins `latency` before each click."""
    tempo = Tempo(60 / PERIOD, ahead=latency / 1000)
    lit = []
    for index in range(6000):  # a thousandth of a second each
        time = index / 1000
        tempo.hear(time, time, Reading.known(PERIOD, time / PERIOD))
        lit.append(bool(picture(tempo.tick(index, time, 0.001).beat, latency)[0, 0, 0]))
    changes = np.diff(np.array(lit, int))
    for change, after in ((1, 0.0), (-1, LIT * 1000)):
        when = np.flatnonzero(changes == change) + 1 + latency - after
        assert len(when) >= 5
        assert abs((when + 500) % 1000 - 500).max() <= 1


@pytest.mark.parametrize("value", [-250.0, 0.0, 250.0])
def test_the_ruler_marks_the_value(value: float) -> None:
    found = picture(0.5, value)
    assert not found[:-24].any()
    row = found[-20]
    assert np.flatnonzero((row == (255, 160, 0)).all(axis=1)).mean() == 320 + value
    assert (picture(3.01, value)[:-24] == 255).all()


# --- the command, with a real window and a real sound card


@pytest.fixture(scope="module")
def display() -> Iterator[VirtualDisplay]:
    with virtual_display() as there:
        yield there


@pytest.fixture
def card(tmp_path: Path) -> Iterator[SoundCard]:
    with sound_card(tmp_path) as there:
        yield there


def there(card: SoundCard) -> dict[str, str]:
    """The variables of a process that has this sound card, and its config file in the same folder."""
    names = ("PULSE_SERVER", "HOME", "XDG_RUNTIME_DIR")
    return {**{name: card.env[name] for name in names}, "XDG_CONFIG_HOME": str(card.folder)}


def config(folder: Path) -> Path:
    return folder / "phosphene" / "config.toml"


def marked(display: VirtualDisplay) -> float | None:
    """The value in ms that the ruler shows, all over the display; None while there is no ruler."""
    row = display.picture()[505]  # of a picture of 800 x 450 in the middle of 600 rows
    found = np.flatnonzero((abs(row.astype(int) - ORANGE) < 40).all(axis=1))
    return float(found.mean() + 0.5) * 640 / 800 - 320 if len(found) else None


def pressed(display: VirtualDisplay, key: str, wanted: float) -> None:
    """Press a key, and wait until the ruler shows what it makes of the value."""
    display.play("key", key)
    until(lambda: abs((marked(display) or 999.0) - wanted) < 1.5)


def flashes(display: VirtualDisplay, count: int) -> NDArray[np.float64]:
    """When the display turns white, in seconds of the monotonic clock."""
    found: list[float] = []
    before, end = True, time.monotonic() + 30
    while len(found) < count:
        white = min(display.pixel(300, 400)) > 200
        if white and not before:
            found.append(time.monotonic())
        before = white
        time.sleep(0.003)  # or there would be no time left to flash
        assert time.monotonic() < end, f"only {len(found)} flashes"
    return np.array(found)


def begun(show: Running, display: VirtualDisplay, value: float) -> None:
    show.hears("return keeps it")
    until(lambda: abs((marked(display) or 999.0) - value) < 1.5)


class Microphone:
    """Hears what the sound card plays, on the clock that flashes are seen on."""

    def __init__(self, card: SoundCard) -> None:
        record = ["parec", "--raw", "--channels=1", f"--rate={RATE}", "--format=float32le", "--latency-msec=100"]
        self.ear = Ear(RATE)
        self.recorder = subprocess.Popen([*record, "-d", "vout.monitor"], env=card.env, stdout=subprocess.PIPE)
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()

    def listen(self) -> None:
        assert self.recorder.stdout
        while data := self.recorder.stdout.read(4 * 2400):
            self.ear.hear(np.frombuffer(data, np.float32)[:, None], time.monotonic())

    def ahead(self, display: VirtualDisplay) -> float:
        """By how many seconds a flash comes before its click, -0.5..0.5, once both have come steadily for a while.

        A busy machine has gaps in its sound, after each of which the flash must find the click again.
        """
        end = time.monotonic() + 90
        while time.monotonic() < end:
            self.ear = Ear(RATE)
            seen = steady([*flashes(display, 7)])
            heard = self.ear.late()
            if seen and heard:
                return (heard.late - seen.late + 0.5) % 1 - 0.5
        raise AssertionError("flash and click never were steady")

    def close(self) -> None:
        self.recorder.terminate()
        self.recorder.wait()
        self.thread.join()


def test_keys_move_the_flash_against_the_click_and_return_keeps_it(
    display: VirtualDisplay, card: SoundCard, tmp_path: Path
) -> None:
    keep(config(tmp_path), "audio", 7.0)
    variables = {**there(card), "DISPLAY": os.environ["DISPLAY"]}
    with (
        closing(Microphone(card)) as microphone,
        running(tmp_path, "calibrate", "--fullscreen", **variables) as calibrating,
    ):
        begun(calibrating, display, 0.0)
        at_first = microphone.ahead(display)
        for number in range(8):
            pressed(display, "Up", 25.0 * (number + 1))
        pressed(display, "Right", 205.0)
        pressed(display, "Left", 200.0)
        assert microphone.ahead(display) - at_first == pytest.approx(0.2, abs=0.05)
        display.play("key", "Return")
        assert calibrating.ended() == 0, calibrating.said
    assert calibrating.said.splitlines()[-1] == f"screen latency: +200 ms, kept in {config(tmp_path)}"
    assert kept(config(tmp_path)) == Latency(audio=7.0, screen=200.0)


def test_without_speakers_that_is_said_and_escape_leaves_it_as_it_was(display: VirtualDisplay, tmp_path: Path) -> None:
    keep(config(tmp_path), "screen", -50.0)
    silent = {"PULSE_SERVER": "unix:/nowhere", "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    with running(tmp_path, "calibrate", "--fullscreen", DISPLAY=os.environ["DISPLAY"], **silent) as calibrating:
        begun(calibrating, display, -50.0)
        assert len(flashes(display, 2)) == 2
        pressed(display, "Right", -45.0)
        display.play("key", "Escape")
        assert calibrating.ended() == 0, calibrating.said
    assert "no speakers, so the click plays silently" in calibrating.said
    assert calibrating.said.splitlines()[-1] == "screen latency: left as it was, -50 ms"
    assert kept(config(tmp_path)) == Latency(screen=-50.0)


def test_clicks_are_heard_by_an_input_and_their_lateness_is_kept(card: SoundCard, tmp_path: Path) -> None:
    card.pactl("load-module", "module-null-sink", "sink_name=far")
    card.pactl("load-module", "module-loopback", "source=vout.monitor", "sink=far", "latency_msec=100")
    card.pactl("set-default-source", "far.monitor")
    with running(tmp_path, "calibrate", "--input", "pulse", "--clicks", "6", **there(card)) as calibrating:
        assert calibrating.ended() == 0, calibrating.said
    found = kept(config(tmp_path))
    assert calibrating.said.splitlines()[-1] == f"audio latency: {found.audio:+g} ms, kept in {config(tmp_path)}"
    assert found.audio == pytest.approx(100, abs=30), "as late as the way is made"
    assert found.screen == 0


def test_an_input_that_hears_nothing_is_said_to_and_nothing_is_kept(card: SoundCard, tmp_path: Path) -> None:
    card.pactl("set-source-mute", "vout.monitor", "1")
    with running(tmp_path, "calibrate", "--input", "vmon", "--clicks", "5", **there(card)) as calibrating:
        assert calibrating.ended() == 1, calibrating.said
    assert "vmon heard no clicks" in calibrating.said
    assert not config(tmp_path).exists()
