"""From the command to the first picture, in a process of its own: target under 6 s."""

import subprocess
import sys
import time
from statistics import median
from typing import Any

from instrument.show import Show

ONE_FRAME = ["play", "--audio", "demo", "--output", "none", "--seconds", "0.02", "--osc-port", "0"]


def measure(show: Show, seconds: float) -> dict[str, Any]:
    """Seconds that a show of one frame takes, from start to exit: an upper bound for its first picture."""
    times: list[float] = []
    while not times or (sum(times) < seconds and len(times) < 5):
        start = time.perf_counter()
        command = [sys.executable, "-m", "instrument", *ONE_FRAME, "--device", str(show.device)]
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return {
        "runs": len(times),
        "median_s": round(median(times), 2),
        "worst_s": round(max(times), 2),
        "target": "under 6 s",
    }
