"""StyleGAN2: sizes, numbers, and the way from styles to a picture as a list of records.

After Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", section 2 and figure 7 for the three
architectures. Names of numbers are those in which published networks come. Letters: I and O channels in and out, h w map
size, R resolution.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from instrument.networks.styles import Styles

Architecture = Literal["skip", "orig", "resnet"]


def widths(resolution: int, base: int, most: int) -> list[int]:
    """The channels of blocks from 4 px up, as published networks have them: half as many where the size doubles."""
    return [min(base // 2**power, most) for power in range(2, resolution.bit_length())]


@dataclass(frozen=True, kw_only=True)
class StyleGAN2:
    """The sizes of a network.

    `channels` are those of each block, from 4 px up; `clamp` limits activations (0 for never); `rate` is the learning rate
    of the mapping, which scales its weights; with `averages` there is a mean w for every class.
    """

    resolution: int
    z_dim: int
    w_dim: int
    channels: list[int]
    mapping_layers: int
    classes: int = 0
    colours: int = 3
    architecture: Architecture = "skip"
    clamp: float = 256.0
    rate: float = 0.01
    noise: bool = True
    averages: bool = False

    def __post_init__(self) -> None:
        if self.resolution < 8 or self.resolution & (self.resolution - 1):
            raise ValueError(f"resolution must be a power of two from 8, got {self.resolution}")
        if len(self.channels) != len(self.blocks):
            raise ValueError(
                f"channels must be {len(self.blocks)} numbers, one for each block from 4 to {self.resolution} px"
            )
        if self.colours not in (1, 3):
            raise ValueError(f"colours must be 1 or 3, got {self.colours}")

    @property
    def blocks(self) -> list[int]:
        """The resolutions of the blocks, from 4 up."""
        return [2**power for power in range(2, self.resolution.bit_length())]

    @property
    def num_ws(self) -> int:
        return 2 * len(self.blocks)

    def at(self, resolution: int) -> int:
        """How many channels a block has."""
        return self.channels[resolution.bit_length() - 3]

    def has_colours(self, resolution: int) -> bool:
        """Whether a block makes a picture: each does, or the last alone."""
        return self.architecture == "skip" or resolution == self.resolution

    @property
    def products(self) -> int:
        """How many products a picture takes, convolutions alone: what decides how fast it plays."""
        pairs = [(r, self.at(r), self.at(max(r // 2, 4))) for r in self.blocks]
        return sum(9 * r * r * (out * out + (out * below // 4 if r > 4 else 0)) for r, out, below in pairs)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The name and shape of every number."""
        z, w = self.z_dim, self.w_dim
        found: dict[str, tuple[int, ...]] = {"mapping.w_avg": (self.classes, w) if self.averages else (w,)}
        if self.classes:
            found |= {"mapping.embed.weight": (w, self.classes), "mapping.embed.bias": (w,)}
        for i in range(self.mapping_layers):
            into = w if i else z + (w if self.classes else 0)
            found |= {f"mapping.fc{i}.weight": (w, into), f"mapping.fc{i}.bias": (w,)}
        for r in self.blocks:
            found |= {f"synthesis.b{r}.{name}": shape for name, shape in self.block_shapes(r).items()}
        return found

    def block_shapes(self, r: int) -> dict[str, tuple[int, ...]]:
        out, below, w = self.at(r), self.at(max(r // 2, 4)), self.w_dim
        found: dict[str, tuple[int, ...]] = {"resample_filter": (4, 4)}
        if r == 4:
            found["const"] = (out, 4, 4)
        for name, into in [("conv0", below), ("conv1", out)][r == 4 :]:
            found |= {f"{name}.weight": (out, into, 3, 3), f"{name}.bias": (out,), f"{name}.resample_filter": (4, 4)}
            found |= {f"{name}.affine.weight": (into, w), f"{name}.affine.bias": (into,)}
            if self.noise:
                found |= {f"{name}.noise_const": (r, r), f"{name}.noise_strength": ()}
        if self.has_colours(r):
            found |= {"torgb.weight": (self.colours, out, 1, 1), "torgb.bias": (self.colours,)}
            found |= {"torgb.affine.weight": (out, w), "torgb.affine.bias": (out,)}
        if self.architecture == "resnet" and r > 4:
            found |= {"skip.weight": (out, below, 1, 1), "skip.resample_filter": (4, 4)}
        return found


@dataclass(frozen=True)
class Convolution:
    """A styled 3×3 convolution, its noise, bias and activation; with `up` it doubles the size first."""

    name: str
    weight: Tensor  # [O, I, 3, 3]
    bias: Tensor  # [O]
    style: slice  # of the styles: [I]
    noise: Tensor | None  # [h, w]
    strength: Tensor | None  # (), of the noise, as it was trained
    up: Tensor | None  # the filter [4, 4] that smooths what was doubled
    clamp: float
    gain: float  # beyond that of the activation


@dataclass(frozen=True)
class Colours:
    """A styled 1×1 convolution: what a block adds to the picture."""

    name: str
    weight: Tensor  # [3, I], divided by √I
    bias: Tensor  # [3]
    style: slice
    clamp: float


@dataclass(frozen=True)
class Skip:
    """The way past a block of the resnet: a 1×1 convolution, doubled."""

    weight: Tensor  # [O, I, 1, 1], divided by √I
    up: Tensor


@dataclass(frozen=True)
class Block:
    """What happens at one size."""

    size: int
    first: Convolution | None  # the smallest has none
    second: Convolution
    skip: Skip | None
    colours: Colours | None
    filter: Tensor  # [4, 4], for the picture of the block below


@dataclass(frozen=True)
class Plan:
    """From styles to a picture: a constant, and what each block does."""

    const: Tensor  # [C, 4, 4]
    blocks: list[Block]
    styles: Styles

    @property
    def noisy(self) -> int:
        """How many layers noise is added to; each has its strength."""
        return 2 * len(self.blocks) - 1

    def layers(self) -> dict[str, tuple[int, int, int]]:
        """Every layer that can be bent: name -> (channels, height, width)."""
        found: dict[str, tuple[int, int, int]] = {}
        for block in self.blocks:
            shape = (len(block.second.weight), block.size, block.size)
            found[block.first.name if block.first else "b4.const"] = shape
            found[block.second.name] = shape
            if block.colours:
                found[block.colours.name] = (len(block.colours.weight), block.size, block.size)
        return found


def planned(network: StyleGAN2, weights: Mapping[str, Tensor]) -> Plan:
    """The plan of a network, whose weights are float32 and fit `network.shapes()`."""
    styles, row, blocks = Styles(), 0, []
    gain = math.sqrt(0.5) if network.architecture == "resnet" else 1.0

    def convolution(r: int, name: str, row: int, gain: float = 1.0) -> Convolution:
        said = f"synthesis.b{r}.{name}."
        return Convolution(
            f"b{r}.{name}",
            weights[said + "weight"],
            weights[said + "bias"],
            styles.add(row, weights, said),
            weights.get(said + "noise_const"),
            weights.get(said + "noise_strength"),
            weights[said + "resample_filter"] if name == "conv0" else None,
            network.clamp,
            gain,
        )

    for r in network.blocks:
        said = f"synthesis.b{r}."
        first = convolution(r, "conv0", row - 1) if r > 4 else None
        second = convolution(r, "conv1", row, gain if r > 4 else 1.0)
        skip = colours = None
        if network.architecture == "resnet" and r > 4:
            weight = weights[said + "skip.weight"]
            skip = Skip(weight / math.sqrt(weight.shape[1]), weights[said + "skip.resample_filter"])
        if network.has_colours(r):
            weight, bias = weights[said + "torgb.weight"][:, :, 0, 0], weights[said + "torgb.bias"]
            # the colours of a block take the row of w that the next block's first convolution takes too
            style = styles.add(row + 1, weights, said + "torgb.")
            colours = Colours(f"b{r}.rgb", weight / math.sqrt(weight.shape[1]), bias, style, network.clamp)
        blocks.append(Block(r, first, second, skip, colours, weights[said + "resample_filter"]))
        row += 2
    return Plan(weights["synthesis.b4.const"], blocks, styles.together())
