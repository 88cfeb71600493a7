"""A finished piece of sound, cut into the stretches that pass."""

import numpy as np
from numpy.typing import NDArray


class Track:
    """Samples [n, channels] that begin at 0 and either repeat for ever or are followed by silence."""

    def __init__(self, samples: NDArray[np.float32], *, loops: bool) -> None:
        self.samples, self.loops = samples, loops

    def stretch(self, begin: int, end: int) -> NDArray[np.float32]:
        """The samples begin..end (end excluded, 0 <= begin <= end), across the seam too: [end - begin, channels]."""
        if self.loops:
            return self.samples.take(np.arange(begin, end), axis=0, mode="wrap")
        inside = self.samples[begin:end]
        if len(inside) == end - begin:
            return inside
        return np.concatenate((inside, np.zeros((end - begin - len(inside), self.samples.shape[1]), np.float32)))
