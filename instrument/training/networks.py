"""The networks while they learn: a StyleGAN2 generator and a discriminator, batched and differentiable.

The generator has the weights, and the names of weights, that a model folder holds (Karras et al. 2020, section 2). It is
written for speed in training: the style is put on the activations. Letters: N batch, I and O channels, h w map size.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instrument.networks.stylegan2 import StyleGAN2

GAIN = math.sqrt(2)  # of the activation: it makes up for what a leaky rectifier takes away


class Generator(nn.Module):
    """z to pictures. `weights` (see `fresh`) are its parameters; those that are never trained are its buffers."""

    def __init__(self, config: StyleGAN2, weights: dict[str, Tensor], precision: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.config, self.precision = config, precision
        for name, weight in weights.items():
            key, fixed = name.replace(".", "/"), name.endswith(("w_avg", "resample_filter", "noise_const"))
            self.register_buffer(key, weight.clone()) if fixed else self.register_parameter(
                key, nn.Parameter(weight.clone())
            )
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.register_buffer("smoother", torch.outer(taps, taps) / 16, persistent=False)  # gain 4 for the zeros between

    def weights(self) -> dict[str, Tensor]:
        """All weights by the names that a model folder gives them."""
        return {name.replace("/", "."): weight.detach() for name, weight in self.state_dict().items()}

    def __getitem__(self, name: str) -> Tensor:
        weight: Tensor = getattr(self, name.replace(".", "/"))
        return weight

    def map(self, z: Tensor) -> Tensor:
        """z [N, z_dim] -> w [N, w_dim]."""
        x = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        for i in range(self.config.mapping_layers):
            weight, bias = self[f"mapping.fc{i}.weight"], self[f"mapping.fc{i}.bias"]
            x = F.linear(x, weight * (self.config.rate / math.sqrt(weight.shape[1])), bias * self.config.rate)
            x = F.leaky_relu(x, 0.2) * GAIN
        return x

    def synthesize(self, w: Tensor, noise: float | None = 1.0) -> Tensor:
        """w [N, num_ws, w_dim] -> pictures [N, 3, R, R], about -1..1. `noise` scales new random noise; None is no noise."""
        x = self["synthesis.b4.const"].to(self.precision).expand(len(w), -1, -1, -1)
        x = x.contiguous(memory_format=torch.channels_last)
        image, row = None, 0
        for r in self.config.blocks:
            if r > 4:
                x = self.layer(f"synthesis.b{r}.conv0.", x, w[:, row - 1], noise, up=True)
            x = self.layer(f"synthesis.b{r}.conv1.", x, w[:, row], noise)
            colours = self.colours(f"synthesis.b{r}.torgb.", x, w[:, row + 1])
            image = colours if image is None else colours + doubled(image, self.get_buffer("smoother"))
            row += 2
        assert image is not None
        return image

    def forward(self, z: Tensor, noise: float | None = 1.0) -> Tensor:
        """z [N, z_dim] -> pictures [N, 3, R, R]."""
        return self.synthesize(self.everywhere(self.map(z)), noise)

    def everywhere(self, w: Tensor) -> Tensor:
        """w [N, w_dim] -> the same for every layer [N, num_ws, w_dim]."""
        return w[:, None].expand(-1, self.config.num_ws, -1)

    def layer(self, name: str, x: Tensor, w: Tensor, noise: float | None, up: bool = False) -> Tensor:
        weight = self[name + "weight"]  # [O, I, 3, 3]
        style = self.style(name, w)  # [N, I]
        demodulation = (style.square() @ weight.square().sum((2, 3)).t() + 1e-8).rsqrt()  # [N, O]
        x = x * style.to(x.dtype)[:, :, None, None]
        if up:
            x = F.conv_transpose2d(x, weight.transpose(0, 1).to(x.dtype), stride=2)  # [N, O, 2h+1, 2w+1]
            taps = self.get_buffer("smoother").to(x.dtype).expand(len(weight), 1, 4, 4)
            x = F.conv2d(x, taps, padding=1, groups=len(weight))  # [N, O, 2h, 2w]
        else:
            x = F.conv2d(x, weight.to(x.dtype).contiguous(memory_format=torch.channels_last), padding=1)
        bias = self[name + "bias"].to(x.dtype)[None, :, None, None]
        if noise is not None:
            grain = torch.randn(len(x), 1, *x.shape[2:], device=x.device, dtype=x.dtype)
            bias = bias + grain * (self[name + "noise_strength"] * noise).to(x.dtype)
        x = torch.addcmul(bias, x, demodulation.to(x.dtype)[:, :, None, None])
        x = F.leaky_relu(x, 0.2) * GAIN
        return x.clamp(-self.config.clamp, self.config.clamp) if self.config.clamp else x

    def colours(self, name: str, x: Tensor, w: Tensor) -> Tensor:
        weight = self[name + "weight"][:, :, 0, 0]  # [3, I]
        style = self.style(name, w) / math.sqrt(weight.shape[1])
        mixed = torch.einsum("oi,ni->noi", weight, style).to(x.dtype)  # [N, 3, I]
        flat = x.permute(0, 2, 3, 1).flatten(1, 2)  # [N, h*w, I], a view of channels-last maps
        colours = (flat @ mixed.transpose(1, 2)).float() + self[name + "bias"]  # [N, h*w, 3]
        colours = colours.view(len(x), *x.shape[2:], 3).permute(0, 3, 1, 2)
        return colours.clamp(-self.config.clamp, self.config.clamp) if self.config.clamp else colours

    def style(self, name: str, w: Tensor) -> Tensor:
        weight = self[name + "affine.weight"]
        return F.linear(w, weight / math.sqrt(weight.shape[1]), self[name + "affine.bias"])


def doubled(image: Tensor, smoother: Tensor) -> Tensor:
    """image [N, 3, h, w] at twice the size: zeros between the samples, smoothed."""
    return F.conv_transpose2d(image, smoother.expand(3, 1, 4, 4), stride=2, padding=1, groups=3)


class Discriminator(nn.Module):
    """Pictures to one number each: residual blocks from the full size down to 4×4, then the deviation across the batch.

    After Karras et al. 2020 (the resnet of config F), with box filters for halving.
    """

    def __init__(self, config: StyleGAN2, precision: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.precision = precision
        sizes = [config.at(r) for r in reversed(config.blocks)]
        self.enter = Even(3, sizes[0], 1)
        self.blocks = nn.ModuleList(Halving(above, below) for above, below in pairwise(sizes))
        self.last = Even(sizes[-1] + 1, sizes[-1], 3)
        self.head = nn.Sequential(
            nn.Flatten(), EvenLinear(16 * sizes[-1], sizes[-1], GAIN), EvenLinear(sizes[-1], 1, None)
        )

    def freeze(self, blocks: int) -> None:
        """Let the finest `blocks` keep what they know (FreezeD, Mo et al. 2020)."""
        for part in [self.enter, *self.blocks][: blocks and blocks + 1]:
            part.requires_grad_(False)

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures [N, 3, R, R] -> [N]."""
        x = pictures.to(self.precision).contiguous(memory_format=torch.channels_last)
        x = self.enter(x)
        for block in self.blocks:
            x = block(x)
        x = self.last(torch.cat([x, deviation(x)], 1))
        score: Tensor = self.head(x.float())[:, 0]
        return score


class Halving(nn.Module):
    """A residual block [N, I, h, w] -> [N, O, h/2, w/2]."""

    def __init__(self, above: int, below: int) -> None:
        super().__init__()
        self.first, self.second, self.skip = Even(above, above, 3), Even(above, below, 3), Even(above, below, 1, None)

    def forward(self, x: Tensor) -> Tensor:
        rest = self.skip(F.avg_pool2d(x, 2))
        x = self.second(F.avg_pool2d(self.first(x), 2))
        return (x + rest) * (1 / GAIN)


class Even(nn.Module):
    """A convolution whose weights all learn at one rate (Karras et al. 2018, section 4.1), and its activation."""

    def __init__(self, into: int, out: int, kernel: int, gain: float | None = GAIN) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(out, into, kernel, kernel)), nn.Parameter(torch.zeros(out))
        self.scale, self.gain, self.padding = 1 / math.sqrt(into * kernel**2), gain, kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = (self.weight * self.scale).to(x.dtype), self.bias.to(x.dtype)
        if self.padding:
            x = F.conv2d(x, weight.contiguous(memory_format=torch.channels_last), bias, padding=self.padding)
        else:  # a product of matrices: the slope's slope of such a convolution crashes oneDNN on one thread (torch 2.13)
            x = F.linear(x.permute(0, 2, 3, 1), weight[:, :, 0, 0], bias).permute(0, 3, 1, 2)
        return x if self.gain is None else F.leaky_relu(x, 0.2) * self.gain


class EvenLinear(nn.Module):
    def __init__(self, into: int, out: int, gain: float | None) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(out, into)), nn.Parameter(torch.zeros(out))
        self.scale, self.gain = 1 / math.sqrt(into), gain

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.weight * self.scale, self.bias)
        return x if self.gain is None else F.leaky_relu(x, 0.2) * self.gain


def deviation(x: Tensor, group: int = 4) -> Tensor:
    """How much the pictures of a group differ, as one more map [N, 1, h, w] (Karras et al. 2018, section 3)."""
    n, _, h, w = x.shape
    group = math.gcd(group, n)
    y = x.float().view(group, -1, *x.shape[1:])
    y = (y.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))  # [N / group]
    return y.repeat(group).view(n, 1, 1, 1).expand(n, 1, h, w).to(x.dtype)


def fresh(config: StyleGAN2, seed: int) -> dict[str, Tensor]:
    """Random weights to begin from, by name (Karras et al. 2020, appendix B)."""
    random = torch.Generator().manual_seed(seed)
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    found = {}
    for name, shape in config.shapes().items():
        value = torch.randn(shape, generator=random)
        if name.endswith("resample_filter"):
            value = torch.outer(taps, taps) / 64
        elif name.endswith("affine.bias"):
            value = torch.ones(shape)
        elif name.endswith(("bias", "noise_strength", "w_avg")):
            value = torch.zeros(shape)
        elif name.startswith("mapping"):
            value *= 100  # undone by the mapping's learning rate of 0.01
        found[name] = value
    return found
