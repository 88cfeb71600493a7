"""The preview in tests: served on a free port, fed with pictures, and watched through its sockets or a browser."""

import asyncio
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import aiohttp
import torch

from instrument.flow import Frame, Tick
from instrument.outputs.preview import Output

REPORT: dict[str, Any] = {
    "frames": 1234,
    "fps": 59.94,
    "missed_ticks": 7,
    "frame_ms": {"p50": 11.2, "p95": 13.4, "p99": 16.8, "max": 41.7},
    "age_ms": {"p50": 18.4, "p99": 31.2},
    "events": {"osc": 20, "midi": 0},
    "outputs": {"window": {"shown": 1230, "dropped": 4}},
    "faults": ["midi: nanoKONTROL2 was unplugged"],
}


def card(index: int, width: int = 64, height: int = 32) -> Frame:
    """Red on the left, blue on the right, at 60 frames a second."""
    image = torch.full((3, height, width), -1.0)
    image[0, :, : width // 2] = 1
    image[2, :, width // 2 :] = 1
    return Frame(image, Tick(index, index / 60, 1 / 60, 0.0))


@contextmanager
def served(status: Callable[[], dict[str, Any]] = lambda: REPORT, **settings: Any) -> Iterator[Output]:
    output = Output(**{"port": 0, "status": status, "monitor": lambda after: {}, **settings})
    try:
        yield output
    finally:
        output.close()


@contextmanager
def playing(output: Output, width: int = 64, height: int = 32) -> Iterator[None]:
    """Frames, as an output's own thread would show them."""
    stop = threading.Event()

    def run() -> None:
        index = 0
        while not stop.wait(1 / 60):
            output.show(card(index, width, height))
            index += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def fetch(output: Output, path: str, **headers: str) -> tuple[int, bytes]:
    """What the server answers: status and body."""
    request = urllib.request.Request(f"http://127.0.0.1:{output.port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def viewed(
    output: Output | int,
    watch: Callable[[aiohttp.ClientWebSocketResponse], Awaitable[Any]],
    path: str = "/live",
    **headers: str,
) -> None:
    """Open a socket of a preview, or of the one at a port, and watch it."""
    port = output if isinstance(output, int) else output.port

    async def view() -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"http://127.0.0.1:{port}{path}", headers=headers) as live,
        ):
            await watch(live)

    with ThreadPoolExecutor(1) as thread:  # in the tests' own, a browser's driver may have its loop
        thread.submit(lambda: asyncio.run(asyncio.wait_for(view(), 20))).result()


def wait_until(page: Any, true: Callable[[], bool], seconds: float = 30) -> None:
    """Ask the page again and again."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, page.content()[-2000:]
        page.wait_for_timeout(20)
