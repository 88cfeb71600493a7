"""A sound card that exists only in memory, for the tests of what is heard: a null sink of a PulseAudio of its own."""

import os
import shutil
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

RATE = 48000
ASOUNDRC = """
pcm.vmon { type pulse device vout.monitor hint { show on description "mon" } }
pcm.vout { type pulse device vout hint { show on description "out" } }
pcm.!default { type asym playback.pcm vout capture.pcm vmon }
"""
PROGRAM = """
import json, logging, sys, time
import numpy as np
from instrument.clock import Real
from instrument.inputs.audio import Input
logging.basicConfig(level="INFO", stream=sys.stdout)
"""


class SoundCard:
    """A sound server of its own in `folder`, with one null sink: what is played into `vout` comes from the input `vmon`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / ".asoundrc").write_text(ASOUNDRC)
        self.socket = folder / "pulse.sock"
        self.env = {
            **os.environ,
            "PULSE_SERVER": f"unix:{self.socket}",
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        self.start()

    def start(self) -> None:
        self.server = subprocess.Popen(
            [
                *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"),
                *("-L", f"module-native-protocol-unix auth-anonymous=1 socket={self.socket}"),
                *("-L", f"module-null-sink sink_name=vout rate={RATE}"),
            ],
            env=self.env,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 10
        while subprocess.run(["pactl", "info"], env=self.env, capture_output=True).returncode:
            assert time.monotonic() < until, "PulseAudio has not started"
            assert self.server.poll() is None, "PulseAudio did not start"

    def stop(self) -> None:
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()

    def program(self, text: str) -> subprocess.Popen[str]:
        """A program of its own, because ALSA reads its settings once in a process."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([sys.executable, "-c", PROGRAM + text], env=self.env, text=True, **pipes)

    def pactl(self, *words: str) -> str:
        """Tell the sound server something, such as to take its card away."""
        return subprocess.run(["pactl", *words], env=self.env, capture_output=True, text=True, check=True).stdout

    @contextmanager
    def playing(self, song: Path) -> Iterator[None]:
        """A sound file that is played into the room meanwhile, by another program."""
        with subprocess.Popen(["paplay", str(song)], env=self.env) as player:
            try:
                yield
            finally:
                player.kill()


@contextmanager
def sound_card(folder: Path) -> Iterator[SoundCard]:
    """A sound server with a card; skips the test where PulseAudio is missing."""
    if not (shutil.which("pulseaudio") and shutil.which("paplay")):
        pytest.skip("apt install pulseaudio pulseaudio-utils libasound2-plugins")
    if not list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        pytest.skip("apt install libasound2-plugins")
    card = SoundCard(folder)
    try:
        yield card
    finally:
        card.stop()


def written(path: Path, samples: NDArray[np.float64]) -> Path:
    """A sound file of samples [n, channels], 16 bits each."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path
