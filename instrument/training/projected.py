"""A judge that looks with trained eyes: small judges on the maps of a network that knows photographs.

Projected GAN (Sauer et al. 2021): the maps of four strides are mixed by fixed random convolutions, across channels and
from coarse to fine, so that no judge can rest on a few of them.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from instrument.training.features import TAPPED, Features

WIDTH = 64


class Projected(nn.Module):
    """Pictures [N, 3, R, R], -1..1 -> scores [N, places], one for each place of each stride's map."""

    def __init__(self, precision: torch.dtype = torch.float32, smallest: int = 128) -> None:
        super().__init__()
        self.precision, self.smallest = precision, smallest
        self.features = Features(precision)
        self.mix = nn.ModuleList(nn.Conv2d(channels, WIDTH, 1) for channels in TAPPED.values())
        self.join = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in list(TAPPED)[1:])
        for fixed in (self.mix, self.join):
            fixed.requires_grad_(False)
        self.judges = nn.ModuleList(judge(downs) for downs in (3, 2, 1, 0))

    def forward(self, pictures: Tensor) -> Tensor:
        if pictures.shape[-1] < self.smallest:
            pictures = F.interpolate(pictures, (self.smallest, self.smallest), mode="bilinear")
        maps = [mix(x.float()) for mix, x in zip(self.mix, self.features(pictures), strict=True)]
        for fine in range(len(maps) - 2, -1, -1):
            coarse = F.interpolate(self.join[fine](maps[fine + 1]), scale_factor=2, mode="nearest")
            maps[fine] = maps[fine] + coarse
        return torch.cat([one(x).flatten(1) for one, x in zip(self.judges, maps, strict=True)], 1)


def judge(downs: int) -> nn.Sequential:
    """Halves the maps `downs` times, then scores each place."""
    parts: list[nn.Module] = []
    for _ in range(downs):
        parts += [spectral_norm(nn.Conv2d(WIDTH, WIDTH, 4, 2, 1)), nn.LeakyReLU(0.2)]
    parts += [spectral_norm(nn.Conv2d(WIDTH, WIDTH, 3, padding=1)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*parts, spectral_norm(nn.Conv2d(WIDTH, 1, 3, padding=1)))
