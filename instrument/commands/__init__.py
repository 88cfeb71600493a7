"""The commands: one file a verb, each with `arguments(parser)` and `run(args) -> exit code`."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType, ModuleType

from instrument.document import Mistake
from instrument.plugs import Unavailable

log = logging.getLogger("phosphene")

STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def run(command: ModuleType, args: argparse.Namespace) -> int:
    """Run one command: what goes wrong for a reason of the world's becomes one line and an exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        code: int = command.run(args)
        sys.stdout.flush()
    except (Mistake, Unavailable) as mistake:
        print(f"phosphene: {mistake}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # such as `phosphene devices | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain when it exits
        return 1
    except (OSError, MemoryError) as error:  # such as a disk that is full
        print(f"phosphene: {error}", file=sys.stderr)
        return 1
    return code


def answered(handler: Callable[[int, FrameType | None], None]) -> Callable[[], None]:
    """Let a handler answer what asks to stop, but for what is ignored, as nohup wants it; call what this answers to undo it."""
    before = {number: signal.getsignal(number) for number in STOPPING}
    heeded = {number: there for number, there in before.items() if there != signal.SIG_IGN}
    for number in heeded:
        signal.signal(number, handler)

    def undo() -> None:
        for number, there in heeded.items():
            signal.signal(number, there)

    return undo


@contextmanager
def asked_to_stop() -> Iterator[Event]:
    """An event that Ctrl-C, SIGTERM and a closed terminal set meanwhile, for work that must not be cut anywhere."""
    event = Event()
    undo = answered(lambda *_: event.set())
    try:
        yield event
    finally:
        undo()


@contextmanager
def undisturbed() -> Iterator[None]:
    """The first signal meanwhile ends nothing: an impatient second Ctrl-C must not cost a recording its end.

    Another one does: somebody may be waiting for an output that hangs.
    """

    def withstood(number: int, frame: FrameType | None) -> None:
        undo()
        log.info("Still closing. Once more, and what hangs is left behind.")

    undo = answered(withstood)
    try:
        yield
    finally:
        undo()
