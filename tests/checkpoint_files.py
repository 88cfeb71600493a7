"""Checkpoints for tests, in the forms that others write them in: real pickles and real files of torch's."""

import collections
import io
import pickle
import sys
import types
from contextlib import contextmanager

import torch

NEVER = "raise RuntimeError('the text in a checkpoint was run')\n"


class Persistent:
    """Pickles as a network of NVIDIA's does: one call with the text of its program, its class and its state."""

    def __init__(self, kind, parameters=None, buffers=None, parts=None, **attributes):
        self.kind = kind
        empty = {name: collections.OrderedDict() for name in ("_forward_hooks", "_backward_hooks")}
        self.state = {"training": False, **empty, "_non_persistent_buffers_set": set()}
        self.state["_parameters"] = collections.OrderedDict(
            (name, torch.nn.Parameter(value)) for name, value in (parameters or {}).items()
        )
        self.state["_buffers"] = collections.OrderedDict(buffers or {})
        self.state["_modules"] = collections.OrderedDict(parts or {})
        self.state |= attributes

    def __reduce__(self):
        meta = {"type": "class", "version": 6, "module_src": NEVER, "class_name": self.kind, "state": self.state}
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,)


@contextmanager
def stand_ins():
    """Modules by the names that others' programs have, so that pickle can write those names."""

    def reconstruct(meta):
        raise AssertionError("only ever written")

    class Network:
        def __init__(self, **state):
            self.state = state

        def __getstate__(self):
            return self.state

    class EasyDict(dict):
        pass

    reconstruct.__module__, reconstruct.__qualname__ = "torch_utils.persistence", "_reconstruct_persistent_obj"
    Network.__module__, Network.__qualname__ = "dnnlib.tflib.network", "Network"
    EasyDict.__module__, EasyDict.__qualname__ = "dnnlib.util", "EasyDict"
    made = {name: types.ModuleType(name) for name in NAMES}
    made["torch_utils.persistence"]._reconstruct_persistent_obj = reconstruct
    made["dnnlib.tflib.network"].Network = Network
    made["dnnlib.util"].EasyDict = EasyDict
    sys.modules.update(made)
    try:
        yield made
    finally:
        for name in NAMES:
            sys.modules.pop(name, None)


NAMES = ["torch_utils", "torch_utils.persistence", "dnnlib", "dnnlib.util", "dnnlib.tflib", "dnnlib.tflib.network"]


def under(weights, prefix):
    """The weights below a place, by their names there."""
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def leaf(kind, weights, prefix, **attributes):
    """A part without parts: what is a buffer is told by its name."""
    own = {name: value for name, value in under(weights, prefix).items() if "." not in name}
    buffers = {name: own.pop(name) for name in list(own) if name in BUFFERS}
    affine = {}
    if f"{prefix}affine.weight" in weights:
        affine = {"affine": fully_connected(weights, f"{prefix}affine.", "linear", 1.0)}
    return Persistent(kind, own, buffers, affine, **attributes)


BUFFERS = ("resample_filter", "noise_const", "w_avg")


def fully_connected(weights, prefix, activation, rate):
    into = weights[prefix + "weight"].shape[1]
    said = {"activation": activation, "weight_gain": rate / into**0.5, "bias_gain": rate, "in_features": into}
    return leaf("FullyConnectedLayer", weights, prefix, **said)


def nvidia(network, weights, protocol=4, **changes):
    """A StyleGAN2 as NVIDIA's program pickles it."""
    clamp = network.clamp or None
    fc = {
        f"fc{i}": fully_connected(weights, f"mapping.fc{i}.", "lrelu", network.rate)
        for i in range(network.mapping_layers)
    }
    if network.classes:
        fc["embed"] = fully_connected(weights, "mapping.embed.", "linear", 1.0)
    mapping = Persistent(
        "MappingNetwork", {}, {"w_avg": weights["mapping.w_avg"]}, fc,
        num_layers=network.mapping_layers, num_ws=network.num_ws,
    )  # fmt: skip
    blocks = {}
    for r in network.blocks:
        prefix, parts = f"synthesis.b{r}.", {}
        for name in ("conv0", "conv1")[r == 4 :]:
            said = {"up": 2 if name == "conv0" else 1, "use_noise": network.noise, "activation": "lrelu"}
            said |= {"conv_clamp": clamp, "act_gain": 2**0.5, **changes.get("layer", {})}
            parts[name] = leaf("SynthesisLayer", weights, f"{prefix}{name}.", **said)
        if network.has_colours(r):
            parts["torgb"] = leaf("ToRGBLayer", weights, f"{prefix}torgb.", conv_clamp=clamp)
        if network.architecture == "resnet" and r > 4:
            parts["skip"] = leaf("Conv2dLayer", weights, f"{prefix}skip.")
        own = {name: value for name, value in under(weights, prefix).items() if "." not in name}
        buffers = {"resample_filter": own.pop("resample_filter")}
        blocks[f"b{r}"] = Persistent("SynthesisBlock", own, buffers, parts, architecture=network.architecture)
    said = {"z_dim": network.z_dim, "c_dim": network.classes, "w_dim": network.w_dim}
    said |= {"img_resolution": network.resolution, "img_channels": network.colours, **changes.get("whole", {})}
    parts = {
        "synthesis": Persistent("SynthesisNetwork", {}, {}, blocks),
        "mapping": mapping,
        **changes.get("parts", {}),
    }
    whole = Persistent("Generator", {}, {}, parts, **said)
    with stand_ins() as made:
        held = {"G": None, "G_ema": whole, "training_set_kwargs": made["dnnlib.util"].EasyDict(path="/home/someone")}
        return pickle.dumps(held, protocol=protocol)


def tensorflow(network, weights, **kwargs):
    """A StyleGAN2 as NVIDIA's first program pickled it, for TensorFlow."""

    def listed(prefix, pairs):
        return [(name.removeprefix(prefix), value.numpy()) for name, value in pairs.items() if name.startswith(prefix)]

    pairs, noise = {"dlatent_avg": weights["mapping.w_avg"]}, 0
    for i in range(network.mapping_layers):
        pairs[f"mapping/Dense{i}/weight"] = weights[f"mapping.fc{i}.weight"].t().contiguous()
        pairs[f"mapping/Dense{i}/bias"] = weights[f"mapping.fc{i}.bias"]
    pairs["synthesis/4x4/Const/const"] = weights["synthesis.b4.const"][None]

    def styled(ours, theirs, turned=False):
        weight = weights[ours + "weight"]
        weight = weight.flip((2, 3)) if turned else weight
        pairs[theirs + "weight"] = weight.permute(2, 3, 1, 0).contiguous()
        pairs[theirs + "bias"] = weights[ours + "bias"]
        pairs[theirs + "mod_weight"] = weights[ours + "affine.weight"].t().contiguous()
        pairs[theirs + "mod_bias"] = weights[ours + "affine.bias"] - 1

    for r in network.blocks:
        ours, theirs = f"synthesis.b{r}.", f"synthesis/{r}x{r}/"
        for name, called in [("conv1", "Conv")] if r == 4 else [("conv0", "Conv0_up"), ("conv1", "Conv1")]:
            styled(f"{ours}{name}.", f"{theirs}{called}/", turned=name == "conv0")
            pairs[f"{theirs}{called}/noise_strength"] = weights[f"{ours}{name}.noise_strength"]
            pairs[f"synthesis/noise{noise}"] = weights[f"{ours}{name}.noise_const"][None, None]
            noise += 1
        if network.has_colours(r):
            styled(f"{ours}torgb.", f"{theirs}ToRGB/")
        if network.architecture == "resnet" and r > 4:
            pairs[f"{theirs}Skip/weight"] = weights[f"{ours}skip.weight"].flip((2, 3)).permute(2, 3, 1, 0).contiguous()
    with stand_ins() as made:
        kind = made["dnnlib.tflib.network"].Network

        def part(name, prefix, inner=None):
            state = {"version": kwargs.get("version", 5), "name": name, "static_kwargs": {}, "components": inner or {}}
            return kind(**state, build_module_src=NEVER, build_func_name=name, variables=listed(prefix, pairs))

        own = {"dlatent_avg": pairs["dlatent_avg"]}
        parts = {"mapping": part("G_mapping", "mapping/"), "synthesis": part("G_synthesis_stylegan2", "synthesis/")}
        whole = part("Gs", "none", parts)
        whole.state["variables"] = listed("", own)
        return pickle.dumps((whole, part("D", "none"), whole), protocol=3)


def rosinality(network, weights, older=False, mean=True):
    """A StyleGAN2 as rosinality's program saves it."""
    found = {"input.input": weights["synthesis.b4.const"][None]}
    for i in range(network.mapping_layers):
        found |= {f"style.{i + 1}.{part}": weights[f"mapping.fc{i}.{part}"] for part in ("weight", "bias")}

    def styled(ours, theirs):
        found[theirs + "conv.weight"] = weights[ours + "weight"][None]
        for part in ("weight", "bias"):
            found[f"{theirs}conv.modulation.{part}"] = weights[f"{ours}affine.{part}"]

    convolutions = [("synthesis.b4.conv1.", "conv1.")]
    colours = [("synthesis.b4.torgb.", "to_rgb1.")]
    for i, r in enumerate(network.blocks[1:]):
        convolutions += [(f"synthesis.b{r}.conv{half}.", f"convs.{2 * i + half}.") for half in (0, 1)]
        colours.append((f"synthesis.b{r}.torgb.", f"to_rgbs.{i}."))
        found[f"convs.{2 * i}.conv.blur.kernel"] = 4 * weights[f"synthesis.b{r}.conv0.resample_filter"]
        found[f"to_rgbs.{i}.upsample.kernel"] = 4 * weights[f"synthesis.b{r}.resample_filter"]
    for i, (ours, theirs) in enumerate(convolutions):
        styled(ours, theirs)
        found[f"{theirs}noise.weight"] = weights[f"{ours}noise_strength"].view(1)
        found[f"{theirs}activate.bias"] = weights[f"{ours}bias"]
        found[f"noises.noise_{i}"] = weights[f"{ours}noise_const"][None, None]
    for ours, theirs in colours:
        styled(ours, theirs)
        found[f"{theirs}bias"] = weights[f"{ours}bias"].view(1, -1, 1, 1)
    import argparse

    held = {"g_ema": collections.OrderedDict(found), "args": argparse.Namespace(size=network.resolution)}
    held |= {"latent_avg": weights["mapping.w_avg"]} if mean else {}
    stream = io.BytesIO()
    torch.save(held, stream, _use_new_zipfile_serialization=not older)
    return stream.getvalue()
