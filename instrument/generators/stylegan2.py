"""StyleGAN2, skip architecture: latent to picture (Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN").

Convolutions are written with the style on the activations, y = d · conv(x · s), d = 1 / ‖W · s‖: the same mathematics
as modulating the weights (section 2.2), without a pass over all weights in every frame. Names of weights are those in
which published networks come. Letters: N batch, I and O channels in and out, h w map size, R resolution.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from instrument.flow import Latent
from instrument.latent.paths import truncate
from instrument.model import Config, read_config, read_weights
from instrument.parameters import Range
from instrument.plugs import Bend

Weights = Mapping[str, Tensor]


class Generator:
    """A StyleGAN2 model folder, ready to play: `model.toml` and `weights.safetensors`.

    Raises ValueError naming file and key if either is missing, lacks something or does not fit the other.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        self.config = read_config(folder / "model.toml")
        weights = read_weights(folder / "weights.safetensors", self.config)
        weights = {name: weight.to(device, torch.float32) for name, weight in weights.items()}
        self.z_dim, self.device = self.config.z_dim, device
        self.mean = weights["mapping.w_avg"]  # [w_dim]
        self.mapping = MappingNetwork(weights, self.config)
        self.synthesis = SynthesisNetwork(weights, self.config)

    def layers(self) -> dict[str, tuple[int, int, int]]:
        """Every layer that can be bent: name -> (channels, height, width)."""
        found: dict[str, tuple[int, int, int]] = {}
        for r in self.config.blocks:
            channels = self.config.channels(r)
            names = [f"b{r}.const" if r == 4 else f"b{r}.conv0", f"b{r}.conv1"]
            found |= dict.fromkeys(names, (channels, r, r)) | {f"b{r}.rgb": (3, r, r)}
        return found

    def map(self, z: Tensor) -> Tensor:
        """z [N, z_dim] -> w [N, num_ws, w_dim], not truncated."""
        return self.mapping(z.to(self.device))[:, None].expand(-1, self.config.num_ws, -1)

    def render(
        self,
        latent: Latent,
        bend: Bend,
        *,
        truncation: Annotated[Tensor, Range(-1, 1.5)] = 0.8,
        noise: Annotated[Tensor, Range(0, 4)] = 1.0,
    ) -> Tensor:
        """The picture [3, R, R] of a latent, each layer passed through `bend`.

        `truncation` 1 is the full variety, 0 the mean picture, below 0 its opposites; `noise` scales the trained strengths.
        """
        w = truncate(latent.w, truncation, self.mean)  # [num_ws, w_dim]
        return self.synthesis(w[None], noise, bend)[0]


class MappingNetwork:
    """z to w: normalised, then fully connected layers with a learning rate of 0.01 (Karras et al. 2019, section 2)."""

    def __init__(self, weights: Weights, config: Config) -> None:
        self.layers = []
        for i in range(config.mapping_layers):
            weight, bias = weights[f"mapping.fc{i}.weight"], weights[f"mapping.fc{i}.bias"]
            self.layers.append((weight * (0.01 / math.sqrt(weight.shape[1])), bias * 0.01))

    def __call__(self, z: Tensor) -> Tensor:
        x = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()  # [N, z_dim]
        for weight, bias in self.layers:
            x = F.leaky_relu(F.linear(x, weight, bias), 0.2) * math.sqrt(2)
        return x  # [N, w_dim]


class SynthesisNetwork:
    """w to picture: a constant 4×4, then a block for each doubling, each adding its colours to the picture so far."""

    def __init__(self, weights: Weights, config: Config) -> None:
        self.const = weights["synthesis.b4.const"][None].contiguous(memory_format=torch.channels_last)
        self.blocks = []
        for r in config.blocks:
            block = {name.removeprefix(f"synthesis.b{r}."): weight for name, weight in weights.items()}
            first = None if r == 4 else Layer(block, "conv0", config.clamp)
            self.blocks.append((r, first, Layer(block, "conv1", config.clamp), ToRGB(block, config.clamp)))

    def __call__(self, w: Tensor, noise: Tensor, bend: Bend) -> Tensor:
        x, image, row = self.const, None, 0
        for r, conv0, conv1, to_rgb in self.blocks:
            if conv0 is None:
                x = bend(f"b{r}.const", x.expand(len(w), -1, -1, -1))  # [N, C, 4, 4]
            else:
                x = bend(f"b{r}.conv0", conv0(x, w[:, row - 1], noise))  # [N, C, r, r]
            x = bend(f"b{r}.conv1", conv1(x, w[:, row], noise))
            # the colours of a block take the row of w that the next block's first convolution takes too
            image = bend(f"b{r}.rgb", to_rgb(x, w[:, row + 1], image))  # [N, 3, r, r]
            row += 2
        assert image is not None
        return image


class Layer:
    """A styled convolution: modulated and demodulated 3×3, noise, bias, activation; `conv0` doubles the size first."""

    def __init__(self, block: Weights, name: str, clamp: float) -> None:
        own = {key.removeprefix(f"{name}."): weight for key, weight in block.items()}
        self.weight = own["weight"].contiguous(memory_format=torch.channels_last)  # [O, I, 3, 3]
        self.up = name == "conv0"
        if self.up:
            self.transposed = own["weight"].transpose(0, 1).contiguous(memory_format=torch.channels_last)
            self.filter = smoother(own["resample_filter"].flip((0, 1)), len(self.weight))  # F.conv2d does not flip
        self.square = own["weight"].square().sum((2, 3)).t()  # [I, O]
        self.affine = Affine(own)
        self.bias = own["bias"].view(1, -1, 1, 1)
        self.noise = own["noise_const"] * own["noise_strength"]  # [h, w]
        self.clamp = clamp

    def __call__(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        style = self.affine(w)  # [N, I]
        demodulation = (style.square() @ self.square + 1e-8).rsqrt()  # [N, O]
        x = x * style[:, :, None, None]
        if self.up:
            x = F.conv_transpose2d(x, self.transposed, stride=2)  # [N, O, 2h+1, 2w+1]
            x = F.conv2d(x, self.filter, padding=1, groups=len(self.weight))  # [N, O, 2h, 2w]
        else:
            x = F.conv2d(x, self.weight, padding=1)  # [N, O, h, w]
        x = x.mul_(demodulation[:, :, None, None]).add_(self.noise * noise).add_(self.bias)
        x = F.leaky_relu_(x, 0.2).mul_(math.sqrt(2))
        return x.clamp_(-self.clamp, self.clamp) if self.clamp else x


class ToRGB:
    """A block's colours: a modulated 1×1 convolution, added to the doubled picture of the blocks before."""

    def __init__(self, block: Weights, clamp: float) -> None:
        own = {key.removeprefix("torgb."): weight for key, weight in block.items()}
        self.weight = own["weight"][:, :, 0, 0]  # [3, I]
        self.bias, self.affine, self.clamp = own["bias"].view(1, 3, 1, 1), Affine(own), clamp
        self.filter = smoother(block["resample_filter"], 3)

    def __call__(self, x: Tensor, w: Tensor, image: Tensor | None) -> Tensor:
        style = self.affine(w) / math.sqrt(self.weight.shape[1])  # [N, I]
        mixed = torch.einsum("oi,ni->noi", self.weight, style)  # [N, 3, I]
        colours = (mixed @ x.flatten(2)).view(len(x), 3, *x.shape[2:]) + self.bias  # [N, 3, h, w]
        if self.clamp:
            colours = colours.clamp_(-self.clamp, self.clamp)
        return colours if image is None else colours + doubled(image, self.filter)


class Affine:
    """A layer's style from a row of w: w [N, w_dim] -> [N, I]."""

    def __init__(self, own: Weights) -> None:
        weight = own["affine.weight"]
        self.weight, self.bias = weight / math.sqrt(weight.shape[1]), own["affine.bias"]

    def __call__(self, w: Tensor) -> Tensor:
        return F.linear(w, self.weight, self.bias)


def smoother(taps: Tensor, channels: int) -> Tensor:
    """The filter [channels, 1, 4, 4] that smooths doubled maps; gain 4 makes up for the zeros between their samples."""
    return (4 * taps).expand(channels, 1, *taps.shape).contiguous()


def doubled(image: Tensor, taps: Tensor) -> Tensor:
    """image [N, 3, h, w] at twice the size: zeros between the samples, smoothed."""
    return F.conv_transpose2d(image, taps, stride=2, padding=1, groups=image.shape[1])  # [N, 3, 2h, 2w]
