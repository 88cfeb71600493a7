"""MIDI in: every message of mido, ports that come and go on a pretended system, and a real one by way of JACK."""

import logging
import os
import shutil
import subprocess
import sys
import time
import types
from contextlib import suppress

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mido.messages.specs import SPECS
from mido.ports import BaseInput

from instrument.flow import Tick
from instrument.inputs import midi
from instrument.plugs import Unavailable

TICK = Tick(0, 0.0, 1 / 60, 0.0)


class System(types.ModuleType):
    """A mido backend whose ports are plugged in and pulled out by the test."""

    def __init__(self):
        super().__init__("pretended_midi")
        self.names, self.opened, self.broken, self.locked, self.looks = [], {}, None, set(), 0
        system = self

        class Input(BaseInput):
            def _open(self, callback=None, **others):
                if self.name in system.locked:
                    raise OSError("the driver says no")
                self.play = callback
                system.opened[self.name] = self

            def _close(self):
                system.opened.pop(self.name, None)

        self.Input = Input

    def get_devices(self, **others):
        self.looks += 1
        if self.broken:
            raise self.broken
        return [{"name": name, "is_input": True, "is_output": False} for name in self.names]


@pytest.fixture
def system(monkeypatch):
    """The pretended system, in the place of the real one; ports are looked for a hundred times a second."""
    pretended = System()
    monkeypatch.setitem(sys.modules, "pretended_midi", pretended)
    monkeypatch.setattr(midi, "LOOK_SECONDS", 0.01)
    usual = mido.backend
    mido.set_backend("pretended_midi")
    yield pretended
    mido.set_backend(usual)


@pytest.fixture
def open_input():
    """Build MIDI inputs that are closed after the test."""
    built = []

    def build(**settings):
        built.append(midi.Input(**settings))
        return built[-1]

    yield build
    for each in built:
        each.close()
        assert not each.thread.is_alive()


def wait_for(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def came(heard):
    return [(event.address, event.value) for event in heard.poll(TICK)]


# What a message says


@pytest.mark.parametrize(
    ("message", "events"),
    [
        (mido.Message("control_change", control=74, value=127), [("midi/cc/74", 1.0)]),
        (mido.Message("control_change", control=0, value=0), [("midi/cc/0", 0.0)]),
        (mido.Message("note_on", note=36, velocity=127), [("midi/note/36", 1.0)]),
        (mido.Message("note_on", note=36, velocity=0), [("midi/note/36", 0.0)]),
        (mido.Message("note_off", note=36, velocity=64), [("midi/note/36", 0.0)]),
        (mido.Message("pitchwheel", pitch=0), [("midi/bend", 0.5)]),
        (mido.Message("pitchwheel", pitch=-8192), [("midi/bend", 0.0)]),
        (mido.Message("pitchwheel", pitch=8191), [("midi/bend", 1.0)]),
        (mido.Message.from_bytes([0xE0, 0x00, 0x40]), [("midi/bend", 0.5)]),
        (mido.Message("aftertouch", value=127), [("midi/pressure", 1.0)]),
        (mido.Message("polytouch", note=60, value=127), [("midi/pressure/60", 1.0)]),
        (mido.Message("program_change", program=3), [("midi/program/3", None)]),
        (mido.Message("start"), [("midi/start", None)]),
        (mido.Message("stop"), [("midi/stop", None)]),
        (mido.Message("continue"), [("midi/continue", None)]),
        (mido.Message("clock"), []),
        (mido.Message("active_sensing"), []),
        (mido.Message("sysex", data=(1, 2, 3)), []),
    ],
)
def test_a_message_becomes_its_events(message, events):
    assert midi.events(message) == events


@given(st.sampled_from(SPECS), st.data())
def test_every_message_there_is_has_values_0_to_1_under_midi(spec, data):
    status = spec["status_byte"]
    if spec["type"] == "sysex":
        raw = [status, *data.draw(st.lists(st.integers(0, 127), max_size=8)), 0xF7]
    else:
        status |= data.draw(st.integers(0, 15)) if status < 0xF0 else 0
        raw = [
            status,
            *data.draw(st.lists(st.integers(0, 127), min_size=spec["length"] - 1, max_size=spec["length"] - 1)),
        ]
    for address, value in midi.events(mido.Message.from_bytes(raw)):
        assert address.startswith("midi/")
        assert value is None or 0.0 <= value <= 1.0


def test_a_bend_rises_all_the_way():
    bends = [midi.events(mido.Message("pitchwheel", pitch=pitch))[0][1] for pitch in range(-8192, 8192)]
    assert bends == sorted(set(bends))


# Ports


def test_every_port_is_heard_when_none_is_named(system, open_input):
    system.names = ["Knobs 1", "Keys 2"]
    heard = open_input()
    system.opened["Knobs 1"].play(mido.Message("control_change", control=1, value=127))
    system.opened["Keys 2"].play(mido.Message("program_change", program=7))
    assert came(heard) == [("midi/cc/1", 1.0), ("midi/program/7", None)]
    assert came(heard) == []


def test_a_port_is_named_by_a_part_of_its_name_in_any_case(system, open_input):
    system.names = ["nanoKONTROL2:nanoKONTROL2 CTRL 20:0", "Launchpad", "Midi Through"]
    open_input(ports=["NANOkontrol", "pad"])
    assert set(system.opened) == {"nanoKONTROL2:nanoKONTROL2 CTRL 20:0", "Launchpad"}


def test_a_name_that_matches_nothing_is_said_once_and_the_others_play(system, open_input, caplog):
    system.names = ["Keys"]
    open_input(ports=["Knobs", "keys"])
    assert set(system.opened) == {"Keys"}
    assert [line for line in caplog.messages if "Knobs" in line] == ["MIDI: no port 'Knobs' yet. There is: Keys"]


def test_having_no_port_is_no_error_and_said_once(system, open_input, caplog):
    with caplog.at_level(logging.INFO, "phosphene"):
        heard = open_input()
        wait_for(lambda: system.looks >= 5)
    assert came(heard) == []
    assert len(caplog.messages) == 1
    assert "no MIDI port yet" in caplog.messages[0]


def test_a_port_that_is_plugged_in_later_is_heard(system, open_input):
    heard = open_input(ports=["knobs"])
    system.names = ["Others", "Knobs"]
    wait_for(lambda: "Knobs" in system.opened)
    system.opened["Knobs"].play(mido.Message("control_change", control=1, value=0))
    assert came(heard) == [("midi/cc/1", 0.0)]
    assert set(system.opened) == {"Knobs"}


def test_a_port_that_is_pulled_out_lets_go_of_its_notes_and_is_heard_again_once_back(system, open_input, caplog):
    system.names = ["Keys"]
    heard = open_input()
    for message in (
        mido.Message("note_on", note=36, velocity=127),
        mido.Message("note_on", note=40, velocity=127),
        mido.Message("note_on", note=40, velocity=0),
    ):
        system.opened["Keys"].play(message)
    assert len(came(heard)) == 3
    system.names = []
    wait_for(lambda: heard.inbox.waiting)
    assert came(heard) == [("midi/note/36", 0.0)]
    assert not system.opened
    assert "Keys is gone" in caplog.text
    system.names = ["Keys"]
    wait_for(lambda: system.opened)
    system.opened["Keys"].play(mido.Message("control_change", control=1, value=127))
    assert came(heard) == [("midi/cc/1", 1.0)]


def test_a_port_that_another_program_holds_is_named_once_and_tried_again(system, open_input, caplog):
    system.names, system.locked = ["Held", "Free"], {"Held"}
    open_input()
    wait_for(lambda: system.looks >= 5)
    assert set(system.opened) == {"Free"}
    assert len([line for line in caplog.messages if "Held cannot be opened (the driver says no)" in line]) == 1
    system.locked = set()
    wait_for(lambda: "Held" in system.opened)


def test_a_system_that_goes_away_and_comes_back_is_heard_again(system, open_input):
    system.names = ["Keys"]
    open_input()
    system.broken = OSError("the server is gone")
    wait_for(lambda: not system.opened)
    system.broken = None
    wait_for(lambda: system.opened)


def test_one_channel_can_be_heard_alone(system, open_input):
    system.names = ["Keys"]
    heard = open_input(channel=10)
    for channel in range(16):
        system.opened["Keys"].play(mido.Message("control_change", channel=channel, control=channel, value=127))
    system.opened["Keys"].play(mido.Message("start"))
    assert came(heard) == [("midi/cc/9", 1.0), ("midi/start", None)]


@pytest.mark.parametrize("channel", [-1, 17])
def test_a_channel_that_is_none_is_refused(channel):
    with pytest.raises(ValueError, match=rf"range 0\.\.16 .*got {channel}"):
        midi.Input(channel=channel)


def test_without_a_midi_system_it_is_unavailable_and_says_why(system):
    system.broken = OSError("no sequencer")
    with pytest.raises(Unavailable, match="no MIDI here: no sequencer; on Linux"):
        midi.Input()
    with pytest.raises(Unavailable, match="no sequencer"):
        midi.ports()


def test_without_the_driver_package_it_names_the_package(system):
    system.broken = ImportError("No module named 'rtmidi'")
    with pytest.raises(Unavailable, match="pip install python-rtmidi"):
        midi.Input()


def test_the_ports_can_be_listed(system):
    assert midi.ports() == []
    system.names = ["Knobs", "Keys"]
    assert midi.ports() == ["Knobs", "Keys"]


# The clock


@pytest.fixture
def at(monkeypatch):
    """The drivers' time, as the test has it."""
    now = types.SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(time, "perf_counter", lambda: now.seconds)
    return now


def clocked(system, heard, at, beats, bpm=120.0, port="Keys"):
    """Play a clock for so many beats, with a poll sixty times a second; what the pulse was in the end."""
    begin = last = at.seconds
    for n in range(round(beats * 24)):
        at.seconds = begin + n * 60 / bpm / 24
        system.opened[port].play(mido.Message("clock"))
        if at.seconds - last > 1 / 60:
            heard.poll(Tick(n, at.seconds - 100.0, 1 / 60, 0.0))
            last = at.seconds
    heard.poll(Tick(0, at.seconds - 100.0, 1 / 60, 0.0))
    return heard.pulse()


def test_a_clock_says_the_pace_and_after_a_start_the_beat_and_the_bar(system, open_input, at):
    system.names = ["Keys"]
    heard = open_input()
    assert heard.pulse() is None
    _, reading = clocked(system, heard, at, 3.25)
    assert reading.period == pytest.approx(0.5) and reading.phase is None
    at.seconds += 0.5 / 24
    system.opened["Keys"].play(mido.Message("start"))
    when, reading = clocked(system, heard, at, 6.5)
    beat = reading.place + reading.phase
    assert (
        when == pytest.approx(at.seconds - 100) and beat == pytest.approx(2.5 - 1 / 24, abs=1e-6) and reading.bar == 4
    )
    assert reading.confidence == 1


def test_a_clock_that_stops_says_nothing_and_another_port_s_is_heard(system, open_input, at):
    system.names = ["Drums", "Keys"]
    heard = open_input()
    clocked(system, heard, at, 4, 120, "Keys")
    at.seconds += 1.1
    heard.poll(Tick(0, at.seconds - 100, 1 / 60, 0.0))
    assert heard.pulse() is None
    _, reading = clocked(system, heard, at, 4, 90, "Drums")
    assert reading.period == pytest.approx(60 / 90)


def test_a_song_position_and_a_continue_say_the_place(system, open_input, at):
    system.names = ["Keys"]
    heard = open_input()
    system.opened["Keys"].play(mido.Message("songpos", pos=16 * 8 + 4))
    system.opened["Keys"].play(mido.Message("continue"))
    _, reading = clocked(system, heard, at, 1)
    assert (reading.place, round(reading.phase * 24)) == (1, 23)


def test_a_clock_can_be_passed_over(system, open_input, at):
    system.names = ["Keys"]
    heard = open_input(clock=False)
    assert clocked(system, heard, at, 4) is None


# A real MIDI system

PLAYER = """
import sys, mido
mido.set_backend("mido.backends.rtmidi/UNIX_JACK")
with mido.open_output("knobs", virtual=True, client_name="player") as port:
    print("ready", flush=True)
    for line in sys.stdin:
        for raw in line.split():
            port.send(mido.Message.from_hex(raw))
"""


@pytest.fixture(scope="module")
def jack():
    """A JACK server of our own without a sound card, and mido playing through it."""
    if not shutil.which("jackd"):
        pytest.skip("jackd is missing: apt install jackd2")
    name = f"phosphene-{os.getpid()}"
    patch = pytest.MonkeyPatch()
    patch.setenv("JACK_DEFAULT_SERVER", name)
    patch.setenv("JACK_NO_START_SERVER", "1")
    command = ["jackd", "--no-realtime", "-n", name, "-t", "4000", "-d", "dummy", "-r", "48000", "-p", "256"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    usual = mido.backend
    mido.set_backend("mido.backends.rtmidi/UNIX_JACK")
    try:
        deadline = time.monotonic() + 10.0
        while True:
            with suppress(Unavailable):
                midi.ports()
                break
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.skip("jackd does not start here")
            time.sleep(0.05)
        yield
    finally:
        mido.set_backend(usual)
        server.terminate()
        server.wait(10)
        patch.undo()


@pytest.fixture
def player(jack):
    """Another program with a MIDI port; lines of messages written to it are played."""
    process = subprocess.Popen([sys.executable, "-c", PLAYER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    yield process
    if process.poll() is None:
        process.stdin.close()
        process.wait(10)
    process.stdout.close()


def test_the_clock_of_a_real_port_is_heard(jack, player, open_input):
    heard = open_input(ports=["knobs"])
    player.stdin.write("FA\n")
    for _ in range(30):
        player.stdin.write("F8\n")
    player.stdin.write("F20800 FC\n")
    player.stdin.flush()
    wait_for(lambda: "stop" in [message.type for _, message, _ in heard.ticking.copy()])
    kinds = [message.type for _, message, _ in heard.ticking]
    assert kinds == ["start", *["clock"] * 30, "songpos", "stop"]
    times = [arrived for _, _, arrived in heard.ticking]
    assert times == sorted(times)


def test_a_real_port_is_found_heard_lost_and_found_again(jack, player, open_input, monkeypatch):
    monkeypatch.setattr(midi, "LOOK_SECONDS", 0.1)
    heard = open_input(ports=["KNOBS"])
    assert any("knobs" in name for name in heard.open)
    player.stdin.write("B04A7F 902440 802400 E00040 D07F A03C7F C003 FA F8 F00102F7\n")
    player.stdin.flush()
    found = []
    wait_for(lambda: found.extend(came(heard)) or len(found) >= 8)
    assert found == [
        ("midi/cc/74", 1.0),
        ("midi/note/36", 64 / 127),
        ("midi/note/36", 0.0),
        ("midi/bend", 0.5),
        ("midi/pressure", 1.0),
        ("midi/pressure/60", 1.0),
        ("midi/program/3", None),
        ("midi/start", None),
    ]
    player.stdin.close()
    player.wait(10)
    wait_for(lambda: not heard.open)
    again = subprocess.Popen([sys.executable, "-c", PLAYER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: heard.open)
        again.stdin.write("B0017F\n")
        again.stdin.flush()
        wait_for(lambda: heard.inbox.waiting)
        assert came(heard) == [("midi/cc/1", 1.0)]
    finally:
        again.communicate()
