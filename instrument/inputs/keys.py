"""The computer's keyboard, while the window has it: `key/space` is 1 when the key goes down and 0 when it comes up."""

from collections.abc import Sequence

from instrument.flow import Event, Tick
from instrument.screen import keyboard


class Input:
    """The keys pressed in the window; nothing where there is no window. A held key does not repeat.

    Keys are called what is printed on them: `key/a`, `key/1`, `key/left`, `key/return`, `key/left_shift`,
    `key/keypad_1`, `key/slash`.
    """

    def __init__(self) -> None:
        keyboard.drain()  # what was typed before the show is not part of it

    def poll(self, tick: Tick) -> Sequence[Event]:
        return keyboard.drain()

    def close(self) -> None:
        """Nothing to let go of: the keyboard is the window's."""
