"""The pulse: how fast the music beats and where in the beat it is, block by block, out of what has been heard so far.

A bar pointer in the sense of Whiteley, Cemgil and Godsill (ISMIR 2006), followed forwards only: every tempo and every place in
the beat is a state, which moves on by itself and is believed more or less as the onsets fit it. What is read is the mean place
of the most believed tempi, so it lies between blocks and can be carried into the future.
"""

import math

import numpy as np
from numpy.typing import NDArray

from instrument.flow import Reading
from instrument.listening.bars import Bars

SLOWEST, FASTEST = 55.0, 215.0  # beats a minute
USUAL, SPREAD = 118.0, 0.45  # beats a minute, and octaves: where tempi mostly are
STEADY = 80.0  # how much a tempo resists change from beat to beat
PRIOR = 0.3  # how much a tempo pays, once a beat, for being unusual
WEIGHT = 2.0  # of what is like a beat
HALF_WAY = 0.0  # how welcome that is half-way between two beats
WIDTH = 0.035  # of a beat: how exactly onsets are expected on it
LATE = 1.9  # blocks after a beat, the network is surest of it
LEAST = 0.02  # an onset below is none, and the pulse runs on by itself


class Pulse:
    """Follows the pulse; `dt` is the length of a block in seconds."""

    def __init__(self, dt: float) -> None:
        self.dt = dt
        shortest, longest = math.ceil(60 / FASTEST / dt), math.floor(60 / SLOWEST / dt)
        self.intervals = np.arange(shortest, longest + 1)  # blocks a beat
        self.last = np.cumsum(self.intervals) - 1
        self.first = self.last - self.intervals + 1
        self.of = np.repeat(np.arange(len(self.intervals)), self.intervals)
        place = (np.arange(len(self.of)) - self.first[self.of]) / self.intervals[self.of]
        unusual = np.log2(60 / (self.intervals * dt) / USUAL) / SPREAD
        prior = np.exp(-0.5 * unusual**2)
        self.change = changes(self.intervals, prior)
        self.template = template(place, self.intervals[self.of], HALF_WAY)
        self.template -= (np.add.reduceat(self.template, self.first) / self.intervals)[self.of]
        self.turn = np.exp(2j * np.pi * place)
        start = prior / self.intervals
        self.belief = (start / (start * self.intervals).sum())[self.of]
        self.moved = np.empty_like(self.belief)
        self.bars = Bars()

    def __call__(self, beat: float, downbeat: float) -> Reading:
        """How like a beat and a downbeat this block is, 0..1 -> the pulse at its end."""
        moved = self.moved
        moved[1:] = self.belief[:-1]
        moved[self.first] = (self.belief[self.last][:, None] * self.change).sum(0)
        if beat > LEAST:
            moved *= np.exp(WEIGHT * beat * self.template)
        moved += 1e-9 / len(moved)
        moved /= moved.sum()
        self.belief, self.moved = moved, self.belief
        period, phase, confidence = self.read()
        bar, place = self.bars(phase, self.dt / period, downbeat)
        return Reading(period, phase, confidence, bar, place)

    def read(self) -> tuple[float, float, float]:
        """Seconds a beat, place in it and how sure, of the most believed tempo and its two neighbours."""
        belief = np.add.reduceat(self.belief, self.first)
        smooth = np.convolve(belief, (0.5, 1.0, 0.5), "same")
        best = int(smooth.argmax())
        near = slice(max(best - 1, 0), best + 2)
        period = float((belief[near] * self.intervals[near]).sum() / belief[near].sum())
        inside = slice(self.first[near][0], self.last[near][-1] + 1)
        where = complex((self.belief[inside] * self.turn[inside]).sum())
        phase = (math.atan2(where.imag, where.real) / (2 * math.pi) + LATE / period) % 1.0
        return period * self.dt, phase, abs(where)


def changes(intervals: NDArray[np.int_], prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """At the end of a beat: from one interval to another, [from, to]."""
    change: NDArray[np.float64] = np.exp(-STEADY * abs(intervals[None] / intervals[:, None] - 1))
    change /= change.sum(1, keepdims=True)
    change *= (prior / prior.max()) ** PRIOR
    return change


def template(place: NDArray[np.float64], interval: NDArray[np.int_], half_way: float) -> NDArray[np.float64]:
    """How well an onset fits each state: at the beat, and `half_way` to the next."""
    width = np.maximum(WIDTH, 1.2 / interval)

    def bump(at: float) -> NDArray[np.float64]:
        apart = (place - at + 0.5) % 1 - 0.5
        height: NDArray[np.float64] = np.exp(-0.5 * (apart / width) ** 2)
        return height

    return bump(0.0) + half_way * bump(0.5)
