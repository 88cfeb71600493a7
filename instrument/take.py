"""Takes: a recorded performance is its ticks and events, one JSON object a line."""

import json
import logging
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instrument.document import Mistake
from instrument.flow import Event, Tick

log = logging.getLogger("phosphene")
FORMAT = "phosphene take 1"


class Recorder:
    """Writes a take while it is played, from a thread of its own; a kill loses at most the last moments.

    The first line says what was played (`header`), each further line is a tick with its events. Raises Mistake if the
    file exists or its folder does not.
    """

    def __init__(self, path: Path, header: dict[str, Any], *, overwrite: bool = False) -> None:
        if path.exists() and not overwrite:
            raise Mistake(f"{path}: exists already; --overwrite replaces it")
        if not path.parent.is_dir():
            raise Mistake(f"{path}: there is no folder {path.parent}")
        self.file = path.open("w", encoding="utf-8", buffering=1)
        self.file.write(json.dumps({"take": FORMAT, **header}) + "\n")
        self.broken = False
        self.lines: queue.SimpleQueue[tuple[Tick, Sequence[Event]] | None] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self.run, name="take", daemon=True)
        self.thread.start()

    def write(self, tick: Tick, events: Sequence[Event]) -> None:
        """Append one tick."""
        if not self.broken:
            self.lines.put((tick, events))

    def run(self) -> None:
        try:
            with self.file:
                while (item := self.lines.get()) is not None:
                    self.file.write(written(*item))
        except Exception as error:  # whatever it is, the show goes on
            self.broken = True  # or what nobody writes would gather
            why = getattr(error, "strerror", None) or error
            log.warning("the take ends here, %s cannot be written (%s); the show goes on", self.file.name, why)

    def close(self) -> None:
        """Write what waits, and close the file."""
        self.lines.put(None)
        self.thread.join()


def written(tick: Tick, events: Sequence[Event]) -> str:
    """One tick's line."""
    line = {
        "tick": [tick.index, tick.time, tick.dt, tick.beat, tick.bar],
        "events": [[event.address, event.value] for event in events],
    }
    return json.dumps(line) + "\n"


@dataclass(frozen=True)
class Take:
    """A take read back: what was played, its ticks, and the events of each."""

    header: dict[str, Any]
    ticks: list[Tick]
    events: list[list[Event]]


def read_take(path: Path) -> Take:
    """A take from its file. A last line that a kill cut short is left out; any other mistake raises Mistake with its line."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Mistake(f"{path}: cannot be read as a take: {error}") from error
    ticks, events, header = [], [], {}
    for number, line in enumerate(lines, 1):
        try:
            item = json.loads(line)
            if number == 1:
                if item.get("take") != FORMAT:
                    raise ValueError(f"the first line must say {FORMAT!r}")
                header = item
                continue
            index, time, dt, beat, *bar = item["tick"]  # a take of before there were bars has none
            ticks.append(
                Tick(int(index), float(time), float(dt), float(beat), float(bar[0]) if bar else float(beat) / 4)
            )
            events.append(
                [Event(str(address), None if value is None else float(value)) for address, value in item["events"]]
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if number == len(lines) > 1 and isinstance(error, json.JSONDecodeError):
                break
            raise Mistake(f"{path}: line {number}: not a take: {error}") from error
    if not ticks:
        raise Mistake(f"{path}: not a take: there are no ticks in it")
    return Take(header, ticks, events)
