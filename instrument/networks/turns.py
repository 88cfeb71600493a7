"""Work on a processor that several threads share: each takes the next part of it whenever it has done its last one."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

import torch


def in_turns(parts: Iterable[int], work: Callable[[Iterator[int]], None]) -> None:
    """Have all parts worked on by as many threads as torch has; `work` is called in each, with the parts that it gets.

    Where this thread is interrupted it waits until the others have done those that they are at.
    """
    left = deque(parts)

    def taken() -> Iterator[int]:
        while left:
            try:
                part = left.popleft()
            except IndexError:  # another thread was faster
                return
            yield part

    others = list[Future[None]]()
    try:
        others.extend(pool().submit(work, taken()) for _ in range(min(torch.get_num_threads(), len(left)) - 1))
        work(taken())
    finally:
        left.clear()
        for other in others:
            if not other.cancel():  # it has begun
                other.result()


@cache
def pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), "turns")
