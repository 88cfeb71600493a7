"""What the ears tell beyond level and onset: loudness and its turns, colour, notes, drums, each by closed form or property."""

import numpy as np
import pytest
from test_listening import Samples, drum, noise, sine

from instrument.listening.chroma import CLASSES
from instrument.listening.listener import Listener
from instrument.listening.loudness import k_weights

RATES = [8000, 22050, 44100, 48000, 96000]
RATE = 44100


def heard(samples: Samples, rate: int = RATE) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Every signal over time, and the time of each block's end."""
    listener = Listener(rate)
    blocks = listener.push(samples)
    times = (np.arange(len(blocks)) + 1) * listener.block / rate
    return {name: np.array([signals[name] for signals in blocks]) for name in blocks[0]}, times


def chord(hertz: list[float], rate: int, seconds: float, amplitude: float = 0.4) -> Samples:
    """Notes with four harmonics each."""
    t = np.arange(int(seconds * rate)) / rate
    sound = sum(np.sin(2 * np.pi * f * k * t) / k**1.5 for f in hertz for k in range(1, 5) if f * k < rate / 2)
    return (amplitude * sound / np.abs(sound).max()).astype(np.float32)


def note(midi: float) -> float:
    return 440 * 2 ** ((midi - 69) / 12)


# --- loudness


def test_k_weighting_is_flat_at_1_khz_and_has_no_rumble():
    """ITU-R BS.1770-4: +0.7 dB at 1 kHz, about +4 dB high up, steep below 100 Hz."""
    decibels = 10 * np.log10(k_weights(np.array([20.0, 38.0, 1000.0, 10000.0])))
    assert decibels == pytest.approx([-13.7, -5.6, 0.7, 4.0], abs=0.6)


def test_ten_decibels_less_are_half_as_loud():
    sound = np.concatenate((sine(1000, RATE, 3, 0.5), sine(1000, RATE, 1, 0.5 * 10**-0.5)))
    signals, _ = heard(sound)
    assert signals["loudness"][240] == pytest.approx(1, abs=0.01)
    assert signals["loudness"][-1] == pytest.approx(0.5, abs=0.02)


def test_loudness_does_not_hear_a_rumble_that_level_does():
    signals, _ = heard(np.concatenate((sine(1000, RATE, 3, 0.3), sine(25, RATE, 2, 0.3))))
    assert signals["level"][-1] > 0.9
    assert signals["loudness"][-1] < 0.6


@pytest.mark.parametrize("rate", RATES)
def test_build_is_even_for_steady_music_and_in_a_pause_and_rises_as_it_grows(rate):
    steady = noise(rate, 10, 0.05)
    signals, times = heard(np.concatenate((steady, np.zeros(rate, np.float32), noise(rate, 4, 0.2, seed=2))), rate)
    assert signals["build"][(times > 1) & (times < 10.9)] == pytest.approx(0.5, abs=0.02)
    assert signals["build"][times > 11.2].max() > 0.7
    assert signals["build"][times < 11].max() < 0.52


def test_a_drop_is_when_the_bass_comes_back():
    rng = np.random.default_rng(1)
    kick, hat = drum("kick", RATE, rng), drum("hat", RATE, rng)
    sound = np.zeros(40 * RATE)
    for n in range(78):
        if not 24 <= n < 44:
            sound[n * RATE // 2 :][: len(kick)] += 0.5 * kick
        sound[n * RATE // 2 + RATE // 4 :][: len(hat)] += 0.3 * hat
    signals, times = heard(sound.astype(np.float32))
    found = times[signals["drop"] > 0]
    assert len(found) == 1
    assert 22.0 <= found[0] < 22.2


def test_silence_is_heard_after_half_a_second_and_ends_at_once():
    pause = noise(RATE, 2, 10 ** (-70 / 20))
    signals, times = heard(np.concatenate((pause, sine(440, RATE, 2), pause, sine(440, RATE, 1))))
    silent = signals["silence"]
    assert silent[times < 1.99].all()
    assert not silent[(times > 2.03) & (times < 4.4)].any()
    assert silent[(times > 4.6) & (times < 6)].all()
    assert not silent[times > 6.03].any()


# --- colour


def test_noise_is_flat_and_a_tone_is_not():
    white, _ = heard(noise(RATE, 1, 0.1))
    pure, _ = heard(sine(1000, RATE))
    assert np.median(white["flatness"]) == pytest.approx(1.0, abs=0.06)
    assert np.median(pure["flatness"]) < 0.02


@pytest.mark.parametrize("hertz", [200, 800, 3200])
def test_rolloff_of_a_tone_is_at_its_frequency(hertz):
    signals, times = heard(sine(hertz, RATE))
    octaves = np.log2(16000 / 80)
    assert np.median(signals["rolloff"][times > 0.3]) == pytest.approx(np.log2(hertz / 80) / octaves, abs=0.03)


@pytest.mark.parametrize("rate", RATES)
def test_a_held_chord_is_harmonic_and_drums_are_percussive(rate):
    held, times = heard(chord([220, 277, 330], rate, 2), rate)
    late = times > 0.5
    assert held["harmonic"][late].mean() > 3 * held["percussive"][late].mean()
    rng = np.random.default_rng(1)
    sound = noise(rate, 3, 0.001).astype(float)
    for n in range(6):
        hit = drum("snare", rate, rng)
        sound[n * rate // 2 :][: len(hit)] += 0.5 * hit[: len(sound) - n * rate // 2]
    struck, _ = heard(sound.astype(np.float32), rate)
    assert struck["percussive"].max() > 0.9
    begins = np.arange(6) * 0.5 + 0.03
    now = [int(at * rate / Listener(rate).block) for at in begins]
    assert (struck["percussive"][now] > struck["harmonic"][now] + 0.5).all()


@pytest.mark.parametrize(("hertz", "name"), [(40, "sub"), (95, "bass"), (300, "lowmid"), (1500, "mid"), (6000, "high")])
def test_a_tone_sounds_in_its_own_fine_band(hertz, name):
    signals, times = heard(sine(hertz, RATE))
    late = times > 0.3
    for band in ("sub", "bass", "lowmid", "mid", "high"):
        level = signals[f"band/{band}"][late].max()
        near = "bass" in (band, name)  # narrower than a window of 46 ms can tell
        assert (level > 0.9) if band == name else (level < (0.9 if near else 0.1)), (band, level)


# --- notes


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
@pytest.mark.parametrize("midi", [57, 60, 64, 70, 76])
def test_a_note_has_its_pitch_class_and_pitch(rate, midi):
    signals, times = heard(chord([note(midi)], rate, 1), rate)
    late = times > 0.5
    strengths = {name: signals[f"chroma/{name}"][late].mean() for name in CLASSES}
    assert max(strengths, key=lambda name: strengths[name]) == CLASSES[midi % 12]
    assert strengths[CLASSES[midi % 12]] > 0.9
    assert sorted(strengths.values())[-2] < 0.5
    assert 36 + 60 * np.median(signals["pitch"][late]) == pytest.approx(midi, abs=0.15)
    assert signals["voiced"][late].min() > 0.8


def test_a_triad_has_three_pitch_classes():
    signals, times = heard(chord([note(60), note(64), note(67)], RATE, 1))
    strengths = {name: signals[f"chroma/{name}"][times > 0.5].mean() for name in CLASSES}
    assert set(sorted(strengths, key=lambda name: strengths[name])[-3:]) == {"c", "e", "g"}


@pytest.mark.parametrize(
    ("degrees", "minor"),
    [(((0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7)), False), (((0, 3, 7), (5, 8, 12), (7, 11, 14), (0, 3, 7)), True)],
)
@pytest.mark.parametrize("tonic", [0, 2, 9])
def test_a_cadence_has_a_key(tonic, degrees, minor):
    sound = [chord([note(57 + (tonic + 3) % 12 + step) for step in steps], RATE, 1) for steps in degrees * 3]
    signals, _ = heard(np.concatenate(sound))
    assert signals["key"][-1] * 12 == pytest.approx(tonic)
    assert (signals["minor"][-1] > 0.5) == minor


def test_noise_and_silence_have_no_voice():
    white, _ = heard(noise(RATE, 1, 0.1))
    silent, _ = heard(np.zeros(RATE, np.float32))
    assert np.median(white["voiced"]) == 0
    assert silent["voiced"].max() == 0


# --- sections and drums


def test_a_section_begins_when_the_music_becomes_another():
    rng = np.random.default_rng(1)
    calm = np.tile(chord([220, 277, 330], RATE, 2), 8)
    drums = np.zeros(16 * RATE)
    for n in range(60):
        hit = drum("hat" if n % 2 else "kick", RATE, rng)
        drums[n * RATE // 4 :][: len(hit)] += 0.5 * hit
    signals, times = heard(np.concatenate((calm, drums.astype(np.float32), calm)))
    found = times[signals["section"] > 0]
    assert len(found) == 2
    assert 16 < found[0] < 19
    assert 32 < found[1] < 35


def test_drums_of_a_beat_strike_as_themselves():
    rng = np.random.default_rng(3)
    played = {"kick": 2 + np.arange(12.0), "snare": 2.5 + np.arange(12.0), "hat": 2.25 + 0.5 * np.arange(24)}
    sound = noise(RATE, 15, 1e-3).astype(float)
    for kind, times in played.items():
        for at in times:
            hit = drum(kind, RATE, rng)
            sound[round(at * RATE) :][: len(hit)] += 0.5 * hit
    signals, ends = heard(sound.astype(np.float32))
    for kind, times in played.items():
        found = ends[signals[kind] > 0]
        near = [np.abs(found - at).min() < 0.05 for at in times] if len(found) else [False]
        print(kind, np.mean(near), len(found))
        assert np.mean(near) >= 0.7, kind
