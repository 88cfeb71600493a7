"""TensorFlow pickles of StyleGAN2: the networks of 2019 and 2020.

Their numbers are those of the later pickles under other names, with axes in TensorFlow's order; the sizes are read off the
shapes. In a doubling convolution TensorFlow's kernel lies the other way round.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instrument.checkpoints.arrays import Stored
from instrument.checkpoints.pickles import Record, Unreadable
from instrument.model import Model, check_shapes
from instrument.networks.stylegan2 import Architecture, StyleGAN2

Numbers = dict[str, Stored]
CLASS = "dnnlib.tflib.network.Network"


def network(held: Any) -> Model:
    """The network in what such a pickle holds: generator, discriminator, and the generator's running average."""
    if not isinstance(held, tuple | list) or len(held) != 3 or not all(is_network(part) for part in held):
        raise Unreadable("it is a TensorFlow pickle, but not of the three networks of StyleGAN2")
    state = held[2].state
    version, components = state.get("version"), state.get("components")
    if not isinstance(version, int) or version < 4:
        raise Unreadable("it is a StyleGAN1 of 2019, whose layers do something else; it is not played here")
    if not isinstance(components, dict) or not {"mapping", "synthesis"} <= components.keys():
        raise Unreadable("it is a TensorFlow pickle without a mapping and a synthesis network")
    numbers = {**variables(components["mapping"], "mapping/"), **variables(components["synthesis"], "synthesis/")}
    numbers |= variables(held[2], "")
    said = [part.state.get("static_kwargs") for part in (held[2], components["mapping"], components["synthesis"])]
    return converted(numbers, {key: value for part in said if isinstance(part, dict) for key, value in part.items()})


def is_network(thing: Any) -> bool:
    return isinstance(thing, Record) and thing.name == CLASS and isinstance(thing.state, dict)


def variables(part: Any, prefix: str) -> Numbers:
    """A network's numbers by name."""
    pairs = part.state.get("variables") if is_network(part) else None
    if not isinstance(pairs, list):
        raise Unreadable("the file is damaged: a network in it has no variables")
    found = {}
    for pair in pairs:
        if (
            not isinstance(pair, tuple | list)
            or len(pair) != 2
            or not isinstance(pair[0], str)
            or not isinstance(pair[1], Stored)
        ):
            raise Unreadable("the file is damaged: a network's variables are no names with numbers")
        found[prefix + pair[0]] = pair[1]
    return found


def converted(numbers: Numbers, said: dict[str, Any]) -> Model:
    """The same under the names and in the order of axes that are used here."""
    for key in ("nonlinearity", "mapping_nonlinearity"):
        if said.get(key, "lrelu") != "lrelu":
            raise Unreadable(f"its {key} is {str(said[key])[:50]!r}; only 'lrelu' is known here")
    if any(name.startswith("mapping/LabelConcat") for name in numbers):
        raise Unreadable("it has classes in the way of the first StyleGAN2, which is not played here")
    network = sizes(numbers, said)
    found = {name: theirs.found(numbers) for name, theirs in names(network, numbers).items()}
    taps = filter_of(said)
    found |= {name: Stored(taps) for name in network.shapes() if name.endswith("resample_filter")}
    check_shapes(network, {name: value.shape for name, value in found.items()})
    return Model(network, {name: value.tensor() for name, value in found.items()})


def sizes(numbers: Numbers, said: dict[str, Any]) -> StyleGAN2:
    """The sizes of the network, read off the shapes of its numbers."""
    blocks = sorted({int(found[1]) for name in numbers if (found := re.match(r"synthesis/(\d{1,5})x\1/", name))})
    layers = sum(bool(re.fullmatch(r"mapping/Dense\d+/weight", name)) for name in numbers)
    if not blocks or blocks[0] != 4 or not layers:
        raise Unreadable(
            "it is a TensorFlow pickle, but of no StyleGAN2: it has no blocks from 4x4 px on, or no mapping"
        )
    z_dim, _ = shape(numbers, "mapping/Dense0/weight", 2)
    _, w_dim = shape(numbers, f"mapping/Dense{layers - 1}/weight", 2)
    classes = shape(numbers, "mapping/LabelEmbed/weight", 2)[0] if "mapping/LabelEmbed/weight" in numbers else 0
    colours = shape(numbers, last_colours(blocks[-1], numbers) + "weight", 4)[3]
    architecture: Architecture = "resnet" if any("/Skip/" in name for name in numbers) else "skip"
    if not any(f"synthesis/{r}x{r}/ToRGB/weight" in numbers for r in blocks[:-1]) and architecture == "skip":
        architecture = "orig"
    rate, clamp = said.get("mapping_lrmul", 0.01), said.get("conv_clamp") or 0
    if not isinstance(rate, int | float) or not isinstance(clamp, int | float):
        raise Unreadable("the file is damaged: mapping_lrmul or conv_clamp is no number")
    return StyleGAN2(
        resolution=blocks[-1],
        z_dim=z_dim - (w_dim if classes else 0),
        w_dim=w_dim,
        channels=[shape(numbers, f"synthesis/{r}x{r}/{'Conv1' if r > 4 else 'Conv'}/weight", 4)[3] for r in blocks],
        mapping_layers=layers,
        classes=classes,
        colours=colours,
        architecture=architecture,
        clamp=float(clamp),
        rate=float(rate),
    )


def shape(numbers: Numbers, name: str, axes: int) -> tuple[int, ...]:
    if name not in numbers or len(numbers[name].shape) != axes:
        raise Unreadable(f"it lacks {name!r} with {axes} axes")
    return numbers[name].shape


def last_colours(resolution: int, numbers: Numbers) -> str:
    """Where the last block's colours are: the oldest networks count them from the finest size."""
    usual = f"synthesis/{resolution}x{resolution}/ToRGB/"
    return usual if usual + "weight" in numbers else "synthesis/ToRGB_lod0/"


@dataclass(frozen=True)
class Theirs:
    """Their name for a number, and what makes it ours: a view of it, but for small ones."""

    name: str
    change: Callable[[NDArray[Any]], NDArray[Any]] = lambda array: array

    def found(self, numbers: Numbers) -> Stored:
        if self.name not in numbers:
            raise Unreadable(f"it lacks {self.name!r}")
        array = numbers[self.name].view()
        try:
            return Stored(self.change(array))
        except (ValueError, IndexError) as error:
            raise Unreadable(f"{self.name!r} has the shape {list(array.shape)}, which cannot be") from error


def across(array: NDArray[Any]) -> NDArray[Any]:
    """[in, out] -> [out, in]."""
    return array.transpose(1, 0)


def kernel(array: NDArray[Any]) -> NDArray[Any]:
    """[h, w, in, out] -> [out, in, h, w]."""
    return array.transpose(3, 2, 0, 1)


def turned(array: NDArray[Any]) -> NDArray[Any]:
    return kernel(array)[:, :, ::-1, ::-1]


def one_more(array: NDArray[Any]) -> NDArray[Any]:
    return array + 1


def bare(array: NDArray[Any]) -> NDArray[Any]:
    """Without the axes of size 1 that it begins with."""
    return array.reshape(array.shape[-3:] if len(array.shape) == 4 and array.shape[1] > 1 else array.shape[-2:])


def names(network: StyleGAN2, numbers: Numbers) -> dict[str, Theirs]:
    """Our name -> theirs, for everything but filters."""
    found = {"mapping.w_avg": Theirs("dlatent_avg"), "synthesis.b4.const": Theirs("synthesis/4x4/Const/const", bare)}
    dense = [(f"mapping.fc{i}", f"mapping/Dense{i}") for i in range(network.mapping_layers)]
    for ours, theirs in [*dense, *([("mapping.embed", "mapping/LabelEmbed")] if network.classes else [])]:
        found |= {f"{ours}.weight": Theirs(f"{theirs}/weight", across), f"{ours}.bias": Theirs(f"{theirs}/bias")}
    noise = 0
    for r in network.blocks:
        ours, theirs = f"synthesis.b{r}.", f"synthesis/{r}x{r}/"
        layers = [("conv1", "Conv", kernel)] if r == 4 else [("conv0", "Conv0_up", turned), ("conv1", "Conv1", kernel)]
        for name, called, change in layers:
            found |= styled(f"{ours}{name}.", f"{theirs}{called}/", change)
            found[f"{ours}{name}.noise_strength"] = Theirs(f"{theirs}{called}/noise_strength")
            found[f"{ours}{name}.noise_const"] = Theirs(f"synthesis/noise{noise}", bare)
            noise += 1
        if network.has_colours(r):
            called = last_colours(r, numbers) if r == network.resolution else f"{theirs}ToRGB/"
            found |= styled(f"{ours}torgb.", called, kernel)
        if network.architecture == "resnet" and r > 4:
            found[f"{ours}skip.weight"] = Theirs(f"{theirs}Skip/weight", turned)
    return found


def styled(ours: str, theirs: str, change: Callable[[NDArray[Any]], NDArray[Any]]) -> dict[str, Theirs]:
    return {
        f"{ours}weight": Theirs(f"{theirs}weight", change),
        f"{ours}bias": Theirs(f"{theirs}bias"),
        f"{ours}affine.weight": Theirs(f"{theirs}mod_weight", across),
        f"{ours}affine.bias": Theirs(f"{theirs}mod_bias", one_more),
    }


def filter_of(said: dict[str, Any]) -> NDArray[np.float32]:
    """What maps are smoothed with, [4, 4] with a sum of 1."""
    taps = said.get("resample_kernel") or [1, 3, 3, 1]
    if not isinstance(taps, list | tuple) or len(taps) != 4 or not all(isinstance(tap, int | float) for tap in taps):
        raise Unreadable(f"its resample_kernel is {str(taps)[:50]}; one of 4 numbers is known here")
    square: NDArray[np.float32] = np.outer(taps, taps).astype(np.float32)
    square /= square.sum()
    return square
