"""Meters: one who looks now and then misses nothing and sees nothing twice."""

import threading
from pathlib import Path

import numpy as np
import pytest
from command_line import kicks
from parts import rig_of, tick

from instrument.clock import Virtual
from instrument.flow import Reading
from instrument.inputs.audio import Input
from instrument.listening.meters import KEPT, Meters
from instrument.plugs import Metered
from instrument.report import Meter

DT, BANDS = 0.0116, 46
QUIET = {"level": 0.1, "bass": 0.0, "mid": 0.2, "high": 0.0, "silence": 0.0}


def block(**more):
    """The signals of a block; `bass`, `mid` and `high` are how much begins there."""
    begins = {f"onset/{band}": more.pop(band, 0.0) for band in ("bass", "mid", "high")}
    return {**QUIET, **begins, **more}


def heard(blocks, meters=None, loudness=0.0):
    """Meters that have heard these blocks, one by one."""
    meters = meters or Meters(DT, BANDS)
    for signals in blocks:
        meters.take((meters.last[0] + 1) * DT, [signals], np.full(BANDS, loudness, np.float32))
    return meters


def test_before_anything_is_heard_there_is_silence():
    hearing = Meters(DT, BANDS).hearing(0, "USB", False)
    assert hearing.silent and hearing.blocks == 0 and set(hearing.levels.values()) == {0.0} and not hearing.onsets
    assert hearing.spectrum.shape == (BANDS,)


def test_levels_are_the_highest_since_one_looked_last():
    meters = heard([block(level=value) for value in (0.9, 0.2, 0.7, 0.3)])
    assert [meters.hearing(after, "", False).levels["level"] for after in (0, 1, 2, 3, 4)] == [0.9, 0.7, 0.7, 0.3, 0.3]


def test_the_spectrum_is_the_last_blocks_and_0_to_1():
    assert heard([block()], loudness=np.log(101)).hearing(0, "", False).spectrum == pytest.approx(1.0)


def test_an_onset_is_at_the_beginning_of_its_block_in_its_band_with_its_strength():
    meters = Meters(DT, BANDS)
    meters.take(1.0, [block(), block(bass=0.8, high=0.4), block()], np.zeros(BANDS, np.float32))
    found = [(onset.block, onset.band, onset.strength) for onset in meters.hearing(0, "", False).onsets]
    assert found == [(2, "bass", 0.8), (2, "high", 0.4)]
    assert meters.hearing(1, "", False).onsets[0].time == pytest.approx(1.0 - 2 * DT)
    assert meters.hearing(2, "", False).onsets == []


def test_bands_strike_each_for_itself_and_not_twice_within_a_tenth_of_a_second():
    meters = heard([block(high=0.9), block(high=0.9, bass=0.5), block(bass=0.9), *[block()] * 9, block(high=0.9)])
    found = [(onset.block, onset.band) for onset in meters.hearing(0, "", False).onsets]
    assert found == [(1, "high"), (2, "bass"), (13, "high")]


def test_those_who_look_at_different_paces_while_it_hears_see_every_onset_once():
    meters, done = Meters(DT, BANDS), threading.Event()
    seen = {step: [] for step in (1, 3, 7)}

    def look(step):
        after, last = 0, False
        while not last:
            last = done.is_set()
            if last or meters.last[0] >= after + step:
                hearing = meters.hearing(after, "", False)
                seen[step] += [onset.block for onset in hearing.onsets]
                after = hearing.blocks

    watchers = [threading.Thread(target=look, args=(step,)) for step in seen]
    for watcher in watchers:
        watcher.start()
    for n in range(KEPT):  # as many onsets as are kept, so that even one who sleeps misses none
        heard([block(mid=0.8), *[block()] * (8 + n % 5)], meters)
    done.set()
    for watcher in watchers:
        watcher.join()
    blocks = [onset.block for onset in meters.onsets]
    assert len(blocks) == KEPT
    assert all(found == blocks for found in seen.values())


# --- of a sound, and in a show


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """An input that has heard four kicks in two and a half seconds, looked at in every frame."""
    song = Input(source=str(kicks(tmp_path_factory.mktemp("songs") / "kicks.wav")), live=False)
    looks, after = [], 0
    for now in Virtual(30, 120, 75):
        song.poll(now)
        looks.append(song.hearing(after))
        after = looks[-1].blocks
    return looks


def test_an_input_shows_every_kick_of_a_song_where_it_is(played):
    bass = [onset.time for look in played for onset in look.onsets if onset.band == "bass"]
    assert bass == pytest.approx([0.5, 1.0, 1.5, 2.0], abs=0.025)


def test_it_shows_what_is_heard_and_when_it_is_silent(played):
    assert {look.source for look in played} == {"kicks.wav"} and not any(look.gone for look in played)
    assert played[10].silent and not played[20].silent
    assert max(look.levels["bass"] for look in played) > 0.9 and played[10].levels["bass"] == 0
    loudest = max(played, key=lambda look: look.levels["level"])
    assert 0.5 < loudest.spectrum[:12].max() <= 1 and loudest.spectrum[-12:].max() < 0.3


def test_a_song_that_is_only_recorded_shows_nothing(tmp_path):
    song = Input(source=str(kicks(tmp_path / "kicks.wav")), live=False, analysed=False)
    song.poll(tick())
    assert isinstance(song, Metered) and song.hearing() is None


class Wire:
    """An input with a pulse of a given rank."""

    def __init__(self, rank):
        self.rank, self.reading = rank, Reading.known(0.5, 2.25, 4)

    def poll(self, tick):
        return []

    def pulse(self):
        return self.reading and (0.0, self.reading)

    def close(self):
        pass


def test_the_monitor_says_where_the_beat_is_and_who_leads_it():
    wire = Wire(4)
    rig = rig_of(inputs={"ears": Wire(1), "wire": wire})
    meter = Meter(rig, Virtual(30, 120, 0))
    assert meter.monitor()["tempo"]["from"] == ""
    rig.listen(tick(0))
    frame = type("Frame", (), {"arrivals": (), "tick": tick(0)})
    meter.shown([], frame)
    said = meter.monitor()
    assert said["ears"] is None
    assert said["tempo"]["from"] == "wire"
    rig.tempo.hear(30.0, 30.0, Reading(0.5, 0.0, 0.9), 1)  # the wire has been silent for long
    assert rig.leads(30.0) == "ears" and rig.leads(33.0) == ""
    rig.tempo.lock(33.0)
    assert rig.leads(33.0) == "locked"
    rig.tempo.lock(33.0)
    for beat in (34.0, 34.5):
        rig.tempo.tap(beat)
    assert rig.leads(34.5) == "tapped"


def test_the_position_of_a_clock_is_its_beat_without_the_lead_over_a_late_screen():
    rig = rig_of()
    rig.tempo.ahead = 0.2
    position = rig.tempo.position(2.75)
    assert position == (2.75, 5.5, 1.5, 4, 2.0)
    rig.tempo.one(3.0)
    assert rig.tempo.position(3.25).place == pytest.approx(0.5)


def test_what_the_monitor_says_of_a_sound_is_plain_numbers(tmp_path: Path):
    song = Input(source=str(kicks(tmp_path / "kicks.wav")), live=False)
    meter = Meter(rig_of(inputs={"audio": song}), Virtual(30, 120, 0))
    for now in Virtual(30, 120, 30):
        song.poll(now)
    ears = meter.monitor(0)["ears"]
    assert ears["source"] == "kicks.wav" and ears["blocks"] == meter.ears.hearing().blocks
    assert len(ears["spectrum"]) == len(meter.ears.listener.growth.heard)
    assert all(isinstance(percent, int) and 0 <= percent <= 100 for percent in ears["spectrum"])
    assert [band for _, band, _ in ears["onsets"] if band == "bass"] == ["bass"]
    assert meter.monitor(ears["blocks"])["ears"]["onsets"] == []
