"""Running out of memory, said in one way whoever runs out of it: torch, CUDA or NumPy."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def enough_memory() -> Iterator[None]:
    """What inside is short of memory raises MemoryError with one line; any other error passes as it is."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_shortage(error):
            raise
        raise MemoryError("there is not enough memory for this; a smaller --size or model needs less") from error


def is_shortage(error: Exception) -> bool:
    """Whether an error says that memory is short: CUDA by its own words, torch on the CPU by those of its allocator."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in said or ("allocate" in said and "memory" in said)
