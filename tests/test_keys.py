"""The keyboard: keys pressed on a virtual display arrive as events."""

from collections.abc import Iterator

import numpy as np
import pytest
from virtual_display import VirtualDisplay, until, virtual_display

from instrument.flow import Event, Tick
from instrument.inputs.keys import Input
from instrument.screen import Screen, keyboard

TICK = Tick(0, 0.0, 1 / 60, 0.0)
BLACK = np.zeros((8, 8, 3), np.uint8)


@pytest.fixture(scope="module")
def display() -> Iterator[VirtualDisplay]:
    with virtual_display() as there:
        yield there


@pytest.fixture
def screen(display: VirtualDisplay) -> Iterator[Screen]:
    screen = Screen((200, 200))

    def focused() -> bool:
        screen.show(BLACK)
        return screen.window.focused

    until(focused)
    yield screen
    screen.close()


def events(screen: Screen, keys: Input, count: int) -> list[Event]:
    """The next `count` events, while frames go on."""
    heard: list[Event] = []

    def enough() -> bool:
        screen.show(BLACK)
        heard.extend(keys.poll(TICK))
        return len(heard) >= count

    until(enough)
    return heard


def test_without_a_window_nothing_comes() -> None:
    keys = Input()
    assert list(keys.poll(TICK)) == []
    keys.close()


def test_a_key_is_one_while_down_and_zero_after(display: VirtualDisplay, screen: Screen) -> None:
    keys = Input()
    for name, x_name in (("space", "space"), ("1", "1"), ("left", "Left"), ("a", "a"), ("return", "Return")):
        display.play("key", x_name)
        assert events(screen, keys, 2) == [Event(f"key/{name}", 1.0), Event(f"key/{name}", 0.0)]


def test_a_held_key_does_not_repeat(display: VirtualDisplay, screen: Screen) -> None:
    keys = Input()
    display.play("keydown", "b", "sleep", "1.2", "key", "c", "keyup", "b")  # X repeats after 0.66 s
    assert [event.address for event in events(screen, keys, 4)] == ["key/b", "key/c", "key/c", "key/b"]


def test_events_carry_their_arrival(display: VirtualDisplay, screen: Screen) -> None:
    keys = Input()
    display.play("key", "x")
    down, up = events(screen, keys, 2)
    assert down.arrived is not None and up.arrived is not None and down.arrived <= up.arrived


def test_what_was_typed_before_the_show_is_no_part_of_it() -> None:
    keyboard.put("key/space", 1.0)
    assert list(Input().poll(TICK)) == []
