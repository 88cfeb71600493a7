"""Still pictures: read, made smaller, written. The one place that imports cv2."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # [H, W, 3] RGB

JPEG = b"\xff\xd8"  # how such a file begins: it has no transparency
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".jp2", ".ppm", ".pgm"}


def read_picture(content: bytes) -> Pixels:
    """A picture file's pixels, upright, without transparency (black behind). Raises ValueError if it is none."""
    pixels = decoded(content, cv2.IMREAD_COLOR)
    if pixels is None:
        raise ValueError("not a picture that can be read")
    whole = None if content.startswith(JPEG) else decoded(content, cv2.IMREAD_UNCHANGED)
    if whole is not None and whole.ndim == 3 and whole.shape == (*pixels.shape[:2], 4):
        pixels = pixels * (whole[..., 3:] / np.iinfo(whole.dtype).max)
    return cv2.cvtColor(pixels.astype(np.uint8, copy=False), cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def decoded(content: bytes, kind: int) -> NDArray[Any] | None:
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), kind) if content else None
    except cv2.error as error:
        raise ValueError("cannot be read; it may have too many pixels") from error


def squared(pixels: Pixels, size: int) -> Pixels:
    """The middle square of a picture at size × size."""
    height, width, _ = pixels.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resized(pixels[top : top + side, left : left + side], size, size)


def resized(pixels: Pixels, width: int, height: int) -> Pixels:
    """A picture at another size: averaged where it shrinks, smooth where it grows."""
    kind = cv2.INTER_AREA if width < pixels.shape[1] or height < pixels.shape[0] else cv2.INTER_CUBIC
    return cv2.resize(pixels, (width, height), interpolation=kind).astype(np.uint8, copy=False)


def jpeg(pixels: Pixels, quality: int = 85) -> bytes:
    """A picture as a JPEG file."""
    _, content = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return content.tobytes()


def write_jpeg(path: Path, pixels: Pixels, quality: int = 85) -> None:
    """Write a JPEG file, replacing what is there."""
    path.write_bytes(jpeg(pixels, quality))


def sheet(pictures: NDArray[np.uint8], columns: int) -> Pixels:
    """Pictures [N, 3, R, R] side by side in rows of `columns`, as one; what is missing of the last row is black."""
    count, _, size, _ = pictures.shape
    rows = -(-count // columns)
    grid = np.zeros((rows * columns, 3, size, size), np.uint8)
    grid[:count] = pictures
    grid = grid.reshape(rows, columns, 3, size, size).transpose(0, 3, 1, 4, 2)
    return np.ascontiguousarray(grid.reshape(rows * size, columns * size, 3))
