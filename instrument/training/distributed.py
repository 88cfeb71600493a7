"""Several GPUs: one process each, begun by torch's own launcher (`torchrun`), which tells each its rank.

Every process holds the whole networks and makes its share of each batch; gradients are averaged before each step, so all
processes stay alike. Without the launcher there is one process, and everything here does nothing.
"""

import importlib
import os
from collections.abc import Iterable

import torch
from torch import Tensor, distributed


def begin(device: torch.device) -> None:
    """Meet the other processes, if the launcher has begun any."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        if device.type == "cuda":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        # the optimiser would import it later, and hold the group: not ended by `end`, its threads outlive Python and abort
        importlib.import_module("torch._dynamo")
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")


def end() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


def rank() -> int:
    """Which process this is; 0 is the one that writes and speaks."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def count() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def wait() -> None:
    """Until every process is here."""
    if distributed.is_initialized():
        distributed.barrier()


def averaged(numbers: Tensor) -> Tensor:
    """Put the mean over all processes in place of these numbers."""
    if distributed.is_initialized():
        distributed.all_reduce(numbers)
        numbers /= count()
    return numbers


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Put the mean over all processes in place of each gradient, in one message."""
    if not distributed.is_initialized():
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return
    flat = averaged(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, mean in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def agreed(value: bool, device: torch.device) -> bool:
    """What the first process says."""
    if not distributed.is_initialized():
        return value
    said = torch.tensor([float(value)], device=device)
    distributed.broadcast(said, 0)
    return bool(said.item())
