"""StyleGAN3: sizes, numbers, and the way from styles to a picture as a list of records.

After Karras et al. 2021, "Alias-Free Generative Adversarial Networks", section 3 and appendices C and F. Names of numbers
are those in which published networks come; the sizes of every layer are written down, not worked out anew. Letters: I and
O channels in and out, h w map size, k kernel.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from instrument.networks.styles import Styles


@dataclass(frozen=True, kw_only=True)
class Waves:
    """The input: sine waves over a square of `size` px at `rate` px for each unit, none above `band` at first."""

    size: int
    channels: int
    rate: float
    band: float


@dataclass(frozen=True, kw_only=True)
class Filtered:
    """The sizes of a layer: `size` px and `channels` that it makes; padding is left, right, top, bottom.

    The number of taps of its filters comes with `up_taps` and `down_taps`; with `radial` the second has two axes.
    """

    name: str
    size: int
    channels: int
    kernel: int
    up: int
    down: int
    padding: list[int]
    up_taps: int
    down_taps: int
    radial: bool = False
    colours: bool = False


@dataclass(frozen=True, kw_only=True)
class StyleGAN3:
    """The sizes of a network; `gain` is how much larger than its last layer the picture is."""

    resolution: int
    z_dim: int
    w_dim: int
    mapping_layers: int
    input: Waves
    layers: list[Filtered] = field(repr=False)
    classes: int = 0
    colours: int = 3
    clamp: float = 256.0
    rate: float = 0.01
    gain: float = 0.25
    averages: bool = False

    @property
    def num_ws(self) -> int:
        return len(self.layers) + 1

    @property
    def products(self) -> int:
        """How many products a picture takes, convolutions and filters: what decides how fast it plays."""
        into, side, total = self.input.channels, self.input.size, self.input.channels**2 * self.input.size**2
        for layer in self.layers:
            total += layer.kernel**2 * into * layer.channels * side**2
            inner = layer.size * layer.down
            taps = layer.up_taps // max(layer.up, 1) + (layer.down_taps**2 if layer.radial else layer.down_taps)
            total += layer.channels * inner**2 * taps if layer.up_taps > 1 else 0
            into, side = layer.channels, layer.size
        return total

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The name and shape of every number."""
        z, w = self.z_dim, self.w_dim
        found: dict[str, tuple[int, ...]] = {"mapping.w_avg": (self.classes, w) if self.averages else (w,)}
        if self.classes:
            found |= {"mapping.embed.weight": (w, self.classes), "mapping.embed.bias": (w,)}
        for i in range(self.mapping_layers):
            into = w if i else z + (w if self.classes else 0)
            found |= {f"mapping.fc{i}.weight": (w, into), f"mapping.fc{i}.bias": (w,)}
        into = self.input.channels
        found |= {"synthesis.input.weight": (into, into), "synthesis.input.transform": (3, 3)}
        found |= {"synthesis.input.freqs": (into, 2), "synthesis.input.phases": (into,)}
        found |= {"synthesis.input.affine.weight": (4, w), "synthesis.input.affine.bias": (4,)}
        for layer in self.layers:
            said, out, k = f"synthesis.{layer.name}.", layer.channels, layer.kernel
            found |= {said + "weight": (out, into, k, k), said + "bias": (out,), said + "magnitude_ema": ()}
            found |= {said + "affine.weight": (into, w), said + "affine.bias": (into,)}
            if layer.up_taps > 1:
                found[said + "up_filter"] = (layer.up_taps,)
            if layer.down_taps > 1:
                found[said + "down_filter"] = (layer.down_taps,) * (2 if layer.radial else 1)
            into = out
        return found


@dataclass(frozen=True)
class Input:
    """The waves, and how they may be moved."""

    sizes: Waves
    mixed: Tensor  # [C, C], divided by √C
    frequencies: Tensor  # [C, 2]
    phases: Tensor  # [C]
    transform: Tensor  # [3, 3], the inverse of how the picture moves
    style: slice


@dataclass(frozen=True)
class Layer:
    """A styled convolution, and an activation at a higher rate between two filters."""

    name: str
    sizes: Filtered
    weight: Tensor  # [O, I, k, k], as loud as it plays; of unit size for each O unless it makes the colours
    bias: Tensor  # [O]
    style: slice
    up: Tensor | None
    down: Tensor | None
    loudness: Tensor  # (), what came in on average while it learnt is made 1 by this
    clamp: float


@dataclass(frozen=True)
class Plan:
    """From styles to a picture."""

    input: Input
    steps: list[Layer]
    gain: float
    styles: Styles

    def layers(self) -> dict[str, tuple[int, int, int]]:
        """Every layer that can be bent: name -> (channels, height, width)."""
        first = self.input.sizes
        found = {"input": (first.channels, first.size, first.size)}
        return found | {step.name: (step.sizes.channels, step.sizes.size, step.sizes.size) for step in self.steps}


def planned(network: StyleGAN3, weights: Mapping[str, Tensor]) -> Plan:
    """The plan of a network, whose weights are float32 and fit `network.shapes()`."""
    styles, steps = Styles(), []
    own = {name: weights[f"synthesis.input.{name}"] for name in ("weight", "freqs", "phases", "transform")}
    mixed = own["weight"] / math.sqrt(len(own["weight"]))
    style = styles.add(0, weights, "synthesis.input.")
    first = Input(network.input, mixed, own["freqs"], own["phases"], own["transform"], style)
    for i, sizes in enumerate(network.layers):
        said = f"synthesis.{sizes.name}."
        weight = weights[said + "weight"]
        if sizes.colours:
            weight = weight / math.sqrt(weight[0].numel())
        else:
            weight = weight * weight.square().mean((1, 2, 3), keepdim=True).rsqrt()
        steps.append(
            Layer(
                "rgb" if sizes.colours else f"L{i}",
                sizes,
                weight,
                weights[said + "bias"],
                styles.add(i + 1, weights, said),
                weights.get(said + "up_filter"),
                weights.get(said + "down_filter"),
                weights[said + "magnitude_ema"].rsqrt(),
                network.clamp,
            )
        )
    return Plan(first, steps, network.gain, styles.together())


def moved(turn: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The transform [3, 3] that turns a picture by `turn` radians and then moves it by x and y of its width: the inverse."""
    cosine, sine, zero, one = turn.cos(), turn.sin(), torch.zeros_like(turn), torch.ones_like(turn)
    return torch.stack(
        [
            torch.stack([cosine, sine, -(cosine * x + sine * y)]),
            torch.stack([-sine, cosine, sine * x - cosine * y]),
            torch.stack([zero, zero, one]),
        ]
    )
