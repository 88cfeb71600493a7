"""How the network that hears beats and drums is trained.

    python benchmarks/music.py MUSIC 5
    python benchmarks/machine.py MUSIC/machine 300
    python benchmarks/hearing.py features FEATURES MUSIC/tune MUSIC/more MUSIC/machine
    python benchmarks/hearing.py train FEATURES beats.npz --minutes 50 --processes 2

and then, with more kinds of music and with cuts between pieces, gone on with:

    python benchmarks/hearing.py train FEATURES more.npz --begin beats.npz --rate 1.5e-3 --minutes 58 --batch 24
    python benchmarks/hearing.py train FEATURES cut.npz --begin more.npz --rate 7e-4 --minutes 14 --batch 24
    python benchmarks/hearing.py mean more.npz cut.npz 0.7 beats.npz

Features are what the listener has of each block: the bands and their growth. Each piece is there as it is, and again faster or
slower, quieter, with noise, overdriven, or in a room. One groove in eight is held out, and its loss is printed. Targets stand at
the blocks around a beat or a stroke, so that the network need not be exact where nobody can be.
"""

import argparse
import math
import re
import time
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.distributed as together
from numpy.typing import NDArray
from room import room
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from instrument.listening.gain import AutoGain
from instrument.listening.growth import Growth
from instrument.listening.network import DRUMS, OUTPUTS
from instrument.listening.spectrum import Spectrum, Window
from instrument.media import read_sound

RATE, BLOCK = 44100, 512
DT = BLOCK / RATE
LENGTH = 1032  # blocks in which it is trained at a time: 12 s
SETTLING = 86  # blocks at whose beginning nothing is asked of it
BEAT = {-1: 0.3, 0: 1.0, 1: 0.6, 2: 0.25}  # targets, by blocks from the first that has it whole
STROKE = {-1: 0.5, 0: 1.0, 1: 0.4}
RARE = 4.0, 8.0, 3.0, 4.0, 2.0  # how much more a beat, a downbeat and so on counts than none
WORTH = 1.0, 0.6, 0.4, 0.4, 0.4
UNITS = 64
CUT = 0.3  # of the stretches go over into another piece, as songs do: or it would hold on to a tempo that is over
DROPPED = 0.05  # of what a layer hands on, while it is trained
STEEPEST = 0.1  # gradient: most are about 0.05, and a few are 1, which undid hundreds of steps
MEMORY = 0.995  # what is written is a running mean of the weights: it hears more kinds of music than the last of them

Features = NDArray[np.float16]


def features(samples: NDArray[np.float32]) -> Features:
    """Samples at 44.1 kHz -> heard and growth of each block [blocks, 92]."""
    spectrum = Spectrum(RATE)
    window, gain, growth = Window(spectrum), AutoGain(DT, 0), Growth(spectrum)
    rows = []
    for begin in range(0, len(samples) - BLOCK + 1, BLOCK):
        held, level, fall = window(samples[begin : begin + BLOCK])
        gain(level, ())
        new = growth(np.sqrt(spectrum.bands(spectrum(held))), gain.peak, fall)
        rows.append(np.concatenate((growth.heard, new)))
    return np.array(rows, np.float16)


def varied(samples: NDArray[np.float32], chance: np.random.Generator) -> tuple[NDArray[np.float32], float]:
    """The sound as it might be elsewhere, and how many times as fast."""
    speed = chance.uniform(0.8, 1.25)
    sound = np.interp(np.arange(0, len(samples) - 1, speed), np.arange(len(samples)), samples).astype(np.float32)
    if chance.random() < 0.45:
        return room(sound, RATE, chance, chance.uniform(6, 25)), speed
    sound = sound * 10 ** (-chance.uniform(0, 25) / 20) + chance.normal(
        0, 10 ** (-chance.uniform(50, 75) / 20), len(sound)
    )
    if chance.random() < 0.3:
        sound = np.tanh(sound * chance.uniform(1, 6))
    return sound.astype(np.float32), speed


def write_features(out: Path, folders: list[Path], variants: int) -> None:
    """NAME.VARIANT.npz of every piece: x [blocks, 92], y [blocks, 5] as percent, -1 where nobody knows."""
    out.mkdir(parents=True, exist_ok=True)
    for stem in sorted(path.with_suffix("") for folder in folders for path in folder.glob("*.beats")):
        sound = read_sound(next(p for p in (stem.with_suffix(".ogg"), stem.with_suffix(".wav")) if p.exists()))
        samples = sound.samples.astype(np.float32).reshape(len(sound.samples), -1).mean(1)
        for variant in range(variants):
            file = out / f"{stem.parent.name}_{stem.name}.{variant}.npz"
            if not file.exists():
                chance = np.random.default_rng(zlib.crc32(file.name.encode()))
                varying, speed = varied(samples, chance) if variant else (samples, 1.0)
                x = features(varying)
                np.savez(file, x=x, y=targets(stem, speed, len(x)))


def targets(stem: Path, speed: float, blocks: int) -> NDArray[np.int8]:
    found = np.zeros((blocks, len(OUTPUTS)))

    def mark(output: int, at: float, around: dict[int, float]) -> None:
        for shift, value in around.items():
            block = int(at / speed / DT) + 1 + shift
            if 0 <= block < blocks:
                found[block, output] = max(found[block, output], value)

    for at, place in np.loadtxt(stem.with_suffix(".beats")):
        mark(0, at, BEAT)
        if place == 1:
            mark(1, at, BEAT)
    strokes = stem.with_suffix(".drums")
    if not strokes.exists():
        found[:, 2:] = -0.01
    else:
        for line in strokes.read_text("utf-8").splitlines():
            at, drum = line.split()
            mark(2 + DRUMS.index(drum), float(at), STROKE)
    return (found * 100).round().astype(np.int8)


class Trained(nn.Module):
    """The network of instrument/listening/network.py, for training."""

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.dense = nn.Linear(2 * bands, UNITS)
        self.a, self.b = (nn.GRU(UNITS, UNITS, batch_first=True) for _ in range(2))
        self.out = nn.Linear(2 * UNITS, len(OUTPUTS))
        self.drop = nn.Dropout(DROPPED)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, blocks, 92] -> logits [N, blocks, 5]."""
        first, _ = self.a(self.drop(torch.tanh(self.dense(x))))
        second, _ = self.b(self.drop(first))
        logits: Tensor = self.out(self.drop(torch.cat((first, second), -1)))
        return logits

    def named(self) -> dict[str, Tensor]:
        """The parameters, by the names that the instrument has for them."""
        weights = {
            f"{ours}.{part}": getattr(layer, part)
            for ours, layer in (("in", self.dense), ("out", self.out))
            for part in ("weight", "bias")
        }
        for ours, layer in (("a", self.a), ("b", self.b)):
            for side, name in (("input", "ih"), ("memory", "hh")):
                for part in ("weight", "bias"):
                    weights[f"{ours}.{side}.{part}"] = getattr(layer, f"{part}_{name}_l0")
        return weights

    def write(self, path: Path) -> None:
        """As the instrument reads it: each matrix [inputs, outputs], in half precision."""
        arrays = {
            name: np.ascontiguousarray(value.detach().numpy().T).astype(np.float16)
            for name, value in self.named().items()
        }
        np.savez_compressed(path, centres=Spectrum(RATE).centres, **arrays)  # type: ignore[arg-type]

    def read(self, path: Path) -> None:
        """Begin with what was written."""
        with np.load(path, allow_pickle=False) as file, torch.no_grad():
            for name, value in self.named().items():
                value.copy_(torch.from_numpy(file[name].astype(np.float32).T))


def held_out(file: Path) -> bool:
    """Whether it is not trained by; further pieces of a groove go with it."""
    groove = re.sub(r"^(tune|more|machine)_", "", file.name.split(".")[0])
    if file.name.startswith("more"):
        groove = re.sub(r"_\d+$", "", groove)
    return zlib.crc32(groove.encode()) % 8 == 0


class Pieces:
    """Features and targets, in memory, and stretches of them by chance."""

    def __init__(self, files: list[Path], seed: int) -> None:
        self.pieces = [(file["x"], file["y"]) for file in map(np.load, files)]
        lengths = np.array([len(x) for x, _ in self.pieces], float)
        self.odds, self.chance = lengths / lengths.sum(), np.random.default_rng(seed)

    def batch(self, count: int) -> tuple[Tensor, Tensor]:
        """x [count, LENGTH, 92] and y; in some, bands are missing, or it is coloured, or a little quieter or louder."""
        width = self.pieces[0][0].shape[1]
        x, y = np.zeros((count, LENGTH, width), np.float32), np.zeros((count, LENGTH, len(OUTPUTS)), np.float32)
        for n in range(count):
            self.put(x[n], y[n])
            if self.chance.random() < CUT:
                cut = int(self.chance.integers(LENGTH // 4, LENGTH // 2))
                self.put(x[n, cut:], y[n, cut:])
            if self.chance.random() < 0.3:
                x[n] *= np.tile(self.chance.random(width // 2) > 0.15, 2)
            if self.chance.random() < 0.5:
                x[n] *= self.chance.uniform(0.7, 1.15)
            if self.chance.random() < 0.5:
                corners = np.exp(self.chance.normal(0, 0.2, 6))
                x[n] *= np.tile(np.interp(np.linspace(0, 5, width // 2), np.arange(6), corners), 2)
        return torch.from_numpy(x), torch.from_numpy(y)

    def put(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> None:
        """Fill x [blocks, 92] and y with a stretch of a piece."""
        heard, wanted = self.pieces[self.chance.choice(len(self.pieces), p=self.odds)]
        begin = 0 if self.chance.random() < 0.15 else int(self.chance.integers(0, max(len(heard) - len(x), 1)))
        heard, wanted = heard[begin : begin + len(x)], wanted[begin : begin + len(x)]
        x[:], y[:] = 0, 0
        x[: len(heard)], y[: len(heard)] = heard, wanted / 100


def loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Of each output; those that nobody knows count for nothing."""
    apart = nn.functional.binary_cross_entropy_with_logits(
        logits, wanted.clamp(min=0), pos_weight=torch.tensor(RARE), reduction="none"
    )
    return (apart * (wanted >= 0) * torch.tensor(WORTH))[:, SETTLING:].mean((0, 1))


def train(rank: int, args: argparse.Namespace) -> None:
    """One process of several, each with its part of the pieces; their gradients are averaged."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    together.init_process_group("gloo", init_method="tcp://127.0.0.1:29511", rank=rank, world_size=args.processes)
    files = sorted(args.features.glob("*.npz"))
    pieces = Pieces([file for file in files if not held_out(file)][rank :: args.processes], rank)
    judged = Pieces([file for file in files if held_out(file) and ".0." in file.name][::2], 0).pieces
    network = Trained(pieces.pieces[0][0].shape[1] // 2)
    if args.begin:
        network.read(args.begin)
    kept = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(MEMORY))
    if args.begin and rank == 0:
        report(kept.module, judged, 0)
    optimiser = torch.optim.Adam(network.parameters())
    begun, step, done = time.time(), 0, torch.zeros(1)
    while done < 1:
        done[0] = min((time.time() - begun) / 60 / args.minutes, 1)
        together.broadcast(done, 0)  # or one would stop while another waits for it
        for group in optimiser.param_groups:
            group["lr"] = 1e-5 + args.rate * min(1, step / 50) * (0.5 + 0.5 * math.cos(math.pi * float(done)))
        x, y = pieces.batch(args.batch)
        optimiser.zero_grad()
        loss(network(x), y).mean().backward()
        for parameter in network.parameters():
            together.all_reduce(parameter.grad, together.ReduceOp.SUM)
            parameter.grad /= args.processes  # type: ignore[operator]
        nn.utils.clip_grad_norm_(network.parameters(), STEEPEST)
        optimiser.step()
        step += 1
        if step % 50 == 0 and step <= 200:  # the beginning is forgotten
            kept = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(MEMORY))
        kept.update_parameters(network)
        if rank == 0 and (step % 100 == 0 or done >= 1):
            report(kept.module, judged, step)
            kept.module.write(args.out)


def report(network: Trained, judged: list[tuple[Features, NDArray[np.int8]]], step: int) -> None:
    network.eval()  # nothing is dropped
    with torch.no_grad():
        losses = [
            loss(network(torch.from_numpy(x.astype(np.float32))[None]), torch.from_numpy(y / np.float32(100))[None])
            for x, y in judged
        ]
    mean = torch.stack(losses).mean(0).tolist()
    print(step, *(f"{name} {value:.4f}" for name, value in zip(OUTPUTS, mean, strict=True)), flush=True)


def mean(one: Path, other: Path, share: float, out: Path) -> None:
    """Write the mean of two networks of which one was trained on from the other: so much of the second."""
    with np.load(one) as these, np.load(other) as those:
        arrays = {
            name: ((1 - share) * these[name].astype(np.float64) + share * those[name]).astype(these[name].dtype)
            for name in these.files
        }
    np.savez_compressed(out, **arrays)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(required=True)
    heard = commands.add_parser("features")
    heard.add_argument("out", type=Path)
    heard.add_argument("folders", nargs="+", type=Path)
    heard.add_argument("--variants", type=int, default=2)
    heard.set_defaults(what="features")
    learnt = commands.add_parser("train")
    learnt.add_argument("features", type=Path)
    learnt.add_argument("out", type=Path)
    learnt.add_argument("--begin", type=Path, help="a network to go on from")
    learnt.add_argument("--rate", type=float, default=3e-3)
    learnt.add_argument("--minutes", type=float, default=50)
    learnt.add_argument("--processes", type=int, default=2)
    learnt.add_argument("--batch", type=int, default=48)
    learnt.set_defaults(what="train")
    between = commands.add_parser("mean")
    between.add_argument("one", type=Path)
    between.add_argument("other", type=Path)
    between.add_argument("share", type=float, help="of the second, 0..1")
    between.add_argument("out", type=Path)
    between.set_defaults(what="mean")
    args = parser.parse_args()
    if args.what == "mean":
        mean(args.one, args.other, args.share, args.out)
    elif args.what == "features":
        write_features(args.out, args.folders, args.variants)
    else:
        torch.multiprocessing.spawn(train, (args,), args.processes)


if __name__ == "__main__":
    main()
