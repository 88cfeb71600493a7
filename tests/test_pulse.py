"""The pulse of beats that are known: its tempo, its place, how soon it is found, and that it runs on when nothing is heard."""

import numpy as np
import pytest

from instrument.listening.pulse import FASTEST, SLOWEST, Pulse

DT = 512 / 44100
ON, BETWEEN = 0.9, 0.2  # how like a beat the network finds them


def played(beats, until, hats=True, silent=(np.inf, np.inf), dt=DT):
    """How like a beat each block is [n]: very on the beats, a little between, not at all while it is silent."""
    found = np.zeros(round(until / dt))

    def strike(time, loud):
        block = int(time / dt) + 2  # the network is surest of it about two blocks after it begins
        if block < len(found) and not silent[0] <= time < silent[1]:
            found[block] = max(found[block], loud)

    for number, beat in enumerate(beats):
        strike(beat, ON)
        if hats and number + 1 < len(beats):
            strike((beat + beats[number + 1]) / 2, BETWEEN)
    return found


def level(read, bpm):
    """The tempo that was read as a multiple of the true one: half and double are the same music counted otherwise."""
    times = 60 / read.period / bpm
    return min((0.5, 1.0, 2.0), key=lambda multiple: abs(times / multiple - 1)), times


def astray(read, time, beats):
    """Seconds from the last beat that was read to the nearest true one, or half-way between two where it counts double."""
    at = np.searchsorted(beats, time, "right") - 1
    multiple, _ = level(read, 60 / (beats[at + 1] - beats[at]))
    grid = beats if multiple <= 1 else np.sort(np.concatenate((beats, (beats[1:] + beats[:-1]) / 2)))
    return float(np.abs(grid - (time - read.phase * read.period)).min())


def follow(onsets, beats, dt=DT):
    """(time, reading, how far from the truth in seconds) of every block."""
    pulse = Pulse(dt)
    readings = [pulse(onset, 0.0) for onset in onsets]
    times = (np.arange(len(onsets)) + 1) * dt
    return [(time, read, astray(read, time, beats)) for time, read in zip(times, readings, strict=True)]


def steady(bpm, seconds=20.0):
    return np.arange(0.2, seconds + 4, 60 / bpm)


@pytest.mark.parametrize("rate", [44100, 48000, 8000])
@pytest.mark.parametrize("bpm", [70, 84, 90, 118, 128, 150, 174, 200])
def test_a_steady_pulse_is_found_to_a_fraction_of_a_block_and_never_off_the_beat(bpm, rate):
    dt = 2 ** round(np.log2(rate * 512 / 46000)) / rate
    beats = steady(bpm)
    found = [item for item in follow(played(beats, 20, dt=dt), beats, dt) if item[0] > 8]
    multiple, _ = level(found[-1][1], bpm)
    assert np.median([60 / read.period for _, read, _ in found]) == pytest.approx(bpm * multiple, rel=0.01)
    assert np.percentile([error for _, _, error in found], 95) < 0.02
    assert np.median([read.confidence for _, read, _ in found]) > 0.4


@pytest.mark.parametrize("bpm", [118, 124, 128, 140])
def test_where_most_music_is_danced_to_it_counts_as_dancers_do(bpm):
    beats = steady(bpm)
    found = [item for item in follow(played(beats, 20), beats) if item[0] > 8]
    assert {level(read, bpm)[0] for _, read, _ in found} == {1.0}


def test_it_is_found_within_two_seconds_and_a_half():
    beats = steady(124)
    found = follow(played(beats, 10), beats)
    right = [time for time, _, error in found if error > 0.05]
    assert max(right) < 2.5


def test_when_nothing_is_heard_it_runs_on_for_four_beats_and_grows_less_sure():
    beats = steady(126, 40)
    found = follow(played(beats, 30, silent=(15.0, 25.0)), beats)
    assert max(error for time, _, error in found if 15 < time < 15 + 4 * 60 / 126) < 0.03
    sure = [read.confidence for _, read, _ in found]
    assert sure[round(14.9 / DT)] > sure[round(18 / DT)] > sure[round(24 / DT)]


@pytest.mark.parametrize(("before", "after"), [(110, 128), (140, 118), (90, 96)])
def test_after_a_step_in_tempo_it_is_right_again_within_seven_seconds(before, after):
    first = np.arange(0.2, 15, 60 / before)
    beats = np.concatenate((first, first[-1] + np.arange(1, 60) * 60 / after))
    found = follow(played(beats, 32), beats)
    late = [
        time
        for time, read, error in found
        if error > 0.05 or abs(level(read, after)[1] / level(read, after)[0] - 1) > 0.03
    ]
    assert max(late) < first[-1] + 7


def test_it_follows_a_drummer_who_drifts():
    chance = np.random.default_rng(3)
    beats = 0.2 + np.cumsum(60 / 104 * (1 + np.repeat(chance.uniform(-0.03, 0.03, 20), 4)))
    found = [error for time, _, error in follow(played(beats, 40), beats) if time > 6]
    assert np.percentile(found, 95) < 0.08


def test_in_silence_it_is_sure_of_nothing():
    pulse = Pulse(DT)
    readings = [pulse(0.0, 0.0) for _ in range(1000)]
    assert readings[-1].confidence < 0.2
    assert all(60 / FASTEST - DT <= read.period <= 60 / SLOWEST + DT and 0 <= read.phase < 1 for read in readings)


def test_noise_never_breaks_it():
    chance, pulse = np.random.default_rng(1), Pulse(DT)
    for beat, downbeat in chance.random((5000, 2)) ** 3:
        read = pulse(beat, downbeat)
        assert np.isfinite([read.period, read.phase, read.confidence]).all()
    assert pulse.belief.sum() == pytest.approx(1) and (pulse.belief > 0).all()


@pytest.mark.parametrize("beats_a_bar", [3, 4])
def test_bars_of_three_and_four_are_told_by_their_downbeats(beats_a_bar):
    beats = steady(120, 30)
    like = played(beats, 30, hats=False)
    downbeats = played(beats[::beats_a_bar], 30, hats=False)
    pulse = Pulse(DT)
    readings = [pulse(beat, down) for beat, down in zip(like, downbeats, strict=True)]
    for number, beat in enumerate(beats):
        if 15 < beat < 29:
            read = readings[int((beat + 0.25) / DT)]
            assert (read.bar, read.place) == (beats_a_bar, number % beats_a_bar)
