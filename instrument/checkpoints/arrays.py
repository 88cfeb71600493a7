"""Numbers in a file: views of its bytes, checked to lie within them, and copied only when asked for.

Letters of types are numpy's: kinds b, i, u, f and c. A bfloat16, which numpy lacks, is kept as its 16 bits.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instrument.checkpoints.pickles import Name, Unreadable

MOST_AXES = 8
TYPES = {  # torch's names of what is stored -> numpy's
    "Float": "<f4", "Double": "<f8", "Half": "<f2", "BFloat16": "<u2", "Long": "<i8", "Int": "<i4", "Short": "<i2",
    "Char": "<i1", "Byte": "<u1", "Bool": "|b1", "Untyped": "<u1",
}  # fmt: skip


@dataclass(eq=False)
class Storage:
    """Numbers of one kind in the file: how many, and their bytes, which some files bring later than the tensors."""

    kind: str
    count: int
    content: memoryview | None = None

    @property
    def size(self) -> int:
        """In bytes."""
        return self.count * int(TYPES[self.kind][2:])

    def fill(self, content: memoryview) -> None:
        if len(content) != self.size:
            raise Unreadable(
                f"the file is damaged: {self.count:,} numbers of {self.kind} come with {len(content):,} bytes"
            )
        self.content = content


class Stored:
    """An array in the file: a view of its bytes."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def view(self) -> NDArray[Any]:
        return self.array

    def tensor(self) -> Tensor:
        """A copy as float32."""
        return torch.from_numpy(np.array(self.view(), np.float32, order="C"))


@dataclass(eq=False)
class View(Stored):
    """A tensor in the file; offset and strides count numbers of its storage."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.size

    def view(self) -> NDArray[Any]:
        if self.storage.content is None:
            raise Unreadable("the file is damaged: a tensor's storage is not there")
        whole = np.frombuffer(self.storage.content, TYPES[self.storage.kind], self.storage.count)
        if not all(self.size):
            return np.empty(self.size, np.float32)
        steps = [stride * whole.itemsize for stride in self.strides]
        seen = np.lib.stride_tricks.as_strided(whole[self.offset :], self.size, steps, writeable=False)
        if self.storage.kind == "BFloat16":  # the upper half of a float32
            return (seen.astype(np.uint32) << 16).view(np.float32)
        return seen


def storage_kind(name: Any) -> str:
    """`torch.FloatStorage` -> Float."""
    text = name.text if isinstance(name, Name) else ""
    kind = text.removeprefix("torch.storage.").removeprefix("torch.").removesuffix("Storage")
    if kind not in TYPES:
        raise Unreadable(f"the file stores numbers as {text or name!r}, which is no type of torch's that networks use")
    return kind


def tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> View:
    """What `torch._utils._rebuild_tensor_v2` stands for. Every number of it lies within its storage, and none twice."""
    if not isinstance(storage, Storage):
        raise Unreadable("the file is damaged: a tensor in it has no storage")
    shape, strides = natural(size, "a tensor's size"), natural(stride, "a tensor's strides")
    start = natural((offset,), "a tensor's offset")[0]
    if len(shape) != len(strides):
        raise Unreadable(f"the file is damaged: a tensor of {len(shape)} axes has {len(strides)} strides")
    last = start + sum((count - 1) * step for count, step in zip(shape, strides, strict=True))
    count: int = math.prod(list(shape))
    if count > storage.count or (count and last >= storage.count):
        raise Unreadable(
            f"the file is damaged: a tensor {list(shape)} reaches beyond the {storage.count:,} numbers it is made of"
        )
    return View(storage, start, shape, strides)


def natural(numbers: Any, what: str) -> tuple[int, ...]:
    """Whole numbers from 0, few enough for axes."""
    if not isinstance(numbers, tuple | list) or len(numbers) > MOST_AXES:
        raise Unreadable(f"the file is damaged: {what} is no short list of numbers")
    if not all(isinstance(number, int) and 0 <= number < 1 << 40 for number in numbers):
        raise Unreadable(f"the file is damaged: {what} must be whole numbers from 0")
    return tuple(numbers)


class Kind:
    """What `numpy.dtype` stands for."""

    def __init__(self, name: Any, *_: Any) -> None:
        if not isinstance(name, str) or name[:1] not in "biufc" or name[1:] not in ("1", "2", "4", "8", "16"):
            raise Unreadable(f"the file has an array of {name!r}; only plain numbers are read")
        self.dtype = np.dtype(name)

    def settle(self, state: Any) -> None:
        """The state holds a version and then the order of bytes: < little, > big, | where it makes no difference."""
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
            raise Unreadable("the file is damaged: an array's type in it has no order of bytes")
        self.dtype = self.dtype.newbyteorder(state[1])


class Array(Stored):
    """What `numpy…_reconstruct` stands for: empty until its state says what it holds."""

    def __init__(self, *_: Any) -> None:
        super().__init__(np.empty(0, np.float32))

    def settle(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise Unreadable("the file is damaged: an array in it has no shape and no type")
        _, shape, kind, columns, content = state
        self.array = laid_out(content, kind, shape, "F" if columns else "C")


def from_buffer(content: Any, kind: Any, shape: Any, order: Any) -> Stored:
    """What `numpy…_frombuffer` stands for, as protocol 5 has it."""
    return Stored(laid_out(content, kind, shape, order))


def scalar(kind: Any, content: Any) -> int | float | bool | complex:
    """What `numpy…scalar` stands for: one number."""
    number: int | float | bool | complex = laid_out(content, kind, (), "C").item()
    return number


def laid_out(content: Any, kind: Any, shape: Any, order: Any) -> NDArray[Any]:
    if not isinstance(content, bytes | memoryview) or not isinstance(kind, Kind) or order not in ("C", "F"):
        raise Unreadable("the file is damaged: an array in it has no numbers")
    shape = natural(shape, "an array's shape")
    if math.prod(shape) * kind.dtype.itemsize != len(content):
        raise Unreadable(
            f"the file is damaged: an array {list(shape)} of {kind.dtype} comes with {len(content):,} bytes"
        )
    return np.ndarray(shape, kind.dtype, content, order=order)


MADE: Mapping[str, Callable[..., Any]] = {
    "numpy.dtype": Kind,
    "numpy.core.multiarray.scalar": scalar,
    "numpy._core.multiarray.scalar": scalar,
    "numpy.core.multiarray._reconstruct": Array,
    "numpy._core.multiarray._reconstruct": Array,
    "numpy.core.numeric._frombuffer": from_buffer,
    "numpy._core.numeric._frombuffer": from_buffer,
    "torch._utils._rebuild_tensor": tensor,
    "torch._utils._rebuild_tensor_v2": tensor,
}
STORAGES = (*(f"torch.{kind}Storage" for kind in TYPES), "torch.storage.UntypedStorage", "torch.storage.TypedStorage")
