"""Play a scene live: in a window, on the preview page, into a recording, over NDI.

Without an audio device the demo track plays; without a display the picture is on the preview page. Ctrl-C ends the
show and closes every output properly; a third one leaves behind what hangs.

examples:
  phosphene play
  phosphene play undertow --audio "USB" --output window:1 --output recording:show.mp4
  phosphene play --audio song.ogg --output none --seconds 20 --report report.json
"""

import argparse
import json
import logging
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from instrument import __version__, catalog, options
from instrument.assemble import assemble
from instrument.casting import model_named
from instrument.clock import Real
from instrument.commands import undisturbed
from instrument.document import Mistake, located
from instrument.latency import Latency
from instrument.memory import enough_memory
from instrument.patch import Patch
from instrument.perform import perform
from instrument.plugs import Hears, Plays
from instrument.report import Meter
from instrument.rig import Rig
from instrument.scene import Scene
from instrument.show import Show
from instrument.take import Recorder

log = logging.getLogger("phosphene")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "scene", nargs="?", metavar="SCENE", help="scene: a name, or a .toml file (default: first-light)"
    )
    options.add_show_options(parser)
    parser.add_argument("--audio", metavar="DEVICE|FILE", help="listen to this device, or play this song")
    parser.add_argument("--midi", action="append", metavar="PORT", help="listen to this MIDI port (part of its name)")
    options.add_latencies(parser)
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
    patch = as_asked(patch, args)
    files = [("--take", args.take), ("--report", args.report)]
    options.check_apart(
        options.heard(patch), [*((where, path) for where, path in files if path), *options.shown(patch)]
    )

    meters: list[Meter] = []
    show = replace(
        options.show(args, live=True),
        status=lambda: meters[0].snapshot() if meters else {},
        monitor=lambda after: meters[0].monitor(after) if meters else {},
    )
    if show.latency != Latency():
        log.info("latency: sound %+g ms, screen %+g ms", show.latency.audio, show.latency.screen)
    rig = assemble(patch, scene, show)
    take = None
    try:
        with located("the show cannot begin"), enough_memory():
            rig.warm()
            if show.device.type == "cpu":
                rig.settle(show.fps)
        clock = Real(show.fps, rig.tempo, args.seconds)
        meters.append(Meter(rig, clock))
        if args.take:
            take = Recorder(args.take, header(show, scene, patch, song(rig)), overwrite=args.overwrite)
        what = f"{scene.name} with the patch" if scene.path else "the patch"
        log.info("Playing %s %s on the %s. Ctrl-C ends the show.", what, patch.name, show.device)
        with enough_memory():
            perform(rig, meters[0], take)
    except KeyboardInterrupt:  # which is how most shows end
        pass
    finally:
        with undisturbed(), ExitStack() as closing:  # it does them all, last first, whatever becomes of the others
            log.info("Closing.")
            if args.report and meters:
                closing.callback(write_report, args.report, meters[0])
            if take:
                closing.callback(take.close)
            closing.callback(rig.close)
    return 1 if rig.faults.lines() or (take and take.broken) else 0


def as_asked(patch: Patch, args: argparse.Namespace) -> Patch:
    """The patch with the inputs and outputs of the command line."""
    if args.audio is not None:
        patch = options.with_input(patch, "audio", "--audio", source=args.audio)
    if args.midi is not None:
        patch = options.with_input(patch, "midi", "--midi", ports=args.midi)
    if args.osc_port is not None:
        patch = options.with_input(patch, "osc", "--osc-port", port=args.osc_port)
    if args.output is not None:
        patch = replace(patch, outputs=options.outputs(args.output, args.overwrite))
    return patch


def check_files(args: argparse.Namespace) -> None:
    """Refuse files that cannot be written, before anything is loaded."""
    if args.take:
        if args.take.suffix != ".jsonl":  # by which `render` knows it from a song
            raise Mistake(f"--take: the name of a take ends in .jsonl, got {str(args.take)!r}")
        options.check_writable(args.take, args.overwrite, "--take")
    if args.report:
        options.check_figures(args.report, "missed_ticks", "--report")


def header(show: Show, scene: Scene, patch: Patch, song: str | None) -> dict[str, Any]:
    """What was played, for whoever renders the take, in whatever folder: shipped things by name, others by their place."""
    model, _ = model_named(patch, scene, show.model)
    return {
        "phosphene": __version__,
        "scene": scene.path and catalog.kept("scenes", scene.path),
        "patch": patch.path and catalog.kept("patches", patch.path),
        "model": catalog.kept("models", catalog.data("models", model)),
        "seed": show.seed,
        "fps": show.fps,
        "size": show.size,
        "framing": show.framing,
        "set": dict(show.rest),
        "song": song,
    }


def song(rig: Rig) -> str | None:
    """The song that is in a recording of this show: of the first input that hears, if it plays one."""
    heard = next((source for source in rig.inputs.values() if isinstance(source, Hears)), None)
    return heard.song if isinstance(heard, Plays) else None


def write_report(path: Path, meter: Meter) -> None:
    path.write_text(json.dumps(meter.final(), indent=1) + "\n", "utf-8")
