"""The master: the last thing that happens to a picture before it is shown."""

from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from instrument.parameters import Range
from instrument.plugs import Framing


class Master:
    """Holds, sizes and dims the picture: `size` (width, height) in pixels, or None for the first model's own.

    A picture of another shape is framed: `fill` covers the size and crops, `letterbox` shows all with black bars, `fit`
    stretches.
    """

    def __init__(self, size: tuple[int, int] | None = None, framing: Framing = "fill") -> None:
        self.size, self.framing = size, framing
        self.seen: Tensor | None = None  # as it was shown last, but for its level
        self.leaving: Tensor | None = None  # the picture that dissolves into those that come
        self.since, self.lasting = 0.0, 0.0  # seconds

    def dissolve(self, now: float, seconds: float) -> None:
        """From `now` on let the picture that was shown last dissolve into those that come, for so many seconds."""
        self.leaving, self.since, self.lasting = self.seen, now, seconds

    def __call__(
        self,
        image: Tensor,
        now: float = 0.0,
        *,
        level: Annotated[Tensor, Range(0, 1)] = 1.0,
        freeze: Annotated[float, Range(0, 1)] = 0.0,
    ) -> Tensor:
        """image [3, h, w] -> [3, H, W] at the time `now` in seconds.

        `level` 0 is black, `freeze` from a half up keeps the picture while the show runs on.
        """
        if self.size is None:
            self.size = image.shape[2], image.shape[1]  # from here on, whichever model plays: a film has one size
        if self.seen is None or freeze < 0.5:
            image = image.nan_to_num(0.0)  # or a blackout of what is not a number would be grey
            self.seen = self.dissolved(framed(image, self.size, self.framing), now)
        elif self.leaving is not None:  # frozen on the way: from here it goes on
            self.leaving, self.since = self.seen, now
        return torch.lerp(torch.full_like(self.seen, -1), self.seen, level)

    def dissolved(self, image: Tensor, now: float) -> Tensor:
        """The picture, as far as it has come out of the one that leaves."""
        if self.leaving is None or now - self.since >= self.lasting:
            self.leaving = None
            return image
        return torch.lerp(self.leaving, image, (now - self.since) / self.lasting)


def framed(image: Tensor, size: tuple[int, int], framing: Framing) -> Tensor:
    """image [3, h, w] at size (width, height), by cubic interpolation."""
    (width, height), (h, w) = size, image.shape[1:]
    if (h, w) == (height, width):
        return image
    scale_x, scale_y = width / w, height / h
    if framing == "fill":
        scale_x = scale_y = max(scale_x, scale_y)
    elif framing == "letterbox":
        scale_x = scale_y = min(scale_x, scale_y)
    scaled_size = [max(1, round(h * scale_y)), max(1, round(w * scale_x))]
    scaled = F.interpolate(
        image[None], scaled_size, mode="bicubic", antialias=min(scale_x, scale_y) < 1, align_corners=False
    )[0]
    top, left = (scaled.shape[1] - height) // 2, (scaled.shape[2] - width) // 2
    if framing == "letterbox":
        bars = (-left, width - scaled.shape[2] + left, -top, height - scaled.shape[1] + top)
        return F.pad(scaled, bars, value=-1.0)  # [3, H, W]
    return scaled[:, top : top + height, left : left + width]  # [3, H, W]
