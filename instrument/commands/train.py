"""Train a network on pictures of your own: a folder, a zip, a video, or a world that the instrument draws itself.

The model can be played while it learns: OUT holds it as it was at the last snapshot. Ctrl-C stops after a snapshot, a
crash loses at most the last minutes, and --resume goes on where it was.

examples:
  phosphene train my-pictures/ -o models/mine --minutes 120
  phosphene train my-pictures/ -o models/mine --resume --minutes 120
  phosphene train world:blooms -o models/large --from models/small --resolution 256 --kimg 300
"""

import argparse
import logging
import shlex
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor

from instrument import catalog, options
from instrument.commands import undisturbed
from instrument.commands.bench import device_name
from instrument.document import Mistake, located
from instrument.model import Config, read_config, read_notes, read_tensors, read_weights
from instrument.progress import bar
from instrument.training import distributed
from instrument.training.folder import Folder
from instrument.training.grow import begin_with, judge_with
from instrument.training.pairs import width
from instrument.training.pictures import WORLD, Pictures, open_pictures, world
from instrument.training.precision import fastest
from instrument.training.recipe import SIZES, Augment, Judged, Recipe, network, paired
from instrument.training.training import Training, saved_recipe

log = logging.getLogger("phosphene")

FEW = 2000  # pictures: below this the judge knows them by heart unless they are augmented


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="a folder of pictures, a .zip, a video, or world:NAME")
    parser.add_argument("-o", "--output", metavar="OUT", type=Path, required=True, help="the model folder to make")
    parser.add_argument("--resume", action="store_true", help="go on with the training that OUT holds")
    parser.add_argument("--resolution", type=int, choices=[64, 128, 256, 512], help="of the pictures (default: 256)")
    parser.add_argument("--size", choices=list(SIZES), help="of the network (default: as --from, or small)")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=options.positive, metavar="M", help="stop after so many minutes")
    length.add_argument(
        "--kimg", type=options.positive, metavar="K", help="stop when K thousand pictures were shown, in all"
    )
    parser.add_argument("--from", dest="start", metavar="MODEL", help="begin with what this model knows")
    parser.add_argument(
        "--freeze", type=int, default=0, metavar="N", help="finest blocks of the judge that do not learn"
    )
    parser.add_argument(
        "--judge", choices=list(get_args(Judged)), help="what looks at the pictures (default: plain; of a world, none)"
    )
    parser.add_argument(
        "--augment", choices=list(get_args(Augment)), help="(default: ada under 2,000 pictures, or none)"
    )
    parser.add_argument(
        "--pairing",
        type=float,
        metavar="W",
        help="how closely a world's pictures are followed (default: 20; 0: not at all)",
    )
    parser.add_argument("--no-flip", action="store_true", help="the pictures must not be mirrored: they hold writing")
    parser.add_argument("--pictures", type=int, default=10_000, metavar="N", help="of a world (default: 10000)")
    parser.add_argument(
        "--batch", type=int, metavar="N", help="pictures at a time (default: 32; 16 of a world or from 256 px)"
    )
    parser.add_argument(
        "--rate",
        type=options.positive,
        help="how fast it learns (default: 0.002, or 0.004 and falling without a judge)",
    )
    parser.add_argument(
        "--snapshot", type=options.positive, default=4.0, metavar="M", help="minutes between snapshots (default: 4)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--license", metavar="TEXT", help="what the card says of rights (default: as the pictures')")
    options.add_device(parser)


def run(args: argparse.Namespace) -> int:
    device = options.device(args.device)
    distributed.begin(device)
    if distributed.rank():
        log.setLevel(logging.ERROR)
    try:
        return train(args, device, Folder(args.output))
    finally:
        distributed.end()


def train(args: argparse.Namespace, device: torch.device, folder: Folder) -> int:
    kept = kept_notes(args, folder)
    recipe = saved_recipe(kept) if kept else None
    resolution = recipe.network.resolution if recipe else args.resolution or 256
    start = start_model(args.start) if args.start else None
    pictures = prepared(args, resolution, folder, device)
    recipe = recipe or new_recipe(args, pictures, resolution, start)
    training = Training(recipe, pictures, device, fastest(device))
    if kept:
        training.load(folder.state, kept)
    elif start:
        begin_from(training, start)
        if not distributed.rank():
            folder.mark(training)
    told = (args.source, len(pictures), resolution, device.type, training.precision)
    log.info("%s: %d pictures of %d px, on the %s in %s", *told)
    try:
        return learn(training, pictures, folder, args)
    except (FloatingPointError, OSError) as error:  # such as a full disk
        kept_before = (
            "the last snapshot is kept, and --resume goes on from it" if folder.state.exists() else "nothing is kept"
        )
        log.error("%s: %s; %s", args.output, error, kept_before)
        return 1


def prepared(args: argparse.Namespace, resolution: int, folder: Folder, device: torch.device) -> Pictures:
    """The pictures, ready to be read: made so by the first process, while the others wait."""
    if distributed.rank():
        distributed.wait()
    folder.begin()
    pictures = open_pictures(args.source, resolution, folder.work, count=args.pictures, device=device)
    if not distributed.rank():
        distributed.wait()
    return pictures


def learn(training: Training, pictures: Pictures, folder: Folder, args: argparse.Namespace) -> int:
    """Step until it is enough, with snapshots on the way."""
    begun = told = time.monotonic()
    first, code, said = training.kimg, 0, about(args, training, pictures)
    total, unit = (args.kimg, "kimg") if args.kimg else (args.minutes, "minutes")
    writes = distributed.rank() == 0  # who writes and speaks, if there are several
    try:
        with bar(total, str(args.output), unit, training.kimg if args.kimg else 0.0, hidden=not writes) as shown:
            while distributed.agreed(shown.n < total, training.device):
                start = time.monotonic()
                training.step()
                now = time.monotonic()
                training.seconds += now - start
                shown.n = training.kimg if args.kimg else (now - begun) / 60
                shown.set_postfix_str(f"{training.kimg:.1f} kimg")
                if writes and now - told > 60 * args.snapshot:
                    told = now
                    folder.keep(training, pictures, said)
    except KeyboardInterrupt:
        code = 130
    if not writes:
        return code
    with undisturbed():
        folder.keep(training, pictures, said)
        folder.finish(training, said)
    speed = (training.kimg - first) * 1000 / max(1e-9, time.monotonic() - begun)
    log.info("%s: %.1f kimg, %.1f pictures a second", args.output, training.kimg, speed)
    log.info("`phosphene play --model %s` plays it", args.output)
    return code


def kept_notes(args: argparse.Namespace, folder: Folder) -> dict[str, Any] | None:
    """What the folder's training says of itself, if it is to go on. Raises Mistake where that and --resume disagree."""
    if not args.resume:
        if folder.state.exists() or (folder.path / "model.toml").exists():
            raise Mistake(f"-o: {folder.path} holds a model already; --resume goes on with it, or name another folder")
        return None
    if not folder.state.is_file():
        raise Mistake(f"--resume: there is no training in {folder.path} (no {folder.state})")
    return read_notes(folder.state)


@dataclass(frozen=True)
class Start:
    """The model to begin with."""

    path: Path
    network: Config
    weights: dict[str, Tensor]


def start_model(name: str) -> Start:
    with located("--from"):
        path = catalog.data("models", name)
        config = read_config(path / "model.toml")
        return Start(path, config, read_weights(path / "weights.safetensors", config))


def begin_from(training: Training, start: Start) -> None:
    """Take over what fits, from the judge too if the model was trained here, and say what is new."""
    new = begin_with(training, start.weights)
    if len(new) == len(start.weights):
        raise Mistake(f"--from: nothing in {start.path} fits this network; leave --size to be as it is there")
    file, anew = start.path / "training" / "state.safetensors", ""
    if training.recipe.judged:
        state = read_tensors(file) if file.is_file() else {}
        judge_with(training, state)
        if not any(name.startswith("judge.") for name in state):
            anew = "; so does the judge, because that model's is not there"
    log.info("--from: %s, %d tensors begin anew%s", start.path, len(new), anew)


def new_recipe(args: argparse.Namespace, pictures: Pictures, resolution: int, start: Start | None) -> Recipe:
    """What was asked for, and for the rest what has been found to be good (docs/training.md)."""
    factors = 0 if pictures.factors is None or args.pairing == 0 else pictures.factors.shape[1]
    judge: Judged = args.judge or ("none" if factors else "plain")
    if judge == "none" and not factors:
        raise Mistake("--judge: none is for a world, whose pictures are known one by one; name another")
    if start and not args.size:
        shape = replace(start.network, resolution=resolution)
    else:
        shape = network(args.size or "small", resolution)
        shape = replace(shape, z_dim=start.network.z_dim if start else width(factors) if factors else shape.z_dim)
    if factors >= shape.z_dim:
        raise Mistake(
            f"--from: that model has {shape.z_dim} axes, too few for {factors} factors; --pairing 0 does without"
        )
    recipe = Recipe(
        network=shape,
        judge=judge,
        batch=args.batch or (16 if factors or resolution >= 256 else 32),
        augment=args.augment or ("ada" if len(pictures) < FEW else "none"),
        flip=not args.no_flip,
        frozen=args.freeze,
        settle=2.0 if start and judge != "none" else 0.0,
        seed=args.seed,
    )
    if factors:
        recipe = paired(recipe, args.pairing or 20.0)
    return replace(recipe, rate=args.rate) if args.rate else recipe


def about(args: argparse.Namespace, training: Training, pictures: Pictures) -> dict[str, Any]:
    """What the model's card says besides the recipe."""
    return {
        "about": f"A network that learnt from {args.source}.",
        "license": args.license or ("Apache-2.0" if args.source.startswith(WORLD) else "as its pictures'"),
        "source": args.source,
        "pictures": len(pictures),
        "axes": world(args.source).FACTORS if training.recipe.pairing else (),
        "device": device_name(training.device),
        "command": f"phosphene {shlex.join(sys.argv[1:])}",
        "from": args.start,
        "date": time.strftime("%Y-%m-%d"),
    }
