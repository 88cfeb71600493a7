"""On how many of the processor's threads a show draws: on one, where one is quick enough.

Two threads that share a picture wait for each other some hundred times in it. On a quiet machine that costs little; where
sound, an encoder or a browser wants a core, one of them waits for its turn each time, and pictures take several times as
long (measured with `phosphene bench executors`).
"""

import time
from collections.abc import Callable
from statistics import median

import torch

ALL = torch.get_num_threads()
PICTURES, ENOUGH = 7, 0.75  # how many are tried; the share of a frame's time that one thread may take


def settle(draw: Callable[[], object], fps: float) -> tuple[float, float | None]:
    """Draw on one thread from now on, if that fits a frame with time to spare or is quicker than all of them.

    Answers the seconds that a picture takes so, and those on the other number, where that was tried. What is set here counts
    in the calling thread.
    """
    torch.set_num_threads(1)
    on_one = lasting(draw)
    if on_one <= ENOUGH / fps or ALL == 1:
        return on_one, None
    torch.set_num_threads(ALL)
    on_all = lasting(draw)
    if on_all < on_one:
        return on_all, on_one
    torch.set_num_threads(1)
    return on_one, on_all


def lasting(draw: Callable[[], object]) -> float:
    """Seconds that a picture takes."""
    laps = []
    for _ in range(PICTURES):
        begun = time.perf_counter()
        draw()
        laps.append(time.perf_counter() - begun)
    return median(laps)


def other_threads() -> bool:
    """Draw on all threads from now on instead of one, or on one instead of all; False where there is only one."""
    if ALL > 1:
        torch.set_num_threads(ALL if torch.get_num_threads() == 1 else 1)
    return ALL > 1


def draw_on(threads: int | None) -> None:
    """Draw on so many threads from now on; None changes nothing."""
    if threads is not None:
        torch.set_num_threads(threads)
