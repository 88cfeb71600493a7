"""Files of rosinality's stylegan2-pytorch: the same mathematics with other names; only axes of size 1 are taken away.

Its weights are not scaled when they are used but demodulation undoes every scale, so the numbers stand as they are.
"""

import re
from typing import Any

import numpy as np
import torch
from torch import Tensor

from instrument.checkpoints.arrays import Stored
from instrument.checkpoints.pickles import Unreadable
from instrument.model import Model, check_shapes
from instrument.networks.mapping import MappingNetwork
from instrument.networks.stylegan2 import StyleGAN2

SAMPLES = 10_000  # for the mean w, where the file has none
USUAL = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64  # what maps are smoothed with
Numbers = dict[str, Stored]


def network(held: dict[str, Any]) -> Model:
    """The network in what such a file holds: the running average of the generator."""
    numbers = held.get("g_ema")
    if not isinstance(numbers, dict) or not all(isinstance(item, Stored) for item in numbers.values()):
        raise Unreadable(f"it has no g_ema with tensors; it has {', '.join(map(str, held))[:200] or 'nothing'}")
    sizes = sizes_of(numbers)
    found = {name: reshaped(numbers, theirs, shape) for name, (theirs, shape) in names(sizes).items()}
    found |= {name: filter_of(numbers, name) for name in sizes.shapes() if name.endswith("resample_filter")}
    mean = held.get("latent_avg")
    found["mapping.w_avg"] = (
        mean if isinstance(mean, Stored) and mean.shape else Stored(np.zeros(sizes.w_dim, np.float32))
    )
    check_shapes(sizes, {name: item.shape for name, item in found.items()})
    weights = {name: item.tensor() for name, item in found.items()}
    if found["mapping.w_avg"] is not mean:
        weights["mapping.w_avg"] = mean_of(weights, sizes)
    return Model(sizes, weights)


def sizes_of(numbers: Numbers) -> StyleGAN2:
    """The sizes of the network, read off the shapes of its numbers."""
    layers = sum(bool(re.fullmatch(r"style\.\d+\.weight", name)) for name in numbers)
    convolutions = sum(bool(re.fullmatch(r"convs\.\d+\.conv\.weight", name)) for name in numbers)
    if not layers or not convolutions or convolutions % 2:
        raise Unreadable("its g_ema is no StyleGAN2 of rosinality's: it lacks style.1 or pairs of convs")
    w_dim, z_dim = shape(numbers, "style.1.weight", 2)
    blocks = convolutions // 2
    channels = [shape(numbers, "input.input", 4)[1]]
    channels += [shape(numbers, f"convs.{2 * i + 1}.conv.weight", 5)[1] for i in range(blocks)]
    return StyleGAN2(
        resolution=4 << blocks, z_dim=z_dim, w_dim=w_dim, channels=channels, mapping_layers=layers, clamp=0.0
    )


def shape(numbers: Numbers, name: str, axes: int) -> tuple[int, ...]:
    if name not in numbers or len(numbers[name].shape) != axes:
        raise Unreadable(f"its g_ema lacks {name!r} with {axes} axes")
    return numbers[name].shape


def names(network: StyleGAN2) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Our name -> theirs, and the shape that it is to have here, for everything but filters and the mean w."""
    theirs = {"synthesis.b4.const": "input.input"}
    for i in range(network.mapping_layers):
        theirs |= {f"mapping.fc{i}.{part}": f"style.{i + 1}.{part}" for part in ("weight", "bias")}
    convolutions = [("synthesis.b4.conv1.", "conv1.")]
    colours = [("synthesis.b4.torgb.", "to_rgb1.")]
    for i, r in enumerate(network.blocks[1:]):
        convolutions += [(f"synthesis.b{r}.conv{half}.", f"convs.{2 * i + half}.") for half in (0, 1)]
        colours.append((f"synthesis.b{r}.torgb.", f"to_rgbs.{i}."))
    for i, (ours, called) in enumerate(convolutions):
        theirs |= {f"{ours}bias": f"{called}activate.bias", f"{ours}noise_strength": f"{called}noise.weight"}
        theirs[f"{ours}noise_const"] = f"noises.noise_{i}"
    for ours, called in colours:
        theirs[f"{ours}bias"] = f"{called}bias"
    for ours, called in (*convolutions, *colours):
        theirs |= {f"{ours}weight": f"{called}conv.weight"}
        theirs |= {f"{ours}affine.{part}": f"{called}conv.modulation.{part}" for part in ("weight", "bias")}
    shapes = network.shapes()
    return {name: (called, shapes[name]) for name, called in theirs.items()}


def reshaped(numbers: Numbers, name: str, wanted: tuple[int, ...]) -> Stored:
    """A number without the axes of size 1 that it has more than it is to have."""
    if name not in numbers:
        raise Unreadable(f"its g_ema lacks {name!r}")
    found = numbers[name].view()
    if tuple(size for size in found.shape if size > 1) != tuple(size for size in wanted if size > 1):
        raise Unreadable(f"its {name!r} is {list(found.shape)}, where its other numbers ask for {list(wanted)}")
    return Stored(found.reshape(wanted))


def filter_of(numbers: Numbers, name: str) -> Stored:
    """What maps are smoothed with: the files have it four times as loud."""
    part, r = name.split(".")[2], int(name.split(".")[1].removeprefix("b"))
    i = r.bit_length() - 4
    theirs = f"convs.{2 * i}.conv.blur.kernel" if part == "conv0" else f"to_rgbs.{i}.upsample.kernel"
    if part == "conv1" or theirs not in numbers:
        return Stored(USUAL)
    return Stored(numbers[theirs].view() / 4)


def mean_of(weights: dict[str, Tensor], sizes: StyleGAN2) -> Tensor:
    """The mean w of many z."""
    z = torch.randn(SAMPLES, sizes.z_dim, generator=torch.Generator().manual_seed(0))
    return MappingNetwork(weights, sizes)(z)[:, 0].mean(0)
