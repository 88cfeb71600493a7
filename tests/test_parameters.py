"""Ranges, what a signature declares, and the answer to a wrong name."""

import itertools
from typing import Annotated

import pytest
from torch import Tensor

from instrument.parameters import Parameter, Range, declared, settings, unknown

LINEAR, EXPONENTIAL = Range(-180, 180, "deg"), Range(0.01, 20, "Hz", "exponential")


@pytest.mark.parametrize("limits", [LINEAR, EXPONENTIAL, Range(0, 1), Range(1e-3, 1e3, "s", "exponential")], ids=str)
def test_the_ends_are_the_ends_and_there_and_back_is_nothing(limits):
    assert limits.from_unit(0) == limits.low
    assert limits.from_unit(1) == pytest.approx(limits.high)
    assert limits.from_unit(1) <= limits.high
    for position in (0, 0.01, 0.3, 0.5, 0.99, 1):
        assert limits.to_unit(limits.from_unit(position)) == pytest.approx(position, abs=1e-12)


def test_the_middle_is_the_mean_or_where_ratios_matter_the_geometric_mean():
    assert LINEAR.from_unit(0.5) == 0
    assert EXPONENTIAL.from_unit(0.5) == pytest.approx((0.01 * 20) ** 0.5)


def test_equal_steps_of_an_exponential_fader_are_equal_ratios():
    values = [EXPONENTIAL.from_unit(n / 10) for n in range(11)]
    ratios = [after / before for before, after in itertools.pairwise(values)]
    assert ratios == pytest.approx([ratios[0]] * 10)


def test_beyond_the_ends_is_the_end():
    assert (LINEAR.clamp(-500), LINEAR.clamp(500), LINEAR.clamp(12)) == (-180, 180, 12)
    assert (LINEAR.from_unit(-1), LINEAR.from_unit(2)) == (-180, 180)
    assert (LINEAR.to_unit(-500), LINEAR.to_unit(500)) == (0, 1)
    assert EXPONENTIAL.to_unit(-3) == 0


@pytest.mark.parametrize("ends", [(1, 1), (2, 1), (float("nan"), 1)])
def test_a_range_that_does_not_rise_is_refused(ends):
    with pytest.raises(ValueError, match="from low to high"):
        Range(*ends)


@pytest.mark.parametrize("low", [0, -1])
def test_an_exponential_range_that_reaches_zero_is_refused(low):
    with pytest.raises(ValueError, match="above 0"):
        Range(low, 1, curve="exponential")


def test_a_range_is_said_with_its_unit():
    assert (str(EXPONENTIAL), str(Range(0, 1))) == ("0.01..20 Hz", "0..1")


def test_parameters_are_the_annotated_arguments_with_a_range():
    def step(
        self,
        tick: int,
        *,
        rate: Annotated[float, Range(0, 2, "Hz")] = 1,
        turn: Annotated[Tensor, Range(-1, 1)] = 0.5,
        note: Annotated[str, "not a range"] = "a",
        plain: float = 3.0,
    ) -> float: ...

    assert declared(step) == {
        "rate": Parameter("rate", Range(0, 2, "Hz"), 1.0),
        "turn": Parameter("turn", Range(-1, 1), 0.5),
    }


@pytest.mark.parametrize("default", [None, "1", 7.0, -0.1, float("nan")])
def test_a_parameter_needs_a_default_in_its_range(default):
    def step(*, rate: Annotated[float, Range(0, 2, "Hz")] = default) -> float: ...

    with pytest.raises(TypeError, match=r"step: rate needs a default in 0\.\.2 Hz"):
        declared(step)


def test_a_parameter_without_a_default_is_refused():
    def step(*, rate: Annotated[float, Range(0, 2)]) -> float: ...

    with pytest.raises(TypeError, match="rate needs a default"):
        declared(step)


def test_settings_are_the_keyword_only_arguments_that_are_no_parameters():
    def make(
        self, space, *, shape: str, size: int = 4, seed: int, rate: Annotated[float, Range(0, 1)] = 0.5
    ) -> None: ...

    found = settings(make, {"seed"})
    assert list(found) == ["shape", "size"]
    assert found["size"] == (int, 4)
    assert found["shape"][0] is str


def test_what_has_no_constructor_of_its_own_has_no_settings():
    class Plain:
        pass

    assert settings(Plain.__init__) == {}


def test_a_wrong_name_is_answered_with_the_nearest_and_with_all():
    sentence = unknown("op", "trun", ["zoom", "turn", "move"])
    assert sentence == "no op 'trun'; did you mean 'turn'? There is: move, turn, zoom"


def test_a_name_near_nothing_gets_no_guess():
    assert unknown("op", "xyzzy", ["turn"]) == "no op 'xyzzy'. There is: turn"
    assert unknown("op", "turn", []) == "no op 'turn'. There is: none"
