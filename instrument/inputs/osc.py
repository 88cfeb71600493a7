"""Open Sound Control in: one UDP socket, one thread that reads it, every message an event `osc/<its address>`."""

import errno
import logging
import math
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache

from pythonosc.parsing import osc_types as wire

from instrument.flow import Event, Reading, Tick
from instrument.plugs import Unavailable
from instrument.queued import Inbox, ShowTime
from instrument.told import Told

log = logging.getLogger("phosphene")

PORTS_TRIED = 10
BUFFER_BYTES = 4 << 20
QUIET_SECONDS = 10.0
DIFFERENT_COMPLAINTS = 32  # within QUIET_SECONDS: a sender that makes up addresses fills neither the log nor the memory
DEEPEST_BUNDLE = 16

ADDRESS = re.compile(r"(?:/phosphene(?=/))?((?:/[^\s/#\x00-\x1f\x7f]+)+)")
LONGEST_ADDRESS = 255

Argument = float | str | None
NUMBERS: dict[str, Callable[[bytes, int], tuple[float, int]]] = {
    "i": wire.get_int, "h": wire.get_int64, "f": wire.get_float, "d": wire.get_double,
}  # fmt: skip
CONSTANTS: dict[str, Argument] = {"T": 1.0, "F": 0.0, "N": None, "I": None}
WORDS = {"true": 1.0, "on": 1.0, "false": 0.0, "off": 0.0}


class Input:
    """What other programs send over OSC: `/walk/speed 2` becomes the event `osc/walk/speed` with the value 2.0.

    Listens on `host` (0.0.0.0 is every network) at UDP `port`, or at the next free one of ten: `port` says which it
    became. A message that is of no use is counted in `rejected` and named in the log; `last_sender` is the ip:port that
    spoke last. `/tempo/bpm 128` and `/tempo/beat` are for the tempo, and no events. Raises Unavailable if there is no such
    interface or no free port.
    """

    rank = 2  # as a source of the tempo: after those that are exact, before what is heard

    def __init__(self, *, port: int = 7770, host: str = "127.0.0.1") -> None:
        self.inbox = Inbox()
        self.told, self.show_time, self.polled_at = Told(), ShowTime(), 0.0
        self.rejected, self.last_sender = 0, ""
        self.quiet: dict[str, float] = {}
        self.closing = False
        self.socket = listening(host, port)
        self.host, self.port = self.socket.getsockname()
        if port not in (0, self.port):
            log.warning("OSC: port %d is busy. LISTENING ON PORT %d INSTEAD: tell whoever sends", port, self.port)
        log.info("OSC: %s", whereabouts(self.host, self.port))
        self.thread = threading.Thread(target=self.listen, name="osc", daemon=True)
        self.thread.start()

    def poll(self, tick: Tick) -> Sequence[Event]:
        self.polled_at = self.show_time.now(tick)
        return [event for event in self.inbox.drain() if not self.tells(event)]

    def tells(self, event: Event) -> bool:
        """Whether an event is a word about the tempo, which is heeded."""
        if event.address == "osc/tempo/bpm" and event.value is not None:
            self.told.pace(event.value)
        elif event.address == "osc/tempo/beat" and event.arrived is not None:
            self.told.beat(self.show_time.of(event.arrived), event.value)
        else:
            return False
        return True

    def pulse(self) -> tuple[float, Reading] | None:
        """What was told of the tempo, as it is now; None if nothing was."""
        reading = self.told.reading(self.polled_at)
        return None if reading is None else (self.polled_at, reading)

    def close(self) -> None:
        self.closing = True
        with suppress(OSError):  # closing a socket does not end a recvfrom everywhere, a packet does
            self.socket.sendto(b"", ("127.0.0.1" if self.host == "0.0.0.0" else self.host, self.port))
        self.thread.join(2.0)
        self.socket.close()

    def listen(self) -> None:
        """Read packets until closed: the life of the thread."""
        while True:
            try:
                packet, sender = self.socket.recvfrom(65536)
            except OSError as error:
                if self.closing:
                    return
                self.reject("the socket", error)
                time.sleep(0.1)  # this thread's own: whatever ails the network is not asked about in a tight loop
                continue
            if self.closing:
                return
            if not self.last_sender:
                log.info("OSC: the first packet has come, from %s", sender[0])
            self.last_sender = f"{sender[0]}:{sender[1]}"
            self.take(packet)

    def take(self, packet: bytes) -> None:
        """Put the events of one packet into the inbox, all at once: a bundle is never torn between two frames."""
        found: list[tuple[str, float | None]] = []
        try:
            for message in messages(packet):
                found += self.read(message)
        except Exception as error:  # from a stranger: whatever it is, this thread must live on
            self.reject("a packet", error)
        self.inbox.put_all(found)

    def read(self, message: bytes) -> list[tuple[str, float | None]]:
        """Turn one message into one event, a trigger into a stroke; into none if it is of no use."""
        address = "a message"
        try:
            address, start = wire.get_string(message, 0)
            path, value = event_address(address), scalar(arguments(message, start))
        except Exception as error:  # the others in its bundle are still good
            self.reject(address[:LONGEST_ADDRESS], error)
            return []
        return [(path, value)]

    def reject(self, about: str, why: Exception) -> None:
        """Count what is of no use, and say so once per address in ten seconds."""
        self.rejected += 1
        now = time.monotonic()
        if self.quiet.get(about, 0.0) > now:
            return
        self.quiet = {address: until for address, until in self.quiet.items() if until > now}
        if len(self.quiet) < DIFFERENT_COMPLAINTS:
            self.quiet[about] = now + QUIET_SECONDS
            log.warning("OSC: %r from %s ignored: %s (%d so far)", about, self.last_sender, why, self.rejected)


def messages(packet: bytes, depth: int = 0) -> Iterator[bytes]:
    """The messages of a packet in order, bundles unpacked; time tags are passed over, for the senders' clocks differ.

    Raises ValueError where the packet breaks off or is nested too deeply, after what came before.
    """
    if not packet.startswith(b"#bundle\0"):
        yield packet
        return
    start = 16  # after the name and the time tag
    if depth == DEEPEST_BUNDLE or len(packet) < start:
        raise ValueError("the bundle is cut short" if len(packet) < start else "the bundles are nested too deeply")
    while start < len(packet):
        size, start = wire.get_int(packet, start)
        if not 0 < size <= len(packet) - start:
            raise ValueError(f"the bundle promises {size} bytes where {len(packet) - start} are left")
        yield from messages(packet[start : start + size], depth + 1)
        start += size


def arguments(message: bytes, start: int) -> list[Argument]:
    """The arguments of a message, from its type tags at `start`: numbers, words, None for N and I; arrays are flat."""
    if start >= len(message):
        return []  # old senders leave the type tags out with the arguments
    tags, start = wire.get_string(message, start)
    if not tags.startswith(","):
        raise ValueError("it has no type tags")
    found: list[Argument] = []
    for tag in tags[1:].translate({ord("["): None, ord("]"): None}):
        if tag in NUMBERS:
            value, start = NUMBERS[tag](message, start)
            found.append(value)
        elif tag in CONSTANTS:
            found.append(CONSTANTS[tag])
        elif tag in "sS":
            word, start = wire.get_string(message, start)
            found.append(word)
        elif tag == "c":
            code, start = wire.get_int(message, start)
            found.append(chr(code))
        else:
            raise ValueError(f"an argument of type {tag!r} is no number")
    return found


def scalar(given: list[Argument]) -> float | None:
    """The one number that the arguments stand for: the last of several. None, a trigger, for none, N or I.

    Raises ValueError for a word that is no number, for one that is not finite, and for a relative move.
    """
    if not given or given[-1] is None:
        return None
    if len(given) > 1 and given[0] in ("+", "-", "*"):
        raise ValueError("relative moves are not understood, send the value itself")
    value = number(given[-1])
    if not math.isfinite(value):
        raise ValueError(f"{value} is no value")
    return value


def number(argument: float | str) -> float:
    """The number in an argument: words may be digits, true, false, on or off."""
    if not isinstance(argument, str):
        return float(argument)
    word = argument.strip().lower()
    try:
        return WORDS[word] if word in WORDS else float(word)
    except ValueError:
        raise ValueError(f"{argument[:40]!r} is no number") from None


@lru_cache(4096)
def event_address(address: str) -> str:
    """`/walk/speed` -> `osc/walk/speed`; a leading `/phosphene` is dropped, a pattern is passed on as it is."""
    form = ADDRESS.fullmatch(address)
    if form is None or len(address) > LONGEST_ADDRESS:
        raise ValueError(f"an address is /name/name without spaces, at most {LONGEST_ADDRESS} characters")
    return "osc" + form[1]


def listening(host: str, port: int) -> socket.socket:
    """A bound UDP socket with a large receive buffer, on `port` or the next free one of ten; 0 is any free port."""
    if not 0 <= port <= 65535:
        raise ValueError(f"osc: port must be in range 0..65535, got {port}")
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with suppress(OSError):  # some systems refuse what others cut down to what they allow
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    for attempt in range(port, min(port + PORTS_TRIED, 65536)):
        try:
            bound.bind((host, attempt))
            return bound
        except OSError as error:
            why = error
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                break
    bound.close()
    remedy = "choose another port" if why.errno == errno.EADDRINUSE else "host 127.0.0.1, port 7770 suits any computer"
    raise Unavailable(f"OSC cannot listen on {host}:{port} ({why.strerror or why})", remedy)


def whereabouts(host: str, port: int) -> str:
    """The sentence that says who can reach us, and where."""
    if host.startswith("127."):
        return f'listening on {host}:{port}, this computer only (host = "0.0.0.0" lets the network in)'
    reachable = [host] if host != "0.0.0.0" else network_addresses()
    return "listening on the network at " + (", ".join(f"{each}:{port}" for each in reachable) or f"port {port}")


def network_addresses() -> list[str]:
    """This computer's IPv4 addresses on its networks, without the loopback."""
    found = []
    with suppress(OSError):
        found += socket.gethostbyname_ex(socket.gethostname())[2]
    if sys.platform == "linux":  # where a host name often knows only the loopback
        import fcntl

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            for _, name in socket.if_nameindex():
                with suppress(OSError):  # an interface without an address
                    answer = fcntl.ioctl(probe, 0x8915, struct.pack("256s", name.encode()))  # SIOCGIFADDR
                    found.append(socket.inet_ntoa(answer[20:24]))
    return [address for address in dict.fromkeys(found) if not address.startswith("127.")]
