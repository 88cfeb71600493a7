"""The pulse of onsets that are known: its tempo, its place, how soon it is found, and that it runs on when nothing is heard."""

import numpy as np
import pytest

from instrument.listening.pulse import FASTEST, SLOWEST, Pulse

DT = 512 / 44100
KICK, SNARE, HAT = (1.0, 0.2, 0.0), (0.0, 1.0, 0.4), (0.0, 0.0, 0.7)


def played(beats, until, hats=True, silent=(np.inf, np.inf), dt=DT):
    """Onsets [n, 3]: kick and snare in turn on the beats, hats between, nothing while it is silent."""
    found = np.zeros((round(until / dt), 3))

    def strike(time, loud):
        block = int(time / dt) + 1  # heard in the block after it begins
        if block < len(found) and not silent[0] <= time < silent[1]:
            found[block] = np.maximum(found[block], loud)

    for number, beat in enumerate(beats):
        strike(beat, SNARE if number % 2 else KICK)
        if hats and number + 1 < len(beats):
            strike((beat + beats[number + 1]) / 2, HAT)
    return found


def apart(phase, true):
    """How far two places in a beat are from each other."""
    return abs((phase - true + 0.5) % 1 - 0.5)


def place(beats, time):
    """Where in its beat a time is, 0..1."""
    at = np.searchsorted(beats, time, "right") - 1
    return (time - beats[at]) / (beats[at + 1] - beats[at])


def follow(onsets, beats, dt=DT):
    """(time, reading, how far from the truth) of every block."""
    pulse = Pulse(dt)
    readings = [pulse(onset) for onset in onsets]
    times = (np.arange(len(onsets)) + 1) * dt
    return [(time, read, apart(read.phase, place(beats, time))) for time, read in zip(times, readings, strict=True)]


def steady(bpm, seconds=20.0):
    return np.arange(0.2, seconds + 4, 60 / bpm)


@pytest.mark.parametrize("rate", [44100, 48000, 8000])
@pytest.mark.parametrize("bpm", [84, 90, 118, 128, 150, 174])
def test_a_steady_pulse_is_found_to_a_fraction_of_a_block(bpm, rate):
    dt = 2 ** round(np.log2(rate * 512 / 46000)) / rate
    beats = steady(bpm)
    found = [item for item in follow(played(beats, 20, dt=dt), beats, dt) if item[0] > 8]
    assert np.median([60 / read.period for _, read, _ in found]) == pytest.approx(bpm, rel=0.01)
    assert np.percentile([error * 60 / bpm for _, _, error in found], 95) < 0.02, "seconds"
    assert min(read.confidence for _, read, _ in found) > 0.5


def test_it_is_found_within_two_seconds_and_a_half():
    beats = steady(124)
    found = follow(played(beats, 10), beats)
    right = [time for time, _, error in found if error > 0.1]
    assert max(right) < 2.5


def test_when_nothing_is_heard_it_runs_on_for_four_beats_and_grows_less_sure():
    beats = steady(126, 40)
    found = follow(played(beats, 30, silent=(15.0, 25.0)), beats)
    assert max(error * 60 / 126 for time, _, error in found if 15 < time < 15 + 4 * 60 / 126) < 0.03
    sure = [read.confidence for _, read, _ in found]
    assert sure[round(14.9 / DT)] > sure[round(18 / DT)] > sure[round(24 / DT)]


@pytest.mark.parametrize(("before", "after"), [(110, 128), (140, 118), (90, 96)])
def test_after_a_step_in_tempo_it_is_right_again_within_seven_seconds(before, after):
    first = np.arange(0.2, 15, 60 / before)
    beats = np.concatenate((first, first[-1] + np.arange(1, 60) * 60 / after))
    found = follow(played(beats, 32), beats)
    late = [time for time, read, error in found if error > 0.1 or abs(60 / read.period / after - 1) > 0.03]
    assert max(late) < first[-1] + 7


def test_it_follows_a_drummer_who_drifts():
    chance = np.random.default_rng(3)
    beats = 0.2 + np.cumsum(60 / 104 * (1 + np.repeat(chance.uniform(-0.03, 0.03, 20), 4)))
    found = [error for time, _, error in follow(played(beats, 40), beats) if time > 6]
    assert np.percentile(found, 95) < 0.08


def test_in_silence_it_is_sure_of_nothing():
    pulse = Pulse(DT)
    readings = [pulse(np.zeros(3)) for _ in range(1000)]
    assert readings[-1].confidence < 0.2
    assert all(60 / FASTEST - DT <= read.period <= 60 / SLOWEST + DT and 0 <= read.phase < 1 for read in readings)


def test_noise_never_breaks_it():
    chance, pulse = np.random.default_rng(1), Pulse(DT)
    for onset in chance.random((5000, 3)) ** 3:
        read = pulse(onset)
        assert np.isfinite([read.period, read.phase, read.confidence]).all()
    assert pulse.belief.sum() == pytest.approx(1) and (pulse.belief > 0).all()
