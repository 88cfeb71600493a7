"""Blooms: x-ray flowers on black, as light that gathers where petals overlap and fold.

Each flower is a few layers of petals (a polar rose lifted into space), stamens and tentacles, always with a petal at
twelve o'clock and always as large as the picture allows: what a network has to learn is the flower, not where it is.

No factor makes a picture jump: a new petal opens at six o'clock, layers fade in, tentacles grow. So every one of them is a
fader that a network can learn to follow.
"""

import math

import torch
from torch import Tensor

from instrument.training.worlds.light import bloomed, oklch, shared_light, wheel

FACTORS = (
    "petals",  # 5, 6, 7 or 8 in a layer, and sometimes one about to open
    "tilt",  # seen from above, to 60 degrees
    "layers",  # 2 to 4
    "cup",  # from a plate to a goblet
    "twist",  # the petals lean to the left or to the right
    "point",  # round petals to pointed ones
    "notch",  # none, for half of all flowers, to deep, at the tip
    "ruffle",  # none, for a third, to wavy
    "waves",  # 2 to 5 on a petal
    "weight",  # light all over the petal, or only at its edge
    "veins",  # none, for half, to engraved
    "rings",  # none, for half, to engraved
    "rim",  # how bright the outline is
    "hue",  # of the heart, all round
    "span",  # from the heart's hue to the tips', either way
    "lightness",  # dark to pale
    "fade",  # the tips darker or paler than the heart
    "chroma",  # pastel, for a few, to saturated
    "accent",  # none, for two in five, to tips of another colour
    "stamens",  # none, for a third, to a crown
    "reach",  # of the stamens
    "tentacles",  # none, for most, to a jellyfish's
    "inner",  # how much smaller each layer is than the one below
)
"""What a picture is made of. Each factor is uniform in 0..1."""

TILT, LAYERS = 1.05, 4  # at most, in radians and in number
EXTENT = 0.455  # of the picture, from its middle to the outermost light
POINTS = 4.0  # for each pixel and layer


@torch.no_grad()
def render(factors: Tensor, resolution: int) -> Tensor:
    """factors [N, 23] in 0..1 -> pictures [N, 3, R, R] in 0..1, on the same device.

    The same factors give the same picture on one device; between devices it differs in the last bits.
    """
    size = 2 * resolution
    f = dict(zip(FACTORS, factors[:, :, None].unbind(1), strict=True))  # each [N, 1]
    tilt, layers, count = TILT * f["tilt"], 2 + (LAYERS - 2) * f["layers"], 5 + stairs(f["petals"], 4)
    clouds = [petals(f, layer, count, layers, round(POINTS * size * size / 2)) for layer in range(LAYERS)]
    clouds.append(threads(f, round(size * size / 2)))
    x, y, z, colour, weight = (torch.cat(parts, 1) for parts in zip(*clouds, strict=True))
    # seen from in front and above: turned about the horizontal axis, with a mild perspective
    y, z = tilt.cos() * y - tilt.sin() * z, tilt.sin() * y + tilt.cos() * z
    depth = 3.2 / (3.2 - z)
    x, y = framed(x * depth, y * depth, weight > 0)
    return bloomed(shared_light(x, y, colour * weight[..., None], size), 2)


def petals(f: dict[str, Tensor], layer: int, count: Tensor, layers: Tensor, points: int) -> tuple[Tensor, ...]:
    """A layer of petals as points: x, y, z [N, P], colour [N, P, 3], weight [N, P]. Layer 0 is the outermost."""
    radial, around = sequence(points, f["cup"].device)
    a, theta = radial.sqrt(), (around - 0.5) * math.tau  # [1, P], uniform over the disc; 0 is twelve o'clock
    up = (layer / (layers - 1)).clamp_max(1)  # 0 for the outermost, 1 for the innermost
    # every other layer stands between the petals of the one below; left and right agree, so that they meet at six o'clock
    petal = count * theta.abs() + layer * math.pi
    middle = (petal / 2).cos().abs()  # 1 in the middle of a petal, 0 between two
    notch = ramp(f["notch"], 0.5) * 0.45 * torch.exp(-(((middle - 1) / 0.1) ** 2))
    radius = middle.clamp_min(1e-4) ** (0.3 + 1.1 * f["point"]) * (1 - notch * a**4)
    size = (0.62 + 0.26 * f["inner"]) ** layer
    r = a * radius * size
    cup = (1.3 * f["cup"] - 0.15) * (0.6 + 0.6 * up)
    ruffle = 0.11 * ramp(f["ruffle"], 0.35) * torch.cos((2 + 3 * f["waves"]) * petal) * a**2
    z = (cup * a**1.8 * 0.85 + ruffle) * size + 0.06 * layer
    # a petal that stands up comes nearer to the axis
    r = r * (1 - 0.42 * cup.clamp_min(0) * a)
    angle = theta + (2.2 * f["twist"] - 1.1) * a * 0.6
    light = 0.12 + 1.1 * a ** (0.6 + 2.4 * f["weight"]) + (0.2 + 1.0 * f["rim"]) * torch.exp(-(((1 - a) / 0.035) ** 2))
    engraved = torch.cos(petal * 6).clamp_min(0) ** 6 * 3.2
    light = light * torch.lerp(torch.ones_like(engraved), engraved, 0.75 * ramp(f["veins"], 0.5))
    rings = torch.cos(a * math.tau * 9).clamp_min(0) ** 4 * 2.7
    light = light * torch.lerp(torch.ones_like(light), rings, 0.75 * ramp(f["rings"], 0.5))
    weight = light * (layers - layer).clamp(0, 1) * size / layers * (1 + 0.35 * up)
    t = 0.1 + 0.75 * a * (1 - 0.3 * up) + 0.08 * (1 - middle)
    return r * angle.sin(), -r * angle.cos(), z, colours(f, t), weight / points


def threads(f: dict[str, Tensor], points: int) -> tuple[Tensor, ...]:
    """Stamens that rise from the heart and tentacles that hang below it, as points like those of petals."""
    along, which = sequence(points, f["cup"].device)
    index = (which * 48).floor()  # of 24 stamens, then of 24 tentacles
    hangs = index >= 24
    golden = (index * 0.618034) % 1
    angle = (index % 24) * math.tau / 24
    curl = torch.sin(6 * along + index * 12.9898)
    grown = torch.where(hangs, ramp(f["tentacles"], 0.6), ramp(f["stamens"], 0.35))
    reach = (0.18 + 0.3 * f["reach"]) * grown
    hanging = (0.12 + 0.3 * golden.sqrt()) * (0.2 + 0.8 * grown) + 0.04 * curl * along * grown
    r = torch.where(hangs, hanging, reach * along**0.8 * (0.6 + 0.4 * golden))
    z = torch.where(
        hangs, -(0.1 + (0.65 + 0.65 * f["reach"]) * along) * grown, 0.15 + 0.7 * reach * along + 0.02 * curl
    )
    # a bead at the end of each stamen, tentacles that fade
    weight = (4 * grown).clamp(0, 1) * torch.where(hangs, 0.16 * (1 - along), 0.10 + 0.75 * (along > 0.94))
    return r * angle.sin(), -r * angle.cos(), z, colours(f, 1 - 0.8 * along + 0 * reach), weight / points


def colours(f: dict[str, Tensor], t: Tensor) -> Tensor:
    """Linear colour [N, P, 3] at t (0 heart, 1 tip)."""
    t = t.clamp(0, 1)
    span = 5.0 * f["span"] - 2.5
    hue = wheel(f["hue"]) + span * (t - 0.4)
    hue = hue + ramp(f["accent"], 0.4) * 2.8 * ((t - 0.45) / 0.4).clamp(0, 1)
    lightness = (0.48 + 0.22 * f["lightness"] + (0.75 * f["fade"] - 0.3) * (t - 0.5)).clamp(0.32, 0.9)
    chroma = 0.03 + 0.17 * (f["chroma"] * 4).clamp(0, 1)
    return oklch(lightness, chroma.expand_as(t), hue)


def framed(x: Tensor, y: Tensor, lit: Tensor) -> tuple[Tensor, Tensor]:
    """The points x, y [N, P] moved and scaled until what is lit fills the picture, whose sides are at -0.5 and 0.5."""
    nowhere = torch.inf
    low, high = torch.where(lit, y, nowhere).amin(1, True), torch.where(lit, y, -nowhere).amax(1, True)
    half = torch.maximum((high - low) / 2, torch.where(lit, x.abs(), 0).amax(1, True))
    return x * (EXTENT / half), (y - (low + high) / 2) * (EXTENT / half)


def stairs(factor: Tensor, steps: int) -> Tensor:
    """0 to `steps` - 1: each for an equal part of 0..1, with a smooth rise between two, over two fifths of a part."""
    place = (factor * steps - 0.5).clamp(0, steps - 1)
    rise = ((place - place.floor() - 0.3) / 0.4).clamp(0, 1)
    return place.floor() + rise**3 * (10 - 15 * rise + 6 * rise**2)


def ramp(factor: Tensor, none: float) -> Tensor:
    """0 for the share `none` of all factors, from there rising to 1."""
    return ((factor - none) / (1 - none)).clamp_min(0)


def sequence(points: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Points [1, P] that fill the unit square evenly: the R2 sequence (Roberts 2018, "Unreasonable effectiveness")."""
    n = torch.arange(points, dtype=torch.float64)[None]  # not on the device: some cannot count so finely
    one, other = ((0.5 + n * step) % 1 for step in (0.7548776662466927, 0.5698402909980532))
    return one.float().to(device), other.float().to(device)
