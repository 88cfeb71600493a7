"""Transfer: a training begins with what another network knows."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from instrument import catalog
from instrument.document import Mistake, located
from instrument.model import read_model, read_tensors
from instrument.networks.stylegan2 import StyleGAN2
from instrument.training.training import Training

log = logging.getLogger("phosphene")

SETTLE = 2.0  # kimg for which a judge that knows less than the generator learns alone


@dataclass(frozen=True)
class Start:
    """The model to begin with."""

    path: Path
    network: StyleGAN2
    weights: Mapping[str, Tensor]


def start_model(name: str) -> Start:
    """A model by its name or folder. Raises Mistake if it cannot be begun with."""
    with located("--from"):
        path = catalog.data("models", name)
        model = read_model(path)
        network = model.network
        if (
            not isinstance(network, StyleGAN2)
            or network.architecture != "skip"
            or network.classes
            or network.colours != 3
        ):
            raise Mistake(
                f"{path} is a network that plays, but is not trained here; StyleGAN2 with skips is, without classes"
            )
        return Start(path, network, model.weights)


def resized(network: StyleGAN2, resolution: int) -> StyleGAN2:
    """The same network for another size of picture: finer blocks have half as many channels each time."""
    channels = network.channels[: resolution.bit_length() - 2]
    while len(channels) < resolution.bit_length() - 2:
        channels = [*channels, max(channels[-1] // 2, 1)]
    return replace(network, resolution=resolution, channels=channels)


def begin_from(training: Training, start: Start) -> None:
    """Take over what fits, from the judge too if the model was trained here, and say what is new."""
    new = begin_with(training, start.weights)
    if not any(name.endswith(".weight") and "torgb" not in name for name in start.weights.keys() - set(new)):
        raise Mistake(f"--from: nothing in {start.path} fits this network; leave --size to be as it is there")
    said = f"--from: {start.path}, {len(new)} tensors begin anew"
    if training.recipe.judged:
        file = start.path / "training" / "state.safetensors"
        with located("--from"):
            unknown = judge_with(training, read_tensors(file) if file.is_file() else {})
        if unknown:
            training.recipe = replace(training.recipe, settle=SETTLE)
            said += f"; so do {len(unknown)} of the judge, which learns alone for {SETTLE:g} kimg"
        finest = ("plain.enter.", *(f"plain.blocks.{block}." for block in range(training.recipe.frozen)))
        if training.recipe.frozen and any(name.startswith(finest) for name in unknown):
            raise Mistake(
                "--freeze: those blocks of the judge know nothing yet; --from has to name a model with its `training`"
                " folder, of the same resolution"
            )
    log.info("%s", said)


def begin_with(training: Training, weights: Mapping[str, Tensor]) -> list[str]:
    """Put the weights of another generator in place wherever their shapes agree; answers what is new, and begins fresh.

    A network for larger pictures than the other makes the other's pictures at first, only larger: what its new blocks
    add is nothing yet (their colours' weights are 0).
    """
    own, new = training.generator.weights(), []
    for name, weight in own.items():
        if name in weights and weights[name].shape == weight.shape:
            own[name] = weights[name].float()
            continue
        new.append(name)
        if name.endswith(("torgb.weight", "torgb.bias")):
            own[name] = torch.zeros_like(weight)
    state = {name.replace(".", "/"): weight for name, weight in own.items()}
    training.generator.load_state_dict(state, strict=False)
    training.average.load_state_dict(state, strict=False)
    return new


def judge_with(training: Training, state: dict[str, Tensor]) -> list[str]:
    """Give the judge what another's judge knew of the sizes that both see; answers what is new, and begins fresh."""
    blocks = {name.split(".")[3] for name in state if name.startswith("judge.plain.blocks.")}
    own, known = training.judge.kept(), set()
    finer = len({name.split(".")[2] for name in own if name.startswith("plain.blocks.")}) - len(blocks)
    for name, value in state.items():
        part = name.removeprefix("judge.").split(".")
        if part[:2] == ["plain", "blocks"]:  # the first sees the finest size: they are counted from the other end
            part[2] = str(int(part[2]) + finer)
        same = ".".join(part)
        entrance = part[:2] == ["plain", "enter"] and finer
        if name.startswith("judge.") and same in own and own[same].shape == value.shape and not entrance:
            own[same] = value
            known.add(same)
    training.judge.load_state_dict(own, strict=False)
    return sorted(own.keys() - known)
