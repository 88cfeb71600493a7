"""What the computer itself plays, as an input: which of its devices hears that, and what to install where none does."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from instrument.plugs import Unavailable

MIRRORS = {  # parts of the names, in small letters, of inputs that hear what is played; the surest first
    "linux": ("monitor of", "monitor"),
    "darwin": ("blackhole", "loopback audio", "soundflower", "vb-cable"),
    "win32": ("[loopback]", "stereo mix", "what u hear", "cable output"),
}
REMEDIES = {
    "linux": "it takes PulseAudio or PipeWire (Debian and Ubuntu: apt install libasound2-plugins)",
    "darwin": "install BlackHole (brew install blackhole-2ch) and play into a multi-output device with it",
    "win32": "enable Stereo Mix among the recording devices, or install VB-CABLE (vb-audio.com/Cable) and play into it",
}
SERVER = "pulse"  # ALSA's door to the sound server, PipeWire's too: which input is behind it is said by a variable
MONITOR = {"PULSE_SOURCE": "@DEFAULT_MONITOR@"}  # of whatever output is the default


def mirror(inputs: Sequence[tuple[int, str]], platform: str = sys.platform) -> int:
    """The index of the input, of these (index, name), that hears what the computer plays. Raises Unavailable for none."""
    if platform == "linux":
        for index, name in inputs:
            if name == SERVER:
                return index
    for part in MIRRORS.get(platform, MIRRORS["linux"]):
        for index, name in inputs:
            if part in name.lower():
                return index
    raise Unavailable("no device hears what this computer plays", remedy(platform))


def remedy(platform: str = sys.platform) -> str:
    """What to install."""
    return REMEDIES.get(platform, REMEDIES["linux"])


@contextmanager
def behind_the_server() -> Iterator[None]:
    """A stream that is opened meanwhile through the sound server hears what is played, and no microphone."""
    before = {name: os.environ.get(name) for name in MONITOR}
    os.environ.update(MONITOR)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
