"""Parameters: annotated keyword arguments of the functions that run every frame, declared once and read from there."""

import difflib
import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

Curve = Literal["linear", "exponential"]


@dataclass(frozen=True, slots=True)
class Range:
    """What a parameter can be: low..high in its unit, and the curve of a fader that moves it.

    `exponential` gives equal ratios for equal movements, as frequencies and times want; it needs 0 < low.
    """

    low: float
    high: float
    unit: str = ""
    curve: Curve = "linear"

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"a range runs from low to high, got {self.low}..{self.high}")
        if self.curve == "exponential" and self.low <= 0:
            raise ValueError(f"an exponential range starts above 0, got {self.low}..{self.high}")

    def clamp(self, value: float) -> float:
        """The nearest value in the range."""
        return min(max(value, self.low), self.high)

    def from_unit(self, unit: float) -> float:
        """The value at a fader position 0..1 (clamped)."""
        unit = min(max(unit, 0.0), 1.0)
        if self.curve == "exponential":
            return self.clamp(self.low * (self.high / self.low) ** unit)
        return self.low + unit * (self.high - self.low)

    def to_unit(self, value: float) -> float:
        """The fader position 0..1 of a value (clamped): the inverse of `from_unit`."""
        value = self.clamp(value)
        if self.curve == "exponential":
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}" + (f" {self.unit}" if self.unit else "")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing a performer can move: its name, range and the value it has when nobody has touched it."""

    name: str
    range: Range
    default: float


def declared(function: Callable[..., object]) -> dict[str, Parameter]:
    """The parameters of a per-frame function: its arguments annotated `Annotated[float or Tensor, Range(…)] = default`.

    Raises TypeError if such an argument has no default, or a default outside its range.
    """
    hints = get_type_hints(function, include_extras=True)
    found = {}
    for name, argument in inspect.signature(function).parameters.items():
        ranges = [part for part in get_args(hints.get(name)) if isinstance(part, Range)]
        if get_origin(hints.get(name)) is not Annotated or not ranges:
            continue
        default, limits = argument.default, ranges[0]
        if not isinstance(default, int | float) or not limits.low <= default <= limits.high:
            raise TypeError(f"{function.__qualname__}: {name} needs a default in {limits}, got {default!r}")
        found[name] = Parameter(name, limits, float(default))
    return found


def settings(function: Callable[..., object], given: Iterable[str] = ()) -> dict[str, tuple[Any, Any]]:
    """The settings of a constructor or op: keyword-only arguments that are no parameters, as name -> (type, default).

    `given` are the keyword-only arguments that the instrument itself supplies; a default of `inspect.Parameter.empty`
    means that the setting must be set.
    """
    hints = get_type_hints(function, include_extras=True)
    arguments = inspect.signature(function).parameters.values()
    return {
        argument.name: (hints.get(argument.name, Any), argument.default)
        for argument in arguments
        if argument.kind is argument.KEYWORD_ONLY
        and argument.name not in given
        and get_origin(hints.get(argument.name)) is not Annotated
    }


class Unknown(KeyError):
    """Something was looked up by a name that nothing has; its text is a whole sentence, as `unknown` makes them."""

    def __str__(self) -> str:
        return str(self.args[0])


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The sentence that answers a wrong name: what it should have been, and what there is."""
    there_is = sorted(known)
    near = difflib.get_close_matches(name, there_is, n=1, cutoff=0.5)
    guess = f"; did you mean {near[0]!r}?" if near else "."
    return f"no {kind} {name!r}{guess} There is: {', '.join(there_is) or 'none'}"
