"""The commands: one file a verb, each with `arguments(parser)` and `run(args) -> exit code`."""

import argparse
import logging
import signal
import sys
from types import FrameType, ModuleType

from instrument.document import Mistake


def run(command: ModuleType, args: argparse.Namespace) -> int:
    """Run one command: a mistake becomes one line and exit code 2, Ctrl-C and SIGTERM end it properly."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    signal.signal(signal.SIGTERM, interrupted)
    try:
        code: int = command.run(args)
    except Mistake as mistake:
        print(f"phosphene: {mistake}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # such as `phosphene devices | head -1`
        sys.stderr.close()
        return 1
    return code


def interrupted(number: int, frame: FrameType | None) -> None:
    """SIGTERM is Ctrl-C from someone else."""
    raise KeyboardInterrupt
