"""StyleGAN3's styles to pictures with torch's public operations, arranged for speed; the same mathematics as in `simple`.

Maps lie channels-last. A filter of one axis that doubles is a transposed convolution, so no zeros are put between samples
and filtered away again; one that halves works out only what is kept. The activation's gain lies in the filter before it.
In float32 a convolution goes tile by tile where that is quicker (`tiles`).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from instrument.networks import tiles
from instrument.networks.stylegan3 import Input, Layer, Plan
from instrument.networks.tiles import Tiles
from instrument.plugs import Bend

LAST = torch.channels_last


class LeanWaves:
    """Runs a plan of StyleGAN3, its convolutions in `precision` and all else in float32, in which filters are faster."""

    def __init__(self, plan: Plan, precision: torch.dtype = torch.float32) -> None:
        self.waves = Waves(plan.input)
        sides = [plan.input.sizes.size, *(layer.sizes.size for layer in plan.steps)]
        self.steps = [
            (layer.name, Step(layer, precision, side)) for layer, side in zip(plan.steps, sides, strict=False)
        ]
        self.gain = plan.gain

    def __call__(self, styles: Tensor, transform: Tensor, bend: Bend) -> Tensor:
        """styles [N, total], transform [3, 3] -> pictures [N, 3, R, R], about -1..1."""
        x = bend("input", self.waves(styles, transform))
        for name, step in self.steps:
            x = bend(name, step(x, styles))
        return x * self.gain


class Waves:
    """The input: sine waves, turned and shifted as the style and the transform say."""

    def __init__(self, plan: Input) -> None:
        self.plan, sizes = plan, plan.sizes
        at = (torch.arange(sizes.size, device=plan.mixed.device) + 0.5 - sizes.size / 2) / sizes.rate
        self.grid = torch.stack(torch.meshgrid(at, at, indexing="xy"), 2).view(-1, 2)  # [h*w, 2], x then y

    def __call__(self, styles: Tensor, transform: Tensor) -> Tensor:
        """-> [N, C, h, w]."""
        plan, sizes = self.plan, self.plan.sizes
        style = styles[:, plan.style]
        c, s, x, y = (style / style[:, :2].norm(dim=1, keepdim=True)).unbind(1)  # each [N]
        turn = torch.stack([c, -s, s, c], 1).view(-1, 2, 2)
        shift = -turn @ torch.stack([x, y], 1)[:, :, None]  # [N, 2, 1]
        motion, offset = turn @ transform[:2, :2], turn @ transform[:2, 2:] + shift
        phases = plan.phases + (plan.frequencies @ offset)[..., 0]  # [N, C]
        frequencies = plan.frequencies @ motion  # [N, C, 2]
        heard = 1 - (frequencies.norm(dim=2) - sizes.band) / (
            sizes.rate / 2 - sizes.band
        )  # none that cannot be sampled
        angle = torch.baddbmm(phases[:, None], self.grid.expand(len(styles), -1, -1), frequencies.transpose(1, 2))
        mixed = plan.mixed.t() * heard.clamp(0, 1)[:, :, None]  # [N, C, O]
        found: Tensor = torch.sin(angle.mul_(2 * math.pi)) @ mixed  # [N, h*w, O]
        return found.view(len(styles), sizes.size, sizes.size, -1).permute(0, 3, 1, 2)


class Step:
    """One layer: [N, I, h, w] -> [N, O, H, W], of maps that come in with `size` rows."""

    def __init__(self, layer: Layer, precision: torch.dtype, size: int) -> None:
        sizes = layer.sizes
        self.style, self.clamp, self.colours = layer.style, layer.clamp, sizes.colours
        self.bias = layer.bias
        self.square = layer.weight.square().sum((2, 3)).t().contiguous()  # [I, O]
        weight = (layer.weight * layer.loudness).contiguous(memory_format=LAST)  # [O, I, k, k]
        self.on_tiles = None
        if tiles.pay(weight, None, precision, size):
            self.on_tiles = Tiles(weight, padding=sizes.kernel - 1)
        else:
            self.weight, self.rounded = weight, weight.to(precision)
        self.padding, self.numbers = sizes.kernel - 1, layer.weight.numel() // layer.weight.shape[1]
        gain = 1.0 if sizes.colours else math.sqrt(2)
        self.up = Up(layer.up, sizes.up, sizes.padding, len(layer.weight), gain)
        self.down = Down(layer.down, sizes.down, len(layer.weight))

    def __call__(self, x: Tensor, styles: Tensor) -> Tensor:
        x = self.up(self.convolved(x, styles[:, self.style]))
        x = x if self.colours else F.leaky_relu_(x, 0.2)
        return self.down(x.clamp_(-self.clamp, self.clamp) if self.clamp else x)

    def convolved(self, x: Tensor, style: Tensor) -> Tensor:
        loudness = torch.ones_like(self.bias).expand(len(x), -1)  # [N, O]
        if not self.colours:
            style = style * style.square().mean(1, keepdim=True).rsqrt()
            loudness = (style.square() @ self.square + 1e-8).rsqrt()
        if self.on_tiles:
            return self.on_tiles(x, style, loudness, self.bias)
        kind = self.rounded.dtype
        if len(x) == 1 and x.shape[2] * x.shape[3] > self.numbers:
            weight = self.weight * style[0, :, None, None] * loudness[0, :, None, None, None]
            return F.conv2d(x.to(kind), weight.to(kind), self.bias.to(kind), padding=self.padding).float()
        x = F.conv2d((x * style[:, :, None, None]).to(kind), self.rounded, padding=self.padding).float()
        return x.mul_(loudness[:, :, None, None]).add_(self.bias[:, None, None])


class Up:
    """`up` times as large, filtered, padded or cropped."""

    def __init__(self, taps: Tensor | None, up: int, padding: list[int], channels: int, gain: float) -> None:
        self.up, self.across, self.padding = up, None, padding
        if taps is not None:
            # what the taps reach beyond the samples is there already, and is less than is asked for, or to be cropped
            before, after = len(taps) - 1, len(taps) - up
            self.padding = [side - there for side, there in zip(padding, [before, after] * 2, strict=True)]
            across = (taps * (up * gain)).view(1, 1, 1, -1).expand(channels, 1, 1, -1).contiguous()
            self.across, self.along = across, (across / gain).transpose(2, 3).contiguous()
        elif gain != 1:
            raise ValueError("a layer with an activation has a filter before it")

    def __call__(self, x: Tensor) -> Tensor:
        if self.across is not None:
            x = F.conv_transpose2d(x, self.across, stride=(1, self.up), groups=len(self.across))
            x = F.conv_transpose2d(x, self.along, stride=(self.up, 1), groups=len(self.along))
        return F.pad(x, self.padding) if any(self.padding) else x


class Down:
    """Filtered, and of the samples every `down`-th worked out."""

    def __init__(self, taps: Tensor | None, down: int, channels: int) -> None:
        self.down, self.filters = down, list[tuple[Tensor, tuple[int, int]]]()
        if taps is not None and taps.ndim == 1:
            across = taps.flip(0).view(1, 1, 1, -1).expand(channels, 1, 1, -1).contiguous()
            self.filters = [(across, (1, down)), (across.transpose(2, 3).contiguous(), (down, 1))]
        elif taps is not None:
            both = taps.flip((0, 1)).expand(channels, 1, *taps.shape).contiguous()
            self.filters = [(both, (down, down))]

    def __call__(self, x: Tensor) -> Tensor:
        for weight, stride in self.filters:
            x = F.conv2d(x, weight, stride=stride, groups=len(weight))
        return x if self.filters or self.down == 1 else x[:, :, :: self.down, :: self.down]
