"""How well the beat of music is known while it is heard: folders of NAME.ogg or .wav with their beats in NAME.beats.

    python benchmarks/listening.py FOLDER ... [--room] [--json FILE]

With `--room` it is heard as a microphone in a noisy room hears it. Each piece goes block by block through the listener and
the tempo, as in a show, and beats are where the clock that pictures go by passes a whole number. `ms` is how far those that
hit are from the true ones, their median and deviation; `lock` is when the clock was first right for two seconds on end; `cpu`
is milliseconds of one core for a second of sound.
"""

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from beats import SKIP, WINDOW, Times, continuity, f_measure
from room import room

from instrument.listening.listener import Listener
from instrument.media import read_sound
from instrument.tempo import Tempo

RIGHT, FOR = 0.05, 2.0  # seconds from the truth that a picture may be, and for how long before it counts as locked


def clock(path: Path, in_room: bool) -> tuple[Times, Times, Times, float]:
    """Times, the beat and the bar that pictures went by then, and seconds that the listening took."""
    sound = read_sound(path)
    samples, rate = sound.samples.astype(np.float32), sound.rate
    if in_room:
        samples = room(samples.reshape(len(samples), -1).mean(1), rate, np.random.default_rng(1))
    listener, tempo = Listener(rate), Tempo(120.0)
    times, beats, bars, begun = [], [], [], time.process_time()
    for end in range(listener.block, len(samples) + 1, listener.block):
        now = end / rate
        times.append(now)
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


def measured(path: Path, in_room: bool) -> dict[str, float | str]:
    """The figures of one piece."""
    rows = np.loadtxt(path.with_suffix(".beats"))
    true = rows[:, 0]
    times, beats, bars, cpu = clock(path, in_room)
    found = passed(beats, times, true[-1])
    downbeats = passed(bars + 1e-9 * np.arange(len(bars)), times, true[-1])
    apart = found[:, None] - true[None, true >= SKIP]
    off = apart[np.abs(apart).argmin(0), np.arange(apart.shape[1])]
    hits = off[np.abs(off) <= WINDOW] * 1000
    cmlt, amlt = continuity(found, true)
    return {
        "name": path.stem, "f": f_measure(found, true), "cmlt": cmlt, "amlt": amlt,
        "downbeat": f_measure(downbeats, true[rows[:, 1] == 1]),
        "ms": float(np.median(hits)) if len(hits) else 0.0, "sd": float(hits.std()) if len(hits) else 0.0,
        "lock": locked(found, true), "cpu": cpu / times[-1] * 1000,
    }  # fmt: skip


def locked(found: Times, true: Times) -> float:
    """Seconds until beats have been right, or half-way between two, for two seconds on end."""
    grid = np.sort(np.concatenate((true, (true[1:] + true[:-1]) / 2)))
    wrong = [beat for beat in found if abs(grid - beat).min() > RIGHT]
    for beat in found:
        if not any(beat <= other < beat + FOR for other in wrong):
            return float(beat)
    return float("inf")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--room", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    report = {}
    for folder in args.folders:
        names = sorted(path.with_suffix("") for path in folder.glob("*.beats"))
        files = [next(p for p in (n.with_suffix(".ogg"), n.with_suffix(".wav")) if p.exists()) for n in names]
        with ProcessPoolExecutor() as pool:
            rows = list(pool.map(partial(measured, in_room=args.room), files))
        for row in rows:
            print(
                "  ".join(f"{key} {value if isinstance(value, str) else round(value, 2)}" for key, value in row.items())
            )
        keys = ("f", "cmlt", "amlt", "downbeat", "cpu")
        whole = {key: round(sum(float(row[key]) for row in rows) / len(rows), 3) for key in keys}
        whole |= {key: round(median(float(row[key]) for row in rows), 2) for key in ("ms", "sd", "lock")}
        report[folder.name] = {"pieces": len(rows), **whole}
        print(folder.name, report[folder.name], flush=True)
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
