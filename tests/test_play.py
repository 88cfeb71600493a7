"""Live shows as processes: what comes in, what is recorded, what the report says, and every way to end one."""

import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import QUICK, Running, Server, kicks, lines, phosphene, pictures, running, sound
from numpy.typing import NDArray
from pythonosc.udp_client import SimpleUDPClient
from virtual_display import VirtualDisplay, press_close_button, until, virtual_display, window_place


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with closing(Server()) as loaded:
        yield loaded


# --- an installation: OSC in, the preview page out


@dataclass
class Installation:
    """A show that runs, with its report and its picture as the preview page has them."""

    show: Running
    osc: SimpleUDPClient
    page: str
    folder: Path

    def status(self) -> dict[str, dict[str, int]]:
        with urllib.request.urlopen(f"{self.page}status") as answer:
            return json.load(answer)

    def brightness(self) -> float:
        with urllib.request.urlopen(f"{self.page}frame.jpg") as answer:
            return float(cv2.imdecode(np.frombuffer(answer.read(), np.uint8), cv2.IMREAD_COLOR).mean())


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("installation")
    arguments = ["play", "vigil", *QUICK, "--output", "preview:0", "--take", "show.jsonl", "--report", "report.json"]
    with running(folder, *arguments) as show:
        port = int(show.hears(r"OSC: listening on 127\.0\.0\.1:(\d+)")[1])
        page = show.hears(r"preview: open (http://127\.0\.0\.1:\d+/)")[1]
        show.hears("Playing vigil with the patch touchdesigner")
        yield Installation(show, SimpleUDPClient("127.0.0.1", port), page, folder)


def test_osc_moves_the_picture_and_every_message_is_counted(installation: Installation) -> None:
    until(lambda: installation.status().get("frames", 0) > 0)
    assert installation.brightness() > 20
    installation.osc.send_message("/master/level", 0.0)
    until(lambda: installation.brightness() < 1)
    for number in range(48):
        installation.osc.send_message("/hands", number / 48)
    until(lambda: installation.status()["events"]["osc"] == 49)
    installation.osc.send_message("/n/master/level", 1.0)
    until(lambda: installation.brightness() > 20)
    until(lambda: installation.status()["events"]["osc"] == 50)


@pytest.mark.skipif(not shutil.which("oscsend"), reason="needs: apt install liblo-tools")
def test_so_do_the_messages_of_another_program(installation: Installation) -> None:
    port = str(installation.osc._port)
    before = installation.status()["events"]["osc"]
    for message in (["/master/level", "f", "0"], ["/master/level", "i", "1"], ["/people", "d", "0.5"], ["/wave"]):
        subprocess.run(["oscsend", "127.0.0.1", port, *message], check=True, timeout=10)
    until(lambda: installation.status()["events"]["osc"] == before + 4)


def test_a_wrong_packet_is_counted_and_ignored(installation: Installation) -> None:
    before = installation.status()["events"]["osc"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for packet in (b"", b"\x00", b"nonsense", b"#bundle\x00", os.urandom(500)):
            stranger.sendto(packet, ("127.0.0.1", installation.osc._port))
    for value in ("fast", float("nan"), 1e30, -1e30):
        installation.osc.send_message("/walk/beats", value)
    installation.osc.send_message("/walk/nothing", 1.0)
    until(lambda: installation.status()["events"]["osc"] == before + 3)
    assert len(re.findall(r"OSC: .* ignored: .*so far\)", installation.show.said)) >= 3
    assert installation.status()["faults"] == []


def test_another_model_is_brought_by_its_name_while_the_picture_goes_on(installation: Installation) -> None:
    assert installation.status()["model"] == "blooms"
    for name in ("liqid", "liquid"):
        installation.osc.send_message(f"/model/{name}", 1.0)
    until(lambda: installation.status()["model"] == "liquid", 60)
    assert "/model/liqid: no model 'liqid'; did you mean 'liquid'?" in installation.show.said
    before = installation.status()["frames"]
    until(lambda: installation.status()["frames"] > before + 5)
    assert installation.brightness() > 20 and installation.status()["faults"] == []


def test_sigterm_closes_it_and_the_report_has_all_that_a_script_needs(installation: Installation) -> None:
    """The last of the installation's tests, because it ends it."""
    installation.show.stopped(signal.SIGTERM)
    assert installation.show.process.returncode == 0
    assert "Traceback" not in installation.show.said
    report = json.loads((installation.folder / "report.json").read_text())
    keys = [
        "frames",
        "fps",
        "missed_ticks",
        "model",
        "tempo",
        "ladder",
        "frame_ms",
        "age_ms",
        "events",
        "outputs",
        "faults",
    ]
    assert list(report) == keys
    assert list(report["frame_ms"]) == ["p50", "p95", "p99", "max"]
    assert 0 < report["frame_ms"]["p50"] <= report["frame_ms"]["p99"] <= report["frame_ms"]["max"]
    assert list(report["age_ms"]) == ["p50", "p99"]
    assert 0 < report["age_ms"]["p50"] <= report["age_ms"]["p99"] < 1000
    assert list(report["events"]) == ["osc", "midi", "audio", "keys"]
    assert report["events"] == {"osc": report["events"]["osc"], "midi": 0, "audio": 0, "keys": 0}
    assert report["faults"] == []
    counted = report["outputs"]["preview"]
    assert counted["shown"] + counted["dropped"] == report["frames"]
    header, *ticks = map(json.loads, (installation.folder / "show.jsonl").read_text().splitlines())
    assert len(ticks) == report["frames"]
    assert sum(len(tick["events"]) for tick in ticks) == report["events"]["osc"]
    last, missed = ticks[-1]["tick"][0], report["missed_ticks"]
    assert last + 1 - missed <= len(ticks) <= last + 1
    assert report["fps"] == pytest.approx(len(ticks) / (ticks[-1]["tick"][1] - ticks[0]["tick"][1] + 0.1), rel=0.1)
    assert (header["scene"], header["fps"], header["size"], header["song"]) == ("vigil", 10.0, [64, 64], None)


# --- a concert: a song, a recording, a take


@pytest.fixture(scope="module")
def concert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a show that was ended by an impatient Ctrl-C: once, and then again while it closed."""
    folder = tmp_path_factory.mktemp("concert")
    edges = ["--audio", kicks(folder / "song.wav"), "--output", "recording:show.mp4", "--take", "show.jsonl"]
    with running(folder, "play", *edges, "--report", "report.json", *QUICK) as show:
        until(lambda: lines(folder / "show.jsonl") > 21 or show.process.poll() is not None)
        show.process.send_signal(signal.SIGINT)
        show.hears("Closing")
        assert show.stopped() == 0, show.said
        assert "Traceback" not in show.said
    return folder


def test_ctrl_c_leaves_an_ordinary_video_with_the_song_in_it(concert: Path) -> None:
    frames, times = pictures(concert / "show.mp4")
    ticks = [json.loads(line)["tick"] for line in (concert / "show.jsonl").read_text().splitlines()[1:]]
    report = json.loads((concert / "report.json").read_text())
    assert report["outputs"]["recording"] == {"shown": len(frames), "dropped": 0}
    assert report["frames"] in (len(ticks), len(ticks) + 1)  # Ctrl-C may come between the picture and its tick's line
    assert times[: len(ticks)] == pytest.approx([tick[1] for tick in ticks[: len(times)]], abs=0.001)
    assert frames.shape[1:] == (64, 64, 3)
    assert frames.std() > 20
    samples, rate = sound(concert / "show.mp4")
    assert len(samples) / rate == pytest.approx(times[-1] + 0.1, abs=0.15)
    loud = np.flatnonzero(abs(samples[:, 0]) > 0.2) / rate
    assert loud[0] == pytest.approx(0.5, abs=0.05), "the first kick is where it is in the song"
    assert report["events"]["audio"] > 0


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="needs: apt install ffmpeg")
def test_another_program_finds_no_fault_with_it(concert: Path) -> None:
    command = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width", "-of", "csv=p=0", "show.mp4"]
    told = subprocess.run(command, cwd=concert, capture_output=True, text=True, check=True, timeout=30)
    assert (told.stdout.split(), told.stderr) == (["h264,64", "aac"], "")


def test_what_there_is_is_replaced_only_when_that_is_said(server: Server, concert: Path, tmp_path: Path) -> None:
    for name in ("show.mp4", "show.jsonl", "report.json"):
        shutil.copy(concert / name, tmp_path)
    edges = ["--output", "recording:show.mp4", "--take", "show.jsonl", "--report", "report.json"]
    arguments = ["play", "first-light", "--patch", "midi", *edges, *QUICK]
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert server.answer(tmp_path, *arguments, "--seconds", "0.3")[0] == 2
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    done = phosphene(tmp_path, *arguments, "--seconds", "0.3", "--overwrite")
    assert done.returncode == 0
    frames = json.loads((tmp_path / "report.json").read_text())["frames"]
    assert 1 <= frames <= 3, "as many as a busy machine has time for"
    assert lines(tmp_path / "show.jsonl") == 1 + frames
    assert "first-light is for the patch audio; here it goes without walk/speed" in done.stderr
    assert len(pictures(tmp_path / "show.mp4")[0]) == frames


# --- faults


FAULTY = {
    "inputs/faulty.py": """
import os
class Input:
    def poll(self, tick):
        os.environ["BEGUN"] = "yes"
        raise RuntimeError(f"no line at {tick.time}")
    def close(self):
        raise RuntimeError("does not let go")
""",
    "modulators/faulty.py": """
class Modulator:
    def step(self, tick, signals):
        raise ZeroDivisionError("oh")
""",
    "bends/faulty.py": """
from instrument.bend import op
import os
@op(identity=False)
def faulty(x):
    return x[..., 1:] if "BEGUN" in os.environ else x  # not yet in the pictures before the show
""",
    "outputs/faulty.py": """
class Output:
    delivery, target = "here", None
    def show(self, frame):
        raise OSError("the cable is out")
    def close(self):
        pass
""",
}
FAULTY_PATCH = """
[inputs.faulty]
[inputs.osc]
port = 0
[modulators.faulty]
[bends.broken]
op = "faulty"
layer = "b8.conv1"
[[routes]]
from = "faulty"
to = "walk/push"
amount = 1.0
[outputs.faulty]
[outputs.recording]
file = "show.mp4"
"""


def test_a_plug_that_raises_is_said_once_and_counted_and_the_show_goes_on(tmp_path: Path) -> None:
    for name, content in FAULTY.items():
        (tmp_path / "plugs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "plugs" / name).write_text(content)
    (tmp_path / "faulty.toml").write_text(FAULTY_PATCH)
    size = ["--size", "64x64", "--fps", "10", "--seconds", "1"]
    arguments = ["play", "--patch", "faulty.toml", *size, "--report", "report.json"]
    done = phosphene(tmp_path, *arguments, PHOSPHENE_PLUGS="plugs")
    assert done.returncode == 1, "something failed on the way"
    assert "Traceback" not in done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    frames = report["frames"]
    assert frames >= 2
    for part in (
        r"input 'faulty': RuntimeError: ",
        r"modulator 'faulty': ZeroDivisionError: oh",
        r"bend 'broken': \w+: ",
        r"output 'faulty': OSError: the cable is out",
    ):
        [line] = [line for line in report["faults"] if re.match(part, line)]
        count = int(re.search(r"\((\d+)×\)$", line)[1])  # type: ignore[index]
        assert frames <= count <= frames + 1  # one of them fails when it is closed, too
        assert len(re.findall(part, done.stderr)) == 1
    assert len(report["faults"]) == 4
    assert report["outputs"]["faulty"] == {"shown": 0, "dropped": 0}
    film, _ = pictures(tmp_path / "show.mp4")
    assert len(film) == frames
    assert film.std() > 20


HANGING = """
import threading
class Output:
    delivery, target = "every", None
    def show(self, frame):
        threading.Event().wait()
    def close(self):
        pass
"""


def test_a_third_ctrl_c_leaves_behind_what_hangs_and_finishes_the_rest(tmp_path: Path) -> None:
    (tmp_path / "plugs" / "outputs").mkdir(parents=True)
    (tmp_path / "plugs" / "outputs" / "hanging.py").write_text(HANGING)
    edges = ["--output", "recording:show.mp4", "--output", "hanging", "--report", "report.json"]
    arguments = ["play", "--patch", "midi", *edges, "--take", "show.jsonl", *QUICK]
    with running(tmp_path, *arguments, PHOSPHENE_PLUGS="plugs") as show:
        until(lambda: lines(tmp_path / "show.jsonl") > 5 or show.process.poll() is not None)
        show.process.send_signal(signal.SIGINT)
        show.hears("Closing")
        show.process.send_signal(signal.SIGINT)
        show.hears("Still closing. Once more, and what hangs is left behind.")
        assert show.stopped() == 130, show.said
    assert "Traceback" not in show.said
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["outputs"]["recording"]["shown"] == len(pictures(tmp_path / "show.mp4")[0]) > 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs limits as Unix has them")
def test_a_recording_that_is_lost_is_a_failure_of_the_show(tmp_path: Path) -> None:
    def nearly_full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))

    edges = ["--output", "recording:show.mp4", "--seconds", "3"]
    with running(tmp_path, "play", "--patch", "touchdesigner", *edges, *QUICK, preparing=nearly_full) as show:
        assert show.ended() == 1
    assert re.search(r"output 'recording': OSError: show\.mp4: the video file cannot be written", show.said)
    assert "Traceback" not in show.said


def test_a_picture_that_memory_has_no_room_for_is_one_line_before_the_show(tmp_path: Path) -> None:
    def little_memory() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))

    arguments = ["--output", "none", "--seconds", "1", *QUICK, "--size", "16384x16384"]
    with running(tmp_path, "play", "--patch", "touchdesigner", *arguments, preparing=little_memory) as show:
        assert show.ended() == 1
    assert "Playing" not in show.said
    assert "Traceback" not in show.said
    assert show.said.splitlines()[-1] == (
        "phosphene: there is not enough memory for this; a smaller --size or model needs less"
    )


# --- a window


@pytest.mark.parametrize("ending", ["its button", "Ctrl-Q"])
def test_the_window_opens_shows_the_picture_and_closing_it_ends_the_show(tmp_path: Path, ending: str) -> None:
    with virtual_display() as display:
        edges = ["--output", "window", "--output", "recording:show.mp4", "--report", "report.json"]
        with running(tmp_path, "play", *edges, *QUICK, DISPLAY=os.environ["DISPLAY"]) as show:
            show.hears("Playing first-light with the patch audio")
            until(lambda: middle(display).std() > 20)
            if ending == "Ctrl-Q":
                display.play("key", "b")
                until(lambda: middle(display).max() < 5)
                display.play("key", "ctrl+q")
            else:
                press_close_button(int(window_place()[0], 16))
            assert show.ended() == 0, show.said
    assert "Traceback" not in show.said
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["outputs"]["window"]["shown"] >= 1
    assert report["faults"] == []
    film, _ = pictures(tmp_path / "show.mp4")
    assert len(film) == report["outputs"]["recording"]["shown"]
    if ending == "Ctrl-Q":
        assert report["events"]["keys"] >= 2


def middle(display: VirtualDisplay) -> NDArray[np.uint8]:
    """The part of a display that a window covers, as it is now."""
    return display.picture()[200:400, 300:500]
