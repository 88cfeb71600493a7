"""A checkpoint's path to a network: which kind of file it is, and whose."""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from instrument.checkpoints import nvidia, rosinality, tensorflow
from instrument.checkpoints.names import KNOWN, Module
from instrument.checkpoints.pickles import Unreadable, unpickled
from instrument.checkpoints.torch_files import newer, older
from instrument.document import Mistake
from instrument.model import Model

PICKLE = 0x80  # the first byte of every pickle from protocol 2 on
BEGINNING = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"  # torch's older files: the magic number
LARGEST = 8 << 30  # bytes; the largest that are published have 4 GiB


def read_checkpoint(path: Path) -> Model:
    """The network in a file: NVIDIA's pickles, for torch or TensorFlow, and rosinality's files.

    Raises Mistake, a ValueError that names the file, and says what is wrong with it or what it is instead.
    """
    with named(path):
        return network(held_in(path))


@contextmanager
def named(path: Path) -> Iterator[None]:
    """What goes wrong inside is a Mistake with the file's name."""
    try:
        yield
    except OSError as error:
        raise Mistake(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise Mistake(f"{path}: {error}") from error


def held_in(path: Path) -> Any:
    """What a file holds, with everything that its maker's program would have made of it as inert records."""
    with path.open("rb") as opened:
        size = path.stat().st_size
        if not size:
            raise Unreadable("the file is empty")
        if size > LARGEST:
            raise Unreadable(f"the file has {size:,} bytes; none that is known has more than {LARGEST:,}")
        file = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    content = memoryview(file)
    if file[:4] == b"PK\3\4":
        return newer(content, file, KNOWN)
    if file[0] != PICKLE:
        raise Unreadable(f"the file is {kind(file[:64])}, not a checkpoint: a pickle (.pkl) or a file of torch's (.pt)")
    if file[2 : 2 + len(BEGINNING)] == BEGINNING:
        return older(content, KNOWN)
    return unpickled(content, KNOWN)[0]


def network(held: Any) -> Model:
    """The network in what a file holds."""
    if isinstance(held, tuple | list):
        return tensorflow.network(held)
    if isinstance(held, Module):
        return nvidia.network({"G_ema": held})
    if not isinstance(held, dict):
        raise Unreadable(f"it holds a {type(held).__name__}, not networks")
    if isinstance(held.get("GAN"), dict):
        raise Unreadable(
            "it is a model of lucidrains' stylegan2-pytorch, whose layers do something else; it is not played here"
        )
    if "G_ema" in held or "G" in held:
        return nvidia.network(held)
    if "g_ema" in held:
        return rosinality.network(held)
    raise Unreadable(f"it holds {', '.join(map(str, held))[:200] or 'nothing'}: no network by the names that are known")


def kind(beginning: bytes) -> str:
    """What a file is by its first bytes."""
    known = {
        b"\x89HDF": "an HDF5 file",
        b"\x1f\x8b": "compressed with gzip",
        b"\x89PNG": "a picture",
        b"\xff\xd8": "a picture",
        b"<": "a web page, perhaps instead of a download",
        b"version https://git-lfs": "a pointer of Git LFS, not the file itself",
    }
    found = next((said for magic, said in known.items() if beginning.lstrip().startswith(magic)), None)
    if found is None and b'{"' in beginning[8:12]:
        found = "a safetensors file, which a model folder needs model.toml for"
    return found or "of another kind"
