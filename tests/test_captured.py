"""What is replayed is what would have been drawn, whatever has moved; and what cannot be captured is drawn step by step.

Here a processor stands in for a GPU: it records every operation while it captures, and does them again, into the same
places, when it replays. With a GPU there the same tests run on it.
"""

from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from parts import CPU, write_model
from torch.utils._python_dispatch import TorchDispatchMode

from instrument import captured
from instrument.assemble import assemble
from instrument.captured import Captured
from instrument.flow import START
from instrument.networks import colouring, tiles
from instrument.patch import read_patch
from instrument.scene import Scene
from instrument.show import Show

PATCH = """
model = "one"
[walk]
plug = "drift"
[bends.kick]
op = "zoom"
layer = "b8.conv0"
[bends.dust]
op = "grain"
layer = "b16.conv0"
channels = 0.5
"""


class Recording(TorchDispatchMode):
    """What a CUDA graph is: operations on fixed places."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        made = function(*arguments, **(named or {}))
        self.steps.append((function, arguments, named or {}, made))
        return made

    def replay(self):
        for function, arguments, named, kept in self.steps:
            made = function(*arguments, **named)
            for new, old in zip(tensors(made), tensors(kept), strict=True):
                if new.data_ptr() != old.data_ptr():  # a view, or done in place
                    old.copy_(new)


def tensors(made):
    return [item for item in (made if isinstance(made, tuple | list) else [made]) if isinstance(item, torch.Tensor)]


@contextmanager
def recording(graph, capture_error_mode):
    with graph:
        yield


class Stream:
    def wait_stream(self, other):
        pass


@pytest.fixture
def device(monkeypatch):
    """A GPU, or a processor that does as if."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    for name, stand_in in {
        "Stream": Stream, "current_stream": Stream, "stream": lambda stream: nullcontext(), "synchronize": lambda: None,
        "CUDAGraph": Recording, "graph": recording,
    }.items():  # fmt: skip
        monkeypatch.setattr(captured.torch.cuda, name, stand_in)
    monkeypatch.setattr(tiles, "there_are", lambda: False)  # they are none of torch's operations, and a GPU has none
    monkeypatch.setattr(colouring, "there_is", lambda: False)
    return CPU


@pytest.fixture
def rig(tmp_path, monkeypatch, device):
    """A show, its pictures captured."""
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "models" / "one")
    (tmp_path / "patch.toml").write_text(PATCH)
    found = assemble(read_patch(tmp_path / "patch.toml"), Scene("x"), Show(live=False, device=device, strict=True))
    voice = found.voice
    replayed = Captured(voice.generator, voice.plan, voice.faders)
    return replace(found, voice=replace(voice, generator=replayed, captured=replayed))


def drawn(rig, **moved):
    """A picture with these faders where they are, and what the generator itself makes of the same."""
    for name, value in moved.items():
        rig.matrix.set(name.replace("__", "/"), value)
    parameters = rig.matrix.at_rest()
    latent = rig.voice.walk.step(replace(START, dt=1.0), **parameters["walk"])
    rig.packed.write(parameters)
    picture = rig.voice.draw(latent, parameters)
    told = rig.voice.captured.generator.render(latent, rig.voice.plan.bend, **rig.voice.faders)
    return picture, told


@torch.inference_mode()
def test_wherever_faders_latent_and_bends_are_it_replays_what_would_have_been_drawn(rig):
    rig.warm()
    assert set(rig.voice.captured.graphs) == {False, True}
    generator = rig.voice.captured.generator
    seen = []
    for moved in (
        {}, {"kick__octaves": 0.7}, {"generator__truncation": 0.3}, {"dust__amount": 1.0}, {"dust__mix": 0.0},
        {"kick__octaves": 0.0}, {"generator__noise": 0.0},
    ):  # fmt: skip
        picture, told = drawn(rig, **moved)
        assert torch.allclose(picture, told, atol=1e-4), moved
        seen.append(picture)
    assert all(not torch.allclose(one, other, atol=1e-3) for one, other in pairwise(seen))
    rig.voice.captured.generator = None  # nothing is drawn while it replays
    rig.packed.write(rig.matrix.at_rest())
    again = rig.voice.draw(rig.voice.latent, rig.matrix.at_rest())
    assert not torch.equal(seen[-1], again), "pictures stay when the next is drawn"
    rig.voice.captured.generator = generator


@torch.inference_mode()
def test_what_cannot_be_captured_is_drawn_step_by_step(rig, monkeypatch, caplog):
    caplog.set_level("INFO", "phosphene")

    def refusing(graph, capture_error_mode):
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    monkeypatch.setattr(captured.torch.cuda, "graph", refusing)
    rig.warm()
    assert rig.voice.captured.graphs == {}
    assert "operation not permitted when stream is capturing)" in caplog.text
    picture, told = drawn(rig, kick__octaves=0.5)
    assert torch.equal(picture, told)


@torch.inference_mode()
def test_with_less_work_it_is_drawn_step_by_step(rig):
    rig.warm()
    rig.voice.generator.ease(noise=False, fine=True)
    picture, told = drawn(rig, generator__noise=4.0)
    assert torch.equal(picture, told)
    rig.voice.generator.ease(noise=True, fine=True)
    rig.voice.captured.generator, generator = None, rig.voice.captured.generator  # it replays again
    assert not torch.allclose(rig.voice.draw(rig.voice.latent, rig.matrix.at_rest()), picture, atol=1e-3)
    rig.voice.captured.generator = generator


@torch.inference_mode()
def test_a_capture_that_replays_another_picture_is_not_used(rig, monkeypatch, caplog):
    caplog.set_level("INFO", "phosphene")
    monkeypatch.setattr(captured.torch, "allclose", lambda one, other, atol: False)
    rig.warm()
    assert rig.voice.captured.graphs == {}
    assert "is another picture" in caplog.text
