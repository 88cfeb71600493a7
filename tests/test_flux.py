"""Flux and the listener's pulse: what begins is heard in its band, the same however the sound is cut."""

import numpy as np
import pytest
from test_listening import drum

from instrument.listening.flux import Flux, triangles
from instrument.listening.listener import Listener
from instrument.listening.spectrum import block_of

RATES = [8000, 22050, 44100, 48000, 96000]


def beaten(kinds, rate, seconds, bpm=124.0, first=0.5):
    """A sound with a drum of each kind in turn on the beats, and when they are."""
    rng, times = np.random.default_rng(2), np.arange(first, seconds - 0.5, 60 / bpm)
    samples = rng.normal(0, 1e-3, round(seconds * rate))
    for number, time in enumerate(times):
        sound = drum(kinds[number % len(kinds)], rate, rng)
        samples[round(time * rate) :][: len(sound)] += 0.5 * sound
    return samples.astype(np.float32), times


def fluxes(samples, rate):
    block = block_of(rate)
    flux = Flux(rate, block)
    return np.array([flux(samples[at : at + block]) for at in range(0, len(samples) - block + 1, block)])


@pytest.mark.parametrize("rate", RATES)
def test_the_triangles_are_of_one_weight_and_below_half_the_rate(rate):
    columns, weights, starts, centres = triangles(rate, 2 * block_of(rate))
    assert np.allclose(np.add.reduceat(weights, starts), 1, atol=1e-5)
    assert columns.max() <= block_of(rate) and centres.max() < rate / 2 and (np.diff(centres) > 0).all()


@pytest.mark.parametrize(("kind", "band"), [("kick", 0), ("hat", 2)])
def test_what_begins_is_heard_in_its_band_within_two_blocks(kind, band):
    samples, times = beaten([kind], 44100, 12)
    found = fluxes(samples, 44100)
    for time in times[4:]:
        block = int(time * 44100 / 512)
        assert found[block : block + 3, band].max() > 0.4
    between = found[[int((time + 0.25) * 44100 / 512) for time in times[4:]], band]
    assert np.median(between) < 0.15


def test_in_silence_nothing_begins():
    assert fluxes(np.zeros(44100, np.float32), 44100).max() == 0


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_a_listener_finds_the_pulse_of_drums(rate):
    samples, times = beaten(["kick", "snare"], rate, 20)
    listener = Listener(rate)
    listener.push(samples)
    read, until = listener.reading, (len(samples) - len(listener.rest)) / rate
    assert 60 / read.period == pytest.approx(124, rel=0.01)
    since = (until - times[0]) / (60 / 124) % 1
    assert abs((read.phase - since + 0.5) % 1 - 0.5) * 60 / 124 < 0.02, "seconds"


def test_the_pulse_is_the_same_to_the_last_bit_however_the_sound_is_cut():
    samples, _ = beaten(["kick", "hat"], 44100, 6)
    whole, cut, rng, at = Listener(44100), Listener(44100), np.random.default_rng(5), 0
    whole.push(samples)
    while at < len(samples):
        size = int(rng.integers(1, 4097))
        cut.push(samples[at : at + size])
        at += size
    assert whole.reading == cut.reading
