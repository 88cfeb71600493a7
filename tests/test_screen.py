"""The window, on a virtual display: what is seen is read from the display itself."""

import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pygame
import pytest
from numpy.typing import NDArray
from virtual_display import HEIGHT, WIDTH, VirtualDisplay, press_close_button, until, virtual_display, window_place

from instrument.plugs import Closed
from instrument.screen import Framing, Screen, displays, key_name, keyboard, reach

BLACK, RED, GREEN, BLUE, WHITE, YELLOW = (0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255,) * 3, (255, 255, 0)


@pytest.fixture(scope="module")
def display() -> Iterator[VirtualDisplay]:
    with virtual_display() as there:
        yield there


@pytest.fixture
def opened(display: VirtualDisplay) -> Iterator[Callable[..., Screen]]:
    screens = []

    def open_screen(**settings: object) -> Screen:
        screens.append(Screen(**{"size": (400, 200), **settings}))  # type: ignore[arg-type]
        return screens[-1]

    yield open_screen
    for screen in screens:
        screen.close()


def test_card() -> NDArray[np.uint8]:
    """Four quarters under a yellow band, [150, 150, 3]: rows of 450 bytes, which end on no four-byte boundary."""
    card = np.zeros((150, 150, 3), np.uint8)
    card[:75, :75], card[:75, 75:], card[75:, :75], card[75:, 75:] = RED, GREEN, BLUE, WHITE
    card[:25] = YELLOW
    return card


test_card.__test__ = False  # type: ignore[attr-defined]


def inside(display: VirtualDisplay, screen: Screen) -> NDArray[np.uint8]:
    """What the display shows where the window is."""
    (x, y), (width, height) = screen.window.position, screen.window.size
    return display.picture()[y : y + height, x : x + width]


def expect(display: VirtualDisplay, screen: Screen, colours: dict[tuple[float, float], tuple[int, ...]]) -> None:
    """Show the card until the window has these colours at these places (across, down), 0..1 of the window."""

    def right() -> bool:
        screen.show(test_card())
        seen = inside(display, screen)
        h, w = seen.shape[:2]
        nonlocal found
        found = {place: tuple(seen[int(place[1] * h), int(place[0] * w)].tolist()) for place in colours}
        return found == colours

    found: dict[tuple[float, float], tuple[int, ...]] = {}
    try:
        until(right)
    except AssertionError:
        assert found == colours  # says what was seen


LETTERBOXED = {(0.2, 0.5): BLACK, (0.3, 0.05): YELLOW, (0.3, 0.4): RED, (0.7, 0.4): GREEN, (0.3, 0.9): BLUE}


def test_the_whole_picture_is_seen_between_black_bars(display: VirtualDisplay, opened: Callable[..., Screen]) -> None:
    expect(display, opened(), {**LETTERBOXED, (0.7, 0.9): WHITE, (0.8, 0.5): BLACK})


def test_fit_stretches_to_the_corners(display: VirtualDisplay, opened: Callable[..., Screen]) -> None:
    corners = {(0.01, 0.01): YELLOW, (0.01, 0.4): RED, (0.99, 0.4): GREEN, (0.01, 0.99): BLUE, (0.99, 0.99): WHITE}
    expect(display, opened(framing="fit"), corners)


def test_fill_covers_the_window_and_crops(display: VirtualDisplay, opened: Callable[..., Screen]) -> None:
    corners = {(0.01, 0.01): RED, (0.99, 0.01): GREEN, (0.01, 0.99): BLUE, (0.99, 0.99): WHITE}  # no band on top
    expect(display, opened(framing="fill"), corners)


def test_every_pixel_arrives_as_it_was(display: VirtualDisplay, opened: Callable[..., Screen]) -> None:
    noise = np.random.default_rng(7).integers(0, 256, (90, 101, 3), np.uint8)
    screen = opened(size=(101, 90))

    def same() -> bool:
        screen.show(noise)
        return np.array_equal(inside(display, screen), noise)

    until(same)


@pytest.mark.parametrize("framing", ["letterbox", "fit", "fill"])
@pytest.mark.parametrize(
    ("picture", "window"), [((512, 512), (1920, 1080)), ((1280, 720), (300, 900)), ((3, 2), (6, 4))]
)
def test_framings_keep_what_they_promise(framing: Framing, picture: tuple[int, int], window: tuple[int, int]) -> None:
    across, up = reach(framing, picture, window)
    if framing == "fit":
        assert (across, up) == (1, 1)
        return
    assert math.isclose(across * window[0] / (up * window[1]), picture[0] / picture[1])  # not stretched
    assert math.isclose((max if framing == "letterbox" else min)(across, up), 1)  # touches the window's edge


def test_a_new_window_is_black(display: VirtualDisplay, opened: Callable[..., Screen]) -> None:
    screen = opened()
    until(lambda: not inside(display, screen).any())


def test_resizing_frames_the_picture_anew(display: VirtualDisplay, opened: Callable[..., Screen]) -> None:
    screen = opened()
    expect(display, screen, LETTERBOXED)
    display.play("windowsize", window_place()[0], "300", "380")
    expect(display, screen, {(0.5, 0.05): BLACK, (0.05, 0.15): YELLOW, (0.05, 0.8): BLUE, (0.95, 0.8): WHITE})
    assert screen.window.size == (300, 380)


def test_pictures_may_change_size(opened: Callable[..., Screen]) -> None:
    screen = opened()
    for size in (64, 256, 33):
        screen.show(np.zeros((size, 2 * size, 3), np.uint8))
    assert screen.texture and screen.texture.size == (66, 33)


@pytest.mark.parametrize("at_first", [True, False])
def test_fullscreen_covers_the_display_and_back(
    display: VirtualDisplay, opened: Callable[..., Screen], at_first: bool
) -> None:
    screen = opened(fullscreen=at_first)
    for fullscreen in (at_first, not at_first, at_first):
        expect(display, screen, {(0.3, 0.9): BLUE, (0.7, 0.9): WHITE, (0.05, 0.5): BLACK})
        assert screen.window.size == ((WIDTH, HEIGHT) if fullscreen else (400, 200))
        assert pygame.mouse.get_visible() is not fullscreen
        if fullscreen:
            assert tuple(display.picture()[2, WIDTH // 2]) == YELLOW  # it really reaches the top
        screen.toggle_fullscreen()


@pytest.mark.parametrize("key", ["f", "F11"])
def test_f_and_f11_are_fullscreen(display: VirtualDisplay, opened: Callable[..., Screen], key: str) -> None:
    screen = opened()
    pressed(display, screen, key)
    until(lambda: shown(screen) and screen.fullscreen)


def test_escape_never_closes(display: VirtualDisplay, opened: Callable[..., Screen]) -> None:
    screen = opened()
    keyboard.drain()
    pressed(display, screen, "Escape")
    until(lambda: shown(screen) and len(keyboard.waiting) == 2)


def test_ctrl_q_closes(display: VirtualDisplay, opened: Callable[..., Screen]) -> None:
    screen = opened()
    pressed(display, screen, "ctrl+q")
    with pytest.raises(Closed):
        until(lambda: not shown(screen))


def test_the_close_button_closes(display: VirtualDisplay, opened: Callable[..., Screen]) -> None:
    screen = opened()
    until(lambda: shown(screen) and screen.window.focused)
    press_close_button(int(window_place()[0], 16))
    with pytest.raises(Closed):
        until(lambda: not shown(screen))


def test_only_one_window_at_a_time(opened: Callable[..., Screen]) -> None:
    opened()
    with pytest.raises(ValueError, match="one can be open"):
        opened()


def test_an_unknown_framing_is_refused(opened: Callable[..., Screen]) -> None:
    with pytest.raises(ValueError, match="letterbox, fit, fill"):
        opened(framing="crop")


def test_sound_and_screen_saver_are_left_alone(opened: Callable[..., Screen]) -> None:
    opened()
    assert pygame.mixer.get_init() is None
    assert pygame.display.get_allow_screensaver() is False


def test_displays_are_listed(display: VirtualDisplay) -> None:
    assert [(there.index, there.width, there.height) for there in displays()] == [(0, WIDTH, HEIGHT)]
    assert str(displays()[0]).startswith(f"0: {WIDTH}x{HEIGHT}")


HIDDEN = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")


def told(surroundings: dict[str, str]) -> str:
    """What another process says when it opens a window in these surroundings."""
    program = (
        "from instrument.screen import *\n"
        "try: Screen((64, 64))\n"
        "except Unavailable as error: print(error.what, '|', error.remedy, '|', len(displays()))\n"
    )
    bare = {name: value for name, value in os.environ.items() if name not in HIDDEN}
    command, surroundings = [sys.executable, "-c", program], bare | surroundings
    return subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.parametrize(
    "surroundings", [{}, {"DISPLAY": ":65000"}, {"SDL_VIDEODRIVER": "dummy"}, {"SDL_VIDEODRIVER": "offscreen"}]
)
def test_where_nobody_could_see_it_there_is_no_display(surroundings: dict[str, str]) -> None:
    what, remedy, count = told(surroundings).split(" | ")
    assert what == "no display" and "preview" in remedy and int(count) == 0


def test_without_opengl_the_driver_is_named(display: VirtualDisplay) -> None:
    what, remedy, count = told({"DISPLAY": os.environ["DISPLAY"], "SDL_OPENGL_LIBRARY": "/nowhere.so"}).split(" | ")
    assert what.startswith("no OpenGL 3.3 window") and "graphics driver" in remedy and int(count) == 1


def test_keys_are_called_what_is_printed_on_them(display: VirtualDisplay) -> None:
    pygame.display.init()
    keys = (pygame.K_SPACE, pygame.K_f, pygame.K_1, pygame.K_LEFT, pygame.K_LSHIFT, pygame.K_KP1, pygame.K_SLASH)
    assert [key_name(key) for key in keys] == ["space", "f", "1", "left", "left_shift", "keypad_1", "slash"]
    assert key_name(0) == ""
    pygame.display.quit()


def shown(screen: Screen) -> bool:
    """Show a picture, and say that it was."""
    screen.show(test_card())
    return True


def pressed(display: VirtualDisplay, screen: Screen, key: str) -> None:
    """Press a key once the window has the keyboard."""
    until(lambda: shown(screen) and screen.window.focused)
    display.play("key", key)
