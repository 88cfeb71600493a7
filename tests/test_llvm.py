import pytest
import torch

from instrument.networks import llvm
from instrument.networks.llvm import Code

pytestmark = pytest.mark.skipif(not llvm.lanes(), reason="needs llvmlite and a processor with AVX2")


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_a_function_goes_along_its_places(lanes):
    code = Code(["x", "y"], ["start", "stop"], lanes)
    x, y = code.places.values()
    with code.loop(*code.numbers.values(), step=lanes) as i:
        (y + i).store((x + i).load() * 2.0 + 1 - (x + i).broadcast())
    run = code.compiled()
    x, y = torch.arange(64.0), torch.zeros(64)
    run(x.data_ptr(), y.data_ptr(), 16, 48)
    told = (x * 2 + 1 - x.view(-1, lanes)[:, :1].expand(-1, lanes).flatten())[16:48]
    assert torch.equal(y, torch.cat([torch.zeros(16), told, torch.zeros(16)]))


def test_a_loop_with_nothing_to_do_does_nothing():
    code = Code(["x"], ["many"], 4)
    with code.loop(0, code.numbers["many"]) as i:
        (code.places["x"] + i).store(code.vector_of(1))
    run, x = code.compiled(), torch.zeros(4)
    run(x.data_ptr(), 0)
    run(x.data_ptr(), -3)
    assert torch.equal(x, torch.zeros(4))


def test_values_are_folded_and_whole_numbers_divided():
    code = Code(["x", "y"], ["many"], 4)
    x, y, many = *code.places.values(), code.numbers["many"]

    def step(i, sums):
        total, last = sums
        return [total + (x + i // 2 * 8 + i % 2 * 4).load(), (x + i * 4).load() * last]

    for k, value in enumerate(code.folded(many, [code.vector_of(0), code.vector_of(1)], step)):
        (y + 4 * k).store(value)
    run, x, y = code.compiled(), torch.rand(8, 4), torch.empty(2, 4)
    run(x.data_ptr(), y.data_ptr(), 8)
    assert torch.allclose(y, torch.stack([x.sum(0), x.prod(0)]))


def test_one_place_or_the_other_is_taken_and_lane_by_lane_one_number():
    code = Code(["x", "y", "z"], ["many"], 4)
    x, y, z = code.places.values()
    many = code.numbers["many"]
    code.select((many >= 2) & (many < 4), y, z).store(code.select(x.load() < 0, -x.load(), x.load()))
    run, x = code.compiled(), torch.tensor([1.0, -2, 3, -4])
    for number, into in ((1, 1), (2, 0), (3, 0), (4, 1)):
        made = torch.zeros(2, 4)
        run(x.data_ptr(), made[0].data_ptr(), made[1].data_ptr(), number)
        assert torch.equal(made[into], x.abs()) and not made[1 - into].any()


def test_lanes_of_two_vectors_are_mixed():
    code = Code(["x", "y"], [], 4)
    x, y = code.places.values()
    y.store(x.load().mixed((x + 4).load(), [0, 4, 3, 7]))
    x, y = torch.arange(8.0), torch.zeros(4)
    code.compiled()(x.data_ptr(), y.data_ptr())
    assert y.tolist() == [0, 4, 3, 7]


def test_where_there_is_no_llvm_there_are_no_lanes(monkeypatch):
    monkeypatch.setattr(llvm, "binding", None)
    assert llvm.lanes.__wrapped__() == 0
