"""Play a scene live: in a window, on the preview page, into a recording, over NDI.

Without an audio device the demo track plays; without a display the picture is on the preview page. Ctrl-C ends the
show and closes every output properly.

examples:
  phosphene play
  phosphene play night --audio "USB" --output window:1 --output recording:show.mp4
  phosphene play --audio song.ogg --output none --seconds 20 --report report.json
"""

import argparse
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from instrument import __version__, options
from instrument.assemble import Show, assemble
from instrument.clock import Real
from instrument.document import Mistake
from instrument.perform import perform
from instrument.report import Meter
from instrument.take import Recorder

log = logging.getLogger("phosphene")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "scene", nargs="?", metavar="SCENE", help="scene: a name, or a .toml file (default: first-light)"
    )
    options.add_show_options(parser)
    parser.add_argument("--audio", metavar="DEVICE|FILE", help="listen to this device, or play this song")
    parser.add_argument("--midi", action="append", metavar="PORT", help="listen to this MIDI port (part of its name)")
    parser.add_argument("--osc-port", type=int, metavar="N", help="receive OSC on this UDP port (default: 7770)")
    parser.add_argument(
        "--output",
        action="append",
        metavar="OUTPUT",
        help="window, window:DISPLAY, preview, recording:FILE, ndi:NAME or none; may be given several times "
        "(default: those of the patch)",
    )
    parser.add_argument("--take", type=Path, metavar="FILE.jsonl", help="record the performance, to be rendered later")
    parser.add_argument(
        "--report", type=Path, metavar="FILE.json", help="write frame times, ages and faults to this file"
    )


def run(args: argparse.Namespace) -> int:
    scene, patch = options.chosen(args.scene, args.patch, args.model)
    if args.audio is not None:
        patch = options.with_input(patch, "audio", source=args.audio)
    if args.midi is not None:
        patch = options.with_input(patch, "midi", ports=args.midi)
    if args.osc_port is not None:
        patch = options.with_input(patch, "osc", port=args.osc_port)
    if args.output is not None:
        patch = replace(patch, outputs=options.outputs(args.output, args.overwrite))
    if args.report:
        check_report(args.report)
    if args.take:
        options.check_writable(args.take, args.overwrite)

    meters: list[Meter] = []
    show = Show(
        live=True,
        fps=args.fps or 30.0,
        seed=args.seed,
        size=args.size,
        framing=args.framing or "fill",
        device=options.device(args.device),
        rest=options.rest(args.settings),
        status=lambda: meters[0].snapshot() if meters else {},
    )
    rig = assemble(patch, scene, show)
    take = None
    try:
        rig.warm()
        clock = Real(show.fps, scene.bpm or patch.bpm, args.seconds)
        meters.append(Meter(rig, clock))
        take = Recorder(args.take, header(args, show), overwrite=args.overwrite) if args.take else None
        log.info(
            "Playing %s with the patch %s on the %s. Ctrl-C ends the show.", scene.name, patch.name, show.device.type
        )
        perform(rig, meters[0], take)
    except KeyboardInterrupt:
        log.info("Closing.")
    finally:
        rig.close()
        if take:
            take.close()
        if args.report and meters:
            args.report.write_text(json.dumps(meters[0].final(), indent=1) + "\n", "utf-8")
    return 0


def header(args: argparse.Namespace, show: Show) -> dict[str, Any]:
    """What was played, for whoever renders the take."""

    def place(name: str | None) -> str | None:
        return str(Path(name).absolute()) if name and Path(name).exists() else name

    return {
        "phosphene": __version__,
        "scene": place(args.scene),
        "patch": place(args.patch),
        "model": place(args.model),
        "seed": args.seed,
        "fps": show.fps,
        "size": args.size,
        "framing": show.framing,
        "set": dict(show.rest),
        "song": place(args.audio) if args.audio and Path(args.audio).is_file() else None,
    }


def check_report(path: Path) -> None:
    """A report replaces a report, and nothing else."""
    if not path.parent.is_dir():
        raise Mistake(f"--report: there is no folder {path.parent}")
    try:
        if path.exists() and "missed_ticks" not in json.loads(path.read_text("utf-8")):
            raise ValueError
    except (ValueError, OSError, TypeError) as error:
        raise Mistake(f"--report: {path} exists already and is no report; it is left as it is") from error
