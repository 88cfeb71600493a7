"""The ears: signals by closed form where there is one, by property where there is not."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from instrument.listening.listener import SIGNALS, Listener
from instrument.tempo import Tempo

MUSIC = Path(os.environ.get("PHOSPHENE_MUSIC", "nowhere"))  # pieces NAME.ogg with their beats in NAME.beats
NAMES = ["level", "bass", "mid", "high", "onset", "brightness"]
RATES = [8000, 16000, 22050, 44100, 48000, 96000, 192000]

Samples = NDArray[np.float32]


def heard(samples: Samples, rate: int) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """Every signal over time, and the time of each block's end."""
    listener = Listener(rate)
    blocks = listener.push(samples)
    times = (np.arange(len(blocks)) + 1) * listener.block / rate
    return {name: np.array([signals[name] for signals in blocks]) for name in NAMES}, times


def sine(hertz: float, rate: int, seconds: float = 1.0, amplitude: float = 0.5) -> Samples:
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def noise(rate: int, seconds: float, amplitude: float, seed: int = 1) -> Samples:
    return np.random.default_rng(seed).normal(0, amplitude, int(seconds * rate)).astype(np.float32)


def drum(kind: str, rate: int, rng: np.random.Generator) -> NDArray[np.float64]:
    t = np.arange(int(0.33 * rate)) / rate
    if kind == "kick":
        return np.sin(2 * np.pi * (50 * t + 8 * (1 - np.exp(-t / 0.03)))) * np.exp(-t / 0.09)
    if kind == "hat":
        return np.diff(rng.normal(0, 0.3, len(t) + 1)) * np.exp(-t / 0.03)
    if kind == "snare":
        return 0.6 * (rng.normal(0, 0.3, len(t)) + np.sin(2 * np.pi * 190 * t)) * np.exp(-t / 0.06)
    note = 220 * 2 ** (rng.integers(0, 12) / 12)
    tone = 0.4 * sum(np.sin(2 * np.pi * note * k * t) / k for k in range(1, 6))
    if kind == "pad":
        return tone * np.minimum(t / 0.06, 1) * np.minimum((0.33 - t) / 0.05, 1)
    return tone  # "burst": cut off


def events(kind: str, rate: int, count: int = 40) -> tuple[NDArray[np.float64], Samples]:
    """The times of `count` sounds of a kind, and the sound with noise at -60 dB."""
    rng = np.random.default_rng(1)
    times = 1 + np.cumsum(rng.uniform(0.4, 0.9, count))
    samples = rng.normal(0, 1e-3, int((times[-1] + 1) * rate))
    for time in times:
        sound = drum(kind, rate, rng)
        samples[round(time * rate) :][: len(sound)] += 0.5 * sound
    return times, samples.astype(np.float32)


def matched(true: NDArray[np.float64], found: NDArray[np.float64]) -> tuple[float, float, NDArray[np.float64]]:
    """Recall, false onsets an event, and latencies in milliseconds."""
    late = found[:, None] - true[None]
    hits = (late > -0.005) & (late < 0.06)
    latencies = np.array([late[hits[:, n], n][0] for n in range(len(true)) if hits[:, n].any()])
    return hits.any(axis=0).mean(), (len(found) - len(latencies)) / len(true), latencies * 1000


@pytest.mark.parametrize("chunks", [[1], [512], [4096], [7, 1000, 333, 1, 64]])
def test_signals_are_bit_equal_however_the_sound_is_cut(chunks: list[int]) -> None:
    _, samples = events("snare", 44100, count=4)
    samples = np.stack((samples, samples[::-1]), axis=1)[:30000]
    whole = Listener(44100).push(samples)
    listener, pieces, at = Listener(44100), [], 0
    while at < len(samples):
        size = chunks[at % len(chunks)]
        pieces += listener.push(samples[at : at + size])
        at += size
    assert len(whole) == 30000 // 512
    assert pieces == whole
    assert all(set(signals) == set(SIGNALS) for signals in whole)


def test_the_pulse_is_the_same_to_the_last_bit_however_the_sound_is_cut() -> None:
    _, samples = events("kick", 44100, count=8)
    whole, cut, rng, at = Listener(44100), Listener(44100), np.random.default_rng(5), 0
    whole.push(samples)
    while at < len(samples):
        size = int(rng.integers(1, 4097))
        cut.push(samples[at : at + size])
        at += size
    assert whole.reading == cut.reading


def test_beats_never_run_backwards_and_nothing_grows_through_jitter_and_gaps() -> None:
    """Blocks of any size, late and early, with pieces missing: a minute of it, and a look at the clock in each frame."""
    rng, (_, samples) = np.random.default_rng(4), events("kick", 44100, count=90)
    listener, tempo, at, now, kept, sizes = Listener(44100), Tempo(120.0), 0, 0.0, [], []
    while at < len(samples) - 20000:
        size = int(rng.choice((0, 1, 64, 441, 512, 1024, 4096, 11025)))
        gap = 3000 if rng.random() < 0.02 else 0
        listener.push(samples[at : at + size])
        at += size + gap
        now = max(now, at / 44100 + rng.uniform(-0.02, 0.02))
        if listener.reading:
            tempo.hear(now, now - rng.uniform(0, 0.03), listener.reading)
        kept.append(tempo.tick(0, now, 0.0))
        sizes.append(len(pickle.dumps(listener)))
    beats, bars = np.array([tick.beat for tick in kept]), np.array([tick.bar for tick in kept])
    assert (np.diff(beats) >= 0).all() and (np.diff(bars) >= 0).all()
    assert np.isfinite(beats).all() and beats[-1] > 60
    assert max(sizes[-100:]) - max(sizes[:100]) < 10_000, "bytes, most of them samples that wait"


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_the_pulse_of_drums_is_found(rate: int) -> None:
    rng, times = np.random.default_rng(2), np.arange(0.5, 19.5, 60 / 124)
    samples = rng.normal(0, 1e-3, 20 * rate)
    for number, time in enumerate(times):
        sound = drum(("kick", "snare")[number % 2], rate, rng)
        samples[round(time * rate) :][: len(sound)] += 0.5 * sound[: len(samples) - round(time * rate)]
    listener = Listener(rate)
    listener.push(samples.astype(np.float32))
    read, until = listener.reading, (len(samples) - len(listener.rest)) / rate
    assert read is not None
    assert 60 / read.period == pytest.approx(124, rel=0.01)
    since = (until - times[0]) / (60 / 124) % 1
    assert abs((read.phase - since + 0.5) % 1 - 0.5) * 60 / 124 < 0.02, "seconds"


@pytest.mark.parametrize("rate", RATES)
def test_silence_offset_and_noise_at_minus_60_db_are_nothing(rate: int) -> None:
    for samples in (
        np.zeros(2 * rate, np.float32),
        np.full(2 * rate, 0.5, np.float32)[rate // 10 :],
        noise(rate, 2, 1e-3),
    ):
        signals, times = heard(samples, rate)
        settled = times > 0.1  # an offset that begins is a click
        assert all(not values[settled].any() for values in signals.values())


def test_noise_at_minus_60_db_is_nothing_after_music_either() -> None:
    signals, times = heard(np.concatenate((sine(100, 48000), noise(48000, 20, 1e-3))), 48000)
    assert all(not values[times > 1.1].any() for values in signals.values())


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_any_rate_and_number_of_channels_gives_every_signal_between_0_and_1(rate: int, channels: int) -> None:
    _, samples = events("snare", rate, count=2)
    signals, _ = heard(np.repeat(samples[:, None], channels, axis=1), rate)
    assert all(((values >= 0) & (values <= 1)).all() for values in signals.values())
    assert signals["level"].max() > 0.9
    assert (signals["onset"] > 0).sum() == 2


@pytest.mark.parametrize("rate", [4000, 400000])
def test_a_rate_out_of_reach_is_refused(rate: int) -> None:
    with pytest.raises(ValueError, match=r"8000\.\.192000"):
        Listener(rate)


@pytest.mark.parametrize("rate", [22050, 44100, 48000, 96000])
@pytest.mark.parametrize(("hertz", "name"), [(60, "bass"), (500, "mid"), (5000, "high")])
def test_a_tone_sounds_in_its_own_band_only(rate: int, hertz: float, name: str) -> None:
    signals, times = heard(sine(hertz, rate), rate)
    for band in ("bass", "mid", "high"):
        values = signals[band][times > 0.2]
        assert values.min() > 0.9 if band == name else values.max() < 0.02


def test_brightness_rises_by_octaves() -> None:
    tones = [np.median(heard(sine(hertz, 48000), 48000)[0]["brightness"]) for hertz in (40, 160, 320, 640, 1280, 8000)]
    octave = 1 / np.log2(4000 / 80)
    assert tones[0] == 0
    assert tones[-1] == 1
    assert np.diff(tones[1:-1]) == pytest.approx(octave, abs=0.02)


def test_what_no_ear_hears_has_a_level_and_nothing_else_breaks() -> None:
    signals, _ = heard(sine(40000, 96000), 96000)
    assert signals["level"].max() > 0.9
    assert all(np.isfinite(values).all() for values in signals.values())


def test_numbers_that_are_none_and_samples_beyond_full_scale_do_no_lasting_harm() -> None:
    _, music = events("kick", 44100, count=8)
    broken = music.copy()
    broken[20000:20003] = np.nan, np.inf, -np.inf
    broken[21000] = 1e30
    clean, times = heard(music, 44100)
    signals, _ = heard(broken, 44100)
    assert all(np.isfinite(values).all() for values in signals.values())
    assert abs(signals["bass"] - clean["bass"])[times > 1].max() < 0.05


def test_quiet_and_loud_music_give_the_same_signals() -> None:
    _, music = events("kick", 48000, count=8)
    (loud, times), (quiet, _) = (heard(gain * music, 44100) for gain in (1.0, 0.1))
    assert abs(loud["bass"] - quiet["bass"])[times > 2].max() < 0.1


def test_the_gain_has_recovered_most_of_20_db_after_half_a_minute() -> None:
    loud, quiet = sine(60, 48000, 1.0, 0.5), sine(60, 48000, 31.0, 0.05)
    level = heard(np.concatenate((loud, quiet)), 48000)[0]["level"]
    assert 0.05 < level[120] < 0.15
    assert level[-1] > 0.7


def test_a_nearly_empty_band_is_not_raised_to_full_scale() -> None:
    hiss = noise(48000, 3.0, 0.004)
    signals, times = heard(sine(60, 48000, 3.0) + hiss, 48000)
    assert signals["high"][times > 0.2].max() < 0.05


@pytest.mark.parametrize("rate", [22050, 44100, 96000])
def test_a_kick_swings_the_bass_from_nothing_to_everything(rate: int) -> None:
    beats = np.arange(1, 9) * 0.5
    samples = np.zeros(5 * rate)
    for beat in beats:
        sound = drum("kick", rate, np.random.default_rng(1))
        samples[round(beat * rate) :][: len(sound)] += 0.5 * sound
    signals, times = heard(samples.astype(np.float32), rate)
    for beat in beats:
        within = signals["bass"][(times > beat) & (times <= beat + 0.5)]
        assert within.max() > 0.95
        assert within.min() < 0.02


@pytest.mark.parametrize("rate", [22050, 44100, 48000, 96000])
@pytest.mark.parametrize(("kind", "median", "slowest"), [
    ("kick", 13, 20), ("snare", 13, 20), ("hat", 13, 20), ("burst", 13, 20), ("pad", 16, 20),
])  # fmt: skip
def test_onsets_come_soon_and_only_where_something_begins(kind: str, median: float, slowest: float, rate: int) -> None:
    times, samples = events(kind, rate)
    signals, ends = heard(samples, rate)
    recall, false, latency = matched(times, ends[signals["onset"] > 0])
    assert recall >= 0.98
    assert false <= 0.02
    assert np.median(latency) <= median
    assert np.percentile(latency, 95) <= slowest


def test_an_onset_is_a_strike_of_one_block_and_the_next_is_100_ms_away() -> None:
    rng = np.random.default_rng(3)
    samples = rng.normal(0, 0.1, 5 * 48000) * (rng.random(5 * 48000 // 480).repeat(480) > 0.5)
    signals, times = heard(samples.astype(np.float32), 48000)
    struck = times[signals["onset"] > 0]
    assert len(struck) > 10
    assert np.diff(struck).min() >= 0.1 - 1e-9


def test_a_steady_chord_has_one_onset() -> None:
    chord = sum(sine(hertz, 44100, 8.0, 0.15) for hertz in (220, 277.2, 329.6, 55))
    signals, times = heard(chord, 44100)
    assert (signals["onset"][times > 0.5] > 0).sum() == 0
    assert (signals["onset"][times < 0.1] > 0).sum() == 1


@pytest.mark.skipif(not MUSIC.is_dir(), reason="PHOSPHENE_MUSIC names no folder of pieces with known beats")
@pytest.mark.parametrize("piece", ["house124", "techno132"])
def test_onsets_meet_the_beats_of_real_pieces(piece: str) -> None:
    from instrument.media import read_sound

    sound = read_sound(MUSIC / f"{piece}.ogg")
    beats = np.loadtxt(MUSIC / f"{piece}.beats")[:, 0]
    signals, times = heard(sound.samples, sound.rate)
    recall, _, latency = matched(beats[beats > 5], times[signals["onset"] > 0])
    assert recall > 0.95
    assert np.median(latency) < 25
