"""What crosses a thread: the inbox of an input, and the ways a frame reaches an output."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Protocol

import numpy as np

from instrument.flow import Event, Frame, Sound, Tick
from instrument.plugs import Output

OnFault = Callable[[Exception], None]  # called from an output's thread; may raise, and then the render thread does

UNSENT = 3600  # pieces of sound that wait for a frame to go with: a minute


class Inbox:
    """Events on their way from a driver's thread to the render thread: a bounded deque that stamps their arrival.

    `put` may be called from any thread and never waits. Beyond `size` waiting events the oldest are lost and counted
    in `lost` (exactly with one thread that puts; several at the brim may count one too few); at 2,000 events a second
    the default holds half a minute.
    """

    def __init__(self, size: int = 65536) -> None:
        self.waiting: deque[Event] = deque(maxlen=size)
        self.lost = 0

    def put(self, address: str, value: float | None) -> None:
        """Append an event that arrives now."""
        self.put_all([(address, value)])

    def put_all(self, arrived: Iterable[tuple[str, float | None]]) -> None:
        """Append events that arrive now, together: a `drain` meanwhile has all of them or none."""
        now = time.perf_counter()
        events = [Event(address, value, now) for address, value in arrived]
        self.lost += max(0, len(self.waiting) + len(events) - (self.waiting.maxlen or 0))
        self.waiting.extend(events)  # one call in C, so it cannot be torn

    def drain(self) -> list[Event]:
        """Everything that waits, in order; what arrives meanwhile stays for the next call."""
        return [self.waiting.popleft() for _ in range(len(self.waiting))]


class ShowTime:
    """When in the show something arrived: drivers stamp it with `time.perf_counter`, a show begins at 0.

    A tick is handled when it is due or later, never before; so what is least between the two clocks is what is true.
    """

    def __init__(self) -> None:
        self.begun = float("inf")  # what `time.perf_counter` said at 0

    def now(self, tick: Tick) -> float:
        """The show's time now, in this tick: the tick's or a little later."""
        now = time.perf_counter()
        self.begun = min(self.begun, now - tick.time)
        return now - self.begun

    def of(self, arrived: float) -> float:
        """The show's time then. Call `now` before, in each tick."""
        return arrived - self.begun


class Port(Protocol):
    """An output together with the way frames reach it."""

    output: Output
    shown: int
    dropped: int

    def send(self, frame: Frame) -> None:
        """Hand over one frame."""
        ...

    def close(self) -> None:
        """Deliver what must still be delivered, then close the output."""
        ...


class Here:
    """Shows frames in the render thread."""

    def __init__(self, output: Output) -> None:
        self.output, self.shown, self.dropped = output, 0, 0

    def send(self, frame: Frame) -> None:
        self.output.show(frame)
        self.shown += 1

    def close(self) -> None:
        self.output.close()


class Latest:
    """Shows the newest frame in a thread of its own: one slot, overwritten, and a count of frames nobody took.

    Never a queue: a slow output is behind by its own frame time and no more, and never slows the picture. What the
    output raises goes to `on_fault`, and it is given the next frame.
    """

    def __init__(self, output: Output, on_fault: OnFault) -> None:
        self.output, self.shown, self.dropped = output, 0, 0
        self.on_fault = on_fault
        self.box: deque[Frame] = deque(maxlen=1)
        self.filled = threading.Event()
        self.closing = False
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self.run, name=f"output {type(output).__module__}", daemon=True)
        self.thread.start()

    def send(self, frame: Frame) -> None:
        if self.error:
            raise self.error
        with suppress(IndexError):  # taken out here, or by the output: never both, so the counts agree
            self.box.popleft()
            self.dropped += 1
        self.box.append(frame)
        self.filled.set()

    def run(self) -> None:
        closing = False
        while not closing:
            self.filled.wait()
            self.filled.clear()
            closing = self.closing  # read before the box, so that the last frame is not left in it
            self.attempt(self.show)
        self.attempt(self.output.close)

    def show(self) -> None:
        try:
            frame = self.box.popleft()
        except IndexError:
            return
        self.output.show(frame)
        self.shown += 1

    def attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as fault:
            try:
                self.on_fault(fault)
            except Exception as error:  # under test a fault is an error: of the render thread, not of this one
                self.error = error

    def close(self, seconds: float = 5.0) -> None:
        """Close the output; one that hangs is left behind after `seconds`, which is a fault."""
        self.closing = True
        self.filled.set()
        self.thread.join(seconds)
        if self.thread.is_alive():
            self.on_fault(TimeoutError(f"hangs, and was left behind after {seconds:g} seconds"))
        elif self.error:
            raise self.error


class Every:
    """Shows every frame in a thread of its own, through a queue of `size` frames.

    Live, a full queue drops the picture (and counts it) but keeps its sound for the next frame, and what the output
    raises goes to `on_fault`. Offline a full queue waits, and the first error is raised in the render thread, because a
    file with holes is of no use there.
    """

    def __init__(self, output: Output, on_fault: OnFault, *, live: bool, size: int = 8) -> None:
        self.output, self.shown, self.dropped = output, 0, 0
        self.on_fault, self.live = on_fault, live
        self.queue: queue.Queue[Frame | None] = queue.Queue(size)
        self.unsent: deque[Sound] = deque(maxlen=UNSENT)
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self.run, name=f"output {type(output).__module__}", daemon=True)
        self.thread.start()

    def send(self, frame: Frame) -> None:
        if self.error:
            raise self.error
        if self.live and self.queue.full():  # nobody else fills it, so otherwise there is room
            self.dropped += 1
            self.unsent.extend([frame.sound] if frame.sound else [])
            return
        self.queue.put(with_sound(frame, self.unsent) if self.unsent else frame)
        self.unsent.clear()

    def run(self) -> None:
        while (frame := self.queue.get()) is not None:
            if not self.error:
                self.attempt(partial(self.show, frame))
        self.attempt(self.output.close)

    def show(self, frame: Frame) -> None:
        self.output.show(frame)
        self.shown += 1

    def attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as fault:
            try:
                if not self.live:
                    raise
                self.on_fault(fault)
            except Exception as error:  # the first is the cause of the others
                self.error = self.error or error

    def close(self, seconds: float = 30.0) -> None:
        """Deliver what waits, close the output, and offline raise the error that spoilt it.

        Live, an output that hangs is left behind after `seconds`, which is a fault.
        """
        until = time.perf_counter() + seconds  # for both: the room in the queue, and the end of the thread
        with suppress(queue.Full):
            self.queue.put(None, timeout=seconds if self.live else None)
        self.thread.join(max(0.0, until - time.perf_counter()) if self.live else None)
        if self.thread.is_alive():
            self.on_fault(TimeoutError(f"hangs, and was left behind after {seconds:g} seconds"))
        elif self.error:
            raise self.error


def port(output: Output, on_fault: OnFault, *, live: bool) -> Port:
    """The port that suits the output's `delivery`."""
    if output.delivery == "here":
        return Here(output)
    if output.delivery == "latest":
        return Latest(output, on_fault)
    return Every(output, on_fault, live=live)


def with_sound(frame: Frame, earlier: Iterable[Sound]) -> Frame:
    """The frame with the sound of earlier ones before its own: of those that fit it, if a device was changed."""
    sounds = [*earlier, *([frame.sound] if frame.sound else [])]
    last = sounds[-1]
    fitting = [sound.samples for sound in sounds if fits(sound, last)]
    louder = replace(frame, sound=Sound(np.concatenate(fitting), last.rate))
    vars(louder)["pixels"] = frame.pixels  # made already: not again, and not from an image that is no longer there
    return louder


def fits(sound: Sound, other: Sound) -> bool:
    """Whether two sounds have the same rate and number of channels."""
    return sound.rate == other.rate and sound.samples.shape[1:] == other.samples.shape[1:]
