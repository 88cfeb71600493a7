"""MIDI in: whatever ports there are, also those that come and go while the show plays."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import mido

from instrument.flow import Event, Reading, Tick
from instrument.midiclock import MidiClock
from instrument.plugs import Unavailable
from instrument.queued import Inbox, ShowTime

log = logging.getLogger("phosphene")

LOOK_SECONDS = 2.0
CLOCK = {"clock", "start", "continue", "stop", "songpos"}
WAITING = 8192  # messages of clocks that may wait for the render thread: a minute of the fastest
REMEDY = "on Linux: modprobe snd-seq for ALSA, or MIDO_BACKEND=mido.backends.rtmidi/UNIX_JACK for JACK"


class Input:
    """What keyboards and controllers play: `midi/cc/74`, `midi/note/36`, `midi/bend`, all 0..1.

    Hears the input ports whose name contains one of `ports` (in any case), or every port there is; a thread of its own
    looks for new ones and for those that were pulled out. `channel` 1..16 hears that one only, 0 all. The tempo follows
    the MIDI clock of the port that began to send one, unless `clock` is false. Raises Unavailable where there is no MIDI
    system at all; having no port is no error.
    """

    rank = 4  # as a source of the tempo: whoever sends a clock says where the beat is

    def __init__(self, *, ports: list[str] | None = None, channel: int = 0, clock: bool = True) -> None:
        if not 0 <= channel <= 16:
            raise ValueError(f"midi: channel must be in range 0..16 (0 is all), got {channel}")
        self.inbox = Inbox()
        self.wanted, self.channel, self.clock = ports or [], channel, clock
        self.ticking: deque[tuple[str, mido.Message, float]] = deque(maxlen=WAITING)  # port, message, when it came
        self.clocks: dict[str, MidiClock] = {}  # by port; the first that ticks is the one that is heard
        self.show_time, self.heard_at = ShowTime(), 0.0
        self.open: dict[str, Any] = {}  # name -> mido port
        self.held: dict[str, set[str]] = {}  # name -> addresses of the notes held down there
        self.refused: set[str] = set()
        self.closing = threading.Event()
        self.look_first()
        self.thread = threading.Thread(target=self.keep_looking, name="midi", daemon=True)
        self.thread.start()

    def poll(self, tick: Tick) -> Sequence[Event]:
        self.heard_at = self.show_time.now(tick)
        for _ in range(len(self.ticking)):
            name, message, arrived = self.ticking.popleft()
            hear(self.clocks.setdefault(name, MidiClock()), message, self.show_time.of(arrived))
        return self.inbox.drain()

    def pulse(self) -> tuple[float, Reading] | None:
        """What the clock says, and the moment in the show at which it does; None where none ticks."""
        for name, clock in self.clocks.items():
            if reading := clock.reading(self.heard_at):
                self.clocks = {name: clock, **self.clocks}  # it stays the one, while it ticks
                return self.heard_at, reading
        return None

    def close(self) -> None:
        self.closing.set()
        self.thread.join(LOOK_SECONDS)
        for name in list(self.open):
            self.let_go(name)

    def look_first(self) -> None:
        """Open what there is, and say what is missing."""
        names = ports()
        self.look(names)
        for part in self.wanted:
            if not any(part.lower() in name.lower() for name in names):
                log.warning("MIDI: no port %r yet. There is: %s", part, ", ".join(names) or "none")
        if not names and not self.wanted:
            log.info("MIDI: no MIDI port yet; one that is plugged in will be heard")

    def keep_looking(self) -> None:
        """Look for ports now and then until closed: the life of the thread."""
        while not self.closing.wait(LOOK_SECONDS):
            try:
                self.look(ports())
            except Unavailable:  # the MIDI system itself can go, and come back
                self.look([])

    def look(self, names: list[str]) -> None:
        """Open the wanted ports that are new among `names`, and let go of those that are gone."""
        for name in self.open.keys() - set(names):
            log.warning("MIDI: %s is gone; it will be heard again once it is back", name)
            self.let_go(name)
        self.refused &= set(names)
        for name in names:
            if name not in self.open and self.wants(name):
                self.listen_to(name)

    def wants(self, name: str) -> bool:
        return not self.wanted or any(part.lower() in name.lower() for part in self.wanted)

    def listen_to(self, name: str) -> None:
        """Open one port; one that cannot be opened is named once and tried again at every look."""
        held: set[str] = set()
        try:
            self.open[name], self.held[name] = mido.open_input(name, callback=self.receiver(name, held)), held
            log.info("MIDI: hearing %s", name)
            self.refused.discard(name)
        except Exception as error:  # drivers raise what they like; the other ports are still good
            if name not in self.refused:
                log.warning("MIDI: %s cannot be opened (%s): another program may hold it", name, error)
            self.refused.add(name)

    def let_go(self, name: str) -> None:
        """Close a port, and release the notes that are held down on it: their own release will never come."""
        with suppress(Exception):  # a port that is gone may not even close
            self.open.pop(name).close()
        for address in self.held.pop(name, set()):
            self.inbox.put(address, 0.0)

    def receiver(self, name: str, held: set[str]) -> Callable[[mido.Message], None]:
        """The function that a driver calls with each message of one port."""

        def receive(message: mido.Message) -> None:
            if self.clock and message.type in CLOCK:
                self.ticking.append((name, message, time.perf_counter()))
            if self.channel and getattr(message, "channel", self.channel - 1) != self.channel - 1:
                return
            for address, value in events(message):
                self.inbox.put(address, value)
                if message.type in ("note_on", "note_off"):
                    (held.add if value else held.discard)(address)

        return receive


def hear(clock: MidiClock, message: mido.Message, time: float) -> None:
    """Let a clock hear one message of it."""
    match message.type:
        case "clock":
            clock.tick(time)
        case "start":
            clock.start()
        case "continue":
            clock.go_on()
        case "stop":
            clock.stop()
        case "songpos":
            clock.locate(message.pos)


def ports() -> list[str]:
    """The names of the MIDI ports that can be heard. Raises Unavailable where there is no MIDI system."""
    try:
        return list(mido.get_input_names())
    except ImportError as error:
        raise Unavailable(f"no MIDI here: {error}", "pip install python-rtmidi") from error
    except Exception as error:  # each system's driver has its own kinds
        raise Unavailable(f"no MIDI here: {error}", REMEDY) from error


def events(message: mido.Message) -> list[tuple[str, float | None]]:
    """What a message says, as (address, value 0..1): nothing for those that carry no signal.

    A bend at rest is exactly 0.5; a program change and the transport are a stroke.
    """
    match message.type:
        case "control_change":
            return [(f"midi/cc/{message.control}", message.value / 127)]
        case "note_on":  # with velocity 0 it is a release
            return [(f"midi/note/{message.note}", message.velocity / 127)]
        case "note_off":
            return [(f"midi/note/{message.note}", 0.0)]
        case "pitchwheel":  # -8192..8191: one step further down than up
            return [("midi/bend", 0.5 + message.pitch / (16384 if message.pitch < 0 else 16382))]
        case "aftertouch":
            return [("midi/pressure", message.value / 127)]
        case "polytouch":
            return [(f"midi/pressure/{message.note}", message.value / 127)]
        case "program_change":
            return [(f"midi/program/{message.program}", None)]
        case "start" | "stop" | "continue":
            return [(f"midi/{message.type}", None)]
        case _:
            return []
