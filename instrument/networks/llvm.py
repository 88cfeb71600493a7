"""Functions for the processor at hand, written down in Python and turned into its own instructions by LLVM.

The one file that knows llvmlite. What is written is whole numbers, places in memory that hold float32, and vectors of so
many float32 as the processor works on at a time.
"""

import ctypes
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

try:
    from llvmlite import binding, ir
except (ImportError, OSError):  # it is an extra; it cannot be loaded
    binding = ir = None

BYTES = 4  # of a float32
LANES = {"avx512f": 16, "avx2": 8}  # numbers in a vector, by what a processor says it has
Function = Callable[..., None]  # takes the addresses of places, then whole numbers


@cache
def lanes() -> int:
    """How many numbers this processor works on at a time; 0 where functions cannot be written for it."""
    has = binding.get_host_cpu_features() if binding else {}
    return next((many for name, many in LANES.items() if has.get(name)), 0)


def fits(numbers: Tensor, *shape: int) -> None:
    """ValueError unless these are float32 of that shape, and here: what lies at their address is read in any case."""
    if numbers.shape != shape or numbers.dtype != torch.float32 or numbers.device.type != "cpu":
        found = f"{numbers.dtype} {list(numbers.shape)} on {numbers.device}"
        raise ValueError(f"expected torch.float32 {list(shape)} on cpu, found {found}")


def filled(numbers: Tensor, many: int) -> Tensor:
    """[..., C] as they are read, one after the other: zeros are added, so that C is a multiple of so many."""
    lacks = -numbers.shape[-1] % many
    return (F.pad(numbers, [0, lacks]) if lacks else numbers).contiguous().resolve_neg()


class Value:
    """A whole number, a truth or a vector that the function works out as it runs."""

    def __init__(self, code: "Code", made: Any) -> None:
        self.code, self.made = code, made
        self.whole = isinstance(made.type, ir.IntType)

    def __add__(self, other: Any) -> "Value":
        return self.by("add", other)

    def __sub__(self, other: Any) -> "Value":
        return self.by("sub", other)

    def __mul__(self, other: Any) -> "Value":
        return self.by("mul", other)

    def __floordiv__(self, other: Any) -> "Value":
        return self.by("udiv", other)

    def __mod__(self, other: Any) -> "Value":
        return self.by("urem", other)

    def __and__(self, other: Any) -> "Value":
        return self.by("and_", other)

    def __neg__(self) -> "Value":
        return self.by("mul", -1)

    def __lt__(self, other: Any) -> "Value":
        return self.compared("<", other)

    def __ge__(self, other: Any) -> "Value":
        return self.compared(">=", other)

    __radd__, __rmul__ = __add__, __mul__

    def mixed(self, other: "Value", lanes: list[int]) -> "Value":
        """A vector of some of both vectors' lanes, which are counted on from this one's to the other's."""
        which = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
        return Value(self.code, self.code.build.shuffle_vector(self.made, other.made, which))

    def by(self, name: str, other: Any) -> "Value":
        build, other = self.code.build, self.code.value(other, self)
        if self.whole:
            return Value(self.code, getattr(build, name)(self.made, other.made))
        # a product and a sum may be taken in one step
        return Value(self.code, getattr(build, f"f{name}")(self.made, other.made, flags=["contract"]))

    def compared(self, how: str, other: Any) -> "Value":
        build, other = self.code.build, self.code.value(other, self)
        compare = build.icmp_signed if self.whole else build.fcmp_ordered
        return Value(self.code, compare(how, self.made, other.made))


class Place:
    """Where numbers lie."""

    def __init__(self, code: "Code", made: Any) -> None:
        self.code, self.made = code, made

    def __add__(self, numbers: Value | int) -> "Place":
        """So many numbers further on."""
        where = self.code.value(numbers).made
        return Place(self.code, self.code.build.gep(self.made, [where], source_etype=ir.FloatType()))

    def load(self) -> Value:
        return Value(self.code, self.code.build.load(self.made, align=BYTES, typ=self.code.vector))

    def broadcast(self) -> Value:
        """The one number that lies here, in every lane."""
        build, vector = self.code.build, self.code.vector
        empty, first = ir.Constant(vector, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        one = build.insert_element(empty, build.load(self.made, align=BYTES, typ=ir.FloatType()), first)
        all_first = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
        return Value(self.code, build.shuffle_vector(one, empty, all_first))

    def store(self, value: Value) -> None:
        self.code.build.store(value.made, self.made, align=BYTES)


class Code:
    """A function as it is written: `places` and `numbers` are the names of what it takes, and lie in `given`."""

    def __init__(self, places: Sequence[str], numbers: Sequence[str], lanes: int) -> None:
        self.lanes, self.vector = lanes, ir.VectorType(ir.FloatType(), lanes)
        self.module = ir.Module()
        takes = [ir.PointerType()] * len(places) + [ir.IntType(64)] * len(numbers)
        function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), takes), "function")
        self.build = ir.IRBuilder(function.append_basic_block())
        arguments = iter(function.args)
        self.places = {name: Place(self, next(arguments)) for name in places}
        self.numbers = {name: Value(self, next(arguments)) for name in numbers}

    def value(self, number: Any, like: Value | None = None) -> Value:
        """A constant: a whole number, or a vector that has it in every lane if `like` is one."""
        if isinstance(number, Value):
            return number
        if like is None or like.whole:
            return Value(self, ir.Constant(ir.IntType(64), operator.index(number)))
        return self.vector_of(number)

    def vector_of(self, number: float) -> Value:
        return Value(self, ir.Constant(self.vector, [float(number)] * self.lanes))

    @contextmanager
    def loop(self, start: Value | int, stop: Value | int, step: Value | int = 1) -> Iterator[Value]:
        """What is written inside is done for each of range(start, stop, step)."""
        start, stop, step = self.value(start), self.value(stop), self.value(step)
        before, body, after = self.build.block, *(self.build.append_basic_block() for _ in range(2))
        self.build.cbranch((start < stop).made, body, after)
        self.build.position_at_end(body)
        at = self.build.phi(ir.IntType(64))
        at.add_incoming(start.made, before)
        yield Value(self, at)
        further = Value(self, at) + step
        at.add_incoming(further.made, self.build.block)
        self.build.cbranch((further < stop).made, body, after)
        self.build.position_at_end(after)

    def folded(
        self, many: Value | int, values: list[Value], step: Callable[[Value, list[Value]], list[Value]]
    ) -> list[Value]:
        """The values after values = step(i, values) for each of range(many), which is one at least."""
        before, body, after = self.build.block, *(self.build.append_basic_block() for _ in range(2))
        self.build.branch(body)
        self.build.position_at_end(body)
        at, *kept = (self.build.phi(kind) for kind in (ir.IntType(64), *(value.made.type for value in values)))
        made = step(Value(self, at), [Value(self, one) for one in kept])
        further = Value(self, at) + 1
        for phi, first, then in zip([at, *kept], [self.value(0), *values], [further, *made], strict=True):
            phi.add_incoming(first.made, before)
            phi.add_incoming(then.made, self.build.block)
        self.build.cbranch((further < many).made, body, after)
        self.build.position_at_end(after)
        return made

    def select(self, which: Value, one: Any, other: Any) -> Any:
        """One where it is true, the other where it is not: both places, or both values."""
        return type(one)(self, self.build.select(which.made, one.made, other.made))

    def compiled(self) -> Function:
        """What is written, for this processor."""
        self.build.ret_void()
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        module = binding.parse_assembly(str(self.module))
        target = binding.Target.from_default_triple().create_target_machine(
            cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten(), opt=3
        )
        passes = binding.create_pass_builder(target, binding.create_pipeline_tuning_options(speed_level=2))
        passes.getModulePassManager().run(module, passes)
        engine = binding.create_mcjit_compiler(module, target)
        engine.finalize_object()
        takes = [ctypes.c_void_p] * len(self.places) + [ctypes.c_int64] * len(self.numbers)
        function: Any = ctypes.CFUNCTYPE(None, *takes)(engine.get_function_address("function"))
        function.engine = engine  # its instructions live as long as this does
        return function  # type: ignore[no-any-return]
