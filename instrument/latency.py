"""How late this machine hears and shows, kept for it in the user's config file as `[latency]`.

The file is the user's: keeping a number changes that number, and every other character stays.
"""

import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from instrument.document import Mistake, Table, limited, read
from instrument.files import whole
from instrument.parameters import Range

LIMITS = Range(-250, 250, "ms")
HEADER = re.compile(r"^[ \t]*\[[ \t]*latency[ \t]*\][^\n]*\n?", re.M)
ANOTHER = re.compile(r"^[ \t]*\[", re.M)  # the header of any table


@dataclass(frozen=True)
class Latency:
    """In milliseconds, -250..250: how much later than the device says sound is heard, and how late a picture is seen."""

    audio: float = 0.0
    screen: float = 0.0


def kept(path: Path) -> Latency:
    """What the config file says; nothing where there is none. Raises Mistake naming file and key."""
    if not path.exists():
        return Latency()
    file = read(path)
    table = Table(f"{path}: [latency]", file.take("latency", dict, {}))
    file.end()
    said = {item.name: table.take(item.name, float, 0.0) for item in fields(Latency)}
    table.end()
    return Latency(**{name: limited(f"{table.where}: {name}", value, LIMITS) for name, value in said.items()})


def keep(path: Path, name: str, value: float) -> None:
    """Write one of them down. Raises Mistake for a file that is wrong already, or written so that it cannot be changed."""
    kept(path)
    before = path.read_bytes().decode() if path.exists() else ""  # with the ends of its lines
    after = changed(before, name, f"{value:g}")
    wanted = tomllib.loads(before)
    wanted["latency"] = {**wanted.get("latency", {}), name: value}
    try:
        right = tomllib.loads(after) == wanted
    except tomllib.TOMLDecodeError:
        right = False
    if not right:  # such as a table in one line
        raise Mistake(f"{path}: write {name} = {value:g} under a line [latency] yourself; nothing was changed")
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path.resolve()) as writing:  # a link stays one
        writing.write_bytes(after.encode())


def changed(text: str, name: str, value: str) -> str:
    """The text of a TOML file with this key of [latency] set: in its place if it is there, with its comment."""
    header = HEADER.search(text)
    if header is None:
        gap = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
        return f"{text}{gap}[latency]\n{name} = {value}\n"
    begin = header.end()
    following = ANOTHER.search(text, begin)
    end = following.start() if following else len(text)
    line = re.compile(rf"^([ \t]*{name}[ \t]*=[ \t]*)[^\s#]+", re.M)
    section, found = line.subn(rf"\g<1>{value}", text[begin:end], count=1)
    if not found:
        head = "" if text[:begin].endswith("\n") else "\n"
        section = f"{head}{name} = {value}\n{section}"
    return text[:begin] + section + text[end:]
