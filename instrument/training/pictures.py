"""Pictures to learn from: a folder, a zip, a video or a world, made square and kept in one file."""

import hashlib
import importlib
import json
import logging
import pkgutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instrument.document import Mistake
from instrument.files import whole
from instrument.images import SUFFIXES, read_picture, squared
from instrument.media import VIDEO_SUFFIXES, frames_of
from instrument.parameters import unknown
from instrument.progress import progress
from instrument.training.worlds import light

log = logging.getLogger("phosphene")

FEWEST = 16
WORLD = "world:"


@dataclass
class Pictures:
    """Square pictures `pixels` uint8 [N, 3, R, R], read from disk as they are needed, and the files that were no use.

    Those of a world come with their `factors` [N, F].
    """

    name: str
    pixels: NDArray[np.uint8]
    factors: Tensor | None = None
    skipped: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, count: int, random: torch.Generator, flip: bool = False) -> Tensor:
        """`count` of them by chance [N, 3, R, R], -1..1; with `flip` each is mirrored or not."""
        found, _ = self.pairs(count, random)
        if not flip:
            return found
        mirrored = torch.rand(count, 1, 1, 1, generator=random) < 0.5
        return torch.where(mirrored, found.flip(3), found)

    def pairs(self, count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """`count` of them by chance [N, 3, R, R], -1..1, and their factors [N, F] (none: [N, 0])."""
        which = torch.randint(len(self.pixels), (count,), generator=random)
        found = signed(self.pixels[which.numpy()])
        return found, torch.zeros(count, 0) if self.factors is None else self.factors[which]


def signed(pixels: NDArray[np.uint8]) -> Tensor:
    """Pixels 0..255 as pictures -1..1."""
    return torch.from_numpy(pixels).float() / 127.5 - 1


def eight_bit(pictures: Tensor) -> NDArray[np.uint8]:
    """Pictures -1..1 as pixels 0..255; what lies beyond is clamped."""
    found: NDArray[np.uint8] = pictures.add(1).mul(127.5).round_().clamp_(0, 255).byte().numpy()
    return found


def open_pictures(source: str, resolution: int, folder: Path, *, count: int, device: torch.device) -> Pictures:
    """All pictures of a source at a resolution, prepared in `folder` the first time and only read from then on.

    `source` is a folder, a .zip, a video, or `world:NAME`, of which `count` pictures are drawn on `device`. Raises Mistake
    if there is no such thing, or fewer than 16 pictures in it.
    """
    key, factors = {"source": source, "resolution": resolution}, None
    if source.startswith(WORLD):
        made = world(source)
        factors = factors_of(made, count)
        key |= {"pictures": count, "version": drawing(made)}
    else:
        key |= {"files": stamps(Path(source))}
    file, about = folder / f"pictures-{resolution}.bytes", folder / f"pictures-{resolution}.json"
    kept = json.loads(about.read_text("utf-8")) if file.is_file() and about.is_file() else {}
    if kept.get("key") == key:
        return Pictures(source, mapped(file, resolution), factors, kept["skipped"])
    folder.mkdir(parents=True, exist_ok=True)
    skipped: list[str] = []
    if factors is not None:
        write(drawn(made, factors, resolution, device), file)
    else:
        write(gathered(Path(source), resolution, skipped), file)
    with whole(about) as writing:
        writing.write_text(json.dumps({"key": key, "skipped": skipped}, indent=1), "utf-8")
    return Pictures(source, mapped(file, resolution), factors, skipped)


def write(pictures: Iterable[NDArray[np.uint8]], file: Path) -> None:
    """Pictures [3, R, R] one after another in a file, whole or not at all."""
    with whole(file) as writing, writing.open("wb") as out:
        for picture in pictures:
            out.write(picture.tobytes())


def mapped(file: Path, resolution: int) -> NDArray[np.uint8]:
    """The pictures of such a file [N, 3, R, R], read from disk as they are needed."""
    return np.memmap(file, np.uint8, "r").reshape(-1, 3, resolution, resolution)


def worlds() -> list[str]:
    """The names of the worlds there are: those files in `worlds/` that draw."""
    package = importlib.import_module("instrument.training.worlds")
    return [item.name for item in pkgutil.iter_modules(package.__path__) if item.name != "light"]


def world(source: str) -> ModuleType:
    """The module of `world:NAME`. Raises Mistake with the nearest name."""
    name = source.removeprefix(WORLD)
    if name not in worlds():
        raise Mistake(unknown("world", name, worlds()))
    return importlib.import_module(f"instrument.training.worlds.{name}")


def drawing(made: ModuleType) -> str:
    """A number for how a world draws now: it is another when the code of it is."""
    code = b"".join(Path(str(module.__file__)).read_bytes() for module in (made, light))
    return hashlib.sha256(code).hexdigest()[:16]


def factors_of(made: ModuleType, count: int, seed: int = 0) -> Tensor:
    """What the first `count` pictures of a world are made of: [N, F] in 0..1, the same for every resolution."""
    return torch.rand(count, len(made.FACTORS), generator=torch.Generator().manual_seed(seed))


def drawn(made: ModuleType, factors: Tensor, resolution: int, device: torch.device) -> Iterator[NDArray[np.uint8]]:
    """A world's pictures [3, R, R] of factors [N, F]."""
    # on a processor as many as its cache holds, elsewhere as many as need a few GB
    together = max(1, 256 // resolution if device.type == "cpu" else (1 << 21) // resolution**2)
    for some in progress(factors.split(together), "drawing", f"{together} pictures"):
        yield from made.render(some.to(device), resolution).mul(255).round_().byte().cpu().numpy()


def gathered(source: Path, resolution: int, skipped: list[str]) -> Iterator[NDArray[np.uint8]]:
    """The pictures of a folder, zip or video, made square [3, R, R]. Those of no use are named in `skipped`."""
    found = 0
    for name, pixels in progress(each(source), "reading", "picture"):
        if isinstance(pixels, str):
            skipped.append(f"{name}: {pixels}")
            log.warning("%s: skipped, %s", name, pixels)
            continue
        found += 1
        yield squared(pixels, resolution).transpose(2, 0, 1)
    if found < FEWEST:
        left = f" ({len(skipped)} files were no use)" if skipped else ""
        raise Mistake(
            f"{source}: {found} pictures{left}; from fewer than {FEWEST} a network learns those by heart"
            " and nothing else"
        )


def each(source: Path) -> Iterator[tuple[str, NDArray[np.uint8] | str]]:
    """Every picture of a source by name, or why it is of no use."""
    if source.suffix.lower() in VIDEO_SUFFIXES:
        try:
            yield from ((f"{source}, frame {index}", pixels) for index, pixels in enumerate(frames_of(source)))
        except ValueError as error:
            raise Mistake(str(error)) from error
    elif source.suffix.lower() == ".zip":
        try:
            with zipfile.ZipFile(source) as archive:
                for item in archive.infolist():
                    if Path(item.filename).suffix.lower() in SUFFIXES:
                        yield f"{source}: {item.filename}", unpacked(archive, item)
        except zipfile.BadZipFile as error:
            raise Mistake(f"{source}: is no .zip file that can be read ({error})") from error
    else:
        for path in files(source):
            yield str(path), read(path.read_bytes())


def unpacked(archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> NDArray[np.uint8] | str:
    try:
        return read(archive.read(item))
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:  # broken, or locked
        return f"cannot be unpacked ({error})"


def read(content: bytes) -> NDArray[np.uint8] | str:
    try:
        return read_picture(content)
    except ValueError as error:
        return str(error)


def files(folder: Path) -> list[Path]:
    """The picture files in a folder and in the folders in it, by name."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def stamps(source: Path) -> str:
    """What tells whether the files of a source have changed: names, sizes and times, as one number."""
    if source.is_dir():
        there = files(source)
    elif source.is_file() and source.suffix.lower() in {".zip", *VIDEO_SUFFIXES}:
        there = [source]
    else:
        kinds = "a folder of pictures, a .zip, a video or world:NAME"
        raise Mistake(f"{source}: there is no such source; it can be {kinds} ({', '.join(worlds())})")
    told = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in there]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
