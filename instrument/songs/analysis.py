"""Analysis: a song is heard to its end, and then all of it is known: its beats, bars, sections, key and signals."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from instrument.flow import Sound
from instrument.listening import hindsight
from instrument.listening.listener import NOTES, SIGNALS, Listener, mono
from instrument.listening.network import OUTPUTS
from instrument.songs.scrutiny import Heard, Scrutiny
from instrument.songs.sidecar import KEYS

DESCRIBED = [SIGNALS.index(name) for name in SIGNALS if name.startswith("band/") or name in ("percussive", *NOTES)]
NAMES = {which: name for name, which in KEYS.items()}


@dataclass(frozen=True)
class Analysis:
    """What was found. `beats` are (seconds, place from 1), `sections` (seconds, name); `signals` [blocks, signals] at `times`.

    `agreement` 0..1 is the share of librosa's beats that are beats here too, of those that it has.
    """

    tempo: float | None
    key: str | None
    sections: list[tuple[float, str]]
    beats: list[tuple[float, int]]
    times: NDArray[np.float64]
    signals: NDArray[np.float32]
    agreement: float


@dataclass
class Analyst:
    """Hears a song piece by piece, by the very code of a show and by librosa's beside it; `bpm` is about its tempo, if known."""

    rate: int
    bpm: float | None = None
    rows: bytearray = field(default_factory=bytearray)  # of float32 [blocks, signals]; it grows in place
    likely: bytearray = field(default_factory=bytearray)  # what the network said of them [blocks, outputs]

    def __post_init__(self) -> None:
        self.listener = Listener(self.rate)
        self.block, self.dt = self.listener.block, self.listener.block / self.rate
        self.scrutiny = Scrutiny(self.rate, self.block)

    def push(self, samples: NDArray[np.float32]) -> None:
        """Samples [n, channels]."""
        mix = mono(samples)
        self.scrutiny.push(mix)
        for signals in self.listener.each(mix):
            self.rows += np.array([signals[name] for name in SIGNALS], np.float32).tobytes()
            self.likely += np.array(self.listener.likely, np.float32).tobytes()

    def end(self) -> Analysis:
        """The song is over."""
        signals = np.frombuffer(self.rows, np.float32).reshape(-1, len(SIGNALS)).copy()
        likely = np.frombuffer(self.likely, np.float32).reshape(-1, len(OUTPUTS))
        heard = self.scrutiny.end()
        known(signals, heard, self.dt)
        beats, agreement = self.beats(likely[:, 0], signals, heard)
        places = np.zeros(0, int)
        if len(beats):
            downbeats = hindsight.strongest(likely[:, 1], beats, self.dt)
            places = hindsight.bars(downbeats, hindsight.harmony(heard.chroma, beats, self.dt))
        ones = beats[places == 0]
        blocks = np.unique(np.floor(ones / self.dt).astype(int).clip(0, max(len(signals) - 1, 0)))
        found = hindsight.sections(signals[:, DESCRIBED], blocks) if len(blocks) == len(ones) else []
        key = hindsight.key(heard.chroma * heard.held[:, None])
        return Analysis(
            tempo=hindsight.tempo(beats),
            key=None if key is None else NAMES[key],
            sections=[(float(ones[bar]) if number else 0.0, name) for number, (bar, name) in enumerate(found)]
            or [(0.0, "A")],
            beats=[(float(time), int(place) + 1) for time, place in zip(beats, places, strict=True)],
            times=np.arange(1, len(signals) + 1, dtype=np.float64) * np.float64(self.dt),
            signals=signals,
            agreement=agreement,
        )

    def beats(
        self, likely: NDArray[np.float32], signals: NDArray[np.float32], heard: Heard
    ) -> tuple[NDArray[np.float64], float]:
        """The beats from the first sound to the last, and how many of librosa's agree."""
        sounds = np.flatnonzero(signals[:, SIGNALS.index("level")])
        if not len(sounds):
            return np.zeros(0), 0.0
        theirs = self.scrutiny.beats(heard.begins)
        ours = hindsight.on_the_beat(hindsight.beats(likely, self.dt, self.bpm), theirs)
        first, last = ((sounds[end] - hindsight.NEAR) * self.dt for end in (0, -1))  # an ending is no beat
        return ours[(ours >= first) & (ours <= last)], hindsight.agreement(ours, theirs)[0]


def known(signals: NDArray[np.float32], heard: Heard, dt: float) -> None:
    """Put what is known better in hindsight in the place of what was heard: what is held and struck, and the notes."""
    blocks = len(signals)
    parted = hindsight.parted(heard.held[:blocks], heard.struck[:blocks], dt)
    signals[:, [SIGNALS.index("harmonic"), SIGNALS.index("percussive")]] = parted
    sounds = parted[:, :1] > 0
    signals[:, [SIGNALS.index(note) for note in NOTES]] = np.clip(heard.chroma[:blocks], 0, 1) * sounds


def analysed(pieces: Iterable[Sound], bpm: float | None = None) -> Analysis:
    """A song, whole, from its pieces; there must be one at least."""
    pieces = iter(pieces)
    first = next(pieces)
    analyst = Analyst(first.rate, bpm)
    for piece in chain([first], pieces):
        analyst.push(piece.samples)
    return analyst.end()
