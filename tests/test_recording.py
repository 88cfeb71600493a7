"""The recording is decoded again."""

import logging
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from instrument.flow import Frame, Sound, Tick
from instrument.outputs import recording
from instrument.queued import Every

FPS = 30


def frame(n, sound=None, fps=FPS):
    """A frame whose picture tells which it is."""
    level = (n % 50) / 25 - 1
    return Frame(torch.full((3, 64, 64), level), Tick(n, n / fps, 1 / fps, n / fps * 2), sound)


def quiet(samples=1600):
    return Sound(np.zeros((samples, 2), np.float32), 48_000)


def decoded(path):
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return np.stack([frame.to_ndarray(format="rgb24") for frame in frames]), [frame.time for frame in frames]


def seconds_heard(path):
    with av.open(str(path)) as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


def record(path, frames, *, live=False, **settings):
    output = recording.Output(file=str(path), fps=FPS, live=live, **settings)
    for each in frames:
        output.show(each)
    output.close()


@pytest.fixture
def faults():
    return []


# --- the recording


def test_every_frame_is_in_the_file_at_its_own_time(tmp_path):
    record(tmp_path / "a.mp4", [frame(n, quiet()) for n in range(0, 90, 3)])
    shown, times = decoded(tmp_path / "a.mp4")
    np.testing.assert_allclose(times, np.arange(0, 90, 3) / FPS, atol=1e-4)
    expected = [frame(n).pixels.mean() for n in range(0, 90, 3)]
    np.testing.assert_allclose(shown.mean((1, 2, 3)), expected, atol=2)


def test_two_runs_give_the_same_pictures(tmp_path):
    for name in "ab":
        record(tmp_path / f"{name}.mp4", [frame(n, quiet()) for n in range(45)])
    np.testing.assert_array_equal(decoded(tmp_path / "a.mp4")[0], decoded(tmp_path / "b.mp4")[0])


def test_nothing_is_written_before_the_first_frame(tmp_path):
    recording.Output(file=str(tmp_path / "a.mp4"), fps=FPS, live=True).close()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_refused_and_stays_as_it_was(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"the only copy")
    with pytest.raises(ValueError, match=r"^recording: .*a\.mp4 is there already; .* overwrite = true$"):
        recording.Output(file=str(tmp_path / "a.mp4"), fps=FPS, live=True)
    assert (tmp_path / "a.mp4").read_bytes() == b"the only copy"


def test_an_existing_file_may_be_overwritten_and_is_not_before_the_first_frame(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"the only copy")
    output = recording.Output(file=str(tmp_path / "a.mp4"), overwrite=True, fps=FPS, live=False)
    assert (tmp_path / "a.mp4").read_bytes() == b"the only copy"
    output.show(frame(0))
    output.close()
    assert len(decoded(tmp_path / "a.mp4")[0]) == 1


def test_a_missing_folder_is_refused_and_not_made(tmp_path):
    with pytest.raises(ValueError, match=r"^recording: there is no folder .*shows to write a\.mp4 in$"):
        recording.Output(file=str(tmp_path / "shows" / "a.mp4"), fps=FPS, live=False)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "a.mp4").mkdir()
    with pytest.raises(ValueError, match=r"a\.mp4 is a folder"):
        recording.Output(file=str(tmp_path / "a.mp4"), overwrite=True, fps=FPS, live=False)


def test_a_locked_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)  # a test that runs as root can lock no folder
    with pytest.raises(ValueError, match="cannot be written in"):
        recording.Output(file=str(tmp_path / "a.mp4"), fps=FPS, live=False)


def test_an_unknown_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a\.gif: .*\.mp4, \.mov, \.mkv"):
        recording.Output(file=str(tmp_path / "a.gif"), fps=FPS, live=False)
    assert list(tmp_path.iterdir()) == []


def test_a_path_may_begin_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    record("~/a.mp4", [frame(0)])
    assert (tmp_path / "a.mp4").is_file()


def test_what_a_device_gathered_before_the_show_is_left_out(tmp_path):
    frames = [frame(0, quiet(9600)), *[frame(n, quiet()) for n in range(1, 60)]]  # 0.2 s gathered before the first
    record(tmp_path / "live.mp4", frames, live=True)
    record(tmp_path / "offline.mp4", frames)
    assert abs(seconds_heard(tmp_path / "live.mp4") - 2.0) < 0.03
    assert abs(seconds_heard(tmp_path / "offline.mp4") - 2.2 + 1600 / 48_000) < 0.03


def test_live_sound_may_come_at_any_time(tmp_path):
    record(tmp_path / "a.mp4", [frame(n, quiet() if n > 120 else None) for n in range(150)], live=True)
    assert abs(seconds_heard(tmp_path / "a.mp4") - 5) < 0.1


# --- through its queue


def test_a_folder_that_vanishes_ends_an_offline_render_with_a_clear_error(tmp_path, faults):
    folder = tmp_path / "stick"
    folder.mkdir()
    port = Every(recording.Output(file=str(folder / "a.mp4"), fps=FPS, live=False), faults.append, live=False)
    folder.rmdir()
    with pytest.raises(OSError, match=r"stick/a\.mp4: the video file cannot be written \(No such file or directory\)"):
        for n in range(100):
            port.send(frame(n, quiet()))
        port.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_ends_an_offline_render_with_a_clear_error(tmp_path, faults):
    (tmp_path / "a.mkv").symlink_to("/dev/full")
    output = recording.Output(file=str(tmp_path / "a.mkv"), overwrite=True, fps=FPS, live=False)
    port = Every(output, faults.append, live=False)
    with pytest.raises(OSError, match=r"a\.mkv: .*No space left"):
        for n in range(300):
            port.send(frame(n, quiet()))
        port.close()
    assert faults == []  # said by the error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_a_fault_of_a_live_show_and_no_more(tmp_path, faults):
    (tmp_path / "a.mp4").symlink_to("/dev/full")
    output = recording.Output(file=str(tmp_path / "a.mp4"), overwrite=True, fps=FPS, live=True)
    port = Every(output, faults.append, live=True, size=400)
    for n in range(100):
        port.send(frame(n, quiet()))
    port.close()
    assert {str(fault) for fault in faults} == {str(faults[0])} and "No space left" in str(faults[0])


def test_live_a_slow_encoder_loses_pictures_and_keeps_the_sound_in_time(tmp_path, faults, monkeypatch):
    output = recording.Output(file=str(tmp_path / "a.mp4"), fps=FPS, live=True)
    gate, show = threading.Event(), output.show
    monkeypatch.setattr(output, "show", lambda each: (gate.wait(10), show(each)))
    port = Every(output, faults.append, live=True, size=4)
    click = Sound(np.full((1600, 2), 0.5, np.float32), 48_000)
    for n in range(90):
        if n == 70:
            gate.set()
        if n > 70:
            while port.queue.full():  # until the encoder has caught up
                time.sleep(0.0005)
        port.send(frame(n, click if n == 30 else quiet()))
    port.close()
    shown, times = decoded(tmp_path / "a.mp4")
    assert port.dropped > 50 and len(shown) == port.shown == 90 - port.dropped and faults == []
    assert times[-1] == pytest.approx(89 / FPS, abs=1e-4)
    with av.open(str(tmp_path / "a.mp4")) as container:
        samples = np.concatenate([each.to_ndarray()[0] for each in container.decode(audio=0)])
    assert abs(len(samples) / 48_000 - 3) < 0.03
    assert np.flatnonzero(abs(samples) > 0.25)[0] / 48_000 == pytest.approx(1, abs=0.001)


def test_nothing_is_said_while_all_is_well(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        record(tmp_path / "a.mkv", [frame(n, quiet()) for n in range(90)])
    assert caplog.records == []
