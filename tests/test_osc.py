"""OSC in: real UDP sockets, python-osc and oscsend as senders, and packets that nobody should send."""

import logging
import math
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.udp_client import SimpleUDPClient

from instrument.flow import Event, Tick
from instrument.inputs import osc
from instrument.plugs import Unavailable

TICK = Tick(0, 0.0, 1 / 60, 0.0)


@pytest.fixture
def heard():
    """An OSC input on a free port."""
    with_any_port = osc.Input(port=0)
    yield with_any_port
    with_any_port.close()
    assert not with_any_port.thread.is_alive()


def send(heard, *packets):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for packet in packets:
            sender.sendto(packet, ("127.0.0.1", heard.port))


def events(heard, count, seconds=5.0):
    """The next `count` events, as (address, value)."""
    found, deadline = [], time.monotonic() + seconds
    while len(found) < count and time.monotonic() < deadline:
        found += [(event.address, event.value) for event in heard.poll(TICK)]
        time.sleep(0.001)
    return found


def after_all(heard):
    """Everything that comes before a last message sent now."""
    send(heard, message("/last", "f", 0.0))
    found, deadline = [], time.monotonic() + 5.0
    while ("osc/last", 0.0) not in found and time.monotonic() < deadline:
        found += [(event.address, event.value) for event in heard.poll(TICK)]
        time.sleep(0.001)
    assert found[-1] == ("osc/last", 0.0)
    return found[:-1]


def text(word):
    raw = word.encode()
    return raw + b"\0" * (4 - len(raw) % 4)


def message(address, tags="", *values):
    """A message as bytes, of any type tags, right or wrong."""
    forms = {"i": ">i", "h": ">q", "f": ">f", "d": ">d", "c": ">i", "t": ">Q", "r": ">I", "m": ">I"}
    body, values = b"", iter(values)
    for tag in tags:
        if tag in forms:
            body += struct.pack(forms[tag], next(values))
        elif tag in "sS":
            body += text(next(values))
        elif tag == "b":
            blob = next(values)
            body += struct.pack(">i", len(blob)) + blob + b"\0" * (-len(blob) % 4)
    return text(address) + text("," + tags) + body


def bundle(*elements, seconds_ahead=0.0):
    tag = 1 if not seconds_ahead else int((time.time() + seconds_ahead + 2_208_988_800) * 2**32)
    return b"#bundle\0" + struct.pack(">Q", tag) + b"".join(struct.pack(">i", len(e)) + e for e in elements)


# What is accepted


@pytest.mark.parametrize(
    ("tags", "values", "value"),
    [
        ("f", [0.25], 0.25),
        ("d", [0.1], 0.1),
        ("i", [-3], -3.0),
        ("h", [2**40], float(2**40)),
        ("T", [], 1.0),
        ("F", [], 0.0),
        ("s", ["2.5"], 2.5),
        ("S", [" -1e3 "], -1000.0),
        ("s", ["true"], 1.0),
        ("s", ["FALSE"], 0.0),
        ("s", ["On"], 1.0),
        ("s", ["off"], 0.0),
        ("c", [ord("7")], 7.0),
        ("ff", [0.25, 0.75], 0.75),
        ("sf", ["ignored", 4.0], 4.0),
        ("[ff]", [0.25, 0.5], 0.5),
        ("NTf", [8.0], 8.0),
    ],
)
def test_every_type_of_argument_becomes_a_number(heard, tags, values, value):
    send(heard, message("/walk/speed", tags, *values))
    assert events(heard, 1) == [("osc/walk/speed", value)]
    assert heard.rejected == 0


@pytest.mark.parametrize(
    "packet", [message("/walk/jump"), text("/walk/jump"), message("/walk/jump", "N"), message("/walk/jump", "I")]
)
def test_no_argument_is_a_stroke(heard, packet):
    send(heard, packet)
    assert events(heard, 1) == [("osc/walk/jump", None)]


@pytest.mark.parametrize(
    ("address", "event"),
    [
        ("/walk/speed", "osc/walk/speed"),
        ("/phosphene/walk/speed", "osc/walk/speed"),
        ("/phosphene", "osc/phosphene"),
        ("/phosphenes/x", "osc/phosphenes/x"),
        ("/phosphene/phosphene/x", "osc/phosphene/x"),
        ("/bend/*/mix", "osc/bend/*/mix"),
        ("/bend/{a,b}[1-4]?/mix", "osc/bend/{a,b}[1-4]?/mix"),
        ("/1/fader1", "osc/1/fader1"),
    ],
)
def test_an_address_becomes_a_path_under_osc(heard, address, event):
    send(heard, message(address, "f", 1.0))
    assert events(heard, 1) == [(event, 1.0)]


def test_a_value_is_passed_on_in_its_own_unit(heard):
    send(heard, message("/rotate/angle", "f", -135.0))
    assert events(heard, 1) == [("osc/rotate/angle", -135.0)]


def test_an_event_knows_when_it_came(heard):
    before = time.perf_counter()
    send(heard, message("/x", "f", 1.0))
    found = []
    while not found:
        found = heard.poll(TICK)
    assert isinstance(found[0], Event)
    assert before < found[0].arrived < time.perf_counter()
    assert heard.last_sender.startswith("127.0.0.1:")


# Bundles


def test_a_nested_bundle_comes_in_order_whatever_its_time_tag(heard):
    inner = bundle(message("/b", "f", 2.0), message("/c"), seconds_ahead=-3600)
    send(heard, bundle(message("/a", "f", 1.0), inner, message("/d", "i", 3), seconds_ahead=3600))
    begin = time.monotonic()
    assert events(heard, 4) == [("osc/a", 1.0), ("osc/b", 2.0), ("osc/c", None), ("osc/d", 3.0)]
    assert time.monotonic() - begin < 2.0


def test_a_bundle_is_never_torn_between_two_polls(heard):
    whole = bundle(*[message(f"/n/{n}", "f", float(n)) for n in range(100)])
    sender = threading.Thread(target=send, args=(heard, *[whole] * 100))
    sender.start()
    sizes, deadline = [], time.monotonic() + 10.0
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # the threads take turns as often as they can
    while sum(sizes) < 10_000 and time.monotonic() < deadline:
        sizes.append(len(heard.poll(TICK)))
    sys.setswitchinterval(usual)
    sender.join()
    assert sum(sizes) == 10_000
    assert all(size % 100 == 0 for size in sizes)


def test_one_bad_message_does_not_spoil_its_bundle(heard):
    send(heard, bundle(message("/a", "f", 1.0), message("/b", "s", "word"), b"\xff\xff\xff\0", message("/c", "f", 2.0)))
    assert events(heard, 2) == [("osc/a", 1.0), ("osc/c", 2.0)]
    assert heard.rejected == 2


def test_what_came_before_the_break_of_a_bundle_is_used(heard):
    send(heard, bundle(message("/a", "f", 1.0), message("/b", "f", 2.0))[:-6])
    assert events(heard, 1) == [("osc/a", 1.0)]
    assert after_all(heard) == []
    assert heard.rejected == 1


# What is not


@pytest.mark.parametrize(
    "packet",
    [
        message("/x", "f", math.nan),
        message("/x", "d", math.inf),
        message("/x", "s", "nan"),
        message("/x", "s", "slow"),
        message("/x", "s", ""),
        message("/x", "s", "?"),
        message("/x", "sf", "+", 0.5),
        message("/x", "b", b"\1\2"),
        message("/x", "t", 1),
        message("/x", "r", 7),
        message("/x", "m", 7),
        message("/x", "q"),
        message("/x", "c", -1),
        text("/x") + text(",d") + b"\0\0",
        text("/x") + struct.pack(">f", 0.5),
        message("no/slash", "f", 1.0),
        message("/with space", "f", 1.0),
        message("/tab\there", "f", 1.0),
        message("/hash#", "f", 1.0),
        message("//x", "f", 1.0),
        message("/x/", "f", 1.0),
        message("/", "f", 1.0),
        message("", "f", 1.0),
        message("/" + "x" * 255, "f", 1.0),
        b"",
        b"\0",
        b"/x",
        b"#bundle\0",
        b"#bundle\0\0\0\0\0\0\0\0\1\0\0\0\0",
        b"#bundle\0\0\0\0\0\0\0\0\1\xff\xff\xff\xff",
        b"GET / HTTP/1.1\r\n\r\n",
        "/äöü".encode("latin-1") + b"\0\0\0\0",
    ],
)
def test_a_wrong_packet_is_counted_and_ignored(heard, packet):
    send(heard, packet)
    assert after_all(heard) == []
    assert heard.rejected == 1


def test_bundles_nested_without_end_are_refused(heard):
    packet = message("/x", "f", 1.0)
    for _ in range(2000):
        packet = bundle(packet)
    send(heard, packet)
    assert after_all(heard) == []
    assert heard.rejected == 1


def test_a_complaint_is_made_once_per_address(heard, caplog):
    with caplog.at_level(logging.WARNING, "phosphene"):
        send(heard, *[message("/walk/speed", "s", "fast")] * 50, message("/walk/size", "s", "big"))
        after_all(heard)
    assert heard.rejected == 51
    assert len(caplog.messages) == 2
    assert "/walk/speed" in caplog.messages[0] and "'fast' is no number" in caplog.messages[0]


def test_a_complaint_is_made_again_after_ten_seconds(heard, caplog, monkeypatch):
    monkeypatch.setattr(osc, "QUIET_SECONDS", 0.0)
    with caplog.at_level(logging.WARNING, "phosphene"):
        send(heard, *[message("/walk/speed", "s", "fast")] * 2)
        after_all(heard)
    assert len(caplog.messages) == 2
    assert "2 so far" in caplog.messages[1]


def test_a_sender_of_made_up_addresses_fills_neither_log_nor_memory(heard, caplog):
    with caplog.at_level(logging.WARNING, "phosphene"):
        send(heard, *[message(f"/nothing/{n}", "s", "x") for n in range(1000)])
        after_all(heard)
    assert heard.rejected == 1000
    assert len(caplog.messages) == len(heard.quiet) == osc.DIFFERENT_COMPLAINTS


@given(st.binary(max_size=200))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_packet_at_all_ends_the_thread(heard, packet):
    send(heard, packet, bundle(packet), text("/x") + packet, text("/x") + text(",ifdhsSbtrmcTFNI[]") + packet)
    assert all(
        address.startswith("osc/") and (value is None or math.isfinite(value)) for address, value in after_all(heard)
    )


@given(
    st.text("/abz*?[]{},! #é\n", max_size=12),
    st.text("ifhdsScTFNIbtrm[]q", max_size=4),
    st.binary(max_size=40),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_nearly_right_is_an_event_or_counted(heard, address, tags, body):
    before = heard.rejected
    send(heard, text(address) + text("," + tags) + body)
    found = after_all(heard)
    assert (len(found) in (1, 2)) != (heard.rejected == before + 1)
    assert all(value is None or math.isfinite(value) for _, value in found), "None is a stroke"


# Speed


def test_two_thousand_messages_a_second_arrive_in_order_and_none_is_lost(heard):
    client = SimpleUDPClient("127.0.0.1", heard.port)

    def play():
        start = time.monotonic()
        for n in range(4000):
            client.send_message("/walk/speed", float(n))
            time.sleep(max(0.0, start + n / 2000 - time.monotonic()))

    sender = threading.Thread(target=play)
    sender.start()
    found = events(heard, 4000, seconds=20.0)
    sender.join()
    assert [value for _, value in found] == [float(n) for n in range(4000)]
    assert heard.inbox.lost == heard.rejected == 0


def test_a_flood_that_nobody_polls_is_bounded_and_counted(heard):
    size = heard.inbox.waiting.maxlen
    element = message("/x", "f", 1.0)
    for _ in range(size // 1000 + 1):
        heard.take(bundle(*[element] * 1000))
    assert len(heard.inbox.waiting) == size
    assert heard.inbox.lost == (size // 1000 + 1) * 1000 - size


# Ports


def test_a_busy_port_is_answered_with_the_next_free_one_and_said_loudly(heard, caplog):
    with caplog.at_level(logging.WARNING, "phosphene"):
        second = osc.Input(port=heard.port)
    try:
        assert heard.port < second.port <= heard.port + 10
        assert str(second.port) in caplog.text and "busy" in caplog.text
        send(second, message("/x", "f", 1.0))
        assert events(second, 1) == [("osc/x", 1.0)]
        assert heard.poll(TICK) == []
    finally:
        second.close()


def test_ten_busy_ports_are_too_many(heard, monkeypatch):
    monkeypatch.setattr(osc, "PORTS_TRIED", 1)
    with pytest.raises(Unavailable, match=f"{heard.port}.*choose another port"):
        osc.Input(port=heard.port)


def test_an_interface_that_is_not_here_is_unavailable():
    with pytest.raises(Unavailable, match=r"192\.0\.2\.77"):
        osc.Input(port=0, host="192.0.2.77")


def test_a_port_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"range 0\.\.65535, got 77700"):
        osc.Input(port=77700)


def test_it_says_where_it_listens(caplog):
    with caplog.at_level(logging.INFO, "phosphene"):
        local, network = osc.Input(port=0), osc.Input(port=0, host="0.0.0.0")
    try:
        assert f"127.0.0.1:{local.port}, this computer only" in caplog.messages[0]
        assert "the network" in caplog.messages[1]
        for address in osc.network_addresses():
            assert f"{address}:{network.port}" in caplog.messages[1]
        send(network, message("/x", "f", 1.0))
        assert events(network, 1) == [("osc/x", 1.0)]
    finally:
        local.close()
        network.close()


def test_the_addresses_of_this_computer_can_be_reached():
    reachable = osc.network_addresses()
    if not reachable:
        pytest.skip("this computer is on no network")
    network = osc.Input(port=0, host="0.0.0.0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for address in reachable:
            sender.sendto(message("/x", "f", 1.0), (address, network.port))
    assert len(events(network, len(reachable))) == len(reachable)
    network.close()


def test_closing_is_prompt_and_may_be_repeated():
    for host in ("127.0.0.1", "0.0.0.0"):
        heard = osc.Input(port=0, host=host)
        begin = time.monotonic()
        heard.close()
        heard.close()
        assert time.monotonic() - begin < 1.0
        assert not heard.thread.is_alive()
        osc.Input(port=heard.port, host=host).close()  # the port is free again


# Other people's senders


def test_python_osc_is_understood(heard):
    outer, inner = OscBundleBuilder(int(time.time()) + 60), OscBundleBuilder(0)
    for builder, address in ((inner, "/b"), (outer, "/a")):
        content = OscMessageBuilder(address)
        content.add_arg(0.5)
        builder.add_content(content.build())
    outer.add_content(inner.build())
    client = SimpleUDPClient("127.0.0.1", heard.port)
    client.send(outer.build())
    client.send_message("/walk/xy", [0.25, 0.75])
    client.send_message("/walk/jump", [])
    client.send_message("/freeze", True)
    assert events(heard, 5) == [
        ("osc/a", 0.5),
        ("osc/b", 0.5),
        ("osc/walk/xy", 0.75),
        ("osc/walk/jump", None),
        ("osc/freeze", 1.0),
    ]


@pytest.mark.skipif(not shutil.which("oscsend"), reason="oscsend is missing: apt install liblo-tools")
@pytest.mark.parametrize(
    ("tags", "words", "values"),
    [
        ("f", ["0.5"], [0.5]),
        ("i", ["3"], [3.0]),
        ("h", ["4294967296"], [4294967296.0]),
        ("d", ["0.1"], [0.1]),
        ("s", ["on"], [1.0]),
        ("S", ["0.25"], [0.25]),
        ("c", ["7"], [7.0]),
        ("T", [], [1.0]),
        ("F", [], [0.0]),
        ("N", [], [None]),
        ("I", [], [None]),
        ("iif", ["1", "2", "0.75"], [0.75]),
        ("", [], [None]),
    ],
)
def test_oscsend_is_understood(heard, tags, words, values):
    given_tags = [tags] if tags else []
    subprocess.run(["oscsend", "127.0.0.1", str(heard.port), "/phosphene/walk/speed", *given_tags, *words], check=True)
    assert events(heard, len(values)) == [("osc/walk/speed", value) for value in values]


# The tempo


def test_a_tempo_that_is_told_is_for_the_tempo_and_no_event(heard):
    assert heard.pulse() is None
    send(heard, message("/tempo/bpm", "f", 128.0), message("/walk/speed", "f", 1.0))
    assert events(heard, 1) == [("osc/walk/speed", 1.0)]
    _, reading = heard.pulse()
    assert (reading.period, reading.phase) == (60 / 128, None)


def test_a_beat_that_is_told_is_when_it_arrived(heard):
    send(heard, message("/tempo/bpm", "i", 60), message("/phosphene/tempo/beat", "i", 6), message("/last", "f", 0.0))
    assert events(heard, 1) == [("osc/last", 0.0)]
    when, reading = heard.pulse()
    assert reading.bar == 4 and reading.place + reading.phase == pytest.approx(2, abs=0.5)
    then, number = heard.told.beats[-1]
    assert number == 6 and reading.phase == pytest.approx(when - then, abs=1e-6)


def test_a_stroke_without_a_number_is_a_beat(heard):
    heard.inbox.waiting.extend(Event("osc/tempo/beat", None, 50 + n * 0.5) for n in range(3))
    heard.poll(TICK)
    assert heard.told.period() == pytest.approx(0.5)
