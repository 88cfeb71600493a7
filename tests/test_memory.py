"""Running out of memory, in the words of each that runs out of it."""

import pytest
import torch

from instrument.memory import enough_memory

CPU = "[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
WINDOWS = (
    "[enforce fail at alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."
)


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError(CPU), RuntimeError(WINDOWS), torch.OutOfMemoryError("CUDA out of memory. Tried to")],
)
def test_a_shortage_is_one_line_that_says_what_needs_less(error: Exception) -> None:
    with (
        pytest.raises(
            MemoryError, match=r"^there is not enough memory for this; a smaller --size or model needs less$"
        ),
        enough_memory(),
    ):
        raise error


def test_any_other_error_passes_as_it_is() -> None:
    with pytest.raises(RuntimeError, match="size of tensor"), enough_memory():
        raise RuntimeError("The size of tensor a must match")


def test_what_torch_says_here_is_known() -> None:
    with pytest.raises(MemoryError, match="not enough memory"), enough_memory():
        torch.empty(1 << 60, dtype=torch.uint8)
