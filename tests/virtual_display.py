"""A display that exists only in memory, for the tests of what is seen: Xvfb on a free number, and what it shows."""

import ctypes
import os
import re
import select
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

WIDTH, HEIGHT = 800, 600


class VirtualDisplay:
    """An X display of 800 x 600 without a window manager, and a keyboard to play on it."""

    def __init__(self, server: subprocess.Popen[bytes], folder: Path) -> None:
        self.server, self.folder = server, folder

    def picture(self) -> NDArray[np.uint8]:
        """What the display shows now, [600, 800, 3] RGB, read from the server's own frame buffer (an XWD file)."""
        data = (self.folder / "Xvfb_screen0").read_bytes()
        header = struct.unpack(">25I", data[:100])
        start, stride, colours = header[0] + 12 * header[19], header[12], header[19]
        assert (header[4], header[5], header[11], header[7]) == (WIDTH, HEIGHT, 32, 0), colours
        rows = np.frombuffer(data, np.uint8, stride * HEIGHT, start).reshape(HEIGHT, stride // 4, 4)
        return rows[:, :WIDTH, 2::-1].copy()

    def pixel(self, row: int, column: int) -> tuple[int, int, int]:
        """One point of it, RGB: read alone, because a whole picture takes a busy machine its time."""
        with (self.folder / "Xvfb_screen0").open("rb") as file:
            header = struct.unpack(">25I", file.read(100))
            file.seek(header[0] + 12 * header[19] + row * header[12] + column * 4)
            blue, green, red, _ = file.read(4)
        return red, green, blue

    def play(self, *words: str) -> str:
        """Run xdotool, which presses keys and talks to windows through the X server."""
        return subprocess.run(["xdotool", *words], capture_output=True, text=True, timeout=20, check=True).stdout


def window_place() -> tuple[str, int, int, int, int]:
    """The instrument's window as the X server knows it: its id, left, top, width and height."""
    told = subprocess.run(["xwininfo", "-name", "Phosphene"], capture_output=True, text=True, timeout=20, check=True)
    found = re.search(
        r"id: (\w+) .*upper-left X: +(-?\d+).*upper-left Y: +(-?\d+).*Width: (\d+).*Height: (\d+)", told.stdout, re.S
    )
    assert found, told.stdout
    left, top, width, height = map(int, found.groups()[1:])
    return found[1], left, top, width, height


class ClientMessage(ctypes.Structure):
    """An XClientMessageEvent, with room for the largest event."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 24),
    )


def press_close_button(window: int) -> None:
    """Ask a window to close (WM_DELETE_WINDOW), as a window manager does when its button is clicked."""
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XInternAtom.restype = ctypes.c_ulong
    display = ctypes.c_void_p(x11.XOpenDisplay(None))
    protocols, delete = (x11.XInternAtom(display, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
    message = ClientMessage(33, 0, 1, display, window, protocols, 32)  # 33 is ClientMessage
    message.data[0] = delete
    x11.XSendEvent(display, ctypes.c_ulong(window), 0, ctypes.c_long(0), ctypes.byref(message))
    x11.XCloseDisplay(display)


@contextmanager
def virtual_display() -> Iterator[VirtualDisplay]:
    """Xvfb as this process's DISPLAY; skips the test where it is missing."""
    if not all(map(shutil.which, ("Xvfb", "xdotool", "xwininfo"))):
        pytest.skip("needs: apt install xvfb xdotool x11-utils")
    with tempfile.TemporaryDirectory() as folder:
        command = ["Xvfb", "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-fbdir", folder, "-nolisten", "tcp", "-noreset"]
        with x_server(command) as server:
            yield VirtualDisplay(server, Path(folder))


@contextmanager
def x_server(command: list[str], seconds: float = 20) -> Iterator[subprocess.Popen[bytes]]:
    """An X server that chooses a free display number; DISPLAY names it meanwhile."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        [*command, "-displayfd", str(writing)], pass_fds=[writing], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(writing)
    before = {name: os.environ.pop(name, None) for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")}
    try:
        ready, _, _ = select.select([reading], [], [], seconds)
        number = os.read(reading, 16).decode().strip() if ready else ""
        if not number:
            pytest.skip(f"{command[0]} does not start here")
        os.environ["DISPLAY"] = f":{number}"
        yield server
    finally:
        server.terminate()
        server.wait(10)
        os.close(reading)
        os.environ.pop("DISPLAY", None)
        os.environ.update({name: value for name, value in before.items() if value is not None})


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something to be true, by asking again and again."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)
