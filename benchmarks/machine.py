"""A drum machine and two synthesisers that play by chance, for music with known beats that no soundfont has.

    python benchmarks/machine.py FOLDER [number of pieces]

Each piece has a style, a tempo, a kit and a harmony of its own; its tempo is steady or drifts like a drummer's, drums or all else
are silent for some bars, and it swings or not. It writes NAME.wav (mono, 44.1 kHz), NAME.beats (seconds and place in the bar)
and NAME.drums (seconds and which drum).
"""

import sys
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE, SECONDS = 44100, 45.0
Chance = np.random.Generator
Samples = NDArray[np.float64]


@dataclass(frozen=True)
class Style:
    """Steps of one bar or more in which each drum is struck, a digit 0..9 each for how surely; and from which tempo to which.

    Chords have steps too, or are held or struck as chance has it.
    """

    tempi: tuple[float, float]
    kick: str
    snare: str
    hat: str
    bass: str
    chords: str = ""
    beats: int = 4
    bars: int = 1


STYLES = {
    "house": Style((115, 130), "9000900090009000", "0000800000008000", "1090109010901091", "0050205000502050"),
    "techno": Style((122, 150), "9000900090009000", "0000300000003002", "2383238323832383", "0777077707770777"),
    "trance": Style((130, 146), "9000900090009000", "0000700000007000", "0090009000900090", "0999099909990999"),
    "garage": Style((126, 138), "9000002000900020", "0000900000009000", "1081208110812081", "6002006000400200"),
    "breaks": Style((110, 140), "9000000020900000", "0000900200009003", "9030903090309030", "7000300060003000"),
    "dnb": Style((160, 182), "9000000000900000", "0000900100009010", "9040904090409040", "8000000080000000"),
    "trap": Style((66, 84), "9000000100900200", "0000000090000000", "9292929292929595", "9000000000600000"),
    "hiphop": Style((78, 104), "9000000390200000", "0000900000009000", "8080808080808080", "8000000080200000"),
    "dub": Style((66, 90), "1000000090000000", "0000000060000000", "0080208000802080", "8000600070003000"),
    "rock": Style((90, 160), "9000000090300000", "0000900000009000", "9080908090809080", "9080908090809080"),
    "punk": Style((170, 212), "9000900090009000", "0090009000900090", "9090909090909090", "9090909090909090"),
    "electro": Style((100, 128), "9003000300903000", "0000900000009000", "9393939393939393", "8383838383838383"),
    "disco": Style((105, 126), "9000900090009000", "0000800000008000", "2090209020902090", "9080908090809080"),
    "half": Style((120, 150), "9000000000300000", "0000000090000000", "9030903090309030", "9000000050000000"),
    "waltz": Style((84, 200), "900000000000", "000060006000", "900090009000", "900000000000", beats=3),
    "three": Style((80, 140), "900000300000", "000000009000", "903090309030", "900030006000", beats=3),
    "vienna": Style((150, 204), "900000", "000000", "003030", "900000", "009090", beats=3),
    "jazzwaltz": Style((120, 190), "900000002", "000200000", "900902902", "900700700", "000002200", beats=3),
    "slowrock": Style((58, 96), "900000903000", "000900000900", "979979979979", "900003900003", "977977977977"),
    "shuffle": Style((84, 142), "900002900002", "000900000900", "902902902902", "902902902902"),
    "swing": Style((110, 212), "200000200000", "000500000500", "900903900903", "900900900900", "000002000200"),
    "gospel": Style((54, 88), "000000000000", "000000000000", "000000000000", "900000900000", "966966966966"),
    "ballad": Style(
        (54, 84), "9000000090000000", "0000900000009000", "7070707070707070", "9000000080000000", "9080808080808080"
    ),
    "piano": Style((56, 120), "00000000", "00000000", "00000000", "90000000", "97878787"),
    "march": Style((100, 132), "90009000", "02900292", "00000000", "90009000", "00900090"),
    "chacha": Style((106, 132), "00000099", "00300030", "90909090", "90090090", "09090909"),
    "reggae": Style((64, 94), "00009000", "00002000", "90909092", "90090900", "09090909"),
    "bossa": Style((104, 164), "9009900990099009", "9009009000900900", "8888888888888888", "9009900990099009", bars=2),
    "salsa": Style(
        (118, 204),
        "0000009900000099",
        "0090900090090090",
        "9090990909909090",
        "0009009000090090",
        "9099090909090909",
        bars=2,
    ),
    "mambo": Style(
        (118, 204),
        "0000009900000099",
        "0000000000000000",
        "9090909090939090",
        "0009009000090090",
        "9009099090090909",
        bars=2,
    ),
}
CHORDS = ((0, 8, 3, 10), (0, 5, 8, 7), (0, 0, 0, 0), (0, 10, 8, 10), (0, 7, 9, 5), (0, 3, 5, 8), (0, 0, 5, 5))


def time_of(seconds: float) -> Samples:
    return np.arange(int(seconds * RATE)) / RATE


def kit(chance: Chance) -> dict[str, Callable[[], Samples]]:
    """The sounds of the drums: each a function, because noise is never the same twice."""
    low, sweep, fall = chance.uniform(38, 70), chance.uniform(1, 9), chance.uniform(0.015, 0.06)
    body, click = chance.uniform(0.06, 0.35), chance.uniform(0, 0.5)
    tone, toned, tail = chance.uniform(150, 260), chance.uniform(0, 0.8), chance.uniform(0.04, 0.16)
    clap, bright = chance.random() < 0.4, chance.uniform(0.3, 0.97)
    short, metal = chance.uniform(0.012, 0.07), chance.uniform(0, 0.7)
    partials = chance.uniform(4000, 11000, 6)

    def kick() -> Samples:
        t = time_of(0.5)
        sound = np.sin(2 * np.pi * (low * t + low * sweep * fall * (1 - np.exp(-t / fall)))) * np.exp(-t / body)
        sound[:200] += click * chance.normal(0, 0.5, 200) * np.exp(-np.arange(200) / 50)
        return np.tanh(2 * sound) / 1.2

    def snare() -> Samples:
        t = time_of(0.4)
        rustle = chance.normal(0, 0.4, len(t))
        rustle -= bright * np.concatenate(((0,), rustle[:-1]))
        envelope = np.exp(-t / tail)
        if clap:
            envelope = sum(
                np.where(t >= at, np.exp(-(t - at) / (tail if at > 0.02 else 0.006)), 0) for at in (0, 0.011, 0.023)
            )
        drum = toned * np.sin(2 * np.pi * tone * t * (1 + 0.3 * np.exp(-t / 0.02))) * np.exp(-t / 0.07)
        return 0.8 * (rustle * envelope + (0 if clap else 1) * drum)

    def hat(length: float = 1.0) -> Samples:
        t = time_of(0.25)
        rustle = np.diff(chance.normal(0, 0.3, len(t) + 1))
        ring = sum(np.sign(np.sin(2 * np.pi * p * t)) for p in partials) / 12
        return ((1 - metal) * rustle + metal * np.diff(ring, prepend=0)) * np.exp(-t / (short * length))

    return {"kick": kick, "snare": snare, "hat": hat}


def tone(chance: Chance, hertz: float, seconds: float, sharp: float, attack: float) -> Samples:
    """A note of a synthesiser: partials that fall off, and an envelope."""
    t = time_of(seconds)
    count = int(min(18, 9000 / hertz))
    sound = sum(np.sin(2 * np.pi * hertz * k * t + chance.uniform(0, 6)) / k**sharp for k in range(1, count + 1))
    return np.asarray(sound * np.minimum(t / attack, 1) * np.minimum((seconds - t) / 0.02, 1))


class Piece:
    """One piece by chance."""

    def __init__(self, seed: int) -> None:
        self.chance = chance = np.random.default_rng(seed)
        self.name = list(STYLES)[seed % len(STYLES)]
        self.style = style = STYLES[self.name]
        self.steps = len(style.kick) // style.bars
        self.tempo = chance.uniform(*style.tempi)
        pairs = self.steps // style.beats % 2 == 0  # and not triplets
        self.swing = chance.choice((0, 0, 0, chance.uniform(0.05, 0.33))) * pairs  # of two steps
        self.drift = chance.choice((0, 0, 0.01, 0.03))
        self.kit = kit(chance)
        bars = int(SECONDS * self.tempo / 60 / style.beats)
        pace = np.cumsum(chance.normal(0, 1, bars))
        pace = self.drift * (pace / max(abs(pace).max(), 1))
        lengths = 60 / self.tempo * style.beats / (1 + pace)
        self.starts = np.concatenate(((0,), np.cumsum(lengths))) + chance.uniform(0, 0.3)
        self.samples = np.zeros(int((self.starts[-1] + 1) * RATE))
        self.drums: list[tuple[float, str]] = []
        self.breaks = self.silences(bars)

    def silences(self, bars: int) -> dict[str, range]:
        """Bars in which drums, bass or chords are silent."""
        found = {}
        for part, odds in (("drums", 0.4), ("bass", 0.3), ("chords", 0.3)):
            if self.chance.random() < odds and bars > 8:
                begin = int(self.chance.integers(2, bars - 4))
                found[part] = range(begin, begin + int(self.chance.choice((2, 4, 8))))
        return found

    def time(self, bar: int, step: float) -> float:
        """When a step is, swung."""
        pair, inside = divmod(step, 2)
        swung = pair * 2 + (inside * (1 + 2 * self.swing) if inside <= 1 else inside)
        return float(self.starts[bar] + (self.starts[bar + 1] - self.starts[bar]) * swung / self.steps)

    def add(self, at: float, sound: Samples, gain: float) -> None:
        begin = int(at * RATE)
        end = min(begin + len(sound), len(self.samples))
        self.samples[begin:end] += gain * sound[: end - begin]

    def play(self) -> None:
        chance, style = self.chance, self.style
        gains = {"kick": chance.uniform(0.5, 1), "snare": chance.uniform(0.3, 0.8), "hat": chance.uniform(0.1, 0.5)}
        chords, key = CHORDS[chance.integers(len(CHORDS))], chance.integers(0, 12)
        bass, pad = chance.uniform(0.15, 0.5), chance.choice((0, chance.uniform(0.03, 0.15)))
        dull, stab = chance.uniform(0.8, 2.0), chance.random() < 0.5
        played = {drum: pattern(getattr(style, drum), chance) for drum in gains}
        line, struck = pattern(style.bass, chance), pattern(style.chords, chance)
        stab, pad = stab or bool(style.chords), pad or 0.1 * bool(style.chords)
        human = chance.choice((0.0, 0.004, 0.008))
        for bar in range(len(self.starts) - 1):
            root = 33 + (key + chords[bar % 4]) % 12
            here = slice(bar % style.bars * self.steps, (bar % style.bars + 1) * self.steps)
            if bar not in self.breaks.get("drums", ()):
                for drum, steps in played.items():
                    for step in np.flatnonzero(chance.random(self.steps) < steps[here]):
                        at = max(self.time(bar, step) + chance.normal(0, human), 0)
                        loud = chance.uniform(0.6, 1)
                        self.add(at, self.kit[drum](), gains[drum] * loud)
                        self.drums.append((at, drum))
            if bar not in self.breaks.get("bass", ()):
                for step in np.flatnonzero(chance.random(self.steps) < line[here]):
                    self.add(self.time(bar, step), tone(chance, note(root), 0.18, dull, 0.004), bass)
            if pad and bar not in self.breaks.get("chords", ()):
                odds = struck[here] if style.chords else 0.25
                when = (0,) if not stab else tuple(np.flatnonzero(chance.random(self.steps) < odds))
                length = self.starts[bar + 1] - self.starts[bar] if not stab else 0.15
                for step in when:
                    for interval in (12, 15, 19, 24):
                        sound = tone(chance, note(root + interval), length, 1.3, 0.004 if stab else 0.05)
                        self.add(self.time(bar, step), sound, pad)

    def beats(self) -> list[tuple[float, int]]:
        beats = self.style.beats
        return [
            (float(start + (end - start) * n / beats), n + 1)
            for start, end in zip(self.starts[:-1], self.starts[1:], strict=True)
            for n in range(beats)
        ]


def pattern(digits: str, chance: Chance) -> NDArray[np.float64]:
    """How likely each step is: what the style says, and a few steps of the piece's own."""
    odds = np.array([int(digit) / 9 for digit in digits])
    odds = np.where(odds >= 0.5, np.maximum(odds, 0.9), odds * chance.uniform(0, 1))
    own = chance.random(len(odds)) < 0.06 * any(odds)
    return np.where(own, chance.choice((0.0, 0.8), len(odds)), odds)


def note(number: float) -> float:
    return float(440 * 2 ** ((number - 69) / 12))


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 64
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        piece = Piece(seed)
        stem = folder / f"{piece.name}_{seed}"
        if stem.with_suffix(".beats").exists():
            continue
        piece.play()
        loud = piece.samples * (0.9 * 32767 / max(abs(piece.samples).max(), 1e-9))
        with wave.open(str(stem.with_suffix(".wav")), "wb") as write:
            write.setnchannels(1)
            write.setsampwidth(2)
            write.setframerate(RATE)
            write.writeframes(loud.astype("<i2").tobytes())
        stem.with_suffix(".drums").write_text(
            "".join(f"{at:.6f} {drum}\n" for at, drum in sorted(piece.drums)), "utf-8"
        )
        stem.with_suffix(".beats").write_text("".join(f"{at:.6f} {place}\n" for at, place in piece.beats()), "utf-8")


if __name__ == "__main__":
    main()
