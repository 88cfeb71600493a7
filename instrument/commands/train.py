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
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import torch

from instrument import options
from instrument.commands import asked_to_stop, undisturbed
from instrument.commands.bench import device_name
from instrument.document import Mistake, located
from instrument.model import read_notes
from instrument.progress import bar
from instrument.training import distributed
from instrument.training.features import weights_file
from instrument.training.folder import Folder
from instrument.training.grow import Start, begin_from, resized, start_model
from instrument.training.pairs import width
from instrument.training.pictures import WORLD, Pictures, open_pictures, world
from instrument.training.precision import fastest
from instrument.training.recipe import SIZES, Augment, Judged, Recipe, network, paired
from instrument.training.training import Training, saved_recipe

log = logging.getLogger("phosphene")

Notes = dict[str, Any] | None  # what a training that goes on has kept of itself

PICTURES = 10_000  # of a world
FEW = 2000  # pictures: below this the judge knows them by heart unless they are augmented

# what a training has settled once and for all, by the names of the options
SETTLED = (
    "resolution", "size", "freeze", "judge", "augment", "pairing", "no_flip", "pictures", "batch", "rate", "seed", "license",
)  # fmt: skip


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
        "--freeze", type=options.whole(0), metavar="N", help="finest blocks of the judge of --from that do not learn"
    )
    parser.add_argument(
        "--judge", choices=list(get_args(Judged)), help="what looks at the pictures (default: plain; of a world, none)"
    )
    parser.add_argument(
        "--augment", choices=list(get_args(Augment)), help="(default: ada under 2,000 pictures, or none)"
    )
    parser.add_argument(
        "--pairing",
        type=options.not_negative,
        metavar="W",
        help="how closely a world's pictures are followed (default: 20; 0: not at all)",
    )
    parser.add_argument("--no-flip", action="store_true", help="the pictures must not be mirrored: they hold writing")
    parser.add_argument("--pictures", type=options.whole(16), metavar="N", help=f"of a world (default: {PICTURES})")
    parser.add_argument(
        "--batch",
        type=options.whole(2),
        metavar="N",
        help="pictures at a time (default: 32; 16 of a world or from 256 px)",
    )
    parser.add_argument(
        "--rate",
        type=options.positive,
        help="how fast it learns (default: 0.002, or 0.004 and falling without a judge)",
    )
    parser.add_argument(
        "--snapshot", type=options.positive, default=4.0, metavar="M", help="minutes between snapshots (default: 4)"
    )
    parser.add_argument("--seed", type=options.seed)
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
    start = start_model(args.start) if args.start else None
    recipe = saved_recipe(kept) if kept else new_recipe(args, start)
    processes = distributed.count()
    if recipe.batch % processes or recipe.batch < 2 * processes:
        raise Mistake(f"--batch: {recipe.batch} pictures cannot be shared by {processes} processes, 2 or more for each")
    if recipe.sees:
        weights_file()  # said now, and not after an hour of drawing
    pictures = prepared(args, kept, recipe.network.resolution, folder, device)
    if not kept and recipe.judged and not args.augment and len(pictures) < FEW:
        recipe = replace(recipe, augment="ada")
    training = Training(recipe, pictures, device, precision_of(kept, device))
    if kept:
        training.load(folder.state, kept)
    elif start:
        begin_from(training, start)
    if args.kimg and args.kimg <= max(training.kimg, training.recipe.settle):
        reason = f"{training.kimg:.1f} were shown already" if kept else "so long the judge learns alone"
        raise Mistake(f"--kimg: {args.kimg:g} are too few, because {reason}")
    folder.begin()
    if start and not distributed.rank():
        folder.mark(training)
    try:
        return learn(training, pictures, folder, args, about(args, kept, training, pictures))
    except (FloatingPointError, OSError) as error:  # such as a full disk
        kept_before = (
            "the last snapshot is kept, and --resume goes on from it" if folder.state.exists() else "nothing is kept"
        )
        log.error("%s: %s; %s", args.output, error, kept_before)
        return 1


def prepared(args: argparse.Namespace, kept: Notes, resolution: int, folder: Folder, device: torch.device) -> Pictures:
    """The pictures, ready to be read: made so by the first process, while the others wait."""
    if distributed.rank():
        distributed.wait()
    source = Path(args.source)
    if source.is_dir() and folder.path.resolve().is_relative_to(source.resolve()):
        raise Mistake(f"-o: {folder.path} lies in {source}, and would be learnt too; name a folder elsewhere")
    count = kept["about"]["pictures"] if kept else args.pictures or PICTURES
    pictures = open_pictures(args.source, resolution, folder.work, count=count, device=device)
    if not distributed.rank():
        distributed.wait()
    return pictures


def precision_of(kept: Notes, device: torch.device) -> torch.dtype:
    """What to compute in: as it was, or as the first process finds to be faster."""
    if kept and device.type == kept["about"]["kind"]:
        return torch.bfloat16 if kept["precision"] == str(torch.bfloat16) else torch.float32
    return torch.bfloat16 if distributed.agreed(fastest(device) == torch.bfloat16, device) else torch.float32


def learn(
    training: Training, pictures: Pictures, folder: Folder, args: argparse.Namespace, said: dict[str, Any]
) -> int:
    """Step until it is enough, with snapshots on the way."""
    begun = snapped = time.monotonic()
    first = at = training.kimg
    total, unit = (args.kimg, "kimg") if args.kimg else (args.minutes, "minutes")
    writes = distributed.rank() == 0  # who writes and speaks, if there are several
    with (
        asked_to_stop() as asked,
        bar(total, str(args.output), unit, training.kimg if args.kimg else 0.0, hidden=not writes) as shown,
    ):
        size, where = pictures.pixels.shape[-1], training.device.type
        log.info(
            "%s: %d pictures of %d px, on the %s in %s", args.source, len(pictures), size, where, training.precision
        )
        while distributed.agreed(shown.n < total and not asked.is_set(), training.device):
            start = time.monotonic()
            training.step()
            now = time.monotonic()
            training.seconds += now - start
            shown.n = training.kimg if args.kimg else (now - begun) / 60
            shown.set_postfix_str(f"{training.kimg:.1f} kimg")
            if writes and now - snapped > 60 * args.snapshot:
                snapped, at = now, training.kimg
                folder.keep(training, pictures, said)
    if writes:
        with undisturbed():
            if training.kimg > at or not folder.state.exists():
                folder.keep(training, pictures, said)
            folder.finish(training, said)
        speed = (training.kimg - first) * 1000 / max(1e-9, time.monotonic() - begun)
        log.info("%s: %.1f kimg, %.1f pictures a second", args.output, training.kimg, speed)
        log.info("`phosphene play --model %s` plays it", args.output)
    return 130 if asked.is_set() else 0


def kept_notes(args: argparse.Namespace, folder: Folder) -> Notes:
    """What the folder's training says of itself, if it is to go on. Raises Mistake where that and the options disagree."""
    if not args.resume:
        if folder.state.exists():
            raise Mistake(
                f"-o: {folder.path} holds a training already; --resume goes on with it, or name another folder"
            )
        if strange := folder.strange():
            raise Mistake(f"-o: {folder.path} is not empty (it holds {strange}); name another folder")
        return None
    if not folder.state.is_file():
        raise Mistake(f"--resume: there is no training in {folder.path} (no {folder.state})")
    given = [f"--{name.replace('_', '-')}" for name in SETTLED if vars(args)[name] not in (None, False)]
    if given or args.start:
        name = given[0] if given else "--from"
        raise Mistake(f"{name}: is settled by the training in {folder.path}; leave it out, or begin another")
    with located("--resume"):
        notes = read_notes(folder.state)
        source = notes["about"]["source"]
    if source != args.source and (source.startswith(WORLD) or args.source.startswith(WORLD)):
        raise Mistake(f"--resume: {folder.path} learns from {source}, not from {args.source}; --from begins another")
    return notes


def new_recipe(args: argparse.Namespace, start: Start | None) -> Recipe:
    """What was asked for, and for the rest what has been found to be good (docs/training.md)."""
    in_pairs = args.source.startswith(WORLD) and args.pairing != 0
    factors = len(world(args.source).FACTORS) if in_pairs else 0
    judge: Judged = args.judge or ("none" if factors else "plain")
    if judge == "none" and not factors:
        raise Mistake("--judge: none is for a world learnt pair by pair, whose pictures are known; name another")
    resolution = args.resolution or 256
    if start and not args.size:
        shape = resized(start.network, resolution)
    else:
        shape = network(args.size or "small", resolution)
        shape = replace(shape, z_dim=start.network.z_dim if start else width(factors) if factors else shape.z_dim)
    if factors >= shape.z_dim:
        raise Mistake(
            f"--from: that model has {shape.z_dim} axes, too few for {factors} factors; --pairing 0 does without"
        )
    frozen, blocks = args.freeze or 0, len(shape.blocks) - 1
    if frozen and (judge not in ("plain", "both") or not start or frozen > blocks):
        raise Mistake(f"--freeze: keeps 1 to {blocks} blocks of a plain judge as they were in the model of --from")
    recipe = Recipe(
        network=shape,
        judge=judge,
        batch=args.batch or (16 if factors or resolution >= 256 else 32),
        augment=args.augment or "none",
        flip=not args.no_flip,
        frozen=frozen,
        seed=args.seed or 0,
    )
    if factors:
        recipe = paired(recipe, args.pairing or 20.0)
    return replace(recipe, rate=args.rate) if args.rate else recipe


def about(args: argparse.Namespace, kept: Notes, training: Training, pictures: Pictures) -> dict[str, Any]:
    """What the model's card says besides the recipe; of a training that goes on, as it was at first."""
    said = {
        "about": f"A network that learnt from {args.source}.",
        "license": args.license or ("Apache-2.0" if args.source.startswith(WORLD) else "as its pictures'"),
        "axes": world(args.source).FACTORS if training.recipe.pairing else (),
        "from": args.start,
        "commands": [],
        **(kept["about"] if kept else {}),
        "source": args.source,
        "pictures": len(pictures),
        "device": device_name(training.device),
        "kind": training.device.type,
        "date": time.strftime("%Y-%m-%d"),
    }
    return said | {"commands": [*said["commands"], f"phosphene {shlex.join(sys.argv[1:])}"]}
