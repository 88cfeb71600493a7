"""Torch's two kinds of file.

The older is a row of pickles and then all storages, one after the other; the newer is a .zip of one pickle and a file for
each storage. Published pickles of networks hold a whole file of the older kind for every tensor.
"""

import mmap
import struct
import zipfile
from typing import Any

from instrument.checkpoints.arrays import STORAGES, Storage, natural, storage_kind
from instrument.checkpoints.pickles import Table, Unreadable, unpickled

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001  # what the older kind begins with
NOTHING = Table({})
LONGEST_LIST = 1 << 22  # bytes


class Storages:
    """The storages that a pickle refers to, by their keys; each is there once, however often it is referred to."""

    def __init__(self) -> None:
        self.by_key: dict[str, Storage] = {}

    def __call__(self, reference: Any) -> Storage:
        """What torch writes for a storage: 'storage', its type, its key, the device it was on, how many numbers it has."""
        if not isinstance(reference, tuple) or len(reference) not in (5, 6) or reference[0] != "storage":
            raise Unreadable("the file refers to something outside of its pickle that is no storage")
        if len(reference) == 6 and reference[5] is not None:
            raise Unreadable(
                "the file has a storage that is a part of another one, which torch has long ceased to write"
            )
        _, kind, key, _, count, *_ = reference
        if not isinstance(key, str):
            raise Unreadable("the file is damaged: a storage's key is no text")
        return self.by_key.setdefault(key, Storage(storage_kind(kind), natural((count,), "a storage's length")[0]))


def older(content: memoryview, table: Table) -> Any:
    """What a file of the older kind holds."""
    storages = Storages()
    magic, place = unpickled(content, NOTHING)
    version, place = unpickled(content, NOTHING, place)
    if magic != MAGIC or version != VERSION:
        raise Unreadable("the file is a pickle of numbers, but none of torch's")
    _, place = unpickled(content, NOTHING, place)  # which system wrote it
    held, place = unpickled(content, Table(table.made, table.records, storages), place)
    keys, place = unpickled(content, NOTHING, place)
    for key in keys if isinstance(keys, list) else ():
        storage = storages.by_key.get(key) if isinstance(key, str) else None
        if storage is None or content[place : place + 8] != struct.pack("<q", storage.count):
            raise Unreadable("the file is cut off or damaged: its storages are not those that its tensors have")
        storage.fill(content[place + 8 : place + 8 + storage.size])
        place += 8 + storage.size
    return held


def nested(content: Any) -> Storage:
    """What `torch.storage._load_from_bytes` stands for: a file of the older kind that holds one storage."""
    if not isinstance(content, bytes | memoryview):
        raise Unreadable("the file is damaged: a storage in it has no bytes")
    held = older(memoryview(content), Table({}, STORAGES))
    if not isinstance(held, Storage):
        raise Unreadable("the file is damaged: where a storage should be, there is something else")
    return held


def newer(content: memoryview, file: mmap.mmap, table: Table) -> Any:
    """What a file of the newer kind holds."""
    if listed(file) > LONGEST_LIST:
        raise Unreadable("the file is a .zip of more files than any network has tensors")
    try:
        with zipfile.ZipFile(file) as archive:  # type: ignore[call-overload]  # a map of a file reads like one
            return unpacked(content, archive, table)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise Unreadable(f"the file is cut off or damaged: as a .zip it cannot be read ({error})") from error


def listed(file: mmap.mmap) -> int:
    """How many bytes a .zip's list of its files has (APPNOTE.TXT, 4.3.14 and 4.3.16): what Python would read at once."""
    end, longer = file.rfind(b"PK\5\6"), file.rfind(b"PK\6\6")
    size: int = struct.unpack_from("<I", file, end + 12)[0] if 0 <= end <= len(file) - 22 else 0
    if size == 0xFFFFFFFF and 0 <= longer <= len(file) - 56:
        size = struct.unpack_from("<Q", file, longer + 40)[0]
    return size


def unpacked(content: memoryview, archive: zipfile.ZipFile, table: Table) -> Any:
    pickles = [item for item in archive.infolist() if item.filename.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise Unreadable("the file is a .zip, but none of torch's")
    storages = Storages()
    held, _ = unpickled(within(content, pickles[0]), Table(table.made, table.records, storages))
    for key, storage in storages.by_key.items():
        name = pickles[0].filename.removesuffix("data.pkl") + f"data/{key}"
        try:
            item = archive.getinfo(name)
        except KeyError:
            raise Unreadable(f"the file is damaged: it lacks its storage {key[:50]!r}") from None
        storage.fill(within(content, item))
    return held


def within(content: memoryview, item: zipfile.ZipInfo) -> memoryview:
    """A file within the .zip, which torch stores as it is."""
    if item.compress_type != zipfile.ZIP_STORED or item.flag_bits & 1:
        raise Unreadable("the file is a .zip, but compressed or locked, as torch never writes it")
    header = bytes(content[item.header_offset : item.header_offset + 30])
    if len(header) < 30 or header[:4] != b"PK\3\4":
        raise Unreadable("the file is cut off or damaged: its .zip leads to where nothing is")
    begin = item.header_offset + 30 + sum(struct.unpack_from("<HH", header, 26))
    if begin + item.file_size > len(content):
        raise Unreadable(f"the file is cut off: {item.filename[:50]!r} within it ends too soon")
    return content[begin : begin + item.file_size]
