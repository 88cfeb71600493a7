"""List what can be played: shipped models, your own, and what a network costs."""

import argparse
from pathlib import Path

from instrument import catalog
from instrument.document import Mistake
from instrument.model import Network, read_network
from instrument.networks.stylegan3 import StyleGAN3

CLASSES = [  # billions of products a picture -> what that plays on; measured with `phosphene bench`
    (1.3, "plays at 30 fps on two processor cores"),
    (5.0, "plays at 30 fps on two fast processor cores"),
    (25.0, "plays on a GPU, slowly on a processor"),
    (float("inf"), "plays on a GPU"),
]


def arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(args: argparse.Namespace) -> int:
    for name, folder in catalog.names("models").items():
        print(name)
        for line in described(folder):
            print(f"  {line}")
    return 0


def described(folder: Path) -> list[str]:
    """A model in a few lines, or the one that says what is wrong with it."""
    try:
        network = read_network(folder / "model.toml")
        if not (folder / "weights.safetensors").is_file():
            raise Mistake(f"{folder}: has no weights.safetensors")
    except ValueError as error:
        return [str(error)]
    preview = folder / "preview.jpg"
    return [size(network), speed(network), str(folder), *([str(preview)] if preview.exists() else [])]


def size(network: Network) -> str:
    """Which network it is."""
    kind = "StyleGAN3" if isinstance(network, StyleGAN3) else f"StyleGAN2 ({network.architecture})"
    classes = f", {network.classes} classes" if network.classes else ""
    return f"{kind}, {network.resolution} px, {'colour' if network.colours > 1 else 'grey'}{classes}"


def speed(network: Network) -> str:
    """How fast it is, in words."""
    billions = network.products / 1e9
    words = next(words for limit, words in CLASSES if billions <= limit)
    return f"{billions:.2f} billion products a picture: {words}"
