"""The musical clock: it runs by itself, is drawn to what it hears, never runs backwards, and does as it is told."""

from itertools import pairwise

import numpy as np
import pytest

from instrument.flow import Reading
from instrument.tempo import ASTRAY, BEND, SURE, Tempo, between

FPS = 60


def played(tempo, seconds, bpm=120.0, late=0.0, sure=0.9, begin=0.0, noise=0.0):
    """Let it hear a pulse of that tempo, whose beats fall `late` seconds after whole ones; (times, beats) as it went."""
    chance, times, beats = np.random.default_rng(1), [], []
    for n in range(round(seconds * FPS)):
        now = begin + n / FPS
        times.append(now)
        beats.append(tempo.beat(now))
        heard = now - 0.02 + chance.normal(0, noise)  # what is known is a little old
        tempo.hear(now, now - 0.02, Reading(60 / bpm, (heard - late) * bpm / 60 % 1, sure))
    return np.array(times), np.array(beats)


def off(times, beats, bpm=120.0, late=0.0):
    """How far its beats are from the pulse's, in seconds."""
    apart = (beats - (times - late) * bpm / 60 + 0.5) % 1 - 0.5
    return apart * 60 / bpm


def test_by_itself_it_runs_on():
    tempo = Tempo(90.0)
    assert [tempo.beat(time) for time in (-2.0, 0.0, 40.0)] == [-3.0, 0.0, 60.0]


@pytest.mark.parametrize(("bpm", "late"), [(120, 0.2), (124, 0.0), (96, 0.35), (174, 0.1)])
def test_it_comes_to_the_pulse_that_it_hears_and_never_runs_backwards(bpm, late):
    tempo = Tempo(120.0)
    times, beats = played(tempo, 20, bpm, late)
    assert abs(off(times, beats, bpm, late)[-600:]).max() < 0.008
    assert (np.diff(beats) > 0).all()
    assert tempo.bpm == pytest.approx(bpm)


def test_a_small_error_is_made_good_without_a_leap():
    tempo = Tempo(120.0)
    late = ASTRAY / 2 * 0.5
    _, beats = played(tempo, 8, 120, late)
    speeds = np.diff(beats) * FPS / 2
    assert speeds.min() >= 1 - BEND - 1e-6 and speeds.max() <= 1 + BEND + 1e-6


def test_a_reading_that_trembles_makes_a_steady_beat():
    times, beats = played(Tempo(120.0), 30, 120, 0.1, noise=0.02)
    assert off(times, beats, 120, 0.1)[-1200:].std() < 0.006


def test_what_it_is_not_sure_of_changes_nothing_and_it_keeps_its_last_pace():
    tempo = Tempo(120.0)
    times, beats = played(tempo, 10, 126, 0.1)
    times, beats = played(tempo, 32 * 60 / 126, 77, 0.3, sure=SURE - 0.01, begin=10.0)
    assert abs(off(times, beats, 126, 0.1)).max() < 0.01, "through a break of 32 beats"


def test_after_a_step_it_is_there_in_three_seconds_of_hearing_it():
    tempo = Tempo(120.0)
    played(tempo, 10, 110)
    times, beats = played(tempo, 10, 128, 0.2, begin=10.0)
    assert abs(off(times, beats, 128, 0.2)[3 * FPS :]).max() < 0.02


# --- what a performer says


def test_taps_say_where_the_beat_is_and_how_fast():
    tempo = Tempo(120.0)
    for n in range(5):
        tempo.tap(3 + n * 60 / 95)
    assert tempo.bpm == pytest.approx(95) and tempo.locked
    last = 3 + 4 * 60 / 95
    assert [tempo.beat(last + n * 60 / 95) % 1 for n in range(4)] == pytest.approx([0] * 4, abs=1e-6)
    played(tempo, 5, 140, begin=last)
    assert tempo.bpm == pytest.approx(95), "what is heard does not go before the performer's word"
    tempo.lock(20.0)
    played(tempo, 5, 140, begin=20.0)
    assert tempo.bpm == pytest.approx(140)


def test_a_bounce_is_no_tap_and_after_a_while_one_is_a_first():
    tempo = Tempo(120.0)
    for time in (1.0, 1.05, 1.5, 1.55, 2.0):
        tempo.tap(time)
    assert tempo.bpm == pytest.approx(120)
    tempo.tap(60.0)
    assert tempo.bpm == pytest.approx(120)


@pytest.mark.parametrize(("said", "bpm"), [("double", 240), ("halve", 60), ("shift", 120)])
def test_another_level_is_kept_while_the_pulse_goes_on(said, bpm):
    tempo = Tempo(120.0)
    played(tempo, 8, 120)
    getattr(tempo, said)(8.0)
    times, beats = played(tempo, 10, 120, begin=8.0)
    assert tempo.bpm == pytest.approx(bpm)
    late = 0.25 if said == "shift" else 0.0
    if said == "halve":
        late = round(off(times, beats, 60, 0.0)[-1] * 2) / 2  # either of two beats may be the one
    assert abs(off(times, beats, bpm, late)[-300:]).max() < 0.01
    assert (np.diff(beats) > 0).all()


@pytest.mark.parametrize("late", [0.0, 0.5])
@pytest.mark.parametrize("said", [["double"], ["halve"], ["halve", "shift"], ["double", "double"]])
def test_a_level_that_was_chosen_stays_where_the_ears_come_to_another(said, late):
    """Or the performer's word would be turned against him. Slow ones may be heard on either of two beats."""
    tempo = Tempo(120.0)
    played(tempo, 8, 120)
    for gesture in said:
        getattr(tempo, gesture)(8.0)
    bpm = {"double": 240, "halve": 60, "shift": 60}[said[-1]] * len([word for word in said if word == "double"] or [1])
    played(tempo, 4, 120, begin=8.0)
    for begin, heard in ((12.0, 60), (20.0, 120), (28.0, 240), (36.0, 120), (44.0, 30)):
        _, beats = played(tempo, 8, heard, late=late if heard < 120 else 0.0, begin=begin)
        assert tempo.bpm == pytest.approx(bpm)
        assert np.diff(beats) == pytest.approx(bpm / 60 / FPS, rel=BEND), f"no leap at {heard}"


def test_in_other_music_the_ears_may_come_to_another_level():
    tempo = Tempo(120.0)
    played(tempo, 8, 120)
    tempo.halve(8.0)
    played(tempo, 8, 100, begin=8.0)
    assert tempo.bpm == pytest.approx(50)
    played(tempo, 8, 50, begin=16.0)
    assert tempo.bpm == pytest.approx(25)


def test_who_knows_the_tempo_is_never_on_another_level():
    tempo = Tempo(120.0)
    tempo.double(0.0)
    for now, bpm in enumerate((120, 60, 240)):
        tempo.hear(now, now, Reading(60 / bpm, None, 1.0))
        assert tempo.bpm == pytest.approx(2 * bpm)


def test_this_is_the_one():
    tempo = Tempo(120.0)
    played(tempo, 5.3, 120)
    tempo.one(5.3)
    beat = tempo.beat(5.3)
    assert beat % 1 == pytest.approx(0, abs=1e-9) and tempo.place(beat) == pytest.approx(0, abs=1e-9)
    assert tempo.place(beat + 5) == pytest.approx(1)


def test_a_take_s_beats_are_its_own():
    tempo = Tempo(120.0)
    tempo.past = [(0.0, 0.0, 0.0), (1.0, 2.0, 0.5), (2.0, 5.0, 1.25)]
    assert [tempo.beat(time) for time in (0.5, 1.5, 2.0, 3.0)] == [1.0, 3.5, 5.0, 8.0]
    assert between([(1.0, 7.0)], 9.0) == 7.0


# --- bars


def barred(tempo, seconds, bar, first, begin=0.0):
    """Let it hear 120 beats a minute whose bars of `bar` begin with the beats first, first + bar, ...; the ticks."""
    ticks = []
    for n in range(round(seconds * FPS)):
        now = begin + n / FPS
        ticks.append(tempo.tick(n, now, 1 / FPS))
        beat, phase = divmod(now * 2, 1)
        tempo.hear(now, now, Reading(0.5, phase, 0.9, bar, int(beat - first) % bar))
    return ticks


@pytest.mark.parametrize(("bar", "first"), [(4, 0), (4, 3), (3, 1)])
def test_bars_begin_where_they_are_heard_to(bar, first):
    ticks = barred(Tempo(120.0), 12, bar, first)
    for tick in ticks[-300:]:
        assert (tick.bar - (tick.beat - first) / bar + 0.5) % 1 == pytest.approx(0.5, abs=1e-6)
    assert all(before.bar <= after.bar for before, after in pairwise(ticks))


def test_how_many_beats_a_bar_has_and_where_it_begins_is_the_performer_s_word():
    assert barred(tempo := Tempo(120.0, 4), 12, 3, 1)[-1].bar == pytest.approx(24 / 4, abs=0.05) and tempo.bar == 4
    tempo = Tempo(120.0)
    barred(tempo, 12, 4, 0)
    tempo.one(13.0)
    barred(tempo, 12, 4, 0, begin=13.0)
    assert tempo.place(tempo.beat(13.0)) == pytest.approx(0, abs=0.1)
    tempo.lock(25.0), tempo.lock(25.0)
    barred(tempo, 12, 4, 0, begin=25.0)
    assert tempo.place(28.0) == pytest.approx(0), "until the word is taken back"


# --- several sources, and when pictures are seen


def test_a_source_that_knows_goes_before_one_that_hears_until_it_falls_silent():
    tempo = Tempo(120.0)
    for n in range(600):
        now = n / FPS
        tempo.hear(now, now, Reading(0.5, now * 2 % 1, 0.9), 1)
        if now < 5:
            tempo.hear(now, now, Reading(0.6, now / 0.6 % 1, 1.0), 4)
        if not 6.8 < now < 7.2:
            assert tempo.bpm == pytest.approx(100 if now < 7 else 120)


def test_a_source_may_know_the_pace_alone():
    tempo = Tempo(120.0)
    tempo.hear(1.0, 1.0, Reading(0.4, None, 1.0))
    assert tempo.bpm == pytest.approx(150) and tempo.beat(2.0) == pytest.approx(2 + 2.5)


def test_pictures_are_of_the_moment_when_they_are_seen_and_never_run_backwards():
    tempo = Tempo(120.0, ahead=0.05)
    assert tempo.tick(60, 1.0, 1 / FPS).beat == pytest.approx(2.1)
    tempo.sooner(1.0)
    assert tempo.tick(60, 1.0, 1 / FPS).beat == pytest.approx(2.12)
    tempo.later(1.0), tempo.later(1.0)
    assert tempo.tick(60, 1.0, 1 / FPS).beat == pytest.approx(2.12)
    assert tempo.tick(120, 2.0, 1 / FPS).beat == pytest.approx(4.08)
