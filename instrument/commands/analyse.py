"""Analyse a song, to be rendered with beats that are right from the first second on, and to be put right by hand.

Two files come to lie beside the song, and `render` heeds them: SONG.beats.json, with beats, bars, sections, tempo and key, made
to be opened in an editor; and SONG.features.npz, with every signal. docs/sound.md says what is in them.

examples:
  phosphene analyse song.ogg
  phosphene analyse song.ogg --bpm 84 --overwrite
"""

import argparse
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from instrument import options
from instrument.document import Mistake
from instrument.flow import Sound
from instrument.listening.pulse import FASTEST, SLOWEST
from instrument.media import lasting, sound_of
from instrument.progress import bar, clock
from instrument.songs.analysis import Analysis, analysed
from instrument.songs.features import FEATURES, write_features
from instrument.songs.scrutiny import librosa
from instrument.songs.sidecar import Sidecar, beside, check_song, digest, read_sidecar, write_sidecar

log = logging.getLogger("phosphene")
ROUNDED = 3  # digits of a second: a millisecond is far less than anybody sees


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("song", metavar="SONG", type=Path, help="a sound or video file")
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", type=Path, help="where the two files go (default: beside the song)"
    )
    parser.add_argument(
        "--bpm",
        type=options.positive,
        metavar="N",
        help="about how many beats a minute it has, if they come out as half or double",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the files, and what was edited in them")


def run(args: argparse.Namespace) -> int:
    song, path = args.song.expanduser(), beside(args.song.expanduser(), args.output)
    features = path.with_name(song.name + FEATURES)
    if not song.is_file():
        raise Mistake(f"{song}: no such song")
    if args.bpm and not SLOWEST <= args.bpm <= FASTEST:
        raise Mistake(f"--bpm lies in {SLOWEST:g}..{FASTEST:g} beats a minute, got {args.bpm:g}")
    kept = None
    if path.is_file() and not features.exists() and not args.overwrite:  # then what was edited stays
        kept = read_sidecar(path)
        check_song(path, kept, song)
    else:
        options.check_writable(path, args.overwrite, "analyse")
    options.check_writable(features, args.overwrite, "analyse")
    librosa()  # now, so that it is said before anything is heard
    try:
        rate, seconds = lasting(song)
        found = analysed(shown(song, seconds), args.bpm)
    except ValueError as error:
        raise Mistake(str(error)) from error
    sha256 = digest(song)
    write_features(features, sha256, found.times, found.signals)
    if kept:
        if kept.features != features.name:
            write_sidecar(path, replace(kept, features=features.name))
        log.info("%s: written anew; %s is kept as it is", features, path)
        return 0
    sidecar = Sidecar(
        song=song.name, sha256=sha256, seconds=round(seconds, 6), rate=rate, features=features.name,
        tempo=found.tempo and round(found.tempo, 2), key=found.key,
        sections=[(round(time, ROUNDED), name) for time, name in found.sections],
        beats=[(round(time, ROUNDED), place) for time, place in found.beats],
    )  # fmt: skip
    write_sidecar(path, sidecar)
    for line in said(sidecar, found):
        log.info("%s", line)
    return 0


def shown(song: Path, seconds: float) -> Iterator[Sound]:
    """A song's pieces, with how far they have come."""
    with bar(seconds, "analysing", "s") as progress:
        for piece in sound_of(song):
            yield piece
            progress.n += len(piece.samples) / piece.rate
            progress.set_postfix_str("")


def said(sidecar: Sidecar, found: Analysis) -> list[str]:
    """What was found, in a few lines."""
    lines = [f"{sidecar.song}: {clock(sidecar.seconds)}, no beats"]
    if sidecar.beats:
        lines = [
            f"{sidecar.song}: {clock(sidecar.seconds)}, {sidecar.tempo:.1f} beats a minute, {sidecar.key or 'no key'}",
            f"{len(sidecar.beats)} beats in {sidecar.bars} bars from {sidecar.beats[0][0]:.3f} s on; "
            f"librosa agrees with {found.agreement:.0%} of them",
        ]
    names = ", ".join(f"{name} {clock(time)}" for time, name in sidecar.sections)
    count = len(sidecar.sections)
    return [
        *lines,
        f"{count} section{'s' * (count > 1)}: {names}",
        f"{sidecar.song}.beats.json and {sidecar.features} are written",
    ]
