"""Long work, and how far it has come: the one place that imports tqdm."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from tqdm import tqdm

T = TypeVar("T")


class Bar(AbstractContextManager["Bar"], Protocol):
    """A bar that is moved by hand."""

    n: float

    def set_postfix_str(self, text: str) -> None: ...


def progress(work: Iterable[T], what: str, unit: str) -> Iterable[T]:
    """The same items, with a bar in a terminal that goes away at the end."""
    shown: Iterable[T] = tqdm(work, unit=unit, desc=what, leave=False, disable=None)
    return shown


def bar(total: float, what: str, unit: str, begin: float = 0.0, hidden: bool = False) -> Bar:
    """A bar in a terminal from `begin` to `total`: its `n` says how far it is, `set_postfix_str` shows that and a text."""
    form = "{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total:.1f} {unit} [{elapsed}<{remaining}{postfix}]"
    shown: Bar = tqdm(
        total=total, initial=begin, unit=unit, desc=what, leave=False, disable=hidden or None, bar_format=form
    )
    return shown


def clock(seconds: float) -> str:
    """Minutes, seconds and tenths: 3:07.2."""
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"
