"""Sound in: a sound card, or a song that plays along, as signals from `audio/level` to `audio/pitch`, and as a pulse."""

import logging
import math
import threading
from collections import deque
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from instrument.flow import Event, Hearing, Reading, Sound, Tick
from instrument.listening.listener import SIGNALS, Listener
from instrument.listening.meters import Meters
from instrument.media import read_sound
from instrument.plugs import Unavailable
from instrument.songs.features import read_features
from instrument.songs.sidecar import read_sidecar
from instrument.sound.channels import check_channels
from instrument.sound.soundcard import Device, speakers
from instrument.sound.track import Track

log = logging.getLogger("phosphene")

SUFFIXES = {
    ".wav", ".flac", ".aif", ".aiff", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".wma", ".caf", ".mka",
    ".mp4", ".m4v", ".mkv", ".mov", ".webm", ".avi",
}  # fmt: skip
ALWAYS = {f"audio/{name}" for name in ("level", "bass", "mid", "high", "onset", "brightness")}
UNHEARD = 1024  # stretches kept for a recording that does not fetch them


class Source(Protocol):
    """Where samples come from; `name` is what it is called, and it is `gone` while it cannot be heard."""

    name: str
    rate: int
    seconds: float
    song: str | None
    lead: float  # seconds: how much later than the tick the last sample sounds

    @property
    def gone(self) -> bool: ...

    def read(self, tick: Tick) -> NDArray[np.float32]:
        """The samples [n, channels] since the last call."""
        ...

    def close(self) -> None: ...


class Input:
    """What is heard, as events: signals 0..1 for each block of 512 samples (at 44.1 and 48 kHz).

    `audio/level`, `bass`, `mid`, `high`, `onset` and `brightness` come always; any other that a listener hears
    (`instrument/listening/listener.py`) if the patch names it, which are those in `named`.
    `source` is `default` (the system's sound input; without one the demo track plays), `loopback` (what the computer
    plays), a part of a device's name, a device's number, `demo`, or the path of a sound file, which begins again at its
    end when it plays live. `channels` are those of the device or file that are heard, from 1; None is all of them, and the
    demo track is always whole. `gain` makes the sound louder for the analysis only. With `analysed` off it is heard for
    recordings and gives no events: so a take's song is rendered, which begins again too. `sidecar` is what `phosphene analyse`
    has written of a song that is rendered; its signals then go before what is heard. A device hears `latency` seconds
    later than it says. `seconds` is how long a file lasts (a device: inf), `song` its path. Raises
    ValueError for a device, file or channel that does not exist, Unavailable where no device can be heard.
    """

    SIGNALS = SIGNALS
    rank = 1  # as a source of the tempo: after those that know

    def __init__(
        self,
        *,
        source: str = "default",
        channels: list[int] | None = None,
        gain: float = 1.0,
        analysed: bool = True,
        sidecar: str | None = None,
        latency: float = 0.0,
        named: Collection[str] = (),
        live: bool,
    ) -> None:
        if channels is not None:
            check_channels(channels)  # here too, because the device may not be there to ask
        if sidecar and live:
            raise ValueError("a sidecar is for a song that is rendered; played live it is heard")
        self.source = opened(source, channels, latency, live=live, loops=live or not analysed)
        self.rate, self.seconds, self.song = self.source.rate, self.source.seconds, self.source.song
        self.gain, self.analysed = np.float32(gain), analysed
        self.listener, self.named = Listener(self.rate), ALWAYS | set(named)
        self.meters = Meters(self.listener.block / self.rate, len(self.listener.growth.heard))
        self.written = Written(Path(sidecar), self.named) if sidecar else None
        if sidecar and (channels is not None or gain != 1):
            log.warning("%s: is of the whole song; channels and gain do not change its signals", sidecar)
        self.until = 0.0  # seconds: the end of the last block that was heard whole
        self.unheard: deque[NDArray[np.float32]] = deque(maxlen=UNHEARD)

    def poll(self, tick: Tick) -> Sequence[Event]:
        samples = self.source.read(tick)
        if len(samples):
            self.unheard.append(samples)
        if not self.analysed:
            return []
        if self.written:
            return self.written.until(tick.time + self.source.lead)
        blocks = self.listener.push(samples * self.gain)
        addressed = ((f"audio/{name}", value) for signals in blocks for name, value in signals.items())
        events = [Event(address, value) for address, value in addressed if address in self.named]
        self.until = tick.time + self.source.lead - len(self.listener.rest) / self.rate
        if blocks:
            self.meters.take(self.until, blocks, self.listener.growth.heard)
        return events

    def pulse(self) -> tuple[float, Reading] | None:
        """The pulse, and the moment in the show at which it was so."""
        return None if self.listener.reading is None else (self.until, self.listener.reading)

    def hearing(self, after: int = 0) -> Hearing | None:
        """What was heard after so many blocks, for the eye."""
        return self.meters.hearing(after, self.source.name, self.source.gone) if self.analysed else None

    def heard(self) -> Sound | None:
        """The sound since the last call, in one piece: every sample once, from the first tick on."""
        if not self.unheard:
            return None
        samples = np.concatenate(self.unheard)
        self.unheard.clear()
        return Sound(samples, self.rate)

    def close(self) -> None:
        self.source.close()


class Written:
    """The signals of a sidecar, those that are named, each block's as soon as it has been heard."""

    def __init__(self, path: Path, named: Collection[str]) -> None:
        features = read_features(path, read_sidecar(path))
        self.times, self.at = features.times, 0
        columns = [column for column, name in enumerate(SIGNALS) if f"audio/{name}" in named]
        self.addresses = [f"audio/{SIGNALS[column]}" for column in columns]
        self.signals = features.signals[:, columns]

    def until(self, time: float) -> list[Event]:
        """What has been heard since the last call, up to a time in seconds."""
        begin, self.at = self.at, max(self.at, int(np.searchsorted(self.times, time + 1e-9, "right")))
        rows = self.signals[begin : self.at].tolist()
        return [Event(*each) for row in rows for each in zip(self.addresses, row, strict=True)]


def opened(source: str, channels: Sequence[int] | None, latency: float, *, live: bool, loops: bool) -> Source:
    """The source of that name: a file, a device, or the demo track where there is no device."""
    if source == "demo":
        return Song(demo_path(), live=live, loops=loops)
    path = Path(source).expanduser()
    if path.is_file() or path.suffix.lower() in SUFFIXES:
        return Song(path, channels, live=live, loops=loops)
    try:
        if not live:
            raise Unavailable("a sound card cannot be heard while rendering", "give a sound file")
        return Device(source, channels, latency)
    except Unavailable as missing:
        if source != "default":
            raise
        log.warning("audio: %s. THE DEMO TRACK PLAYS INSTEAD", missing)
        return Song(demo_path(), live=live, loops=loops)


def demo_path() -> Path:
    """Where the demo track lies: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "music" / "demo.ogg"
    return installed if installed.is_file() else package.parent / "music" / "demo.ogg"


class Song:
    """A sound file that passes in time, over the speakers if it is played live and there are any.

    When it ends it begins again (`loops`), or silence follows. It is heard up to what sounds while the coming frame is
    on the screen: with speakers that is what has left them, without them the time of the tick.
    """

    gone = False

    def __init__(self, path: Path, channels: Sequence[int] | None = None, *, live: bool, loops: bool) -> None:
        sound = read_sound(path, channels)
        self.rate, self.seconds = sound.rate, len(sound.samples) / sound.rate
        self.song: str | None = "demo" if path == demo_path() else str(path.absolute())
        self.name = "the demo track" if self.song == "demo" else path.name
        self.track = Track(sound.samples, loops=loops)
        self.speakers = speakers(self.track, sound.rate) if live else None
        self.at: int | None = None
        self.lead = math.inf  # a frame: the shortest dt, because after a stall dt is the stall's

    def read(self, tick: Tick) -> NDArray[np.float32]:
        self.lead = min(self.lead, tick.dt)
        now = round(tick.time * self.rate)
        begin = now if self.at is None else self.at
        if self.speakers and self.speakers.lost(tick):
            log.warning("audio: the speakers are gone, the song goes on without them")
            threading.Thread(target=self.speakers.close, daemon=True).start()  # a device that is gone may be slow to go
            self.speakers = None
        if self.speakers:
            now = self.speakers.sounding(now)
        self.at = max(begin, now + round(self.lead * self.rate))
        return self.track.stretch(begin, self.at)

    def close(self) -> None:
        if self.speakers:
            self.speakers.close()
