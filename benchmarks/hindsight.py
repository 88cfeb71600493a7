"""How well the beat of a song is known when all of it has been heard: folders of NAME.ogg or .wav with their NAME.beats.

    python benchmarks/hindsight.py FOLDER ... [--from SECONDS] [--json FILE]

Each piece is analysed as `phosphene analyse` does it. The figures are those of benchmarks/listening.py, which says the same of a
show; `--from 0` judges the first seconds too, and `first` is how late the first beat is.
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import beats
import numpy as np

from instrument.media import sound_of
from instrument.songs.analysis import analysed


def measured(path: Path, skip: float) -> dict[str, float | str]:
    """The figures of one piece."""
    beats.SKIP = skip
    rows = np.loadtxt(path.with_suffix(".beats"))
    true = rows[:, 0]
    found = np.array(analysed(sound_of(path)).beats).reshape(-1, 2)
    found = found[found[:, 0] <= true[-1] + beats.WINDOW]  # what follows the last true beat is not judged
    return {
        "name": path.stem, **beats.figures(found[:, 0], true),
        "downbeat": beats.f_measure(found[found[:, 1] == 1, 0], true[rows[:, 1] == 1]),
        "first": float(found[0, 0] - true[0]) if len(found) else float("inf"),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--from", type=float, default=beats.SKIP, dest="skip")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    report = {}
    for folder in args.folders:
        files = beats.pieces(folder)
        with ProcessPoolExecutor() as pool:
            rows = list(pool.map(partial(measured, skip=args.skip), files))
        for row in rows:
            print(
                "  ".join(f"{key} {value if isinstance(value, str) else round(value, 2)}" for key, value in row.items())
            )
        keys = ("f", "cmlt", "amlt", "downbeat", "ms", "sd")
        whole = {key: round(sum(float(row[key]) for row in rows) / len(rows), 3) for key in keys}
        report[folder.name] = {"pieces": len(rows), **whole}
        print(folder.name, report[folder.name], flush=True)
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
