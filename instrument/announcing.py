"""Announcing: what is heard as moments with a name (beats, onsets, changes of tempo, silence), as soon as they are known."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instrument.flow import Tick
from instrument.listening.listener import Listener
from instrument.listening.onset import BANDS
from instrument.tempo import SURE, Tempo

Moment = dict[str, Any]
CHANGED = 0.01  # of the tempo: less is none
STEADY = 1.0  # seconds for which a tempo must be so before it is said


class Announcer:
    """Hears a sound block by block, by the very code of a show, and says what happens. Times are seconds of the sound.

    Beats are announced `ahead` seconds before they come, as the clock then has it. Until a pulse has been heard there are none,
    nor in silence; while drums pause they go on.
    """

    def __init__(self, rate: int, ahead: float = 0.0) -> None:
        self.listener, self.tempo = Listener(rate), Tempo(120.0, ahead=ahead)
        self.rate, self.ahead = rate, ahead
        self.blocks = 0
        self.signals: dict[str, float] = {}  # of the last block
        self.tick = Tick(0, 0.0, 0.0, 0.0)
        self.known = self.silent = False
        self.told, self.apart_since = 0.0, 0.0  # beats a minute that were said, and since when they are others

    @property
    def now(self) -> float:
        """How much has been heard, in whole blocks."""
        return self.blocks * self.listener.block / self.rate

    def push(self, samples: NDArray[np.float32]) -> list[Moment]:
        """Samples [n] or [n, channels] -> what happens in the blocks that they complete.

        Each has `time`, when it was known; `kind`; and `at`, the moment it speaks of. A beat has `bpm` and `confidence`, and so
        has a downbeat, which is said beside its beat, and a tempo; an onset has its `band` and `strength` 0..1; silence
        says whether it is `silent` from then on.
        """
        return [moment for signals in self.listener.each(samples) for moment in self.hear(signals)]

    def hear(self, signals: dict[str, float]) -> list[Moment]:
        self.blocks += 1
        self.signals, now = signals, self.now
        reading = self.listener.reading
        assert reading is not None
        self.tempo.hear(now, now, reading)
        before, self.tick = self.tick, self.tempo.tick(self.blocks, now, self.listener.block / self.rate)
        moments = self.silence(signals["silence"] > 0)
        self.known = not self.silent and (self.known or reading.confidence >= SURE)
        if self.known:
            moments += self.pace()
            for number in range(math.floor(before.beat) + 1, math.floor(self.tick.beat) + 1):
                moments += self.beat(number)
        if signals["onset"]:
            band = max(BANDS, key=lambda name: signals[f"onset/{name}"])
            moments.append(self.moment("onset", now, band=band, strength=round(signals["onset"], 3)))
        return moments

    def moment(self, kind: str, at: float, **more: object) -> Moment:
        return {"time": round(self.now, 6), "kind": kind, "at": round(at, 6), **more}

    def beat(self, number: int) -> list[Moment]:
        """A beat of that number comes; with a downbeat, two moments."""
        at = self.tempo.since + (number - self.tempo.at) / self.tempo.speed
        pulse = {"bpm": round(self.tempo.bpm, 2), "confidence": round(self.tempo.confidence, 3)}
        kinds = ("beat", "downbeat") if self.tempo.place(number) == 0 else ("beat",)
        return [self.moment(kind, max(at, self.now if self.ahead else 0.0), **pulse) for kind in kinds]

    def pace(self) -> list[Moment]:
        """The tempo, if it is another and stays so."""
        bpm, confidence = self.tempo.bpm, self.tempo.confidence
        if confidence < SURE or abs(bpm / (self.told or 1e9) - 1) < CHANGED:
            self.apart_since = self.now
            return []
        if self.told and self.now - self.apart_since < STEADY:
            return []
        self.told = bpm
        return [self.moment("tempo", self.now, bpm=round(bpm, 2), confidence=round(confidence, 3))]

    def silence(self, silent: bool) -> list[Moment]:
        """Whether it has fallen silent, or is so no longer."""
        if silent == self.silent:
            return []
        self.silent = silent
        return [self.moment("silence", self.now, silent=silent)]
