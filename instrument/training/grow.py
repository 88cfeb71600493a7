"""Transfer: a training begins with what another network knows."""

import torch
from torch import Tensor

from instrument.training.training import Training


def begin_with(training: Training, weights: dict[str, Tensor]) -> list[str]:
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


def judge_with(training: Training, state: dict[str, Tensor]) -> None:
    """Give the judge what another's judge knew of the sizes that both see; the rest of it begins fresh."""
    blocks = {name.split(".")[3] for name in state if name.startswith("judge.plain.blocks.")}
    own = training.judge.kept()
    finer = len({name.split(".")[2] for name in own if name.startswith("plain.blocks.")}) - len(blocks)
    for name, value in state.items():
        part = name.removeprefix("judge.").split(".")
        if part[:2] == ["plain", "blocks"]:  # the first sees the finest size: they are counted from the other end
            part[2] = str(int(part[2]) + finer)
        same = ".".join(part)
        entrance = part[:2] == ["plain", "enter"] and finer
        if name.startswith("judge.") and same in own and own[same].shape == value.shape and not entrance:
            own[same] = value
    training.judge.load_state_dict(own, strict=False)
