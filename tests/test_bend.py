"""Slots, masks, channels, and the plan that a generator calls at every layer."""

from typing import Annotated, get_args

import pytest
import torch
from torch import Tensor

from instrument import bend
from instrument.bend import MIX, OPS, Mask, Op, Plan, Slot, mask
from instrument.flow import ParameterFrame
from instrument.parameters import Range, declared

LAYERS = {"low": (8, 4, 6), "high": (4, 8, 8)}


def add(x, *, amount: Annotated[Tensor, Range(-1, 1)] = 0.0, times: int = 1):
    return x + amount * times


def double(x):
    return 2 * x


def fail(x, *, amount: Annotated[Tensor, Range(-1, 1)] = 0.0):
    raise RuntimeError("out of order")


ADD, DOUBLE, FAIL = (
    Op("add", add, declared(add), True),
    Op("double", double, {}, False),
    Op("fail", fail, declared(fail), True),
)


class Board:
    """A plan of some slots, with faders."""

    def __init__(self, *slots):
        self.values = {slot.name: {name: torch.tensor(0.0) for name in slot.parameters} for slot in slots}
        self.faults = []
        self.plan = Plan(slots, self.values, LAYERS, lambda part, error: self.faults.append((part, str(error))))
        self.slots = slots

    def set(self, **faders):
        """Faders as slot_name; those not named are at their defaults."""
        values = {
            slot.name: {name: faders.get(f"{slot.name}_{name}", item.default) for name, item in slot.parameters.items()}
            for slot in self.slots
        }
        for owner, items in values.items():
            for name, value in items.items():
                self.values[owner][name].fill_(value)
        self.plan.update(ParameterFrame(values))
        return self


def maps(layer="low", batch=2):
    return torch.randn(batch, *LAYERS[layer], generator=torch.Generator().manual_seed(1))


# --- the table of ops


def test_an_op_is_registered_under_its_functions_name():
    try:

        @bend.op
        def thing(x, *, amount: Annotated[Tensor, Range(0, 2)] = 0.5):
            return x

        @bend.op(identity=False)
        def other(x):
            return x

        assert OPS["thing"].function is thing and OPS["thing"].identity and not OPS["other"].identity
        assert list(OPS["thing"].parameters) == ["amount"]
    finally:
        OPS.pop("thing", None), OPS.pop("other", None)


# --- what leaves the plan


def test_at_its_ops_identity_a_slot_is_not_in_the_plan_and_every_map_comes_back_untouched():
    board, x = Board(Slot("a", ADD, "low")).set(), maps()
    assert board.plan.bend("low", x) is x
    board.set(a_amount=0.5)
    assert torch.equal(board.plan.bend("low", x), x + 0.5)
    assert board.plan.bend("high", x) is x, "another layer is left alone"
    board.set()
    assert board.plan.bend("low", x) is x


def test_an_op_without_an_identity_leaves_the_plan_at_mix_zero_only():
    board, x = Board(Slot("a", DOUBLE, "low")).set(), maps()
    assert torch.equal(board.plan.bend("low", x), 2 * x)
    board.set(a_mix=0.0)
    assert board.plan.bend("low", x) is x


def test_at_mix_zero_any_slot_leaves_the_plan():
    board, x = Board(Slot("a", ADD, "low")).set(a_amount=0.5, a_mix=0.0), maps()
    assert board.plan.bend("low", x) is x


def test_mix_is_how_much_of_the_bent_maps():
    board, x = Board(Slot("a", ADD, "low")), maps()
    for mixed in (0.25, 0.5, 1.0):
        board.set(a_amount=0.5, a_mix=mixed)
        assert torch.allclose(board.plan.bend("low", x), x + 0.5 * mixed, atol=1e-6)
    assert Slot("a", ADD, "low").parameters["mix"] is MIX


def test_a_moved_fader_changes_numbers_and_not_the_plan():
    board, x = Board(Slot("a", ADD, "low")).set(a_amount=0.5), maps()
    before = board.plan.at
    board.set(a_amount=0.75)
    assert board.plan.at is before
    assert torch.equal(board.plan.bend("low", x), x + 0.75)


def test_slots_of_a_layer_come_in_the_order_of_the_patch():
    x = maps()
    first = Board(Slot("a", ADD, "low"), Slot("b", DOUBLE, "low")).set(a_amount=0.5)
    assert torch.equal(first.plan.bend("low", x), 2 * (x + 0.5))
    last = Board(Slot("b", DOUBLE, "low"), Slot("a", ADD, "low")).set(a_amount=0.5)
    assert torch.equal(last.plan.bend("low", x), 2 * x + 0.5)


def test_an_op_gets_the_settings_of_its_slot():
    board, x = Board(Slot("a", ADD, "low", settings={"times": 3})).set(a_amount=0.25), maps()
    assert torch.equal(board.plan.bend("low", x), x + 0.75)


def test_a_slot_that_raises_is_left_out_and_the_others_go_on():
    board, x = Board(Slot("a", ADD, "low"), Slot("bad", FAIL, "low"), Slot("b", DOUBLE, "low")), maps()
    board.set(a_amount=0.5, bad_amount=0.5)
    assert torch.equal(board.plan.bend("low", x), 2 * (x + 0.5))
    assert board.faults == [("bend 'bad'", "out of order")]


# --- channels


@pytest.mark.parametrize(
    ("channels", "chosen"),
    [("all", range(8)), ((2, 4), (2, 3, 4)), ((7, 7), (7,)), ((0, 7), range(8)), ((6, 20), (6, 7))],
)
def test_only_the_chosen_channels_are_bent(channels, chosen):
    board, x = Board(Slot("a", ADD, "low", channels)).set(a_amount=0.5), maps()
    before = x.clone()
    bent = board.plan.bend("low", x)
    for channel in range(8):
        expected = x[:, channel] + 0.5 if channel in chosen else x[:, channel]
        assert torch.equal(bent[:, channel], expected)
    assert torch.equal(x, before)


@pytest.mark.parametrize(("share", "count"), [(0.5, 4), (0.25, 2), (1.0, 8), (0.01, 1), (0.3, 2)])
def test_a_share_of_the_channels_is_drawn_by_its_seed(share, count):
    chosen = Slot("a", ADD, "low", share, seed=3).select(8).tolist()
    assert len(set(chosen)) == count and set(chosen) <= set(range(8)) and chosen == sorted(chosen)
    assert chosen == Slot("b", ADD, "low", share, seed=3).select(8).tolist()


def test_another_seed_draws_other_channels():
    drawn = {tuple(Slot("a", ADD, "low", 0.5, seed=seed).select(64).tolist()) for seed in range(10)}
    assert len(drawn) == 10


# --- masks


def test_the_masks_are_known():
    assert set(get_args(Mask)) == {"everywhere", "centre", "edges", "left", "right", "top", "bottom"}


@pytest.mark.parametrize("kind", get_args(Mask))
@pytest.mark.parametrize("size", [(4, 4), (8, 12), (32, 32), (5, 3)])
def test_a_mask_is_0_to_1_of_the_size_of_its_layer_and_somewhere_all(kind, size):
    found = mask(kind, *size)
    assert found.shape == (1, 1, *size)
    assert found.min() >= 0 and found.max() <= 1 and found.max() > 0.5


def test_each_mask_is_where_its_name_says():
    height, width = 33, 65
    at = {
        "left": (16, 0),
        "right": (16, -1),
        "top": (0, 32),
        "bottom": (-1, 32),
        "centre": (16, 32),
    }
    opposite = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}
    for kind, other in opposite.items():
        assert mask(kind, height, width)[0, 0][at[kind]] == 1
        assert mask(kind, height, width)[0, 0][at[other]] == 0
        assert mask(kind, height, width)[0, 0][at["centre"]] == pytest.approx(0.5)
    for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        assert mask("centre", height, width)[0, 0][corner] == 0
        assert mask("edges", height, width)[0, 0][corner] == 1
    assert mask("centre", height, width)[0, 0][at["centre"]] == 1
    assert mask("edges", height, width)[0, 0][at["centre"]] == 0
    assert mask("everywhere", height, width).eq(1).all()


def test_opposite_masks_share_the_picture_between_them():
    for one, other in (("left", "right"), ("top", "bottom")):
        assert torch.allclose(mask(one, 9, 9) + mask(other, 9, 9), torch.ones(1, 1, 9, 9))


def test_a_masked_slot_acts_where_its_mask_is():
    board, x = Board(Slot("a", ADD, "low", mask="left")).set(a_amount=0.5), maps()
    assert torch.allclose(board.plan.bend("low", x), x + 0.5 * mask("left", 4, 6), atol=1e-6)
    board.set(a_amount=0.5, a_mix=0.5)
    assert torch.allclose(board.plan.bend("low", x), x + 0.25 * mask("left", 4, 6), atol=1e-6)


def test_mask_and_channels_go_together():
    board, x = Board(Slot("a", ADD, "low", (0, 3), mask="right")).set(a_amount=0.5), maps()
    bent = board.plan.bend("low", x)
    assert torch.allclose(bent[:, :4], x[:, :4] + 0.5 * mask("right", 4, 6), atol=1e-6)
    assert torch.equal(bent[:, 4:], x[:, 4:])
