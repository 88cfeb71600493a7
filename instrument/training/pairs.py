"""Pairs: a world knows what each picture is made of, so a point of the latent space can be told which picture is its own.

Each factor of the world becomes one axis of z. Random points are random factors then, the whole world is covered from
the first minute on, and every factor is a fader of the finished model.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 4  # sizes that pictures are compared at, each half of the one before


def placed(factors: Tensor, width: int) -> Tensor:
    """Factors [N, F] in 0..1 -> points z [N, width] whose first F numbers say them, all of the same length.

    A factor is the share of the normal distribution below its axis. The other numbers are random, and scaled so that
    the length of z, which the mapping network takes away, is the square root of `width`, as it mostly is.
    """
    told = torch.special.ndtri(factors.clamp(0.001, 0.999))  # [N, F]
    rest = torch.randn(len(factors), width - factors.shape[1], device=factors.device)
    left = (width - told.square().sum(1, keepdim=True)).clamp_min(1.0)
    return torch.cat([told, rest * (left / rest.square().sum(1, keepdim=True)).sqrt()], 1)


def factors_at(z: Tensor, count: int) -> Tensor:
    """The first `count` factors [N, F] that points z [N, width] stand for."""
    length = z.square().mean(1, keepdim=True).sqrt()
    return torch.special.ndtr(z[:, :count] / length)


def unlike(made: Tensor, wanted: Tensor) -> Tensor:
    """How far pictures [N, 3, R, R] are from those they are to be: the mean difference, over several sizes."""
    found = (made - wanted).abs().mean()
    for _ in range(LEVELS - 1):
        made, wanted = F.avg_pool2d(made, 2), F.avg_pool2d(wanted, 2)
        found = found + (made - wanted).abs().mean()
    return found / LEVELS
