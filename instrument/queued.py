"""What crosses a thread: the inbox of an input, and the ways a frame reaches an output."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np

from instrument.flow import Event, Frame, Sound
from instrument.plugs import Output

OnFault = Callable[[Exception], None]


class Inbox:
    """Events on their way from a driver's thread to the render thread: a bounded deque that stamps their arrival.

    `put` may be called from any thread and never waits. Beyond `size` waiting events the oldest are lost and counted
    in `lost`; at 2,000 events a second the default holds half a minute.
    """

    def __init__(self, size: int = 65536) -> None:
        self.waiting: deque[Event] = deque(maxlen=size)
        self.lost = 0

    def put(self, address: str, value: float) -> None:
        """Append an event that arrives now."""
        if len(self.waiting) == self.waiting.maxlen:
            self.lost += 1
        self.waiting.append(Event(address, value, time.perf_counter()))

    def drain(self) -> list[Event]:
        """Everything that waits, in order; what arrives meanwhile stays for the next call."""
        return [self.waiting.popleft() for _ in range(len(self.waiting))]


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

    Never a queue: a slow output is behind by its own frame time and no more, and never slows the picture.
    """

    def __init__(self, output: Output, on_fault: OnFault) -> None:
        self.output, self.shown, self.dropped = output, 0, 0
        self.on_fault = on_fault
        self.box: deque[Frame] = deque(maxlen=1)
        self.filled = threading.Event()
        self.closing = False
        self.thread = threading.Thread(target=self.run, name=f"output {type(output).__module__}", daemon=True)
        self.thread.start()

    def send(self, frame: Frame) -> None:
        if self.box:
            self.dropped += 1
        self.box.append(frame)
        self.filled.set()

    def run(self) -> None:
        while True:
            self.filled.wait()
            self.filled.clear()
            while self.box:
                try:
                    self.output.show(self.box.popleft())
                    self.shown += 1
                except Exception as error:
                    self.on_fault(error)
            if self.closing:
                break
        try:
            self.output.close()
        except Exception as error:
            self.on_fault(error)

    def close(self, seconds: float = 5.0) -> None:
        """Close the output; one that hangs is left behind after `seconds`."""
        self.closing = True
        self.filled.set()
        self.thread.join(seconds)


class Every:
    """Shows every frame in a thread of its own, through a queue of `size` frames.

    Live, a full queue drops the picture (and counts it) but keeps its sound for the next frame; offline it waits. The
    first error offline is raised in the render thread, because a file with holes is of no use there.
    """

    def __init__(self, output: Output, on_fault: OnFault, *, live: bool, size: int = 8) -> None:
        self.output, self.shown, self.dropped = output, 0, 0
        self.on_fault, self.live = on_fault, live
        self.queue: queue.Queue[Frame | None] = queue.Queue(size)
        self.unsent: list[Sound] = []
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self.run, name=f"output {type(output).__module__}", daemon=True)
        self.thread.start()

    def send(self, frame: Frame) -> None:
        if self.error and not self.live:
            raise self.error
        if self.unsent:
            frame = replace(frame, sound=joined([*self.unsent, *([frame.sound] if frame.sound else [])]))
        try:
            self.queue.put(frame, block=not self.live)
            self.unsent = []
        except queue.Full:
            self.dropped += 1
            self.unsent = [frame.sound] if frame.sound else []

    def run(self) -> None:
        while (frame := self.queue.get()) is not None:
            if self.error and not self.live:
                continue
            try:
                self.output.show(frame)
                self.shown += 1
            except Exception as error:
                self.error = error
                self.on_fault(error)
        try:
            self.output.close()
        except Exception as error:
            self.error = self.error or error
            self.on_fault(error)

    def close(self) -> None:
        """Deliver what waits, close the output, and offline raise the error that spoilt it."""
        self.queue.put(None)
        self.thread.join()
        if self.error and not self.live:
            raise self.error


def port(output: Output, on_fault: OnFault, *, live: bool) -> Port:
    """The port that suits the output's `delivery`."""
    if output.delivery == "here":
        return Here(output)
    if output.delivery == "latest":
        return Latest(output, on_fault)
    return Every(output, on_fault, live=live)


def joined(sounds: list[Sound]) -> Sound:
    """One sound of several, one after the other."""
    return Sound(np.concatenate([sound.samples for sound in sounds]), sounds[0].rate)
