"""Strict reading of TOML files: a mistake is answered with file, key, what was expected and what there is."""

import sys
import tomllib
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from inspect import Parameter
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from instrument.parameters import Range, Unknown, settings, unknown
from instrument.plugs import SUPPLIED, Unavailable

REQUIRED = object()
LARGEST = {int: 2**63 - 1, float: sys.float_info.max}


class Mistake(ValueError):
    """Something that was asked for and cannot be had: one line that says what, where, and what could be."""


@contextmanager
def located(where: str, passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Whatever goes wrong inside is a Mistake at that place, in one line.

    Of what is not `passing`: a sentence somebody wrote for the user is kept as it is, anything else is an error in a plug
    of somebody's own, who will want to know its kind and its line. To be short of memory is nobody's mistake, and passes.
    """
    try:
        yield
    except MemoryError:
        raise
    except passing:
        raise
    except (ValueError, Unknown, Unavailable) as error:
        said = str(error).splitlines() or [type(error).__name__]
        raise Mistake(f"{where}: {said[0]}") from error
    except Exception as error:
        raise Mistake(f"{where}: {in_one_line(error)}") from error


def in_one_line(error: Exception) -> str:
    """An error with its kind and the line of somebody's file that it comes from: never one of Python's own machinery."""
    steps = [step for step in traceback.extract_tb(error.__traceback__) if not step.filename.startswith("<")]
    file, line = (steps[-1].filename, steps[-1].lineno) if steps else ("", None)
    said = str(error)
    if isinstance(error, SyntaxError) and error.filename:  # it was never run, so it is in no traceback
        file, line, said = error.filename, error.lineno, error.msg
    words = ": ".join([type(error).__name__, *said.splitlines()[:1]])
    return f"{words} ({file}, line {line})" if file else words


class Table:
    """One table of a file; keys are taken out of it one by one, and what is left at the end is unknown."""

    def __init__(self, where: str, content: Mapping[str, Any]) -> None:
        self.where, self.content, self.known = where, dict(content), set[str]()

    def take(self, key: str, kind: Any, default: Any = REQUIRED) -> Any:
        """The value of a key, of the type `kind`; raises Mistake if it is missing without a default, or another type."""
        self.known.add(key)
        if key not in self.content:
            if default is REQUIRED:
                raise Mistake(f"{self.where}: lacks the key {key!r} ({described(kind)})")
            return default
        return fitted(f"{self.where}: {key}", self.content.pop(key), kind)

    def tables(self, key: str) -> dict[str, "Table"]:
        """The tables inside a table: name -> Table."""
        inner = self.take(key, dict, {})
        wrong = [name for name, value in inner.items() if not isinstance(value, dict)]
        if wrong:
            raise Mistake(f"{self.where}: {key}.{wrong[0]} must be a table, got {inner[wrong[0]]!r}")
        return {name: Table(f"{self.where}: [{key}.{name}]", value) for name, value in inner.items()}

    def rest(self) -> dict[str, Any]:
        """Everything not taken yet."""
        rest, self.content = self.content, {}
        return rest

    def end(self) -> None:
        """Raise Mistake if anything is left."""
        for key in self.content:
            raise Mistake(f"{self.where}: {unknown('key', key, self.known)}")


def read(path: Path) -> Table:
    """A TOML file as a table."""
    try:
        return Table(str(path), tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise Mistake(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Mistake(f"{path}: is not text in UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise Mistake(f"{path}: is not valid TOML: {error}") from error


def settled(where: str, function: Callable[..., object], given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a plug or op, held against its signature: names, types, and that none is missing."""
    known = settings(function, SUPPLIED)
    for name in given:
        if name not in known:
            raise Mistake(f"{where}: {unknown('setting', name, known)}")
    for name, (kind, default) in known.items():
        if default is Parameter.empty and name not in given:
            raise Mistake(f"{where}: lacks the setting {name!r} ({described(kind)})")
    return {name: fitted(f"{where}: {name}", value, known[name][0]) for name, value in given.items()}


def fitted(where: str, value: Any, kind: Any) -> Any:
    """The value as `kind`; raises Mistake saying what was expected. Whole numbers may stand where numbers are asked for.

    Numbers are finite and whole numbers have 64 bits, as TOML has it: neither `nan` nor a seed that torch cannot take.
    """
    options = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    for option in options:
        if get_origin(option) is Literal:
            if value in get_args(option):
                return value
        elif get_origin(option) is tuple and isinstance(value, list) and len(value) == len(get_args(option)):
            return tuple(fitted(where, item, of) for item, of in zip(value, get_args(option), strict=True))
        elif get_origin(option) is list and isinstance(value, list):
            return [fitted(where, item, get_args(option)[0]) for item in value]
        elif option is Any or (get_origin(option) is dict and isinstance(value, dict)):
            return value
        elif option in (int, float):
            if isinstance(value, int | option) and not isinstance(value, bool) and abs(value) <= LARGEST[option]:
                return option(value)
        elif isinstance(option, type) and isinstance(value, option):
            return value
    raise Mistake(f"{where} must be {described(kind)}, got {value!r}")


def parsed(where: str, text: str, kind: Any) -> Any:
    """Text from the command line as `kind`."""
    options = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    for option in options:
        if option is str or (get_origin(option) is Literal and text in get_args(option)):
            return text
        if option in (int, float):
            try:
                return option(text)
            except ValueError:
                continue
        if option is bool and text in ("true", "false"):
            return text == "true"
    raise Mistake(f"{where} must be {described(kind)}, got {text!r}")


def described(kind: Any) -> str:
    """A type in words."""
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(repr(choice) for choice in get_args(kind))
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(described(option) for option in get_args(kind) if option is not NoneType)
    if get_origin(kind) is list:
        return f"a list, each {described(get_args(kind)[0])}"
    if get_origin(kind) is tuple:
        return f"[{', '.join(described(option) for option in get_args(kind))}]"
    words = {str: "text", int: "a whole number", float: "a number", bool: "true or false", dict: "a table"}
    return words.get(get_origin(kind) or kind, str(kind))


def limited(where: str, value: float, limits: Range) -> float:
    """The value, if it lies within the limits; raises Mistake saying what they are."""
    if not limits.low <= value <= limits.high:
        raise Mistake(f"{where} lies in {limits}, got {value:g}")
    return value


def flat(where: str, values: Mapping[str, Any]) -> dict[str, float]:
    """Rest values written as `"owner/parameter" = 1`, or as a table an owner, as "owner/parameter" -> value."""
    found: dict[str, float] = {}
    for name, value in values.items():
        inner: Iterable[tuple[str, Any]] = value.items() if isinstance(value, dict) else [("", value)]
        for parameter, number in inner:
            address = f"{name}/{parameter}" if parameter else name
            found[address] = fitted(f"{where}: {address}", number, float)
    return found
