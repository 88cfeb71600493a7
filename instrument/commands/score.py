"""Measure a model against the pictures it was made of.

Distance and precision say how much what it makes looks like them, recall how much of their variety it has, copies how
many are one of them by heart, the path how much it changes on its way, the largest step (over the usual one, on a
walk of 1,000 pictures) whether it jumps. Beside the distance stands the same distance between two halves of the pictures:
nothing can be nearer than that.

examples:
  phosphene score untrained --against world:blooms
  phosphene score models/mine --against my-pictures/ --card --sheet nearest.jpg
"""

import argparse
import json
import logging
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from instrument import catalog, options
from instrument.casting import model
from instrument.document import Mistake
from instrument.files import whole
from instrument.images import sheet, write_jpeg
from instrument.progress import progress
from instrument.training import score
from instrument.training.features import Features
from instrument.training.pictures import open_pictures, signed

log = logging.getLogger("phosphene")

TOGETHER = 16
PAIRS = 32
SCORES = "## Scores"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model's name or folder")
    parser.add_argument("--against", metavar="SOURCE", required=True, help="a folder, a .zip, a video, or world:NAME")
    parser.add_argument("--pictures", type=options.whole(2), default=2000, metavar="N", help="of each (default: 2000)")
    parser.add_argument("--truncation", type=options.not_negative, default=1.0, help="(default: 1, its whole variety)")
    parser.add_argument("--seed", type=options.seed, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file as well")
    parser.add_argument(
        "--sheet", type=Path, metavar="FILE", help="write the nearest pairs, made and real, as a picture"
    )
    parser.add_argument("--card", action="store_true", help="write the figures into the model's README.md as well")
    parser.add_argument("--overwrite", action="store_true", help="replace the sheet if it is there already")
    options.add_device(parser)


def run(args: argparse.Namespace) -> int:
    generator = model(args.model, "MODEL", options.device(args.device))
    if args.json:
        options.check_figures(args.json, "fd_efficientnet_lite0", "--json")
    if args.sheet:
        if args.sheet.suffix.lower() not in (".jpg", ".jpeg"):
            raise Mistake(f"--sheet: {args.sheet} must end in .jpg: it becomes a JPEG")
        options.check_writable(args.sheet, args.overwrite, "--sheet")
    written = [("--json", args.json), ("--sheet", args.sheet)]
    options.check_apart([], [(where, path) for where, path in written if path])
    features = Features()
    resolution = list(generator.layers().values())[-1][1]
    with tempfile.TemporaryDirectory() as folder:
        pictures = open_pictures(
            args.against, resolution, Path(folder), count=2 * args.pictures, device=torch.device("cpu")
        )
        count = min(args.pictures, len(pictures) // 2)
        chosen = np.random.default_rng(abs(args.seed)).permutation(len(pictures))[: 2 * count]
        real = np.asarray(pictures.pixels[chosen])
    made = score.made(generator, count, args.truncation, args.seed)
    log.info("looking at %d pictures of each", count)
    one, two, found = (
        score.vectors(features, map(signed, progress(batches(part), "looking", f"{TOGETHER} pictures")))
        for part in (real[:count], real[count:], made)
    )
    copies, nearest = score.copied(np.concatenate([one, two]), found)
    figures = {
        "pictures": count,
        "truncation": args.truncation,
        "fd_efficientnet_lite0": score.frechet(one, found),
        "fd_of_two_halves": score.frechet(one, two),
        "precision": score.reached(one, found),
        "recall": score.reached(found, one),
        "recall_of_two_halves": score.reached(two, one),
        "copies": copies,
        "path_length": score.path_length(generator, features, min(count, 200), args.truncation, args.seed),
        "largest_step": score.largest_step(generator, args.truncation, args.seed),
    }
    for name, figure in figures.items():
        print(f"{name:<22} {figure:.4g}")
    if args.json:
        args.json.write_text(
            json.dumps({"model": args.model, "against": args.against, **figures}, indent=1) + "\n", "utf-8"
        )
    if args.card:
        write_card(catalog.data("models", args.model) / "README.md", args.against, figures)
    if args.sheet:
        write_pairs(args.sheet, made, real, nearest)
    return 0


def batches(pictures: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return np.split(pictures, range(TOGETHER, len(pictures), TOGETHER))


def write_card(path: Path, against: str, figures: dict[str, float]) -> None:
    """The figures in a model's card: in place of earlier ones, or at its end."""
    lines = path.read_text("utf-8").splitlines() if path.is_file() else [f"# {path.parent.name}"]
    start = lines.index(SCORES) if SCORES in lines else len(lines)
    end = next((at for at, line in enumerate(lines) if at > start and line.startswith("## ")), len(lines))
    before, after = "\n".join(lines[:start]).rstrip(), "\n".join(["", *lines[end:], ""] if lines[end:] else [])
    said = f"Against {against}, as `phosphene score` sees it with EfficientNet-Lite0's eyes (docs/training.md):"
    rows = "\n".join(f"| {name} | {figure:.4g} |" for name, figure in figures.items())
    with whole(path) as writing:
        writing.write_text(f"{before}\n\n{SCORES}\n\n{said}\n\n| | |\n|---|---|\n{rows}\n{after}", "utf-8")


def write_pairs(path: Path, made: NDArray[np.uint8], real: NDArray[np.uint8], nearest: NDArray[np.int64]) -> None:
    """Made pictures beside the real ones nearest to them."""
    pairs = np.stack([made[:PAIRS], real[nearest[:PAIRS]]], 1).reshape(-1, *real.shape[1:])
    write_jpeg(path, sheet(pairs, 8), 90)
