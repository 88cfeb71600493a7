"""Make a model folder of a network somebody else has trained.

Reads NVIDIA's .pkl files (StyleGAN2, StyleGAN3, also the older ones for TensorFlow) and rosinality's .pt files. Nothing
that is in the file is run. What comes out is a folder like any other model's: weights, model.toml, a preview.

examples:
  phosphene import ffhq.pkl -o models/faces --license CC-BY-NC-4.0
  phosphene import strange.pkl --inspect
"""

import argparse
import hashlib
import logging
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from instrument import catalog, options
from instrument.checkpoints.files import read_checkpoint
from instrument.checkpoints.outline import outline
from instrument.commands.models import size, speed
from instrument.document import Mistake, located
from instrument.files import whole
from instrument.images import sheet, write_jpeg
from instrument.latent.classes import shares
from instrument.latent.paths import normal
from instrument.model import Model, kind_of, model_toml, write_tensors
from instrument.training.pictures import eight_bit

log = logging.getLogger("phosphene")

SHOWN, COLUMNS, TRUNCATION = 16, 4, 0.7  # of the preview


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="the checkpoint: .pkl, .pt or .pth")
    parser.add_argument("-o", "--output", metavar="FOLDER", type=Path, help="the model's folder, such as models/faces")
    parser.add_argument("--inspect", action="store_true", help="print what is in the file, and import nothing")
    parser.add_argument("--license", metavar="TEXT", help="the terms the network came with (default: not stated)")
    parser.add_argument("--about", metavar="TEXT", help="one line that says what it draws")
    options.add_device(parser)


def run(args: argparse.Namespace) -> int:
    if args.inspect:
        for line in outline(args.file):
            print(line)
        return 0
    if args.output is None:
        raise Mistake("-o: names the folder to make, such as models/faces (or --inspect prints what is in the file)")
    if args.output.exists() and (not args.output.is_dir() or any(args.output.iterdir())):
        raise Mistake(f"-o: {args.output} exists already and is not empty; name another folder")
    device = options.device(args.device)
    model = read_checkpoint(args.file)
    made = pictures(model, device)  # before anything is written: a network that cannot be played is no model
    write(args, model, made)
    log.info("%s: %s, %s", args.output, size(model.network), speed(model.network))
    log.info("`phosphene play --model %s` plays it", args.output)
    return 0


def write(args: argparse.Namespace, model: Model, made: NDArray[np.uint8]) -> None:
    with located("-o"):
        args.output.mkdir(parents=True, exist_ok=True)
    with args.file.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    about = {
        "about": args.about or f"Imported from {args.file.name}.",
        "license": args.license or "not stated",
        "source": args.file.name,
        "sha256": digest,
    }
    write_tensors(args.output / "weights.safetensors", model.weights)
    write_jpeg(args.output / "preview.jpg", sheet(made, COLUMNS), 88)
    with whole(args.output / "model.toml") as writing:  # last: with it, the folder is a model
        writing.write_text(model_toml(model.network, about), "utf-8")


@torch.inference_mode()
def pictures(model: Model, device: torch.device) -> NDArray[np.uint8]:
    """The pictures of the first seeds, [N, 3, R, R] as bytes; of a network with classes from all over them."""
    generator = catalog.plug("generators", kind_of(model.network))(model, device)
    made, classes = [], model.network.classes
    for seed in range(SHOWN):
        label = shares(seed * classes // SHOWN, classes)[None] if classes else None
        w = generator.map(normal(seed, generator.z_dim)[None], label, TRUNCATION)
        made.append(generator.synthesize(w)[0].expand(3, -1, -1).cpu())
    return eight_bit(torch.stack(made))
