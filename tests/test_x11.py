"""An X server that goes: in a process of its own, because what waits for it waits for ever."""

import subprocess
import sys

import pytest
from virtual_display import virtual_display

PROGRAM = """
import numpy as np
from instrument.screen import Screen
picture = np.zeros((8, 8, 3), np.uint8)
screen = Screen((100, 100))
screen.show(picture)
print("open", flush=True)
input()
{then}
screen.close()
print("closed", flush=True)
"""
SHOWS_ON = """
for _ in range(100):
    try:
        screen.show(picture)
    except ConnectionError as error:
        print(error, flush=True)
        break
"""


@pytest.mark.parametrize(("then", "said"), [(SHOWS_ON, "the display is gone\nclosed\n"), ("", "closed\n")])
def test_a_window_whose_server_is_gone_says_so_and_holds_nothing_up(then: str, said: str) -> None:
    with virtual_display() as display:
        command = [sys.executable, "-c", PROGRAM.format(then=then)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, text=True, **pipes) as window:
            try:
                assert window.stdout
                assert window.stdout.readline() == "open\n"
                display.server.kill()
                display.server.wait()
                assert window.communicate("\n", timeout=30)[0] == said
                assert window.returncode == 0, "nor does it hold up the end of the program"
            finally:
                window.kill()
