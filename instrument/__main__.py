"""The command line: `phosphene VERB …`; each verb is a file in `commands/`."""

import argparse
import ast
import ctypes
import importlib
import os
import re
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from instrument import __version__
from instrument.parameters import unknown

COMMANDS = Path(__file__).parent / "commands"


def main(arguments: list[str] | None = None) -> int:
    """Run a command; answers the exit code: 0 done, 1 it failed on the way, 2 it was asked for something it cannot do,
    130 it was stopped.
    """
    prepare_process()
    heed_signals()
    try:
        return command_line(arguments)
    except KeyboardInterrupt:
        return 130


def command_line(arguments: list[str] | None) -> int:
    """Find out which command is meant, import it, and run it."""
    given = sys.argv[1:] if arguments is None else arguments
    verbs = {path.stem: summary(path) for path in sorted(COMMANDS.glob("[!_]*.py"))}
    listed = "\n".join(f"  {verb:<9} {about}" for verb, about in verbs.items())
    parser = Parser(
        prog="phosphene",
        description="An instrument for playing a neural network live.",
        epilog=f"commands:\n{listed}\n\n`phosphene COMMAND --help` explains a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"phosphene {__version__}")
    parser.add_argument("command", metavar="COMMAND", help="what to do: see below")
    if not given:
        parser.print_help()
        return 2
    verb = parser.parse(given[:1]).command
    if verb not in verbs:
        parser.error(unknown("command", verb, verbs))
    # only the command that is asked for is imported: torch alone takes seconds
    command = importlib.import_module(f"instrument.commands.{verb}")
    own = Parser(
        prog=f"phosphene {verb}", description=command.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.arguments(own)
    from instrument.commands import run  # it imports torch too

    return run(command, own.parse(given[1:]))


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, and what was perhaps meant."""

    def parse(self, given: list[str]) -> argparse.Namespace:
        """The arguments; an option that does not exist is answered with the nearest that does."""
        self.allow_abbrev = False  # a script must not depend on what else an option's name could stand for
        arguments, left = self.parse_known_args(given)
        if left:
            name, there_is = left[0].partition("=")[0], re.findall(r"\B--?[a-z][a-z-]*", self.format_usage())
            self.error(unknown("option", name, there_is) if name.startswith("-") else f"{name!r} is one word too many")
        return arguments

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def summary(path: Path) -> str:
    """What a command does: the first line of its module's docstring, read without importing it."""
    return (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split("\n")[0]


def prepare_process() -> None:
    """Settings that must be made before torch is imported.

    Waiting threads spin for a fraction of a millisecond and then sleep: spinning for ever, a busy second thread costs
    frames of 200 ms, and sleeping at once costs half of every frame. Where the C library is glibc, large blocks are
    kept rather than handed back to the system and faulted in anew in every frame.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "30000")
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if sys.platform == "linux":
        mmap_threshold, trim_threshold, top_pad = -3, -1, -2  # <malloc.h>
        try:
            mallopt = ctypes.CDLL(None).mallopt
        except (AttributeError, OSError):  # a C library without it
            return
        for option, value in [(mmap_threshold, 1 << 30), (trim_threshold, (1 << 31) - 1), (top_pad, 64 << 20)]:
            mallopt(option, value)


def heed_signals() -> None:
    """Ctrl-C, SIGTERM and a terminal that is closed all end a show in the same way: outputs are closed properly."""
    signal.signal(signal.SIGINT, interrupted)  # also where a shell has started us in the background, deaf to it
    signal.signal(signal.SIGTERM, interrupted)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # which is how nohup asks
        signal.signal(signal.SIGHUP, interrupted)


def interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
