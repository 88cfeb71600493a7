"""Bends: ops on feature maps, the slots that hold them, and the plan that a generator calls at every layer."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, overload

import torch
from torch import Tensor

from instrument.flow import ParameterFrame
from instrument.parameters import Parameter, Range, declared

MIX = Parameter("mix", Range(0, 1), 1.0)
Mask = Literal["everywhere", "centre", "edges", "left", "right", "top", "bottom"]


@dataclass(frozen=True)
class Op:
    """A pure function on feature maps [N, C, h, w], its parameters, and whether its defaults leave maps as they are."""

    name: str
    function: Callable[..., Tensor]
    parameters: Mapping[str, Parameter]
    identity: bool


OPS: dict[str, Op] = {}


OpFunction = TypeVar("OpFunction", bound=Callable[..., Tensor])


@overload
def op(function: OpFunction) -> OpFunction: ...
@overload
def op(*, identity: bool) -> Callable[[OpFunction], OpFunction]: ...
def op(function: Callable[..., Tensor] | None = None, *, identity: bool = True) -> Any:
    """Register an op under its function's name.

    Its defaults are its identity: with all parameters there, the slot leaves the plan. `@op(identity=False)` is for
    an op that has none; its slot leaves the plan at mix 0 only.
    """

    def register(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        OPS[function.__name__] = Op(function.__name__, function, declared(function), identity)
        return function

    return register(function) if function else register


@dataclass(frozen=True)
class Slot:
    """One place for a bend: an op, the layer, the channels, the mask, the op's settings; `mix` is its own parameter.

    `channels` is a selector for a layer's channel count: all, [first, last], or a seeded random share 0..1.
    """

    name: str
    op: Op
    layer: str
    channels: Literal["all"] | tuple[int, int] | float = "all"
    seed: int = 0
    mask: Mask = "everywhere"
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, Parameter]:
        return {**self.op.parameters, "mix": MIX}

    def idle(self, values: Mapping[str, float]) -> bool:
        """Whether the slot does nothing at these values, so that the plan can do without it."""
        if values["mix"] == 0:
            return True
        return self.op.identity and all(values[name] == item.default for name, item in self.op.parameters.items())

    def select(self, count: int) -> Tensor | None:
        """The selected of `count` channels as indices, or None for all of them."""
        if self.channels == "all":
            return None
        if isinstance(self.channels, float):
            order = torch.randperm(count, generator=torch.Generator().manual_seed(self.seed))
            return order[: max(1, round(self.channels * count))].sort().values
        first, last = self.channels
        return torch.arange(first, min(last + 1, count))


class Plan:
    """The bends of a show, lowered to one list of calls a layer, and rebuilt only when a slot enters or leaves.

    `values` are each slot's parameters as 0-dim tensors (views of the packed buffer), so a moved fader changes numbers
    in place and never the plan. With no slot active `bend` hands every tensor back untouched.
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        values: Mapping[str, Mapping[str, Tensor]],
        layers: Mapping[str, tuple[int, int, int]],
        on_fault: Callable[[str, Exception], None],
    ) -> None:
        self.slots, self.on_fault = slots, on_fault
        self.calls = {slot.name: lowered(slot, values[slot.name], layers[slot.layer]) for slot in slots}
        self.active: frozenset[str] = frozenset()
        self.at: dict[str, list[Slot]] = {}
        self.rehearsing = False

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Meanwhile every slot is in the plan, and one that raises is an error: ValueError, with the bend's name."""
        self.rehearsing = True
        try:
            yield
        finally:
            self.rehearsing = False

    def update(self, parameters: ParameterFrame) -> None:
        """Let slots enter and leave according to this frame's values."""
        active = frozenset(slot.name for slot in self.slots if self.rehearsing or not slot.idle(parameters[slot.name]))
        if active != self.active:
            self.active, self.at = active, {}
            for slot in self.slots:
                if slot.name in active:
                    self.at.setdefault(slot.layer, []).append(slot)

    def bend(self, layer: str, x: Tensor) -> Tensor:
        """x [N, C, h, w] after this layer's active slots, in the order of the patch. A slot that raises is skipped."""
        for slot in self.at.get(layer, ()):
            try:
                x = self.calls[slot.name](x)
            except Exception as error:
                if self.rehearsing:
                    raise ValueError(f"[bends.{slot.name}]: {type(error).__name__}: {error}") from error
                self.on_fault(f"bend {slot.name!r}", error)
        return x


def untouched(layer: str, x: Tensor) -> Tensor:
    """What a network calls at every layer where nothing is bent."""
    return x


def lowered(slot: Slot, values: Mapping[str, Tensor], shape: tuple[int, int, int]) -> Callable[[Tensor], Tensor]:
    """The slot as one function of its layer's maps x [N, C, h, w]; channels and mask are settled here, once."""
    count, height, width = shape
    device = values["mix"].device
    index = slot.select(count)
    index = None if index is None else index.to(device)
    shaped = None if slot.mask == "everywhere" else mask(slot.mask, height, width).to(device)
    faders = {name: values[name] for name in slot.op.parameters}
    function, settings, mix = slot.op.function, slot.settings, values["mix"]

    def call(x: Tensor) -> Tensor:
        chosen = (x if index is None else x[:, index]).float()  # [N, c, h, w], however exact the network's own maps are
        bent = function(chosen, **faders, **settings)
        bent = torch.lerp(chosen, bent, mix if shaped is None else mix * shaped).to(x.dtype)
        return bent if index is None else x.index_copy(1, index, bent)  # [N, C, h, w]

    return call


def deviation(x: Tensor) -> Tensor:
    """The standard deviation of each map [N, C, h, w] -> [N, C, 1, 1]; torch's own takes twenty times as long."""
    apart: Tensor = torch.linalg.vector_norm(x - x.mean((2, 3), keepdim=True), dim=(2, 3), keepdim=True)
    return apart / math.sqrt(x.shape[2] * x.shape[3])


def mask(kind: Mask, height: int, width: int) -> Tensor:
    """Where a bend acts, [1, 1, h, w] 0..1 with soft edges."""
    y = torch.linspace(-1, 1, height).view(1, 1, -1, 1)
    x = torch.linspace(-1, 1, width).view(1, 1, 1, -1)
    inside = {
        "everywhere": torch.ones(1, 1, height, width),
        "centre": 1.5 - 2 * torch.hypot(x, y),
        "edges": 2 * torch.hypot(x, y) - 0.5,
        "left": 0.5 - x.expand(1, 1, height, width),
        "right": 0.5 + x.expand(1, 1, height, width),
        "top": 0.5 - y.expand(1, 1, height, width),
        "bottom": 0.5 + y.expand(1, 1, height, width),
    }[kind]
    return inside.clamp(0, 1)
