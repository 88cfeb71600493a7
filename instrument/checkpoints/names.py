"""What the names in published files stand for: every one of them that a network needs, and what we make of it.

None of them is imported, and no program text in a file is read, let alone run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from instrument.checkpoints import arrays
from instrument.checkpoints.pickles import Name, Record, Table, Unreadable
from instrument.checkpoints.torch_files import nested


@dataclass(eq=False)
class Module:
    """A network or a part of one: the name of its class and what it held. Its program came along, and is left alone."""

    kind: str
    state: dict[str, Any]


def module(meta: Any) -> Module:
    """What `torch_utils.persistence._reconstruct_persistent_obj` stands for."""
    state, kind = (meta.get("state"), meta.get("class_name")) if isinstance(meta, dict) else (None, None)
    if not isinstance(state, dict) or not isinstance(kind, str):
        raise Unreadable("the file is damaged: a network in it has no class or no state")
    return Module(kind, state)


def dictionary(pairs: Any = ()) -> dict[str, Any]:
    """What `collections.OrderedDict` stands for."""
    if not isinstance(pairs, list | tuple) or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs
    ):
        raise Unreadable("the file is damaged: a dictionary in it is not made of pairs")
    if not all(isinstance(key, str) for key, _ in pairs):
        raise Unreadable("the file is damaged: a dictionary in it has a key that is no text")
    return dict(pairs)


def encoded(text: Any, encoding: Any = "utf-8") -> bytes:
    """What `_codecs.encode` stands for: how protocol 2 writes bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1", "utf-8", "ascii"):
        raise Unreadable("the file is damaged: it makes bytes of something that is no text")
    return text.encode(encoding)


def members(entries: Any = ()) -> list[Any]:
    """What `set` stands for: a list, because nothing here asks whether something is in it."""
    return list(entries) if isinstance(entries, list | tuple) else []


def sizes(numbers: Any = ()) -> tuple[int, ...]:
    """What `torch.Size` stands for."""
    return arrays.natural(numbers, "a tensor's size")


def again(kind: Any, *_: Any) -> Record:
    """What `copyreg._reconstructor` stands for."""
    if not isinstance(kind, Name):
        raise Unreadable("the file is damaged: it makes something of no class")
    return Record(kind.text)


def same(thing: Any, *_: Any) -> Any:
    """What `torch._utils._rebuild_parameter` stands for: the tensor that it is given."""
    return thing


MADE: Mapping[str, Callable[..., Any]] = {
    **arrays.MADE,
    "torch.storage._load_from_bytes": nested,
    "torch._utils._rebuild_parameter": same,
    "torch._utils._rebuild_parameter_with_state": same,
    "torch.Size": sizes,
    "torch_utils.persistence._reconstruct_persistent_obj": module,
    "collections.OrderedDict": dictionary,
    "dnnlib.EasyDict": dictionary,
    "dnnlib.util.EasyDict": dictionary,
    "_codecs.encode": encoded,
    "copyreg._reconstructor": again,
    "copy_reg._reconstructor": again,
    "builtins.set": members,
    "builtins.frozenset": members,
    "__builtin__.set": members,
    "__builtin__.frozenset": members,
}
RECORDS = (
    *arrays.STORAGES,
    *("builtins.object", "__builtin__.object", "argparse.Namespace"),
    *("numpy.ndarray", "dnnlib.tflib.network.Network", "torch.nn.", "torch_utils.", "training."),
)
KNOWN = Table(MADE, RECORDS)
