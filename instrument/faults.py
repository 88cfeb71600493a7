"""Faults while playing: said once, counted, and the show goes on."""

import logging
from collections import Counter

log = logging.getLogger("phosphene")


class Faults:
    """Which parts failed, how, and how often. With `strict` (under test) the first fault is raised instead."""

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self.count: Counter[str] = Counter()

    def report(self, part: str, error: Exception) -> None:
        """Take note of a failure; say it the first time. May be called from any thread."""
        what = f"{part}: {type(error).__name__}: {error}".split("\n")[0]
        self.count[what] += 1
        if self.strict:
            raise error
        if self.count[what] == 1:
            log.warning("%s (it is left out where it fails; the show goes on)", what)
            log.debug("the fault of %s", part, exc_info=error)

    def lines(self) -> list[str]:
        """One line a fault, with its count."""
        return [f"{what} ({times}×)" for what, times in list(self.count.items())]
