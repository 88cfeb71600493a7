"""The preview: a real server on a free port, WebSocket clients, and a real browser."""

import asyncio
import json
import logging
import math
import socket
import struct
import time
import urllib.error
import urllib.request
from typing import Any

import aiohttp
import cv2
import numpy as np
import pytest
from preview_page import REPORT, card, fetch, playing, served, viewed, wait_until

from instrument.flow import Frame
from instrument.outputs import preview
from instrument.outputs.preview import Output, free_socket


async def next_picture(live: aiohttp.ClientWebSocketResponse) -> tuple[int, float, np.ndarray[Any, Any]]:
    """The next picture: its number, its time in ms, its pixels in RGB."""
    while True:
        message = await live.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            number, milliseconds = struct.unpack("<Id", message.data[:12])
            bgr = cv2.imdecode(np.frombuffer(message.data[12:], np.uint8), cv2.IMREAD_COLOR)
            assert bgr is not None
            return number, milliseconds, bgr[:, :, ::-1]
        assert message.type is aiohttp.WSMsgType.TEXT


def test_pictures_come_with_number_and_time_once_acknowledged() -> None:
    async def watch(live: aiohttp.ClientWebSocketResponse) -> None:
        numbers = []
        for _ in range(5):
            number, milliseconds, pixels = await next_picture(live)
            assert math.isclose(milliseconds, number / 60 * 1000)
            assert pixels.shape == (32, 64, 3)
            assert np.abs(pixels[16, 8] - np.array([255, 0, 0])).max() < 8  # JPEG is not exact
            assert np.abs(pixels[16, 56] - np.array([0, 0, 255])).max() < 8
            numbers.append(number)
            await live.send_str(str(number))
        assert numbers == sorted(set(numbers))

    with served() as output, playing(output):
        viewed(output, watch)


def test_a_wide_picture_is_made_smaller_and_a_small_one_is_not_made_larger() -> None:
    with served(width=40) as output:
        for width, height, expected in ((128, 64, (20, 40, 3)), (32, 48, (48, 32, 3))):
            output.show(card(0, width, height))
            image = cv2.imdecode(np.frombuffer(fetch(output, "/frame.jpg")[1], np.uint8), cv2.IMREAD_COLOR)
            assert image is not None and image.shape == expected


def test_one_who_never_acknowledges_gets_one_picture_and_holds_up_nobody() -> None:
    async def watch(live: aiohttp.ClientWebSocketResponse) -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(live._response.url) as silent:
            await next_picture(silent)
            for _ in range(10):
                number, _, _ = await next_picture(live)
                await live.send_str(str(number))
            waiting = [await silent.receive() for _ in range(3)]
            assert all(message.type is aiohttp.WSMsgType.TEXT for message in waiting)  # reports go on

    with served() as output, playing(output):
        viewed(output, watch)


def test_reports_come_about_four_times_a_second() -> None:
    async def watch(live: aiohttp.ClientWebSocketResponse) -> None:
        started, reports = time.monotonic(), []
        for _ in range(5):
            reports.append(json.loads(await live.receive_str()))
        assert reports == [REPORT] * 5
        assert 0.7 < time.monotonic() - started < 4

    with served() as output:
        viewed(output, watch)


def test_a_show_that_stands_still_still_has_a_picture() -> None:
    async def watch(live: aiohttp.ClientWebSocketResponse) -> None:
        number, _, _ = await next_picture(live)
        assert number == 9

    with served() as output:
        assert fetch(output, "/frame.jpg")[0] == 503
        output.show(card(9))
        viewed(output, watch)


def test_nothing_is_encoded_while_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(frame: Frame, width: int) -> bytes:
        raise AssertionError("encoded for nobody")

    with served() as output:
        monkeypatch.setattr(preview, "packet_of", refuse)
        for index in range(10):
            frame = card(index)
            output.show(frame)
            assert "pixels" not in frame.__dict__  # not even brought over from the device


def test_the_report_is_json_whatever_is_in_it() -> None:
    odd = {"fps": math.nan, "frame_ms": {"p50": math.inf}, "faults": [ValueError("x")], 3: (1, True, None)}
    with served(status=lambda: odd) as output:
        status, body = fetch(output, "/status")
        assert status == 200
        assert json.loads(body) == {"fps": None, "frame_ms": {"p50": None}, "faults": ["x"], "3": [1, True, None]}


def test_a_report_that_fails_is_said_in_its_place() -> None:
    def broken() -> dict[str, Any]:
        raise RuntimeError("the meter is gone")

    with served(status=broken) as output:
        assert json.loads(fetch(output, "/status")[1]) == {"faults": ["no report: the meter is gone"]}


def test_a_taken_port_gives_the_next_free_one_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with free_socket("127.0.0.1", 0) as taken, caplog.at_level(logging.INFO, "phosphene"):
        taken.listen()
        port = taken.getsockname()[1]
        with served(port=port) as output:
            assert port < output.port < port + 20
            assert fetch(output, "/status")[0] == 200
        loud, quiet = caplog.records
        assert loud.levelno == logging.WARNING and f"port {port} is taken" in loud.message
        assert f"http://127.0.0.1:{output.port}/" in quiet.message


@pytest.mark.parametrize(
    ("settings", "match"),
    [({"port": 70000}, "0..65535"), ({"host": "192.0.2.1"}, "no address '192.0.2.1'"), ({"width": 2}, "at least 16")],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Output(**{"port": 0, "status": dict, "monitor": dict, **settings})


@pytest.mark.parametrize("path", ["/", "/status", "/frame.jpg", "/live"])
def test_foreign_pages_are_refused(path: str) -> None:
    with served() as output:
        output.show(card(0))
        assert fetch(output, path, Host="evil.example")[0] == 403  # its DNS may point here
        assert fetch(output, path, Host=f"evil.example:{output.port}")[0] == 403
        assert fetch(output, path, Host="[")[0] == 403, "no address at all"
        for origin in ("http://evil.example", "null", "http://localhost:3000", "http://["):
            assert fetch(output, path, Origin=origin)[0] == 403
        with pytest.raises(aiohttp.WSServerHandshakeError):
            viewed(output, next_picture, Origin="http://evil.example")  # type: ignore[arg-type]


def test_own_names_are_answered() -> None:
    with served() as output:
        for name in ("localhost", "127.0.0.1", "[::1]"):
            assert fetch(output, "/status", Host=f"{name}:{output.port}")[0] == 200
            own = f"http://{name}:{output.port}"
            assert fetch(output, "/status", Host=f"{name}:{output.port}", Origin=own)[0] == 200


def test_served_to_everybody_it_answers_to_addresses_but_not_to_foreign_names() -> None:
    with served(host="0.0.0.0") as output:
        assert fetch(output, "/status", Host=f"192.168.1.20:{output.port}")[0] == 200
        assert fetch(output, "/status", Host=f"{socket.gethostname()}.local:{output.port}")[0] == 200
        assert fetch(output, "/status", Host=f"evil.example:{output.port}")[0] == 403


def test_pictures_cannot_be_shown_by_other_sites() -> None:
    with served() as output:
        output.show(card(0))
        with urllib.request.urlopen(f"http://127.0.0.1:{output.port}/frame.jpg", timeout=10) as answer:
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["Content-Type"] == "image/jpeg"


def test_closing_is_quick_while_watched_and_frees_the_port() -> None:
    async def watch(live: aiohttp.ClientWebSocketResponse) -> None:
        await next_picture(live)
        started = time.monotonic()
        await asyncio.to_thread(output.close)
        assert time.monotonic() - started < 2
        while (message := await live.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)

    output = Output(port=0, status=lambda: REPORT, monitor=lambda after: {})
    output.show(card(0))
    viewed(output, watch)
    assert not output.thread.is_alive()
    free_socket("127.0.0.1", output.port).close()
    output.show(card(1))  # a frame that was still under way does no harm


def text_of(page: Any) -> str:
    return str(page.evaluate("document.getElementById('report').innerText"))


def drawn(page: Any) -> int:
    return int(page.evaluate("+document.getElementById('picture').dataset.drawn || 0"))


def test_the_page_shows_the_picture_and_the_report(browser: Any) -> None:
    page, errors, requests = browser.new_page(), [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    with served() as output, playing(output, 320, 320):
        page.goto(f"http://127.0.0.1:{output.port}/")
        wait_until(page, lambda: drawn(page) >= 5)
        script = (
            "[60, 260].map(x => [...document.querySelector('canvas').getContext('2d').getImageData(x, 99, 1, 1).data])"
        )
        left, right = page.evaluate(script)
        assert np.abs(np.subtract(left, [255, 0, 0, 255])).max() < 8
        assert np.abs(np.subtract(right, [0, 0, 255, 255])).max() < 8
        assert page.evaluate("(({width, height}) => [width, height])(document.querySelector('canvas'))") == [320, 320]
        wait_until(page, lambda: "59.9" in text_of(page))
        told = text_of(page)
        for part in ("1,234", "11.2", "13.4", "16.8", "41.7", "18.4", "31.2", "osc", "midi", "window", "1,230"):
            assert part in told
        fault = page.locator("#fault_list .row")
        assert fault.inner_text() == REPORT["faults"][0]
        red, green, blue = map(
            int, fault.evaluate("e => getComputedStyle(e).color").removeprefix("rgb(")[:-1].split(",")
        )
        assert red > 200 and green < 130 and blue < 130
        assert not errors
        assert all(f"127.0.0.1:{output.port}/" in url or url.startswith("data:") for url in requests)
    page.close()


def test_the_page_fits_a_phone_and_bears_an_empty_report(browser: Any) -> None:
    page, errors = browser.new_page(viewport={"width": 390, "height": 844}), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    with served(status=dict) as output, playing(output, 64, 64):
        page.goto(f"http://127.0.0.1:{output.port}/")
        wait_until(page, lambda: drawn(page) >= 3)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.locator("canvas").bounding_box()["width"] >= 380
        assert not page.locator("#faults").is_visible()
    assert not errors
    page.close()


def test_the_page_comes_back_with_the_instrument(browser: Any) -> None:
    page = browser.new_page()
    with served() as output, playing(output):
        page.goto(f"http://127.0.0.1:{output.port}/")
        wait_until(page, lambda: drawn(page) >= 2)
    wait_until(page, lambda: "waiting for the instrument" in page.inner_text("body") and away(page))
    before = drawn(page)
    with served(port=output.port) as again, playing(again):
        assert again.port == output.port
        wait_until(page, lambda: drawn(page) > before + 2 and not away(page))
    page.close()


def away(page: Any) -> bool:
    return bool(page.evaluate("document.body.classList.contains('away')"))
