"""A model folder's two files: model.toml says which network it is, weights.safetensors holds its numbers."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import tomli_w
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from instrument.document import Mistake, Table, read, settled
from instrument.files import whole
from instrument.networks.stylegan2 import StyleGAN2
from instrument.networks.stylegan3 import Filtered, StyleGAN3, Waves

Network = StyleGAN2 | StyleGAN3
KINDS: Mapping[str, type[Network]] = {"stylegan2": StyleGAN2, "stylegan3": StyleGAN3}
NOTES = "phosphene"  # where in a file of tensors our own words are kept


@dataclass(frozen=True)
class Model:
    """A network and its numbers, float32 or less."""

    network: Network
    weights: Mapping[str, Tensor]


def read_model(folder: Path) -> Model:
    """A model folder. Raises ValueError naming file and key, or file and tensor."""
    network = read_network(folder / "model.toml")
    return Model(network, read_weights(folder / "weights.safetensors", network))


def read_network(path: Path) -> Network:
    """The sizes that model.toml gives, in a table named for the kind of network."""
    file = read(path)
    kind = next((name for name in KINDS if name in file.content), None)
    if kind is None:
        raise Mistake(f"{path}: lacks a table [stylegan2] or [stylegan3] with the network's sizes")
    where, given = f"{path}: [{kind}]", file.take(kind, dict)
    if kind == "stylegan3":
        table = Table(where, given)
        first, layers = table.take("input", dict), table.take("layers", list[dict[str, Any]])
        given = {
            **given,
            "input": structured(f"{path}: [{kind}.input]", Waves, first),
            "layers": [structured(f"{path}: [[{kind}.layers]] {i}", Filtered, layer) for i, layer in enumerate(layers)],
        }
    network: Network = structured(where, KINDS[kind], given)
    return network


def structured(where: str, kind: type, given: Mapping[str, Any]) -> Any:
    """A table of a file as one of our records: every key known, there, of its type and not negative."""
    values = settled(where, kind, given)
    for name, value in values.items():
        numbers = [
            number for number in (value if isinstance(value, list) else [value]) if isinstance(number, int | float)
        ]
        if name != "padding" and any(number < 0 for number in numbers):
            raise Mistake(f"{where}: {name} must not be negative, got {value}")
    try:
        return kind(**values)
    except ValueError as error:
        raise Mistake(f"{where}: {error}") from error


def read_weights(path: Path, network: Network) -> dict[str, Tensor]:
    """The weights, held against the shapes that the network's sizes ask for."""
    weights = read_tensors(path)
    try:
        check_shapes(network, {name: tuple(weight.shape) for name, weight in weights.items()})
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return weights


def check_shapes(network: Network, found: Mapping[str, tuple[int, ...]]) -> None:
    """Raises ValueError naming the first tensor that is not there, too much, or of another shape."""
    shapes = network.shapes()
    for name, shape in shapes.items():
        if name not in found:
            raise ValueError(f"lacks the tensor {name!r} {list(shape)} that the network's sizes ask for")
        if found[name] != shape:
            raise ValueError(f"tensor {name!r} is {list(found[name])}, the network's sizes ask for {list(shape)}")
    extra = sorted(found.keys() - shapes.keys())
    if extra:
        raise ValueError(f"unknown tensor {extra[0]!r} ({len(extra)} in all) for a network of these sizes")


def kind_of(network: Network) -> str:
    """The name of a kind of network, and of the generator that plays it."""
    return next(name for name, kind in KINDS.items() if isinstance(network, kind))


def model_toml(network: Network, about: Mapping[str, Any]) -> str:
    """model.toml: what is to be said about a model, and the network's sizes where they are not the usual ones."""
    kind = kind_of(network)
    usual = {item.name: item.default for item in fields(network)}
    sizes = {name: value for name, value in asdict(network).items() if value != usual[name]}
    return tomli_w.dumps({**sound(about), "generator": kind, kind: sound(sizes)})


def sound(thing: Any) -> Any:
    """The same, with a question mark for what is no text: a file's name may hold that, TOML may not."""
    if isinstance(thing, Mapping):
        return {key: sound(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [sound(value) for value in thing]
    if isinstance(thing, float) and math.isfinite(thing) and thing == int(thing):
        return int(thing)
    return thing.encode("utf-8", "replace").decode() if isinstance(thing, str) else thing


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
