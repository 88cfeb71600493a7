"""Say what works on this machine, what does not, and the one command that mends it."""

import argparse
import importlib.metadata
import platform
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch

from instrument import __version__, catalog
from instrument.commands import devices
from instrument.networks import tiles
from instrument.networks.program import there_is_openvino
from instrument.networks.race import precisions
from instrument.plugs import Unavailable


@dataclass(frozen=True)
class Finding:
    """What one look found: whether it works, in words, and what mends it."""

    works: bool
    what: str
    remedy: str = ""


def arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(args: argparse.Namespace) -> int:
    looks: list[tuple[str, Callable[[], Finding], bool]] = [
        ("phosphene", version, True),
        ("models", models, True),
        ("device", processor, True),
        ("executors", executors, False),
        ("video files", codecs, True),
        ("window", window, False),
        ("sound in", sound_in, False),
        ("sound out", sound_out, False),
        ("MIDI", midi, False),
        ("OSC", osc, False),
        ("Link", link, False),
        ("preview", preview, False),
        ("NDI", ndi, False),
    ]
    healthy = True
    for name, look, needed in looks:
        try:
            finding = look()
        except Unavailable as missing:
            finding = Finding(False, missing.what, missing.remedy)
        except Exception as error:  # a doctor that falls ill helps nobody
            finding = Finding(False, f"{type(error).__name__}: {error}")
        print(f"{'ok' if finding.works else '--'}  {name:<12} {finding.what}")
        if finding.remedy:
            print(f"    {'':<12} mend: {finding.remedy}")
        healthy &= finding.works or not needed
    return 0 if healthy else 1


def version() -> Finding:
    torch_version = importlib.metadata.version("torch")
    return Finding(
        True, f"{__version__}, Python {platform.python_version()}, torch {torch_version}, {platform.platform()}"
    )


def models() -> Finding:
    found = catalog.names("models")
    return Finding(
        bool(found), ", ".join(found) or "there is no model", "" if found else "pip install --force-reinstall phosphene"
    )


def processor() -> Finding:
    found = devices.gpu()
    if found:
        return Finding(True, ", ".join(found))
    return Finding(
        True, f"no GPU; {torch.get_num_threads()} CPU threads, enough for 256 px models such as those shipped"
    )


def executors() -> Finding:
    """What a network can be run by here, from exact to quick."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    there_are = list(precisions(device))
    if device.type == "cuda":
        return Finding(True, ", ".join(there_are))
    quick = {"llvmlite": tiles.there_are(), "openvino": there_is_openvino()}
    found = ", ".join(["float32 on tiles" if quick["llvmlite"] else "float32", *there_are[1:]])
    found += ", openvino" if quick["openvino"] else ""
    lacking = [name for name, there in quick.items() if not there]
    suits = torch.backends.cpu.get_cpu_capability().startswith("AVX") and sys.version_info < (3, 15)
    if lacking and suits:
        return Finding(False, f"{found}; {' and '.join(lacking)} would make it quicker", "pip install 'phosphene[cpu]'")
    return Finding(True, found)


def codecs() -> Finding:
    from instrument import media  # here, as below: one broken library must not silence the rest

    missing = media.missing_codecs()
    if missing:
        return Finding(False, f"no {' and no '.join(missing)}", "pip install --force-reinstall av")
    return Finding(True, "H.264 and AAC")


def window() -> Finding:
    found = devices.displays()
    if found:
        return Finding(True, ", ".join(found))
    return Finding(False, "no display: the picture is on the preview page", "log in to a desktop, or set DISPLAY")


def sound_in() -> Finding:
    return sound(2, "in: the demo track plays instead", "connect a microphone or interface")


def sound_out() -> Finding:
    return sound(3, "out: songs run silently, in time", "connect speakers")


def sound(column: int, without: str, remedy: str) -> Finding:
    from instrument.sound import soundcard

    if soundcard.portaudio_library() is None:
        apt = "apt install libportaudio2" if sys.platform == "linux" else "pip install --force-reinstall sounddevice"
        return Finding(False, "PortAudio is missing: no sound devices", apt)
    names = [str(device[1]) for device in soundcard.devices() if device[column]]
    return (
        Finding(True, ", ".join(names))
        if names
        else Finding(False, f"no sound device to hear or play {without}", remedy)
    )


def midi() -> Finding:
    found = devices.midi()
    return Finding(True, ", ".join(found) or "ready; nothing is connected")


def osc() -> Finding:
    return port("OSC", socket.SOCK_DGRAM, 7770, "phosphene play --osc-port N takes another")


def link() -> Finding:
    from instrument.inputs import link as session

    session.library()
    return Finding(True, "ready to join; [inputs.link] in a patch does")


def preview() -> Finding:
    return port("the preview page", socket.SOCK_STREAM, 7780, "phosphene play --output preview:PORT takes another")


def port(what: str, kind: int, number: int, remedy: str) -> Finding:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return Finding(False, f"port {number} for {what} is in use; the next free one will be taken", remedy)
    return Finding(True, f"port {number} is free")


def ndi() -> Finding:
    devices.ndi()
    return Finding(True, "ready to send")
