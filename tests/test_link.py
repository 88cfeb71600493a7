"""Ableton Link: two peers in one session, where the package for it is installed; and what is said where it is not."""

import builtins
import sys
import time

import pytest

from instrument.flow import Tick
from instrument.inputs.link import Input
from instrument.plugs import Pulses, Unavailable

TOGETHER = 10.0  # seconds in which two peers find each other


def wait_for(condition, seconds=TOGETHER):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            return None
        time.sleep(0.01)
    return found


@pytest.fixture
def peer():
    """Another program in the session, which says how fast it goes."""
    link = pytest.importorskip("link", reason="pip install 'phosphene[link]'")
    other = link.Link(133.0)
    other.enabled = True
    yield other
    other.enabled = False


def test_without_the_package_it_is_unavailable_with_the_remedy(monkeypatch):
    monkeypatch.delitem(sys.modules, "link", raising=False)
    usual = builtins.__import__

    def without(name, *others, **more):
        if name == "link":
            raise ImportError("No module named 'link'")
        return usual(name, *others, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Unavailable, match=r"no Ableton Link here; pip install 'phosphene\[link\]'"):
        Input()


@pytest.mark.parametrize("bar", [0, 33])
def test_a_bar_of_no_beats_is_refused(bar):
    with pytest.raises(ValueError, match=f"bar must be 1 to 32 beats, got {bar}"):
        Input(bar=bar)


def test_alone_it_says_nothing_and_with_another_what_both_agree_on(peer):
    ours, begun = Input(), time.perf_counter()

    def pulse():
        ours.poll(Tick(0, time.perf_counter() - begun, 0.01, 0.0))
        return ours.pulse()

    assert isinstance(ours, Pulses)
    assert pulse() is None, "nobody has been found yet"
    try:
        if not wait_for(pulse):
            pytest.skip("no network here that carries Link")
        state = peer.captureSessionState()
        state.setTempo(97.0, peer.clock().micros())
        peer.commitSessionState(state)
        assert wait_for(lambda: abs(60 / pulse()[1].period - 97) < 0.01), "another's tempo is followed"
        when, reading = pulse()
        moment = peer.clock().micros() - (time.perf_counter() - begun - when) * 1e6
        theirs = peer.captureSessionState().phaseAtTime(round(moment), 4)
        apart = (reading.place + reading.phase - theirs + 2) % 4 - 2
        assert abs(apart) * reading.period < 0.005
        assert reading.bar == 4 and reading.confidence == 1
        assert peer.captureSessionState().tempo() == pytest.approx(97.0)
        peer.enabled = False
        assert wait_for(lambda: pulse() is None), "the others have gone"
    finally:
        ours.close()
