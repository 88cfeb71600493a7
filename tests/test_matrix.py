"""Rest values, routes, fades, and OSC that names a parameter."""

import time

import numpy as np
import pytest
from parts import tick

from instrument.flow import Event, Signals
from instrument.matrix import Matrix, Route, matching
from instrument.parameters import Parameter, Range

SPEED = Parameter("speed", Range(0.01, 5, "1/s", "exponential"), 0.1)
ANGLE = Parameter("angle", Range(-180, 180, "deg"), 0.0)
AMOUNT = Parameter("amount", Range(-60, 18, "dB"), 0.0)
OWNERS = {
    "walk": {"speed": SPEED},
    "tilt": {"angle": ANGLE, "mix": Parameter("mix", Range(0, 1), 1.0)},
    "glow": {"amount": AMOUNT},
}


def resolved(matrix, address, now=0.0, **signals):
    owner, name = address.split("/")
    frame = matrix.resolve(tick(round(now * 1000), fps=1000), Signals(signals, frozenset()))
    return frame[owner][name]


def test_untouched_every_parameter_is_there_and_exactly_its_default():
    matrix = Matrix({**OWNERS, "hit": {}})
    frame = matrix.resolve(tick(), Signals({}, frozenset()))
    assert frame.values == {
        "walk": {"speed": 0.1},
        "tilt": {"angle": 0.0, "mix": 1.0},
        "glow": {"amount": 0.0},
        "hit": {},
    }


@pytest.mark.parametrize("value", [0.01, 0.1, 0.37, 5])
def test_a_rest_value_comes_out_exactly_as_it_was_set(value):
    matrix = Matrix(OWNERS, [Route("a", "walk/speed", 1.0)])
    matrix.set("walk/speed", value)
    assert resolved(matrix, "walk/speed", a=0.0) == value


def test_a_route_adds_its_amount_of_the_range_to_the_rest_value():
    matrix = Matrix(OWNERS, [Route("a", "tilt/angle", 0.25)])
    matrix.set("tilt/angle", 10)
    assert resolved(matrix, "tilt/angle", a=1.0) == pytest.approx(10 + 0.25 * 360)
    assert resolved(matrix, "tilt/angle", a=0.5) == pytest.approx(10 + 0.125 * 360)
    assert resolved(matrix, "tilt/angle", a=0.0) == 10, "the rest value is not altered"


def test_several_routes_to_one_parameter_add_up_and_the_sum_is_clamped():
    matrix = Matrix(
        OWNERS, [Route("a", "tilt/angle", 0.2), Route("b", "tilt/angle", 0.1), Route("b", "tilt/angle", -1.0)]
    )
    assert resolved(matrix, "tilt/angle", a=1.0) == pytest.approx(72)
    assert resolved(matrix, "tilt/angle", a=1.0, b=0.5) == pytest.approx(72 + 18 - 180)
    assert resolved(matrix, "tilt/angle", b=1.0) == -180


def test_a_route_moves_an_exponential_parameter_by_ratios():
    matrix = Matrix(OWNERS, [Route("a", "walk/speed", 0.5)])
    matrix.set("walk/speed", 0.01)
    assert resolved(matrix, "walk/speed", a=1.0) == pytest.approx((0.01 * 5) ** 0.5)


def test_a_route_as_a_whole_agrees_with_the_range_itself():
    random = np.random.default_rng(1)
    three = {"walk/speed": SPEED, "tilt/angle": ANGLE, "glow/amount": AMOUNT}
    matrix = Matrix(OWNERS, [Route(parameter.name, address, 0.7) for address, parameter in three.items()])
    for _ in range(50):
        for address, parameter in three.items():
            rest, signal = parameter.range.from_unit(random.random()), random.random()
            matrix.set(address, rest)
            expected = parameter.range.from_unit(parameter.range.to_unit(rest) + 0.7 * signal)
            assert resolved(matrix, address, **{parameter.name: signal}) == pytest.approx(expected)


def test_a_centred_route_moves_both_ways_around_the_middle():
    matrix = Matrix(OWNERS, [Route("bend", "tilt/angle", 0.5, centred=True)])
    assert resolved(matrix, "tilt/angle", bend=0.5) == 0
    assert resolved(matrix, "tilt/angle", bend=1.0) == pytest.approx(90)
    assert resolved(matrix, "tilt/angle", bend=0.0) == pytest.approx(-90)


def test_a_signal_that_was_never_heard_moves_nothing():
    matrix = Matrix(OWNERS, [Route("bend", "tilt/angle", 0.5, centred=True), Route("a", "tilt/mix", -1.0)])
    assert resolved(matrix, "tilt/angle") == 0, "a wheel that nobody has touched rests in its middle"
    assert resolved(matrix, "tilt/mix") == 1


def test_a_signal_that_is_not_a_number_moves_nothing():
    matrix = Matrix(OWNERS, [Route("a", "tilt/angle", 0.5)])
    assert resolved(matrix, "tilt/angle", a=float("nan")) == 0


def test_a_route_to_a_missing_parameter_is_refused_with_the_nearest():
    with pytest.raises(KeyError, match="no parameter 'tilt/angel'; did you mean 'tilt/angle'"):
        Matrix(OWNERS, [Route("a", "tilt/angel", 1.0)])
    with pytest.raises(KeyError, match="did you mean 'walk/speed'"):
        Matrix(OWNERS).set("walk/sped", 1.0)


def test_a_rest_value_out_of_range_is_clamped():
    matrix = Matrix(OWNERS)
    matrix.set("tilt/angle", 720)
    assert resolved(matrix, "tilt/angle") == 180


# --- fades


def test_a_fade_moves_in_fader_positions_and_arrives_exactly():
    matrix = Matrix(OWNERS)
    matrix.fade({"walk/speed": 1.3, "tilt/angle": 90}, seconds=4.0, now=1.0)
    assert resolved(matrix, "walk/speed", now=1.0) == pytest.approx(0.1)
    assert resolved(matrix, "walk/speed", now=3.0) == pytest.approx((0.1 * 1.3) ** 0.5)
    assert resolved(matrix, "tilt/angle", now=3.0) == pytest.approx(45)
    assert resolved(matrix, "walk/speed", now=5.0) == 1.3
    assert resolved(matrix, "tilt/angle", now=6.0) == 90


def test_parameters_that_a_fade_does_not_name_stay_exactly_where_they_are():
    still = {f"still/p{n}": value for n, value in enumerate((0.0, 2.0, -7.3, 0.1, 17.9))}
    owners = {**OWNERS, "still": {address.split("/")[1]: AMOUNT for address in still}}
    matrix = Matrix(owners)
    for address, value in still.items():
        matrix.set(address, value)
    for start in (0.0, 10.0):  # the second fade begins where the first has ended
        matrix.fade({"walk/speed": 1.0 + start}, seconds=3.0, now=start)
        for step in range(7):
            found = {address: resolved(matrix, address, now=start + step / 2) for address in still}
            assert found == still, "or a bend at rest would enter the plan"


def test_a_fade_of_no_seconds_is_a_cut_within_the_same_tick():
    matrix = Matrix(OWNERS)
    matrix.fade({"tilt/angle": 90}, seconds=0.0, now=2.0)
    assert resolved(matrix, "tilt/angle", now=2.0) == 90


def test_routes_go_on_top_of_a_fade():
    matrix = Matrix(OWNERS, [Route("a", "tilt/angle", 0.25)])
    matrix.fade({"tilt/angle": 40}, seconds=2.0, now=0.0)
    assert resolved(matrix, "tilt/angle", now=1.0, a=1.0) == pytest.approx(20 + 90)


def test_a_hand_on_a_fader_ends_its_fade_and_no_other():
    matrix = Matrix(OWNERS)
    matrix.fade({"tilt/angle": 100, "walk/speed": 5}, seconds=2.0, now=0.0)
    resolved(matrix, "tilt/angle", now=1.0)
    matrix.set("tilt/angle", -20)
    assert resolved(matrix, "tilt/angle", now=1.5) == -20
    assert resolved(matrix, "tilt/angle", now=3.0) == -20
    assert resolved(matrix, "walk/speed", now=3.0) == 5


def test_a_second_fade_begins_where_the_first_has_come_to():
    matrix = Matrix(OWNERS)
    matrix.fade({"tilt/angle": 100}, seconds=2.0, now=0.0)
    assert resolved(matrix, "tilt/angle", now=1.0) == pytest.approx(50)
    matrix.fade({"tilt/angle": 0}, seconds=1.0, now=1.0)
    assert resolved(matrix, "tilt/angle", now=1.0) == pytest.approx(50)
    assert resolved(matrix, "tilt/angle", now=1.5) == pytest.approx(25)
    assert resolved(matrix, "tilt/angle", now=2.0) == 0


# --- OSC


def test_osc_that_names_a_parameter_sets_its_rest_value_in_its_unit():
    matrix = Matrix(OWNERS)
    assert matrix.hear(Event("osc/tilt/angle", 45.0))
    assert resolved(matrix, "tilt/angle") == 45
    assert matrix.hear(Event("osc/tilt/angle", 1e308)) and resolved(matrix, "tilt/angle") == 180


def test_osc_under_n_is_a_fader_position():
    matrix = Matrix(OWNERS)
    assert matrix.hear(Event("osc/n/walk/speed", 0.5))
    assert resolved(matrix, "walk/speed") == pytest.approx((0.01 * 5) ** 0.5)
    assert matrix.hear(Event("osc/n/tilt/angle", 3.0)) and resolved(matrix, "tilt/angle") == 180


def test_other_events_are_left_for_the_signals():
    matrix = Matrix(OWNERS)
    assert not matrix.hear(Event("midi/cc/1", 0.5))
    assert not matrix.hear(Event("osc/something/else", 0.5))
    assert not matrix.hear(Event("tilt/angle", 0.5)), "only OSC names parameters"


def test_a_pattern_sets_all_that_it_matches():
    matrix = Matrix(OWNERS)
    assert matrix.hear(Event("osc/tilt/{angle,mix}", 0.25))
    assert (resolved(matrix, "tilt/angle"), resolved(matrix, "tilt/mix")) == (0.25, 0.25)
    assert not matrix.hear(Event("osc/til?/x*", 1.0))


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*/speed", ["walk/speed"]),
        ("*", []),
        ("*/*", ["walk/speed", "tilt/angle", "tilt/mix", "glow/amount"]),
        ("t?lt/*", ["tilt/angle", "tilt/mix"]),
        ("t*?t/mix", ["tilt/mix"]),
        ("????/mix", ["tilt/mix"]),
        ("??/mix", []),
        ("[a-t]*/[!a]*", ["tilt/mix"]),
        ("[!a-t]*/*", ["walk/speed"]),
        ("tilt[!x]mix", []),
        ("tilt[.-0]mix", []),
        ("tilt?mix", []),
        ("{walk,glow}/*", ["walk/speed", "glow/amount"]),
        ("{walk/speed,x}", ["walk/speed"]),
        ("til[]t/mix", []),
        ("[z-a]*/*", []),
        ("tilt/mix.", []),
        ("{walk/speed", []),
        ("[^t]ilt/mix", ["tilt/mix"]),
    ],
)
def test_osc_patterns(pattern, found):
    addresses = [f"{owner}/{name}" for owner, items in OWNERS.items() for name in items]
    assert list(matching(pattern, tuple(addresses))) == found


@pytest.mark.parametrize("pattern", ["*" * 60 + "x/y", "*?" * 30 + "x/y", "*[!x]" * 12 + "x/y", "{a,aa}" * 12 + "*/b"])
def test_no_pattern_of_a_stranger_stops_the_show(pattern):
    addresses = tuple(f"{'a' * 24}{i}/another_parameter" for i in range(60))
    began = time.perf_counter()
    matching(pattern, addresses)
    assert time.perf_counter() - began < 0.5


def test_resolving_a_hundred_parameters_costs_next_to_nothing():
    owners = {f"o{i}": {f"p{k}": Parameter(f"p{k}", Range(0, 1), 0.5) for k in range(10)} for i in range(10)}
    matrix = Matrix(owners, [Route(f"s{i % 20}", f"o{i % 10}/p{i // 10}", 0.1) for i in range(100)])
    signals = Signals({f"s{i}": 0.3 for i in range(20)}, frozenset())
    times = []
    for n in range(50):
        began = time.perf_counter()
        matrix.resolve(tick(n), signals)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.001, "seconds; a frame at 60 fps has 0.017"
