"""The window on a display: the one place that imports pygame and moderngl, and where keys come from."""

import os
import sys
from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np
from numpy.typing import NDArray

from instrument.plugs import Closed, Framing, Unavailable
from instrument.queued import Inbox

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("SDL_NO_SIGNAL_HANDLERS", "1")  # SIGTERM stays Python's, or the show could not be ended
os.environ.setdefault("SDL_VIDEO_MINIMIZE_ON_FOCUS_LOSS", "0")  # a click on the laptop must not hide the projection
os.environ.setdefault("SDL_WINDOWS_DPI_AWARENESS", "permonitorv2")  # a window is measured in real pixels

import moderngl
import pygame

keyboard = Inbox(1024)
"""Keys as events: `key/NAME` with 1 when it goes down and 0 when it comes up again; `inputs/keys.py` drains it."""

UNSEEN = {"dummy", "offscreen", "evdev"}  # what SDL falls back to when there is nothing to draw on
REMEDY = "run in a desktop session (set DISPLAY over ssh), or leave the window out and use the preview or a recording"

VERTEX_SHADER = """
#version 330 core
uniform vec2 reach;
out vec2 place;
void main() {
    vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
    place = vec2(corner.x, 1.0 - corner.y);  // a picture's first row is its top, a texture's is its bottom
    gl_Position = vec4((corner * 2.0 - 1.0) * reach, 0.0, 1.0);
}
"""
FRAGMENT_SHADER = """
#version 330 core
uniform sampler2D picture;
in vec2 place;
out vec4 colour;
void main() { colour = vec4(texture(picture, place).rgb, 1.0); }
"""


@dataclass(frozen=True, slots=True)
class Display:
    """One display of the machine: its number, its size in pixels, its refresh rate in Hz (0 if unknown)."""

    index: int
    width: int
    height: int
    refresh: int

    def __str__(self) -> str:
        return f"{self.index}: {self.width}x{self.height}" + (f" at {self.refresh} Hz" if self.refresh else "")


def displays() -> list[Display]:
    """The displays there are, the main one first; none without a desktop session."""
    was_open = pygame.display.get_init()
    try:
        open_video()
    except Unavailable:
        return []
    sizes, rates = pygame.display.get_desktop_sizes(), pygame.display.get_desktop_refresh_rates()
    if not was_open:
        pygame.display.quit()
    return [Display(i, *size, rate) for i, (size, rate) in enumerate(zip(sizes, rates, strict=True))]


def open_video() -> None:
    """Start SDL's display and events, never its audio; Unavailable if nobody could see what is drawn."""
    wanted = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"))
    if sys.platform.startswith("linux") and not wanted:
        raise Unavailable("no display", REMEDY)
    try:
        pygame.display.init()
    except pygame.error as error:
        raise Unavailable(f"no display ({error})", REMEDY) from error
    if pygame.display.get_driver() in UNSEEN:
        pygame.display.quit()
        raise Unavailable("no display", REMEDY)


def reach(framing: Framing, picture: tuple[int, int], window: tuple[int, int]) -> tuple[float, float]:
    """How far the picture reaches from the middle of the window, across and up; 1 is the window's edge.

    `letterbox` shows all of it with black bars, `fill` covers the window and crops, `fit` stretches. Sizes are
    (width, height) in pixels.
    """
    wider = (picture[0] * window[1]) / (picture[1] * window[0])  # than the window: above 1
    if framing == "letterbox":
        return min(1.0, wider), min(1.0, 1 / wider)
    if framing == "fill":
        return max(1.0, wider), max(1.0, 1 / wider)
    return 1.0, 1.0


def key_name(key: int) -> str:
    """What a key is called in an address: `space`, `f`, `1`, `left`, `left_shift`, `keypad_1`; "" if it has no name."""
    name = pygame.key.name(key, use_compat=False).lower()
    return name.replace("/", "slash").replace("\\", "backslash").replace(" ", "_")


class Screen:
    """A window of `size` (width, height) on display number `display`, or all of that display if fullscreen.

    Use it from the main thread, one at a time. F and F11 change between window and fullscreen. Buffers are swapped at
    the rate the driver is set to (vsync as a rule); nothing relies on it. Raises Unavailable without any display or
    OpenGL 3.3, ValueError for a display that is not there.
    """

    open: ClassVar[bool] = False

    def __init__(
        self,
        size: tuple[int, int],
        title: str = "Phosphene",
        display: int = 0,
        fullscreen: bool = False,
        framing: Framing = "letterbox",
    ) -> None:
        if framing not in get_args(Framing):
            raise ValueError(f"window: framing is one of {', '.join(get_args(Framing))}, got {framing!r}")
        if Screen.open:
            raise ValueError("window: only one can be open at a time")
        open_video()
        there = displays()
        if display not in range(len(there)):
            pygame.display.quit()
            raise ValueError(f"window: no display {display}; there is {', '.join(map(str, there))}")
        self.framing, self.size, self.fullscreen = framing, size, fullscreen
        self.middle = (pygame.WINDOWPOS_CENTERED | display,) * 2  # SDL's way to name the middle of a display
        self.whole = there[display].width, there[display].height
        self.covers = fullscreen and pygame.display.get_driver() == "x11"
        try:
            self.window, self.context = open_window(title, self.whole if self.covers else size, self.middle, fullscreen)
        except Exception as error:  # SDL and OpenGL loaders each have errors of their own
            pygame.display.quit()
            raise Unavailable(f"no OpenGL 3.3 window ({error})", "install or update the graphics driver") from error
        Screen.open = True
        self.home = self.window.position
        self.program = self.context.program(vertex_shader=VERTEX_SHADER, fragment_shader=FRAGMENT_SHADER)
        self.quad = self.context.vertex_array(self.program, [])
        self.texture: moderngl.Texture | None = None
        pygame.display.set_allow_screensaver(False)
        pygame.event.clear()  # what is left of a window before this one
        pygame.key.stop_text_input()  # or an input method would swallow keys
        pygame.mouse.set_visible(not fullscreen)
        for _ in range(2):  # both buffers black until the first picture, not what was in memory
            self.context.clear()
            self.window.flip()

    def show(self, pixels: NDArray[np.uint8]) -> None:
        """Draw a picture [H, W, 3] RGB and take in what was pressed; Closed if the window was closed or Ctrl+Q."""
        self.draw(pixels)
        self.window.flip()
        self.pump()

    def draw(self, pixels: NDArray[np.uint8]) -> None:
        """Draw a picture [H, W, 3] into the back buffer, framed."""
        size = pixels.shape[1], pixels.shape[0]
        if self.texture is None or self.texture.size != size:
            self.texture = self.new_texture(size)
        self.texture.write(pixels)
        window = self.window.size
        self.context.viewport = (0, 0, *window)
        self.context.clear()
        self.program["reach"] = reach(self.framing, size, window)
        self.texture.use()
        self.quad.render(moderngl.TRIANGLE_STRIP, vertices=4)

    def new_texture(self, size: tuple[int, int]) -> moderngl.Texture:
        """A texture for pictures of `size`, in place of the one before."""
        if self.texture:
            self.texture.release()
        texture = self.context.texture(size, 3, alignment=1)  # rows of RGB need not end on four bytes
        texture.repeat_x = texture.repeat_y = False  # or each edge would bleed into the one opposite
        texture.filter = moderngl.LINEAR, moderngl.LINEAR
        return texture

    def pump(self) -> None:
        """Take in what happened to the window and the keyboard."""
        for event in pygame.event.get():
            if event.type in (pygame.QUIT, pygame.WINDOWCLOSE):
                raise Closed("the window was closed")
            if event.type in (pygame.KEYDOWN, pygame.KEYUP) and (name := key_name(event.key)):
                keyboard.put(f"key/{name}", float(event.type == pygame.KEYDOWN))
            if event.type == pygame.KEYDOWN:
                self.own_key(event.key, event.mod)

    def own_key(self, key: int, modifiers: int) -> None:
        """The keys that belong to the window itself, whatever a patch makes of them."""
        if key == pygame.K_q and modifiers & (pygame.KMOD_CTRL | pygame.KMOD_META):
            raise Closed("Ctrl+Q")
        held = modifiers & (pygame.KMOD_CTRL | pygame.KMOD_ALT | pygame.KMOD_META | pygame.KMOD_SHIFT)
        if key == pygame.K_F11 or (key == pygame.K_f and not held):
            self.toggle_fullscreen()

    def toggle_fullscreen(self) -> None:
        """Between window and fullscreen, on the display the window is on."""
        self.fullscreen = not self.fullscreen
        pygame.mouse.set_visible(not self.fullscreen)
        if self.fullscreen:
            # X11 without a window manager, as in a kiosk, leaves it to us to cover the display; where there is a
            # manager, it or the performer has moved the window by now
            self.covers = pygame.display.get_driver() == "x11" and self.window.position == self.home
            self.size = self.window.size
            if self.covers:
                self.place(self.whole)
            self.window.set_fullscreen(desktop=True)
        else:
            self.window.set_windowed()
            if self.covers:
                self.place(self.size)

    def place(self, size: tuple[int, int]) -> None:
        """Give the window a size, in the middle of the display it was opened on."""
        self.window.size = size
        self.window.position = self.middle
        self.home = self.window.position

    def close(self) -> None:
        """Take the window away."""
        if Screen.open:
            self.context.release()
            self.window.destroy()
            pygame.display.quit()
            Screen.open = False


def open_window(
    title: str, size: tuple[int, int], position: tuple[int, int], fullscreen: bool
) -> tuple[pygame.Window, moderngl.Context]:
    """A resizable window with an OpenGL 3.3 core context."""
    for attribute, value in (
        (pygame.GL_CONTEXT_MAJOR_VERSION, 3),
        (pygame.GL_CONTEXT_MINOR_VERSION, 3),
        (pygame.GL_CONTEXT_PROFILE_MASK, pygame.GL_CONTEXT_PROFILE_CORE),
    ):
        pygame.display.gl_set_attribute(attribute, value)
    window = pygame.Window(title, size, position, opengl=True, resizable=True, fullscreen_desktop=fullscreen)
    moderngl.init_context()  # takes up the context that is current, be it GLX, EGL, WGL or CGL
    return window, moderngl.get_context()
