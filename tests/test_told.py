"""A tempo that is told: its pace, its beats, and both. Times are handed in."""

import pytest

from instrument.told import Told


def test_a_pace_in_words_is_known_without_a_place_until_it_is_let_go():
    told = Told()
    assert told.reading(0.0) is None
    told.pace(128)
    reading = told.reading(1e4)
    assert (reading.period, reading.phase, reading.bar) == (60 / 128, None, 0)
    told.pace(0)
    assert told.reading(1e4) is None


def test_beats_say_the_pace_and_the_place_in_the_beat():
    told = Told()
    told.beat(10.0, None)
    assert told.reading(10.0) is None, "one says nothing of how fast"
    for n in range(1, 6):
        told.beat(10 + n * 0.4, None)
    reading = told.reading(12.1)
    assert reading.period == pytest.approx(0.4) and reading.phase == pytest.approx(0.25) and reading.bar == 0
    assert told.reading(12 + 4.1 * 0.4) is None, "nobody says any more that they go on"


def test_a_beat_that_was_not_told_is_counted():
    told = Told()
    for n in (0, 1, 2, 4, 5):
        told.beat(n * 0.5, None)
    assert told.reading(2.5).period == pytest.approx(0.5)


def test_a_number_says_the_place_in_the_bar_too():
    told = Told()
    told.pace(120)
    told.beat(3.0, 14)
    reading = told.reading(3.25)
    assert (reading.place, reading.phase, reading.bar) == (2, pytest.approx(0.5), 4)
    told.beat(4.0, 0.0)
    assert told.reading(4.6).place == 1
    assert told.reading(100.0).phase == pytest.approx(0), "a pace that was said carries the beat on"


def test_beats_told_many_times_a_beat_are_a_line():
    told = Told()
    for n in range(120):
        told.beat(n / 60, n / 60 * 1.5)
    assert told.reading(2.0).period == pytest.approx(60 / 90)
    assert told.reading(2.0).place == 3


def test_a_pace_is_clamped():
    told = Told()
    told.pace(1e9)
    assert told.reading(0).period == pytest.approx(60 / 999)
