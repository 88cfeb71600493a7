"""The tactus: of pulses that are all as regular, those are beats of which the network is sure."""

import numpy as np
import pytest

from instrument.listening.tactus import BEGINNING, EACH, EVEN, ODD, Tactus, whole

DT = 512 / 44100
LATE = 0.02  # seconds after a beat, the network is surest of it


class Music:
    """A tactus that hears pulses: `even` and `odd` is how like beats they are, `bpm` how fast they come."""

    def __init__(self):
        self.tactus = Tactus(DT, 118.0, 0.45, 55.0)
        self.time, self.pulses, self.read = 0.0, 0.0, []

    def play(self, seconds, bpm=150.0, even=0.9, odd=0.4):
        """What was read of every block: (time, pulses so far, seconds a beat, place in it)."""
        read = []
        for _ in range(round(seconds / DT)):
            self.time, self.pulses = self.time + DT, self.pulses + DT * bpm / 60
            number = int(self.pulses)
            since = (self.pulses - number) * 60 / bpm
            like = (odd if number % 2 else even) if LATE <= since < LATE + DT else 0.0
            read.append((self.time, self.pulses, *self.tactus(60 / bpm, self.pulses % 1, like)))
        self.read += read
        return read

    def beat(self):
        """Seconds a beat, as read last."""
        return self.read[-1][2]


def test_pulses_that_are_all_alike_are_all_beats():
    read = Music().play(30, even=0.9, odd=0.9)
    assert {period for _, _, period, _ in read} == {0.4}


@pytest.mark.parametrize(("even", "odd"), [(0.9, 0.4), (0.4, 0.9)])
def test_where_every_other_one_is_doubtful_the_others_are_the_beats(even, odd):
    read = Music().play(12, even=even, odd=odd)
    begun = next(time for time, _, period, _ in read if period == 0.8)
    assert begun < 4
    for time, pulses, period, place in read:
        if time > begun:
            assert period == 0.8
            assert place == pytest.approx((pulses + (odd > even)) / 2 % 1)


def test_a_slow_beat_is_not_halved_beyond_what_is_followed():
    music = Music()
    music.play(30, bpm=108, odd=0.1)
    assert music.beat() == pytest.approx(60 / 108)


def test_later_on_it_wants_to_be_surer():
    """In the beginning somebody may wait for it; who dances already would be put out."""
    told = {}
    for before in (0, 2 * BEGINNING):
        music = Music()
        music.play(before, odd=0.9)
        music.tactus.forget()
        music.play(20, odd=0.35)
        told[before] = music.beat()
    assert told == {0: 0.8, 2 * BEGINNING: 0.4}
    music.play(30, odd=0.02)
    assert music.beat() == 0.8


def test_a_song_begins_when_it_sounds_and_another_after_a_silence():
    music = Music()
    music.play(2 * BEGINNING, even=0, odd=0)
    music.play(10, odd=0.35)
    assert music.beat() == 0.8
    music.play(60, odd=0.9)
    assert music.beat() == 0.4
    music.play(2 * BEGINNING, even=0, odd=0)
    music.play(30, odd=0.35)
    assert music.beat() == 0.8


def test_a_reading_that_leaps_there_and_back_has_missed_no_pulse():
    music = Music()
    music.play(8)
    before = music.pulses
    for shift in (0.5, -0.5, 0.4):
        music.pulses += shift
        music.play(0.2)
        music.pulses -= shift
        music.play(0.4 * 5)
    *_, place = music.play(DT)[-1]
    assert place == pytest.approx(music.pulses / 2 % 1) and music.pulses > before
    assert music.beat() == 0.8


def test_the_pulse_s_first_readings_may_be_any():
    tactus = Tactus(DT, 118.0, 0.45, 55.0)
    for phase in (0.8, 0.1, 0.8, 0.4, 0.1, 0.8, 0.4, 0.1):
        tactus(0.4, phase, 0.9)
    music = Music()
    music.tactus = tactus
    assert 0.8 in {period for _, _, period, _ in music.play(6)}


def test_where_the_pulse_becomes_its_half_or_double_the_beat_stays_what_it_was():
    music = Music()
    music.play(8)
    at = music.pulses
    assert music.beat() == 0.8
    music.pulses = at / 2  # now each pulse is a beat
    slower = music.play(4, bpm=75, even=0.9, odd=0.9)
    assert {period for _, _, period, _ in slower} == {0.8}
    assert [place for *_, place in slower] == pytest.approx([pulses % 1 for _, pulses, _, _ in slower])
    music.pulses = music.pulses * 2 + 1
    assert {period for _, _, period, _ in music.play(2)} == {0.8}


def test_what_is_silent_is_no_word_against_a_beat_that_stays():
    music = Music()
    music.play(8, even=0.9, odd=0.9)
    music.play(60, even=0.0, odd=0.0)
    assert {period for _, _, period, _ in music.read} == {0.4}


def test_another_tempo_is_judged_anew():
    music = Music()
    music.play(8)
    assert music.beat() == 0.8
    music.play(8, bpm=190, even=0.9, odd=0.9)
    assert music.beat() == pytest.approx(60 / 190)


def test_every_number_is_finite_from_the_first_block_on():
    music = Music()
    assert np.isfinite(music.play(20, even=1.0, odd=0.0)).all()
    assert np.isfinite(music.tactus.fits()).all()


@pytest.mark.parametrize(
    ("like", "which"),
    [([0.9, 0.9], EACH), ([0.9, 0.3], EVEN), ([0.3, 0.9], ODD), ([0.05, 0.1], EACH), ([], EACH)],
)
def test_of_a_whole_song_it_is_told_at_once(like, which):
    assert whole(np.array(like * 20), 0.4, 118.0, 0.45, 55.0) == which
    assert whole(np.array(like * 20), 1.0, 118.0, 0.45, 55.0) == EACH, "none is so slow"
