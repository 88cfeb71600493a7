"""The whole loop, and that a show comes out the same again."""

import numpy as np
import pytest
import torch
from parts import CPU, Paint, Script, ScriptedOutput, ScriptedWalk, events, rig_of, tick

from instrument.assemble import assemble
from instrument.clock import Replay, Virtual
from instrument.flow import Event
from instrument.patch import read_patch
from instrument.perform import perform
from instrument.plugs import Closed
from instrument.report import Meter
from instrument.scene import Scene
from instrument.show import Show
from instrument.take import Recorder, read_take

pytestmark = pytest.mark.usefixtures("own_plugs")

PATCH = """
model = '{model}'
[inputs.osc]
[inputs.keys]
[walk]
plug = "{walk}"
[modulators.hit]
plug = "envelope"
on = "key/space"
[modulators.wild]
plug = "lfo"
shape = "random"
[modulators.steps]
plug = "hold"
on = "key/space"
[bends.kick]
op = "zoom"
layer = "b8.conv1"
[bends.glitter]
op = "grain"
layer = "b16.conv0"
channels = 0.5
seed = 3
[[routes]]
from = "hit"
to = "kick/octaves"
amount = 0.3
[[routes]]
from = "wild"
to = "glitter/amount"
amount = 0.5
[[routes]]
from = "steps"
to = "glitter/phase"
amount = 1.0
[outputs.memory]
"""
PLAYED = {
    5: [("key/space", 1.0)],
    6: [("key/space", 0.0)],
    12: [("osc/walk/speed", 3.0), ("osc/pad", 0.4)],
    20: [("key/space", 1.0)],
}


class Player:
    """An input that plays what is written down."""

    def poll(self, now):
        return events(*PLAYED.get(now.index, []))

    def close(self):
        pass


def show(folder, model, walk="drift", clock=None, source=None, take=None, frames=30, seed=1):
    """The pictures of a show [frames, H, W, 3]."""
    path = folder / "patch.toml"
    path.write_text(PATCH.format(model=model, walk=walk), "utf-8")
    patch = read_patch(path)
    patch = patch.__class__(**{**vars(patch), "inputs": {}})
    rig = assemble(patch, Scene("none"), Show(live=False, fps=30, device=CPU, strict=True, seed=seed))
    rig.inputs = {"player": source or Player()}
    rig.warm()
    perform(rig, Meter(rig, clock or Virtual(30, 120, frames)), take)
    rig.close()
    assert rig.faults.lines() == []
    return np.stack(rig.outputs["memory"].output.pixels)


@pytest.mark.parametrize("walk", ["drift", "orbit", "keyframes"])
def test_a_show_comes_out_the_same_again_bit_for_bit(tmp_path, model_folder, walk):
    one, other = (show(tmp_path, model_folder, walk) for _ in range(2))
    assert np.array_equal(one, other)
    assert len(np.unique(one.reshape(len(one), -1), axis=0)) > 0.8 * len(one), "it moves"
    assert not np.array_equal(one, show(tmp_path, model_folder, walk, seed=2)), "another seed is another show"


def test_a_take_played_back_is_the_same_show(tmp_path, model_folder):
    from instrument.inputs.take import Input

    path = tmp_path / "evening.jsonl"
    recorder = Recorder(path, {})
    played = show(tmp_path, model_folder, take=recorder)
    recorder.close()
    take = read_take(path)
    assert [(tick.index, event) for tick, heard in zip(take.ticks, take.events, strict=True) for event in heard] == [
        (index, Event(*pair)) for index, pairs in PLAYED.items() for pair in pairs
    ]
    again = show(tmp_path, model_folder, clock=Replay(take.ticks), source=Input(file=str(path)))
    assert np.array_equal(played, again)


def test_what_is_played_is_seen_in_the_very_frame_of_its_tick(tmp_path, model_folder):
    played, silent = show(tmp_path, model_folder), show(tmp_path, model_folder, source=Script([]))
    same = [np.array_equal(one, other) for one, other in zip(played, silent, strict=True)]
    assert same[:5] == [True] * 5 and not same[5]


def test_it_ends_when_the_performer_closes_the_window():
    output = ScriptedOutput(None, None, Closed())
    rig = rig_of(outputs={"window": output})
    perform(rig, Meter(rig, Virtual(30, 120, 100)))
    assert output.calls == 3


def test_nothing_in_the_loop_keeps_a_graph_of_gradients():
    rig = rig_of(walk=ScriptedWalk(0.5), generator=Paint(), outputs={"o": (output := ScriptedOutput(None))})
    perform(rig, Meter(rig, Virtual(30, 120, 1)))
    ((frame,),) = output.seen
    assert frame.image.is_inference() and torch.is_grad_enabled(), "the mode ends with the loop"
    assert frame.tick == tick(0)
