"""Networks of random numbers, as large as published ones: how fast one plays is not a matter of what it has learnt."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from instrument.model import Network
from instrument.networks.stylegan2 import StyleGAN2, widths
from instrument.networks.stylegan3 import Filtered, StyleGAN3, Waves

LAYERS, CRITICAL = 14, 2  # of StyleGAN3: how many, and how many of them without fall-off
MARGIN = 10  # pixels about its picture


def stylegan2(resolution: int, base: int, most: int) -> StyleGAN2:
    """Channels fall from `most` as `base` over the resolution."""
    channels, w_dim = widths(resolution, base, most), min(2 * most, 512)
    return StyleGAN2(resolution=resolution, z_dim=64, w_dim=w_dim, channels=channels, mapping_layers=2)


def stylegan3(resolution: int, base: int, most: int) -> StyleGAN3:
    """Configuration T (Karras et al. 2021, appendix C): cutoffs rise geometrically to the picture's own."""

    def at(layer: int) -> tuple[float, int, int, int]:
        """The cutoff after a layer, its rate, size and channels; layer 0 is the input."""
        rise = min(layer / (LAYERS - CRITICAL), 1)
        cutoff = 2 * (resolution / 4) ** rise
        stop = 2**2.1 * (resolution * 2**-2.8) ** rise
        rate = 2 ** math.ceil(math.log2(min(2 * stop, resolution)))
        size = rate + 2 * MARGIN if layer < LAYERS - 1 else resolution
        return cutoff, rate, size, round(min(base / 2 / cutoff, most))

    layers = []
    for number in range(LAYERS + 1):
        (_, before, into, _), (_, rate, size, channels) = at(max(number - 1, 0)), at(min(number, LAYERS))
        colours = number == LAYERS
        inner = rate if colours else 2 * max(before, rate)
        up, down, kernel = inner // before, inner // rate, 1 if colours else 3
        taps = (1, 1) if colours else (6 * up, 6 * down)
        whole = (size - 1) * down + 1 - (into + kernel - 1) * up + sum(taps) - 2
        left = (whole + up) // 2
        layers.append(
            Filtered(
                name=f"L{number}", size=size, channels=3 if colours else channels, kernel=kernel, up=up, down=down,
                padding=2 * [left, whole - left], up_taps=taps[0], down_taps=taps[1], colours=colours,
            )
        )  # fmt: skip
    cutoff, rate, size, channels = at(0)
    waves = Waves(size=size, channels=channels, rate=rate, band=cutoff)
    return StyleGAN3(
        resolution=resolution, z_dim=64, w_dim=min(2 * most, 512), mapping_layers=2, input=waves, layers=layers
    )


def numbers(network: Network, seed: int = 1) -> Mapping[str, Tensor]:
    """Random numbers for a network, as loud as trained ones; its filters are smooth."""
    random = torch.Generator().manual_seed(seed)
    found = {}
    for name, shape in network.shapes().items():
        if name.endswith("filter"):
            taps = torch.hann_window(shape[-1] + 2, periodic=False)[1:-1]
            taps = taps if len(shape) == 1 else torch.outer(taps, taps)
            found[name] = taps / taps.sum()
        elif name.endswith("magnitude_ema"):
            found[name] = torch.ones(shape)
        elif name.endswith("transform"):
            found[name] = torch.eye(3)
        else:
            colours = name.endswith((".torgb.weight", f".L{LAYERS}.weight"))
            loud = 100.0 if name.startswith("mapping.fc") else 0.07 if colours else 1.0
            found[name] = loud * torch.randn(shape, generator=random)
    return found
