"""Render a song or a recorded performance to a video file, frame by frame and repeatably.

A song is heard just as it would be live and becomes the video's sound; one that `phosphene analyse` has heard before is known,
and the beats and sections of its sidecar are those of the video. A take (from `phosphene play --take`) gives the same show
again, at any size. The same command gives the same pictures every time.

examples:
  phosphene render song.ogg -o video.mp4 --size 1080x1080
  phosphene render song.ogg -o video.mp4 --sidecar other.beats.json
  phosphene render evening.jsonl -o evening.mp4 --size 1920x1080
"""

import argparse
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from instrument import catalog, options
from instrument.assemble import assemble
from instrument.clock import Replay, Virtual
from instrument.commands import undisturbed
from instrument.document import Mistake, Table, flat, located
from instrument.flow import Tick
from instrument.media import lasting
from instrument.memory import enough_memory
from instrument.patch import Patch, Plugged
from instrument.perform import perform
from instrument.plugs import Plays
from instrument.progress import progress
from instrument.report import Meter
from instrument.rig import Rig
from instrument.songs.sidecar import Sidecar, beside, check_song, read_sidecar
from instrument.take import Take, read_take

log = logging.getLogger("phosphene")

HEADER: dict[str, Any] = {  # what a take says of the show it was
    "scene": str, "patch": str, "model": str, "seed": int, "fps": float, "size": tuple[int, int],
    "framing": Literal["fill", "letterbox", "fit"], "song": str,
}  # fmt: skip
CHOSEN: dict[str, catalog.Data] = {"scene": "scenes", "patch": "patches", "model": "models"}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", metavar="SONG|TAKE.jsonl", type=Path, help="a sound file, or a take recorded with play --take"
    )
    parser.add_argument(
        "-o", "--output", metavar="OUT.mp4", type=Path, required=True, help="the video file: .mp4, .mov or .mkv"
    )
    parser.add_argument(
        "--scene", metavar="S", help="scene: a name, or a .toml file (default: first-light, or the take's)"
    )
    known = parser.add_mutually_exclusive_group()
    known.add_argument(
        "--sidecar",
        metavar="FILE.json",
        type=Path,
        help="what `phosphene analyse` wrote of the song (default: SONG.beats.json, if it lies beside the song)",
    )
    known.add_argument("--no-sidecar", action="store_true", help="hear the song as it would be live")
    options.add_show_options(parser)


def run(args: argparse.Namespace) -> int:
    if not args.source.is_file():
        raise Mistake(f"{args.source}: no such song or take")
    options.check_writable(args.output, args.overwrite, "-o")
    options.check_apart([("the source", args.source)], [("-o", args.output)])
    take = read_take(args.source) if args.source.suffix == ".jsonl" else None
    asked = from_take(args, take.header) if take else args
    scene, patch = options.chosen(asked.scene, asked.patch)
    known = None if take else sidecar_of(args)
    if take and args.sidecar:
        raise Mistake("--sidecar: is for a song; a take has the beats that it was played to")
    recording = Plugged("recording", {"file": str(args.output), "overwrite": args.overwrite}, "-o")
    inputs = (
        take_inputs(args.source, take, heard_as(patch).get("channels"))
        if take
        else song_inputs(patch, args.source, known and known[0])
    )
    patch = replace(patch, inputs=inputs, outputs={"recording": recording})
    options.check_apart(options.heard(patch), options.shown(patch))  # a take's song too
    show = options.show(asked, live=False)
    rig = assemble(patch, scene, show)
    if known and rig.keeping.follow:
        rig.tempo.past = known[1].score()
    clock: Replay | Virtual
    if take:
        rig.tempo.past = [(tick.time, tick.beat, tick.bar) for tick in take.ticks]
    try:
        if take and not args.fps:
            lasting = args.seconds or float("inf")
            clock = Replay([tick for tick in take.ticks if tick.time < lasting])
        else:
            whole = take.ticks[-1].time + take.ticks[-1].dt if take else song_seconds(rig)
            frames = max(1, round(min(args.seconds or whole, whole) * show.fps))
            clock = Virtual(show.fps, rig.tempo, frames)
        with located("the rendering cannot begin"), enough_memory():
            rig.warm()
        with enough_memory():
            perform(rig, Meter(rig, Progress(clock)))
    except KeyboardInterrupt:
        log.info("%s: stopped; what has been rendered of it can be played", args.output)
        raise
    finally:
        with undisturbed():
            rig.close()
    faults = rig.faults.lines()
    log.info("%s: %d frames%s", args.output, len(clock), f", with faults: {'; '.join(faults)}" if faults else "")
    return 1 if faults else 0


class Progress:
    """A clock that shows how far it has come."""

    missed = 0

    def __init__(self, clock: Replay | Virtual) -> None:
        self.clock = clock

    def __iter__(self) -> Iterator[Tick]:
        yield from progress(self.clock, "rendering", "frame")


def song_inputs(patch: Patch, song: Path, sidecar: Path | None) -> dict[str, Plugged]:
    """The one input of a song's rendering: nobody plays along."""
    known = {"sidecar": str(sidecar)} if sidecar else {}
    return {"audio": Plugged("audio", {**heard_as(patch), "source": str(song), **known}, str(song))}


def sidecar_of(args: argparse.Namespace) -> tuple[Path, Sidecar] | None:
    """The sidecar that is asked for, or the one that lies beside the song; it must be this song's."""
    path: Path = args.sidecar or beside(args.source)
    if args.sidecar and not path.is_file():
        raise Mistake(f"--sidecar: {path}: no such file")
    if args.no_sidecar or not path.is_file():
        return None
    sidecar = read_sidecar(path)
    with located("the song"):
        same = check_song(path, sidecar, args.source, partial(lasting, args.source) if args.sidecar else None)
    if not same:
        log.warning("%s: was made for another file, %s, of the same length", path, sidecar.song)
    log.info("%s: its %d beats in %d bars are those of the video", path, len(sidecar.beats), sidecar.bars)
    return path, sidecar


def heard_as(patch: Patch) -> Mapping[str, Any]:
    """The settings of the patch's sound input."""
    return next((item.settings for item in patch.inputs.values() if item.plug == "audio"), {})


def song_seconds(rig: Rig) -> float:
    """How long the song lasts that is rendered."""
    return max(source.seconds for source in rig.inputs.values() if isinstance(source, Plays))


def take_inputs(path: Path, take: Take, channels: list[int] | None = None) -> dict[str, Plugged]:
    """A take's events, and beside them the song that was playing, if it is still there, for its sound alone."""
    inputs = {"take": Plugged("take", {"file": str(path)}, str(path))}
    song = take.header.get("song")
    if song == "demo" or (song and Path(song).is_file()):
        inputs["audio"] = Plugged("audio", {"source": song, "channels": channels, "analysed": False}, f"{path}: song")
    elif song:
        log.warning("%s: its song %s is no longer there; the video will be silent", path, song)
    elif any(event.address.startswith("audio/") for heard in take.events for event in heard):
        log.warning("%s: a sound device was heard, whose sound no take keeps; the video will be silent", path)
    return inputs


def from_take(args: argparse.Namespace, header: dict[str, Any]) -> argparse.Namespace:
    """What the take was played with, wherever the command line says nothing else."""
    table = Table(f"{args.source}: line 1", header)
    kept = {key: table.take(key, kind | None, None) for key, kind in HEADER.items()}
    said = {key: value for key, value in vars(args).items() if value is not None}
    for key, kind in CHOSEN.items():
        if kept[key] is not None and key not in said:
            kept[key] = str(there(f"{table.where}: {key}", kind, kept[key], f"--{key}"))
    rest = flat(f"{args.source}: line 1: set", table.take("set", dict, {}))
    settings = [f"{address}={value}" for address, value in rest.items()]
    merged = argparse.Namespace(**{**vars(args), **kept, **said})
    merged.settings = [*settings, *args.settings]
    return merged


def there(where: str, kind: catalog.Data, written: str, option: str) -> Path:
    """The place of what a take was played with, wherever it is rendered."""
    place = catalog.recalled(kind, written)
    if not place.exists():
        raise Mistake(f"{where}: {written} is no longer there; {option} names another")
    return place
