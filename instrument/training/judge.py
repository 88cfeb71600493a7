"""The judge: what tells real pictures from made ones, and so teaches the generator."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instrument.training.networks import Discriminator
from instrument.training.projected import Projected
from instrument.training.recipe import Recipe


def beyond(made: Tensor) -> Tensor:
    """How far pictures are brighter than white or darker than black, which is held against them as such.

    Far out there no judge has ever looked, and what it says leads further out. It is to be asked of pictures before they
    are augmented, because augmentation makes much of what is bright brighter.
    """
    return F.relu(made.abs() - 1).square().mean()


class Judge(nn.Module):
    """One that learns to look from nothing (`plain`), one that looks with trained eyes (`projected`), both, or `none`."""

    def __init__(self, recipe: Recipe, precision: torch.dtype) -> None:
        super().__init__()
        self.plain = Discriminator(recipe.network, precision) if recipe.judge in ("plain", "both") else None
        self.eyes = Projected(precision) if recipe.judge in ("projected", "both") else None

    def learns(self, on: bool, frozen: int = 0) -> None:
        """Whether its weights get gradients; the `frozen` finest blocks never do."""
        if self.plain:
            self.plain.requires_grad_(on)
            self.plain.freeze(frozen)
        if self.eyes:
            self.eyes.judges.requires_grad_(on)

    def loss(self, real: Tensor, made: Tensor) -> tuple[Tensor, Tensor]:
        """How wrong it is about pictures [N, 3, R, R], and its scores of the real ones [N]."""
        wrong, scores = real.new_zeros(()), real.new_zeros(len(real))
        if self.eyes:
            of_real, of_made = self.eyes(real), self.eyes(made)
            wrong = wrong + F.relu(1 - of_real).mean() + F.relu(1 + of_made).mean()
            scores = of_real.mean(1)
        if self.plain:
            scores = self.plain(real)
            wrong = wrong + F.softplus(-scores).mean() + F.softplus(self.plain(made)).mean()
        return wrong, scores

    def disbelief(self, made: Tensor) -> Tensor:
        """How well it sees through what is made: the generator's loss."""
        found = made.new_zeros(())
        if self.eyes:
            found = found - self.eyes(made).mean()
        if self.plain:
            found = found + F.softplus(-self.plain(made)).mean()
        return found

    def steepness(self, real: Tensor) -> Tensor | None:
        """R1 (Mescheder et al. 2018): the squared slope at real pictures, which is to be small. None if that is not needed."""
        if self.plain is None:
            return None
        real = real.detach().requires_grad_()
        (slope,) = torch.autograd.grad(self.plain(real).sum(), real, create_graph=True)
        return slope.square().sum((1, 2, 3)).mean()

    def kept(self) -> dict[str, Tensor]:
        """The tensors that learn or were drawn by chance: not the trained eyes, which come with their package."""
        return {name: value for name, value in self.state_dict().items() if not name.startswith("eyes.features.")}
