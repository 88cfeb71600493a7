"""The report: numbers of a show whose times are known."""

import json
from types import SimpleNamespace

import pytest
import torch
from parts import Script, ScriptedOutput, events, frame_of, rig_of, tick

from instrument import report
from instrument.clock import Virtual
from instrument.flow import Event, Frame
from instrument.report import Meter, percentiles


@pytest.fixture
def wall(monkeypatch):
    """A clock that the test turns."""
    wall = SimpleNamespace(now=500.0)
    monkeypatch.setattr(report, "time", SimpleNamespace(perf_counter=lambda: wall.now))
    return wall


class Paced(Virtual):
    """Virtual ticks, a while apart on the wall."""

    def __init__(self, wall, frames, waits=0.0, missed=0):
        super().__init__(30, 120, frames)
        self.wall, self.waits, self.missed = wall, waits, missed

    def __iter__(self):
        for now in super().__iter__():
            self.wall.now += self.waits
            yield now


def measured(wall, frames, work, rig=None, waits=0.0):
    """A meter after frames of which the nth took work(n) seconds."""
    meter = Meter(rig or rig_of(), Paced(wall, frames, waits))
    for now in meter.ticks():
        wall.now += work(now.index)
    return meter


def test_before_the_first_frame_there_is_nothing_to_report(wall):
    said = Meter(rig_of(), Virtual(30, 120, 0)).snapshot()
    assert (said["frames"], said["fps"]) == (0, 0)
    assert said["frame_ms"] == {"p50": None, "p95": None, "p99": None, "max": 0}
    assert said["age_ms"] == {"p50": None, "p99": None} and said["faults"] == []


def test_frame_times_are_of_the_work_and_not_of_the_waiting(wall):
    said = measured(wall, 101, lambda n: 0.010 + n * 0.0001, waits=0.1).snapshot()
    assert said["frames"] == 101
    assert said["frame_ms"] == {"p50": 15.0, "p95": 19.5, "p99": 19.9, "max": 20.0}


def test_fps_is_of_the_last_frames_and_in_the_end_of_the_whole_show(wall):
    meter = measured(wall, 200, lambda n: 0.1 if n < 100 else 0.02)
    assert meter.snapshot()["fps"] == 50.0
    assert meter.final()["fps"] == pytest.approx(200 / 12, abs=0.01)


def test_the_longest_frame_is_remembered_when_percentiles_have_forgotten_it(wall, monkeypatch):
    monkeypatch.setattr(report, "KEPT", 50)
    said = measured(wall, 200, lambda n: 1.0 if n == 3 else 0.01).snapshot()
    assert said["frame_ms"]["max"] == 1000.0 and said["frame_ms"]["p99"] == 10.0


def test_age_is_from_an_events_arrival_to_the_end_of_its_first_frame(wall):
    meter = Meter(rig_of(), Virtual(30, 120, 1))
    arrivals = (wall.now - 0.020, wall.now - 0.005)
    meter.shown([], Frame(torch.zeros(3, 1, 1), tick(), None, arrivals))
    assert meter.snapshot()["age_ms"] == {"p50": 5.0, "p99": 5.0}
    meter.shown([], Frame(torch.zeros(3, 1, 1), tick(), None, (wall.now - 0.1,)))
    assert meter.snapshot()["age_ms"]["p50"] == 20.0


def test_events_are_counted_by_where_they_came_from(wall):
    meter = Meter(rig_of(), Virtual(30, 120, 1))
    heard = [Event(address, 1.0) for address in ("osc/a", "osc/b", "midi/cc/1", "audio/bass", "key/a", "other/x")]
    meter.shown(heard, Frame(torch.zeros(3, 1, 1), tick()))
    assert meter.snapshot()["events"] == {"osc": 2, "midi": 1, "audio": 1, "keys": 1, "other": 1}


def test_the_usual_inputs_are_in_every_report_and_others_once_they_were_heard(wall):
    meter = Meter(rig_of(), Virtual(30, 120, 1))
    assert meter.snapshot()["events"] == {"osc": 0, "midi": 0, "audio": 0, "keys": 0}
    meter.shown(events(("metronome/beat", 1.0), ("metronome/beat", 0.0)), Frame(torch.zeros(3, 1, 1), tick()))
    assert meter.snapshot()["events"] == {"osc": 0, "midi": 0, "audio": 0, "keys": 0, "metronome": 2}


def test_outputs_faults_and_missed_ticks_are_in_it_and_all_of_it_is_json(wall):
    bad = Script(RuntimeError("x"))
    rig = rig_of(inputs={"bad": bad}, outputs={"good": ScriptedOutput(None), "bad": ScriptedOutput(RuntimeError("y"))})
    frame_of(rig, 0), frame_of(rig, 1)
    said = Meter(rig, Paced(wall, 0, missed=7)).snapshot()
    assert said["outputs"] == {"good": {"shown": 2, "dropped": 0}, "bad": {"shown": 0, "dropped": 0}}
    assert said["missed_ticks"] == 7
    assert said["faults"] == ["input 'bad': RuntimeError: x (2×)", "output 'bad': RuntimeError: y (2×)"]
    assert json.loads(json.dumps(said)) == said


def test_a_long_show_keeps_no_more_than_a_short_one(wall, monkeypatch):
    monkeypatch.setattr(report, "KEPT", 100)
    meter = measured(wall, 1000, lambda n: 0.01)
    meter.shown(events(*[("osc/a", 1)] * 500), Frame(torch.zeros(3, 1, 1), tick(), None, tuple([wall.now] * 500)))
    assert len(meter.frame_ms) == 100 and len(meter.age_ms) == 100 and meter.frames == 1000


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], {"p50": None, "p99": None}),
        ([3], {"p50": 3, "p99": 3}),
        (range(1, 102), {"p50": 51, "p99": 100}),
        ([5, 1, 3], {"p50": 3, "p99": 3}),
    ],
)
def test_percentiles_are_values_that_were_there(values, found):
    assert percentiles(values, 50, 99) == found
