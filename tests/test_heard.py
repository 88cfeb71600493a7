"""Signals: what they are after a tick, and when they are struck."""

import pytest

from instrument.heard import UNNAMED, Heard


def heard(*ticks, named=()):
    """What is known of the signal `k` after each tick, given what came in it: (value, struck)."""
    one, seen = Heard(named), []
    for values in ticks:
        one.begin()
        for value in values:
            one.take("k", value)
        seen.append((one.now.get("k"), "k" in one.struck))
    return seen


def test_a_signal_stays_where_it_was():
    assert heard([0.7], [], [0.2]) == [(0.7, True), (0.7, False), (0.2, False)]


def test_what_comes_in_is_clamped_and_what_is_no_number_is_nothing():
    assert heard([3], [-1], [float("nan")]) == [(1, True), (0, False), (0, False)]


def test_a_note_shorter_than_a_frame_is_seen_for_one_frame_at_its_strength():
    assert heard([0.3, 0], []) == [(0.3, True), (0, False)]


def test_a_release_and_a_new_note_within_a_frame_is_a_strike_as_strong_as_the_stronger():
    assert heard([0.9], [0, 0.4]) == [(0.9, True), (0.4, True)]
    assert heard([0.9, 0, 0.4]) == [(0.9, True)]


def test_a_stroke_is_struck_in_full_and_let_go_of():
    assert heard([None], [], [None, None]) == [(1, True), (0, False), (1, True)]


def test_the_softest_note_strikes():
    assert heard([1 / 127])[0][1]


def test_of_three_blocks_of_sound_in_a_frame_the_loudest_counts():
    assert heard([0, 0.37, 0], [0, 0, 0]) == [(0.37, True), (0, False)]


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.99])
def test_what_rings_out_is_struck_again_before_it_is_silent(decay):
    """An envelope never reaches nothing; what listens to it is struck with each of its own strikes."""
    ringing = [[decay**n] for n in range(50)]
    strikes = [struck for _, struck in heard(*ringing, *ringing)]
    assert strikes == ([True] + [False] * 49) * 2


def test_a_rise_counts_once_however_slow_it_is():
    up, down = [[n / 100] for n in range(101)], [[1 - n / 100] for n in range(101)]
    assert sum(struck for _, struck in heard(*up, *down, *up)) == 2


def test_trembling_is_no_strike():
    assert sum(struck for _, struck in heard([0.5], *[[0.5 + 0.02 * (-1) ** n] for n in range(99)])) == 1


def test_a_key_held_down_is_struck_once_however_often_it_is_said():
    assert sum(struck for _, struck in heard(*[[1.0]] * 9)) == 1


def test_names_without_end_do_not_fill_the_memory_and_those_that_are_used_are_always_heard():
    one = Heard({"used"})
    for n in range(5 * UNNAMED):
        one.begin()
        one.take(f"blob/{n}", 0.5)
    one.take("used", 0.7)
    one.take("blob/0", 0.6)
    assert len(one.last) <= UNNAMED + 2
    assert (one.now["used"], one.now["blob/0"]) == (0.7, 0.6)
