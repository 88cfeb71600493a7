"""The demo track: what its score says is what is heard."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from instrument.flow import Sound
from instrument.inputs.audio import demo_path
from instrument.listening.listener import Listener
from instrument.media import read_sound

COMPOSER = Path(__file__).parents[1] / "music" / "demo.py"


@pytest.fixture(scope="module")
def track() -> Sound:
    return read_sound(demo_path())


@pytest.fixture(scope="module")
def composer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo", COMPOSER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_short_small_and_a_whole_number_of_bars(track: Sound, composer: ModuleType) -> None:
    assert demo_path().stat().st_size < 900_000
    assert len(track.samples) == composer.BARS * 4 * track.rate * 60 // composer.BPM
    assert 30 <= len(track.samples) / track.rate <= 60


def test_it_is_loud_enough_and_never_clips(track: Sound) -> None:
    assert abs(track.samples).max() < 1
    assert -18 < 20 * np.log10(np.sqrt(np.square(track.samples).mean())) < -13


def test_it_loops_without_a_click(track: Sound) -> None:
    steps = abs(np.diff(track.samples, axis=0))
    assert abs(track.samples[0] - track.samples[-1]).max() < np.percentile(steps, 99)


def test_composing_again_gives_the_same_samples_and_those_of_the_file(track: Sound, composer: ModuleType) -> None:
    once, again = composer.compose(bars=3), composer.compose(bars=3)
    assert np.array_equal(once, again)
    bar = slice(track.rate * 4, track.rate * 6)  # the third, where nothing rings over from the end any more
    assert np.corrcoef(once[bar, 0], track.samples[bar, 0])[0, 1] > 0.98


def test_onsets_land_on_the_kicks(track: Sound, composer: ModuleType) -> None:
    listener = Listener(track.rate)
    onsets = np.array([signals["onset"] for signals in listener.push(track.samples)])
    found = (np.flatnonzero(onsets) + 1) * listener.block / track.rate
    kicks = np.array(composer.kicks()) * 60 / composer.BPM
    late = found[:, None] - kicks[None]
    hits = (late > -0.005) & (late < 0.05)
    latency = np.array([late[hits[:, n], n][0] for n in range(len(kicks)) if hits[:, n].any()])
    assert hits.any(axis=0).mean() >= 0.98
    assert np.median(latency) < 0.016
    sixteenth = 60 / composer.BPM / 4
    beside = abs((found - np.median(latency) + sixteenth / 2) % sixteenth - sixteenth / 2)
    assert (beside < 0.025).mean() > 0.95
