"""Flash and click: what calibrating plays and shows, and what it works out. Time is handed in."""

import cmath
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instrument.latency import LIMITS

PERIOD = 1.0  # seconds between two clicks: twice as far as a latency can reach to either side
LIT = 0.08  # seconds that a flash lasts
STEPS = {"key/left": -5.0, "key/right": 5.0, "key/down": -25.0, "key/up": 25.0}  # ms
PITCH, DECAY, LASTING = 2000.0, 0.004, 0.03  # of a click: Hz, seconds to fall to a third, seconds
PLAIN = 12.0  # times as much like a click as the rest of a second is: then it is one
LEAST, APART = 5, 0.01  # clicks that must be heard; seconds by which half of them may differ from the others
WIDTH, HEIGHT, MIDDLE = 640, 360, 320  # of the picture, in pixels; one for each ms, and the middle is 0


def click(rate: int) -> NDArray[np.float32]:
    """One click [n], mono, -1..1, loudest at once."""
    t = np.arange(round(LASTING * rate)) / rate
    return (0.8 * np.exp(-t / DECAY) * np.cos(2 * np.pi * PITCH * t)).astype(np.float32)


def clicks(rate: int) -> NDArray[np.float32]:
    """A click and silence until the next [n, 1], to be repeated."""
    track = np.zeros((round(PERIOD * rate), 1), np.float32)
    one = click(rate)
    track[: len(one), 0] = one
    return track


class Dial:
    """A latency in ms that keys move: left and right by 5, down and up by 25; return keeps it, escape leaves."""

    def __init__(self, value: float) -> None:
        self.value, self.kept = value, False

    def press(self, key: str) -> bool:
        """Whether this key (such as `key/left`) ends it."""
        self.value = LIMITS.clamp(self.value + STEPS.get(key, 0.0))
        self.kept = key in ("key/return", "key/enter")
        return self.kept or key == "key/escape"


def picture(beat: float, value: float) -> NDArray[np.uint8]:
    """White just after a whole beat, or else black [360, 640, 3]; below it a ruler of -250..250 ms with a mark at the value."""
    lit = beat % 1 < LIT / PERIOD
    found = np.full((HEIGHT, WIDTH, 3), 255 if lit else 0, np.uint8)
    found[-24:] = 40
    for ms in range(-250, 251, 50):
        found[-24 if ms == 0 else -12 :, MIDDLE + ms - 1 : MIDDLE + ms + 1] = 140
    mark = MIDDLE + round(value)
    found[-24:, mark - 3 : mark + 4] = 255, 160, 0
    return found


def onsets(samples: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """When a click begins in samples [n], in seconds: in each second at most one, where it stands out."""
    size = 1 << (len(samples) + rate).bit_length()
    alike = abs(np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(click(rate), size).conj(), size)[: len(samples)])
    step = round(PERIOD * rate)
    starts = range(0, len(samples) - step + 1, step)
    best = [start + int(alike[start : start + step].argmax()) for start in starts]
    floors = [float(np.median(alike[start : start + step])) for start in starts]
    plain = [place for place, floor in zip(best, floors, strict=True) if alike[place] > max(PLAIN * floor, 1e-3)]
    return np.array(plain) / rate


@dataclass(frozen=True)
class Heard:
    """How much later than it left the speakers a click was read from the device: seconds, from so many clicks."""

    late: float
    count: int


class Ear:
    """Compares what a device hears with clicks that are played beside it, one at each second of their track."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.samples: list[NDArray[np.float32]] = []
        self.heard = 0.0  # seconds
        self.compared: list[tuple[float, float]] = []  # seconds heard, and by how much that is more than was played

    def hear(self, samples: NDArray[np.float32], played: float) -> None:
        """Samples [n, channels] have come in by the moment at which `played` seconds of the track have left the speakers."""
        self.samples.append(samples.mean(axis=1))
        self.heard += len(samples) / self.rate
        self.compared.append((self.heard, self.heard - played))

    def late(self) -> Heard | None:
        """What was heard; None if too few clicks stood out, or came at no steady distance from those that were played."""
        at, more = np.array(self.compared).reshape(-1, 2).T
        found = onsets(np.concatenate(self.samples), self.rate) if self.samples else np.zeros(0)
        late = [float(onset - np.median(more[abs(at - onset) <= PERIOD / 2])) for onset in found]
        return steady(late)


def steady(late: Sequence[float]) -> Heard | None:
    """The middle of some latenesses in seconds, each of which may be wrong by whole periods: -0.5..0.5."""
    if len(late) < LEAST:
        return None
    turns = sum(cmath.exp(2j * math.pi * seconds / PERIOD) for seconds in late)
    about = cmath.phase(turns) / (2 * math.pi) * PERIOD
    near = np.array([(seconds - about + PERIOD / 2) % PERIOD - PERIOD / 2 for seconds in late])
    middle = float(np.median(near))
    if float(np.median(abs(near - middle))) > APART:
        return None
    return Heard((about + middle + PERIOD / 2) % PERIOD - PERIOD / 2, len(late))
