"""What the computer plays, as an input: how it is found among the devices that each system lists."""

import os

import pytest

from instrument.plugs import Unavailable
from instrument.sound.loopback import behind_the_server, mirror


@pytest.mark.parametrize(
    ("platform", "names", "wanted"),
    [
        ("linux", ["HDA Intel: ALC (hw:0,0)", "pulse", "default"], "pulse"),
        ("linux", ["pulse", "Monitor of Built-in Audio"], "pulse"),
        ("linux", ["Webcam", "Monitor of Built-in Audio"], "Monitor of Built-in Audio"),
        ("darwin", ["MacBook Microphone", "BlackHole 2ch"], "BlackHole 2ch"),
        ("win32", ["Microphone", "CABLE Output (VB-Audio)", "Stereo Mix (Realtek)"], "Stereo Mix (Realtek)"),
        ("win32", ["Stereo Mix (Realtek)", "Speakers (Realtek) [Loopback]"], "Speakers (Realtek) [Loopback]"),
        ("freebsd14", ["Monitor of oss"], "Monitor of oss"),
    ],
)
def test_the_surest_of_the_devices_is_taken(platform: str, names: list[str], wanted: str) -> None:
    assert mirror([(10 + index, name) for index, name in enumerate(names)], platform) == 10 + names.index(wanted)


@pytest.mark.parametrize(
    ("platform", "remedy"),
    [("linux", "apt install libasound2-plugins"), ("darwin", "install BlackHole"), ("win32", "enable Stereo Mix")],
)
def test_where_there_is_none_what_to_install_is_said(platform: str, remedy: str) -> None:
    with pytest.raises(Unavailable, match=f"no device hears what this computer plays; .*{remedy}"):
        mirror([(0, "Microphone")], platform)


@pytest.mark.parametrize("own", [None, "microphone"])
def test_the_monitor_is_chosen_for_one_stream_alone(monkeypatch: pytest.MonkeyPatch, own: str | None) -> None:
    monkeypatch.delenv("PULSE_SOURCE", raising=False)
    if own:
        monkeypatch.setenv("PULSE_SOURCE", own)
    with pytest.raises(ZeroDivisionError), behind_the_server():
        assert os.environ["PULSE_SOURCE"] == "@DEFAULT_MONITOR@"
        raise ZeroDivisionError
    assert os.environ.get("PULSE_SOURCE") == own
