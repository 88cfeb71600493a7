"""NDI out: the picture as a source on the network, for any program that receives NDI."""

import logging
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from instrument.flow import Frame
from instrument.plugs import Delivery, Unavailable

log = logging.getLogger("phosphene")


class Output:
    """Sends every frame that it is given, at once, as the source `HOST (name)`; `fps` is what the source says it has.

    NDI's own clock is off, so it never holds a frame back, and a frame is compressed before `show` returns: no buffer of
    ours is in use afterwards. A change of size is simply sent. While nobody receives, frames cost nothing. Raises
    Unavailable where NDI is not installed or does not run on this processor.
    """

    delivery: ClassVar[Delivery] = "latest"
    target: ClassVar[str | None] = "name"

    def __init__(self, *, name: str = "Phosphene", fps: float = 60.0) -> None:
        if not name.strip():
            raise ValueError("ndi: name must not be empty, it is what receivers choose the source by")
        self.ndi = runtime()
        self.sender = self.ndi.send_create(
            self.ndi.SendCreate(p_ndi_name=name, p_groups="", clock_video=False, clock_audio=False)
        )
        if self.sender is None:
            raise Unavailable(f"NDI does not send as {name!r}", "choose a name that no other program here sends as")
        self.video = self.ndi.VideoFrameV2()
        self.video.FourCC = self.ndi.FOURCC_VIDEO_TYPE_RGBX
        self.video.frame_rate_N, self.video.frame_rate_D = round(fps * 1000), 1000
        self.video.timecode = self.ndi.SEND_TIMECODE_SYNTHESIZE
        self.canvas: NDArray[np.uint8] = np.empty((0, 0, 4), np.uint8)
        log.info("NDI: sending as %s", self.source())

    def source(self) -> str:
        """The name that receivers list us by, `HOST (name)`."""
        return str(self.ndi.send_get_source_name(self.sender).ndi_name)

    def show(self, frame: Frame) -> None:
        if not self.ndi.send_get_no_connections(self.sender, 0):
            return  # nobody looks: then nothing need be compressed
        pixels = frame.pixels  # [H, W, 3]
        if self.canvas.shape[:2] != pixels.shape[:2]:
            self.canvas = np.full((*pixels.shape[:2], 4), 255, np.uint8)  # [H, W, 4]
            self.video.data = self.canvas  # by address: the canvas stays ours for as long as the frame points at it
        for colour in range(3):  # four times as quick as copying all three at once
            self.canvas[..., colour] = pixels[..., colour]
        self.ndi.send_send_video_v2(self.sender, self.video)

    def close(self) -> None:
        sender, self.sender = self.sender, None
        if sender is not None:
            self.ndi.send_destroy(sender)


def runtime() -> Any:
    """The NDI library, started. Imported here and not above, because it is an extra with a licence of its own."""
    try:
        import NDIlib
    except ModuleNotFoundError:
        raise Unavailable("the NDI package is not installed", "pip install 'phosphene[ndi]'") from None
    except ImportError as error:  # on Linux it needs Avahi's client library from the system
        raise Unavailable(f"the NDI package does not load ({error})", "apt install libavahi-client3") from error
    if not NDIlib.initialize():
        raise Unavailable("NDI does not run on this processor", "leave the output out")
    return NDIlib
