"""A small recurrent network that hears beats, downbeats and drums in the bands: trained here, on music made for it.

A dense layer, two layers of gated recurrent units (Cho et al., EMNLP 2014) and five outputs. The weights lie beside this file
(beats.npz); benchmarks/hearing.py is how they came about.
"""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WEIGHTS = Path(__file__).with_name("beats.npz")
DRUMS = "kick", "snare", "hat"
REACH = 0.5  # octaves: a band that is further from its own is none
OUTPUTS = "beat", "downbeat", *DRUMS

Row = NDArray[np.float32]


class Network:
    """One step a block, with what it remembers. Bit for bit the same on every run.

    It was trained on the bands of 44.1 kHz. `centres` [bands] in Hz are those of the sound that is heard: each of its own bands
    is the nearest of these, or is empty if the sound does not reach so high.
    """

    def __init__(self, centres: NDArray[np.floating]) -> None:
        weights = loaded()
        distances = np.abs(np.log2(weights["centres"][:, None] / centres))  # [its own, those of the sound], in octaves
        self.nearest = distances.argmin(1)
        self.there = (distances.min(1) < REACH).astype(np.float32)
        self.dense = Dense(weights["in.weight"], weights["in.bias"])
        self.layers = [Unit({key: weights[f"{layer}.{key}"] for key in Unit.KEYS}) for layer in ("a", "b")]
        self.out = Dense(weights["out.weight"], weights["out.bias"])

    def __call__(self, heard: Row, growth: Row) -> Row:
        """The bands now and their growth, both [bands] on the scale of the ear -> how like each output now is [5], 0..1."""
        x = np.tanh(self.dense(np.concatenate((heard[self.nearest] * self.there, growth[self.nearest] * self.there))))
        memories = []
        for layer in self.layers:
            x = layer(x)
            memories.append(x)
        return sigmoid(self.out(np.concatenate(memories)))


class Dense:
    """y = x W + b; `weight` is [inputs, outputs]."""

    def __init__(self, weight: Row, bias: Row) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, x: Row) -> Row:
        # added up in order, and not by a library for matrices, whose last digit may differ between two runs
        found: Row = np.einsum("i,ij->j", x, self.weight) + self.bias
        return found


class Unit:
    """A layer of gated recurrent units; the gates are reset, update, new."""

    KEYS = "input.weight", "input.bias", "memory.weight", "memory.bias"

    def __init__(self, weights: dict[str, Row]) -> None:
        self.input = Dense(weights["input.weight"], weights["input.bias"])
        self.memory = Dense(weights["memory.weight"], weights["memory.bias"])
        self.state = np.zeros(len(self.memory.weight), np.float32)

    def __call__(self, x: Row) -> Row:
        size = len(self.state)
        new, old = self.input(x), self.memory(self.state)
        gates = sigmoid(new[: 2 * size] + old[: 2 * size])
        candidate = np.tanh(new[2 * size :] + gates[:size] * old[2 * size :])
        self.state = candidate + gates[size:] * (self.state - candidate)
        return self.state


def sigmoid(x: Row) -> Row:
    found: Row = 0.5 * np.tanh(0.5 * x) + 0.5
    return found


@cache
def loaded() -> dict[str, Row]:
    """The weights, by name."""
    with np.load(WEIGHTS, allow_pickle=False) as file:
        return {name: file[name].astype(np.float32) for name in file.files}
