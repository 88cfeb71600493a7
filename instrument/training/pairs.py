"""Pairs: a world knows what each picture is made of, so a point of the latent space can be told which picture is its own.

Each factor of the world becomes one axis of z. Random points are random factors then, the whole world is covered from
the first minute on, and every factor is a fader of the finished model.

Measured at 64 px: petals are there after 15 thousand pictures, where a judge alone has blobs after 50. Three things make
that so. The mapping network learns hundreds of times faster than a judged one may, because it has to learn what the
factors mean; the axes that say nothing begin silent; and trained eyes compare the pictures besides the plain difference.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from instrument.training.features import Features, apart

FREE = 16  # axes of z at least that say nothing: they take up what its length has left
GRAIN = 0.006  # of an activation's usual size: more blurs the edges of petals
WINDOW = 128  # px that trained eyes look at
LEVELS = 4  # sizes that pictures are compared at, each half of the one before


def width(count: int) -> int:
    """How many axes z is to have for so many factors."""
    return -(-(count + FREE) // 8) * 8


def attentive(weights: dict[str, Tensor], count: int) -> None:
    """Let the first layer of a fresh mapping network hear the first `count` axes of z alone.

    Noise is no factor, so no pair teaches how much of it there is to be: its strengths are set, to a grain that is just
    seen, and it is left out while pairs are learnt.
    """
    first = weights["mapping.fc0.weight"]  # [w_dim, z_dim]
    first[:, :count] *= (first.shape[1] / count) ** 0.5
    first[:, count:] = 0
    for name, weight in weights.items():
        if name.endswith("noise_strength"):
            weight.fill_(GRAIN)


def placed(factors: Tensor, width: int) -> Tensor:
    """Factors [N, F] in 0..1 -> points z [N, width] whose first F numbers say them, all of the same length.

    A factor is the share of the normal distribution below its axis. The other numbers are random, and scaled so that
    the length of z, which the mapping network takes away, is the square root of `width`, as it mostly is.
    """
    told = torch.special.ndtri(factors.clamp(0.001, 0.999))  # [N, F]
    rest = torch.randn(len(factors), width - factors.shape[1], device=factors.device)
    left = (width - told.square().sum(1, keepdim=True)).clamp_min(1.0)
    return torch.cat([told, rest * (left / rest.square().sum(1, keepdim=True)).sqrt()], 1)


def between(w: Tensor, pairs: int) -> Tensor:
    """w [N, w_dim] with all but the first `pairs` of them moved towards another, each some of the way.

    No picture is known for what lies between, so those are for the judge: walks lead through there, and truncation.
    """
    told, rest = w.tensor_split([pairs])
    return torch.cat([told, rest.lerp(rest.roll(1, 0), torch.rand(len(rest), 1, device=w.device))])


def unlike(made: Tensor, wanted: Tensor) -> Tensor:
    """How far pictures [N, 3, R, R] are from those they are to be: the mean difference, over several sizes."""
    found = (made - wanted).abs().mean()
    for _ in range(LEVELS - 1):
        made, wanted = F.avg_pool2d(made, 2), F.avg_pool2d(wanted, 2)
        found = found + (made - wanted).abs().mean()
    return found / LEVELS


def seen_unlike(eyes: Features, made: Tensor, wanted: Tensor) -> Tensor:
    """The same as trained eyes see it, through a window that is somewhere else each time: that shows as much, sooner."""
    top, left = (int(torch.randint(max(0, side - WINDOW) + 1, ())) for side in made.shape[2:])
    made, wanted = (pictures[:, :, top : top + WINDOW, left : left + WINDOW] for pictures in (made, wanted))
    with torch.no_grad():
        aims = eyes(wanted)
    return apart(eyes(made), aims).mean()
