"""The picture in a window or all over a display."""

from typing import ClassVar

from instrument.flow import Frame
from instrument.plugs import Delivery, Framing
from instrument.screen import Screen


class Output:
    """A window of width x height pixels on display number `display` (`phosphene devices` lists them), or fullscreen.

    Framing: `letterbox` shows the whole picture with black bars, `fill` covers the window and crops, `fit` stretches.
    F or F11 is fullscreen; Ctrl+Q or closing the window ends the show, Esc never does. Raises ValueError for a display
    that does not exist, Unavailable where there is none at all.
    """

    delivery: ClassVar[Delivery] = "here"
    target: ClassVar[str | None] = "display"

    def __init__(
        self,
        *,
        display: int = 0,
        fullscreen: bool = False,
        framing: Framing = "letterbox",
        width: int = 1280,
        height: int = 720,
    ) -> None:
        if width < 1 or height < 1:
            raise ValueError(f"window: width and height are at least 1, got {width}x{height}")
        self.screen = Screen((width, height), display=display, fullscreen=fullscreen, framing=framing)

    def show(self, frame: Frame) -> None:
        self.screen.show(frame.pixels)

    def close(self) -> None:
        self.screen.close()
