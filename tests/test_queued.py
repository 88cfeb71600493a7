"""What crosses a thread, with real threads: waiting is for an event, never for a time."""

import queue
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from instrument import queued
from instrument.flow import Frame, Sound, Tick
from instrument.queued import Every, Here, Inbox, Latest, port

DEADLINE = 10.0


def frame(n, sound=None):
    return Frame(torch.full((3, 2, 2), n / 100), Tick(n, n / 60, 1 / 60, 0.0), sound)


def sound(first, samples=100, rate=48_000, channels=2):
    """Samples that count upwards from `first`."""
    return Sound(np.repeat(np.arange(first, first + samples, dtype=np.float32)[:, None], channels, 1), rate)


def until(true):
    """Wait for something to be true."""
    deadline = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.0005)


class Watched:
    """An output that shows nothing before `open`, raises in `failing` frames, and notes all."""

    target = None

    def __init__(self, delivery="latest", *, waits=False, failing=(), closing_fails=False):
        self.delivery, self.failing, self.closing_fails = delivery, failing, closing_fails
        self.frames, self.closed, self.threads = [], 0, set()
        self.taken, self.open = threading.Event(), threading.Event()
        if not waits:
            self.open.set()

    @property
    def indices(self):
        return [each.tick.index for each in self.frames]

    def show(self, each):
        self.threads.add(threading.current_thread())
        self.taken.set()
        assert self.open.wait(DEADLINE)
        if each.tick.index in self.failing:
            raise RuntimeError(f"cannot show {each.tick.index}")
        self.frames.append(each)

    def close(self):
        self.threads.add(threading.current_thread())
        self.closed += 1
        if self.closing_fails:
            raise RuntimeError("cannot close")


@pytest.fixture
def faults():
    return []


@pytest.fixture
def busy():
    """Threads take turns far more often than usual, so that what can go wrong between two steps does."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


# --- the inbox


def test_an_inbox_gives_back_in_order_and_once():
    inbox, before = Inbox(), time.perf_counter()
    for n in range(5):
        inbox.put(f"midi/cc/{n}", n / 10)
    events = inbox.drain()
    assert [(event.address, event.value) for event in events] == [(f"midi/cc/{n}", n / 10) for n in range(5)]
    stamps = [event.arrived for event in events]
    assert stamps == sorted(stamps) and before <= stamps[0] and stamps[-1] <= time.perf_counter()
    assert inbox.drain() == [] and inbox.lost == 0


def test_a_full_inbox_loses_the_oldest_and_counts_them():
    inbox = Inbox(10)
    for n in range(25):
        inbox.put("a", n)
    assert [event.value for event in inbox.drain()] == list(range(15, 25))
    assert inbox.lost == 15


def test_several_threads_put_and_nothing_is_lost_or_out_of_order(busy):
    inbox, each, got = Inbox(), 3000, []
    drivers = [threading.Thread(target=lambda name=name: [inbox.put(name, n) for n in range(each)]) for name in "abcd"]
    for driver in drivers:
        driver.start()
    while any(driver.is_alive() for driver in drivers):
        got += inbox.drain()
    got += inbox.drain()
    assert inbox.lost == 0 and len(got) == 4 * each
    for name in "abcd":
        assert [event.value for event in got if event.address == name] == list(range(each))


def test_an_inbox_drained_while_it_overflows_keeps_its_order(busy):
    inbox, got = Inbox(50), []
    driver = threading.Thread(target=lambda: [inbox.put("a", n) for n in range(20_000)])
    driver.start()
    while driver.is_alive():
        got += inbox.drain()
    got += inbox.drain()
    values = [event.value for event in got]
    assert values == sorted(set(values)) and values[-1] == 19_999
    assert inbox.lost >= 20_000 - len(values)


# --- here


def test_here_shows_in_the_callers_thread_and_lets_errors_through():
    output = Watched("here", failing={1})
    there = port(output, lambda _: None, live=True)
    assert isinstance(there, Here)
    there.send(frame(0))
    with pytest.raises(RuntimeError):
        there.send(frame(1))
    there.close()
    assert (there.shown, there.dropped, output.closed) == (1, 0, 1)
    assert output.threads == {threading.current_thread()}


# --- latest


def test_latest_gives_a_slow_output_the_newest_frame_and_counts_the_others(faults):
    output = Watched(waits=True)
    latest = port(output, faults.append, live=True)
    assert isinstance(latest, Latest)
    latest.send(frame(0))
    assert output.taken.wait(DEADLINE)
    for n in range(1, 10):
        latest.send(frame(n))
    output.open.set()
    latest.close()
    assert output.indices == [0, 9] and (latest.shown, latest.dropped) == (2, 8)
    assert output.closed == 1 and faults == []
    assert threading.current_thread() not in output.threads and len(output.threads) == 1


def test_latest_survives_an_output_that_raises(faults):
    output = Watched(failing={0, 1})
    latest = Latest(output, faults.append)
    for n in range(3):
        output.taken.clear()
        latest.send(frame(n))
        assert output.taken.wait(DEADLINE)
        until(lambda n=n: latest.shown + len(faults) == n + 1)
    latest.close()
    assert output.indices == [2] and [str(fault) for fault in faults] == ["cannot show 0", "cannot show 1"]


def test_latest_shows_or_drops_every_frame_and_always_the_last(busy, faults):
    for _ in range(20):
        output = Watched()
        latest = Latest(output, faults.append)
        for n in range(100):
            latest.send(frame(n))
        latest.close()
        assert latest.shown + latest.dropped == 100 and output.indices[-1] == 99
        assert output.indices == sorted(set(output.indices))
    assert faults == []


def test_an_output_that_hangs_does_not_hang_the_close_of_latest(faults):
    output = Watched(waits=True)
    latest = Latest(output, faults.append)
    latest.send(frame(0))
    assert output.taken.wait(DEADLINE)
    started = time.monotonic()
    latest.close(0.05)
    assert time.monotonic() - started < 2
    assert [type(fault) for fault in faults] == [TimeoutError] and output.closed == 0
    output.open.set()
    until(lambda: output.closed == 1)  # it comes back to an orderly end


def test_an_output_that_cannot_close_is_a_fault(faults):
    Latest(Watched(closing_fails=True), faults.append).close()
    Every(Watched(closing_fails=True), faults.append, live=True).close()
    assert [str(fault) for fault in faults] == ["cannot close"] * 2


# --- every


def test_every_offline_waits_and_shows_all(faults):
    output = Watched("every")
    every = port(output, faults.append, live=False)
    assert isinstance(every, Every)
    for n in range(200):
        every.send(frame(n))
    every.close()
    assert output.indices == list(range(200)) and (every.shown, every.dropped, output.closed) == (200, 0, 1)
    assert threading.current_thread() not in output.threads and len(output.threads) == 1


def test_closing_every_shows_what_waits(faults):
    for live in (True, False):
        output = Watched(waits=True)
        every = Every(output, faults.append, live=live, size=8)
        for n in range(8):
            every.send(frame(n))
        threading.Timer(0.05, output.open.set).start()
        every.close()
        assert output.indices == list(range(8)) and output.closed == 1


def test_live_every_drops_the_picture_and_keeps_the_sound(faults):
    output = Watched(waits=True)
    every = Every(output, faults.append, live=True, size=2)
    every.send(frame(0, sound(0)))
    assert output.taken.wait(DEADLINE)
    for n in range(1, 6):  # two wait, three are dropped
        every.send(frame(n, sound(100 * n)))
    assert every.dropped == 3
    output.open.set()
    until(lambda: every.shown == 3)
    every.send(frame(6, sound(600)))
    every.send(frame(7, sound(700)))
    every.close()
    assert output.indices == [0, 1, 2, 6, 7]
    heard = np.concatenate([each.sound.samples[:, 0] for each in output.frames])
    np.testing.assert_array_equal(heard, np.arange(800))
    assert len(output.frames[3].sound.samples) == 400 and faults == []


def test_the_sound_of_dropped_frames_goes_with_one_that_has_none(faults):
    output = Watched(waits=True)
    every = Every(output, faults.append, live=True, size=1)
    every.send(frame(0))
    assert output.taken.wait(DEADLINE)
    every.send(frame(1))
    every.send(frame(2, sound(0)))
    every.send(frame(3))
    output.open.set()
    until(lambda: every.shown == 2)
    every.send(frame(4))
    every.close()
    assert [each.sound and len(each.sound.samples) for each in output.frames] == [None, None, 100]


def test_sound_of_another_device_is_not_put_together_with_it(faults):
    output = Watched(waits=True)
    every = Every(output, faults.append, live=True, size=1)
    every.send(frame(0))
    assert output.taken.wait(DEADLINE)
    every.send(frame(1))
    for n, other in enumerate([sound(0), sound(0, channels=1), sound(0, rate=44_100)], 2):
        every.send(frame(n, other))
    output.open.set()
    until(lambda: every.shown == 2)
    every.send(frame(5, sound(100, rate=44_100)))
    every.close()
    last = output.frames[-1].sound
    assert last.rate == 44_100
    np.testing.assert_array_equal(last.samples[:, 0], np.arange(200))


def test_the_pixels_of_a_frame_are_made_once_also_when_sound_is_added(faults):
    output = Watched(waits=True)
    every = Every(output, faults.append, live=True, size=1)
    every.send(frame(0))
    assert output.taken.wait(DEADLINE)
    every.send(frame(1))
    every.send(frame(2, sound(0)))
    output.open.set()
    until(lambda: every.shown == 2)
    last = frame(3)
    pixels = last.pixels
    every.send(last)
    every.close()
    assert output.frames[-1].pixels is pixels and output.frames[-1].sound is not None


def test_live_every_survives_an_output_that_raises(faults):
    output = Watched(failing={1})
    every = Every(output, faults.append, live=True)
    for n in range(4):
        every.send(frame(n))
    every.close()
    assert output.indices == [0, 2, 3] and every.shown == 3 and [str(fault) for fault in faults] == ["cannot show 1"]


def test_offline_the_first_error_is_raised_where_frames_are_sent_and_nothing_more_is_shown(faults):
    output = Watched(failing={3, 5})
    every = Every(output, faults.append, live=False, size=2)
    with pytest.raises(RuntimeError, match="cannot show 3"):
        for n in range(1000):
            every.send(frame(n))
    assert output.indices == [0, 1, 2]
    with pytest.raises(RuntimeError, match="cannot show 3"):
        every.close()
    assert output.closed == 1


@pytest.mark.parametrize("output", [Watched(failing={2}), Watched(closing_fails=True)])
def test_offline_an_error_at_the_very_end_is_raised_by_close(output, faults):
    every = Every(output, faults.append, live=False)
    for n in range(3):
        every.send(frame(n))
    with pytest.raises(RuntimeError, match="cannot"):
        every.close()
    assert output.closed == 1


def test_an_output_that_hangs_does_not_hang_the_close_of_a_live_every(faults):
    output = Watched(waits=True)
    every = Every(output, faults.append, live=True, size=2)
    for n in range(5):
        every.send(frame(n))
    every.close(0.05)
    assert [type(fault) for fault in faults] == [TimeoutError]
    output.open.set()


def test_room_in_the_queue_and_the_end_of_the_thread_share_one_patience(faults, monkeypatch):
    every = Every(Watched(), faults.append, live=True)
    every.close()  # its own thread is done with
    now, waited = 100.0, []

    def wait(*_, timeout):
        nonlocal now
        now += timeout
        waited.append(timeout)

    def full(*_, timeout):
        wait(timeout=timeout)
        raise queue.Full

    monkeypatch.setattr(queued, "time", SimpleNamespace(perf_counter=lambda: now))
    every.queue = SimpleNamespace(put=full)
    every.thread = SimpleNamespace(join=lambda timeout: wait(timeout=timeout), is_alive=lambda: True)
    every.close(30.0)
    assert waited == [30.0, 0.0]
    assert str(faults[0]) == "hangs, and was left behind after 30 seconds"


def test_under_test_a_fault_of_an_output_is_raised_in_the_render_thread():
    def strict(fault):
        raise fault

    for kind in (lambda output: Latest(output, strict), lambda output: Every(output, strict, live=True)):
        output = Watched(failing={0})
        there = kind(output)
        there.send(frame(0))
        until(lambda there=there: there.error)
        with pytest.raises(RuntimeError, match="cannot show 0"):
            there.send(frame(1))
        with pytest.raises(RuntimeError, match="cannot show 0"):
            there.close()
        assert output.closed == 1  # closed all the same, by its own thread
