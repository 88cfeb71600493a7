"""Generators: one file each, found by name; `load` is the way to one from a program of your own."""

from pathlib import Path
from typing import Any

import torch


def load(source: str | Path, device: str | torch.device = "cpu") -> Any:
    """A network by a model's name or folder, or by a checkpoint's path, ready to `map` and `synthesize`.

    Raises ValueError that names what is wrong.
    """
    from instrument import casting, catalog  # they look for generators in this package

    return casting.opened_model(catalog.data("models", str(source)), torch.device(device))
