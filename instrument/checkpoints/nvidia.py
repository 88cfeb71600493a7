"""NVIDIA's pickles for torch: StyleGAN2-ADA, StyleGAN3 and what was made from them.

They hold every part of a network with all its attributes, so nothing is guessed: what a layer does is read off the layer.
"""

import itertools
import math
import re
from collections.abc import Iterator
from typing import Any

from instrument.checkpoints.arrays import Stored
from instrument.checkpoints.names import Module
from instrument.checkpoints.pickles import Record, Unreadable
from instrument.model import Model, Network, check_shapes
from instrument.networks.stylegan2 import StyleGAN2
from instrument.networks.stylegan3 import Filtered, StyleGAN3, Waves

DEEPEST, MANY = 8, 1000  # parts within parts, and parts in all; a network at 1024 px has about 100


class Part:
    """A part of a network with its place in it, so that what is wrong can be named."""

    def __init__(self, module: Any, place: str = "") -> None:
        if not isinstance(module, Module):
            kind = module.name if isinstance(module, Record) else type(module).__name__
            raise Unreadable(f"{place or 'the network'} is a {kind}, which is no part of a StyleGAN2 or StyleGAN3")
        self.module, self.place = module, place
        self.parts = self.held("_modules")

    def held(self, key: str) -> dict[str, Any]:
        found = self.module.state.get(key)
        if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
            raise Unreadable(f"{self.place or 'the network'} has no {key}")
        return {name: value for name, value in found.items() if value is not None}

    def part(self, name: str) -> "Part":
        place = f"{self.place}.{name}".lstrip(".")
        if name not in self.parts:
            raise Unreadable(f"the network lacks {place}; it has {', '.join(sorted(self.parts)) or 'nothing'}")
        return Part(self.parts[name], place)

    def value(self, name: str, kind: type, default: Any = None) -> Any:
        """An attribute; a float may be a whole number, and a number may be missing where there is a default."""
        found = self.module.state.get(name, default)
        fits = isinstance(found, (int, float) if kind is float else kind) and (
            kind is bool or not isinstance(found, bool)
        )
        if not fits or (kind is float and not math.isfinite(found)):
            raise Unreadable(f"{self.place or 'the network'}: {name} must be {kind.__name__}, got {str(found)[:50]!r}")
        return kind(found)

    def must(self, name: str, told: Any, default: Any = None) -> None:
        """Refuse an attribute with another value than the one that is known here."""
        found = self.module.state.get(name, default)
        near = isinstance(found, int | float) and isinstance(told, float) and abs(found - told) <= 1e-4 * abs(told)
        if found != told and not near:
            raise Unreadable(f"{self.place}: {name} is {str(found)[:50]!r}; only {told!r} is known here")

    def tensors(self, depth: int = 0, visits: Iterator[int] | None = None) -> dict[str, Stored]:
        """Every number of it that is kept, by its place within."""
        visits = visits or itertools.count()
        if depth > DEEPEST or next(visits) > MANY:
            raise Unreadable(f"{self.place}: parts within parts, more than any network has")
        passing = self.module.state.get("_non_persistent_buffers_set") or ()
        found = {**self.held("_parameters"), **self.held("_buffers")}
        found = {name: value for name, value in found.items() if name not in passing}
        for name, value in found.items():
            if not isinstance(value, Stored):
                raise Unreadable(f"{self.place}.{name} is no tensor")
        for child in self.parts:
            inner = self.part(child).tensors(depth + 1, visits)
            found |= {f"{child}.{name}": value for name, value in inner.items()}
        return found


def network(held: dict[str, Any]) -> Model:
    """The network in what such a pickle holds: the running average of the generator, which is the one that looks good."""
    if held.get("G_ema") is None:
        raise Unreadable(f"the pickle has no G_ema; it has {', '.join(map(str, held))[:200] or 'nothing'}")
    whole = Part(held["G_ema"])
    if {"mapping", "synthesis"} - whole.parts.keys():
        has = ", ".join(sorted(whole.parts)) or "nothing"
        raise Unreadable(f"the network is a {whole.module.kind} made of {has}: no StyleGAN2 and no StyleGAN3")
    waves = "input" in whole.part("synthesis").parts
    sizes: Network = stylegan3(whole) if waves else stylegan2(whole)
    rows = whole.part("mapping").value("num_ws", int)
    if rows != sizes.num_ws:
        raise Unreadable(f"the network has {rows} rows of w where one of its sizes has {sizes.num_ws}")
    tensors = whole.tensors()
    check_shapes(sizes, {name: tensor.shape for name, tensor in tensors.items()})
    return Model(sizes, {name: tensor.tensor() for name, tensor in tensors.items()})


def mapping(whole: Part) -> dict[str, Any]:
    """The sizes of the mapping network, which both kinds have."""
    part = whole.part("mapping")
    layers, classes = part.value("num_layers", int), whole.value("c_dim", int)
    if not 1 <= layers <= 64:
        raise Unreadable(f"mapping: num_layers is {layers}; 1 to 64 are known here")
    rate = part.part("fc0").value("bias_gain", float)
    for i in range(layers):
        fully_connected(part.part(f"fc{i}"), "lrelu", rate)
    if classes:
        if isinstance(part.parts.get("embed"), Record) or "embed_proj" in part.parts:
            raise Unreadable("it is a StyleGAN-XL: its classes are embedded in another way, which is not played here")
        fully_connected(part.part("embed"), "linear", 1.0)
    mean = part.held("_buffers").get("w_avg")
    return {
        "z_dim": whole.value("z_dim", int),
        "w_dim": whole.value("w_dim", int),
        "classes": classes,
        "colours": whole.value("img_channels", int),
        "resolution": whole.value("img_resolution", int),
        "mapping_layers": layers,
        "rate": rate,
        "averages": isinstance(mean, Stored) and len(mean.shape) == 2,
    }


def fully_connected(part: Part, activation: str, rate: float) -> None:
    """Refuse one that does something else than is known."""
    part.must("activation", activation)
    part.must("weight_gain", rate / math.sqrt(max(part.value("in_features", int), 1)))
    part.must("bias_gain", float(rate))


def clamp(part: Part) -> float:
    """0 where there is none."""
    found = part.module.state.get("conv_clamp")
    return 0.0 if found is None else part.value("conv_clamp", float)


def one(values: dict[str, Any], what: str) -> Any:
    """What is the same in all layers."""
    if len(set(values.values())) > 1:
        raise Unreadable(f"{what} differs from layer to layer ({str(values)[:200]}); here it is one for all")
    return next(iter(values.values()))


def stylegan2(whole: Part) -> StyleGAN2:
    synthesis, sizes = whole.part("synthesis"), mapping(whole)
    names = sorted(
        (name for name in synthesis.parts if re.fullmatch(r"b\d{1,5}", name)), key=lambda name: int(name[1:])
    )
    if not names or set(names) != synthesis.parts.keys():
        raise Unreadable(
            f"synthesis is made of {', '.join(sorted(synthesis.parts))[:200]}, not of blocks b4, b8 and so on"
        )
    channels, architectures, clamps, noises = [], {}, {}, {}
    for name in names:
        block = synthesis.part(name)
        architectures[name] = block.value("architecture", str)
        for layer in ("conv0", "conv1")[name == "b4" :]:
            convolution = block.part(layer)
            convolution.must("activation", "lrelu")
            convolution.must("act_gain", math.sqrt(2))
            convolution.must("up", 2 if layer == "conv0" else 1)
            clamps[f"{name}.{layer}"], noises[f"{name}.{layer}"] = (
                clamp(convolution),
                convolution.value("use_noise", bool),
            )
            fully_connected(convolution.part("affine"), "linear", 1.0)
        if "torgb" in block.parts:
            clamps[f"{name}.torgb"] = clamp(block.part("torgb"))
            fully_connected(block.part("torgb").part("affine"), "linear", 1.0)
        weight = block.part("conv1").held("_parameters").get("weight")
        channels.append(weight.shape[0] if isinstance(weight, Stored) and weight.shape else 0)
    return StyleGAN2(
        **sizes,
        channels=channels,
        architecture=one(architectures, "the architecture"),
        clamp=one(clamps, "conv_clamp"),
        noise=one(noises, "use_noise"),
    )


def stylegan3(whole: Part) -> StyleGAN3:
    synthesis, sizes = whole.part("synthesis"), mapping(whole)
    names = synthesis.module.state.get("layer_names")
    if not isinstance(names, list) or {"input", *names} != synthesis.parts.keys():
        raise Unreadable("synthesis: layer_names must be a list of its layers")
    layers, clamps = [], {}
    for name in names:
        layer = synthesis.part(name)
        clamps[name] = clamp(layer)
        fully_connected(layer.part("affine"), "linear", 1.0)
        layers.append(filtered(name, layer))
    if [layer.colours for layer in layers] != [False] * (len(layers) - 1) + [True]:
        raise Unreadable(
            "it ends in another layer than one that makes colours, as super-resolution of StyleGAN-XL does"
        )
    first = synthesis.part("input")
    fully_connected(first.part("affine"), "linear", 1.0)
    waves = Waves(
        size=side(first, "size"),
        channels=first.value("channels", int),
        rate=first.value("sampling_rate", float),
        band=first.value("bandwidth", float),
    )
    gain = synthesis.value("output_scale", float, 0.25)
    return StyleGAN3(**sizes, input=waves, layers=layers, clamp=one(clamps, "conv_clamp"), gain=gain)


def filtered(name: str, layer: Part) -> Filtered:
    colours, padding = layer.value("is_torgb", bool), layer.module.state.get("padding")
    if not isinstance(padding, list) or len(padding) != 4 or not all(isinstance(number, int) for number in padding):
        raise Unreadable(f"{layer.place}: padding must be four whole numbers, got {str(padding)[:50]!r}")
    down_taps = layer.value("down_taps", int)
    return Filtered(
        name=name,
        size=side(layer, "out_size"),
        channels=layer.value("out_channels", int),
        kernel=1 if colours else layer.value("conv_kernel", int),
        up=layer.value("up_factor", int),
        down=layer.value("down_factor", int),
        padding=padding,
        up_taps=layer.value("up_taps", int),
        down_taps=down_taps,
        radial=layer.value("down_radial", bool) and down_taps > 1,
        colours=colours,
    )


def side(part: Part, name: str) -> int:
    """The side of a square, which the pickle has as width and height."""
    found = part.module.state.get(name)
    numbers = found.view().tolist() if isinstance(found, Stored) else found
    if (
        not isinstance(numbers, list)
        or len(numbers) != 2
        or numbers[0] != numbers[1]
        or not float(numbers[0]).is_integer()
    ):
        raise Unreadable(f"{part.place}: {name} must be a square, got {str(numbers)[:50]}")
    return int(numbers[0])
