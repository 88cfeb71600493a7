"""Faults: said once, counted."""

import logging

import pytest

from instrument.faults import Faults


def test_a_fault_is_said_once_and_counted(caplog):
    faults = Faults()
    with caplog.at_level(logging.INFO, "phosphene"):
        for _ in range(1000):
            faults.report("bend 'kick'", ValueError("too much"))
    assert len(caplog.messages) == 1 and "bend 'kick': ValueError: too much" in caplog.messages[0]
    assert faults.lines() == ["bend 'kick': ValueError: too much (1000×)"]


def test_each_part_and_each_kind_of_error_is_a_fault_of_its_own(caplog):
    faults = Faults()
    faults.report("walk", ValueError("a"))
    faults.report("walk", TypeError("a"))
    faults.report("generator", ValueError("a"))
    assert len(faults.lines()) == 3 and len(caplog.messages) == 3


def test_a_text_that_changes_in_every_frame_is_still_one_fault(caplog):
    faults = Faults()
    for n in range(1000):
        faults.report("output 'x'", RuntimeError(f"frame {n} is lost"))
    assert faults.lines() == ["output 'x': RuntimeError: frame 0 is lost (1000×)"]
    assert len(caplog.messages) == 1


def test_a_fault_is_one_line_whatever_the_error_says():
    faults = Faults()
    faults.report("walk", RuntimeError("first\nsecond\nthird"))
    assert faults.lines() == ["walk: RuntimeError: first (1×)"]


def test_a_strict_one_raises_the_error_itself():
    error = ValueError("too much")
    with pytest.raises(ValueError) as raised:
        Faults(strict=True).report("walk", error)
    assert raised.value is error
