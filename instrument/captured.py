"""Captured: on a GPU a whole picture is a graph of its steps, recorded once and replayed, so that nothing waits for launches.

A CUDA graph has fixed steps that read and write fixed places. Faders are tensors that stay where they are (`packed.py`) and
the latent is copied to its place, so they move what is replayed; which bends are in place is part of the steps.
"""

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from instrument.bend import Plan, untouched
from instrument.flow import Latent, ParameterFrame
from instrument.plugs import Bend, Eases, Generator

log = logging.getLogger("phosphene")

WARM = 3  # pictures before a capture: what is made once is made by then
NEAR = 0.05  # how far a replayed picture may be from one that was drawn


class Captured:
    """A generator on a GPU, drawn by two graphs: without any bend, and with all those of the patch.

    One that rests is at its identity, and costs little there. Where a capture fails, or replays another picture, pictures
    are drawn step by step.
    """

    def __init__(self, generator: Generator, plan: Plan, faders: Mapping[str, Tensor]) -> None:
        self.generator, self.plan, self.faders = generator, plan, faders
        self.eased = False
        self.w: Tensor | None = None  # where graphs read the latent
        self.graphs: dict[bool, tuple[torch.cuda.CUDAGraph, Tensor]] = {}  # bent or not -> graph, the picture it writes

    def __getattr__(self, name: str) -> Any:
        return getattr(self.generator, name)

    def render(self, latent: Latent, bend: Bend, **parameters: Tensor) -> Tensor:
        """The picture [3, H, W] of a latent."""
        found = self.graphs.get(bool(self.plan.active))
        if found is None or self.w is None or self.eased:
            return self.generator.render(latent, bend, **parameters)
        graph, picture = found
        self.w.copy_(latent.w)
        graph.replay()
        return picture.clone()  # the next one is written to the same place

    def ease(self, *, noise: bool, fine: bool) -> None:
        """Draw with less work from now on, and step by step meanwhile: what was captured is something else."""
        self.eased = not (noise and fine)
        if isinstance(self.generator, Eases):
            self.generator.ease(noise=noise, fine=fine)

    def capture(self, latent: Latent, parameters: ParameterFrame) -> None:
        """Record both graphs, with these parameters. Raises what a bend raises."""
        self.w = latent.w.clone()
        with self.plan.rehearsal():
            self.plan.update(parameters)
            bends: dict[bool, Bend] = {False: untouched, True: self.plan.bend}
            found = {bent: self.recorded(self.w, bend) for bent, bend in bends.items()}
        self.graphs = {bent: graph for bent, graph in found.items() if graph}
        self.plan.update(parameters)

    def recorded(self, w: Tensor, bend: Bend) -> tuple[torch.cuda.CUDAGraph, Tensor] | None:
        """The graph of a picture, and where that lies; None, if it cannot be had."""

        def draw() -> Tensor:
            return self.generator.render(Latent(w), bend, **self.faders)

        try:
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(WARM):
                    drawn = draw()
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            # another thread may draw meanwhile, which is no mistake
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                picture = draw()
            graph.replay()
            torch.cuda.synchronize()
        except RuntimeError as error:
            log.info(
                "pictures are drawn step by step: the GPU's graph cannot be captured (%s)", str(error).split("\n")[0]
            )
            return None
        if not torch.allclose(picture, drawn, atol=NEAR):
            log.info("pictures are drawn step by step: what the GPU's graph replays is another picture")
            return None
        return graph, picture
