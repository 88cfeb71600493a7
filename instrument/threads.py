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


def settle(draw: Callable[[], object], fps: float) -> tuple[int, float]:
    """Draw on one thread from now on, if that fits a frame with time to spare; answers on how many, and seconds on one.

    What is set here counts in the calling thread.
    """
    torch.set_num_threads(1)
    laps = []
    for _ in range(PICTURES):
        begun = time.perf_counter()
        draw()
        laps.append(time.perf_counter() - begun)
    if median(laps) > ENOUGH / fps:
        torch.set_num_threads(ALL)
    return torch.get_num_threads(), median(laps)


def other_threads() -> bool:
    """Draw on all threads from now on instead of one, or on one instead of all; False where there is only one."""
    if ALL > 1:
        torch.set_num_threads(ALL if torch.get_num_threads() == 1 else 1)
    return ALL > 1


def draw_on(threads: int | None) -> None:
    """Draw on so many threads from now on; None changes nothing."""
    if threads is not None:
        torch.set_num_threads(threads)
