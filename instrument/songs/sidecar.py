"""Sidecars: what is known of a song (beats, bars, sections, key, tempo), in a JSON file beside it that is made to be edited.

So it is read strictly. Every signal lies in a second file, `features.py`; what this one says goes before that.
"""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from instrument.document import Mistake, Table, fitted, limited
from instrument.files import whole
from instrument.listening.chroma import CLASSES
from instrument.parameters import Range, unknown
from instrument.tempo import TEMPI, between

FORMAT = "phosphene beats 1"
BEATS = ".beats.json"
PLACES = Range(1, 32, "places in a bar")
BAR, UNTOLD = 4, 120.0  # beats, where no bar is whole, and beats a minute, where there are not two beats
KEYS = {f"{name.replace('_sharp', '#')} {mode}": (tonic, mode == "minor")
        for mode in ("major", "minor") for tonic, name in enumerate(CLASSES)}  # fmt: skip
FLATS = {"db": "c#", "eb": "d#", "gb": "f#", "ab": "g#", "bb": "a#"}
AS_LONG = 0.1  # seconds by which another file of the same music may be longer or shorter


@dataclass(frozen=True)
class Sidecar:
    """The editable one. `beats` are (seconds, place in the bar from 1), `sections` (seconds, name); both rise.

    `tempo` in beats a minute is that before the first beat and after the last. `features` is the name of the second file.
    """

    song: str
    sha256: str
    seconds: float
    rate: int
    features: str
    tempo: float | None
    key: str | None
    sections: Sequence[tuple[float, str]]
    beats: Sequence[tuple[float, int]]

    @property
    def bars(self) -> int:
        """How many bars begin in it."""
        return sum(place == 1 for _, place in self.beats)

    def score(self) -> list[tuple[float, float, float]]:
        """The course of the musical clock: rows of seconds, beat and bar, whole numbers exactly at the beats and downbeats.

        A row a beat before the first and one after the last carry it on, at the song's tempo. As the song begins both lie
        above 0 and not above 1, so that even a beat in its first moment is one that the clock has passed.
        """
        beats = self.beats or ([(0.0, 1)] if self.tempo else [])
        if not beats:
            return []
        times = [time for time, _ in beats]
        period = 60 / self.tempo if self.tempo else times[1] - times[0] if len(times) > 1 else 60 / UNTOLD
        bars, first, last = barred([place for _, place in beats])
        rows = [
            (times[0] - period, -1.0, bars[0] - 1 / first),
            *((time, float(number), bar) for number, (time, bar) in enumerate(zip(times, bars, strict=True))),
            (times[-1] + period, float(len(times)), bars[-1] + 1 / last),
        ]
        beat, bar = (1 - math.ceil(between(rows, 0.0, column)) for column in (1, 2))
        return [(time, number + beat, count + bar) for time, number, count in rows]


def barred(places: Sequence[int]) -> tuple[list[float], int, int]:
    """Bars until each beat, and how many beats the first and the last bar have.

    A bar has as many beats as lie between two ones. One that is cut off, at either end, is as long as its neighbour.
    """
    ones = [number for number, place in enumerate(places) if place == 1]
    lengths = [after - one for one, after in pairwise(ones)]
    upbeat = ones[0] if ones else len(places)
    first = max([lengths[0] if lengths else BAR, *places[:upbeat]])
    if not ones:
        return [(place - 1) / first for place in places], first, first
    last = max(lengths[-1] if lengths else BAR, len(places) - ones[-1])
    bars = [(number - upbeat) / first for number in range(upbeat)]
    for count, (one, length) in enumerate(zip(ones, [*lengths, last], strict=True)):
        inside = min(length, len(places) - one)
        bars += [count + number / length for number in range(inside)]
    return bars, first if upbeat else (lengths[0] if lengths else last), last


def beside(song: Path, folder: Path | None = None) -> Path:
    """Where a song's sidecar lies: next to it, or in another folder."""
    return (folder or song.parent) / (song.name + BEATS)


def digest(song: Path) -> str:
    """By which a song is known, whatever it is called and on whatever machine: the SHA-256 of its file."""
    with song.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sidecar(path: Path, sidecar: Sidecar) -> None:
    """Write it with a beat and a section on each line, whole or not at all."""
    sections = [json.dumps({"seconds": time, "name": name}, ensure_ascii=False) for time, name in sidecar.sections]
    beats = [json.dumps([time, place]) for time, place in sidecar.beats]
    song = {"file": sidecar.song, "sha256": sidecar.sha256, "seconds": sidecar.seconds, "rate": sidecar.rate}
    head = {"format": FORMAT, "song": song, "features": sidecar.features, "tempo": sidecar.tempo, "key": sidecar.key}
    lines = [f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in head.items()]
    lines += [f' "{key}": [{",".join(f"{chr(10)}  {row}" for row in rows)}{chr(10)} ]'
              for key, rows in (("sections", sections), ("beats", beats))]  # fmt: skip
    with whole(path) as writing:
        writing.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def read_sidecar(path: Path) -> Sidecar:
    """A sidecar as somebody may have edited it. Raises Mistake with file, key, what was expected and what there is."""
    table = read(path)
    written = table.take("format", str)
    if written != FORMAT:
        raise Mistake(f"{path}: format must be {FORMAT!r}, got {written!r}")
    song = Table(f"{path}: song", table.take("song", dict))
    seconds = song.take("seconds", float)
    found = Sidecar(
        song=song.take("file", str),
        sha256=song.take("sha256", str),
        seconds=seconds,
        rate=song.take("rate", int),
        features=table.take("features", str),
        tempo=table.take("tempo", float | None),
        key=table.take("key", str | None),
        sections=[section(f"{path}: sections: number {n}", item) for n, item in enumerate(table.take("sections", list), 1)],
        beats=[fitted(f"{path}: beats: number {n}", item, tuple[float, int])
               for n, item in enumerate(table.take("beats", list), 1)],
    )  # fmt: skip
    song.end()
    table.end()
    if Path(found.features).name != found.features or not found.features:
        raise Mistake(f"{path}: features: must be the name of a file beside it, got {found.features!r}")
    if found.tempo is not None:
        limited(f"{path}: tempo", found.tempo, TEMPI)
    tonic_of(found.key, f"{path}: key")
    rising(f"{path}: sections", [time for time, _ in found.sections], seconds)
    rising(f"{path}: beats", [time for time, _ in found.beats], seconds)
    check_places(f"{path}: beats", found.beats)
    return found


def read(path: Path) -> Table:
    """A JSON file as a table. A key that comes twice is a mistake, and so is what is no number."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise Mistake(f"{path}: the key {twice!r} comes twice")
        return dict(pairs)

    def strange(word: str) -> float:
        raise Mistake(f"{path}: {word} is no number")

    try:
        content = json.loads(path.read_text("utf-8-sig"), object_pairs_hook=once, parse_constant=strange)
    except Mistake:
        raise
    except OSError as error:
        raise Mistake(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Mistake(f"{path}: is not text in UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise Mistake(f"{path}: is not valid JSON: {error}") from error
    return Table(str(path), fitted(f"{path}: the whole", content, dict))


def section(where: str, item: Any) -> tuple[float, str]:
    table = Table(where, fitted(where, item, dict))
    found = table.take("seconds", float), table.take("name", str)
    table.end()
    return found


def rising(where: str, times: Sequence[float], seconds: float) -> None:
    """Refuse times that are not each later than the one before, or lie outside the song."""
    for number, (before, time) in enumerate(zip([None, *times], times, strict=False), 1):
        if not 0 <= time <= seconds:
            raise Mistake(f"{where}: number {number} is at {time:g} s, and the song lasts from 0 to {seconds:g} s")
        if before is not None and time <= before:
            raise Mistake(
                f"{where}: number {number} is at {time:g} s, which is not after the {before:g} s of the one before"
            )


def check_places(where: str, beats: Sequence[tuple[float, int]]) -> None:
    """Refuse a place in the bar that does not come after the one before it."""
    for number, (time, place) in enumerate(beats, 1):
        limited(f"{where}: number {number}, at {time:g} s: its place", place, PLACES)
        before = beats[number - 2][1] if number > 1 else place - 1
        if place not in (1, before + 1):
            wanted = f"{before + 1}, or 1 where a bar begins"
            raise Mistake(
                f"{where}: number {number}, at {time:g} s: its place comes after {before}, so it is {wanted}; got {place}"
            )


def tonic_of(key: str | None, where: str = "key") -> tuple[float, float]:
    """A key such as `f# minor` or `eb major` as the signals `key` and `minor`; without one 0 and a half."""
    if key is None:
        return 0.0, 0.5
    name, _, mode = key.lower().partition(" ")
    known = f"{FLATS.get(name, name)} {mode}"
    if known not in KEYS:
        raise Mistake(f"{where}: {unknown('key', key, KEYS)}")
    tonic, minor = KEYS[known]
    return tonic / 12, float(minor)


def check_song(path: Path, sidecar: Sidecar, song: Path, lasts: Callable[[], tuple[int, float]] | None = None) -> bool:
    """Whether a sidecar is that of a song. Another's is refused; but where `lasts` tells its rate and its seconds, one that is
    as long will do, such as the same music in another format.
    """
    if digest(song) == sidecar.sha256:
        return True
    length = f"{sidecar.seconds:.2f} s"
    if lasts is None:
        raise Mistake(
            f"{path}: belongs to another song than {song}: to {sidecar.song} of {length}, whose sha256 it has; "
            "`phosphene analyse --overwrite` makes one of this song, --no-sidecar goes without, and --sidecar names one "
            "of the same music in another format"
        )
    seconds = lasts()[1]
    if abs(seconds - sidecar.seconds) > AS_LONG:
        raise Mistake(
            f"{path}: belongs to another song than {song}: to {sidecar.song} of {length}, and this lasts {seconds:.2f} s"
        )
    return False
