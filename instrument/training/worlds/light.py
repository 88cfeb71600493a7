"""Light that adds up: what the worlds are drawn with."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def oklch(lightness: Tensor, chroma: Tensor, hue: Tensor) -> Tensor:
    """Linear sRGB [..., 3], not negative, of a colour in OkLCh (Ottosson 2020); hue in radians."""
    a, b = chroma * hue.cos(), chroma * hue.sin()
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short
    return torch.stack([red, green, blue], -1).clamp_min(0)


# hues in OkLCh of red, yellow, green, cyan, blue, magenta, red
WHEEL = (29.2, 109.8, 142.5, 194.8, 264.1, 328.4, 389.2)


def wheel(place: Tensor) -> Tensor:
    """The hue in OkLCh, in radians, of a place 0..1 on the painter's wheel, where all six colours have a sixth.

    Even steps of OkLCh's own hue would make half of all pictures red or blue.
    """
    stops = torch.tensor(WHEEL, device=place.device) * (math.pi / 180)
    sixth = (place * 6).clamp(0, 5.9999)
    below = sixth.long()
    return torch.lerp(stops[below], stops[below + 1], sixth - below)


def shared_light(x: Tensor, y: Tensor, colour: Tensor, size: int) -> Tensor:
    """Points at x, y [N, P] (sides of the picture at -0.5 and 0.5) with colour [N, P, 3], added up in [N, 3, size, size].

    Points outside are lost.
    """
    column, row = ((x + 0.5) * size).long(), ((y + 0.5) * size).long()
    inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    where = torch.where(inside, row * size + column, size * size)
    picture = x.new_zeros(len(x), size * size + 1, 3)
    picture.scatter_add_(1, where[..., None].expand(-1, -1, 3), colour)
    return picture[:, :-1].view(len(x), size, size, 3).permute(0, 3, 1, 2)


def bloomed(light: Tensor, oversampled: int) -> Tensor:
    """Light [N, 3, H, W], made smaller by `oversampled`, with the glow of a lens and a film's answer: 0..1."""
    light = F.avg_pool2d(light, oversampled)
    pixel = light.shape[-1] / 256  # sizes are those at 256 px
    light = blurred(light, 0.6 * max(1.0, pixel)) if pixel >= 1 else blurred(light, 0.45)
    light = light + 0.35 * blurred(light, 6 * pixel) + 0.2 * blurred(light, 20 * pixel)
    bright = light.amax(1, keepdim=True)  # [N, 1, H, W]
    white = bright.flatten(1).quantile(0.99, dim=1).clamp_min(1e-12)[:, None, None, None]
    light, bright = light / white, bright / white
    toned = torch.log1p(14 * bright) / math.log(15)
    colour = light / bright.clamp_min(1e-12) * toned
    over = (toned - 1).clamp(0, 1)
    colour = colour * (1 - over) + over  # what is brighter than film can show turns white
    colour = colour + (toned - 0.8).clamp(0, 1) * 0.5 * (1 - colour)
    return colour.clamp(0, 1) ** (1 / 1.25)


def blurred(picture: Tensor, sigma: float) -> Tensor:
    """picture [N, C, H, W] under a Gaussian of `sigma` pixels; black around it."""
    reach = math.ceil(3 * sigma)
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=picture.device) / sigma) ** 2)
    taps = (taps / taps.sum()).to(picture.dtype).expand(picture.shape[1], 1, 1, -1)
    picture = F.conv2d(picture, taps, padding=(0, reach), groups=picture.shape[1])
    return F.conv2d(picture, taps.transpose(2, 3), padding=(reach, 0), groups=picture.shape[1])
