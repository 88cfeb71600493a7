"""The recipe of a training: everything that decides what comes out, apart from the pictures."""

from dataclasses import dataclass, replace
from typing import Literal

from instrument.networks.stylegan2 import StyleGAN2, widths

Size = Literal["small", "medium", "stock"]
Augment = Literal["ada", "diff", "none"]
Judged = Literal["plain", "projected", "both", "none"]
SIZES: dict[Size, tuple[int, int, int, int]] = {  # channel base and most, width of z and w, mapping layers
    "small": (4096, 128, 128, 4),
    "medium": (8192, 128, 128, 4),
    "stock": (32768, 512, 512, 8),
}


def network(size: Size, resolution: int) -> StyleGAN2:
    """The sizes of a generator by the name of its size."""
    base, most, width, layers = SIZES[size]
    channels = widths(resolution, base, most)
    return StyleGAN2(resolution=resolution, z_dim=width, w_dim=width, channels=channels, mapping_layers=layers)


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: as in Karras et al. 2020, both papers, where it is not said otherwise.

    Otherwise are: no path-length penalty, half of the pictures mixed rather than nine in ten, the judge's slope taken at
    pictures as augmented.
    """

    network: StyleGAN2
    judge: Judged = "plain"
    batch: int = 32
    rate: float = 0.002  # of both networks, at Adam with betas 0 and 0.99
    steady: float | None = None  # kimg after which the generator's rate falls, as one over their square root
    r1: float | None = None  # weight of the gradient penalty; by the usual rule 0.0002 · resolution² / batch
    r1_every: int = 16  # steps
    mixing: float = 0.5  # share of pictures made of two styles
    average: float = 10.0  # half-life of the running average, in kimg, and at most a twentieth of what has been seen
    augment: Augment = "none"
    flip: bool = True
    frozen: int = 0  # finest blocks of the judge that do not learn (FreezeD, Mo et al. 2020)
    pairing: float = 0.0  # weight of the difference between a world's pictures and those made of the same factors
    likeness: float = 0.0  # weight of the same difference as trained eyes see it
    mapping: float = 1.0  # how many times as fast as usual the mapping network learns
    settle: float = 0.0  # kimg for which a judge with new blocks learns alone
    seed: int = 0

    @property
    def judged(self) -> bool:
        return self.judge != "none"

    @property
    def sees(self) -> bool:
        """Whether trained eyes take part."""
        return bool(self.pairing and self.likeness) or self.judge in ("projected", "both")

    @property
    def penalty(self) -> float:
        return 0.0002 * self.network.resolution**2 / self.batch if self.r1 is None else self.r1


def paired(recipe: Recipe, pairing: float = 20.0) -> Recipe:
    """The same for a world whose factors are known; without a judge to upset, it learns faster."""
    if not recipe.judged:
        recipe = replace(recipe, rate=0.004, steady=8.0, mapping=400.0)
    return replace(recipe, pairing=pairing, likeness=3.0)
