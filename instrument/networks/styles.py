"""Styles: what every layer is told about the picture, as one flat row of numbers made from the rows of w.

What a network does splits here: z to styles is quick and can be edited freely; styles to a picture is the heavy part,
which several executors run. A style is a learnt affine map of a row of w (Karras et al. 2019, section 2).
"""

import math
from collections.abc import Mapping
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor


class Styles:
    """The affine maps of all layers, in the order of the rows of w that they take."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, Tensor, Tensor]] = []
        self.total = 0

    def add(self, row: int, weights: Mapping[str, Tensor], name: str) -> slice:
        """One more layer, fed by that row of w; answers where its style will be."""
        weight, bias = weights[name + "affine.weight"], weights[name + "affine.bias"]
        self.parts.append((row, weight / math.sqrt(weight.shape[1]), bias))
        self.total += len(bias)
        return slice(self.total - len(bias), self.total)

    def together(self) -> "Styles":
        """The same with one map a row: fewer, larger products."""
        joined = Styles()
        for row, parts in groupby(self.parts, key=lambda part: part[0]):
            _, weights, biases = zip(*parts, strict=True)
            joined.parts.append((row, torch.cat(weights), torch.cat(biases)))
        joined.total = self.total
        return joined

    def __call__(self, w: Tensor) -> Tensor:
        """w [N, num_ws, w_dim] -> styles [N, total]."""
        return torch.cat([F.linear(w[:, row], weight, bias) for row, weight, bias in self.parts], 1)
