"""Files that are written whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write meanwhile: it takes the place of `path` at the end, and what was there before stays until then."""
    writing = path.with_name(path.name + ".writing")
    try:
        yield writing
        writing.replace(path)
    finally:
        writing.unlink(missing_ok=True)
