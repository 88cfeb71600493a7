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
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from instrument import __version__, catalog, options
from instrument.assemble import Show, assemble
from instrument.clock import Real
from instrument.commands import undisturbed
from instrument.document import Mistake, located
from instrument.patch import Patch
from instrument.perform import perform
from instrument.report import Meter
from instrument.rig import Rig
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
    check_files(args)
    scene, patch = options.chosen(args.scene, args.patch)
    if args.audio is not None:
        patch = options.with_input(patch, "audio", "--audio", source=args.audio)
    if args.midi is not None:
        patch = options.with_input(patch, "midi", "--midi", ports=args.midi)
    if args.osc_port is not None:
        patch = options.with_input(patch, "osc", "--osc-port", port=args.osc_port)
    if args.output is not None:
        patch = replace(patch, outputs=options.outputs(args.output, args.overwrite))

    meters: list[Meter] = []
    show = Show(
        live=True,
        model=args.model,
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
        with located("the show cannot begin"):
            rig.warm()
        clock = Real(show.fps, scene.bpm or patch.bpm, args.seconds)
        meters.append(Meter(rig, clock))
        if args.take:
            take = Recorder(args.take, header(args, show, song(patch, rig)), overwrite=args.overwrite)
        log.info(
            "Playing %s with the patch %s on the %s. Ctrl-C ends the show.", scene.name, patch.name, show.device.type
        )
        perform(rig, meters[0], take)
    except KeyboardInterrupt:  # which is how most shows end
        pass
    finally:
        with undisturbed():
            log.info("Closing.")
            rig.close()
            if take:
                take.close()
            if args.report and meters:
                args.report.write_text(json.dumps(meters[0].final(), indent=1) + "\n", "utf-8")
    return 0


def check_files(args: argparse.Namespace) -> None:
    """Refuse files that cannot be written or are named twice, before anything is loaded."""
    if args.take:
        if args.take.suffix != ".jsonl":  # by which `render` knows it from a song
            raise Mistake(f"--take: the name of a take ends in .jsonl, got {str(args.take)!r}")
        options.check_writable(args.take, args.overwrite, "--take")
    if args.report:
        options.check_figures(args.report, "missed_ticks", "--report")
    files = [("--audio", args.audio and Path(args.audio)), ("--take", args.take), ("--report", args.report)]
    recordings = [text.partition(":")[2] for text in args.output or () if text.startswith("recording:")]
    options.check_apart([*files, *(("--output recording", Path(name)) for name in recordings)])


def header(args: argparse.Namespace, show: Show, song: str | None) -> dict[str, Any]:
    """What was played, for whoever renders the take, in whatever folder: shipped things by name, others by their place."""

    def place(kind: Any, name: str | None) -> str | None:
        if not name:
            return None
        path = catalog.data(kind, name).absolute()
        shipped = path.parent in (catalog.PACKAGE / kind, catalog.PACKAGE.parent / kind)
        return path.name.removesuffix(".toml") if shipped else str(path)

    return {
        "phosphene": __version__,
        "scene": place("scenes", args.scene),
        "patch": place("patches", args.patch),
        "model": place("models", args.model),
        "seed": args.seed,
        "fps": show.fps,
        "size": args.size,
        "framing": show.framing,
        "set": dict(show.rest),
        "song": song,
    }


def song(patch: Patch, rig: Rig) -> str | None:
    """The song that plays: the path of its file, or `demo`; None where a device is heard, or nothing."""
    for name, item in patch.inputs.items():
        if item.plug == "audio" and name in rig.inputs and math.isfinite(rig.inputs[name].seconds):  # type: ignore[attr-defined]
            path = Path(item.settings.get("source", "default")).expanduser()
            return str(path.absolute()) if path.is_file() else "demo"
    return None
