"""What the preview shows of the beat and of what is heard: real shows, real sockets, and a real browser."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from command_line import QUICK, kicks, running
from parts import rig_of
from preview_page import fetch, served, viewed, wait_until

from instrument.clock import Real
from instrument.inputs.audio import Input
from instrument.outputs.preview import Output
from instrument.perform import perform
from instrument.plugs import Closed
from instrument.report import Meter
from instrument.sound import soundcard
from instrument.tempo import Tempo

TEMPO = {"bpm": 120.0, "sure": 0.9, "locked": False, "from": "midi", "speed": 2.0, "bar": 4}
EARS = {
    "source": "USB",
    "gone": False,
    "silent": False,
    "blocks": 9,
    "levels": {"level": 0.5, "bass": 1.0, "mid": 0.25, "high": 0.0},
    "spectrum": [50] * 46,
    "onsets": [],
}


class Monitor:
    """Says where the beat is in a show that began with it, at 120 beats a minute, and this of what is heard."""

    def __init__(self, ears: dict[str, Any] | None = None) -> None:
        self.began, self.tempo, self.ears = time.perf_counter(), TEMPO, ears
        self.asked: list[int] = []

    def __call__(self, after: int) -> dict[str, Any]:
        self.asked.append(after)
        now = time.perf_counter() - self.began
        ears = {"time": now, **self.ears} if self.ears else None
        return {"now": now, "tempo": {**self.tempo, "time": now, "beat": 2 * now, "place": 2 * now % 4}, "ears": ears}


class Stopping:
    """An input that ends the show."""

    def __init__(self) -> None:
        self.stop = threading.Event()

    def poll(self, tick: Any) -> list[Any]:
        if self.stop.is_set():
            raise Closed
        return []

    def close(self) -> None:
        """Nothing is held open."""


@contextmanager
def show(tempo: Tempo, **inputs: Any) -> Iterator[tuple[Output, Meter]]:
    """A show that plays on, on the wall clock, with its preview."""
    meters: list[Meter] = []
    output = Output(port=0, status=lambda: meters[0].snapshot(), monitor=lambda after: meters[0].monitor(after))
    stopping = Stopping()
    rig = rig_of(inputs={**inputs, "end": stopping}, outputs={"preview": output}, tempo=tempo, strict=True)
    meters.append(Meter(rig, Real(30, tempo)))
    thread = threading.Thread(target=perform, args=(rig, meters[0]))
    thread.start()
    try:
        yield output, meters[0]
    finally:
        stopping.stop.set()
        thread.join()
        rig.close()


@contextmanager
def opened(browser: Any, output: Output, width: int = 1280, height: int = 800) -> Iterator[Any]:
    """The preview in a browser, once it shows a beat. An error in the page is one of the test."""
    page, errors = browser.new_page(viewport={"width": width, "height": height}), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        page.goto(f"http://127.0.0.1:{output.port}/")
        wait_until(page, lambda: page.evaluate("'lit' in document.getElementById('lamps').dataset"))
        yield page
    finally:
        page.close()
    assert not errors


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kicks(tmp_path_factory.mktemp("songs") / "kicks.wav")


@pytest.fixture(autouse=True)
def no_sound_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """The computer that runs the tests plays nothing."""
    monkeypatch.setattr(soundcard, "portaudio_library", lambda: None)


def lit(page: Any) -> int:
    return int(page.evaluate("+document.getElementById('lamps').dataset.lit"))


def visible(page: Any, *names: str) -> list[bool]:
    return [page.locator(f"#{name}").is_visible() for name in names]


# --- the socket


async def looked(live: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    """The next look, acknowledged."""
    found = json.loads(await live.receive_str())
    await live.send_str("seen")
    assert isinstance(found, dict)
    return found


def test_nothing_is_looked_at_while_nobody_watches() -> None:
    monitor = Monitor()

    async def watch(live: aiohttp.ClientWebSocketResponse) -> None:
        await live.receive_str()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(live.receive(), 0.3)  # not before it has been acknowledged
        assert len(monitor.asked) == 1
        await live.send_bytes(b"seen")  # any message will do
        await live.receive_str()

    with served(monitor=monitor) as output:
        assert monitor.asked == []
        viewed(output, watch, "/monitor")
        wait = threading.Event()
        while output.sockets and not all(gone.closed for gone in output.sockets):
            wait.wait(0.01)
        asked = len(monitor.asked)
        assert not wait.wait(0.3) and len(monitor.asked) == asked == 2


def test_looks_come_about_thirty_times_a_second_and_ask_for_what_is_new() -> None:
    monitor = Monitor(EARS)

    async def watch(live: aiohttp.ClientWebSocketResponse) -> None:
        began = time.monotonic()
        for _ in range(30):
            await looked(live)
        assert 0.9 < time.monotonic() - began < 5

    with served(monitor=monitor) as output:
        viewed(output, watch, "/monitor")
    assert monitor.asked[:3] == [0, 9, 9]


def test_two_who_watch_are_each_told_everything(song: Path) -> None:
    heard = Input(source=str(song), live=True)
    told: list[list[float]] = []

    async def watch(live: aiohttp.ClientWebSocketResponse) -> None:
        onsets: list[float] = []
        while len(onsets) < 6:
            ears = (await looked(live))["ears"]
            onsets += [when for when, band, _ in ears["onsets"] if band == "bass"]
            await asyncio.sleep(0.05 * len(told))  # the second is slower
        told.append(onsets)

    with show(Tempo(120.0), audio=heard) as (output, _):
        viewed(output, watch, "/monitor")
        viewed(output, watch, "/monitor")
        truth = [round(onset.time, 4) for onset in heard.meters.onsets if onset.band == "bass"]
    for onsets in told:
        assert onsets == truth[: len(onsets)] and len(set(onsets)) == len(onsets)


def test_a_monitor_that_fails_is_said_and_asked_again() -> None:
    def broken(after: int) -> dict[str, Any]:
        raise RuntimeError("no ears")

    async def watch(live: aiohttp.ClientWebSocketResponse) -> None:
        assert await looked(live) == await looked(live) == {"fault": "no ears"}

    with served(monitor=broken) as output:
        viewed(output, watch, "/monitor")


def test_foreign_pages_cannot_listen() -> None:
    with served(monitor=Monitor()) as output:
        assert fetch(output, "/monitor", Host="evil.example")[0] == 403
        assert fetch(output, "/monitor", Origin="http://evil.example")[0] == 403


def test_closing_is_quick_while_somebody_watches() -> None:
    async def watch(live: aiohttp.ClientWebSocketResponse) -> None:
        await live.receive_str()
        began = time.monotonic()
        await asyncio.to_thread(output.close)
        assert time.monotonic() - began < 2

    output = Output(port=0, status=dict, monitor=Monitor())
    viewed(output, watch, "/monitor")
    assert not output.thread.is_alive()


# --- the lamps


WATCH = """seconds => new Promise(done => {
  const found = [], began = performance.now(), lamps = document.getElementById("lamps");
  const look = () => {
    found.push([+lamps.dataset.time, +lamps.dataset.beat, +lamps.dataset.lit, lamps.children.length]);
    performance.now() - began < 1000 * seconds ? requestAnimationFrame(look) : done(found);
  };
  look();
})"""


def test_the_lamps_go_with_the_shows_own_clock(browser: Any) -> None:
    tempo = Tempo(150.0, bar=3)
    with show(tempo) as (output, meter), opened(browser, output) as page:
        frames = page.evaluate(WATCH, 3)
        before = time.perf_counter() - meter.began
        shown = page.evaluate("performance.now() / 1000 - apart")
        after = time.perf_counter() - meter.began
        assert before - 0.1 < shown < after + 0.01, "at most as late as the message is on its way"
    assert {lamps for *_, lamps in frames} == {3}
    for when, beat, place, _ in frames:
        assert beat == pytest.approx(tempo.beat(when), abs=0.002)  # which is sent to four digits
        assert place == int(tempo.place(beat))
    turns = [(late[2] - early[2]) % 3 for early, late in pairwise(frames) if late[2] != early[2]]
    assert len(turns) in (7, 8) and set(turns) == {1}, "each lamp in its turn"


def test_a_beat_that_the_performer_taps_and_another_bar_are_seen(browser: Any) -> None:
    tempo = Tempo(60.0)
    with show(tempo) as (output, meter), opened(browser, output) as page:
        assert visible(page, "lamps") == [True] and page.locator("#lamps i").count() == 4
        assert page.locator("#leads").inner_text() == "by itself"
        now = meter.position.time
        for n in range(4):
            tempo.tap(now + n / 2)
        tempo.begin_bar(round(tempo.beat(now + 1.5)), 7)
        wait_until(page, lambda: page.locator("#leads").inner_text() == "tapped")
        wait_until(page, lambda: page.locator("#bpm").inner_text() == "120.0")
        wait_until(page, lambda: page.locator("#lamps i").count() == 7)
        boxes = [lamp.bounding_box() for lamp in page.locator("#lamps i").all()]
        assert all(left["x"] + left["width"] < right["x"] for left, right in pairwise(boxes))
        assert boxes[-1]["x"] + boxes[-1]["width"] < page.locator("#clock").bounding_box()["x"] + 400
        first, second = (page.locator(f"#lamps i:nth-child({n})").evaluate(BORDER) for n in (1, 2))
        assert first != second, "the one is another"


BORDER = "lamp => getComputedStyle(lamp).borderColor + getComputedStyle(lamp).borderRadius"


def test_between_messages_the_page_runs_on_and_without_any_the_lamps_go_out(browser: Any) -> None:
    with served(monitor=Monitor()) as output, opened(browser, output) as page:
        page.evaluate("WebSocket.prototype.send = () => {}")  # so that no further message comes
        frames = page.evaluate(WATCH, 1)
        assert frames[-1][1] - frames[0][1] == pytest.approx(2 * (frames[-1][0] - frames[0][0]), abs=0.001)
        assert frames[-1][0] - frames[0][0] > 0.8
        wait_until(page, lambda: lit(page) == -1)


def test_lamps_are_dim_while_the_tempo_is_not_sure(browser: Any) -> None:
    monitor = Monitor()
    with served(monitor=monitor) as output, opened(browser, output) as page:
        for sure, locked, opacity in ((0.9, False, 0.93), (0.1, False, 0.37), (0.1, True, 1)):
            monitor.tempo = {**TEMPO, "sure": sure, "locked": locked}
            page.wait_for_function(f"Math.abs(getComputedStyle(lamps).opacity - {opacity}) < 0.01")


# --- what is heard


def test_every_onset_is_one_tick_at_its_time_and_on_its_row(browser: Any) -> None:
    heard = Input(source="demo", live=True)
    with show(Tempo(120.0), audio=heard) as (output, _), opened(browser, output) as page:
        wait_until(page, lambda: float(page.evaluate("+document.getElementById('lamps').dataset.time")) > 6)
        now, ticks = page.evaluate(
            """[+document.getElementById("lamps").dataset.time, [...document.querySelectorAll(".onset")].map(line =>
            [onsets.find(onset => onset.element === line).time, line.classList[1], line.getAttribute("y2")])]"""
        )
    rows = {"high": (0, 1), "mid": (1, 2), "bass": (2, 3)}
    assert all(rows[band][0] < float(top) < rows[band][1] for _, band, top in ticks)
    truth = sorted((round(onset.time, 4), onset.band) for onset in heard.meters.onsets)
    truth = [(when, band) for when, band in truth if now - 4 < when < now - 0.5]  # the newest are still on their way
    shown = sorted((when, band) for when, band, _ in ticks if now - 4 < when < now - 0.5)
    assert len(truth) > 20 and shown == truth


def test_beats_and_onsets_of_a_steady_song_coincide_on_the_strip(browser: Any, song: Path) -> None:
    heard = Input(source=str(song), live=True)
    with show(Tempo(97.0), audio=heard) as (output, _), opened(browser, output) as page:
        wait_until(page, lambda: "heard" in page.locator("#leads").inner_text())
        begun = float(page.evaluate("+document.getElementById('lamps').dataset.time"))
        wait_until(page, lambda: float(page.evaluate("+document.getElementById('lamps').dataset.time")) > begun + 7)
        beats = page.evaluate("[...beats.values()].filter(beat => !beat.coming).map(beat => beat.time)")
        bass = page.evaluate("[...document.querySelectorAll('.onset.bass')].map(e => e.classList.contains('on'))")
        kicked = page.evaluate("onsets.filter(o => o.element.classList.contains('bass')).map(o => o.time)")
    assert len(bass) >= 5 and sum(bass) >= len(bass) - 1
    for kick in kicked[1:]:
        assert min(abs(kick - beat) for beat in beats) < 0.06


def test_levels_and_spectrum_are_drawn(browser: Any) -> None:
    with served(monitor=Monitor(EARS)) as output, opened(browser, output) as page:
        assert visible(page, "onsets", "spectrum", "levels", "lamps") == [True] * 4
        assert page.locator("#source").inner_text() == "USB"
        heights = "[...document.querySelectorAll('.meters i')].map(i => i.getBoundingClientRect().top)"
        wait_until(page, lambda: len(set(page.evaluate(heights))) == 4)
        whole, bass, mid, high = page.evaluate(heights)
        assert bass < whole < mid < high
        path = page.locator("#bands path")
        wait_until(page, lambda: path.get_attribute("d").count("M") == 46)


def test_a_peak_stays_and_then_falls(browser: Any) -> None:
    monitor = Monitor(EARS)
    with served(monitor=monitor) as output, opened(browser, output) as page:
        peak = "levels[1].peak"
        wait_until(page, lambda: page.evaluate(peak) == 1)
        monitor.ears = {**EARS, "levels": dict.fromkeys(EARS["levels"], 0.0)}
        wait_until(page, lambda: page.evaluate("levels[1].value") < 0.05)
        assert page.evaluate(peak) == 1
        wait_until(page, lambda: 0 < page.evaluate(peak) < 0.9)
        wait_until(page, lambda: page.evaluate(peak) < 0.05)


def test_what_is_silent_or_gone_is_said(browser: Any) -> None:
    monitor = Monitor(EARS)
    with served(monitor=monitor) as output, opened(browser, output) as page:
        trouble = page.locator("#trouble")
        assert not trouble.is_visible()
        for more, said in (
            ({"silent": True}, "silence"),
            ({"gone": True}, "USB is gone"),
            ({"time": 0.0}, "no sound comes in"),
        ):
            monitor.ears = {**EARS, **more}
            page.wait_for_function(f"!trouble.hidden && trouble.textContent === '{said}'")
        monitor.ears = EARS
        wait_until(page, lambda: not trouble.is_visible())


def test_a_show_that_hears_nothing_has_lamps_alone(browser: Any) -> None:
    with show(Tempo(120.0)) as (output, _), opened(browser, output) as page:
        assert visible(page, "lamps", "bpm") == [True, True]
        assert visible(page, "onsets", "spectrum", "levels") == [False] * 3


def test_without_a_clock_nothing_of_it_is_shown(browser: Any) -> None:
    page = browser.new_page()
    with served() as output:
        page.goto(f"http://127.0.0.1:{output.port}/")
        wait_until(page, lambda: "1,234" in page.inner_text("body"))
        assert visible(page, "monitor", "report") == [False, True]
    page.close()


def test_a_page_that_nobody_sees_is_told_nothing(browser: Any) -> None:
    monitor = Monitor(EARS)
    with served(monitor=monitor) as output, opened(browser, output) as page:
        page.evaluate("window.requestAnimationFrame = () => 0")  # as a tab in the background has it
        page.wait_for_timeout(200)
        asked = len(monitor.asked)
        page.wait_for_timeout(300)
        assert len(monitor.asked) == asked


@pytest.mark.parametrize(("width", "height"), [(390, 844), (844, 390), (1280, 800), (1920, 1080)])
def test_it_fits_the_screen_and_the_picture_is_the_main_thing(browser: Any, width: int, height: int) -> None:
    with served(monitor=Monitor(EARS)) as output, opened(browser, output, width, height) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        stage, monitor = (page.locator(name).bounding_box() for name in ("#stage", "#monitor"))
        assert monitor["y"] + monitor["height"] <= height + 1, "seen without scrolling"
        assert page.locator("#strip").bounding_box()["width"] > 150
        if width > height:
            assert stage["height"] > 0.6 * height
        page.locator("#stage").click()
        assert visible(page, "monitor", "stage") == [False, True]


# --- a show as a process


def test_a_show_tells_where_its_beat_is_and_what_it_hears(tmp_path: Path, song: Path) -> None:
    with running(tmp_path, "play", "--audio", song, "--output", "preview:0", *QUICK) as process:
        port = int(process.hears(r"preview: open http://127\.0\.0\.1:(\d+)/")[1])
        process.hears("Playing")
        told: list[dict[str, Any]] = []

        async def watch(live: aiohttp.ClientWebSocketResponse) -> None:
            while len(told) < 60 or not told[-1].get("ears"):
                told.append(await looked(live))

        viewed(port, watch, "/monitor")
        assert process.stopped() == 0
    told = [look for look in told if look]
    assert told[-1]["ears"]["source"] == "kicks.wav"
    nows = [look["now"] for look in told]
    assert nows == sorted(nows)
    assert all(look["tempo"]["bar"] == 4 and 0 <= look["tempo"]["place"] < 4 for look in told)
    assert all(look["tempo"]["time"] <= look["now"] for look in told)
