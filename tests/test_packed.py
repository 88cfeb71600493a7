"""Parameters as tensors: always the same ones."""

import pytest
import torch
from parts import CPU

from instrument.flow import ParameterFrame
from instrument.packed import Packed
from instrument.parameters import Parameter, Range

FADER = Parameter("fader", Range(-10, 10), 1.0)
OWNERS = {"a": {"x": FADER, "y": FADER}, "b": {"x": FADER}, "c": {}}


def test_views_are_scalars_that_hold_what_was_written():
    packed = Packed(OWNERS, CPU)
    packed.write(ParameterFrame({"a": {"x": 1.5, "y": -2}, "b": {"x": 3}, "c": {}, "other": {"z": 9}}))
    found = {(owner, name): view for owner, views in packed.views.items() for name, view in views.items()}
    assert {place: view.item() for place, view in found.items()} == {("a", "x"): 1.5, ("a", "y"): -2, ("b", "x"): 3}
    assert all(view.shape == () and view.dtype == torch.float32 for view in found.values())
    assert packed.views["c"] == {}


def test_the_views_of_the_first_frame_are_those_of_the_last():
    packed = Packed(OWNERS, CPU)
    view = packed.views["a"]["y"]
    place = view.data_ptr()
    for value in (1.0, 2.0):
        packed.write(ParameterFrame({"a": {"x": 0, "y": value}, "b": {"x": 0}, "c": {}}))
        assert packed.views["a"]["y"] is view and view.data_ptr() == place and view.item() == value


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_it_can_be_written_in_every_mode(mode):
    packed = Packed(OWNERS, CPU)
    with mode():
        packed.write(ParameterFrame({"a": {"x": 4, "y": 0}, "b": {"x": 0}, "c": {}}))
    assert packed.views["a"]["x"].item() == 4


def test_a_show_without_parameters_is_possible():
    packed = Packed({"generator": {}}, CPU)
    packed.write(ParameterFrame({"generator": {}}))
    assert packed.views == {"generator": {}}
