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
    """A picture that takes so many seconds on one thread, and none on more."""
    clock = [0.0]
    monkeypatch.setattr(threads.time, "perf_counter", lambda: clock[0])

    def of(seconds):
        def draw():
            assert torch.get_num_threads() == 1
            clock[0] += next(seconds)

        return draw

    return of


@pytest.mark.parametrize(("laps", "told"), [([0.024] * 7, 1), ([0.026] * 7, 3), ([0.5, 0.5, *[0.01] * 5], 1)])
def test_one_thread_is_enough_if_a_picture_takes_less_than_most_of_a_frame(three, taking, laps, told):
    assert threads.settle(taking(iter(laps)), 30) == (told, pytest.approx(sorted(laps)[3]))
    assert torch.get_num_threads() == told


def test_at_another_rate_a_frame_is_another_time(three, taking):
    assert threads.settle(taking(iter([0.024] * 7)), 60)[0] == 3
