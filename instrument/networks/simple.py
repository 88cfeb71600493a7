"""Styles to pictures the plain way: float32, one obvious line for each thing the papers say. All else is held against it.

Weights are modulated and demodulated for every picture (Karras et al. 2020, equations 1 to 3). Letters: N batch, I and O
channels, h w map size, R resolution.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from instrument.networks import stylegan3
from instrument.networks.stylegan2 import Colours, Convolution, Plan, Skip
from instrument.plugs import Bend


class Simple:
    """Runs a plan of StyleGAN2."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __call__(
        self, styles: Tensor, noise: Tensor | None, bend: Bend, fresh: bool = False, stages: int | None = None
    ) -> Tensor:
        """styles [N, total] -> pictures [N, 3, R, R], about -1..1.

        `noise` [layers] scales what was trained; `fresh` noise is drawn anew. The first `stages` blocks are run.
        """
        x, image = self.plan.const.expand(len(styles), -1, -1, -1), None
        strengths = iter(torch.zeros(self.plan.noisy, device=x.device) if noise is None else noise)
        for block in self.plan.blocks[:stages]:
            past = skipped(x, block.skip) if block.skip else None
            if block.first is None:
                x = bend("b4.const", x)
            else:
                x = bend(block.first.name, convolved(x, block.first, styles, next(strengths), fresh))  # [N, C, r, r]
            x = convolved(x, block.second, styles, next(strengths), fresh)
            x = bend(block.second.name, x if past is None else x + past)
            if image is not None:
                image = doubled(image, block.filter)
            if block.colours:
                colours = coloured(x, block.colours, styles)
                image = bend(block.colours.name, colours if image is None else image + colours)
        assert image is not None
        return image


def convolved(x: Tensor, layer: Convolution, styles: Tensor, noise: Tensor, fresh: bool) -> Tensor:
    """x [N, I, h, w] -> [N, O, h, w], or twice as large."""
    weight = layer.weight[None] * styles[:, None, layer.style, None, None]  # [N, O, I, 3, 3]
    weight = weight * (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    n, out, into = weight.shape[:3]
    x = x.reshape(1, n * into, *x.shape[2:])
    if layer.up is not None:
        weight = weight.transpose(1, 2).reshape(n * into, out, 3, 3)
        x = F.conv_transpose2d(x, weight, stride=2, groups=n)  # [1, N*O, 2h+1, 2w+1]
        x = smoothed(x, layer.up, 1)
    else:
        x = F.conv2d(x, weight.reshape(n * out, into, 3, 3), padding=1, groups=n)
    x = x.view(n, out, *x.shape[2:])  # [N, O, h, w]
    if layer.noise is not None and layer.strength is not None:
        grain = torch.randn_like(x[:, :1]) if fresh else layer.noise
        x = x + grain * (layer.strength * noise)
    x = F.leaky_relu(x + layer.bias[:, None, None], 0.2) * (math.sqrt(2) * layer.gain)
    return limited(x, layer.clamp * layer.gain)


def coloured(x: Tensor, layer: Colours, styles: Tensor) -> Tensor:
    """x [N, I, h, w] -> [N, 3, h, w]."""
    weight = layer.weight[None] * styles[:, None, layer.style]  # [N, 3, I]
    return limited(torch.einsum("noi,nihw->nohw", weight, x) + layer.bias[:, None, None], layer.clamp)


def skipped(x: Tensor, skip: Skip) -> Tensor:
    """x [N, I, h, w] -> [N, O, 2h, 2w], for the sum of two ways that shall be no louder than one."""
    return doubled(F.conv2d(x, skip.weight), skip.up) * math.sqrt(0.5)


def doubled(x: Tensor, taps: Tensor) -> Tensor:
    """x [N, C, h, w] at twice the size: zeros between the samples, smoothed."""
    n, channels, h, w = x.shape
    spread = x.new_zeros(n, channels, h, 2, w, 2)
    spread[:, :, :, 0, :, 0] = x
    return smoothed(F.pad(spread.view(n, channels, 2 * h, 2 * w), (2, 1, 2, 1)), taps, 0)


def smoothed(x: Tensor, taps: Tensor, padding: int) -> Tensor:
    """x [N, C, h, w] convolved with taps [4, 4], four times as loud, which makes up for the zeros that were put between."""
    channels = x.shape[1]
    kernel = (4 * taps.flip((0, 1))).expand(channels, 1, 4, 4)  # torch's convolution does not turn its kernel round
    return F.conv2d(x, kernel, padding=padding, groups=channels)


def limited(x: Tensor, clamp: float) -> Tensor:
    return x.clamp(-clamp, clamp) if clamp else x


class SimpleWaves:
    """Runs a plan of StyleGAN3 (Karras et al. 2021, section 3 and appendix C)."""

    def __init__(self, plan: stylegan3.Plan) -> None:
        self.plan = plan

    def __call__(self, styles: Tensor, transform: Tensor, bend: Bend) -> Tensor:
        """styles [N, total], transform [3, 3] -> pictures [N, 3, R, R], about -1..1."""
        x = bend("input", waves(self.plan.input, styles, transform))
        for step in self.plan.steps:
            x = bend(step.name, filtered(x, step, styles))
        return x * self.plan.gain


def waves(plan: stylegan3.Input, styles: Tensor, transform: Tensor) -> Tensor:
    """styles [N, total] -> [N, C, h, w]: sine waves, turned and shifted as the style and the transform say."""
    c, s, x, y = (styles[:, plan.style] / styles[:, plan.style][:, :2].norm(dim=1, keepdim=True)).unbind(1)  # each [N]
    zero, one = torch.zeros_like(c), torch.ones_like(c)
    turn = torch.stack([c, -s, zero, s, c, zero, zero, zero, one], 1).view(-1, 3, 3)
    shift = torch.stack([one, zero, -x, zero, one, -y, zero, zero, one], 1).view(-1, 3, 3)
    motion = turn @ shift @ transform  # [N, 3, 3]
    phases = plan.phases + (plan.frequencies @ motion[:, :2, 2:])[..., 0]  # [N, C]
    frequencies = plan.frequencies @ motion[:, :2, :2]  # [N, C, 2]
    sizes = plan.sizes
    heard = 1 - (frequencies.norm(dim=2) - sizes.band) / (sizes.rate / 2 - sizes.band)  # none that cannot be sampled
    at = (torch.arange(sizes.size, device=styles.device) + 0.5 - sizes.size / 2) / sizes.rate
    grid = torch.stack(torch.meshgrid(at, at, indexing="xy"), 2)  # [h, w, 2], x then y
    angle = torch.einsum("nck,hwk->nchw", frequencies, grid) + phases[:, :, None, None]
    loud = torch.sin(2 * math.pi * angle) * heard.clamp(0, 1)[:, :, None, None]
    return torch.einsum("oi,nihw->nohw", plan.mixed, loud)


def filtered(x: Tensor, layer: stylegan3.Layer, styles: Tensor) -> Tensor:
    """x [N, I, h, w] -> [N, O, H, W]."""
    sizes, style = layer.sizes, styles[:, layer.style]
    if sizes.colours:
        weight = layer.weight[None] * style[:, None, :, None, None]  # [N, O, I, k, k]
    else:
        style = style * style.square().mean(1, keepdim=True).rsqrt()
        weight = layer.weight[None] * style[:, None, :, None, None]
        weight = weight * (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    n, out, into = weight.shape[:3]
    weight = (weight * layer.loudness).view(n * out, into, sizes.kernel, sizes.kernel)
    x = F.conv2d(x.reshape(1, n * into, *x.shape[2:]), weight, padding=sizes.kernel - 1, groups=n)
    x = x.view(n, out, *x.shape[2:]) + layer.bias[:, None, None]
    x = resampled(x, layer.up, sizes.up, 1, sizes.padding)
    if not sizes.colours:
        x = F.leaky_relu(x, 0.2) * math.sqrt(2)
    x = limited(x, layer.clamp)
    return resampled(x, layer.down, 1, sizes.down, [0, 0, 0, 0])


def resampled(x: Tensor, taps: Tensor | None, up: int, down: int, padding: list[int]) -> Tensor:
    """x [N, C, h, w] `up` times as large, padded (or cropped, where padding is below 0), filtered, every `down`-th kept."""
    n, channels, h, w = x.shape
    if up > 1:
        spread = x.new_zeros(n, channels, h, up, w, up)
        spread[:, :, :, 0, :, 0] = x
        x = spread.view(n, channels, h * up, w * up)
    x = F.pad(x, padding)
    if taps is not None:
        kernel = taps.flip(tuple(range(taps.ndim))) * float(up) ** taps.ndim
        if kernel.ndim == 1:
            x = F.conv2d(x, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
            x = F.conv2d(x, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
        else:
            x = F.conv2d(x, kernel.expand(channels, 1, *kernel.shape), groups=channels)
    return x[:, :, ::down, ::down]
