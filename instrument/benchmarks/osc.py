"""OSC under load: 2,000 messages a second from another process while a picture plays.

Target: none lost, no growth of memory, and p99 of age_ms within one frame and its rendering.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from instrument import catalog
from instrument.benchmarks.stage import rig
from instrument.clock import Real
from instrument.perform import perform
from instrument.report import Meter
from instrument.show import Show

SENDER = """
import socket, sys, time
from pythonosc.osc_message_builder import OscMessageBuilder
port, rate, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
packets = []
for number in range(rate):
    message = OscMessageBuilder(["/walk/speed", "/walk/push", "/generator/truncation", "/kick/octaves"][number % 4])
    message.add_arg(number / rate)
    packets.append(message.build().dgram)
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
start, sent, total = time.perf_counter(), 0, int(rate * seconds)
while sent < total:
    for _ in range(min(int((time.perf_counter() - start) * rate), total) - sent):
        out.sendto(packets[sent % rate], ("127.0.0.1", port))
        sent += 1
    time.sleep(0.002)
print(sent)
"""


def measure(show: Show, seconds: float, rate: int = 2000) -> dict[str, Any]:
    """Messages sent and received, ages, and resident memory after a quarter of the time and at the end."""
    played = rig(show)
    osc = catalog.plug("inputs", "osc")(port=0)
    played.inputs = {"osc": osc}
    played.warm()
    command = [sys.executable, "-c", SENDER, str(osc.port), str(rate), str(seconds)]
    memory: list[int] = []

    class Watched(Real):
        """A clock that looks at memory a hundred times."""

        def __iter__(self):  # type: ignore[no-untyped-def]
            for tick in super().__iter__():
                if tick.index % max(1, round(seconds * self.fps / 100)) == 0:
                    memory.append(resident_kilobytes())
                yield tick

    clock = Watched(show.fps, 120, seconds + 1.5)
    meter = Meter(played, clock)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sender:
        try:
            perform(played, meter)
            sent = int(sender.communicate()[0])
        finally:
            played.close()
    report = meter.final()
    bound = 1000 / show.fps + (report["frame_ms"]["p99"] or 0)
    return {
        "sent": sent,
        "received": report["events"]["osc"],
        "rejected": osc.rejected,
        "age_ms": report["age_ms"],
        "age_bound_ms": round(bound, 2),
        "frame_ms": report["frame_ms"],
        "missed_ticks": report["missed_ticks"],
        "frames": report["frames"],
        "memory_growth_kb": memory[-1] - memory[len(memory) // 4] if memory else None,
        "target": "received = sent, age_ms p99 within age_bound_ms, no growth",
    }


def resident_kilobytes() -> int:
    """Memory of this process; 0 where /proc is not there to tell."""
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(fields["VmRSS"].split()[0])
    except (OSError, KeyError):
        return 0
