"""A training's folder: the model as it can be played, and in `training/` what is needed to go on."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from instrument import __version__
from instrument.files import whole
from instrument.images import sheet, write_jpeg
from instrument.latent.paths import normal
from instrument.media import Movie
from instrument.model import model_toml, write_tensors
from instrument.training.pictures import Pictures, eight_bit
from instrument.training.recipe import Recipe
from instrument.training.training import Training

SEEDS = 64
COLUMNS = ["kimg", "seconds", "augmented", "loss_judge", "loss_generator", "difference", "seen", "real", "r1"]
KEPT = 24  # snapshots of the way, thinned out as it gets longer
TRUNCATION = 0.7
LAST = "Made with"  # the card's last row: what follows it is the artist's


class Folder:
    """`models/NAME`: what the trainer writes there. What is played or gone on with is written whole, or what was there stays."""

    def __init__(self, path: Path) -> None:
        self.path, self.work = path, path / "training"
        self.state, self.samples, self.way = self.work / "state.safetensors", self.work / "samples", path / "trajectory"

    def begin(self) -> None:
        for folder in (self.path, self.work, self.samples, self.way):
            folder.mkdir(parents=True, exist_ok=True)
        for broken_off in self.way.glob("*.writing"):
            broken_off.unlink()

    def strange(self) -> str | None:
        """The name of something in the folder that no training that broke off early has left there."""
        there = sorted(path.name for path in self.path.iterdir()) if self.path.is_dir() else []
        return next((name for name in there if name not in (self.work.name, self.way.name)), None)

    def keep(self, training: Training, pictures: Pictures, about: dict[str, Any]) -> None:
        """A snapshot: everything to go on with, the model to play, a point of the way, a line in the log, and a sheet."""
        training.save(self.state, about)  # first: with it, the rest can be made again
        write_tensors(self.path / "weights.safetensors", training.kept())
        toml = self.path / "model.toml"
        if not toml.exists():  # later it may be the artist's: a better word for what it is
            with whole(toml) as writing:
                said = {key: about[key] for key in ("about", "license")}
                writing.write_text(model_toml(training.recipe.network, said), "utf-8")
        self.mark(training)
        seen = seeds(training, SEEDS, 1.0)
        real = np.asarray(pictures.pixels[: SEEDS // 4])
        write_jpeg(
            self.samples / f"{training.kimg:08.2f}.jpg",
            sheet(np.concatenate([real, seen]), 16 if len(real) == 16 else 8),
        )
        figures = {
            "kimg": training.kimg,
            "seconds": training.seconds,
            "augmented": training.probability,
            **training.log,
        }
        with (self.work / "log.csv").open("a", newline="", encoding="utf-8") as file:
            row = csv.DictWriter(file, COLUMNS)
            if not file.tell():
                row.writeheader()
            row.writerow({name: f"{figures[name]:.5g}" for name in COLUMNS if name in figures})

    def mark(self, training: Training) -> None:
        """Keep a point of the way; of too many, every other one is left out, but not the first and the last."""
        write_tensors(self.way / f"{training.kimg:08.2f}.safetensors", training.kept())
        points = sorted(self.way.glob("*.safetensors"))
        if len(points) > KEPT:
            for point in points[1:-1:2]:
                point.unlink()

    def finish(self, training: Training, about: dict[str, Any]) -> None:
        """What a model that is finished for now has besides: a card, a preview and a walk."""
        write_jpeg(self.path / "preview.jpg", sheet(seeds(training, 16, TRUNCATION), 4), 88)
        walk(training, self.path / "walk.mp4")
        page = self.path / "README.md"
        _, _, added = page.read_text("utf-8").partition(f"\n| {LAST} |") if page.exists() else ("", "", "")
        _, _, added = added.partition("\n")  # what somebody has written below stays
        with whole(page) as writing:
            writing.write_text(card(self.path.name, training, about) + added, "utf-8")


def seeds(training: Training, count: int, truncation: float) -> NDArray[np.uint8]:
    """The pictures of the first seeds, as they are when they are played: [N, 3, R, R]."""
    z = torch.stack([normal(seed, training.recipe.network.z_dim) for seed in range(count)])
    return eight_bit(training.pictures_of(z, truncation))


def walk(training: Training, path: Path, seconds: float = 8.0, fps: float = 25.0, stops: int = 4) -> None:
    """A closed walk through a few seeds, as a video file."""
    points = torch.stack([normal(seed, training.recipe.network.z_dim) for seed in range(stops)])
    movie, frames = Movie(path, fps=fps), round(seconds * fps)
    for start in range(0, frames, 16):
        place = torch.arange(start, min(start + 16, frames)) / frames * stops
        below, part = place.long(), (place % 1)[:, None]
        part = part * part * (3 - 2 * part)
        z = torch.lerp(points[below % stops], points[(below + 1) % stops], part)
        for offset, picture in enumerate(eight_bit(training.pictures_of(z, TRUNCATION))):
            movie.write(np.ascontiguousarray(picture.transpose(1, 2, 0)), (start + offset) / fps)
    movie.close()


def card(name: str, training: Training, about: dict[str, Any]) -> str:
    """The model's README: what it is, what it was made of, and how."""
    config, recipe = training.recipe.network, training.recipe
    commands = ", then ".join(f"`{command}`" for command in about["commands"])
    numbers = sum(weight.numel() for weight in training.average.parameters())
    rows = {
        "Architecture": f"StyleGAN2, skip, {config.resolution} px, z {config.z_dim}, w {config.w_dim}, channels"
        f" {' '.join(map(str, config.channels))}, {config.mapping_layers} mapping layers",
        "Size": f"{numbers / 1e6:.2f} million numbers, kept as 16-bit floats",
        "Data": f"{about['source']}, {about['pictures']} pictures",
        "Trained": f"{training.kimg:.0f} kimg in {training.seconds / 60:.0f} minutes on {about['device']}",
        **({"First axes of z": ", ".join(about["axes"])} if about["axes"] else {}),
        "Recipe": told(recipe),
        "Began from": about.get("from") or "random numbers",
        "Licence": about["license"],
        LAST: f"{commands}, of Phosphene {__version__}, {about['date']}",
    }
    table = "\n".join(f"| {key} | {str(value).replace('|', '&#124;')} |" for key, value in rows.items())
    preview = f"![sixteen seeds at truncation {TRUNCATION}](preview.jpg)"
    return f"# {name}\n\n{about['about']}\n\n{preview}\n\n| | |\n|---|---|\n{table}\n"


def told(recipe: Recipe) -> str:
    """A recipe in words: those of its numbers that mattered."""
    falling = f" and falling after {recipe.steady:g} kimg" if recipe.steady else ""
    said = [f"batch {recipe.batch}, rate {recipe.rate:g}{falling}"]
    if recipe.pairing:
        said.append(f"pairs {recipe.pairing:g}, likeness {recipe.likeness:g}, mapping {recipe.mapping:g} times as fast")
    else:
        said.append(f"mixing {recipe.mixing:g}")
    if recipe.flip and not recipe.pairing:
        said.append("mirrored")
    if not recipe.judged:
        said.append("no judge")
    else:
        said.append(f"judge {recipe.judge}, R1 {recipe.penalty:.3g} every {recipe.r1_every} steps")
        said.append(f"augmentation {recipe.augment}")
    return ", ".join(said)
