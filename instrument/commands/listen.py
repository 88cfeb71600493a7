"""Show what the instrument hears in a sound file or at a sound input: meters, drums, tempo, and the beats of the bar.

A file is heard as fast as the machine can, by the same code as in a show. --jsonl writes one JSON object a line for every beat,
downbeat, onset, change of tempo and silence; docs/tempo.md says what is in them.
"""

import argparse
import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import TextIO

from instrument import options
from instrument.announcing import Announcer, Moment
from instrument.clock import Real
from instrument.commands import asked_to_stop
from instrument.document import Mistake
from instrument.flow import Sound
from instrument.inputs.audio import SUFFIXES
from instrument.listening.meters import LEVELS
from instrument.media import sound_of
from instrument.progress import clock
from instrument.sound.soundcard import Device

REDRAWN = 0.05  # seconds between two looks of the line
LOOKS = 50.0  # a second at a device
LONGEST = 1.0  # second of look-ahead
FULL, PARTS = "█", " ▏▎▍▌▋▊▉"
STRIKES = "onset", "kick", "snare", "hat"
STOPPED = 130  # the exit code of a file that was not heard to its end
GLOW = 0.12  # seconds for which a strike is shown


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", metavar="FILE|DEVICE", help="a sound file, or a sound input as `phosphene devices` lists it"
    )
    parser.add_argument(
        "--jsonl", metavar="OUT", help="write what is heard to a file, one JSON object a line; - is standard output"
    )
    parser.add_argument(
        "--look-ahead",
        type=float,
        default=0.02,
        metavar="SECONDS",
        help="announce beats so long before they come, 0 to 1 (default 0.02)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it is there already")


def run(args: argparse.Namespace) -> int:
    if not 0 <= args.look_ahead <= LONGEST:
        raise Mistake(f"--look-ahead is 0 to {LONGEST:g} seconds, got {args.look_ahead:g}")
    out = None if args.jsonl in (None, "-") else Path(args.jsonl)
    if out:
        options.check_writable(out, args.overwrite, "--jsonl")
    path = Path(args.source).expanduser()
    is_file = path.is_file() or path.suffix.lower() in SUFFIXES
    if out and is_file:
        options.check_apart([("the sound", path)], [("--jsonl", out)])
    try:
        with ExitStack() as closing:
            stop = closing.enter_context(asked_to_stop())
            pieces = sound_of(path) if is_file else played(args.source, closing)
            first = next(pieces)
            announcer = Announcer(first.rate, args.look_ahead)
            lines = (
                sys.stdout
                if args.jsonl == "-"
                else closing.enter_context(out.open("w", encoding="utf-8"))
                if out
                else None
            )
            view = View(announcer, sys.stderr if args.jsonl == "-" else sys.stdout)
            for piece in chain([first], pieces):
                moments = announcer.push(piece.samples)
                if lines and moments:
                    lines.writelines(json.dumps(moment) + "\n" for moment in moments)
                    lines.flush()
                view.show(moments)
                if stop.is_set():
                    break
            view.end()
    except ValueError as error:
        raise Mistake(str(error)) from error
    return STOPPED if is_file and stop.is_set() else 0


def played(name: str, closing: ExitStack) -> Iterator[Sound]:
    """What a device hears, from now on, for ever."""
    device = Device(name)
    closing.callback(device.close)
    for tick in Real(LOOKS, 120.0):
        yield Sound(device.read(tick), device.rate)


class View:
    """What is heard, for the eye: one line that is drawn again and again on a terminal, elsewhere a line for what changes."""

    def __init__(self, announcer: Announcer, out: TextIO) -> None:
        self.announcer, self.out, self.live = announcer, out, out.isatty()
        self.drawn, self.counts = 0.0, Counter[str]()
        self.struck = dict.fromkeys(STRIKES, -1.0)  # when each was

    def show(self, moments: list[Moment]) -> None:
        self.counts.update(moment["kind"] for moment in moments)
        for name in STRIKES:
            if self.announcer.signals.get(name):
                self.struck[name] = time.perf_counter()
        if not self.live:
            for moment in moments:
                if moment["kind"] in ("tempo", "silence"):
                    print(said(moment), file=self.out, flush=True)
        elif time.perf_counter() - self.drawn > REDRAWN:
            self.drawn = time.perf_counter()
            self.out.write("\r" + self.line()[: shutil.get_terminal_size().columns - 1] + "\x1b[K")
            self.out.flush()

    def line(self) -> str:
        """Time, tempo, the beats of the bar, meters, and what is struck."""
        announcer, now = self.announcer, time.perf_counter()
        tempo, beat = announcer.tempo, announcer.tick.beat
        place = int(tempo.place(beat)) if announcer.known else -1
        lamps = "".join(("◆" if n == 0 else "●") if n == place else ("◇" if n == 0 else "○") for n in range(tempo.bar))
        pace = f"{tempo.bpm:5.1f} bpm {tempo.confidence:4.0%}" if announcer.known else "  … bpm     "
        meters = "  ".join(f"{name} {meter(announcer.signals.get(name, 0.0))}" for name in LEVELS)
        struck = " ".join(name if now - at < GLOW else " " * len(name) for name, at in self.struck.items())
        return f"{clock(announcer.now):>8}  {pace}  {lamps}  {meters}  {struck}"

    def end(self) -> None:
        counts = ", ".join(f"{self.counts[kind]} {kind}s" for kind in ("beat", "downbeat", "onset"))
        print(f"{chr(10) if self.live else ''}{clock(self.announcer.now):>8} heard: {counts}", file=self.out)


def said(moment: Moment) -> str:
    if moment["kind"] == "tempo":
        return f"{clock(moment['at']):>8}  {moment['bpm']:.1f} beats a minute"
    return f"{clock(moment['at']):>8}  {'silence' if moment['silent'] else 'sound'}"


def meter(value: float, width: int = 8) -> str:
    """A bar 0..1 in eighths of a character."""
    eighths = round(min(max(value, 0.0), 1.0) * width * 8)
    whole, part = divmod(eighths, 8)
    return (FULL * whole + (PARTS[part] if part else "")).ljust(width)
