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
from instrument.listening.tactus import Tactus

SLOWEST, FASTEST = 55.0, 215.0  # beats a minute
USUAL, SPREAD = 118.0, 0.45  # beats a minute, and octaves: where tempi mostly are
STEADY = 80.0  # how much a tempo resists change from beat to beat
PRIOR = 0.15  # how much a tempo pays, once a beat, for being unusual
WEIGHT = 2.8  # of what is like a beat
WIDTH = 0.035  # of a beat: how exactly onsets are expected on it
LATE = 1.9  # blocks after a beat, the network is surest of it
TOLL = 0.3  # what each beat pays, of how like one the surest lately was: or what is a little like one would be one too
RECENT = 6.0  # seconds: lately
LEAST = 0.02  # an onset below is none, and the pulse runs on by itself


class Pulse:
    """Follows the pulse; `dt` is the length of a block in seconds, `usual` beats a minute are likeliest, by `spread` octaves."""

    def __init__(self, dt: float, usual: float = USUAL, spread: float = SPREAD) -> None:
        self.dt = dt
        shortest, longest = math.floor(60 / FASTEST / dt), math.ceil(60 / SLOWEST / dt)
        self.intervals = np.arange(shortest, longest + 1)  # blocks a beat
        self.last = np.cumsum(self.intervals) - 1
        self.first = self.last - self.intervals + 1
        self.of = np.repeat(np.arange(len(self.intervals)), self.intervals)
        place = (np.arange(len(self.of)) - self.first[self.of]) / self.intervals[self.of]
        unusual = np.log2(60 / (self.intervals * dt) / usual) / spread
        prior = np.exp(-0.5 * unusual**2)
        self.change = changes(self.intervals, prior)
        self.template = template(place, self.intervals[self.of])
        self.template -= (np.add.reduceat(self.template, self.first) / self.intervals)[self.of]
        self.template = self.template.astype(np.float32)
        self.turn = np.stack((np.cos(2 * np.pi * place), np.sin(2 * np.pi * place))).astype(np.float32)
        start = prior / self.intervals
        self.belief = (start / (start * self.intervals).sum())[self.of].astype(np.float32)
        self.moved, self.fit = np.empty_like(self.belief), np.empty_like(self.belief)
        self.least = np.float32(1e-9 / len(self.belief))
        self.surest, self.fall = 0.0, math.exp(-dt / RECENT)
        self.tactus, self.bars = Tactus(dt, usual, spread, SLOWEST), Bars()

    def __call__(self, beat: float, downbeat: float) -> Reading:
        """How like a beat and a downbeat this block is, 0..1 -> the pulse at its end."""
        moved = self.moved
        moved[1:] = self.belief[:-1]
        self.surest = max(beat, self.surest * self.fall)
        toll = np.float32(math.exp(-WEIGHT * TOLL * self.surest))
        # added up in order, as in the network
        moved[self.first] = np.einsum("i,ij->j", self.belief[self.last], self.change) * toll
        if beat > LEAST:
            np.multiply(self.template, np.float32(WEIGHT * beat), out=self.fit)
            moved *= np.exp(self.fit, out=self.fit)
        moved += self.least
        moved *= 1 / np.add.reduce(moved)
        self.belief, self.moved = moved, self.belief
        period, phase, confidence = self.read()
        period, phase = self.tactus(period, phase, beat)
        bar, place = self.bars(phase, self.dt / period, downbeat)
        return Reading(period, phase, confidence, bar, place)

    def read(self) -> tuple[float, float, float]:
        """Seconds a beat, place in it and how sure, of the most believed tempo and its two neighbours."""
        belief = np.add.reduceat(self.belief, self.first)
        smooth = 2 * belief
        smooth[1:] += belief[:-1]
        smooth[:-1] += belief[1:]
        best = int(smooth.argmax())
        near = slice(max(best - 1, 0), best + 2)
        few, intervals = belief[near].tolist(), self.intervals[near].tolist()
        period = sum(share * interval for share, interval in zip(few, intervals, strict=True)) / sum(few)
        inside = slice(self.first[near][0], self.last[near][-1] + 1)
        across, up = np.add.reduce(self.belief[inside] * self.turn[:, inside], axis=1).tolist()
        phase = (math.atan2(up, across) / (2 * math.pi) + LATE / period) % 1.0
        return period * self.dt, phase, math.hypot(across, up)


def changes(intervals: NDArray[np.int_], prior: NDArray[np.float64]) -> NDArray[np.float32]:
    """At the end of a beat: from one interval to another, [from, to]."""
    change: NDArray[np.float64] = np.exp(-STEADY * abs(intervals[None] / intervals[:, None] - 1))
    change /= change.sum(1, keepdims=True)
    change *= (prior / prior.max()) ** PRIOR
    return change.astype(np.float32)


def template(place: NDArray[np.float64], interval: NDArray[np.int_]) -> NDArray[np.float64]:
    """How well an onset fits each state: a bump at the beat."""
    apart = (place + 0.5) % 1 - 0.5
    height: NDArray[np.float64] = np.exp(-0.5 * (apart / np.maximum(WIDTH, 1.2 / interval)) ** 2)
    return height
