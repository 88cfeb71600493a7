"""A show draws on one thread where one is quick enough, and on all of them where it is not."""

import pytest
import torch

from instrument import threads


@pytest.fixture
def three(monkeypatch):
    """A processor of three threads, for a test."""
    before = torch.get_num_threads()
    monkeypatch.setattr(threads, "ALL", 3)
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def taking(monkeypatch):
    """A picture that takes so many seconds, each time anew, on each number of threads."""
    clock = [0.0]
    monkeypatch.setattr(threads.time, "perf_counter", lambda: clock[0])

    def of(**laps):
        on = {1: iter(laps.get("one", [])), 3: iter(laps.get("three", []))}

        def draw():
            clock[0] += next(on[torch.get_num_threads()])

        return draw

    return of


@pytest.mark.parametrize("laps", [[0.024] * 7, [0.5, 0.5, *[0.01] * 5]])
def test_one_thread_is_enough_if_a_picture_takes_less_than_most_of_a_frame(three, taking, laps):
    assert threads.settle(taking(one=laps), 30) == (pytest.approx(sorted(laps)[3]), None)
    assert torch.get_num_threads() == 1


def test_otherwise_it_is_all_of_them(three, taking):
    told = pytest.approx(0.01), pytest.approx(0.026)
    assert threads.settle(taking(one=[0.026] * 7, three=[0.01] * 7), 30) == told
    assert torch.get_num_threads() == 3


def test_unless_they_take_longer(three, taking):
    told = pytest.approx(0.026), pytest.approx(0.2)
    assert threads.settle(taking(one=[0.026] * 7, three=[0.2] * 7), 30) == told
    assert torch.get_num_threads() == 1


def test_of_one_thread_there_is_no_other_number(three, taking, monkeypatch):
    monkeypatch.setattr(threads, "ALL", 1)
    assert threads.settle(taking(one=[0.5] * 7), 30) == (pytest.approx(0.5), None)


def test_at_another_rate_a_frame_is_another_time(three, taking):
    threads.settle(taking(one=[0.024] * 7, three=[0.01] * 7), 60)
    assert torch.get_num_threads() == 3
