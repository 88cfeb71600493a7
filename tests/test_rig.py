"""The verbs of the loop: what each makes of what it is given, and that a part that fails never takes the show with it."""

from typing import Annotated

import numpy as np
import pytest
import torch
from parts import (
    Paint,
    Script,
    ScriptedGenerator,
    ScriptedModulator,
    ScriptedOutput,
    ScriptedWalk,
    events,
    frame_of,
    rig_of,
    tick,
)

from instrument.bend import Op, Slot
from instrument.flow import Reading, Signals, Tick
from instrument.heard import Heard
from instrument.matrix import Route
from instrument.parameters import Parameter, Range
from instrument.patch import Keeping
from instrument.plugs import Closed
from instrument.scene import Scene

BROKEN = RuntimeError("out of order")


def level(frame):
    """The flat picture's value."""
    assert frame.image.unique().numel() == 1
    return frame.image[0, 0, 0].item()


# --- listen


def test_events_come_in_the_order_of_the_inputs():
    rig = rig_of(inputs={"a": Script(events(("x/1", 1))), "b": Script(events(("y/1", 1), ("y/2", 0.5)))})
    assert [event.address for event in rig.listen(tick())] == ["x/1", "y/1", "y/2"]


def test_an_input_that_raises_says_nothing_while_the_others_are_heard(caplog):
    rig = rig_of(inputs={"bad": Script(BROKEN), "good": Script(events(("y/1", 1)))})
    for n in range(3):
        heard, *_ = frame_of(rig, n)
        assert [event.address for event in heard] == ["y/1"]
    assert rig.faults.lines() == ["input 'bad': RuntimeError: out of order (3×)"]
    assert len(caplog.messages) == 1 and "input 'bad'" in caplog.messages[0]


def test_an_input_that_recovers_is_heard_again():
    rig = rig_of(inputs={"a": Script(BROKEN, events(("x/1", 1)))})
    assert rig.listen(tick(0)) == [] and len(rig.listen(tick(1))) == 1


def test_an_input_that_answers_nothing_at_all_or_fails_while_it_is_read_is_a_fault_too():
    def lazily():
        yield from events(("x/1", 1))
        raise BROKEN

    rig = rig_of(inputs={"none": Script(None), "lazy": Script(lazily())})
    assert rig.listen(tick()) == []
    assert [line.split(":")[0] for line in rig.faults.lines()] == ["input 'none'", "input 'lazy'"]


# --- modulate


def test_a_signal_keeps_its_value_until_it_is_heard_again():
    rig = rig_of(inputs={"a": Script(events(("midi/cc/1", 0.7)), [], events(("midi/cc/1", 0.2)))})
    values = [frame_of(rig, n)[1].values["midi/cc/1"] for n in range(3)]
    assert values == [0.7, 0.7, 0.2]


def test_what_is_struck_is_struck_in_that_tick_only():
    rig = rig_of(inputs={"a": Script(events(("k", 1)), [], events(("k", 0.5)), events(("k", 0)), events(("k", 0.3)))})
    assert ["k" in frame_of(rig, n)[1].struck for n in range(5)] == [True, False, False, False, True]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "loud", [1.0]])
def test_an_event_that_is_no_finite_number_is_its_input_s_fault(value):
    rig = rig_of(inputs={"a": Script(events(("a", value)), events(("a", np.float32(0.5)), ("b", None)))})
    assert frame_of(rig)[1].values == {}
    assert len(rig.faults.lines()) == 1
    assert [(event.address, event.value) for event in rig.listen(tick(1))] == [("a", 0.5), ("b", None)]


def test_a_row_of_no_events_is_its_input_s_fault():
    rig = rig_of(inputs={"a": Script([("a", 0.5)])})
    assert frame_of(rig)[1].values == {}
    assert len(rig.faults.lines()) == 1


def test_a_stroke_moves_no_parameter():
    rig = rig_of(inputs={"osc": Script(events(("osc/spare/fader", None)))})
    before = rig.matrix.rest.copy()
    _, signals, *_ = frame_of(rig)
    assert np.array_equal(rig.matrix.rest, before)
    assert "osc/spare/fader" in signals.struck


def test_an_address_that_moves_nothing_is_said_once_with_the_nearest(caplog):
    sent = [events(("osc/spare/fadder", 1.0), ("osc/hands", 0.5), ("osc/spare/fader", 3.0), ("midi/cc/1", 0.5))] * 3
    rig = rig_of(inputs={"osc": Script(*sent)}, heard=Heard({"osc/hands"}))
    for n in range(3):
        frame_of(rig, n)
    [line] = caplog.messages
    assert line.startswith("OSC: no address '/spare/fadder'; did you mean '/spare/fader'?")


def test_a_stranger_s_addresses_are_wondered_at_a_few_times(caplog):
    rig = rig_of(inputs={"osc": Script(events(*[(f"osc/blob/{n}", 0.5) for n in range(1000)]))})
    frame_of(rig)
    assert len(caplog.messages) < 50


def test_a_bend_that_cannot_work_is_found_before_the_show_even_if_it_rests():
    amount = Parameter("amount", Range(0, 1), 0.0)
    slots = [Slot("wrong", Op("wrong", lambda x, amount: 1 / 0, {"amount": amount}, True), "only")]
    rig = rig_of(slots=slots)
    frame_of(rig)
    assert rig.faults.lines() == [], "it rests"
    with pytest.raises(ValueError, match=r"\[bends\.wrong\]: ZeroDivisionError"):
        rig.warm()


def test_a_modulator_is_a_signal_clamped_and_struck_like_any_other():
    rig = rig_of(modulators={"m": ScriptedModulator(0.0, 7.0, 0.5, -3.0)})
    seen = [frame_of(rig, n)[1] for n in range(4)]
    assert [signals.values["m"] for signals in seen] == [0, 1, 0.5, 0]
    assert ["m" in signals.struck for signals in seen] == [False, True, False, False]


def test_a_modulator_hears_inputs_of_this_tick_and_modulators_above_it():
    above, below = ScriptedModulator(0.0, 0.25), ScriptedModulator(0.0, 0.5)
    rig = rig_of(inputs={"a": Script([], events(("k", 1)))}, modulators={"above": above, "below": below})
    heard = []
    below.say = lambda now, signals: (heard.append((dict(signals.values), signals.struck)), 0.5)[1]
    frame_of(rig, 0), frame_of(rig, 1)
    values, struck = heard[1]
    assert values["k"] == 1 and values["above"] == 0.25 and struck == {"k", "above"}


def test_a_modulator_above_hears_the_strike_of_one_below_a_tick_later_and_each_only_once():
    seen = {"first": [], "last": []}

    class Ear:
        def __init__(self, name):
            self.name = name

        def step(self, now, signals):
            seen[self.name].append("pulse" in signals.struck)
            return 0.0

    pulse = ScriptedModulator(0.0, 1.0, 1.0, 0.0, 0.0)
    rig = rig_of(modulators={"first": Ear("first"), "pulse": pulse, "last": Ear("last")})
    for n in range(5):
        frame_of(rig, n)
    assert seen == {"first": [False, False, True, False, False], "last": [False, True, False, False, False]}


def test_modulators_read_the_parameters_of_the_last_frame():
    class Modulator:
        def __init__(self):
            self.rates = []

        def step(self, now, signals, *, rate: Annotated[float, Range(0, 10)] = 5.0):
            self.rates.append(rate)
            return 1.0

    one = Modulator()
    rig = rig_of(modulators={"m": one}, routes=[Route("m", "m/rate", 0.2)])
    for n in range(3):
        frame_of(rig, n)
    assert one.rates == [5.0, 7.0, 7.0], "it moves itself, a frame late"


def test_a_modulator_that_raises_keeps_its_last_value(caplog):
    rig = rig_of(
        modulators={"m": ScriptedModulator(0.4, BROKEN, BROKEN, 0.6), "other": ScriptedModulator(0.1, 0.2, 0.3, 0.4)}
    )
    seen = [frame_of(rig, n)[1].values for n in range(4)]
    assert [values["m"] for values in seen] == [0.4, 0.4, 0.4, 0.6]
    assert [values["other"] for values in seen] == [0.1, 0.2, 0.3, 0.4]
    assert rig.faults.lines() == ["modulator 'm': RuntimeError: out of order (2×)"] and len(caplog.messages) == 1


@pytest.mark.parametrize("answer", [float("nan"), None, "loud"])
def test_a_modulator_that_answers_no_number_keeps_its_last_value(answer):
    rig = rig_of(modulators={"m": ScriptedModulator(0.4, answer)}, routes=[Route("m", "spare/fader", 0.5)])
    frame_of(rig, 0)
    _, signals, parameters, _ = frame_of(rig, 1)
    assert signals.values["m"] == 0.4 and parameters["spare"]["fader"] == pytest.approx(2 + 0.4 * 5)
    assert len(rig.faults.lines()) == 1


def test_osc_that_names_a_parameter_is_no_signal():
    rig = rig_of(inputs={"osc": Script(events(("osc/spare/fader", 7.0), ("osc/pad", 1.0)))})
    _, signals, parameters, _ = frame_of(rig)
    assert parameters["spare"]["fader"] == 7 and signals.values == {"osc/pad": 1.0}


# --- the tempo


def test_beats_and_bars_strike_in_the_tick_in_which_they_come():
    rig = rig_of()
    struck = [frame_of(rig, n)[1].struck for n in range(70)]  # at 120 beats a minute and 30 frames a second
    assert [n for n, names in enumerate(struck) if "tempo/beat" in names] == [15, 30, 45, 60]
    assert [n for n, names in enumerate(struck) if "tempo/bar" in names] == [60]


def test_bars_strike_where_the_ticks_have_them_also_those_of_a_take():
    rig = rig_of()
    ticks = [Tick(n, n / 30, 1 / 30, n / 15, (n / 15 + 2) / 4) for n in range(70)]  # the bar begins with beats 2 and 6
    struck = []
    for moment in ticks:
        rig.heard.begin()
        rig.count(moment)
        struck.append("tempo/bar" in rig.heard.struck)
    assert [n for n, bar in enumerate(struck) if bar] == [30]


def test_a_bar_that_rounding_parts_from_its_beat_strikes_once():
    rig, struck = rig_of(), []
    for n, (beat, bar) in enumerate([(2.5, 0.8), (2.9999999999999996, 1.0), (3.1, 1.03), (3.5, 1.17)]):
        rig.heard.begin()
        rig.count(Tick(n, n / 30, 1 / 30, beat, bar))
        struck.append(sorted(rig.heard.struck))
    assert struck[1:] == [["tempo/bar", "tempo/beat"], [], []]


def test_a_performer_s_word_reaches_the_tempo():
    taps = [events(("key/t", 1), ("key/t", 0)) if n in (10, 25, 40) else [] for n in range(60)]
    rig = rig_of(inputs={"a": Script(*taps)}, keeping=Keeping(gestures={"key/t": "tap"}))
    for n in range(60):
        frame_of(rig, n)
    assert rig.tempo.bpm == pytest.approx(120) and rig.tempo.locked
    assert rig.tempo.beat(40 / 30) % 1 == pytest.approx(0, abs=1e-6)


class Drummer(Script):
    """An input that hears a pulse of 100 beats a minute, the first beat at 0.1 s."""

    rank = 1

    def pulse(self):
        self.now = getattr(self, "now", -1 / 30) + 1 / 30
        return self.now, Reading(0.6, (self.now - 0.1) / 0.6 % 1, 0.9)


@pytest.mark.parametrize(("follow", "bpm"), [(True, 100), (False, 120)])
def test_the_tempo_follows_what_an_input_hears_unless_it_is_told_not_to(follow, bpm):
    rig = rig_of(inputs={"a": Drummer([])}, keeping=Keeping(follow=follow))
    for n in range(600):
        frame_of(rig, n)
    assert rig.tempo.bpm == pytest.approx(bpm)
    if follow:
        assert rig.tempo.beat(0.1 + 40 * 0.6) % 1 == pytest.approx(0, abs=0.02)


def test_an_input_whose_pulse_fails_is_said_and_the_clock_runs_on():
    class Broken(Script):
        rank = 1

        def pulse(self):
            raise BROKEN

    rig = rig_of(inputs={"a": Broken([])})
    for n in range(3):
        frame_of(rig, n)
    assert rig.faults.lines() == ["input 'a': RuntimeError: out of order (3×)"] and rig.tempo.bpm == 120


# --- cues


def test_a_cue_fades_to_its_scene_when_it_is_struck():
    scene = Scene("x", fade=1.0, rest={"spare/fader": 8.0})
    rig = rig_of(inputs={"a": Script([], events(("key/1", 1), ("key/1", 0)), [])}, cues={"key/1": scene})
    faders = [frame_of(rig, n)[2]["spare"]["fader"] for n in range(40)]
    assert faders[0] == faders[1] == 2.0
    assert faders[1 + 15] == pytest.approx(5.0)
    assert faders[1 + 30] == faders[39] == 8.0


def test_a_modulator_can_strike_a_cue():
    rig = rig_of(
        modulators={"m": ScriptedModulator(0.0, 1.0)}, cues={"m": Scene("x", fade=0.0, rest={"spare/fader": 8.0})}
    )
    assert [frame_of(rig, n)[2]["spare"]["fader"] for n in range(2)] == [2.0, 8.0]


def test_of_two_cues_struck_at_once_the_later_in_the_patch_wins_every_time():
    names = [f"key/{n}" for n in range(9)]
    for order in (names, names[::-1]):
        cues = {name: Scene(name, fade=0.0, rest={"spare/fader": float(name[-1])}) for name in order}
        rig = rig_of(inputs={"a": Script(events(*((name, 1) for name in names)))}, cues=cues)
        assert frame_of(rig)[2]["spare"]["fader"] == float(order[-1][-1])


# --- wander and render


def test_a_walk_that_raises_stays_where_it_was(caplog):
    rig = rig_of(walk=ScriptedWalk(0.1, BROKEN, BROKEN, 0.3))
    assert [level(frame_of(rig, n)[3]) for n in range(4)] == pytest.approx([0.1, 0.1, 0.1, 0.3])
    assert rig.faults.lines() == ["walk: RuntimeError: out of order (2×)"] and len(caplog.messages) == 1


def test_a_generator_that_raises_leaves_the_last_picture(caplog):
    rig = rig_of(walk=ScriptedWalk(0.1, 0.2, 0.3), generator=ScriptedGenerator(None, BROKEN, None))
    assert [level(frame_of(rig, n)[3]) for n in range(3)] == pytest.approx([0.1, 0.1, 0.3])
    assert rig.faults.lines() == ["generator: RuntimeError: out of order (1×)"] and len(caplog.messages) == 1


def test_a_bend_that_raises_is_left_out_and_the_picture_goes_on(caplog):
    def double(x):
        return 2 * x

    def fail(x):
        raise BROKEN

    slots = [Slot("bad", Op("fail", fail, {}, False), "only"), Slot("good", Op("double", double, {}, False), "only")]
    rig = rig_of(walk=ScriptedWalk(0.1, 0.2), slots=slots)
    assert [level(frame_of(rig, n)[3]) for n in range(2)] == pytest.approx([0.2, 0.4])
    assert rig.faults.lines() == ["bend 'bad': RuntimeError: out of order (2×)"] and len(caplog.messages) == 1


def test_warming_shows_nothing_and_gives_a_failing_first_frame_something_to_fall_back_on():
    output, walk = ScriptedOutput(None), ScriptedWalk(0.1, 0.1, 0.2, BROKEN)
    rig = rig_of(walk=walk, outputs={"o": output}, generator=ScriptedGenerator(None, None, None, BROKEN))
    rig.warm()
    assert output.calls == 0
    assert level(frame_of(rig)[3]) == pytest.approx(0.2)
    assert len(rig.faults.lines()) == 2


def test_what_cannot_work_fails_while_it_is_warmed_and_not_in_the_show():
    with pytest.raises(RuntimeError, match="out of order"):
        rig_of(generator=ScriptedGenerator(BROKEN)).warm()
    with pytest.raises(RuntimeError, match="out of order"):
        rig_of(walk=ScriptedWalk(BROKEN)).warm()


def test_frozen_the_show_runs_on_and_the_picture_stays():
    rig = rig_of(walk=ScriptedWalk(0.1, 0.2, 0.3, 0.4), inputs={"a": Script([], events(("k", 1)), [], events(("k", 0)))},
                 routes=[Route("k", "master/freeze", 1.0)])  # fmt: skip
    assert [level(frame_of(rig, n)[3]) for n in range(4)] == pytest.approx([0.1, 0.1, 0.1, 0.4])


def test_a_frame_knows_its_tick_and_when_its_events_arrived():
    heard = events(("a", 1), ("b", 1))
    stamped = [
        type(event)(event.address, event.value, arrived) for event, arrived in zip(heard, (1.5, None), strict=True)
    ]
    frame = frame_of(rig_of(inputs={"a": Script(stamped)}), 3)[3]
    assert frame.tick == tick(3) and frame.arrivals == (1.5,)


def test_the_sound_is_that_of_the_first_input_that_hears_and_none_if_it_fails():
    class Ear(Script):
        def __init__(self, heard):
            super().__init__([])
            self.sound = heard

        def heard(self):
            if isinstance(self.sound, Exception):
                raise self.sound
            return self.sound

    assert frame_of(rig_of(inputs={"deaf": Script([]), "a": Ear("first"), "b": Ear("second")}))[3].sound == "first"
    assert frame_of(rig_of(inputs={"deaf": Script([])}))[3].sound is None
    rig = rig_of(inputs={"a": Ear(BROKEN)})
    assert frame_of(rig)[3].sound is None and len(rig.faults.lines()) == 1


# --- show


def test_an_output_that_raises_leaves_the_others_their_frames(caplog):
    bad, good = ScriptedOutput(BROKEN), ScriptedOutput(None)
    rig = rig_of(outputs={"bad": bad, "good": good})
    for n in range(3):
        frame_of(rig, n)
    assert good.calls == 3 and rig.outputs["good"].shown == 3 and rig.outputs["bad"].shown == 0
    assert rig.faults.lines() == ["output 'bad': RuntimeError: out of order (3×)"] and len(caplog.messages) == 1


def test_offline_an_output_that_raises_ends_the_show():
    with pytest.raises(RuntimeError, match="out of order"):
        frame_of(rig_of(outputs={"bad": ScriptedOutput(BROKEN)}, live=False))


def test_an_output_that_the_performer_closes_ends_the_show():
    rig = rig_of(outputs={"window": ScriptedOutput(Closed())})
    with pytest.raises(Closed):
        frame_of(rig)
    assert rig.faults.lines() == []


# --- close


class Stuck(Script):
    def show(self, frame):
        pass

    def close(self):
        super().close()
        raise RuntimeError("it is stuck")


@pytest.mark.parametrize("live", [True, False])
def test_everything_is_closed_also_when_each_of_them_fails(live):
    outputs, inputs = {name: Stuck(None) for name in "ab"}, {name: Stuck([]) for name in "cd"}
    rig = rig_of(inputs=inputs, outputs=outputs, live=live)
    if live:
        rig.close()
    else:
        with pytest.raises(RuntimeError, match="it is stuck"):
            rig.close()
    assert [part.closed for part in (*outputs.values(), *inputs.values())] == [1, 1, 1, 1]


def test_outputs_are_finished_before_devices_are_let_go():
    order = []

    class Noted(Script):
        def close(self):
            order.append(self.script[0])

    rig_of(inputs={"i": Noted("input")}, outputs={"o": Noted("output")}).close()
    assert order == ["output", "input"]


# --- strict


@pytest.mark.parametrize(
    "parts",
    [
        {"inputs": {"a": Script(BROKEN)}},
        {"modulators": {"a": ScriptedModulator(BROKEN)}},
        {"walk": ScriptedWalk(BROKEN)},
        {"generator": ScriptedGenerator(BROKEN)},
        {"slots": [Slot("a", Op("fail", lambda x: 1 / 0, {}, False), "only")]},
        {"outputs": {"a": ScriptedOutput(BROKEN)}},
    ],
    ids=lambda parts: next(iter(parts)),
)
def test_under_test_every_fault_is_raised(parts):
    with pytest.raises((RuntimeError, ZeroDivisionError)):
        frame_of(rig_of(**parts, strict=True))


def test_at_rest_every_bend_of_a_network_leaves_the_plan_and_the_picture_bit_for_bit(generator):
    from instrument import catalog
    from instrument.bend import OPS

    catalog.op("gain")
    slots = [Slot(name, op, layer) for layer in ("b8.conv1",) for name, op in OPS.items() if op.identity]
    plain, bent = (rig_of(walk=Walk(generator), generator=Quiet(generator), slots=some) for some in ([], slots))
    one, other = frame_of(plain)[3], frame_of(bent)[3]
    assert len(slots) > 3 and torch.equal(one.image, other.image)


class Walk:
    def __init__(self, generator):
        self.w = generator.map(torch.randn(1, generator.z_dim, generator=torch.Generator().manual_seed(1)))[0]

    def step(self, now):
        from instrument.flow import Latent

        return Latent(self.w)


class Quiet(Paint):
    """The tiny network without parameters of its own."""

    def __init__(self, generator):
        self.network = generator

    def layers(self):
        return self.network.layers()

    def render(self, latent, bend):
        return self.network.render(latent, bend, truncation=torch.tensor(0.7), noise=torch.tensor(1.0))


def test_the_first_frame_has_parameters_though_nothing_was_heard():
    rig = rig_of(modulators={"m": ScriptedModulator(0.5)}, routes=[Route("m", "spare/fader", 1.0, centred=True)])
    assert rig.modulate(tick(), []) == Signals({"m": 0.5}, frozenset({"m"}))
    assert rig.last_parameters is None
