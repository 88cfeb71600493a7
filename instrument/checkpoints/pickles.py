"""A pickle's contents as data, read by a machine that can neither import nor call anything.

Python's own unpickler is a program runner: a file tells it which functions to import and call. This machine knows the
same instructions (protocols 2 to 5, as `pickletools` of the standard library describes them), but the names in a file are
only looked up in a table of what we make of them. A name that is in no table is refused, whatever the file wants with it.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

INSTRUCTIONS = 500_000  # a file of three networks has some 50,000
LONGEST_NUMBER = 64  # bytes
LONGEST_TEXT = 1 << 22  # bytes; the program texts in published files have 40,000
PLAIN = (str, int, float, bytes, type(None))  # what may be a key: hashing anything else can take for ever


class Unreadable(ValueError):
    """What is wrong with a file, or what it is instead."""


@dataclass(frozen=True)
class Name:
    """Something that the file names, such as a class: text, and nothing else."""

    text: str


@dataclass(eq=False)
class Record:
    """What the file would have made of a class: with which arguments and items, and in which state."""

    name: str
    arguments: tuple[Any, ...] = ()
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict)
    entries: list[Any] = field(default_factory=list)

    def settle(self, state: Any) -> None:
        self.state = state


@dataclass(frozen=True)
class Table:
    """What the names in a file stand for.

    `made` are functions of ours, called with the arguments in the file, which they check; `records` are the beginnings of
    names that are kept as records. `stored` answers references to what lies outside of the pickle.
    """

    made: Mapping[str, Callable[..., Any]]
    records: tuple[str, ...] = ()
    stored: Callable[[Any], Any] | None = None


def unpickled(content: memoryview, table: Table, start: int = 0) -> tuple[Any, int]:
    """What the pickle at `start` holds, and where it ends. Raises Unreadable."""
    machine = Machine(content, table, start)
    try:
        return machine.run(), machine.place
    except Unreadable:
        raise
    except (IndexError, struct.error) as error:
        raise Unreadable("the file is cut off or damaged: its pickle breaks off or takes what is not there") from error
    except (UnicodeDecodeError, TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise Unreadable(f"the file is damaged: its pickle makes no sense ({error})") from error


class Machine:
    """The stack, the marks and the memo of one pickle that is being read."""

    def __init__(self, content: memoryview, table: Table, place: int) -> None:
        self.content, self.table, self.place = content, table, place
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        for _ in range(INSTRUCTIONS):
            code = self.content[self.place]
            self.place += 1
            if code == STOP:
                return self.stack.pop()
            do = INSTRUCTION.get(code)
            if do is None:
                raise Unreadable(
                    f"the file is damaged, or no pickle of protocol 2 to 5: it holds the instruction {code}"
                )
            do(self)
        raise Unreadable(f"the file has more than {INSTRUCTIONS:,} instructions; no network needs so many")

    def take(self, count: int) -> memoryview:
        """The next bytes of the file."""
        if not 0 <= count <= len(self.content) - self.place:
            raise Unreadable(
                f"the file is cut off: {count:,} bytes are to follow at {self.place:,}, where it ends sooner"
            )
        self.place += count
        return self.content[self.place - count : self.place]

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> str:
        ahead = bytes(self.content[self.place : self.place + 1000])
        line = ahead.split(b"\n", 1)[0]
        if len(line) == len(ahead):
            raise Unreadable("the file is damaged: a name in it does not end")
        self.place += len(line) + 1
        return line.decode()

    def marked(self) -> list[Any]:
        """What was put onto the stack since the last mark."""
        since, self.stack = self.stack, self.marks.pop()
        return since

    def mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def push(self, thing: Any) -> None:
        self.stack.append(thing)

    def memoise(self, key: int) -> None:
        self.memo[key] = self.stack[-1]

    def recall(self, key: int) -> None:
        self.push(self.memo[key])

    def name(self, module: Any, name: Any) -> None:
        text = f"{module}.{name}"
        if not isinstance(module, str) or not isinstance(name, str):
            raise Unreadable("the file is damaged: a name in it is no text")
        if text not in self.table.made and not text.startswith(self.table.records):
            raise Unreadable(f"the file asks for {text[:200]!r}, which no network needs; nothing of it has been run")
        self.push(Name(text))

    def stack_name(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.name(module, name)

    def reduce(self) -> None:
        arguments, called = self.stack.pop(), self.stack.pop()
        self.push(self.made(called, arguments))

    def new(self) -> None:
        arguments, called = self.stack.pop(), self.stack.pop()
        self.push(self.made(called, arguments))

    def new_with_names(self) -> None:
        named, arguments, called = self.stack.pop(), self.stack.pop(), self.stack.pop()
        self.push(self.made(called, (*arguments, named) if named else arguments))

    def made(self, called: Any, arguments: Any) -> Any:
        if not isinstance(called, Name) or not isinstance(arguments, tuple):
            raise Unreadable("the file is damaged: it calls something that has no name")
        ours = self.table.made.get(called.text)
        return ours(*arguments) if ours else Record(called.text, arguments)

    def build(self) -> None:
        state, thing = self.stack.pop(), self.stack[-1]
        if isinstance(thing, dict):
            return  # a dictionary with attributes: only its items matter
        settle = getattr(thing, "settle", None)
        if settle is None:
            raise Unreadable(f"the file is damaged: {type(thing).__name__} takes no state")
        settle(state)

    def set_items(self, flat: Sequence[Any]) -> None:
        thing = self.stack[-1]
        items = thing.items if isinstance(thing, Record) else thing
        if not isinstance(items, dict) or len(flat) % 2:
            raise Unreadable("the file is damaged: it puts items into what is no dictionary")
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            if not isinstance(key, PLAIN):
                raise Unreadable(f"the file has a {type(key).__name__} as a dictionary's key; no network needs that")
            items[key] = value

    def set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items([key, value])

    def append(self, entries: Sequence[Any]) -> None:
        thing = self.stack[-1]
        entered = thing.entries if isinstance(thing, Record) else thing
        if not isinstance(entered, list):
            raise Unreadable("the file is damaged: it appends to what is no list")
        entered.extend(entries)

    def append_one(self) -> None:
        entry = self.stack.pop()
        self.append([entry])

    def add(self) -> None:
        """Members of a set: kept as a list, for whoever knows that they can be members."""
        members = self.marked()
        self.append(members)

    def outside(self) -> None:
        if self.table.stored is None:
            raise Unreadable("the file refers to something outside of its pickle, where nothing can be")
        self.push(self.table.stored(self.stack.pop()))

    def long(self, count: int) -> None:
        if not 0 <= count <= LONGEST_NUMBER:
            raise Unreadable(
                f"the file has a whole number of {count} bytes; no network needs one over {LONGEST_NUMBER}"
            )
        self.push(int.from_bytes(self.take(count), "little", signed=True))

    def text(self, count: int, encoding: str = "utf-8") -> None:
        if not 0 <= count <= LONGEST_TEXT:
            raise Unreadable(f"the file has a text of {count:,} bytes; no network needs one over {LONGEST_TEXT:,}")
        self.push(str(self.take(count), encoding))


STOP = ord(".")
INSTRUCTION: dict[int, Callable[[Machine], Any]] = {
    0x80: lambda m: m.take(1),  # protocol
    0x95: lambda m: m.take(8),  # how long the next stretch is, which we need not know
    ord("("): Machine.mark,
    ord("0"): lambda m: m.stack.pop() if m.stack else m.marked(),
    ord("1"): Machine.marked,
    ord("2"): lambda m: m.push(m.stack[-1]),
    ord("N"): lambda m: m.push(None),
    0x88: lambda m: m.push(True),
    0x89: lambda m: m.push(False),
    ord("J"): lambda m: m.push(m.number("<i")),
    ord("K"): lambda m: m.push(m.number("<B")),
    ord("M"): lambda m: m.push(m.number("<H")),
    ord("G"): lambda m: m.push(m.number(">d")),
    0x8A: lambda m: m.long(m.number("<B")),
    0x8B: lambda m: m.long(m.number("<i")),
    ord("X"): lambda m: m.text(m.number("<I")),
    0x8C: lambda m: m.text(m.number("<B")),
    0x8D: lambda m: m.text(m.number("<Q")),
    # Python 2 made no difference between text and bytes
    ord("T"): lambda m: m.text(m.number("<i"), "latin1"),
    ord("U"): lambda m: m.text(m.number("<B"), "latin1"),
    ord("B"): lambda m: m.push(m.take(m.number("<I"))),
    ord("C"): lambda m: m.push(m.take(m.number("<B"))),
    0x8E: lambda m: m.push(m.take(m.number("<Q"))),
    0x96: lambda m: m.push(m.take(m.number("<Q"))),
    ord("]"): lambda m: m.push([]),
    ord(")"): lambda m: m.push(()),
    ord("}"): lambda m: m.push({}),
    0x8F: lambda m: m.push([]),
    ord("t"): lambda m: m.push(tuple(m.marked())),
    0x85: lambda m: m.push((m.stack.pop(),)),
    0x86: lambda m: m.push(tuple(m.stack.pop() for _ in range(2))[::-1]),
    0x87: lambda m: m.push(tuple(m.stack.pop() for _ in range(3))[::-1]),
    ord("a"): Machine.append_one,
    ord("e"): Machine.add,
    ord("s"): Machine.set_item,
    ord("u"): lambda m: m.set_items(m.marked()),
    0x90: Machine.add,
    0x91: lambda m: m.push(m.marked()),
    ord("h"): lambda m: m.recall(m.number("<B")),
    ord("j"): lambda m: m.recall(m.number("<I")),
    ord("q"): lambda m: m.memoise(m.number("<B")),
    ord("r"): lambda m: m.memoise(m.number("<I")),
    0x94: lambda m: m.memoise(len(m.memo)),
    ord("c"): lambda m: m.name(m.line(), m.line()),
    0x93: Machine.stack_name,
    ord("R"): Machine.reduce,
    0x81: Machine.new,
    0x92: Machine.new_with_names,
    ord("b"): Machine.build,
    ord("Q"): Machine.outside,
}
