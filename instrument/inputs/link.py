"""Ableton Link: the beat that programs on a network share. It is listened to and never changed."""

from collections.abc import Sequence
from typing import Any

from instrument.flow import Event, Reading, Tick
from instrument.plugs import Unavailable
from instrument.queued import ShowTime

REMEDY = "pip install 'phosphene[link]'"
BEFORE = 120.0  # beats a minute, of a session that nobody else is in yet


class Input:
    """The tempo, the beat and the place in a bar of `bar` beats, while any other program is in the session.

    Raises Unavailable where the package for it is missing; having nobody to play with is no error.
    """

    rank = 3  # as a source of the tempo: after a clock by wire, before what is told in words

    def __init__(self, *, bar: int = 4) -> None:
        if not 1 <= bar <= 32:
            raise ValueError(f"link: bar must be 1 to 32 beats, got {bar}")
        self.bar = bar
        self.session: Any = library().Link(BEFORE)
        self.session.enabled = True
        self.show_time = ShowTime()
        self.heard: tuple[float, Reading] | None = None

    def poll(self, tick: Tick) -> Sequence[Event]:
        now = self.show_time.now(tick)
        state, moment = self.session.captureSessionState(), self.session.clock().micros()
        beat = state.phaseAtTime(moment, self.bar)  # 0..bar
        reading = Reading.known(60 / state.tempo(), beat, self.bar)
        self.heard = (now, reading) if self.session.numPeers() else None
        return []

    def pulse(self) -> tuple[float, Reading] | None:
        """Where the session is, and at which moment of the show; None while nobody else is in it."""
        return self.heard

    def close(self) -> None:
        self.session.enabled = False


def library() -> Any:
    """The module of LinkPython."""
    try:
        import link
    except ImportError as error:
        raise Unavailable("no Ableton Link here", REMEDY) from error
    return link
