"""Every modulator there is meets one list of properties; then what is true of each."""

import inspect
import itertools
import math
import random
from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin

import pytest

from instrument import catalog
from instrument.clock import Virtual
from instrument.flow import Signals, Tick
from instrument.parameters import declared, settings
from instrument.plugs import SUPPLIED


def choices(kind, default):
    """The values of a setting worth trying: each word of a Literal, "in" where a signal may be named."""
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    options = (
        [item for item in get_args(kind) if item is not NoneType] if get_origin(kind) in (Union, UnionType) else [kind]
    )
    known = {str: ["in"], bool: [False, True], int: [1, 4], float: [0.5]}[options[0]]
    return known if default is inspect.Parameter.empty else [default, *(known if options[0] is str else [])]


def variants():
    """Every modulator in every way its settings allow."""
    for name in catalog.plugs("modulators"):
        known = settings(catalog.plug("modulators", name).__init__, SUPPLIED)
        for values in itertools.product(*(choices(kind, default) for kind, default in known.values())):
            yield name, dict(zip(known, values, strict=True))


every_modulator = pytest.mark.parametrize(
    ("name", "given"),
    list(variants()),
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())),
)


def modulator(name, seed=1, **given):
    found = catalog.plug("modulators", name)
    return found(**given, **({"seed": seed} if "seed" in inspect.signature(found).parameters else {}))


def pulse(tick):
    """A signal that is struck at 0.5 s, falls at 1 s, and is struck again at 2.5 s."""
    value = 0.8 * (0.5 <= tick.time + 1e-9 < 1.0 or tick.time + 1e-9 >= 2.5)
    struck = any(abs(tick.time - at) < 1e-6 for at in (0.5, 2.5))
    return Signals({"in": value}, frozenset({"in"} if struck else ()))


SILENCE = Signals({}, frozenset())


def played(one, fps=60, seconds=3.0, signals=pulse, bpm=120, **parameters):
    """Its values at every tick."""
    values = {name: parameters.get(name, item.default) for name, item in declared(one.step).items()}
    return [one.step(tick, signals(tick), **values) for tick in Virtual(fps, bpm, round(seconds * fps))]


# --- what holds for every modulator


@every_modulator
def test_it_stays_between_0_and_1_whatever_happens(name, given):
    dice = random.Random(1)
    stops = [
        {item.range.low, item.range.high, item.default} for item in declared(modulator(name, **given).step).values()
    ]
    for values in itertools.product(*stops):
        one, time = modulator(name, **given), 0.0
        parameters = dict(zip(declared(one.step), values, strict=True))
        for n in range(200):
            dt = dice.choice([1 / 240, 1 / 60, 1 / 30, 1.0])
            time += dt
            signals = Signals(
                {"in": dice.choice([0.0, dice.random(), 1.0])}, frozenset({"in"} if dice.random() < 0.2 else ())
            )
            assert 0 <= one.step(Tick(n, time, dt, 2 * time), signals, **parameters) <= 1


@every_modulator
def test_it_answers_the_same_at_30_and_at_120_frames_a_second(name, given):
    slow, fast = (played(modulator(name, **given), fps=fps) for fps in (30, 120))
    for frame in range(3, len(slow)):
        # what changes at once may do so anywhere within the slow frame
        around = fast[4 * (frame - 1) : 4 * (frame + 1) + 1]
        assert min(around) - 0.03 <= slow[frame] <= max(around) + 0.03, frame / 30


@every_modulator
def test_played_again_it_is_the_same(name, given):
    assert played(modulator(name, **given)) == played(modulator(name, **given))


@every_modulator
def test_a_signal_that_nobody_sends_is_no_fault(name, given):
    assert all(0 <= value <= 1 for value in played(modulator(name, **given), signals=lambda _: SILENCE))


# --- lfo


def wave(shape, seconds=4.0, fps=60, **parameters):
    given = {key: parameters.pop(key) for key in ("unit", "seed") if key in parameters}
    return played(
        modulator("lfo", shape=shape, **given), fps=fps, seconds=seconds, signals=lambda _: SILENCE, **parameters
    )


@pytest.mark.parametrize(
    ("shape", "closed_form"),
    [
        ("sine", lambda turn: 0.5 + 0.5 * math.sin(2 * math.pi * turn)),
        ("saw", lambda turn: turn % 1),
        ("triangle", lambda turn: 1 - abs(2 * (turn % 1) - 1)),
        ("square", lambda turn: float(turn % 1 < 0.5)),
    ],
)
@pytest.mark.parametrize(("rate", "phase"), [(0.5, 0.0), (1.7, 0.0), (0.25, 0.3)])
def test_an_lfo_is_its_wave(shape, closed_form, rate, phase):
    turns = [n / 60 * rate + phase for n in range(240)]
    # where a saw or square leaps, either side is right
    steep = [abs(turn * 2 - round(turn * 2)) < 1e-9 for turn in turns]
    for value, turn, at_edge in zip(wave(shape, rate=rate, phase=phase), turns, steep, strict=True):
        assert at_edge or value == pytest.approx(closed_form(turn), abs=1e-9)


def test_an_lfo_in_beats_follows_the_music():
    assert wave("sine", unit="beats", rate=0.25, bpm=90) == pytest.approx(wave("sine", rate=0.25 * 1.5), abs=1e-9)


def test_a_changed_rate_goes_on_from_where_the_wave_is():
    one, last = modulator("lfo"), 0.5
    for tick in Virtual(60, 120, 600):
        value = one.step(tick, SILENCE, rate=0.5 + (tick.index % 60) / 60, phase=0.0)
        assert abs(value - last) < 0.1
        last = value


def test_a_random_lfo_steps_once_a_cycle_by_its_seed():
    values = wave("random", rate=2.0, seconds=10.0)
    assert len(set(values)) == 20 and all(len(set(values[n : n + 30])) == 1 for n in range(0, 600, 30))
    assert values == wave("random", rate=2.0, seconds=10.0) != wave("random", rate=2.0, seconds=10.0, seed=2)
    assert 0.3 < sum(wave("random", rate=30.0, seconds=20.0)) / 1200 < 0.7


# --- envelope


def envelope(strikes, seconds=2.0, fps=1000, value=1.0, **parameters):
    """An envelope struck at these times, by as much as `value` (a number, or one for each strike)."""
    strength = dict(zip(strikes, value if isinstance(value, tuple) else (value,) * len(strikes), strict=True))

    def struck(tick):
        near = [strength[at] for at in strikes if abs(tick.time - at) < 0.5 / fps]
        return Signals({"in": near[0] if near else 0.0}, frozenset({"in"} if near else ()))

    return played(modulator("envelope", on="in"), fps=fps, seconds=seconds, signals=struck, **parameters)


def test_an_envelope_rises_in_its_attack_and_falls_to_37_percent_in_its_decay():
    values = envelope([0.1], attack=0.2, decay=0.5)
    assert values[99] == 0 and values[200] == pytest.approx(0.5, abs=0.01)
    top = values.index(max(values))
    assert top == pytest.approx(300, abs=2) and values[top] == 1
    assert values[top + 500] == pytest.approx(math.exp(-1), abs=0.005)


def test_a_soft_strike_rises_as_high_as_it_is_strong():
    assert max(envelope([0.1], value=0.3)) == pytest.approx(0.3)


def test_struck_again_it_starts_from_where_it_is():
    values = envelope([0.1, 0.5], attack=0.2, decay=0.5)
    assert min(values[300:700]) == values[499] > 0.6
    assert max(values[500:]) == 1


def test_a_soft_strike_on_what_still_sounds_changes_nothing_now_or_later():
    assert envelope([0.1, 0.3], value=(1.0, 0.5), seconds=3.0) == envelope([0.1], value=(1.0,), seconds=3.0)


def test_at_any_frame_rate_a_strike_reaches_its_top():
    for fps in (24, 60, 144):
        assert max(envelope([1.0], fps=fps)) == 1


# --- smooth


def test_smooth_rises_and_falls_with_its_own_time_constants():
    def step(tick):
        return Signals({"in": float(0.1 <= tick.time < 1.1)}, frozenset())

    values = played(modulator("smooth", source="in"), fps=1000, seconds=2.0, signals=step, rise=0.2, fall=0.4)
    assert values[300] == pytest.approx(1 - math.exp(-1), abs=0.01)
    assert values[1500] == pytest.approx(values[1099] * math.exp(-1), abs=0.01)


# --- hold and toggle


def struck_at(*indices, value=1.0):
    return lambda tick: Signals(
        {"in": 1.0, "knob": value * tick.index / 100}, frozenset({"in"} if tick.index in indices else ())
    )


def test_hold_keeps_what_its_source_was_when_it_was_struck():
    values = played(modulator("hold", on="in", source="knob"), seconds=1.0, signals=struck_at(10, 40))
    assert values == [0.0] * 10 + [0.1] * 30 + [0.4] * 20


def test_hold_without_a_source_draws_a_number_by_its_seed():
    values, again, other = (
        played(modulator("hold", seed=seed, on="in"), seconds=1.0, signals=struck_at(10, 40)) for seed in (1, 1, 2)
    )
    assert values == again != other and len(set(values)) == 3


def test_a_toggle_changes_with_each_strike():
    assert (
        played(modulator("toggle", on="in"), seconds=1.0, signals=struck_at(10, 40)) == [0] * 10 + [1] * 30 + [0] * 20
    )
    assert played(modulator("toggle", on="in", start=True), seconds=0.5, signals=struck_at(10)) == [1] * 10 + [0] * 20
