"""What `phosphene bench` measures is what plays: networks as large as published ones, in a show's own frames."""

import torch
from parts import CPU

from instrument.benchmarks import frames
from instrument.benchmarks.networks import numbers, stylegan2, stylegan3
from instrument.generators.stylegan3 import Generator
from instrument.model import Model
from instrument.show import Show

# size and channels of the layers of the published networks at 1024 px, as they are named
STYLEGAN3_T = (
    "36_512 36_512 52_512 52_512 84_512 148_512 148_512 276_323 276_203 532_128 1044_81 1044_51 1044_32 1024_32 1024_3"
)


def test_the_largest_networks_are_as_large_as_published_ones():
    assert [f"{layer.size}_{layer.channels}" for layer in stylegan3(1024, 32768, 512).layers] == STYLEGAN3_T.split()
    assert stylegan2(1024, 32768, 512).channels == [512, 512, 512, 512, 512, 256, 128, 64, 32]
    assert 74e9 < stylegan2(1024, 32768, 512).products < 75e9


def test_their_numbers_make_pictures():
    network = stylegan3(64, 1024, 32)
    generator = Generator(Model(network, numbers(network)), CPU)
    picture = generator.synthesize(generator.map(torch.randn(1, network.z_dim)))
    assert picture.shape == (1, 3, 64, 64) and 0.1 < picture.std() < 10


def test_whole_frames_are_measured_with_bends_at_rest_at_work_and_changing(monkeypatch, own_plugs):
    """Of networks so small that it costs nothing."""
    small = {"two": (stylegan2, 64, 256, 8), "three": (stylegan3, 16, 64, 8)}
    monkeypatch.setattr(frames, "HERE", small)
    found = frames.measure(Show(device=CPU, strict=True), 0.5)
    assert found.keys() == small.keys()
    for figures in found.values():
        for way in frames.WAYS:
            assert 0 < figures[way]["p50"] <= figures[way]["p99"] <= figures[way]["p100"]
        assert figures["from_message_to_picture_ms"]["p50"] > 0


def test_hands_move_ten_faders_and_change_the_bends(monkeypatch, own_plugs):
    with frames.model(stylegan2(64, 256, 8)) as folder:
        played, hands = frames.rig_of(Show(device=CPU, strict=True, model=str(folder), fps=frames.PATIENT))
        seen, active = [], []
        render = played.render

        def watched(tick, latent, parameters, events=()):
            frame = render(tick, latent, parameters, events)
            seen.append(dict(zip(played.matrix.index, played.matrix.rest, strict=True)))
            active.append(len(played.voice.plan.active))
            return frame

        played.render = watched
        for way in frames.WAYS:
            seen.clear(), active.clear()
            frames.laps(played, hands, frames.WAYS[way], 0.1)
            assert {"at_rest": {0}, "at_work": {4}, "changing": {0, 4}}[way] == set(active[1:])
            moving = [address for address in seen[0] if len({frame[address] for frame in seen}) > 2]
            assert moving == hands.moving and len(moving) == 10
        played.close()
