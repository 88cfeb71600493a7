"""The window as an output, on virtual displays."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
import torch
from virtual_display import VirtualDisplay, until, virtual_display, window_place, x_server

from instrument.flow import Frame, Tick
from instrument.outputs.window import Output
from instrument.plugs import Closed, Unavailable
from instrument.screen import displays

TICK = Tick(0, 0.0, 1 / 60, 0.0)
ORANGE = Frame(torch.tensor([1.0, 0.0, -1.0])[:, None, None].expand(3, 64, 64), TICK)


@pytest.fixture(scope="module")
def display() -> Iterator[VirtualDisplay]:
    with virtual_display() as there:
        yield there


def test_a_frame_is_seen_on_the_display(display: VirtualDisplay) -> None:
    with closing(Output(width=300, height=300)) as output:

        def seen() -> bool:
            output.show(ORANGE)
            return tuple(display.picture()[300, 400].tolist()) == (255, 128, 0)

        until(seen)


def test_ctrl_q_ends_the_show_and_a_new_one_can_begin(display: VirtualDisplay) -> None:
    for _ in range(2):
        with closing(Output(width=100, height=100)) as output:
            until(partial(focused, output))
            display.play("key", "ctrl+q")
            with pytest.raises(Closed):
                until(partial(unfocused, output))


def focused(output: Output) -> bool:
    output.show(ORANGE)
    return output.screen.window.focused


def unfocused(output: Output) -> bool:
    return not focused(output)


def test_a_display_that_is_not_there_is_refused_with_those_that_are(display: VirtualDisplay) -> None:
    with pytest.raises(ValueError, match=r"no display 1; there is 0: 800x600"):
        Output(display=1)
    with pytest.raises(ValueError, match=r"no display -1"):
        Output(display=-1)


def test_a_window_without_size_is_refused(display: VirtualDisplay) -> None:
    with pytest.raises(ValueError, match="at least 1, got 0x10"):
        Output(width=0, height=10)


def test_without_any_display_it_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with pytest.raises(Unavailable, match="no display"):
        Output()


DUMMY = """
Section "ServerFlags"
    Option "AutoAddDevices" "false"
EndSection
Section "Device"
    Identifier "card"
    Driver "dummy"
    VideoRam 256000
EndSection
Section "Monitor"
    Identifier "monitor"
    HorizSync 5-1000
    VertRefresh 5-200
EndSection
Section "Screen"
    Identifier "screen"
    Device "card"
    Monitor "monitor"
    DefaultDepth 24
    SubSection "Display"
        Depth 24
        Modes "1280x720"
        Virtual 3840 1080
    EndSubSection
EndSection
"""


def test_fullscreen_on_the_second_display(tmp_path: Path) -> None:
    driver = Path("/usr/lib/xorg/modules/drivers/dummy_drv.so")
    if not (shutil.which("Xorg") and shutil.which("xrandr") and shutil.which("xwininfo") and driver.exists()):
        pytest.skip("needs: apt install xserver-xorg-core xserver-xorg-video-dummy x11-xserver-utils x11-utils")
    (tmp_path / "xorg.conf").write_text(DUMMY)
    options = ["-noreset", "-nolisten", "tcp", "-novtswitch", "-sharevts", "-logfile", str(tmp_path / "log")]
    with x_server(["Xorg", "-config", str(tmp_path / "xorg.conf"), *options]):
        for words in ("--addmode DUMMY1 800x600", "--output DUMMY1 --mode 800x600 --pos 1280x0"):
            subprocess.run(["xrandr", *words.split()], check=True, timeout=20)

        def two() -> bool:
            subprocess.run(["xrandr"], capture_output=True, check=True, timeout=20)  # asking makes the server look
            return len(displays()) == 2

        until(two)
        with closing(Output(display=1, fullscreen=True)) as output:
            output.show(ORANGE)
            assert window_place()[1:] == (1280, 0, 800, 600)
