"""The parameters that torch needs, as 0-dim tensors: one packed copy a frame, handed out as views."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from instrument.flow import ParameterFrame
from instrument.parameters import Parameter


class Packed:
    """A buffer on the device with a fixed place for every parameter of some owners.

    `views` is owner -> name -> 0-dim tensor. They are the same tensors in every frame, so what was compiled or captured
    with them stays valid while faders move.
    """

    def __init__(self, owners: Mapping[str, Mapping[str, Parameter]], device: torch.device) -> None:
        self.places = [(owner, name) for owner, items in owners.items() for name in items]
        pinned = device.type == "cuda"
        self.host = torch.zeros(max(len(self.places), 1), pin_memory=pinned)
        self.device = self.host if device.type == "cpu" else self.host.to(device)
        self.views: dict[str, dict[str, Tensor]] = {owner: {} for owner in owners}
        for (owner, name), view in zip(self.places, self.device.unbind(), strict=False):
            self.views[owner][name] = view

    def write(self, parameters: ParameterFrame) -> None:
        """Put this frame's values into place."""
        values: Iterable[float] = [parameters[owner][name] for owner, name in self.places]
        self.host[: len(self.places)] = torch.tensor(values)
        if self.device is not self.host:
            self.device.copy_(self.host, non_blocking=True)
