"""Ways between latents: straight lines, splines and circles."""

import torch
from torch import Tensor


def truncate(w: Tensor, psi: Tensor, mean: Tensor) -> Tensor:
    """Pull w [..., w_dim] towards mean [w_dim]; psi 1 is no pull, 0 all the way, below 0 beyond it (Karras et al. 2019, B)."""
    return torch.lerp(mean, w, psi)


def catmull_rom(keys: Tensor, position: float) -> Tensor:
    """The point at `position` 0..1 between keys[1] and keys[2] of four keys [4, ...], on the uniform Catmull-Rom spline.

    It passes through every key with a continuous slope (Catmull & Rom 1974).
    """
    before, start, end, after = keys.unbind()
    t = position
    return 0.5 * (
        2 * start
        + (end - before) * t
        + (2 * before - 5 * start + 4 * end - after) * t**2
        + (3 * start - before - 3 * end + after) * t**3
    )


def circle(first: Tensor, second: Tensor, turns: float) -> Tensor:
    """The point after `turns` on the circle that starts at `first` and passes `second` a quarter turn later.

    Both [..., dim]; of independent standard normals every point of the circle is standard normal again.
    """
    angle = torch.tensor(2 * torch.pi * (turns % 1), dtype=torch.float64)
    return (torch.cos(angle) * first.double() + torch.sin(angle) * second.double()).to(first.dtype)


def normal(seed: int, dim: int) -> Tensor:
    """The standard normal z [dim] of a seed, the same on every machine and device."""
    return torch.randn(dim, generator=torch.Generator().manual_seed(seed))
