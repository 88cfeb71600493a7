"""What commands share: devices, outputs of the command line, and files that are named for two things."""

import argparse
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from instrument import options
from instrument.document import Mistake
from instrument.patch import Patch, Plugged, read_patch


@pytest.fixture
def patch(tmp_path: Path) -> Patch:
    (tmp_path / "empty.toml").write_text("")
    return read_patch(tmp_path / "empty.toml")


def test_each_card_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for name in ("cpu", "cuda", "cuda:0", "cuda:1"):
        assert options.device(name) == torch.device(name)
    assert options.device("auto") == torch.device("cuda")
    with pytest.raises(Mistake, match=r"^--device: no device 'cuda:2'; did you mean .* There is: cpu, cuda, cuda:0, "):
        options.device("cuda:2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert options.device("auto") == torch.device("cpu")
    with pytest.raises(Mistake, match=r"^--device: no device 'mps'\. There is: cpu$"):
        options.device("mps")


@pytest.mark.parametrize("text", ["1", "-2", "2.0", "two", "", "²", "9" * 12])
def test_what_is_no_whole_number_is_said_with_the_least_there_can_be(text: str) -> None:
    assert options.whole(2)("2") == 2
    with pytest.raises(argparse.ArgumentTypeError, match=f"{text!r} is no whole number from 2 on"):
        options.whole(2)(text)


def test_nothing_is_a_number_that_is_not_negative() -> None:
    assert [options.not_negative(text) for text in ("0", "0.0", "0.5", "1e3")] == [0, 0, 0.5, 1000]
    for text in ("-1", "nan", "inf", "."):
        with pytest.raises(argparse.ArgumentTypeError):
            options.not_negative(text)


def test_several_outputs_of_a_kind_are_all_there() -> None:
    found = options.outputs(["ndi:ndi 2", "ndi", "recording:a.mp4", "recording:b.mp4"], overwrite=False)
    assert [(item.plug, dict(item.settings)) for item in found.values()] == [
        ("ndi", {"name": "ndi 2"}),
        ("ndi", {}),
        ("recording", {"file": "a.mp4"}),
        ("recording", {"file": "b.mp4"}),
    ]
    assert list(found) == ["ndi", "ndi 2", "recording", "recording 2"]


def test_none_is_none_and_stands_alone() -> None:
    assert options.outputs(["none"], overwrite=False) == {}
    for texts in (["none", "window"], ["preview", "none"], ["none", "none"]):
        with pytest.raises(Mistake, match="stands alone"):
            options.outputs(texts, overwrite=False)


def test_two_inputs_may_hear_one_song_but_none_may_become_its_recording(patch: Patch) -> None:
    heard = {name: Plugged("audio", {"source": "song.mkv"}, f"[inputs.{name}]") for name in ("a", "b")}
    recorded = {"r": Plugged("recording", {"file": "./song.mkv"}, "[outputs.r]")}
    options.check_apart(options.heard(replace(patch, inputs=heard)), [])
    patch = replace(patch, inputs=heard, outputs=recorded)
    with pytest.raises(Mistake, match=r"^\[outputs\.r\]: song\.mkv is named already, for \[inputs\."):
        options.check_apart(options.heard(patch), options.shown(patch))


def test_outputs_without_a_file_are_not_in_each_others_way(patch: Patch) -> None:
    there = {
        "a": Plugged("preview", {}, "a"),
        "b": Plugged("preview", {"port": 7780}, "b"),
        "c": Plugged("ndi", {}, "c"),
    }
    patch = replace(patch, outputs=there)
    options.check_apart(options.heard(patch), options.shown(patch))
    assert options.shown(patch) == [("c", Path("Phosphene"))]
