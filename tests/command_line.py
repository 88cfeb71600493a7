"""Phosphene as a user and a script meet it: a process that is started, watched, stopped, and the files that it leaves."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from virtual_display import until

QUICK = ["--size", "64x64", "--fps", "10", "--osc-port", "0", "--executor", "float32"]
PROGRAM = [sys.executable, "-m", "instrument"]


def environment(**more: str) -> dict[str, str]:
    """This process's environment, without a display and a GPU."""
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER", "PHOSPHENE_PLUGS")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**kept, "CUDA_VISIBLE_DEVICES": "", **more}


def phosphene(folder: Path, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder to its end."""
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(
        command, cwd=folder, env=environment(**variables), capture_output=True, text=True, timeout=120, check=False
    )


SERVER = """
import json, os, sys
from instrument import __main__ as program
program.prepare_process()
import instrument.commands.play, instrument.commands.render
for line in sys.stdin:
    job = json.loads(line)
    if (child := os.fork()) == 0:
        os.chdir(job["folder"])
        said = os.open(job["said"], os.O_WRONLY)
        os.dup2(said, 1)
        os.dup2(said, 2)
        try:
            code = program.main(job["arguments"])
        except SystemExit as end:
            code = end.code
        sys.stdout.flush()
        os._exit(code or 0)  # tidying up would take most of the time
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Server:
    """A process that has loaded what takes seconds, and becomes a `phosphene` with other arguments whenever it is asked."""

    def __init__(self, **variables: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            env=environment(**variables), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def answer(self, folder: Path, *arguments: object) -> tuple[int, str]:
        """The exit code of a command in a folder, and all that it said."""
        assert self.process.stdin
        assert self.process.stdout
        with tempfile.NamedTemporaryFile("r") as said:
            job = {"folder": str(folder), "said": said.name, "arguments": [*map(str, arguments)]}
            print(json.dumps(job), file=self.process.stdin, flush=True)
            return int(self.process.stdout.readline()), said.read()

    def close(self) -> None:
        """End it."""
        self.process.communicate()


class Running:
    """A command that runs, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process, self.said = process, ""
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.said += line

    def hears(self, pattern: str) -> re.Match[str]:
        """Wait until it says something that matches."""
        until(lambda: re.search(pattern, self.said) is not None or self.process.poll() is not None, 60)
        found = re.search(pattern, self.said)
        assert found, self.said
        return found

    def stopped(self, number: int = signal.SIGINT) -> int:
        """Its exit code, after a signal."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Its exit code, once it has one."""
        code = self.process.wait(60)
        self.reader.join(10)
        return code


@contextmanager
def running(
    folder: Path, *arguments: object, preparing: Callable[[], None] | None = None, **variables: str
) -> Iterator[Running]:
    """A command that is started in a folder; whatever happens, it does not outlive the block."""
    with subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        cwd=folder, env=environment(**variables), preexec_fn=preparing,
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        try:
            yield Running(process)
        finally:
            process.kill()


def kicks(path: Path, seconds: float = 3.0, rate: int = 22_050) -> Path:
    """A song of nothing but kick drums, on each half second from the first on: a mono wav file."""
    t = np.arange(round(seconds * rate)) / rate
    since = t % 0.5
    wave_form = np.sin(2 * np.pi * (50 * since + 2 * (1 - np.exp(-30 * since)))) * np.exp(-18 * since) * (t >= 0.5)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((wave_form * 30_000).astype("<i2").tobytes())
    return path


def pictures(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The decoded pictures of a video, uint8 [n, H, W, 3], and when each is shown, in seconds [n]."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return np.stack([frame.to_ndarray(format="rgb24") for frame in frames]), np.array([f.time for f in frames])


def sound(path: Path) -> tuple[NDArray[np.float32], int]:
    """The decoded sound of a video, float32 [n, channels], and its rate."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
        return np.concatenate([frame.to_ndarray().T for frame in frames]), frames[0].sample_rate


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """How far two stacks of pictures are apart on average, in 8-bit steps."""
    return float(np.abs(a.astype(np.int16) - b).mean())


def lines(path: Path) -> int:
    """How many whole lines a file has so far."""
    return path.read_bytes().count(b"\n") if path.exists() else 0
