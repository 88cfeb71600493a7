"""The MIDI clock: ticks that tremble and are lost make a steady beat; the song's place is exact. Nothing here sleeps."""

import numpy as np
import pytest

from instrument.midiclock import SILENCE, MidiClock


def ticked(clock, bpm, beats, begin=0.0, jitter=0.0, loss=0.0, seed=1, from_beat=0.0):
    """Hand in the ticks of so many beats; after each, how far the reading's beat is from the true one, in seconds."""
    chance, period, off = np.random.default_rng(seed), 60 / bpm, []
    for n in range(round(beats * 24)):
        true = begin + n * period / 24
        if n and chance.random() < loss:
            continue
        clock.tick(true + jitter * chance.uniform(-1, 1))
        reading = clock.reading(true + 0.01)
        if reading and reading.phase is not None:
            beat = (true + 0.01 - begin) / period + from_beat
            apart = (reading.place + reading.phase - beat + 2) % 4 - 2
            off.append(apart * period)
        else:
            off.append(np.nan)
    return np.array(off)


@pytest.mark.parametrize(("bpm", "jitter"), [(60, 0.005), (90, 0.005), (120, 0.005), (140, 0.005), (180, 0.003)])
@pytest.mark.parametrize("seed", range(6))
def test_trembling_and_a_lost_tick_in_a_hundred_leave_the_phase_within_three_milliseconds(bpm, jitter, seed):
    clock = MidiClock()
    clock.start()
    off = ticked(clock, bpm, 120, jitter=jitter, loss=0.01, seed=seed)[48:]
    assert off.std() <= 0.003 and abs(off.mean()) < 0.001
    assert clock.reading(120 * 60 / bpm).period == pytest.approx(60 / bpm, rel=0.08)


def test_after_a_start_the_beat_and_the_place_in_the_bar_are_exact():
    clock = MidiClock()
    ticked(clock, 120, 7.3)
    clock.start()
    off = ticked(clock, 120, 9, begin=3.75)
    assert abs(off).max() < 1e-9, "from the first tick on: the pace was known"
    assert clock.reading(3.75 + 8.99 * 0.5).place == 0


def test_a_clock_that_begins_with_its_start_is_known_after_half_a_beat():
    clock = MidiClock()
    clock.start()
    off = ticked(clock, 128, 4)
    assert np.isnan(off[:11]).all() and abs(off[11:]).max() < 1e-9


def test_joined_in_the_middle_only_the_pace_is_known():
    clock = MidiClock()
    ticked(clock, 97, 3.4)
    reading = clock.reading(3.4 * 60 / 97)
    assert reading.phase is None and reading.bar == 0
    assert reading.period == pytest.approx(60 / 97)


def test_a_continue_of_an_unknown_song_makes_no_place_up():
    clock = MidiClock()
    clock.go_on()
    ticked(clock, 97, 3)
    assert clock.reading(3 * 60 / 97).phase is None


def test_a_stop_keeps_the_place_and_a_continue_goes_on_from_it():
    clock = MidiClock()
    clock.start()
    ticked(clock, 120, 6.5)
    clock.stop()
    ticked(clock, 120, 1.25, begin=3.25)
    assert clock.reading(3.9).phase is None, "the song stands, and the ticks go on"
    clock.go_on()
    assert abs(ticked(clock, 120, 4, begin=4.2, from_beat=6.5)).max() < 1e-9


def test_a_song_position_is_in_sixteenths():
    clock = MidiClock()
    clock.locate(4 * 16 + 6)  # bar 5, beat 2 and a half
    clock.go_on()
    off = ticked(clock, 120, 4, from_beat=1.5)
    assert abs(off[11:]).max() < 1e-9
    clock.locate(0)
    assert abs(ticked(clock, 120, 2, begin=2.0)).max() < 1e-9, "a loop, while it plays"


def test_ticks_that_stop_for_a_second_say_nothing_any_more():
    clock = MidiClock()
    assert clock.reading(0.0) is None
    ticked(clock, 120, 4)
    last = (4 * 24 - 1) / 48
    assert clock.reading(last + SILENCE - 0.01) is not None
    assert clock.reading(last + SILENCE + 0.01) is None


@pytest.mark.parametrize("bpm", [100, 114, 126, 140])
def test_another_pace_is_followed_and_no_beat_is_lost_by_it(bpm):
    clock = MidiClock()
    clock.start()
    ticked(clock, 120, 8, jitter=0.002)
    off = ticked(clock, bpm, 8, begin=4.0, jitter=0.002)
    assert abs(off[48:]).max() < 0.003


def test_ticks_that_come_late_and_all_at_once_are_not_taken_for_lost_ones():
    clock = MidiClock()
    clock.start()
    ticked(clock, 120, 4)
    for _ in range(6):
        clock.tick(2.0 + 6 / 48)
    off = ticked(clock, 120, 4, begin=2.0 + 6 / 48, from_beat=4.25)
    assert abs(off[36:]).max() < 0.001


def test_a_hole_of_several_ticks_is_seen():
    clock = MidiClock()
    clock.start()
    ticked(clock, 120, 4)
    off = ticked(clock, 120, 4, begin=2.0 + 5 / 48, from_beat=4 + 5 / 24)
    assert abs(off[12:]).max() < 1e-6
