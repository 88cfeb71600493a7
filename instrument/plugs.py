"""The protocols of everything that can be plugged in: no base classes, a plug only has to have these methods.

How plugs are built: the constructor's keyword-only arguments are the plug's settings, filled from its table in the
patch. A few names are supplied by the instrument to every constructor that asks for them: `seed`, `anchors`, `fps`,
`live` (False when rendering offline), `latency` (seconds by which sound is heard later than its device says, as the user
has found), `named` (a set of the signals that the patch may mean, such as `audio/kick`), `status` (a function that returns the
running report as a dict) and `monitor` (one that returns where the beat is and what was heard after so many blocks of sound).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, Literal, Protocol, runtime_checkable

from torch import Tensor

from instrument.flow import Event, Frame, Hearing, Latent, Reading, Signals, Sound, Tick

SUPPLIED = frozenset({"seed", "anchors", "fps", "live", "latency", "named", "status", "monitor"})


class Unavailable(Exception):
    """Something this machine lacks (a device, a display, a package): what, and the one thing that mends it.

    Raised while a plug is built; the show goes on without the plug.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(f"{what}; {remedy}" if remedy else what)
        self.what, self.remedy = what, remedy


class Closed(Exception):
    """The performer closed this output, and with it the show."""


class Input(Protocol):
    """`inputs/NAME.py`, class `Input`: what comes from outside, as events.

    A class with a collection `SIGNALS` has all its signals there, without their first word; a patch that names another is
    refused.
    """

    def poll(self, tick: Tick) -> Sequence[Event]:
        """What has come since the last tick, in order of arrival. Never waits."""
        ...

    def close(self) -> None:
        """Let go of the device."""
        ...


def root(plug: str) -> str:
    """What the addresses of an input's events begin with: the name of its plug, but `key/…` for the keyboard's."""
    return "key" if plug == "keys" else plug


@runtime_checkable
class Hears(Protocol):
    """An input that also hears sound, so that recordings carry it."""

    def heard(self) -> Sound | None:
        """The sound since the last call."""
        ...


@runtime_checkable
class Plays(Protocol):
    """An input that plays a song: for how many seconds (inf for ever), and what it is called.

    `song` is the absolute path of its file, `demo` for the demo track, or None where a device is heard instead.
    """

    seconds: float
    song: str | None


@runtime_checkable
class Pulses(Protocol):
    """An input that hears a pulse, which the tempo of the show follows: of several that of the highest `rank`."""

    rank: ClassVar[int]

    def pulse(self) -> tuple[float, Reading] | None:
        """The pulse, and the moment in seconds of the show at which it was so; None before any is known."""
        ...


@runtime_checkable
class Metered(Protocol):
    """An input of which can be seen what it hears."""

    def hearing(self, after: int = 0) -> Hearing | None:
        """What was heard after so many blocks of sound. Any thread may ask; None if nothing is analysed."""
        ...


class Modulator(Protocol):
    """`modulators/NAME.py`, class `Modulator`: a signal of our own. `step` has its parameters as further arguments."""

    def step(self, tick: Tick, signals: Signals, **parameters: float) -> float:
        """The signal's value 0..1 now; `signals` holds what came in and what modulators said last."""
        ...


class Space(Protocol):
    """What a walk walks in: a generator's latent space."""

    z_dim: int

    def map(self, z: Tensor) -> Tensor:
        """z [N, z_dim] standard normal -> w [N, num_ws, w_dim]."""
        ...


class Walk(Protocol):
    """`walks/NAME.py`, class `Walk(space, *, seed, anchors, …)`: the path through the latent space."""

    def step(self, tick: Tick, **parameters: float) -> Latent:
        """Where the walk is at this tick."""
        ...


class Bend(Protocol):
    """What a generator calls at every named layer: x [N, C, h, w] -> the same shape."""

    def __call__(self, layer: str, x: Tensor) -> Tensor: ...


class Generator(Space, Protocol):
    """`generators/NAME.py`, class `Generator(folder, device)`: a network that plays a model folder."""

    def layers(self) -> Mapping[str, tuple[int, int, int]]:
        """Every layer that can be bent, in order of depth: name -> (channels, height, width)."""
        ...

    def render(self, latent: Latent, bend: Bend, **parameters: Tensor) -> Tensor:
        """The picture [3, H, W], about -1..1, on the device."""
        ...


FASTEST, LIKELY = "fastest", "likely"  # executors: the one that a race finds; the one it would, so far as is known


@runtime_checkable
class Executed(Protocol):
    """A generator that several executors can run: float32, which is exact, and quicker ones."""

    def run_by(self, executor: str, layers: Collection[str] | None = None) -> str:
        """From now on draw by this executor, the `fastest` or what is `likely` it; answers its name.

        Raises ValueError if there is none such.
        Bends act at `layers` alone; None is at any.
        """
        ...


@runtime_checkable
class Eases(Protocol):
    """A generator that can draw with less work, where a machine is too slow for it."""

    def ease(self, *, noise: bool, fine: bool) -> None:
        """From now on draw with noise or without, and at the full size or enlarged from half of it."""
        ...


Delivery = Literal["here", "latest", "every"]
Framing = Literal["letterbox", "fit", "fill"]  # how a picture gets another shape: with black bars, stretched, cropped


class Output(Protocol):
    """`outputs/NAME.py`, class `Output`: where frames go.

    `delivery` says how: "here" in the render thread, "latest" in a thread of its own that takes the newest frame,
    "every" in a thread of its own that takes them all. `target` names the setting that `--output NAME:TEXT` fills.
    """

    delivery: ClassVar[Delivery]
    target: ClassVar[str | None]

    def show(self, frame: Frame) -> None:
        """Take one frame. Always called from the same thread, which also calls `close`."""
        ...

    def close(self) -> None:
        """Finish what was begun and let go."""
        ...
