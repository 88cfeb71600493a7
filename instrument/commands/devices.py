"""List what is connected: sound, MIDI, displays, NDI, GPU."""

import argparse
from collections.abc import Callable
from contextlib import suppress

import torch

from instrument.plugs import Unavailable
from instrument.sound.loopback import mirror


def arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(args: argparse.Namespace) -> int:
    for title, listed in (("Sound", sound), ("MIDI", midi), ("Displays", displays), ("NDI", ndi), ("GPU", gpu)):
        print(title)
        for line in listed_or_why_not(listed):
            print(f"  {line}")
    return 0


def listed_or_why_not(listed: Callable[[], list[str]]) -> list[str]:
    """The lines of one kind of device, or the one line that says why there are none."""
    try:
        return listed() or ["none"]
    except Unavailable as missing:
        return [str(missing)]


def sound() -> list[str]:
    from instrument.sound import soundcard  # here, as in the functions below: a missing driver must not hide the others

    found = soundcard.devices()
    listed = [f"{index}: {name} ({inputs} in, {outputs} out)" for index, name, inputs, outputs in found]
    with suppress(Unavailable):
        listed.append(f"loopback: what the computer plays, through {found[mirror(soundcard.inputs())][1]}")
    return listed


def midi() -> list[str]:
    from instrument.inputs import midi as port

    return port.ports()


def displays() -> list[str]:
    from instrument import screen

    return [str(display) for display in screen.displays()]


def ndi() -> list[str]:
    from instrument.outputs import ndi as output

    output.runtime()
    return ["ready to send"]


def gpu() -> list[str]:
    found = [f"cuda:{index}: {torch.cuda.get_device_name(index)}" for index in range(torch.cuda.device_count())]
    return found + ["mps: Apple GPU"] * torch.backends.mps.is_available()
