"""Movies are decoded again: by PyAV, and by ffprobe as a second witness."""

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tracemalloc
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from instrument.flow import Sound
from instrument.media import WHOLE_MP4, Movie, missing_codecs, read_sound

KINDS = ["mp4", "mov", "mkv"]


def picture(n, height=64, width=96):
    """A moving gradient, different in every frame."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 2 + n * 3, y * 2 + n, x + y + n * 2], -1).astype(np.uint8)


def tone(samples, rate=48_000, channels=2, start=0):
    wave = 0.5 * np.sin(2 * np.pi * 440 * (start + np.arange(samples)) / rate)
    return Sound(np.repeat(wave[:, None], channels, 1).astype(np.float32), rate)


def pictures(path):
    """The decoded pictures and their times: uint8 [n, H, W, 3], seconds [n]."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return np.stack([frame.to_ndarray(format="rgb24") for frame in frames]), np.array([f.time for f in frames])


def heard(path):
    """The decoded sound: samples [n, channels], the time of the first, and the rate; None without a sound track."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None
        frames = list(container.decode(audio=0))
        return np.concatenate([frame.to_ndarray().T for frame in frames]), frames[0].time, frames[0].sample_rate


def loud_at(path, level=0.1):
    """When the first loud sample sounds, in seconds."""
    samples, start, rate = heard(path)
    return start + np.flatnonzero(abs(samples[:, 0]) > level)[0] / rate


def write(path, frames, *, fps=30, sound=False):
    """A movie of (pixels, time, sound)."""
    movie = Movie(path, fps=fps, sound=sound)
    for pixels, time, what in frames:
        movie.write(pixels, time, what)
    movie.close()


def boxes(path):
    """The types of an mp4's outermost boxes."""
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        found.append(name.decode())
        at += size if size > 1 else struct.unpack(">Q", data[at + 8 : at + 16])[0]
    return found


# --- picture and sound together


def flashes_and_clicks(path, seconds=6, fps=60, rate=48_000):
    """White flashes and 2 kHz clicks on each second from the first, times jittered, 20 % of the frames dropped.

    Returns the times of the flashes: of the first frame shown at or after each second.
    """
    chance = np.random.default_rng(1)
    clicks = np.zeros((seconds * rate, 2), np.float32)
    for second in range(1, seconds):
        click = np.sin(2 * np.pi * 2000 * np.arange(960) / rate) * 0.9
        clicks[second * rate : second * rate + 960] = click[:, None]
    grid = np.arange(seconds * fps) / fps
    times = grid + chance.uniform(0, 0.4 / fps, len(grid)) * (grid % 1 > 0)  # on the second itself exactly
    kept = (chance.random(len(grid)) > 0.2) | (grid % 1 == 0)
    movie, at = Movie(path, fps=fps), 0
    for time in times[kept]:
        until = round(time * rate)
        white = time >= 1 and time % 1 < 0.1
        sound = Sound(clicks[at:until], rate) if until > at else None
        movie.write(np.full((64, 64, 3), 255 if white else 0, np.uint8), time, sound)
        at = until
    movie.close()
    return int(kept.sum())


def rising(times, high, gap=0.5):
    """The times where something becomes high after a quiet while."""
    ups = times[np.flatnonzero(high)]
    return ups[np.concatenate([[True], np.diff(ups) > gap])]


@pytest.mark.parametrize("kind", KINDS)
def test_a_click_and_its_flash_are_less_than_a_millisecond_apart(tmp_path, kind):
    path = tmp_path / f"sync.{kind}"
    kept = flashes_and_clicks(path)
    shown, times = pictures(path)
    samples, start, rate = heard(path)
    flashes = rising(times, shown.mean((1, 2, 3)) > 128)
    clicks = rising(start + np.arange(len(samples)) / rate, abs(samples[:, 0]) > 0.2)
    assert len(shown) == kept and times[0] == 0
    assert len(flashes) == len(clicks) == 5
    np.testing.assert_allclose(flashes, clicks, atol=0.001)
    np.testing.assert_allclose(flashes, [1, 2, 3, 4, 5], atol=0.001)


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="needs ffprobe (apt install ffmpeg)")
@pytest.mark.parametrize("kind", KINDS)
def test_ffprobe_finds_the_same_moments(tmp_path, kind):
    path = tmp_path / f"sync.{kind}"
    flashes_and_clicks(path)

    def witness(graph, tag):
        ask = ["ffprobe", "-v", "error", "-of", "json", "-show_entries", f"frame=pts_time:frame_tags={tag}"]
        said = subprocess.run([*ask, "-f", "lavfi", "-i", graph], capture_output=True, check=True, cwd=tmp_path)
        frames = [frame for frame in json.loads(said.stdout)["frames"] if tag in frame.get("tags", {})]
        return [(float(frame["pts_time"]), float(frame["tags"][tag])) for frame in frames]

    bright = np.array(witness(f"movie={path.name},signalstats", "lavfi.signalstats.YAVG"))
    flashes = rising(bright[:, 0], bright[:, 1] > 128)
    sound = f"amovie={path.name},silencedetect=n=0.2:d=0.3:m=1"
    clicks = [value for _, value in witness(sound, "lavfi.silence_end.1")]
    assert len(flashes) == len(clicks) == 5
    np.testing.assert_allclose(flashes, clicks, atol=0.001)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_frames_make_the_same_file(tmp_path, kind):
    paths = [tmp_path / f"{name}.{kind}" for name in "ab"]
    for path in paths:
        write(path, [(picture(n), n / 30, tone(1600, start=1600 * n)) for n in range(45)])
    first, second = (pictures(path)[0] for path in paths)
    assert len(first) == 45
    np.testing.assert_array_equal(first, second)
    assert paths[0].read_bytes() == paths[1].read_bytes()


# --- a crash

CHILD = """
import os, signal, sys
from pathlib import Path
import numpy as np
from instrument.flow import Sound
from instrument.media import Movie
movie = Movie(Path(sys.argv[1]), fps=60, sound=True)
y, x = np.mgrid[:64, :96]
for n in range(300):
    pixels = np.stack([x + n * 3, y + n, x + y + n], -1).astype(np.uint8)
    movie.write(pixels, n / 60, Sound(np.zeros((800, 2), np.float32), 48000) if "sound" in sys.argv else None)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
@pytest.mark.parametrize("heard", ["sound", "silence"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_recording_plays_up_to_the_last_second(tmp_path, kind, heard):
    path = tmp_path / f"killed.{kind}"
    root = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    child = subprocess.run([sys.executable, "-c", CHILD, str(path), heard], env=root)
    assert child.returncode == -signal.SIGKILL
    assert len(pictures(path)[0]) >= 235


@pytest.mark.skipif(av.library_versions["libavformat"] < WHOLE_MP4, reason="needs FFmpeg 8.1 (pip install -U av)")
@pytest.mark.parametrize("kind", ["mp4", "mov"])
def test_a_closed_file_is_an_ordinary_one(tmp_path, kind):
    write(tmp_path / f"a.{kind}", [(picture(n), n / 30, tone(1600)) for n in range(90)])
    found = boxes(tmp_path / f"a.{kind}")
    assert "moov" in found and "mdat" in found and "moof" not in found


def test_an_older_ffmpeg_writes_pieces(tmp_path, monkeypatch):
    monkeypatch.setitem(av.library_versions, "libavformat", (60, 16, 100))
    write(tmp_path / "a.mp4", [(picture(n), n / 30, tone(1600)) for n in range(90)])
    assert "moof" in boxes(tmp_path / "a.mp4")
    assert len(pictures(tmp_path / "a.mp4")[0]) == 90


# --- sound


@pytest.mark.parametrize("seconds", [0.5, 3])
def test_a_movie_without_sound_has_no_sound_track(tmp_path, seconds):
    write(tmp_path / "a.mp4", [(picture(n), n / 30, None) for n in range(round(30 * seconds))])
    assert heard(tmp_path / "a.mp4") is None
    assert len(pictures(tmp_path / "a.mp4")[0]) == 30 * seconds


@pytest.mark.parametrize(("begins", "expected"), [(1.0, False), (1.0, True), (4.0, True)])
@pytest.mark.parametrize("kind", KINDS)
def test_sound_that_begins_late_stands_with_its_picture(tmp_path, kind, begins, expected):
    path = tmp_path / f"a.{kind}"
    heard_by = [None if n / 30 <= begins else tone(1600) for n in range(round(30 * begins) + 30)]  # ends with picture n
    frames = [(picture(n), n / 30, sound) for n, sound in enumerate(heard_by)]
    write(path, frames, sound=expected)
    assert abs(loud_at(path) - begins) < 0.001 + 10 / 48_000  # the wave itself takes some samples to become loud
    assert pictures(path)[1][0] == 0


def test_sound_after_the_file_has_begun_without_is_named_and_left_out(tmp_path, caplog):
    frames = [(picture(n), n / 30, tone(1600) if n > 90 else None) for n in range(120)]
    write(tmp_path / "a.mp4", frames)
    assert heard(tmp_path / "a.mp4") is None
    assert [record.message.count("too late") for record in caplog.records] == [1]


def test_sound_that_was_expected_and_never_came_is_silence(tmp_path):
    write(tmp_path / "a.mp4", [(picture(n), n / 30, None) for n in range(180)], sound=True)
    samples, _, _ = heard(tmp_path / "a.mp4")
    assert abs(samples).max() < 1e-4 and 4.5 < len(samples) / 48_000 < 6.1


@pytest.mark.parametrize(
    ("rate", "channels", "written"), [(44_100, 2, 44_100), (44_100, 1, 44_100), (192_000, 6, 48_000)]
)
def test_the_first_sound_tells_rate_and_channels(tmp_path, rate, channels, written):
    size = rate // 30
    frames = [(picture(n), n / 30, tone(size, rate, channels, size * n)) for n in range(60)]
    write(tmp_path / "a.mp4", frames)
    samples, _, found = heard(tmp_path / "a.mp4")
    assert (found, samples.shape[1]) == (written, min(channels, 2))
    assert abs(len(samples) / written - 2) < 0.05
    spectrum = abs(np.fft.rfft(samples[:, 0]))
    assert abs(spectrum.argmax() * written / len(samples) - 440) < 1


def test_a_sound_device_that_changes_in_the_middle_is_heard_on(tmp_path):
    sounds = [tone(1600, 48_000, 2, 1600 * n) if n < 30 else tone(1470, 44_100, 1, 1470 * n) for n in range(60)]
    write(tmp_path / "a.mp4", [(picture(n), n / 30, sound) for n, sound in enumerate(sounds)])
    samples, _, rate = heard(tmp_path / "a.mp4")
    assert rate == 48_000 and abs(len(samples) - 96_000) < 2500
    assert abs(samples[60_000:90_000]).max() > 0.4


def test_a_gap_in_the_sound_does_not_shift_what_follows(tmp_path):
    click = tone(1600)
    quiet = Sound(np.zeros((1600, 2), np.float32), 48_000)
    sounds = [quiet if n < 30 else None if n < 75 else click if n == 90 else quiet for n in range(150)]
    write(tmp_path / "a.mp4", [(picture(n), n / 30, sound) for n, sound in enumerate(sounds)])
    assert abs(loud_at(tmp_path / "a.mp4") - 90 / 30) < 0.05


def test_too_much_sound_loses_its_beginning(tmp_path):
    quiet = Sound(np.zeros((1600, 2), np.float32), 48_000)
    sounds = [quiet, Sound(np.zeros((96_000, 2), np.float32), 48_000), *[quiet] * 58]
    sounds[45] = tone(1600)
    write(tmp_path / "a.mp4", [(picture(n), n / 30, sound) for n, sound in enumerate(sounds)])
    assert abs(loud_at(tmp_path / "a.mp4") - 45 / 30) < 0.1


def test_sound_that_is_no_number_or_too_loud_is_tamed(tmp_path):
    samples = np.full((1600, 2), np.nan, np.float32)
    samples[::3], samples[1::3] = np.inf, 100
    write(tmp_path / "a.mp4", [(picture(n), n / 30, Sound(samples, 48_000)) for n in range(30)])
    assert np.isfinite(heard(tmp_path / "a.mp4")[0]).all()


def test_sound_of_no_samples_is_no_sound(tmp_path):
    empty = Sound(np.zeros((0, 2), np.float32), 48_000)
    write(tmp_path / "a.mp4", [(picture(n), n / 30, empty) for n in range(30)])
    assert heard(tmp_path / "a.mp4") is None


# --- pictures


@pytest.mark.parametrize("kind", KINDS)
def test_an_odd_size_gains_a_repeated_row_and_column(tmp_path, kind):
    path = tmp_path / f"odd.{kind}"
    write(path, [(np.full((63, 97, 3), 200, np.uint8), n / 30, None) for n in range(10)])
    shown, _ = pictures(path)
    assert shown.shape == (10, 64, 98, 3)
    assert abs(shown.astype(int) - 200).max() <= 3


def test_a_picture_of_another_size_is_scaled(tmp_path):
    frames = [(picture(n, *((64, 96) if n < 5 else (129, 61))), n / 30, None) for n in range(10)]
    write(tmp_path / "a.mp4", frames)
    assert pictures(tmp_path / "a.mp4")[0].shape == (10, 64, 96, 3)


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (90, 140, 200)])
@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg (apt install ffmpeg)")
def test_colours_are_bt709_and_say_so(tmp_path, colour):
    path = tmp_path / "colour.mp4"
    write(path, [(np.full((64, 64, 3), colour, np.uint8), n / 30, None) for n in range(3)])
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
        y, u, v = (int(plane[20, 20]) for plane in planes(next(container.decode(video=0))))
    red, green, blue = (channel / 255 for channel in colour)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue  # ITU-R BT.709, sections 3 and 4
    expected = 16 + 219 * luma, 128 + 224 * (blue - luma) / 1.8556, 128 + 224 * (red - luma) / 1.5748
    np.testing.assert_allclose((y, u, v), expected, atol=2)
    read = ["ffmpeg", "-v", "error", "-i", str(path), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    shown = np.frombuffer(subprocess.run(read, capture_output=True, check=True).stdout, np.uint8).reshape(64, 64, 3)
    assert abs(shown.astype(int) - colour).max() <= 4


def planes(frame):
    """Y, U and V of a 4:2:0 frame, each brought to the full size."""
    whole = frame.to_ndarray()  # [H * 3 / 2, W]
    height, width = frame.height, frame.width
    y, chroma = whole[:height], whole[height:].reshape(2, height // 2, width // 2)
    return y, *(plane.repeat(2, 0).repeat(2, 1) for plane in chroma)


@pytest.mark.parametrize("kind", KINDS)
def test_times_that_are_no_times_do_not_stop_a_movie(tmp_path, kind):
    times = [0, 1 / 30, 1 / 30, 0.01, float("nan"), float("inf"), -3, 1e30, float("-inf"), 0.5, 0.6]
    path = tmp_path / f"a.{kind}"
    write(path, [(picture(n), time, tone(1600)) for n, time in enumerate(times)])
    _, found = pictures(path)
    assert len(found) == len(times) and (np.diff(found) > 0).all()
    np.testing.assert_allclose(found[[0, 1, -2, -1]], [0, 1 / 30, 0.5, 0.6], atol=0.001)


@pytest.mark.parametrize("first", [float("nan"), -2, float("inf")])
def test_a_first_time_that_is_none_is_the_beginning(tmp_path, first):
    write(tmp_path / "a.mp4", [(picture(0), first, None), (picture(1), 0.5, None)])
    np.testing.assert_allclose(pictures(tmp_path / "a.mp4")[1], [0, 0.5], atol=1e-4)


def test_there_is_a_key_picture_each_second_though_frames_are_missing(tmp_path):
    write(tmp_path / "a.mp4", [(picture(n), n / 7, None) for n in range(70)], fps=60)
    with av.open(str(tmp_path / "a.mp4")) as container:
        keys = [frame.time for frame in container.decode(video=0) if frame.key_frame]
    assert max(np.diff(keys)) < 1.2


def test_one_picture_is_a_movie(tmp_path):
    write(tmp_path / "a.mp4", [(picture(0), 0, tone(800))])
    assert len(pictures(tmp_path / "a.mp4")[0]) == 1


# --- files


def test_an_unknown_ending_is_refused_and_says_what_is_possible(tmp_path):
    with pytest.raises(ValueError, match=r"show\.avi: .*\.mp4, \.mov, \.mkv"):
        Movie(tmp_path / "show.avi", fps=30)
    with pytest.raises(ValueError, match=r"show: .*\.mp4"):
        Movie(tmp_path / "show", fps=30)
    Movie(tmp_path / "SHOW.MP4", fps=30)


def test_a_missing_encoder_is_named(monkeypatch):
    assert missing_codecs() == []
    monkeypatch.setattr(av, "codecs_available", {"aac", "mpeg4"})
    assert missing_codecs() == ["H.264 encoder (libx264)"]


def test_without_a_picture_there_is_no_file(tmp_path):
    movie = Movie(tmp_path / "a.mp4", fps=30)
    movie.close()
    movie.close()
    assert list(tmp_path.iterdir()) == []


def test_a_closed_movie_takes_nothing_more(tmp_path):
    movie = Movie(tmp_path / "a.mp4", fps=30)
    movie.write(picture(0), 0, tone(1600))
    movie.close()
    before = (tmp_path / "a.mp4").read_bytes()
    with pytest.raises(OSError, match="is closed"):
        movie.write(picture(1), 1, tone(1600))
    assert (tmp_path / "a.mp4").read_bytes() == before


def test_a_file_that_cannot_be_opened_is_an_error_that_names_it(tmp_path):
    folder = tmp_path / "gone"
    movie = Movie(folder / "a.mp4", fps=30)
    for _ in range(2):  # the second without trying again
        with pytest.raises(OSError, match=r"gone/a\.mp4: the video file cannot be written \(No such file"):
            movie.write(picture(0), 0, tone(1600))
    movie.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_is_an_error_that_names_the_file(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    path.symlink_to("/dev/full")
    movie = Movie(path, fps=30)
    with pytest.raises(OSError, match=rf"a\.{kind}: the video file cannot be written \(No space left"):
        for n in range(300):
            movie.write(picture(n), n / 30, tone(1600))
    movie.close()


def test_the_sound_of_a_movie_can_be_read_again(tmp_path):
    write(tmp_path / "a.mp4", [(picture(n), n / 30, tone(1600, start=1600 * n)) for n in range(60)])
    sound = read_sound(tmp_path / "a.mp4")
    assert sound.rate == 48_000 and sound.samples.shape == (len(sound.samples), 2) and sound.samples.dtype == np.float32
    np.testing.assert_allclose(sound.samples[5000:50_000, 0], tone(96_000).samples[5000:50_000, 0], atol=0.02)


def test_a_long_song_is_not_held_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("instrument.media.MOST_HELD", 1 << 20)
    with wave.open(str(tmp_path / "long.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(np.arange(2 * 60 * 48_000).astype("<i2").tobytes())
    tracemalloc.start()
    try:
        samples = read_sound(tmp_path / "long.wav").samples
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert samples.shape == (60 * 48_000, 2)
    np.testing.assert_array_equal(samples[30_000:30_002], np.array([[60_000, 60_001], [60_002, 60_003]]) / 32_768 - 2)
    assert peak < 0.2 * samples.nbytes


def test_what_is_no_sound_is_refused_by_name(tmp_path):
    (tmp_path / "text.wav").write_text("not a sound")
    write(tmp_path / "silent.mp4", [(picture(0), 0, None)])
    for name, complaint in [("none.wav", "no such"), ("text.wav", "not a sound"), ("silent.mp4", "no sound track")]:
        with pytest.raises(ValueError, match=f"{name}: .*{complaint}"):
            read_sound(tmp_path / name)
