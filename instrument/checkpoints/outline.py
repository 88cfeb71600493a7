"""What is in a checkpoint, as lines to read: also in one whose networks cannot be played."""

from pathlib import Path
from typing import Any

from instrument.checkpoints.arrays import Stored
from instrument.checkpoints.files import held_in, named
from instrument.checkpoints.names import Module
from instrument.checkpoints.pickles import Record

DEEPEST, MANY = 12, 2000  # how far it goes
PARTS = ("_parameters", "_buffers", "_modules")
HOUSEKEEPING = ("training", "module_src")


def outline(path: Path) -> list[str]:
    """A line for each thing that a file holds. Raises Mistake that names the file if it cannot be read."""
    with named(path):
        return described(held_in(path))


def described(thing: Any, place: str = "", depth: int = 0) -> list[str]:
    """What was read as lines: names, classes, shapes, plain values; no texts, which may be somebody's paths."""
    said = f"{'  ' * depth}{place}{': ' if place else ''}"
    if isinstance(thing, Stored):
        return [f"{said}{list(thing.shape)}"]
    if isinstance(thing, Module | Record):
        name, inner = (thing.kind, thing.state) if isinstance(thing, Module) else (thing.name, thing.state)
        return [f"{said}{name}", *inside(inner, depth + 1)]
    if isinstance(thing, dict):
        return [f"{said}{len(thing)} things", *inside(thing, depth + 1)]
    if isinstance(thing, list | tuple) and any(isinstance(item, Module | Record) for item in thing[:MANY]):
        return [f"{said}{len(thing)} things", *inside(dict(enumerate(thing[:MANY])), depth + 1)]
    plain = isinstance(thing, bool | int | float) or thing is None
    return [f"{said}{thing if plain else type(thing).__name__}"]


def inside(held: Any, depth: int, nested: int = 0) -> list[str]:
    if not isinstance(held, dict) or depth + nested > DEEPEST:
        return []
    lines: list[str] = []
    for name, value in held.items():
        if name in PARTS:
            there = value.items() if isinstance(value, dict) else ()
            lines += inside({key: item for key, item in there if item is not None}, depth, nested + 1)
        elif name not in HOUSEKEEPING and not str(name).startswith("_"):
            lines += described(value, str(name)[:60], depth)
        if len(lines) > MANY:
            return [*lines[:MANY], f"{'  ' * depth}and more"]
    return lines
