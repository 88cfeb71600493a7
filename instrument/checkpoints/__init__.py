"""Other people's networks, read without running anything that is in their files."""

import mmap
from pathlib import Path
from typing import Any

from instrument.checkpoints import nvidia, rosinality, tensorflow
from instrument.checkpoints.names import KNOWN, Module
from instrument.checkpoints.pickles import Unreadable, unpickled
from instrument.checkpoints.torch_files import newer, older
from instrument.model import Model

PICKLE = 0x80  # the first byte of every pickle from protocol 2 on
BEGINNING = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"  # torch's older files: the magic number
LARGEST = 8 << 30  # bytes; the largest that are published have 4 GiB


def read_checkpoint(path: Path) -> Model:
    """The network in a file: NVIDIA's pickles, for torch or TensorFlow, and rosinality's files.

    Raises ValueError that names the file, and says what is wrong with it or what it is instead.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if not size:
                raise Unreadable("the file is empty")
            if size > LARGEST:
                raise Unreadable(f"the file has {size:,} bytes; none that is known has more than {LARGEST:,}")
            return network(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def network(file: mmap.mmap) -> Model:
    """The network in a file's bytes."""
    content = memoryview(file)
    if file[:4] == b"PK\3\4":
        return torch_s(newer(content, file, KNOWN))
    if content[0] != PICKLE:
        raise Unreadable(
            f"the file is {kind(bytes(content[:64]))}, not a checkpoint: a pickle (.pkl) or a file of torch's (.pt)"
        )
    if bytes(content[2 : 2 + len(BEGINNING)]) == BEGINNING:
        return torch_s(older(content, KNOWN))
    held = unpickled(content, KNOWN)[0]
    if isinstance(held, tuple | list):
        return tensorflow.network(held)
    if isinstance(held, Module):
        held = {"G_ema": held}
    if not isinstance(held, dict):
        raise Unreadable(f"the pickle holds a {type(held).__name__}, not networks")
    return nvidia.network(held)


def torch_s(held: Any) -> Model:
    """The network in what a file of torch's holds."""
    if isinstance(held, dict) and isinstance(held.get("GAN"), dict):
        raise Unreadable(
            "it is a model of lucidrains' stylegan2-pytorch, whose layers do something else; it is not played here"
        )
    if not isinstance(held, dict):
        raise Unreadable(f"it holds a {type(held).__name__}, not a network's numbers by name")
    return rosinality.network(held)


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
