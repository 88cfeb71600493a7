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
    """The values of a setting worth trying: each word of a Literal, "in" where a signal may be named, a row of numbers."""
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    if get_origin(kind) is list:
        return [[0.2, 1, 0, 0.5]]
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
            assert 0 <= one.step(Tick(n, time, dt, 2 * time, 2 * time / 3), signals, **parameters) <= 1


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


@pytest.mark.parametrize(("unit", "a_second"), [("beats", 1.5), ("bars", 1.5 / 4)])
def test_an_lfo_in_beats_or_bars_follows_the_music(unit, a_second):
    expected = pytest.approx(wave("sine", rate=0.25 * a_second), abs=1e-9)
    assert wave("sine", unit=unit, rate=0.25, bpm=90) == expected


def test_a_moving_rate_never_makes_a_wave_in_time_leap_however_late_it_is():
    one, last = modulator("lfo", unit="beats", shape="triangle"), None
    for n in range(6000):
        beat = 5000 + n / 30  # an hour into the show: the place of each rate is anywhere
        value = one.step(Tick(n, n / 60, 1 / 60, beat), SILENCE, rate=0.2 + 0.2 * math.sin(n / 40) ** 2, phase=0.0)
        assert last is None or abs(value - last) < 2 * 0.4 / 30 + 1e-9
        last = value


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


# --- ramp


@pytest.mark.parametrize(("unit", "length"), [("beats", 4.0), ("beats", 0.75), ("bars", 2.0)])
def test_a_ramp_is_the_part_of_its_length_that_has_passed(unit, length):
    seconds = length * (0.5 if unit == "beats" else 2.0)  # at 120 beats a minute, 4 a bar
    values = played(modulator("ramp", unit=unit), seconds=9.99, signals=lambda _: SILENCE, length=length)
    for n, value in enumerate(values):
        way = n / 60 / seconds % 1
        assert value == pytest.approx(way, abs=1e-9) or min(way, 1 - way) < 1e-9


def test_a_falling_ramp_is_a_rising_one_upside_down():
    up, down = (played(modulator("ramp", falling=falling), curve=0.5) for falling in (False, True))
    assert down == pytest.approx([1 - value for value in up])


def test_the_curve_of_a_ramp_waits_or_hurries():
    at_half = [played(modulator("ramp"), seconds=1.05, length=4.0, curve=curve)[60] for curve in (-1, 0, 1)]
    assert at_half == pytest.approx([0.5**0.25, 0.5, 0.5**4])


def placed(one, lengths, first=5000.0):
    """The values of a modulator in beats whose `length` is each of these for one tick, a thirtieth of a beat apart."""
    return [
        one.step(Tick(n, n / 60, 1 / 60, first + n / 30), SILENCE, **{**defaults(one), "length": length})
        for n, length in enumerate(lengths)
    ]


def defaults(one):
    return {name: item.default for name, item in declared(one.step).items()}


def test_a_ramp_whose_length_is_moved_goes_on_from_where_it_is_and_is_in_place_after_one_ramp():
    moved = [4.0] * 50 + [4 + n / 20 for n in range(80)] + [8.0] * 600
    values = placed(modulator("ramp"), moved)
    for before, after in itertools.pairwise(values):
        assert 0 < (after - before) % 1 < 1.5 / 30 / 4 + 1e-9, "neither back nor by a leap"
    for n in range(50 + 80 + 240 + 1, len(values)):
        way = (5000 + n / 30) / 8 % 1
        assert values[n] == pytest.approx(way, abs=1e-9) or min(way, 1 - way) < 1e-9


def test_where_the_music_leaps_a_ramp_leaps_with_it():
    one = modulator("ramp")
    beats = [0, 0.5, 1.0, 2.75, 3.0, 9.5]
    values = [one.step(Tick(n, n, 1, beat), SILENCE, length=4.0, curve=0.0) for n, beat in enumerate(beats)]
    assert values == pytest.approx([0, 0.125, 0.25, 0.6875, 0.75, 0.375])


# --- sequencer


def sequence(steps, bars=False, **parameters):
    """The values at each of 120 ticks, 30 a beat or 8 a bar."""
    one = modulator("sequencer", steps=steps, unit="bars" if bars else "beats")
    given = {**defaults(one), **parameters}
    return [one.step(Tick(n, 0.0, 0.0, (n + 0.5) / 30, (n + 0.5) / 8), SILENCE, **given) for n in range(120)]


def test_a_sequencer_plays_its_steps_in_a_row_each_as_long_as_it_says():
    assert sequence([0.1, 0.7, 0.3]) == [0.1] * 30 + [0.7] * 30 + [0.3] * 30 + [0.1] * 30
    assert sequence([0.1, 0.7], length=0.5) == ([0.1] * 15 + [0.7] * 15) * 4
    assert sequence([0.1, 0.7, 0.3, 0], bars=True, length=0.25) == [0.1, 0.1, 0.7, 0.7, 0.3, 0.3, 0, 0] * 15


def test_a_sequencer_glides_from_the_last_value_over_a_part_of_the_step():
    values = sequence([0.0, 1.0], glide=0.5)
    assert values[30:45] == pytest.approx([(n + 0.5) / 15 for n in range(15)])
    assert values[45:60] == [1.0] * 15
    assert values[:15] == pytest.approx([1 - (n + 0.5) / 15 for n in range(15)]), "round from the last to the first"


def test_a_sequence_whose_length_is_moved_comes_back_into_its_place():
    steps = [n / 8 for n in range(8)]
    values = placed(modulator("sequencer", steps=steps), [1.0] * 100 + [0.5] * 400, first=5003.01)
    assert values[-200:] == [steps[int((5003.01 + n / 30) / 4 % 1 * 8)] for n in range(300, 500)]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([], "steps: 1 to 32 numbers, got 0"),
        ([0.5] * 33, "steps: 1 to 32 numbers, got 33"),
        ([0, 1, 1.5], "steps: each is 0..1, got 1.5 as number 3"),
        ([-0.1], "steps: each is 0..1, got -0.1 as number 1"),
    ],
)
def test_steps_that_are_none_are_refused(steps, said):
    with pytest.raises(ValueError, match=f"^{said}$"):
        modulator("sequencer", steps=steps)


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


def held_up(tick):
    """A signal that is 0.8 for a second."""
    return Signals({"in": 0.8 * (tick.time < 1.0)}, frozenset())


@pytest.mark.parametrize("fps", [17, 30, 1000])
def test_smooth_holds_before_it_falls_and_both_last_as_long_at_every_frame_rate(fps):
    values = played(modulator("smooth", source="in"), fps=fps, signals=held_up, rise=0.001, fall=0.5, hold=0.7)
    first = math.ceil(1.0 * fps)  # the first tick without the signal, which fell in the tick before it
    for n in range(first, len(values)):
        held = (n + 1 - first) / fps
        expected = 0.8 * math.exp(-max(0.0, held - 0.7) / 0.5)
        assert values[n] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("bpm", [60, 120])
def test_smooth_in_beats_falls_as_fast_as_the_music_goes(bpm):
    seconds = {"rise": 0.001, "fall": 0.5, "hold": 0.2}
    beats = {"rise": 0.001, "fall": 0.5 * bpm / 60, "hold": 0.2 * bpm / 60}
    values = played(modulator("smooth", source="in", unit="beats"), bpm=bpm, signals=held_up, **beats)
    assert values[1:] == pytest.approx(played(modulator("smooth", source="in"), signals=held_up, **seconds)[1:])


def test_smooth_does_not_hear_what_is_below_its_threshold_and_loudest_stays_loudest():
    def level(value, threshold):
        return played(
            modulator("smooth", source="in"), signals=lambda _: Signals({"in": value}, frozenset()), threshold=threshold
        )[-1]

    assert [level(value, 0.4) for value in (0.2, 0.4, 0.7, 1.0)] == pytest.approx([0, 0, 0.5, 1], abs=1e-6)
    assert level(1.0, 1.0) == 0


def test_the_curve_of_smooth_bends_what_it_says():
    straight, bent = (played(modulator("smooth", source="in"), curve=curve) for curve in (0.0, 0.5))
    assert bent == pytest.approx([value**2 for value in straight])


# --- loop


def gesture(tick):
    """What a hand does in bars 0 to 3, and a pedal that is down from bar 2.25 to bar 4.5."""
    return Signals({"hand": math.sin(tick.bar) ** 2, "pedal": float(2.25 <= tick.bar < 4.5)}, frozenset())


def looped(bars, ticks=64):
    """(bar, value) at so many ticks a bar, for six bars."""
    one = modulator("loop", source="hand", on="pedal", bars=bars)
    moments = [Tick(n, 0.0, 0.0, 4 * n / ticks, n / ticks) for n in range(6 * ticks)]
    return [(tick.bar, one.step(tick, gesture(tick))) for tick in moments]


@pytest.mark.parametrize("bars", [1, 2])
def test_a_loop_repeats_the_last_bars_in_their_place_while_the_pedal_is_down(bars):
    for bar, value in looped(bars):
        down = 2.25 <= bar < 4.5
        again = 2.25 - bars + (bar - 2.25) % bars if down else bar
        assert value == pytest.approx(math.sin(again) ** 2)


def test_a_loop_longer_than_what_has_been_played_begins_with_the_first_that_was():
    before = [value for bar, value in looped(8) if bar >= 2.25]
    assert before[0] == 0 and set(before[: round(2.25 * 64)]) == {0.0}


def test_a_loop_remembers_no_more_than_its_bars():
    one = modulator("loop", source="hand", on="pedal", bars=1)
    for n in range(1000):
        tick = Tick(n, 0.0, 0.0, n / 16, n / 64)
        one.step(tick, gesture(tick))
    assert len(one.past) <= 65 and not one.loop


@pytest.mark.parametrize("bars", [0, 9])
def test_a_loop_of_another_number_of_bars_is_refused(bars):
    with pytest.raises(ValueError, match=f"^bars: 1 to 8, got {bars}$"):
        modulator("loop", source="hand", on="pedal", bars=bars)


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
