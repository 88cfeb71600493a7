"""Which channels of a device or a file are heard, numbered from 1 as on the device's panel."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def check_channels(channels: Sequence[int], there_are: float = math.inf, what: str = "") -> None:
    """Raises ValueError for none at all, and for one that `what`, which has so many, has not."""
    if not channels:
        raise ValueError("channels must name one at least, such as [1, 2]")
    for number in channels:
        if number < 1:
            raise ValueError(f"channels are numbered from 1, got {number}")
        if number > there_are:
            has = f"{there_are} channels" if there_are > 1 else "1 channel"
            raise ValueError(f"no channel {number}: {what} has {has}")


def picked(samples: NDArray[np.float32], channels: Sequence[int] | None) -> NDArray[np.float32]:
    """Those channels (None: all) of samples [n, channels], as mono or stereo [n, 1 or 2]: of more their mean."""
    if channels is not None:
        samples = samples[:, [number - 1 for number in channels]]
    return samples if samples.shape[1] <= 2 else samples.mean(axis=1, keepdims=True)
