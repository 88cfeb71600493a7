"""The matrix: what moves what. Rest values and routes in, every parameter's value out."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from instrument.flow import START, Event, ParameterFrame, Signals, Tick
from instrument.parameters import Parameter, Unknown, unknown

Rest = Mapping[str, float]  # "owner/parameter" -> value in the parameter's unit
STARS = 4  # in a pattern: each multiplies the time that a stranger's pattern can cost


@dataclass(frozen=True, slots=True)
class Route:
    """A signal moves a parameter: `amount` -1..1 is the fraction of the parameter's range that a full signal adds.

    `centred` takes the signal as -0.5..0.5, so that a modulator or a pitch bend moves the parameter both ways.
    """

    source: str
    target: str
    amount: float
    centred: bool = False


class Matrix:
    """Resolves every parameter of the show, once a frame: x = rest + Σ amount · signal in 0..1, clamped, then in its unit.

    Routes never alter a rest value. A fade moves rest values in 0..1 before routes are added, so it never fights them.
    A parameter that nothing moves has exactly its rest value, so a bend at rest at its identity is exactly there.
    """

    def __init__(self, owners: Mapping[str, Mapping[str, Parameter]], routes: Sequence[Route] = ()) -> None:
        self.owners = {owner: tuple(parameters) for owner, parameters in owners.items()}
        self.parameters = {f"{owner}/{name}": item for owner, items in owners.items() for name, item in items.items()}
        self.index = {address: i for i, address in enumerate(self.parameters)}
        ranges = [parameter.range for parameter in self.parameters.values()]
        self.low = np.array([item.low for item in ranges])
        self.high = np.array([item.high for item in ranges])
        self.exponential = np.array([item.curve == "exponential" for item in ranges], bool)
        self.ratio = np.divide(self.high, self.low, out=np.ones(len(ranges)), where=self.exponential)

        for route in routes:
            if route.target not in self.index:
                raise Unknown(unknown("parameter", route.target, self.index))
        self.sources = sorted({route.source for route in routes})
        self.centre = np.array([0.5 * route.centred for route in routes])
        self.amount = np.array([route.amount for route in routes])
        self.source = np.array([self.sources.index(route.source) for route in routes], int)
        self.target = np.array([self.index[route.target] for route in routes], int)

        self.rest = np.array([parameter.default for parameter in self.parameters.values()])
        self.position = self.to_unit(self.rest)
        self.fading: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float, float] | None = None

    def set(self, address: str, value: float) -> None:
        """Give a parameter a rest value, in its unit; out of range is clamped. Raises Unknown if there is none such."""
        if address not in self.index:
            raise Unknown(unknown("parameter", address, self.index))
        i = self.index[address]
        self.rest[i] = self.parameters[address].range.clamp(value)
        self.position[i] = self.parameters[address].range.to_unit(value)
        if self.fading:  # a hand on the fader ends that parameter's fade
            start, end, goal, _, _ = self.fading
            start[i] = end[i] = self.position[i]
            goal[i] = self.rest[i]

    def hear(self, event: Event) -> bool:
        """Take an OSC event that names a parameter (or, as a pattern, several) as its new rest value.

        `osc/walk/speed` carries the parameter's unit, `osc/n/walk/speed` a fader position 0..1. Answers whether the
        event was one of these.
        """
        path = event.address.removeprefix("osc/")
        if path == event.address or event.value is None:
            return False
        in_unit = path.startswith("n/")
        path = path.removeprefix("n/") if in_unit else path
        addresses = matching(path, tuple(self.index)) if set(path) & set("*?[{") else (path,)
        known = [address for address in addresses if address in self.index]
        for address in known:
            self.set(address, self.parameters[address].range.from_unit(event.value) if in_unit else event.value)
        return bool(known)

    def fade(self, rest: Rest, seconds: float, now: float) -> None:
        """Begin to move rest values to these (parameters not named stay) within `seconds` from the time `now`."""
        goal = self.rest.copy()
        for address, value in rest.items():
            goal[self.index[address]] = self.parameters[address].range.clamp(value)
        self.fading = (self.position.copy(), self.to_unit(goal), goal, now, seconds)

    def resolve(self, tick: Tick, signals: Signals) -> ParameterFrame:
        """Every parameter's value for this tick."""
        self.advance(tick.time)
        values = self.rest
        if self.sources:
            heard = np.array([signals.values.get(name, np.nan) for name in self.sources])
            # what has not been heard yet moves nothing, or a centred route would lean until its wheel is first touched
            offset = np.nan_to_num(heard[self.source] - self.centre)
            moved = np.bincount(self.target, self.amount * offset, len(self.rest))
            values = np.where(moved == 0, self.rest, self.from_unit(np.clip(self.position + moved, 0, 1)))
        numbers, first, frame = values.tolist(), 0, {}
        for owner, names in self.owners.items():
            frame[owner] = dict(zip(names, numbers[first : first + len(names)], strict=True))
            first += len(names)
        return ParameterFrame(frame)

    def at_rest(self) -> ParameterFrame:
        """Every parameter before anything is heard."""
        return self.resolve(START, Signals({}, frozenset()))

    def advance(self, now: float) -> None:
        """Move rest values along the fade that is on, if one is."""
        if self.fading is None:
            return
        start, end, goal, since, seconds = self.fading
        if now - since >= seconds:
            self.position, self.rest, self.fading = end, goal, None
            return
        self.position = start + (end - start) * ((now - since) / seconds)
        self.rest = np.where(start == end, goal, self.from_unit(self.position))  # what does not fade is exactly itself

    def from_unit(self, position: NDArray[np.float64]) -> NDArray[np.float64]:
        """`Range.from_unit` for all parameters at once."""
        straight = self.low + position * (self.high - self.low)
        bent = np.where(self.exponential, self.low, 1.0) * self.ratio**position
        values: NDArray[np.float64] = np.clip(np.where(self.exponential, bent, straight), self.low, self.high)
        return values

    def to_unit(self, value: NDArray[np.float64]) -> NDArray[np.float64]:
        """`Range.to_unit` for all parameters at once."""
        pairs = zip(self.parameters.values(), value.tolist(), strict=True)
        return np.array([parameter.range.to_unit(number) for parameter, number in pairs])


@lru_cache(maxsize=256)
def matching(pattern: str, addresses: tuple[str, ...]) -> tuple[str, ...]:
    """The addresses that an OSC 1.0 address pattern matches: `*` `?` `[a-c]` `[!a]` `{x,y}`, none across a slash.

    More than four stars (or runs of them) match nothing.
    """
    parts = re.findall(r"[*?]+|\[[^\]]*\]|\{[^}]*\}|.", pattern)
    if sum("*" in part for part in parts if part[0] in "*?") > STARS:
        return ()
    built = ""
    for part in parts:
        if part[0] in "*?":
            built += "[^/]" * part.count("?") + "[^/]*" * ("*" in part)
        elif part[0] == "{" and part[-1] == "}":
            built += "(?:" + "|".join(map(re.escape, part[1:-1].split(","))) + ")"
        elif part[0] == "[" and len(part) > 2:
            inside = part[1:-1].replace("\\", r"\\")
            inside = "^" + inside[1:] if inside[0] == "!" else inside.replace("^", r"\^")
            built += f"(?!/)[{inside}]"
        else:
            built += re.escape(part)
    try:
        return tuple(address for address in addresses if re.fullmatch(built, address))
    except re.error:  # such as [z-a]: a pattern that can match nothing
        return ()
