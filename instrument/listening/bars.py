"""Bars: which beat of how many the last one was, followed from beat to beat."""

import numpy as np
from numpy.typing import NDArray

LENGTHS = 3, 4  # beats a bar
USUAL = 0.15, 0.85  # how often each is
SLIP = 0.01  # how likely it is that a beat was missed or one too many, or that the bar has become another
NEAR = 0.15  # of a beat: how far from it a downbeat is looked for
TRUST = 0.7  # how much the downbeats of the network are believed: a power of their likelihood
FLOOR = 0.05  # no single beat is surer than that
SURE = 0.6  # of belief, for a bar to be told


class Bars:
    """A hidden Markov model whose states are the places in bars of three and four; it moves on with every beat."""

    def __init__(self) -> None:
        self.length = np.repeat(LENGTHS, LENGTHS)
        self.place = np.concatenate([np.arange(length) for length in LENGTHS])
        self.after = np.arange(len(self.place)) + 1  # the state of the next beat
        self.after[self.place == self.length - 1] -= self.length[self.place == self.length - 1]
        self.prior: NDArray[np.float64] = np.repeat(np.divide(USUAL, LENGTHS), LENGTHS)
        self.belief = self.prior.copy()
        self.phase, self.since, self.strongest, self.open = 0.0, 0.0, 0.0, False

    def __call__(self, phase: float, beats: float, downbeat: float) -> tuple[int, int]:
        """The place in the beat 0..1, beats since the last call, how like a downbeat it is now 0..1 -> beats a bar, place.

        (0, 0) while that is not known.
        """
        self.since += beats
        passed = phase < 0.5 <= self.phase and self.since > 0.5
        if passed:  # a beat
            self.since = phase
            self.step()
        self.phase = phase
        if min(phase, 1 - phase) < NEAR:
            self.strongest, self.open = max(self.strongest, downbeat), True
        elif self.open and phase < 0.5:
            self.weigh(self.strongest)
            self.strongest, self.open = 0.0, False
        return self.read()

    def step(self) -> None:
        """A beat has passed."""
        moved = np.zeros_like(self.belief)
        moved[self.after] = self.belief
        self.belief = (1 - SLIP) * moved + SLIP * self.prior

    def weigh(self, downbeat: float) -> None:
        """The last beat was so like a downbeat."""
        likely = min(max(downbeat, FLOOR), 1 - FLOOR)
        self.belief *= np.where(self.place == 0, likely, 1 - likely) ** TRUST
        self.belief /= self.belief.sum()

    def read(self) -> tuple[int, int]:
        best = int(self.belief.argmax())
        return (int(self.length[best]), int(self.place[best])) if self.belief[best] > SURE else (0, 0)
