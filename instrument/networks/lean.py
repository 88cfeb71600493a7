"""Styles to pictures with torch's public operations, arranged for speed: the default wherever nothing better is known.

The same mathematics as in `simple`, with differences that only change the order of sums. Maps lie channels-last. A
style is put on the weights or on the maps, whichever are fewer: y = d · conv(x · s, W), d = 1 / ‖W · s‖. The activation's
gain is put into d, bias and noise, which a leaky rectifier lets pass. What scales a doubled map is put into its filter.
Weights that stay as they are are laid out for the processor once, where torch can (`onednn`). In float32 a convolution goes
tile by tile where that is quicker (`tiles`), and colours are put on the picture in one go (`colouring`).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from instrument.networks import colouring, onednn, tiles
from instrument.networks.colouring import Colouring
from instrument.networks.stylegan2 import Block, Colours, Convolution, Plan, Skip
from instrument.networks.tiles import Tiles
from instrument.plugs import Bend

LAST = torch.channels_last
SLOPE = 0.2  # of the activation below zero


class Lean:
    """Runs a plan of StyleGAN2, its maps in `precision`; styles and the picture are float32."""

    def __init__(self, plan: Plan, precision: torch.dtype = torch.float32) -> None:
        self.const = plan.const[None].to(precision).contiguous(memory_format=LAST)
        size = plan.const.shape[-1]
        self.stages = [Stage(block, precision, size << max(i - 1, 0)) for i, block in enumerate(plan.blocks)]

    def __call__(
        self, styles: Tensor, noise: Tensor | None, bend: Bend, fresh: bool = False, stages: int | None = None
    ) -> Tensor:
        """styles [N, total] -> pictures [N, 3, R, R], about -1..1.

        `noise` [layers] scales what was trained; `fresh` noise is drawn anew. The first `stages` blocks are run.
        """
        x, image = self.const.expand(len(styles), -1, -1, -1), None
        for i, stage in enumerate(self.stages[:stages]):
            strengths = None if noise is None else noise[max(2 * i - 1, 0) : 2 * i + 1]
            x, image = stage(x, image, styles, strengths, fresh, bend)
        assert image is not None
        return image


class Stage:
    """What happens at one size, to maps that come in with `size` rows."""

    def __init__(self, block: Block, precision: torch.dtype, size: int) -> None:
        self.first = Conv(block.first, precision, size) if block.first else None
        self.second = Conv(block.second, precision, 2 * size if block.first else size)
        self.name = block.first.name if block.first else "b4.const"
        self.skip = Past(block.skip, precision) if block.skip else None
        self.colours = ToColours(block.colours, block.filter, precision) if block.colours else None
        self.colour_name = block.colours.name if block.colours else ""
        self.second_name = block.second.name

    def __call__(
        self, x: Tensor, image: Tensor | None, styles: Tensor, noise: Tensor | None, fresh: bool, bend: Bend
    ) -> tuple[Tensor, Tensor | None]:
        past = self.skip(x) if self.skip else None
        x = bend(self.name, self.first(x, styles, None if noise is None else noise[0], fresh) if self.first else x)
        x = self.second(x, styles, None if noise is None else noise[-1], fresh)
        x = bend(self.second_name, x if past is None else past.add_(x))
        if self.colours:
            image = bend(self.colour_name, self.colours(x, styles, image))
        return x, image


class Conv:
    """A styled 3×3 convolution [N, I, h, w] -> [N, O, h, w], or twice as large."""

    def __init__(self, layer: Convolution, precision: torch.dtype, size: int) -> None:
        out, into = layer.weight.shape[:2]
        gain = math.sqrt(2) * layer.gain
        self.style, self.clamp = layer.style, layer.clamp * layer.gain
        self.square = layer.weight.square().sum((2, 3)).t().contiguous() / gain**2  # [I, O]
        self.epsilon = layer.weight.new_full((1,), 1e-8 / gain**2)
        self.bias = (layer.bias * gain).to(precision)
        self.noise = None if layer.noise is None else layer.noise.reshape(1, -1)  # [1, h*w]
        self.strength = None if layer.strength is None else layer.strength * gain
        self.on_tiles = None
        if tiles.pay(layer.weight, layer.up, precision, size):
            self.on_tiles = Tiles(layer.weight, layer.up, slope=SLOPE, clamp=self.clamp)
            return
        self.ones = torch.ones(1, out, dtype=precision, device=layer.weight.device)
        self.up = None if layer.up is None else (4 * layer.up.flip((0, 1))).expand(out, 1, 4, 4).contiguous()
        turned = layer.weight if layer.up is None else layer.weight.transpose(0, 1)  # to double, [I, O, 3, 3]
        few = size**2 > turned.numel() // into  # weights, next to the numbers of a map
        weight = turned.contiguous(memory_format=LAST) if few else turned
        self.weight = weight if few else None
        conv = onednn.convolution if layer.up is None else onednn.doubling
        self.on_map = conv(weight.to(precision), None if few else size)

    def __call__(self, x: Tensor, styles: Tensor, noise: Tensor | None, fresh: bool) -> Tensor:
        style = styles[:, self.style]  # [N, I]
        loudness = torch.addmm(self.epsilon, style.square(), self.square).rsqrt_()  # [N, O], the gain in it
        rows, strength = self.grain(len(x), noise, fresh)
        if self.on_tiles:
            return self.on_tiles(x, style, loudness, self.bias, rows, strength)
        if len(x) == 1 and self.weight is not None:
            x = self.on_weights(x, self.weight, style[0], loudness[0])
        else:
            x = self.on_maps(x, style, loudness)
        if rows is not None and strength is not None:
            x = self.grained(x, rows, strength)
        x = F.leaky_relu_(x, SLOPE)
        return x.clamp_(-self.clamp, self.clamp) if self.clamp else x

    def on_weights(self, x: Tensor, weight: Tensor, style: Tensor, loudness: Tensor) -> Tensor:
        if self.up is None:
            weight = weight * torch.outer(loudness, style)[..., None, None]
            return F.conv2d(x, weight.to(x.dtype), self.bias, padding=1)
        x = F.conv_transpose2d(x, (weight * style.view(-1, 1, 1, 1)).to(x.dtype), stride=2)  # [1, O, 2h+1, 2w+1]
        return self.smoothed(x, loudness)

    def on_maps(self, x: Tensor, style: Tensor, loudness: Tensor) -> Tensor:
        x = self.on_map(x * style.to(x.dtype)[..., None, None])  # [N, O, h, w] or [N, O, 2h+1, 2w+1]
        if self.up is not None and len(x) == 1:
            return self.smoothed(x, loudness[0])
        if self.up is not None:
            x = F.conv2d(x, self.up.to(x.dtype), padding=1, groups=len(self.up))  # [N, O, 2h, 2w]
        return torch.addcmul(self.bias[:, None, None], x, loudness.to(x.dtype)[..., None, None])

    def smoothed(self, x: Tensor, loudness: Tensor) -> Tensor:
        """x [1, O, 2h+1, 2w+1] -> [1, O, 2h, 2w], so loud, and the bias added."""
        assert self.up is not None
        taps = (self.up * loudness.view(-1, 1, 1, 1)).to(x.dtype)
        return F.conv2d(x, taps, self.bias, padding=1, groups=len(taps))

    def grain(self, count: int, noise: Tensor | None, fresh: bool) -> tuple[Tensor | None, Tensor | None]:
        """Noise for so many pictures [N or 1, h*w], each picture's own where it is fresh, and how strong it is; or none."""
        if noise is None or self.noise is None or self.strength is None:
            return None, None
        rows = self.noise.new_empty(count, self.noise.shape[1]).normal_() if fresh else self.noise
        return rows, (self.strength * noise).float()

    def grained(self, x: Tensor, rows: Tensor, strength: Tensor) -> Tensor:
        """x [N, O, h, w] with noise added."""
        flat = x.permute(0, 2, 3, 1).flatten(1, 2)  # [N, h*w, O], a view
        for maps, grain in zip(flat, (rows * strength).expand(len(x), -1)[..., None], strict=True):
            if x.dtype == torch.float32:
                maps.add_(grain)
            else:  # a product: to add a column to each is slow in bfloat16
                maps.addmm_(grain.to(x.dtype), self.ones)
        return x


class ToColours:
    """A block's colours: a styled 1×1 convolution [N, I, h, w] -> [N, 3, h, w], and the picture so far, doubled."""

    def __init__(self, layer: Colours, up: Tensor, precision: torch.dtype) -> None:
        self.weight, self.bias, self.style, self.clamp = layer.weight, layer.bias, layer.style, layer.clamp
        self.filter = 4 * up.expand(len(layer.weight), 1, 4, 4).contiguous()
        self.at_once = None
        if precision == torch.float32 and up.device.type == "cpu" and colouring.there_is():
            self.at_once = Colouring(layer.weight, layer.bias, layer.clamp, up)

    def __call__(self, x: Tensor, styles: Tensor, image: Tensor | None) -> Tensor:
        if image is None:
            return self.coloured(x, styles)
        if self.at_once:
            return self.at_once(x, styles[:, self.style], image)
        image = F.conv_transpose2d(image, self.filter, stride=2, padding=1, groups=len(self.filter))
        return self.coloured(x, styles).add_(image)

    def coloured(self, x: Tensor, styles: Tensor) -> Tensor:
        weight = (self.weight * styles[:, None, self.style]).to(x.dtype)  # [N, 3, I]
        flat = x.permute(0, 2, 3, 1).flatten(1, 2)  # [N, h*w, I], a view
        if len(x) == 1:
            colours = onednn.linear(flat, weight[0], self.bias.to(x.dtype)).float()  # [1, h*w, 3]
        else:
            colours = (flat @ weight.transpose(1, 2)).float().add_(self.bias)
        colours = colours.view(len(x), *x.shape[2:], -1).permute(0, 3, 1, 2)
        return colours.clamp_(-self.clamp, self.clamp) if self.clamp else colours


class Past:
    """The way past a block of the resnet [N, I, h, w] -> [N, O, 2h, 2w]."""

    def __init__(self, skip: Skip, precision: torch.dtype) -> None:
        self.weight = (skip.weight * math.sqrt(0.5)).to(precision).contiguous(memory_format=LAST)
        self.filter = (4 * skip.up).to(precision).expand(len(skip.weight), 1, 4, 4).contiguous()

    def __call__(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(F.conv2d(x, self.weight), self.filter, stride=2, padding=1, groups=len(self.weight))
