"""Every way of running a network draws the same picture, and the fastest is found."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from parts import CPU, random_weights, tiny, write_model
from virtual_display import until

from instrument import catalog, places
from instrument.assemble import assemble
from instrument.flow import START
from instrument.generators import load
from instrument.generators.stylegan2 import Generator
from instrument.networks import colouring, compiled, llvm, onednn, program, race, tiles
from instrument.networks.compiled import Compiled
from instrument.networks.lean import Lean
from instrument.networks.program import there_is_openvino
from instrument.networks.simple import Simple
from instrument.networks.stylegan2 import planned
from instrument.patch import read_patch
from instrument.scene import Scene
from instrument.show import Show

KINDS = {
    "skip": tiny(),
    "resnet": tiny(architecture="resnet"),
    "orig": tiny(architecture="orig"),
    "grey": tiny(colours=1),
    "without noise": tiny(noise=False),
    "without a clamp": tiny(clamp=0.0),
    "with a tight clamp": tiny(clamp=1.0),
    "wide": tiny(32, 2048, 64),
    "wide enough for tiles": tiny(32, 4096, 128),
    "at 128 px": tiny(128, 256, 16),
    "resnet with a tight clamp": tiny(32, 2048, 64, architecture="resnet", clamp=1.0),
}
needs_tiles = pytest.mark.skipif(not llvm.lanes(), reason="needs llvmlite and a processor with AVX2")
needs_openvino = pytest.mark.skipif(not there_is_openvino(), reason="needs: pip install 'phosphene[cpu]'")
every_kind = pytest.mark.parametrize("network", KINDS.values(), ids=KINDS)


GOLDEN = Path(__file__).parent / "golden" / "stylegan3_r_32.pkl"


@pytest.fixture
def threads():
    """Two, for a test."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def untouched(layer, x):
    return x


def prepared(network, count=1):
    """A plan, and styles for some pictures, with another row of w for each layer."""
    plan = planned(network, random_weights(network))
    w = torch.randn(count, network.num_ws, network.w_dim, generator=torch.Generator().manual_seed(5))
    return plan, plan.styles(w)


def agrees(found, told, by=1e-4):
    assert found.shape == told.shape and found.dtype == told.dtype
    assert (found - told).abs().max() <= by * told.abs().max()


@every_kind
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_lean_draws_what_the_papers_say(network, count, noise):
    plan, styles = prepared(network, count)
    strength = torch.full((plan.noisy,), noise)
    agrees(Lean(plan)(styles, strength, untouched), Simple(plan)(styles, strength, untouched))


@every_kind
def test_in_bfloat16_it_is_nearly_that(network):
    plan, styles = prepared(network)
    strength = torch.ones(plan.noisy)
    exact, near = Simple(plan)(styles, strength, untouched), Lean(plan, torch.bfloat16)(styles, strength, untouched)
    scale = 2 / exact.std()  # the tolerances are for pictures as loud as published networks make them
    assert (near - exact).abs().mean() * scale < 0.05 and (near - exact).abs().max() * scale < 0.5


@pytest.mark.parametrize("count", [1, 2])
def test_lean_draws_the_same_where_torch_has_nothing_but_its_public_operations(monkeypatch, count):
    plan, styles = prepared(KINDS["wide enough for tiles"], count)
    strength = torch.ones(plan.noisy)
    fast = Lean(plan)(styles, strength, untouched)
    monkeypatch.setattr(onednn, "there_is", lambda kind, device: False)
    agrees(Lean(plan)(styles, strength, untouched), fast, 1e-5)


def test_on_a_processor_torch_has_them():
    assert onednn.there_is(torch.float32, "cpu") or not torch.backends.mkldnn.is_available()
    assert not onednn.there_is(torch.float32, "cuda") and not onednn.there_is(torch.int8, "cpu")


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_operations_that_answer_something_else_are_not_used(monkeypatch, kind):
    right = onednn.fused_linear
    monkeypatch.setattr(onednn, "fused_linear", lambda x, weight, bias: right(x, weight, bias) + 0.1)
    assert not onednn.there_is.__wrapped__(kind, "cpu")


def test_weights_are_laid_out_once_for_each_number_of_threads_that_draws(threads):
    laid = []

    def lay():
        laid.append(torch.get_num_threads())
        return torch.tensor(laid[-1])

    way = onednn.by_threads(lay, lambda x, weight: x * weight)
    assert laid == [2] and way(torch.tensor(10)) == 20
    for count in 1, 2, 1:
        torch.set_num_threads(count)
        assert way(torch.tensor(10)) == 10 * count
    assert laid == [2, 1]


def test_lean_draws_the_same_on_another_number_of_threads(threads):
    plan, styles = prepared(KINDS["wide enough for tiles"])
    strength, lean = torch.ones(plan.noisy), Lean(plan)
    on_two = lean(styles, strength, untouched)
    torch.set_num_threads(1)
    agrees(lean(styles, strength, untouched), on_two, 1e-5)


@needs_tiles
def test_where_there_is_less_to_multiply_on_tiles_layers_go_by_them():
    plan, _ = prepared(KINDS["wide enough for tiles"])  # 128 channels in all layers
    wide, few = Lean(plan), Lean(prepared(KINDS["wide"])[0])  # 64

    def on_tiles(layers):
        return [layer is not None and layer.on_tiles is not None for layer in layers]

    assert on_tiles(stage.second for stage in wide.stages) == [False, False, True, True]
    assert on_tiles(stage.first for stage in wide.stages) == [False] * 4
    assert on_tiles(stage.second for stage in few.stages) == [True] * 4
    assert on_tiles(stage.first for stage in few.stages) == [False, True, True, True]
    assert not any(on_tiles(stage.second for stage in Lean(plan, torch.bfloat16).stages))


@pytest.mark.parametrize("count", [1, 2])
def test_lean_draws_the_same_where_nothing_can_be_written_for_the_processor(monkeypatch, count):
    plan, styles = prepared(KINDS["wide"], count)
    strength = torch.ones(plan.noisy)
    fast = Lean(plan)(styles, strength, untouched)
    monkeypatch.setattr(tiles, "there_are", lambda: False)
    monkeypatch.setattr(colouring, "there_is", lambda: False)
    slow = Lean(plan)
    assert not any(stage.second.on_tiles or stage.colours.at_once for stage in slow.stages)
    agrees(slow(styles, strength, untouched), fast, 1e-5)


@pytest.mark.parametrize("runner", [Simple, Lean])
def test_each_layer_s_noise_has_its_own_strength(runner):
    plan, styles = prepared(tiny())
    run = runner(plan)
    silent = run(styles, torch.zeros(plan.noisy), untouched)
    for layer in range(plan.noisy):
        one = torch.zeros(plan.noisy)
        one[layer] = 1
        assert not torch.allclose(run(styles, one, untouched), silent, atol=1e-4), layer


@pytest.mark.parametrize("kind", [torch.float64, torch.float16])
def test_strengths_of_noise_may_be_of_any_precision(kind):
    plan, styles = prepared(KINDS["wide"])
    strength, run = torch.linspace(0, 1, plan.noisy), Lean(plan)
    agrees(run(styles, strength.to(kind), untouched), run(styles, strength, untouched), 1e-2)


@pytest.mark.parametrize("network", [tiny(), KINDS["wide"]])
@pytest.mark.parametrize("runner", [Simple, Lean])
def test_fresh_noise_is_another_each_time_and_for_each_picture(runner, network):
    plan, styles = prepared(network)
    run, strength = runner(plan), torch.ones(plan.noisy)
    one, other = (run(styles, strength, untouched, fresh=True) for _ in range(2))
    assert not torch.allclose(one, other, atol=1e-3)
    first, second = run(styles.expand(2, -1), strength, untouched, fresh=True)
    assert not torch.allclose(first, second, atol=1e-3)
    agrees(run(styles, torch.zeros(plan.noisy), untouched, fresh=True), run(styles, torch.zeros(plan.noisy), untouched))


@every_kind
def test_bends_are_shown_every_layer_as_it_is(network):
    plan, styles = prepared(network)
    seen = {}

    def noted(way):
        def bend(layer, x):
            seen[way, layer] = x.clone()
            return x

        return bend

    for way, run in {"simple": Simple(plan), "lean": Lean(plan)}.items():
        run(styles, torch.ones(plan.noisy), noted(way))
    for layer, shape in plan.layers().items():
        agrees(seen["lean", layer].contiguous(), seen["simple", layer].contiguous())
        assert seen["lean", layer].shape == (1, *shape)


# --- compiled


@needs_openvino
@every_kind
@pytest.mark.parametrize("noise", [None, 0.0, 1.0])
@pytest.mark.parametrize("cuts", ["none", "some", "all"])
def test_compiled_draws_what_the_papers_say_wherever_it_is_cut(network, noise, cuts):
    plan, styles = prepared(network)
    strength = None if noise is None else torch.full((plan.noisy,), noise)
    layers = {"none": (), "some": list(plan.layers())[1::3], "all": None}[cuts]
    run = Compiled(plan, layers, torch.float32)
    agrees(run(styles, strength, untouched), Simple(plan)(styles, strength, untouched))


@needs_openvino
@every_kind
def test_compiled_in_bfloat16_it_is_nearly_that(network):
    plan, styles = prepared(network)
    exact = Simple(plan)(styles, torch.ones(plan.noisy), untouched)
    near, scale = Compiled(plan, (), torch.bfloat16)(styles, torch.ones(plan.noisy), untouched), 2 / exact.std()
    assert (near - exact).abs().mean() * scale < 0.05 and (near - exact).abs().max() * scale < 0.5


in_both = pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])


def multiplied(drawn):
    """The shapes of the weights of a piece's convolutions in groups."""
    return [op.input(1).get_shape() for op in drawn.model.get_ops() if op.get_type_name() == "GroupConvolution"]


@needs_openvino
@pytest.mark.parametrize("size", [5_000_000, 60_000])
@in_both
def test_compiled_tiles_give_the_convolution(monkeypatch, precision, size):
    """Worked out at once, or in strips of which some have a row of tiles more, of maps wider than high."""
    monkeypatch.setattr(program, "AT_A_TIME", size)
    given = torch.Generator().manual_seed(6)
    x, weight = torch.randn(1, 24, 20, 32, generator=given), torch.randn(16, 24, 3, 3, generator=given)
    taken = program.ops.parameter([1, 24, 20, 32], np.float32)
    drawn = program.Drawn("", "y", {"y": program.on_tiles(taken, weight, precision)}, {"x": taken})
    assert len(multiplied(drawn)) == (3 if size == 60_000 else 1)
    hint = "f32" if precision == torch.float32 else "bf16"
    found = program.Piece(drawn, {"INFERENCE_PRECISION_HINT": hint})({"x": x})["y"]
    told = torch.nn.functional.conv2d(x, weight, padding=1)
    agrees(found, told, 2e-5 if precision == torch.float32 else 0.05)
    assert (found - told).abs().mean() < 0.01 * told.abs().mean()


@needs_openvino
@in_both
def test_compiled_where_channels_are_many_there_is_less_to_multiply(monkeypatch, precision):
    def tiles(plan, layers=()):
        run = Compiled(plan, layers, precision)
        with monkeypatch.context() as patch:
            patch.setattr(compiled, "Piece", lambda drawn, options: drawn)
            pieces = run.pieces(len(plan.blocks), 1)
        return [shape[0] for drawn in pieces for shape in multiplied(drawn) if shape[3:] == [1, 1]]

    plan, _ = prepared(KINDS["wide enough for tiles"])
    assert tiles(plan) == [36 if precision == torch.float32 else 16] * 2
    assert len(tiles(plan, {"b16.conv0"})) == 1, "not of maps that come from outside, with channels first"
    assert not tiles(prepared(tiny())[0])


@needs_openvino
@every_kind
def test_compiled_bends_act_at_the_layers_it_was_made_for_and_change_all_that_follows(network):
    plan, styles = prepared(network)
    strength = torch.ones(plan.noisy)
    for layer in plan.layers():
        seen = []

        def bend(at, x, layer=layer, seen=seen):
            seen.append((at, tuple(x.shape)))
            return x.flip(3) * 1.5 if at == layer else x

        run = Compiled(plan, {layer}, torch.float32)
        drawn = run(styles, strength, bend)
        assert seen == [(layer, (1, *plan.layers()[layer]))]
        agrees(drawn, Simple(plan)(styles, strength, bend))


@needs_openvino
def test_compiled_faders_as_they_come_from_a_show_are_read_as_they_are():
    """Noise of one strength for all layers is one number seen many times, which has to be laid out for it."""
    plan, styles = prepared(tiny(64, 512, 32))
    run, loose = Compiled(plan, {"b8.conv0", "b32.conv1"}, torch.float32), torch.tensor(1.0).expand(plan.noisy)
    told = run(styles, loose.clone(), untouched)
    for _ in range(50):
        assert torch.equal(run(styles, loose, lambda layer, x: x.clone()), told)


@needs_openvino
def test_compiled_a_picture_stays_when_the_next_is_drawn():
    plan, styles = prepared(tiny(), 2)
    run, strength = Compiled(plan, ()), torch.ones(plan.noisy)
    first = run(styles[:1], strength, untouched)
    kept = first.clone()
    assert not torch.equal(run(styles[1:], strength, untouched), first) and torch.equal(first, kept)


@needs_openvino
def test_compiled_of_what_it_was_not_compiled_for_it_draws_all_the_same():
    plan, styles = prepared(tiny(32), 3)
    run, strength = Compiled(plan, (), torch.float32), torch.ones(plan.noisy)
    agrees(run(styles, strength, untouched), Simple(plan)(styles, strength, untouched))
    assert not torch.equal(run(styles[:1], strength, untouched, True), run(styles[:1], strength, untouched, True))
    half = Simple(plan)(styles[:1], None, untouched, stages=3)
    agrees(run(styles[:1], None, untouched, stages=3), half)
    until(lambda: (3, torch.get_num_threads()) in run.forms, 30)
    agrees(run(styles[:1], None, untouched, stages=3), half)


@needs_openvino
def test_importing_openvino_tells_nobody():
    """Its package of that name sends a message when OpenVINO is imported; without it a stub is used, which does not."""
    assert sys.modules["openvino_telemetry"] is None
    assert "openvino.tools.ovc.telemetry_stub" in sys.modules


@pytest.mark.skipif(there_is_openvino(), reason="OpenVINO is here")
def test_without_openvino_there_is_no_such_executor(generator):
    with pytest.raises(ValueError, match=r"no executor 'openvino'\. There is: bfloat16, fastest, float32"):
        generator.run_by("openvino")


@needs_openvino
def test_a_patch_s_bends_act_through_it(tmp_path):
    """In a show, where the network is cut at the slots' layers."""
    shown = {}
    for executor in ("float32", "openvino"):
        patch = replace(read_patch(catalog.data("patches", "audio")), inputs={}, outputs={})
        rig = assemble(patch, Scene("x", seed=3), Show(device=CPU, strict=True, executor=executor))
        rig.warm()
        for octaves in (0.0, 0.5):
            rig.matrix.set("kick/octaves", octaves)
            parameters = rig.matrix.at_rest()
            shown[executor, octaves] = rig.render(START, rig.voice.latent, parameters).image
    for octaves in (0.0, 0.5):
        agrees(shown["openvino", octaves], shown["float32", octaves], by=0.2)
    moved = (shown["float32", 0.5] - shown["float32", 0.0]).abs().mean()
    assert (shown["openvino", 0.5] - shown["float32", 0.5]).abs().mean() < 0.1 * moved


def test_running_changes_nothing_that_is_kept():
    plan, styles = prepared(tiny())
    run, strength = Lean(plan), torch.ones(plan.noisy)
    first = run(styles, strength, untouched)
    assert torch.equal(run(styles, strength, untouched), first)


# --- the race


def late(clock, seconds):
    """A trial in which each runner takes its own time."""

    def trial(name):
        clock[0] += seconds[name]

    return trial


def test_the_fastest_wins_but_only_by_enough(monkeypatch):
    clock, seconds = [0.0], {"exact": 1.0, "short": 0.5}
    monkeypatch.setattr(race.time, "perf_counter", lambda: clock[0])
    run = {name: name for name in seconds}
    assert race.raced(run, late(clock, seconds), CPU) == "short"
    seconds["short"] = 0.95
    assert race.raced(run, late(clock, seconds), CPU) == "exact"
    seconds["short"] = 2.0
    assert race.raced(run, late(clock, seconds), CPU) == "exact"


def test_what_won_is_remembered_for_this_network_and_no_other(monkeypatch, tmp_path):
    monkeypatch.setattr(places, "user_cache_path", lambda name: tmp_path / name)
    runs = []
    monkeypatch.setattr(race, "raced", lambda runners, trial, device: runs.append(list(runners)) or "short")
    ways = {"exact": lambda: 1, "short": lambda: 2}
    layers, other = tiny(16).shapes(), tiny(32).shapes()
    for item in (layers, layers, other):
        assert race.fastest(ways, print, item, CPU) == ("short", 2)
    assert runs == [["exact", "short"]] * 2, "once for each network"
    assert race.fastest({**ways, "newer": lambda: 3}, print, layers, CPU) == ("short", 2) and len(runs) == 3
    assert race.chosen("likely", {"exact": lambda: 1, "other": lambda: 4}, print, layers, CPU) == ("other", 4)
    assert race.chosen("likely", ways, print, layers, CPU) == ("short", 2)
    monkeypatch.setattr(race, "version", lambda package: "another")
    assert race.fastest(ways, print, layers, CPU) == ("short", 2) and len(runs) == 4, (
        "and for each version of the runners"
    )
    memory = tmp_path / "phosphene" / "executors.json"
    assert set(json.loads(memory.read_text()).values()) == {"short"}
    memory.write_text("[broken")
    assert race.fastest(ways, print, layers, CPU)[0] == "short" and len(runs) == 5


def test_versions_are_those_of_what_is_installed():
    assert race.version("torch").split("+")[0] == torch.__version__.split("+")[0]
    assert race.version("no-such-package") == ""


@pytest.fixture(params=["stylegan2", "stylegan3"])
def generator(request, tmp_path):
    return Generator(write_model(tmp_path / "tiny"), CPU) if request.param == "stylegan2" else load(GOLDEN)


def test_where_nothing_can_be_remembered_it_plays_all_the_same(monkeypatch, tmp_path, generator):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(places, "user_cache_path", lambda name: tmp_path / "file" / name)
    assert generator.run_by("fastest") in {*race.precisions(CPU), "openvino"}


def test_a_generator_is_exact_until_it_is_asked_to_race(monkeypatch, tmp_path, generator):
    monkeypatch.setattr(places, "user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setattr(race, "raced", lambda runners, trial, device: list(runners)[-1])
    w = generator.map(torch.zeros(1, generator.z_dim))
    exact = generator.synthesize(w)
    assert generator.run_by("fastest") in {list(race.precisions(CPU))[-1], "openvino"}
    agrees(generator.synthesize(w), exact, by=0.1)
    assert generator.run_by("float32") == "float32"
    assert torch.equal(generator.synthesize(w), exact)
    with pytest.raises(ValueError, match=r"on this cpu there is no executor 'float23'; did you mean 'float32'\?"):
        generator.run_by("float23")
