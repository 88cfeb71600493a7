"""What flows through the instrument: one frozen type for each arrow of the data path."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Tick:
    """One frame's place in time. Time enters the instrument here: nothing else reads a clock.

    index counts the frames of the show (missed ones too), time and dt are seconds, beat and bar are musical time in beats and
    in bars, parts of them included.
    """

    index: int
    time: float
    dt: float
    beat: float
    bar: float = 0.0


START = Tick(0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that came in: an address that is a path, and a value 0..1 (centred things rest at 0.5).

    Addresses begin with their source: `midi/cc/74`, `audio/bass`, `key/space`, `osc/…`. One exception to 0..1: under
    `osc/` the value is the number as it was sent, because only the matrix knows the unit of the parameter it may name.
    A value of None is a stroke, pressed and let go of at once, such as an OSC message without a number: it strikes a
    signal and never moves a parameter.
    `arrived` is when it came, in seconds of `time.perf_counter`; only the report of latencies reads it.
    """

    address: str
    value: float | None
    arrived: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Reading:
    """The pulse of what comes in: seconds a beat, the place in the beat 0..1, and how sure 0..1.

    `phase` is None where only the pace is known. `bar` is beats a bar and `place` which of them was the last, from 0; `bar` is
    0 where that is not known.
    """

    period: float
    phase: float | None
    confidence: float
    bar: int = 0
    place: int = 0

    @classmethod
    def known(cls, period: float, beat: float, bar: int = 0) -> "Reading":
        """Of one that knows which beat it is, parts of it included; beat 0 begins a bar."""
        whole = math.floor(beat)
        return cls(period, beat - whole, 1.0, bar, whole % bar if bar else 0)


@dataclass(frozen=True, slots=True)
class Signals:
    """Every signal's value 0..1 now, and which were struck (turned upwards) since the last tick.

    A signal that was struck stands at its highest since, so a note shorter than a frame is seen for one frame.
    """

    values: Mapping[str, float]
    struck: frozenset[str]


@dataclass(frozen=True, slots=True)
class ParameterFrame:
    """Every parameter of every owner for one frame: owner -> name -> value, clamped, in the parameter's own unit."""

    values: Mapping[str, Mapping[str, float]]

    def __getitem__(self, owner: str) -> Mapping[str, float]:
        return self.values[owner]


@dataclass(frozen=True, slots=True)
class Latent:
    """Where the walk is: `w` [num_ws, w_dim] float32, not yet truncated."""

    w: Tensor


@dataclass(frozen=True, slots=True)
class Sound:
    """What was heard during one tick: samples [n, channels] float32 -1..1, and their rate in Hz."""

    samples: NDArray[np.float32]
    rate: int


@dataclass(frozen=True, slots=True)
class Onset:
    """Something began: at this time in seconds of the show, in this band (`bass`, `mid`, `high`), so strongly, 0..1.

    `block` is the number of the block of sound in which it was heard, from 1.
    """

    block: int
    time: float
    band: str
    strength: float


@dataclass(frozen=True, slots=True)
class Hearing:
    """What an input has heard of late, for the eye: of `blocks` blocks of sound until `time` in seconds of the show.

    `levels` are `level`, `bass`, `mid` and `high`, 0..1, each at its highest since one looked last; `spectrum` [bands] is 0..1
    on the scale of the ear, the lowest first; `onsets` are those since one looked last. `source` is what is heard, by its
    name; it may be `silent`, or `gone`, such as a device that was pulled out.
    """

    source: str
    gone: bool
    silent: bool
    blocks: int
    time: float
    levels: Mapping[str, float]
    spectrum: NDArray[np.float32]
    onsets: Sequence[Onset]


@dataclass(frozen=True)
class Frame:
    """One finished picture: `image` [3, H, W] float, -1..1, on the device; its tick; the sound heard meanwhile.

    `arrivals` are the arrival times of the events that this frame is the first to show.
    """

    image: Tensor
    tick: Tick
    sound: Sound | None = None
    arrivals: tuple[float, ...] = ()

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """The picture as uint8 [H, W, 3] RGB on the CPU: made once, on demand, and shared by all outputs (read only).

        A value that is not a number becomes mid-grey, so a bend that explodes never shows as garbage.
        """
        eight_bit = self.image.float().mul(127.5).add_(127.5).nan_to_num_(127.5, 255.0, 0.0).clamp_(0, 255).round_()
        pixels: NDArray[np.uint8] = eight_bit.byte().permute(1, 2, 0).contiguous().cpu().numpy()  # [H, W, 3]
        pixels.flags.writeable = False
        return pixels
