"""Features: every signal of a whole song, in a file beside its sidecar, and put right by what the sidecar says."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instrument.document import Mistake
from instrument.files import whole
from instrument.listening.listener import SIGNALS
from instrument.songs.sidecar import Sidecar, tonic_of

FEATURES = ".features.npz"
AGAIN = "`phosphene analyse` writes it anew when it is not there, and keeps the beats"


@dataclass(frozen=True)
class Features:
    """Signals [blocks, signals] by the names in `SIGNALS`, and when each block was told, in seconds."""

    times: NDArray[np.float64]
    signals: NDArray[np.float32]


def write_features(path: Path, sha256: str, times: NDArray[np.float64], signals: NDArray[np.float32]) -> None:
    """Write signals [blocks, signals], each told at its time in seconds, the end of its block."""
    with whole(path) as writing, writing.open("wb") as file:
        np.savez_compressed(file, sha256=sha256, names=np.array(SIGNALS), times=times, signals=signals)


def read_features(path: Path, sidecar: Sidecar) -> Features:
    """The features of the sidecar that lies at `path`, with its sections and its key. Raises Mistake for what is none."""
    there = path.with_name(sidecar.features)
    try:
        with np.load(there, allow_pickle=False) as file:
            kept: Mapping[str, NDArray[Any]] = {name: file[name] for name in ("sha256", "names", "times", "signals")}
    except FileNotFoundError as error:
        raise Mistake(f"{path}: features: there is no {there}; {AGAIN}") from error
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise Mistake(f"{there}: cannot be read as a song's features: {error}; {AGAIN}") from error
    times, signals = kept["times"], kept["signals"]
    if str(kept["sha256"]) != sidecar.sha256:
        raise Mistake(f"{there}: belongs to another song than {path}; {AGAIN}")
    if tuple(kept["names"].tolist()) != SIGNALS:
        raise Mistake(f"{there}: has other signals than this version hears; {AGAIN}")
    if times.dtype != np.float64 or times.ndim != 1 or not (np.diff(times, prepend=0) > 0).all():
        raise Mistake(f"{there}: times must be float64 that rise from 0 on; {AGAIN}")
    wanted = (len(times), len(SIGNALS))
    if signals.dtype != np.float32 or signals.shape != wanted or not ((signals >= 0) & (signals <= 1)).all():
        got = f"{signals.dtype} {list(signals.shape)}"
        raise Mistake(f"{there}: signals must be float32 {list(wanted)}, each 0..1, got {got}; {AGAIN}")
    return Features(times, edited(times, signals, sidecar))


def edited(times: NDArray[np.float64], signals: NDArray[np.float32], sidecar: Sidecar) -> NDArray[np.float32]:
    """The signals with the sidecar's sections, which strike but at the song's beginning, and its key."""
    column = {name: SIGNALS.index(name) for name in ("section", "key", "minor")}
    signals[:, column["section"]] = 0.0
    begins = np.searchsorted(times, [time for time, _ in sidecar.sections if time > 0], "right")
    signals[begins[begins < len(times)], column["section"]] = 1.0
    signals[:, column["key"]], signals[:, column["minor"]] = tonic_of(sidecar.key)
    return signals
