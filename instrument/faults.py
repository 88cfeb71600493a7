"""Faults while playing: said once, counted, and the show goes on."""

import logging
from collections import Counter

log = logging.getLogger("phosphene")


class Faults:
    """Which parts failed, how, and how often. With `strict` (under test) the first fault is raised instead.

    Faults of one part are told apart by their kind of error alone: a text with a number that changes in every frame
    would be said in every frame.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self.count: Counter[str] = Counter()
        self.said: dict[str, str] = {}

    def report(self, part: str, error: Exception) -> None:
        """Take note of a failure; say it the first time. May be called from any thread."""
        what = f"{part}: {type(error).__name__}"
        self.count[what] += 1
        if self.count[what] == 1:
            self.said[what] = f"{what}: {error}".split("\n")[0]
        if self.strict:
            raise error
        if self.count[what] == 1:
            log.warning("%s (it is left out where it fails; the show goes on)", self.said[what])
            log.debug("the fault of %s", part, exc_info=error)

    def lines(self) -> list[str]:
        """One line a fault, with its count."""
        return [f"{said} ({self.count[what]}×)" for what, said in list(self.said.items())]
