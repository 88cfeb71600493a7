"""Makes weights.safetensors: a StyleGAN2 that was never trained, its random numbers drawn so that the pictures are worth seeing.

Run from the root of the repository: `python models/untrained/make.py`. The same seed gives the same file.

What is done to the random numbers, and why:
- The constant holds mirror-symmetric coordinates, kernels are mirror-symmetric and mostly their middle tap, and in place
  of white noise each layer is given petals and rings: the network folds space like paper and draws figures, and bends
  visibly break the symmetry. The parameter `noise` takes the ornament away.
- Each layer's bias is set by measurement, so that a fixed share of the picture lies above it. A leaky rectifier that
  folds where something is keeps structure alive through all layers; otherwise a deep random network goes flat.
- Colours are light added to black: each channel is a lamp of one hue, and how bright it is depends on the latent.
"""

import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from instrument.generators.stylegan2 import MappingNetwork, SynthesisNetwork
from instrument.model import Config, expected

HERE = Path(__file__).parent
CONFIG = Config(resolution=256, z_dim=64, w_dim=64, channel_base=2048, channel_max=64, mapping_layers=4)
SEED = 11
SPREAD = {4: 1.0, 8: 0.5, 16: 0.2}  # of the kernels around their middle tap
LIGHT = {4: 0.06, 8: 0.08, 16: 0.15, 32: 0.24, 64: 0.3, 128: 0.3, 256: 0.25}  # contrast that a block adds
ORNAMENTS = {  # petals, rings, twist of each layer's noise
    "16.conv0": (3, 0, 0),
    "16.conv1": (0, 2, 0),
    "32.conv0": (6, 1, 2),
    "32.conv1": (0, 4, 0),
    "64.conv0": (8, 3, 4),
    "64.conv1": (5, 2, -6),
    "128.conv0": (12, 0, 6),
    "128.conv1": (0, 9, 0),
    "256.conv0": (16, 5, 0),
}
# of the ornaments, against the deviation of what they are added to
STRENGTH = {16: 1.0, 32: 1.0, 64: 1.0, 128: 0.8, 256: 0.4}
STYLE, LAMPS, ABOVE, DARK = 0.7, 0.9, 0.47, -0.55  # variety of styles and colours, share above the bias, black level


def weights(config: Config, seed: int) -> dict[str, Tensor]:
    """Random weights by name, before they are measured."""
    random = torch.Generator().manual_seed(seed)
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    found = {}
    for name, shape in expected(config).items():
        value = torch.randn(shape, generator=random)
        resolution = int(name.split(".")[1][1:]) if name.startswith("synthesis") else 0
        part = name.removeprefix(f"synthesis.b{resolution}.")
        if part.endswith("resample_filter"):
            value = torch.outer(taps, taps) / 64
        elif part.startswith("mapping"):
            value *= 100.0 if part.endswith("weight") else 20.0  # undone by the learning rate of 0.01
        elif part == "const":
            value = coordinates(shape[0], random)
        elif part.endswith("affine.weight"):
            value *= LAMPS if "torgb" in part else STYLE
        elif part.endswith("affine.bias"):
            value = torch.ones(shape)
        elif part in ("conv0.weight", "conv1.weight"):
            value = kernels(shape[0], shape[1], SPREAD.get(resolution, 0.0), random)
        elif part.endswith("noise_const"):
            value = ornament(resolution, *ORNAMENTS.get(f"{resolution}.{part.split('.')[0]}", (0, 0, 0)))
        elif part.endswith("noise_strength"):
            value = torch.tensor(0.0)
        elif part == "torgb.weight":
            value = lamps(shape[1], random)
        elif part.endswith("bias"):
            value *= 0.0
        found[name] = value
    return found


def coordinates(channels: int, random: torch.Generator) -> Tensor:
    """[channels, 4, 4]: random mixtures of height, distance from the axis and distance from the middle."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 4), torch.linspace(-1, 1, 4), indexing="ij")
    fields = torch.stack([y, x.abs() - 0.5, torch.hypot(x, y) - 0.8, (x * x - y * y), y * x.abs()])
    return torch.einsum("cf,fyx->cyx", torch.randn(channels, len(fields), generator=random), fields)


def kernels(out: int, into: int, spread: float, random: torch.Generator) -> Tensor:
    """Mirror-symmetric kernels [out, into, 3, 3]: a middle tap, and around it `spread` times a random rest."""
    around = torch.randn(out, into, 3, 3, generator=random) / 3
    around = (around + around.flip(3)) / math.sqrt(2)
    middle = torch.zeros(3, 3)
    middle[1, 1] = 1.0
    return torch.randn(out, into, 1, 1, generator=random) * middle + spread * around


def ornament(resolution: int, petals: float, rings: float, twist: float) -> Tensor:
    """[r, r]: petals around the middle and rings about it, in place of white noise."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, resolution), torch.linspace(-1, 1, resolution), indexing="ij")
    radius, angle = torch.hypot(x, y), torch.atan2(x.abs(), y)
    return torch.cos(petals * angle + twist * radius) * torch.cos(math.pi * rings * radius) * math.sqrt(2)


def lamps(channels: int, random: torch.Generator) -> Tensor:
    """[3, channels, 1, 1]: each channel is light of one saturated hue; a quarter of them take light away."""
    hue = 0.45 + 0.72 * torch.rand(channels, generator=random)  # cyan, blue, magenta, red, amber
    turned = (hue[None] - torch.tensor([0.0, 1 / 3, 2 / 3])[:, None]) * 2 * math.pi
    colour = (0.5 + 0.6 * turned.cos()).clamp(-0.1, 1.1)
    sign = torch.where(torch.rand(channels, generator=random) < 0.3, -0.7, 1.0)
    return (colour * sign)[:, :, None, None]


def measured(state: dict[str, Tensor], config: Config, pictures: int = 16) -> dict[str, Tensor]:
    """The weights with w_avg, biases and the brightness of the lamps set by what the network does."""
    z = torch.randn(4096, config.z_dim, generator=torch.Generator().manual_seed(0))
    w = MappingNetwork(state, config)(z)
    state["mapping.w_avg"] = w.mean(0)
    rows = w[:pictures, None].expand(-1, config.num_ws, -1)
    seen: dict[str, Tensor] = {}

    def watch(layer: str, x: Tensor) -> Tensor:
        seen[layer] = x
        return x

    for resolution in config.blocks:
        for conv in ["conv0", "conv1"][resolution == 4 :]:
            SynthesisNetwork(state, config)(rows, torch.tensor(1.0), watch)
            x = seen[f"b{resolution}.{conv}"]
            before = torch.where(x > 0, x, x / 0.2) / math.sqrt(2)
            level = before.transpose(0, 1).flatten(1)[:, ::7].quantile(1 - ABOVE, dim=1)
            state[f"synthesis.b{resolution}.{conv}.bias"] = -level
            state[f"synthesis.b{resolution}.{conv}.noise_strength"] = STRENGTH.get(resolution, 0.0) * x.std()
    SynthesisNetwork(state, config)(rows, torch.tensor(1.0), watch)
    for resolution in config.blocks:
        name = f"synthesis.b{resolution}.torgb."
        x = seen[f"b{resolution}.conv1"]
        brightness = torch.einsum("oc,nchw->nohw", state[name + "weight"][:, :, 0, 0], x) / math.sqrt(x.shape[1])
        gain = LIGHT[resolution] / brightness.std((2, 3)).mean()
        state[name + "weight"] = state[name + "weight"] * gain
        state[name + "bias"] = -gain * brightness.mean((0, 2, 3))
    state["synthesis.b4.torgb.bias"] += DARK
    return state


def main() -> None:
    """Write the weights beside this script, as 16-bit floats."""
    with torch.inference_mode():
        state = measured(weights(CONFIG, SEED), CONFIG)
    save_file({name: value.half().contiguous() for name, value in state.items()}, HERE / "weights.safetensors")


if __name__ == "__main__":
    main()
