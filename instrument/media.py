"""Sound and video files, by way of FFmpeg: the one place that imports PyAV."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TypeAlias

import av
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

from instrument.flow import Sound
from instrument.sound.channels import check_channels, picked

log = logging.getLogger("phosphene")

Encoded: TypeAlias = "Packet[Any]"

MOST_HELD = 256 << 20  # bytes of a song that are held in memory: 12 minutes


def read_sound(path: Path, channels: Sequence[int] | None = None) -> Sound:
    """The first sound track of a file in any format FFmpeg reads, as stereo float32 [n, 2] at the file's own rate.

    Those of a long one are not held in memory, but looked up in a temporary file. `channels` chooses some of the file's, from
    1: [n, 1 or 2], of more their mean. Raises ValueError as `sound_of` does, OSError if there is no room for a long one.
    """
    held = bytearray()  # of float32; it grows in place
    with ExitStack() as stack:
        file = None
        for piece in sound_of(path, channels):
            held += piece.samples.tobytes()
            if len(held) > MOST_HELD:
                file = file or stack.enter_context(TemporaryFile(prefix="phosphene-"))
                file.write(held)
                held.clear()
        if file:
            file.write(held)
            file.flush()
        samples = np.asarray(np.memmap(file, np.float32, "r")) if file else np.frombuffer(held, np.float32)
    return Sound(samples.reshape(-1, piece.samples.shape[1]), piece.rate)


def sound_of(path: Path, channels: Sequence[int] | None = None) -> Iterator[Sound]:
    """The same piece by piece, as it is decoded, so that a day of sound takes no more memory than a second.

    Raises ValueError naming the file if it is missing, is no sound or video file, has no sound in it, or has not that channel.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such sound file")
    try:
        with av.open(str(path.absolute())) as container:  # FFmpeg would take what is before a colon for a protocol
            if not container.streams.audio:
                raise ValueError(f"{path}: there is no sound track in this file")
            stream = container.streams.audio[0]
            if channels is not None:
                check_channels(channels, stream.channels, str(path))
            layout, several = (stream.layout, stream.channels) if channels is not None else ("stereo", 2)
            resampler = av.AudioResampler(format="flt", layout=layout, rate=stream.rate)
            empty = True
            for frame in chain(container.decode(stream), [None]):  # None hands out what the resampler has kept
                for whole in resampler.resample(frame):
                    samples: NDArray[np.float32] = whole.to_ndarray().reshape(-1, several)  # type: ignore[assignment]
                    empty = empty and not len(samples)
                    yield Sound(picked(samples, channels), stream.rate)
    except av.FFmpegError as error:
        raise ValueError(f"{path}: not a sound file that can be read ({error.strerror})") from error
    if empty:
        raise ValueError(f"{path}: the sound track is empty")


def lasting(path: Path) -> tuple[int, float]:
    """The rate of a file's sound and how many seconds it lasts, to the sample. Raises ValueError as `sound_of` does."""
    rate, count = 0, 0
    for piece in sound_of(path):
        rate, count = piece.rate, count + len(piece.samples)
    return rate, count / rate


VIDEO_SUFFIXES = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"}


def frames_of(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Every picture of a video file in any format FFmpeg reads, upright, as RGB [H, W, 3].

    Raises ValueError naming the file if it is none.
    """
    try:
        with av.open(str(path.absolute())) as container:
            if not container.streams.video:
                raise ValueError(f"{path}: there are no pictures in this file")
            for frame in container.decode(container.streams.video[0]):
                pixels: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")  # type: ignore[assignment]
                yield np.rot90(pixels, frame.rotation // 90)  # as a telephone notes how it was held
    except av.FFmpegError as error:
        raise ValueError(f"{path}: not a video file that can be read ({error.strerror})") from error


CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
TICKS = 90_000  # of the pictures' clock in a second: a whole number to each frame at 24, 25, 30, 50 and 60 fps
SHORTEST = TICKS // 1000  # between two pictures: Matroska counts in milliseconds
WHOLE_MP4 = (62, 12, 0)  # libavformat of FFmpeg 8.1; 7.1 and 8.0 know the flags, and their files start late or break
BT709 = 1  # in tables 2, 3 and 4 of ITU-T H.273: primaries, transfer and matrix
THREADS = 4  # of the encoder, on any machine, because their number changes the picture by a little
FIRST_SOUND = 2.0  # seconds the file waits for it, because a track cannot be added once the file has begun
SLACK = 0.25  # seconds that the count of samples may stray from the pictures' time before it is put right
SILENCE = 1.0  # seconds without sound before silence is written: the container waits for sound to go with its pictures


class Movie:
    """A video file while it is written: H.264 pictures and AAC sound, in mp4, mov or mkv as the path ends.

    It survives a crash: what was written plays up to the last second or so, and after `close` it is an ordinary file.
    Pictures stand at their own times, so that a dropped one makes another last longer and shifts nothing. The same
    pictures make the same file, on however many cores.

    The file is opened with the first sound, or after 2 seconds without any. One that has begun without sound stays
    without, unless `sound` says that some may come at any time: then it holds silence until it does.

    Raises ValueError for a path that ends in something else. `write` and `close` raise OSError, naming the file, when
    it cannot be written; after that it takes nothing more, and what is in it can still be played.
    """

    def __init__(self, path: Path, *, fps: float, sound: bool = False) -> None:
        if path.suffix.lower() not in CONTAINERS:
            raise ValueError(f"{path}: a video file's name ends in {', '.join(CONTAINERS)}, not {path.suffix!r}")
        self.path, self.fps, self.sound = path, fps, sound
        self.container: OutputContainer | None = None
        self.pictures: Pictures | None = None
        self.track: SoundTrack | None = None
        self.packets: list[Encoded] = []
        self.begun = self.warned = False
        self.fault = ""

    def write(self, pixels: NDArray[np.uint8], time: float, sound: Sound | None = None) -> None:
        """Add a picture [H, W, 3] at `time` (seconds; a show's first is 0) and the sound that ends with it.

        A time that is no number, or is no later than the last, becomes 1 ms after the last.
        """
        if self.fault:
            raise OSError(self.fault)
        try:
            self.encode(pixels, time, sound if sound and sound.samples.size else None)
        except av.FFmpegError as error:
            raise self.failure(error) from error

    def encode(self, pixels: NDArray[np.uint8], time: float, sound: Sound | None) -> None:
        if not self.container or not self.pictures:
            self.container = opened(self.path)
            self.pictures = Pictures(self.container, pixels, self.fps)
        self.packets += self.pictures.encode(pixels, time)
        if not self.begun:
            waited = self.pictures.elapsed >= FIRST_SOUND
            if sound or (waited and self.sound):
                self.track = SoundTrack(self.container, sound, self.fps)
            self.begun = waited or sound is not None
            if self.begun:
                self.container.start_encoding()  # opens the file now, that it cannot be written is said at once
        if self.track:
            self.packets += self.track.encode(sound, self.pictures.now)
        elif sound and not self.warned:
            self.warned = True
            log.warning("%s: sound has come too late, the file has begun without a sound track", self.path)
        if self.begun:
            self.container.mux(self.packets)
            self.packets = []

    def close(self) -> None:
        """Write what waits and finish the file. Without a picture there is none."""
        container, self.container = self.container, None
        if not container:
            return
        try:
            if not self.fault:
                container.mux(self.packets)
                for track in (self.pictures, self.track):
                    container.mux(track.stream.encode(None) if track else [])
            container.close()
        except av.FFmpegError as error:
            if not self.fault:
                raise self.failure(error) from error
        finally:
            self.fault = self.fault or f"{self.path}: the video file is closed"

    def failure(self, error: av.FFmpegError) -> OSError:
        self.fault = f"{self.path}: the video file cannot be written ({error.strerror})"
        return OSError(self.fault)


def missing_codecs() -> list[str]:
    """What this FFmpeg lacks of what a movie needs: nothing, in the wheels of PyAV."""
    needed = {"libx264": "H.264 encoder (libx264)", "aac": "AAC encoder"}
    return [name for codec, name in needed.items() if codec not in av.codecs_available]


def opened(path: Path) -> OutputContainer:
    """A container of the kind the path ends in, written so that it can be read even if it is never finished."""
    kind = CONTAINERS[path.suffix.lower()]
    if kind == "matroska":
        options = {"cluster_time_limit": "500", "fflags": "bitexact"}  # without it each file gets a number by chance
    elif av.library_versions["libavformat"] >= WHOLE_MP4:  # in pieces until it is closed, then whole
        options = {"movflags": "hybrid_fragmented+delay_moov", "frag_duration": "500000"}
    else:  # in pieces for ever, which nearly everything plays
        options = {"movflags": "frag_keyframe+delay_moov+default_base_moof", "frag_duration": "500000"}
    return av.open(str(path.absolute()), "w", format=kind, container_options={**options, "flush_packets": "1"})


class Pictures:
    """The pictures of a movie. The first [H, W, 3] gives its size; later ones of another size are scaled to it.

    H.264 wants even sizes: an odd one gains a column or a row, which repeats the last. Colours are BT.709, and say so.
    """

    def __init__(self, container: OutputContainer, pixels: NDArray[np.uint8], fps: float) -> None:
        height, width, _ = pixels.shape
        # a key picture where we ask for one, and at least every other second
        options = {"preset": "superfast", "crf": "18", "forced-idr": "1"}
        self.stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=options)
        self.stream.time_base = Fraction(1, TICKS)
        context = self.stream.codec_context
        context.time_base, context.gop_size, context.thread_count = Fraction(1, TICKS), max(1, round(2 * fps)), THREADS
        context.width, context.height, context.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = ColorRange.MPEG
        self.width, self.height = context.width, context.height
        self.reformatter = VideoReformatter()  # one for all: making it takes longer than using it
        self.first = self.key = self.last = -TICKS

    @property
    def now(self) -> float:
        """When the last picture was, in seconds."""
        return self.last / TICKS

    @property
    def elapsed(self) -> float:
        """Seconds since the first picture."""
        return (self.last - self.first) / TICKS

    def encode(self, pixels: NDArray[np.uint8], time: float) -> list[Encoded]:
        begins = self.first < 0
        ticks = round(time * TICKS) if abs(time) < 1e9 else 0
        self.last = max(ticks, 0 if begins else self.last + SHORTEST)
        height, width, _ = pixels.shape
        if width % 2 or height % 2:
            pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = self.reformatter.reformat(
            av.VideoFrame.from_ndarray(pixels, format="rgb24"),
            self.width,
            self.height,
            "yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        frame.pts, frame.time_base = self.last, Fraction(1, TICKS)
        if begins:
            self.first = self.last
        if begins or self.last - self.key >= TICKS:  # each second, so that a crash takes no more, and seeking is quick
            frame.pict_type, self.key = PictureType.I, self.last
        return self.stream.encode(frame)


class SoundTrack:
    """The sound of a movie: a sample stands where the count of samples says, so that it is never stretched or torn.

    A piece of sound ends with the picture it came with. The first one settles where the count begins, after silence if
    it is late. When the count strays from the pictures by more than 0.25 s, because sound was lost or two clocks
    disagree for an hour, silence is put in or the oldest left out.

    `sound` tells rate and channels (one or two; of more the first two are kept), without it 48 kHz stereo. Sound at
    another rate, and at rates that AAC does not know, is resampled.
    """

    def __init__(self, container: OutputContainer, sound: Sound | None, fps: float) -> None:
        wanted = sound.rate if sound else 48_000
        self.rate = wanted if wanted in (av.Codec("aac", "w").audio_rates or ()) else 48_000
        self.channels: int = min(sound.samples.shape[1], 2) if sound else 2
        self.layout = ("mono", "stereo")[self.channels - 1]
        self.stream = container.add_stream("aac", rate=self.rate, layout=self.layout, bit_rate=96_000 * self.channels)
        self.stream.time_base = self.stream.codec_context.time_base = Fraction(1, self.rate)
        self.frame = round(self.rate / fps)  # samples
        self.resamplers: dict[int, av.AudioResampler] = {}
        self.count = 0

    def encode(self, sound: Sound | None, now: float) -> list[Encoded]:
        samples = self.fitted(sound) if sound else np.zeros((0, self.channels), np.float32)  # [n, channels]
        behind = round(now * self.rate) - self.count - len(samples)
        allowed = SILENCE if not sound else SLACK if self.count else 0.0
        packets = []
        if behind > allowed * self.rate:
            for n in range(0, behind, self.rate):
                packets += self.append(np.zeros((min(self.rate, behind - n), self.channels), np.float32))
        elif -behind - self.frame > allowed * self.rate and self.count:
            samples = samples[-behind - self.frame :]
        return packets + (self.append(samples) if len(samples) else [])

    def append(self, samples: NDArray[np.float32]) -> list[Encoded]:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout=self.layout)
        frame.sample_rate, frame.pts, frame.time_base = self.rate, self.count, Fraction(1, self.rate)
        self.count += len(samples)
        return self.stream.encode(frame)

    def fitted(self, sound: Sound) -> NDArray[np.float32]:
        """The sound's samples as [n, channels] of the track, at its rate, -1..1."""
        samples = np.nan_to_num(sound.samples[:, :2], posinf=1.0, neginf=-1.0).clip(-1, 1)
        if samples.shape[1] != self.channels:
            samples = samples.mean(1, keepdims=True).repeat(self.channels, 1)
        if sound.rate == self.rate:
            return samples
        resampler = self.resamplers.setdefault(sound.rate, av.AudioResampler("fltp", self.layout, self.rate))
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout=self.layout)
        frame.sample_rate = sound.rate
        blocks = [whole.to_ndarray().T for whole in resampler.resample(frame)]
        return np.concatenate([np.zeros((0, self.channels), np.float32), *blocks])
