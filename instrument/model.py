"""A model folder's two files: model.toml says which network it is, weights.safetensors holds its numbers."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from instrument.files import whole
from instrument.parameters import unknown

NOTES = "phosphene"  # where in a file of tensors our own words are kept


@dataclass(frozen=True)
class Config:
    """What model.toml says of a network: sizes, and the activation clamp (0 for none)."""

    resolution: int
    z_dim: int
    w_dim: int
    channel_base: int
    channel_max: int
    mapping_layers: int
    clamp: float = 256.0

    @property
    def blocks(self) -> list[int]:
        """The resolutions of the synthesis blocks, from 4 up."""
        return [2**k for k in range(2, self.resolution.bit_length())]

    @property
    def num_ws(self) -> int:
        return 2 * len(self.blocks)

    def channels(self, resolution: int) -> int:
        return min(self.channel_base // resolution, self.channel_max)


def expected(config: Config) -> dict[str, tuple[int, ...]]:
    """The name and shape of every weight of such a network."""
    z, w = config.z_dim, config.w_dim
    shapes: dict[str, tuple[int, ...]] = {"mapping.w_avg": (w,)}
    for i in range(config.mapping_layers):
        shapes |= {f"mapping.fc{i}.weight": (w, z if i == 0 else w), f"mapping.fc{i}.bias": (w,)}
    for r in config.blocks:
        out, below, block = config.channels(r), config.channels(max(r // 2, 4)), f"synthesis.b{r}."
        shapes |= {f"{block}resample_filter": (4, 4)}
        if r == 4:
            shapes |= {f"{block}const": (out, 4, 4)}
        for name, channels in [("conv0", below), ("conv1", out)][r == 4 :]:
            layer = f"{block}{name}."
            shapes |= {f"{layer}weight": (out, channels, 3, 3), f"{layer}bias": (out,)}
            shapes |= {f"{layer}affine.weight": (channels, w), f"{layer}affine.bias": (channels,)}
            shapes |= {f"{layer}noise_const": (r, r), f"{layer}noise_strength": (), f"{layer}resample_filter": (4, 4)}
        rgb = f"{block}torgb."
        shapes |= {f"{rgb}weight": (3, out, 1, 1), f"{rgb}bias": (3,)}
        shapes |= {f"{rgb}affine.weight": (out, w), f"{rgb}affine.bias": (out,)}
    return shapes


def read_config(path: Path) -> Config:
    """The sizes in model.toml's table [stylegan2]."""
    try:
        table = tomllib.loads(path.read_text("utf-8")).get("stylegan2", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from error
    if not isinstance(table, dict):
        raise ValueError(f"{path}: [stylegan2] must be a table, got {table!r}")
    known = {item.name: item for item in fields(Config)}
    for name, value in table.items():
        if name not in known:
            raise ValueError(f"{path}: [stylegan2]: {unknown('key', name, known)}")
        kind, words = (int | float, "a number") if name == "clamp" else (int, "a whole number")
        if not isinstance(value, kind) or isinstance(value, bool) or not value >= 0:
            raise ValueError(f"{path}: [stylegan2] {name} must be {words} from 0, got {value!r}")
    missing = sorted(known.keys() - table.keys() - {"clamp"})
    if missing:
        raise ValueError(f"{path}: [stylegan2] lacks {', '.join(missing)}")
    config = Config(**table)
    if config.resolution < 8 or config.resolution & (config.resolution - 1):
        raise ValueError(f"{path}: [stylegan2] resolution must be a power of two from 8, got {config.resolution}")
    return config


def read_weights(path: Path, config: Config) -> dict[str, Tensor]:
    """The weights, held against the shapes that the configuration asks for."""
    weights = read_tensors(path)
    shapes = expected(config)
    for name, shape in shapes.items():
        if name not in weights:
            raise ValueError(f"{path}: lacks the tensor {name!r} {list(shape)} that model.toml asks for")
        if tuple(weights[name].shape) != shape:
            found = list(weights[name].shape)
            raise ValueError(f"{path}: tensor {name!r} is {found}, model.toml asks for {list(shape)}")
    extra = sorted(weights.keys() - shapes.keys())
    if extra:
        raise ValueError(f"{path}: unknown tensor {extra[0]!r} ({len(extra)} in all) for what model.toml describes")
    return weights


def write_tensors(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, Any] | None = None) -> None:
    """Write tensors and what is to be said of them, whole or not at all: what was there before stays until then."""
    kept = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
    with whole(path) as writing:
        writing.write_bytes(save(kept, {NOTES: json.dumps(notes)} if notes is not None else None))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that `write_tensors` wrote. Raises ValueError naming the file if it is none."""
    try:
        found: dict[str, Tensor] = load_file(path)
    except Exception as error:  # safetensors raises its own kinds, and OSError
        raise ValueError(f"{path}: cannot be read as safetensors: {error}") from error
    return found


def read_notes(path: Path) -> dict[str, Any]:
    """What was said of them. Raises ValueError naming the file if that is not known."""
    try:
        with safe_open(path, "pt") as file:
            notes: dict[str, Any] = json.loads((file.metadata() or {})[NOTES])
    except KeyError as error:
        raise ValueError(f"{path}: is no training's state") from error
    except Exception as error:
        raise ValueError(f"{path}: cannot be read as safetensors: {error}") from error
    return notes
