"""How well and how soon music is heard. Figures go into a JSON file, one table under another.

    python benchmarks/listening.py beats FOLDER ... [--room] [--ahead SECONDS] [--others] [--json FILE]
    python benchmarks/listening.py onsets [--json FILE]
    python benchmarks/listening.py clock [--json FILE]
    python benchmarks/listening.py soak [--minutes 30] [--json FILE]

`beats`: folders of NAME.ogg or .wav with their beats in NAME.beats (benchmarks/music.py makes some). With `--room` it is heard
as a microphone in a noisy room hears it. Each piece goes block by block through the listener and the tempo, as in a show, and
beats are where the clock that pictures go by passes a whole number, `--ahead` seconds before it does. `ms` is how far those
that hit are from the true ones, their median and deviation; `lock` is when the clock was first right for two seconds on end;
`cpu` is milliseconds of one core for a second of sound. `--others` puts aubio's tracker (apt install aubio-tools) and
librosa's, which hears the whole piece first, beside it.

`onsets`: how many of the strokes of drum machines and of soft chords are heard, how many are heard that are none, and how much
later than they begin. `clock`: every tempo from 60 to 215, steps from one to another, and breaks of 32 beats without drums.
`soak`: whether beats run back or memory grows where blocks come late, early, in any size or not at all; and how long one takes.
"""

import argparse
import json
import subprocess
import tempfile
import time
import wave
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
from beats import WINDOW, Times, f_measure, figures, pieces
from machine import RATE, kit, tone
from numpy.typing import NDArray
from room import room

from instrument.flow import Tick
from instrument.listening.listener import Listener
from instrument.media import read_sound
from instrument.tempo import Tempo

RIGHT, FOR = 0.05, 2.0  # seconds from the truth that a picture may be, and for how long before it counts as locked


def samples_of(path: Path, in_room: bool) -> tuple[NDArray[np.float32], int]:
    """A piece as one channel, and its rate."""
    sound = read_sound(path)
    samples = sound.samples.astype(np.float32).reshape(len(sound.samples), -1).mean(1)
    return room(samples, sound.rate, np.random.default_rng(1)) if in_room else samples, sound.rate


def clock(samples: NDArray[np.float32], rate: int, ahead: float) -> tuple[Times, Times, Times, float]:
    """Times, the beat and the bar that pictures went by then, and seconds that the listening took."""
    listener, tempo = Listener(rate), Tempo(120.0, ahead=ahead)
    times, beats, bars, begun = [], [], [], time.process_time()
    for end in range(listener.block, len(samples) + 1, listener.block):
        now = end / rate
        times.append(now + ahead)
        tick = tempo.tick(0, now, 0)
        beats.append(tick.beat)
        bars.append(tick.bar)
        listener.push(samples[end - listener.block : end])
        read = listener.reading
        if read:
            tempo.hear(now, now, read)
    return np.array(times), np.array(beats), np.array(bars), time.process_time() - begun


def passed(counts: Times, times: Times, end: float) -> Times:
    """When a count passed its whole numbers, until the end: what follows the last true beat is not judged."""
    whole = np.interp(np.arange(np.ceil(counts[0]), np.floor(counts[-1]) + 1), counts, times)
    return whole[whole <= end + WINDOW]


def measured(path: Path, in_room: bool, ahead: float) -> dict[str, float]:
    """The figures of one piece."""
    rows = np.loadtxt(path.with_suffix(".beats"))
    true = rows[:, 0]
    times, beats, bars, cpu = clock(*samples_of(path, in_room), ahead)
    downbeats = passed(bars + 1e-9 * np.arange(len(bars)), times, true[-1])
    figures = compared(passed(beats, times, true[-1]), true)
    return {**figures, "downbeat": f_measure(downbeats, true[rows[:, 1] == 1]), "cpu": cpu / times[-1] * 1000}


def locked(found: Times, true: Times) -> float:
    """Seconds until beats have been right, or half-way between two, for two seconds on end."""
    grid = np.sort(np.concatenate((true, (true[1:] + true[:-1]) / 2)))
    wrong = [beat for beat in found if abs(grid - beat).min() > RIGHT]
    for beat in found:
        if not any(beat <= other < beat + FOR for other in wrong):
            return float(beat)
    return float("inf")


def others(path: Path, in_room: bool) -> dict[str, dict[str, float]]:
    """The figures of aubio's and librosa's trackers for a piece."""
    import librosa

    samples, rate = samples_of(path, in_room)
    rows = np.loadtxt(path.with_suffix(".beats"))
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        with wave.open(file.name, "wb") as write:
            write.setparams((1, 2, rate, 0, "NONE", ""))
            write.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
        said = subprocess.run(["aubiotrack", "-i", file.name], capture_output=True, text=True, check=True).stdout
    heard = {
        "aubio": np.array([float(line.split()[0]) for line in said.splitlines()]),
        "librosa, offline": librosa.beat.beat_track(y=samples, sr=rate, units="time")[1],
    }
    return {name: compared(beats[beats <= rows[-1, 0] + WINDOW], rows[:, 0]) for name, beats in heard.items()}


def compared(found: Times, true: Times) -> dict[str, float]:
    return {**figures(found, true), "lock": locked(found, true)}


def mean(rows: list[dict[str, float]]) -> dict[str, float]:
    """Of all pieces: means, and of times the median."""
    times = {key for key in rows[0] if key in ("ms", "sd", "lock")}
    whole = {key: round(float(np.mean([row[key] for row in rows])), 3) for key in rows[0] if key not in times}
    return whole | {key: round(median(row[key] for row in rows), 2) for key in rows[0] if key in times}


def beats(args: argparse.Namespace) -> dict[str, object]:
    report: dict[str, object] = {}
    for folder in args.folders:
        files = pieces(folder)
        with ProcessPoolExecutor(args.processes) as pool:
            rows = list(pool.map(partial(measured, in_room=args.room, ahead=args.ahead), files))
            beside = list(pool.map(partial(others, in_room=args.room), files)) if args.others else []
        for file, row in zip(files, rows, strict=True):
            print(file.stem, *(f"{key} {value:.2f}" for key, value in row.items()))
        title = f"{folder.name}{', in a room' * args.room}{f', {args.ahead:g} s ahead' * (args.ahead > 0)}"
        report[title] = {"pieces": len(rows), "phosphene": mean(rows)}
        report[title] |= {name: mean([row[name] for row in beside]) for name in (beside[0] if beside else ())}
    return report


def strokes(kind: str, seed: int) -> tuple[NDArray[np.float32], Times]:
    """A minute of strokes of one kind and loudness after loudness, over noise at -60 dB, and when they begin."""
    chance = np.random.default_rng(seed)
    times = 1 + np.cumsum(chance.uniform(0.4, 0.9, 80))
    samples = chance.normal(0, 1e-3, int((times[-1] + 1) * RATE))
    drums = kit(chance)
    for at in times:
        hertz = 220 * 2 ** (chance.integers(0, 12) / 12)
        sound = 0.4 * tone(chance, hertz, 0.33, 1.0, 0.06) if kind == "pad" else drums[kind]()
        begin = round(at * RATE)
        samples[begin : begin + len(sound)] += chance.uniform(0.25, 0.5) * sound
    return samples.astype(np.float32), times


def struck(samples: NDArray[np.float32], name: str = "onset") -> Times:
    """When a signal strikes: the ends of the blocks."""
    listener = Listener(RATE)
    blocks = listener.push(samples)
    return np.array([n + 1 for n, signals in enumerate(blocks) if signals[name] > 0]) * listener.block / RATE


def onsets(args: argparse.Namespace) -> dict[str, object]:
    report: dict[str, object] = {}
    for kind in ("kick", "snare", "hat", "pad"):
        hits, late, false, count = 0, [], 0, 0
        for seed in range(10):
            samples, times = strokes(kind, seed)
            after = struck(samples)[:, None] - times[None]
            near = (after > -0.005) & (after < 0.08)
            hits += int(near.any(0).sum())
            false += int((~near.any(1)).sum())
            count += len(times)
            late += [after[near[:, n], n][0] * 1000 for n in range(len(times)) if near[:, n].any()]
        report[kind] = {
            "strokes": count, "recall": round(hits / count, 4), "false a stroke": round(false / count, 4),
            "median ms": round(float(np.median(late)), 2), "95 % ms": round(float(np.percentile(late, 95)), 2),
        }  # fmt: skip
    noise = np.random.default_rng(1).normal(0, 1e-3, 60 * RATE).astype(np.float32)
    report["a minute of silence"] = {"heard": len(struck(0 * noise))}
    report["a minute of noise at -60 dB"] = {"heard": len(struck(noise))}
    return report


def played(true: Times, seed: int, silent: range = range(0), bass: bool = True) -> NDArray[np.float32]:
    """Drums on these beats, hats between, bass on each and a chord on each fourth; in a break no drums, or no `bass` either."""
    chance = np.random.default_rng(seed)
    drums, root = kit(chance), 110 * 2 ** (chance.integers(0, 12) / 12)
    samples = chance.normal(0, 1e-4, int((true[-1] + 2) * RATE))

    def add(at: float, sound: NDArray[np.float64]) -> None:
        begin = round(at * RATE)
        samples[begin : begin + len(sound)] += sound[: len(samples) - begin]

    four = chance.random() < 0.5
    for number, (beat, following) in enumerate(pairwise(true)):
        if number not in silent:
            add(beat, 0.5 * drums["kick" if four or number % 2 == 0 else "snare"]())
            add((beat + following) / 2, 0.25 * drums["hat"]())
        if number not in silent or bass:
            add(beat, 0.2 * tone(chance, root / 2, 0.18, 1.2, 0.004))
        if number % 4 == 0:
            for ratio in (1, 1.26, 1.5):
                add(beat, 0.05 * tone(chance, root * ratio, 3 * (following - beat), 1.3, 0.03))
    return (0.8 * samples / abs(samples).max()).astype(np.float32)


def followed(samples: NDArray[np.float32], true: Times) -> tuple[Times, Times]:
    """Times of the clock's beats, and at each of them how far it is from a true beat, or half a beat, or every second."""
    times, counts, _, _ = clock(samples, RATE, 0.0)
    found = passed(counts, times, true[-1])
    grid = np.sort(np.concatenate((true, (true[1:] + true[:-1]) / 2)))
    return found, found - grid[np.abs(found[:, None] - grid).argmin(1)]


def clocks(args: argparse.Namespace) -> dict[str, object]:
    """Tempi, steps, breaks."""
    report: dict[str, object] = {}
    shares = {}
    for bpm in range(60, 216, 5):
        true = np.arange(0.5, 26, 60 / bpm)
        found, off = followed(played(true, bpm), true)
        shares[bpm] = float(np.mean(np.abs(off[found > 8]) < RIGHT))
    report["steady, 60 to 215 bpm"] = {
        "tempi": len(shares), "right from 8 s on": round(float(np.mean(list(shares.values()))), 3),
        "wrong": {str(bpm): round(share, 2) for bpm, share in shares.items() if share < 0.95},
    }  # fmt: skip
    relock = []
    for seed in range(20):
        chance = np.random.default_rng(seed)
        before = chance.uniform(80, 160)
        after = before * chance.choice((0.8, 0.86, 1.16, 1.25))
        step = 0.5 + round(20 * before / 60) * 60 / before
        true = np.concatenate((np.arange(0.5, step - 0.01, 60 / before), np.arange(step, step + 20, 60 / after)))
        found, off = followed(played(true, seed), true)
        wrong = found[(np.abs(off) > RIGHT) & (found > step)]
        relock.append(float(wrong.max() - step) if len(wrong) else 0.0)
    report["a step of the tempo"] = {
        "pieces": len(relock), "right again after, median s": round(median(relock), 2), "longest s": round(max(relock), 2)
    }  # fmt: skip
    for bass, name in ((True, "bass and chords"), (False, "chords alone")):
        drifts = []
        for seed in range(20):
            bpm = np.random.default_rng(seed).uniform(90, 150)
            true = np.arange(0.5, 72 * 60 / bpm, 60 / bpm)
            found, off = followed(played(true, seed, range(32, 64), bass), true)
            inside = (found > true[32]) & (found < true[63] + 30 / bpm)
            drifts.append(float(np.abs(off[inside]).max()) * 1000)
        report[f"a break of 32 beats, {name}"] = {
            "pieces": len(drifts), "furthest off, median ms": round(median(drifts), 1),
            "below 40 ms": round(float(np.mean(np.array(drifts) <= 40)), 2), "worst ms": round(max(drifts), 1),
        }  # fmt: skip
    return report


def soak(args: argparse.Namespace) -> dict[str, object]:
    """Minutes of sound in blocks of any size, with pieces missing, and a look at the clock 60 times a second."""
    true = np.arange(0.5, 60, 60 / 124)
    minute, chance = played(true, 1), np.random.default_rng(1)
    listener, tempo = Listener(RATE), Tempo(120.0)
    last, took, resident, back, at, now = Tick(0, 0.0, 0.0, 0.0), [], [], 0, 0, 0.0
    while at < args.minutes * 60 * RATE:
        size = int(chance.choice((1, 64, 441, 512, 512, 512, 1024, 4096)))
        piece = minute.take(np.arange(at, at + size), mode="wrap")
        at += size + (chance.integers(1, 4000) if chance.random() < 0.01 else 0)
        begun = time.perf_counter()
        listener.push(piece)
        if size == 512:
            took.append(time.perf_counter() - begun)
        now = max(now, at / RATE + chance.uniform(-0.02, 0.02))
        if listener.reading:
            tempo.hear(now, at / RATE, listener.reading)
        tick = tempo.tick(0, now, 0.0)
        back += int(tick.beat < last.beat or tick.bar < last.bar)
        last = tick
        if at / RATE / 60 > len(resident):
            resident.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20)
    return {
        f"{args.minutes:g} minutes of odd blocks": {
            "beats that ran back": back, "beats": round(last.beat, 1),
            "block of 512, median ms": round(float(np.median(took)) * 1000, 3),
            "block of 512, 99 % ms": round(float(np.percentile(took, 99)) * 1000, 3),
            "memory after 2 minutes MiB": round(resident[min(2, len(resident) - 1)], 1),
            "and at the end": round(resident[-1], 1),
        }
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(required=True)
    heard = commands.add_parser("beats")
    heard.add_argument("folders", nargs="+", type=Path)
    heard.add_argument("--room", action="store_true")
    heard.add_argument("--others", action="store_true")
    heard.add_argument("--ahead", type=float, default=0.0)
    heard.add_argument("--processes", type=int)
    heard.set_defaults(run=beats)
    commands.add_parser("onsets").set_defaults(run=onsets)
    commands.add_parser("clock").set_defaults(run=clocks)
    long = commands.add_parser("soak")
    long.add_argument("--minutes", type=float, default=30)
    long.set_defaults(run=soak)
    for command in commands.choices.values():
        command.add_argument("--json", type=Path, help="a file that the figures are added to")
    args = parser.parse_args()
    report = args.run(args)
    print(json.dumps(report, indent=1))
    if args.json:
        known = json.loads(args.json.read_text("utf-8")) if args.json.exists() else {}
        args.json.write_text(json.dumps(known | report, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
