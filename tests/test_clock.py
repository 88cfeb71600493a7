"""Clocks: real time with a wall clock that the test turns, virtual time, and a take's own."""

import pytest

from instrument import clock
from instrument.clock import Real, Replay, Virtual
from instrument.flow import Tick


class Wall:
    """A wall clock that stands still unless somebody sleeps, works or oversleeps."""

    def __init__(self, oversleeps=0.0):
        self.now, self.slept, self.oversleeps = 1000.0, [], oversleeps

    def perf_counter(self):
        return self.now

    def sleep(self, seconds):
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds + self.oversleeps


@pytest.fixture
def wall(monkeypatch):
    wall = Wall()
    monkeypatch.setattr(clock, "time", wall)
    return wall


def played(real, wall, work):
    """The ticks of a show whose frame n takes work(n) seconds, and when each began."""
    ticks, began = [], []
    start = wall.now
    for tick in real:
        ticks.append(tick)
        began.append(wall.now - start)
        wall.now += work(len(ticks) - 1)
    return ticks, began


def test_a_show_that_keeps_up_has_every_tick_on_the_grid(wall):
    real = Real(60, 120, seconds=2)
    ticks, began = played(real, wall, lambda n: 0.005)
    assert [tick.index for tick in ticks] == list(range(120)) and real.missed == 0
    assert [tick.time for tick in ticks] == pytest.approx([n / 60 for n in range(120)])
    assert [tick.dt for tick in ticks] == pytest.approx([1 / 60] * 120)
    assert [tick.beat for tick in ticks] == pytest.approx([n / 30 for n in range(120)])
    assert began == pytest.approx([n / 60 for n in range(120)])


def test_it_sleeps_for_what_is_left_and_does_not_drift(wall):
    wall.oversleeps = 0.002
    ticks, began = played(Real(50, 120, seconds=20), wall, lambda n: 0.007)
    assert len(ticks) == 1000
    assert all(0 <= late - n / 50 < 0.0021 for n, late in enumerate(began)), "oversleeping never adds up"


def test_missed_ticks_are_skipped_and_counted_and_dt_tells(wall):
    real = Real(50, 60, seconds=1)
    ticks, began = played(real, wall, lambda n: 0.073 if n == 9 else 0.001)  # 3.65 frames
    assert [tick.index for tick in ticks[8:13]] == [8, 9, 12, 13, 14]
    assert ticks[10].dt == pytest.approx(3 / 50) and ticks[11].dt == pytest.approx(1 / 50)
    assert real.missed == 2 and len(ticks) == 48
    assert began[10] == pytest.approx(9 / 50 + 0.073), "the late tick begins at once"
    assert began[11] == pytest.approx(13 / 50), "and the next is on the grid again"
    assert sum(tick.dt for tick in ticks) == pytest.approx(1.0), "no time is lost"


def test_a_little_late_is_not_missed(wall):
    real = Real(50, 60, seconds=1)
    ticks, _ = played(real, wall, lambda n: 0.039 if n == 9 else 0.001)  # the next is begun before the one after is due
    assert [tick.index for tick in ticks] == list(range(50)) and real.missed == 0


def test_too_slow_for_its_rate_it_gives_what_it_can_and_counts_the_rest(wall):
    real = Real(60, 120, seconds=10)
    ticks, _ = played(real, wall, lambda n: 1 / 20)
    assert len(ticks) == pytest.approx(200, abs=2)
    assert len(ticks) + real.missed == 600
    assert ticks[-1].time == pytest.approx(10, abs=0.1), "it is slow, not late"


def test_a_stall_at_the_end_misses_no_ticks_that_the_show_does_not_have(wall):
    real = Real(10, 60, seconds=1)
    played(real, wall, lambda n: 60.0 if n == 8 else 0.0)
    assert real.missed == 1


def test_without_an_end_it_goes_on(wall):
    for tick in Real(30, 120):
        if tick.index == 100_000:
            break
    assert tick.time == pytest.approx(100_000 / 30) and wall.now - 1000 == pytest.approx(tick.time)


@pytest.mark.parametrize("seconds", [0.01, 0.0001])
def test_the_shortest_show_has_one_tick(wall, seconds):
    assert len(list(Real(30, 120, seconds=seconds))) == 1


def test_virtual_time_takes_none(wall):
    ticks = list(Virtual(25, 90, 50))
    assert wall.slept == [] and wall.now == 1000.0
    assert ticks[0] == Tick(0, 0.0, 1 / 25, 0.0)
    assert ticks[49] == Tick(49, 49 / 25, 1 / 25, 49 / 25 * 1.5, 49 / 25 * 1.5 / 4)
    assert len(Virtual(25, 90, 50)) == 50 and Virtual.missed == 0


def test_virtual_and_real_time_are_the_same_ticks(wall):
    assert list(Virtual(24, 133, 48)) == list(Real(24, 133, seconds=2))


def test_a_replay_has_the_ticks_that_it_was_given():
    ticks = [Tick(0, 0.0, 0.1, 0.0), Tick(3, 0.3, 0.3, 0.6)]
    assert list(Replay(ticks)) == ticks and len(Replay(ticks)) == 2 and Replay.missed == 0
    again = Replay(ticks)
    assert list(again) == list(again), "twice the same"
