"""Styles to pictures compiled for the processor by OpenVINO: an optional extra, mostly the fastest way where it is there.

The same sums as in `lean`, and where channels are many fewer multiplications (`winograd`), in bfloat16 too. What is
compiled can call nothing, so the network is cut at the layers where bends may act, and what lies between two cuts is
compiled as one piece (`program`).
"""

import math
from collections.abc import Collection, Iterator
from threading import Thread

import numpy as np
import torch
from torch import Tensor

from instrument import threads
from instrument.networks.lean import Lean
from instrument.networks.program import (
    POINTWISE,
    Drawn,
    Node,
    Piece,
    constant,
    core,
    enlarged,
    fits_tiles,
    limited,
    number_of,
    on_tiles,
    ops,
    sliced,
    spread,
)
from instrument.networks.stylegan2 import Colours, Convolution, Plan, Skip
from instrument.plugs import Bend


class Compiled:
    """Runs a plan of StyleGAN2 on as many threads as torch, in `precision`.

    That is float32 or bfloat16, and by itself bfloat16 where the processor multiplies in it. Bends act at `layers` alone;
    None is at any. What it is not compiled for (several pictures at once, noise that is new in each) `lean` runs, and also
    what is being compiled meanwhile, such as the first blocks alone.
    """

    def __init__(self, plan: Plan, layers: Collection[str] | None = None, precision: torch.dtype | None = None) -> None:
        self.plan, self.layers = plan, set(plan.layers() if layers is None else layers)
        short = "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self.precision = precision or (torch.bfloat16 if short else torch.float32)
        self.lean = Lean(plan, self.precision)
        counts = sorted({1, threads.ALL, torch.get_num_threads()})  # a show finds out which of them is better
        self.forms = {(len(plan.blocks), count): self.pieces(len(plan.blocks), count) for count in counts}
        self.begun = set(self.forms)
        self.silence = torch.zeros(plan.noisy)

    def __call__(
        self, styles: Tensor, noise: Tensor | None, bend: Bend, fresh: bool = False, stages: int | None = None
    ) -> Tensor:
        """styles [N, total] -> pictures [N, 3, R, R], about -1..1.

        `noise` [layers] scales what was trained; `fresh` noise is drawn anew. The first `stages` blocks are run.
        """
        form = stages or len(self.plan.blocks), torch.get_num_threads()
        if form not in self.begun:
            self.begun.add(form)
            Thread(target=self.add, args=form, name="compiling").start()
        if fresh or len(styles) > 1 or form not in self.forms:
            return self.lean(styles, noise, bend, fresh, stages)
        maps = {"styles": styles, "noise": self.silence if noise is None else noise}
        for piece in self.forms[form]:
            maps |= piece(maps)
            if piece.end:
                maps[piece.bent] = bend(piece.end, maps[piece.bent])
        return maps["image"].clone()  # the next picture is written to where this one lies

    def add(self, stages: int, count: int) -> None:
        self.forms[stages, count] = self.pieces(stages, count)

    def pieces(self, stages: int, count: int) -> list[Piece]:
        """One form of the network, compiled for so many threads."""
        options = {
            "INFERENCE_PRECISION_HINT": "bf16" if self.precision == torch.bfloat16 else "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": count,
            "ENABLE_CPU_PINNING": False,  # or the thread that draws would be tied to one core for good
        }
        return [Piece(drawn, options) for drawn in Sketch(self.plan, self.layers, self.precision).pieces(stages)]


class Sketch:
    """Draws a network's pieces, to be compiled in a precision.

    What a piece does not make itself it takes from the one before, if it needs it.
    """

    def __init__(self, plan: Plan, layers: Collection[str], precision: torch.dtype) -> None:
        self.plan, self.layers, self.precision = plan, layers, precision
        self.shapes: dict[str, list[int]] = {"styles": [1, plan.styles.total], "noise": [plan.noisy]}
        self.made: dict[str, Node] = {}
        self.taken: dict[str, Node] = {}

    def pieces(self, stages: int) -> Iterator[Drawn]:
        """The pieces of the first so many blocks, in order."""
        self.make("x", constant(self.plan.const[None]))
        for i, block in enumerate(self.plan.blocks[:stages]):
            if block.skip:
                self.make("past", skipped(self.get("x"), block.skip))
            if block.first:
                self.make("x", self.convolved(block.first, 2 * i - 1, block.first.name in self.layers))
            yield from self.cut(block.first.name if block.first else "b4.const", "x")
            last = i == stages - 1  # of which the picture alone goes on
            cuts = {block.second.name, block.colours.name if block.colours and not last else ""}
            self.make("x", self.convolved(block.second, 2 * i, not cuts.isdisjoint(self.layers)))
            if block.skip:
                self.make("x", ops.add(self.get("x"), self.spend("past")))
            yield from self.cut(block.second.name, "x")
            if "image" in self.shapes:
                self.make("image", enlarged(self.get("image"), block.filter))
            if block.colours:
                colours = self.coloured(block.colours)
                self.make("image", ops.add(self.get("image"), colours) if "image" in self.shapes else colours)
                if last:
                    self.spend("x")
                yield from self.cut(block.colours.name, "image")
        if self.made:
            yield self.done("", "image")

    def make(self, name: str, node: Node) -> None:
        self.made[name], self.shapes[name] = node, list(node.get_output_shape(0))

    def get(self, name: str) -> Node:
        """A map, which this piece has made or takes."""
        if name in self.made:
            return self.made[name]
        if name not in self.taken:
            self.taken[name] = ops.parameter(self.shapes[name], np.float32, name=name)
        return self.taken[name]

    def spend(self, name: str) -> Node:
        """A map that nothing needs after this."""
        node = self.get(name)
        self.made.pop(name, None)
        del self.shapes[name]
        return node

    def cut(self, layer: str, bent: str) -> Iterator[Drawn]:
        """End the piece here, if bends may act here."""
        if layer in self.layers:
            yield self.done(layer, bent)

    def done(self, end: str, bent: str) -> Drawn:
        drawn = Drawn(end, bent, self.made, self.taken)
        self.made, self.taken = {}, {}
        return drawn

    def style(self, part: slice) -> Node:
        """That part of the styles [1, I]."""
        return sliced(self.get("styles"), part.start, part.stop, 1)

    def convolved(self, layer: Convolution, number: int, leaves: bool) -> Node:
        """x [1, I, h, w] -> [1, O, h, w], or twice as large; `number` is the layer's among those with noise.

        Within a piece x lies channels-last; where it `leaves` the piece, or comes from another, channels are first.
        """
        gain = math.sqrt(2) * layer.gain
        style = self.style(layer.style)
        square = layer.weight.square().sum((2, 3)).t() / gain**2  # [I, O]
        power = ops.add(
            ops.matmul(ops.multiply(style, style), constant(square), False, False), number_of(1e-8 / gain**2)
        )
        x = ops.multiply(self.get("x"), spread(style))
        if layer.up is None and "x" in self.made and fits_tiles(layer.weight, x.get_output_shape(0)[2]):
            x = on_tiles(x, layer.weight, self.precision)
        elif layer.up is None:
            x = ops.convolution(x, constant(layer.weight), [1, 1], [1, 1], [1, 1], [1, 1])
        else:
            weight = constant(layer.weight.transpose(0, 1))
            x = ops.convolution_backprop_data(x, weight, [2, 2], None, [0, 0], [0, 0], [1, 1])  # [1, O, 2h+1, 2w+1]
            taps = constant(4 * layer.up.flip((0, 1)).expand(len(layer.weight), 1, 1, 4, 4))
            x = ops.group_convolution(x, taps, [1, 1], [1, 1], [1, 1], [1, 1])  # [1, O, 2h, 2w]
        x = ops.multiply(x, spread(ops.power(power, number_of(-0.5))))
        if layer.noise is not None and layer.strength is not None:
            strength = sliced(self.get("noise"), number, number + 1, 0)
            grain = ops.multiply(constant(layer.noise[None, None] * layer.strength * gain), strength)
            if not leaves:  # a sum with [1, 1, h, w] would have all of x rearranged, but what leaves has to be
                grain = ops.convolution(grain, constant(torch.ones(len(layer.weight), 1, 1, 1)), *POINTWISE)
            x = ops.add(x, grain)
        x = ops.prelu(ops.add(x, constant(layer.bias[None, :, None, None] * gain)), number_of(0.2, 1))
        return limited(x, layer.clamp * layer.gain)

    def coloured(self, layer: Colours) -> Node:
        """x [1, I, h, w] -> [1, 3, h, w]."""
        x = ops.multiply(self.get("x"), spread(self.style(layer.style)))
        x = ops.convolution(x, constant(layer.weight[:, :, None, None]), *POINTWISE)
        return limited(ops.add(x, constant(layer.bias[None, :, None, None])), layer.clamp)


def skipped(x: Node, skip: Skip) -> Node:
    """The way past a block of the resnet [1, I, h, w] -> [1, O, 2h, 2w]."""
    x = ops.convolution(x, constant(skip.weight * math.sqrt(0.5)), *POINTWISE)
    return enlarged(x, skip.up)
