"""How late a machine hears and shows: a file of the user's, in which only a number changes."""

import argparse
import sys
import tomllib
from pathlib import Path

import pytest
from command_line import phosphene
from parts import CPU

from instrument import options, places
from instrument.assemble import assemble, supplies
from instrument.document import Mistake
from instrument.latency import Latency, keep, kept
from instrument.patch import read_patch
from instrument.scene import Scene
from instrument.show import Show

OWN = """# the big room
[latency] # measured in May
audio = 12.5  # the interface
# screen = 3

"""


def test_where_nothing_is_kept_nothing_is_late(tmp_path: Path) -> None:
    assert kept(tmp_path / "none.toml") == Latency(0.0, 0.0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "[latency]\nscreen = 35\n"),
        ("# mine", "# mine\n\n[latency]\nscreen = 35\n"),
        ("# mine\n", "# mine\n\n[latency]\nscreen = 35\n"),
        ("[latency]", "[latency]\nscreen = 35\n"),
        ("[latency]\naudio = 1", "[latency]\nscreen = 35\naudio = 1"),
        ("[latency]\nscreen=-7.5# ours\naudio = 1\n", "[latency]\nscreen=35# ours\naudio = 1\n"),
        (OWN, OWN.replace("audio =", "screen = 35\naudio =")),
        ("[latency]\r\nscreen = 1\r\naudio = 2\r\n", "[latency]\r\nscreen = 35\r\naudio = 2\r\n"),
    ],
)
def test_a_number_is_written_and_every_other_character_stays(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "deep" / "config.toml"
    if before:
        path.parent.mkdir()
        path.write_bytes(before.encode())
    keep(path, "screen", 35.0)
    assert path.read_bytes() == after.encode()
    assert kept(path) == Latency(kept(path).audio, 35.0)
    assert [file.name for file in path.parent.iterdir()] == ["config.toml"]


def test_what_was_kept_before_is_written_over_and_the_other_number_stays(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    for name, value in (("screen", 40.0), ("audio", -250.0), ("screen", -5.0)):
        keep(path, name, value)
    assert kept(path) == Latency(-250.0, -5.0)
    assert tomllib.loads(path.read_text()) == {"latency": {"audio": -250, "screen": -5}}


@pytest.mark.parametrize("text", ["latency = {screen = 1}\n", "latency.screen = 1\n", '[latency]\n"screen" = 1\n'])
def test_a_file_that_is_written_otherwise_is_left_as_it_is_and_that_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    assert kept(path) == Latency(0.0, 1.0)
    with pytest.raises(Mistake, match=r"config\.toml: write screen = 35 under a line \[latency\] yourself"):
        keep(path, "screen", 35.0)
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("[latency]\nscren = 1", r"config\.toml: \[latency\]: no key 'scren'; did you mean 'screen'\?"),
        ("[latncy]\nscreen = 1", r"config\.toml: no key 'latncy'; did you mean 'latency'\?"),
        ("[latency]\nscreen = 251", r"config\.toml: \[latency\]: screen lies in -250\.\.250 ms, got 251"),
        ("[latency]\naudio = 'much'", r"config\.toml: \[latency\]: audio must be a number, got 'much'"),
        ("latency = 3", r"config\.toml: latency must be a table, got 3"),
        ("[latency", r"config\.toml: is not valid TOML"),
    ],
)
def test_a_wrong_file_is_named_with_the_key_and_never_written_to(tmp_path: Path, text: str, answer: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    for reading in (lambda: kept(path), lambda: keep(path, "screen", 5.0)):
        with pytest.raises(Mistake, match=answer):
            reading()
    assert path.read_text() == text


def test_the_command_line_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "user_config_path", lambda name: tmp_path / name)
    keep(places.config(), "audio", 20.0)
    keep(places.config(), "screen", 30.0)
    parser = argparse.ArgumentParser()
    options.add_latencies(parser)
    for words, wanted in (
        ([], Latency(20.0, 30.0)),
        (["--screen-latency", "-12.5"], Latency(20.0, -12.5)),
        (["--audio-latency", "0", "--screen-latency=250"], Latency(0.0, 250.0)),
    ):
        assert options.latency(parser.parse_args(words)) == wanted


@pytest.mark.parametrize("text", ["251", "-250.1", "nan", "inf", "soon"])
def test_a_latency_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=rf"{text!r} lies not in -250\.\.250 ms"):
        options.milliseconds(text)


def test_a_show_is_drawn_as_much_sooner_as_the_screen_is_late_and_its_plugs_know_the_sound_s(tmp_path: Path) -> None:
    (tmp_path / "empty.toml").write_text("bpm = 120")
    show = Show(device=CPU, strict=True, latency=Latency(audio=-20.0, screen=100.0))
    patch = read_patch(tmp_path / "empty.toml")
    rig = assemble(patch, Scene("none"), show)
    assert rig.tempo.tick(0, 1.0, 0.02).beat == pytest.approx(2.2)
    assert supplies(Scene("none"), show, patch)["latency"] == -0.02


@pytest.mark.skipif(sys.platform != "linux", reason="XDG_CONFIG_HOME moves the file on Linux alone")
def test_a_show_says_what_it_goes_by_and_a_wrong_file_stops_it(tmp_path: Path) -> None:
    show = ["play", "--patch", "midi", "--output", "none", "--seconds", "0.1", "--size", "64x64", "--osc-port", "0"]
    file = tmp_path / "phosphene" / "config.toml"
    keep(file, "screen", 35.0)
    done = phosphene(tmp_path, *show, "--audio-latency", "-4", XDG_CONFIG_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "latency: sound -4 ms, screen +35 ms" in done.stderr
    file.write_text("[latency]\nscreen = 999\n")
    done = phosphene(tmp_path, *show, XDG_CONFIG_HOME=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == f"phosphene: {file}: [latency]: screen lies in -250..250 ms, got 999\n"
