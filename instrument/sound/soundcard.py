"""Sound cards, by way of PortAudio: one that is listened to, one that plays a song, and which there are."""

import logging
import math
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instrument.flow import Tick
from instrument.parameters import unknown
from instrument.plugs import Unavailable
from instrument.sound.channels import check_channels, picked
from instrument.sound.loopback import behind_the_server, mirror, remedy
from instrument.sound.track import Track

log = logging.getLogger("phosphene")

LOOPBACK = "loopback"
CHOOSING = ("default", LOOPBACK)  # no name of a device: the system says which it is, and may say another later
PACKET = 256  # frames a callback: 5 ms, and a size that PulseAudio's ALSA door is known to pass
WAITING = 2048  # packets that may wait for the render thread: 11 seconds
MOST_CHANNELS = 8  # a device that claims more is a software mixer, which would make up the others
PATIENCE_SECONDS = 4.0  # without a sample, before a device counts as gone: some take two to begin
RETRY_SECONDS = 2.0  # between two tries to find it again
NO_PORTAUDIO = "install PortAudio (Debian and Ubuntu: apt install libportaudio2)"


class Device:
    """A sound card's input, all its channels or those that are chosen, at its own rate.

    PortAudio's thread only appends packets; the render thread takes them. What is heard sounded as much earlier as the
    device says, and `latency` seconds more. A device that goes is named once and looked for until it is back. Raises
    ValueError if `wanted` names no input or it lacks a channel, Unavailable if nothing can be opened.
    """

    seconds = math.inf
    song: str | None = None

    def __init__(self, wanted: str, channels: Sequence[int] | None = None, latency: float = 0.0) -> None:
        portaudio = portaudio_library()
        if portaudio is None:
            raise Unavailable("no sound device can be opened", NO_PORTAUDIO)
        self.portaudio: Any = portaudio
        self.waiting: deque[NDArray[np.float32]] = deque(maxlen=WAITING)
        self.packets, self.watch = 0, Watch()
        self.begun = False
        self.closing = threading.Event()
        self.search: threading.Thread | None = None
        index = input_index(self.portaudio, wanted)
        about = self.portaudio.query_devices(index)
        self.name, self.rate = str(about["name"]), round(about["default_samplerate"])
        self.wanted = wanted if wanted in CHOOSING else self.name  # when it is looked for again
        claimed = int(about["max_input_channels"])
        if channels is not None:
            check_channels(channels, claimed, self.name)
        self.chosen, self.latency = channels, latency
        # two at least where it has them, or a mixer would make one of them
        self.channels = claimed if claimed <= MOST_CHANNELS else max([2, *(channels or ())])
        try:
            self.stream = self.open(index)
        except self.portaudio.PortAudioError as error:
            mend = remedy() if wanted == LOOPBACK else "see `phosphene devices`"
            raise Unavailable(f"{self.name} cannot be opened ({reason(error)})", mend) from error
        log.info("audio: listening to %s", self.called())

    @property
    def gone(self) -> bool:
        """Whether it is being looked for."""
        return self.search is not None

    def called(self) -> str:
        """The device's name, for the log."""
        return f"what the computer plays ({self.name})" if self.wanted == LOOPBACK else self.name

    def open(self, index: int) -> Any:
        with quiet(), behind_the_server() if self.wanted == LOOPBACK else nullcontext():
            stream = self.portaudio.InputStream(
                device=index, samplerate=self.rate, channels=self.channels, dtype="float32",
                blocksize=PACKET, latency="low", callback=self.take,
            )  # fmt: skip
            stream.start()
        self.lead = -float(stream.latency) - self.latency
        return stream

    def take(self, packet: NDArray[np.float32], frames: int, time: object, status: object) -> None:
        self.waiting.append(packet.copy())
        self.packets += 1

    def read(self, tick: Tick) -> NDArray[np.float32]:
        if not self.begun:
            self.waiting.clear()  # what came before the show
            self.begun = True
        packets = [self.waiting.popleft() for _ in range(len(self.waiting))]
        if self.search is None and self.watch.lost(self.stream, self.packets, tick):
            log.warning("audio: %s is gone. It will be heard again as soon as it is back", self.called())
            self.search = threading.Thread(target=self.find_again, name="audio search", daemon=True)
            self.search.start()
        samples = np.concatenate(packets) if packets else np.zeros((0, self.channels), np.float32)
        return picked(samples, self.chosen)  # a recording takes mono or stereo

    def find_again(self) -> None:
        """Look for the device until it is there: the life of the thread."""
        with quiet():
            self.stream.close(ignore_errors=True)
        while not self.closing.wait(RETRY_SECONDS):
            try:
                self.portaudio._terminate()  # PortAudio lists devices only when it starts
                self.portaudio._initialize()
                self.stream = self.open(input_index(self.portaudio, self.wanted))
            except (self.portaudio.PortAudioError, ValueError, Unavailable):
                continue
            log.info("audio: %s is back", self.called())
            self.watch, self.search = Watch(), None
            return

    def close(self) -> None:
        self.closing.set()
        if self.search:
            self.search.join(RETRY_SECONDS)
        with quiet():
            self.stream.close(ignore_errors=True)


class Speakers:
    """The system's sound output, playing a track from the moment when it is first asked what sounds."""

    def __init__(self, portaudio: Any, track: Track, rate: int) -> None:
        self.track, self.rate, self.watch = track, rate, Watch()
        self.cue: int | None = None  # the sample to begin with
        self.next: int | None = None  # the sample that is handed to the sound card next, once it takes any
        with quiet():
            self.stream = portaudio.OutputStream(
                samplerate=rate, channels=2, dtype="float32", blocksize=PACKET, callback=self.fill
            )
            self.stream.start()
        self.delay: int = round(self.stream.latency * rate)  # samples between the hand-over and the air

    def fill(self, out: NDArray[np.float32], frames: int, time: object, status: object) -> None:
        begin = self.cue if self.next is None else self.next
        if begin is None:
            out.fill(0)
        else:
            out[:] = self.track.stretch(begin, begin + frames)
            self.next = begin + frames

    def sounding(self, due: int) -> int:
        """The sample that leaves the speakers now.

        Until the sound card begins that is `due`, and it begins where it is then in time: the first moment of the song,
        as long as the card's delay, is never heard.
        """
        if self.next is None:
            self.cue = due + self.delay
            return due
        return self.next - self.delay

    def lost(self, tick: Tick) -> bool:
        return self.watch.lost(self.stream, self.next or 0, tick)

    def close(self) -> None:
        with quiet():
            self.stream.close(ignore_errors=True)


def speakers(track: Track, rate: int, what: str = "the song") -> Speakers | None:
    """Speakers for the track, which is called so, or None, said once, where there are none or they will not play."""
    portaudio = portaudio_library()
    if portaudio is None:
        log.info("audio: %s plays silently; to hear it, %s", what, NO_PORTAUDIO)
        return None
    try:
        return Speakers(portaudio, track, rate)
    except (portaudio.PortAudioError, ValueError) as error:
        log.info("audio: no speakers, so %s plays silently (%s)", what, reason(error))
        return None


class Watch:
    """Notices that a stream has stopped, by itself or in truth only (a cable that was pulled)."""

    def __init__(self) -> None:
        self.progress, self.since = -1, 0.0

    def lost(self, stream: Any, progress: int, tick: Tick) -> bool:
        """Whether the stream has ended, or its progress has not changed for PATIENCE_SECONDS."""
        if progress != self.progress:
            self.progress, self.since = progress, tick.time
        return not stream.active or tick.time - self.since > PATIENCE_SECONDS


@cache
def portaudio_library() -> Any | None:
    """The module sounddevice, or None where it or PortAudio is missing: imported when first wanted."""
    try:
        import sounddevice
    except (ImportError, OSError):
        return None
    return sounddevice


def devices() -> list[tuple[int, str, int, int]]:
    """Every sound device: index, name, number of inputs, number of outputs. Empty where PortAudio is missing."""
    portaudio = portaudio_library()
    if portaudio is None:
        return []
    return [
        (index, about["name"], about["max_input_channels"], about["max_output_channels"])
        for index, about in enumerate(portaudio.query_devices())
    ]


def inputs() -> list[tuple[int, str]]:
    """Every device that hears: index and name."""
    return [(index, name) for index, name, channels, _ in devices() if channels]


def input_index(portaudio: Any, wanted: str) -> int:
    """The index of the input that is meant: `default`, `loopback`, an index, a name, or a part of one in any case.

    Raises ValueError naming the inputs there are if it is none of them, Unavailable if there is no default or loopback.
    """
    if wanted == "default":
        index = int(portaudio.default.device[0])
        if index < 0:
            raise Unavailable("there is no sound input")
        return index
    if wanted == LOOPBACK:
        return mirror(inputs())
    for matches in (lambda name: name == wanted, lambda name: wanted.lower() in name.lower()):
        for index, name in inputs():
            if matches(name) or wanted == str(index):
                return index
    raise ValueError(unknown("sound input", wanted, [name for _, name in inputs()]))


def reason(error: Exception) -> str:
    """PortAudio's own words, on one line."""
    return " ".join(str(error).split())


redirected = threading.Lock()  # two at once would leave standard error shut; the render thread never waits here


@contextmanager
def quiet() -> Iterator[None]:
    """No output on standard error meanwhile: ALSA writes a page there about every card that it does not find."""
    with redirected, Path(os.devnull).open("w") as nowhere:
        try:
            saved = os.dup(2)
        except OSError:  # a program without a console
            yield
            return
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
