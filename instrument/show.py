"""A show: what is decided at the command line, not in a patch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from instrument.latency import Latency
from instrument.plugs import Framing


@dataclass(frozen=True)
class Show:
    """How to play rather than what. `executor` is what runs the network."""

    live: bool = True
    model: str | None = None
    fps: float = 30.0
    seed: int | None = None
    size: tuple[int, int] | None = None
    framing: Framing = "fill"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    executor: str = "float32"
    rest: Mapping[str, float] = field(default_factory=dict)
    latency: Latency = field(default_factory=Latency)
    status: Callable[[], dict[str, Any]] = dict
    monitor: Callable[[int], dict[str, Any]] = lambda after: {}
    strict: bool = False
