"""Liquid: silk and chrome, a surface folded by waves that are carried by other waves, under one lamp from above left.

All pictures are one cloth, in other folds: eight currents move its thirty waves, each a little way from where it is at rest.
Waves at any place make a texture that no network has learnt from pairs (tried: after 20,000 pictures all had the same folds).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from instrument.training.worlds.light import blurred, oklch, wheel

LOOK = (
    "cloth",  # a film with soft hills, to folded silk
    "scale",  # few large folds to many small ones
    "warp",  # how far the first waves carry the second
    "fold",  # how far the second carry the third
    "bands",  # folds in a wave
    "height",  # flat to deep relief
    "gloss",  # satin to chrome
    "hue",  # all round
    "span",  # of hues over the relief, either way
    "lightness",  # dark to pale
    "chroma",  # steel, for a few, to saturated
    "film",  # iridescence where the surface turns away
    "shadow",  # none, for a third, to deep pools
)
WAVES = ((1, 0), (0, 1), (1, 1), (1, -1), (2, 1), (1, 2))  # periods across the picture and down it
FIELDS = ("carry x", "carry y", "bend x", "bend y", "relief")
CURRENTS = 8
FACTORS = (*LOOK, *(f"current {n + 1}" for n in range(CURRENTS)))
"""What a picture is made of: its look, and what moves the waves of five fields. Each factor is uniform in 0..1."""

GOLDEN = (math.sqrt(5) - 1) / 2
REST = 0.3  # where the first wave is at rest, in its lengths; each other one a golden section further
SWAY = 0.12  # how far a current moves a wave at most from one end of its factor to the other, in its lengths

LAMP = (-0.53, -0.53, 0.66)


@torch.no_grad()
def render(factors: Tensor, resolution: int) -> Tensor:
    """factors [N, 21] in 0..1 -> pictures [N, 3, R, R] in 0..1, on the same device.

    The same factors give the same picture on one device; between devices it differs in the last bits.
    """
    size = 2 * resolution
    look = dict(zip(LOOK, factors[:, : len(LOOK), None, None].unbind(1), strict=True))  # each [N, 1, 1]
    phases = flow(factors[:, len(LOOK) :])[..., None, None]  # [N, 5, 6, 1, 1]
    side = (torch.arange(size, device=factors.device) + 0.5) / size - 0.5
    scale = 0.75 + 0.6 * look["scale"]
    y, x = side[:, None] * scale, side[None, :] * scale  # [N, size, 1], [N, 1, size]
    x, y = torch.broadcast_tensors(x, y)
    carry, bend = 0.05 + 0.09 * look["warp"], 0.06 + 0.10 * look["fold"]
    carry_x, carry_y = (carry * waves(x, y, phases[:, n]) for n in (0, 1))
    bend_x, bend_y = (waves(x + carry_x, y + carry_y, phases[:, n]) for n in (2, 3))
    relief = waves(x + bend * bend_x, y + bend * bend_y, phases[:, 4])
    turn = relief * (0.9 + 1.5 * look["bands"]) + 0.8 * bend_x
    cloth = turn.sin() + 0.35 * (2.7 * turn + bend_y).sin()
    height = torch.lerp(1.2 * relief, cloth, look["cloth"])  # [N, size, size]
    return lit(height, turn, bend_x, look)


def flow(currents: Tensor) -> Tensor:
    """Currents [N, 8] in 0..1 -> where each wave of each field is, in its lengths [N, 5, 6]."""
    wave = torch.arange(len(FIELDS) * len(WAVES), device=currents.device)
    current = torch.arange(1, CURRENTS + 1, device=currents.device)
    carried = torch.cos(math.tau * GOLDEN * (wave[:, None] + 1) * current)  # [30, 8]
    phases = REST + GOLDEN * wave + SWAY * (currents - 0.5) @ carried.T
    return phases.view(len(currents), len(FIELDS), len(WAVES))


def waves(x: Tensor, y: Tensor, phases: Tensor) -> Tensor:
    """A smooth field [N, h, w] of deviation 1 at x, y: a sum of plane waves, longer ones stronger; phases [N, 6, 1, 1]."""
    total, power = torch.zeros_like(x), 0.0
    for n, (across, down) in enumerate(WAVES):
        strength = math.hypot(across, down) ** -1.3
        total = total + strength * torch.cos(math.tau * (across * x + down * y + phases[:, n]))
        power += strength**2 / 2
    return total / math.sqrt(power)


def lit(height: Tensor, turn: Tensor, drift: Tensor, look: dict[str, Tensor]) -> Tensor:
    """A relief [N, h, w] under the lamp, as pictures [N, 3, h/2, w/2]."""
    size = height.shape[-1]
    deep = (0.04 + 0.11 * look["height"]) * size
    slope_y, slope_x = torch.gradient(height, dim=(1, 2))
    x, y = -slope_x * deep, -slope_y * deep
    up = (1 + x * x + y * y).rsqrt()
    lamp = torch.tensor(LAMP, device=height.device)
    lamp, half = lamp / lamp.norm(), lamp / lamp.norm() + torch.tensor([0.0, 0.0, 1.0], device=height.device)
    half = half / half.norm()
    light = ((x * lamp[0] + y * lamp[1] + lamp[2]) * up).clamp(0, 1)
    shine = ((x * half[0] + y * half[1] + half[2]) * up).clamp(0, 1) ** (12 + 60 * look["gloss"])
    away = (1 - up) ** 1.5  # where the surface turns away, as a mirror gets stronger
    key = 0.5 + 0.5 * (turn * 0.6 + drift).sin()
    span = 4.0 * look["span"] - 2.0
    hue = wheel(look["hue"]) + span * (key - 0.5) * 1.6 + away * span
    chroma = 0.04 + 0.17 * (4 * look["chroma"]).clamp(0, 1)
    lightness = 0.3 + 0.16 * look["lightness"] + 0.4 * light * (0.6 + 0.4 * key)
    body = oklch(lightness, chroma * (0.5 + light).clamp(0, 1), hue) * (0.3 + 0.9 * light)[..., None]
    film = oklch(
        torch.full_like(hue, 0.62), torch.full_like(hue, 0.16), wheel(look["hue"]) + 2.2 + 4 * away + 0.6 * turn
    )
    colour = (
        body + film * (away * look["film"])[..., None] + shine[..., None] * (0.25 + 0.75 * look["gloss"])[..., None]
    )
    pool = torch.sigmoid(2.4 * (drift + 1.6 - 2.6 * ((look["shadow"] - 0.33) / 0.67).clamp_min(0)))
    colour = colour * (0.05 + 0.95 * pool)[..., None]
    picture = F.avg_pool2d(colour.permute(0, 3, 1, 2), 2)
    picture = picture + 0.7 * blurred((picture - 0.6).clamp_min(0), 5 * size / 512)
    return (picture / (1 + 0.3 * picture) * 1.2).clamp(0, 1) ** (1 / 2.1)
