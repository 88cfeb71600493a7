"""The live picture, what is heard and the running report on a web page: the one place that imports aiohttp."""

import asyncio
import ipaddress
import json
import logging
import math
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from aiohttp import WSCloseCode, WSMsgType, web
from numpy.typing import NDArray

from instrument.flow import Frame
from instrument.images import jpeg, resized
from instrument.plugs import Delivery, Unavailable

log = logging.getLogger("phosphene")

PAGE = Path(__file__).with_name("preview.html")
HEADER = struct.Struct("<Id")  # 12 bytes before each JPEG: the frame's number, its time in ms
QUALITY = 85
LEAST_SECONDS = 0.03  # between two pictures: about 30 a second are plenty to watch by
REPORT_SECONDS = 0.25
MONITOR_SECONDS = 1 / 30  # between two looks at the beat and at what is heard; the page draws what lies between
PORTS_TRIED = 20

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Output:
    """A web page at http://host:port/ with the live picture, `width` pixels wide at most, what is heard, and the report.

    `/status` is the report as JSON, `/frame.jpg` the latest picture. Each client has one picture and one look at what is
    heard under way at a time, so a slow one sees fewer and holds up nobody; while nobody watches, nothing is encoded or
    looked at. A port that is taken is answered with the next free one. Raises ValueError for a host this machine does not
    have, Unavailable if no port is free.
    """

    delivery: ClassVar[Delivery] = "latest"
    target: ClassVar[str | None] = "port"

    def __init__(
        self,
        *,
        port: int = 7780,
        host: str = "127.0.0.1",
        width: int = 640,
        status: Callable[[], dict[str, Any]],
        monitor: Callable[[int], dict[str, Any]],
    ) -> None:
        if not 0 <= port <= 65535:
            raise ValueError(f"preview: a port is in 0..65535, got {port}")
        if width < 16:
            raise ValueError(f"preview: width is at least 16 pixels, got {width}")
        self.host, self.width, self.status, self.monitor = host, width, status, monitor
        self.frame: Frame | None = None
        self.sent_at = self.reported_at = -math.inf
        self.text = "{}"
        self.viewers: set[Viewer] = set()
        self.sockets: set[web.WebSocketResponse] = set()
        self.socket = free_socket(host, port)
        self.port: int = self.socket.getsockname()[1]
        if port not in (0, self.port):
            log.warning("preview: port %d is taken, so the preview is at port %d", port, self.port)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="preview server", daemon=True)
        self.thread.start()
        self.runner = asyncio.run_coroutine_threadsafe(self.serve(), self.loop).result(10)
        log.info("preview: open http://%s:%d/", address(host), self.port)

    def show(self, frame: Frame) -> None:
        """Take the newest frame, and encode it for those who are ready for one."""
        self.frame = frame
        waiting = [viewer for viewer in tuple(self.viewers) if viewer.ready]
        if waiting and not 0 <= frame.tick.time - self.sent_at < LEAST_SECONDS:
            self.sent_at = frame.tick.time
            packet = packet_of(frame, self.width)
            for viewer in waiting:
                self.loop.call_soon_threadsafe(viewer.offer, packet)

    def close(self) -> None:
        """Tell the viewers goodbye and free the port."""
        self.frame = None
        asyncio.run_coroutine_threadsafe(self.runner.cleanup(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()

    async def serve(self) -> web.AppRunner:
        """Start answering on the socket."""
        application = web.Application(middlewares=[self.only_own_pages])
        application.add_routes(
            [
                web.get("/", self.page),
                web.get("/live", self.live),
                web.get("/monitor", self.monitored),
                web.get("/status", self.report),
                web.get("/frame.jpg", self.picture),
            ]
        )
        application.on_response_prepare.append(closed_to_others)
        application.on_shutdown.append(self.goodbye)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        await web.SockSite(runner, self.socket).start()
        return runner

    @web.middleware
    async def only_own_pages(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse what another website sends through a viewer's browser (DNS rebinding, cross-site sockets)."""
        origin = request.headers.get("Origin")
        try:
            own = self.is_own(request.host) and (origin is None or urlsplit(origin).netloc == request.host)
        except ValueError:  # what is sent is no address at all
            own = False
        if not own:
            raise web.HTTPForbidden(text=f"this preview is not for pages of {origin or request.host}")
        return await handler(request)

    def is_own(self, host_header: str) -> bool:
        """Whether a Host header is a name of this server, not one that somebody else's DNS points here."""
        name = urlsplit(f"//{host_header}").hostname or ""
        if name in ("localhost", "127.0.0.1", "::1", self.host):
            return True
        if self.host not in ("0.0.0.0", "::", ""):  # bound to one address only
            return False
        return is_address(name) or name in (socket.gethostname().lower(), f"{socket.gethostname()}.local".lower())

    async def page(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text=PAGE.read_text("utf-8"), content_type="text/html")

    async def report(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(text=self.report_text())

    async def picture(self, request: web.Request) -> web.StreamResponse:
        if self.frame is None:
            raise web.HTTPServiceUnavailable(text="no picture yet", headers={"Retry-After": "1"})
        packet = await asyncio.to_thread(packet_of, self.frame, self.width)
        return web.Response(body=packet[HEADER.size :], content_type="image/jpeg")

    async def live(self, request: web.Request) -> web.StreamResponse:
        """One viewer's socket: pictures and reports go out; whatever it says acknowledges the last picture."""
        web_socket = await self.opened(request)
        viewer = Viewer(web_socket)
        if self.frame is not None:  # a show that stands still still has a picture
            viewer.offer(await asyncio.to_thread(packet_of, self.frame, self.width))
        self.viewers.add(viewer)
        tasks = [asyncio.create_task(viewer.pictures()), asyncio.create_task(viewer.reports(self.report_text))]
        try:
            async for _ in web_socket:
                viewer.acknowledge()
        finally:
            self.viewers.discard(viewer)
            for task in tasks:
                task.cancel()
        return web_socket

    async def monitored(self, request: web.Request) -> web.StreamResponse:
        """The beat and what is heard, over and over; each look once whatever the viewer says acknowledges the one before.

        A socket of its own, because a beat must not wait behind a picture.
        """
        web_socket = await self.opened(request)
        heard = 0
        with suppress(ConnectionError):  # it may go at any moment
            while not web_socket.closed:
                began = self.loop.time()
                look, heard = self.look(heard)
                await web_socket.send_str(look)
                if (await web_socket.receive()).type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    break
                await asyncio.sleep(began + MONITOR_SECONDS - self.loop.time())
        return web_socket

    async def opened(self, request: web.Request) -> web.WebSocketResponse:
        """A viewer's socket, which is closed with the preview."""
        web_socket = web.WebSocketResponse(heartbeat=10, timeout=0.5, max_msg_size=1024, compress=False)
        await web_socket.prepare(request)
        self.sockets = {other for other in self.sockets if not other.closed} | {web_socket}
        return web_socket

    async def goodbye(self, application: web.Application) -> None:
        closing = [web_socket.close(code=WSCloseCode.GOING_AWAY) for web_socket in self.sockets]
        await asyncio.gather(*closing, return_exceptions=True)

    def report_text(self) -> str:
        """The running report as JSON, drawn up at most once in `REPORT_SECONDS` however many watch."""
        if self.loop.time() - self.reported_at >= REPORT_SECONDS * 0.8:
            self.reported_at = self.loop.time()
            try:
                self.text = json.dumps(speakable(self.status()), allow_nan=False)
            except Exception as error:  # the picture goes on without its figures
                self.text = json.dumps({"faults": [f"no report: {error}"]})
        return self.text

    def look(self, heard: int) -> tuple[str, int]:
        """What the monitor says as JSON, and how many blocks of sound have been heard by now, of which so many were seen."""
        try:
            seen = speakable(self.monitor(heard))
            return json.dumps(seen, allow_nan=False), (seen.get("ears") or {}).get("blocks", heard)
        except Exception as error:  # the picture goes on without it
            return json.dumps({"fault": str(error)}), heard


class Viewer:
    """One open page: at most one picture under way to it. Everything but reading `ready` happens in the server loop."""

    def __init__(self, web_socket: web.WebSocketResponse) -> None:
        self.socket = web_socket
        self.ready = True
        self.packets: asyncio.Queue[bytes] = asyncio.Queue(1)

    def offer(self, packet: bytes) -> None:
        if self.ready:
            self.ready = False
            self.packets.put_nowait(packet)

    def acknowledge(self) -> None:
        self.ready = self.packets.empty()

    async def pictures(self) -> None:
        while True:
            await self.socket.send_bytes(await self.packets.get())

    async def reports(self, text: Callable[[], str]) -> None:
        while True:
            await self.socket.send_str(text())
            await asyncio.sleep(REPORT_SECONDS)


def packet_of(frame: Frame, width: int) -> bytes:
    """A frame as it goes over the socket: 12 bytes of number and time, then a JPEG at most `width` pixels wide."""
    pixels: NDArray[Any] = frame.pixels  # [H, W, 3] RGB
    if pixels.shape[1] > width:
        height = max(1, round(pixels.shape[0] * width / pixels.shape[1]))
        pixels = resized(pixels, width, height)
    return HEADER.pack(frame.tick.index & 0xFFFFFFFF, frame.tick.time * 1000) + jpeg(pixels, QUALITY)


def speakable(value: Any) -> Any:
    """The same report without what JSON cannot say: a number that is not one becomes null, anything else its text."""
    if isinstance(value, dict):
        return {str(key): speakable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [speakable(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


async def closed_to_others(request: web.Request, response: web.StreamResponse) -> None:
    """Headers that keep other sites from framing the page or showing its pictures in theirs."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Security-Policy"] = "frame-ancestors 'none'"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["X-Content-Type-Options"] = "nosniff"


def free_socket(host: str, port: int) -> socket.socket:
    """A listening socket at the first free port from `port` on (0: any port)."""
    try:
        family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        socket.create_server((host, 0), family=family).close()
    except OSError as error:
        raise ValueError(f"preview: this machine has no address {host!r} to listen at ({error})") from error
    for candidate in range(port, min(port + PORTS_TRIED, 65536)):
        try:
            return socket.create_server((host, candidate), family=family)
        except OSError:
            continue
    raise Unavailable(f"no free port from {port} on for the preview", "choose another: --output preview:9000")


def is_address(name: str) -> bool:
    """Whether a host name is an address in numbers, which no DNS server can point elsewhere."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def address(host: str) -> str:
    """The host as one types it into a browser, on this machine or, if all of its addresses serve, on another."""
    if host in ("0.0.0.0", "::", ""):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1", 9))  # an address of nobody: nothing is sent, the system picks our own
                host = probe.getsockname()[0]
            except OSError:
                host = "127.0.0.1"
    return f"[{host}]" if ":" in host else host
