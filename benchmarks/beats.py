"""How good beats are, held against true ones: the F-measure and continuity.

F counts hits within 70 ms. Continuity (Hainsworth 2004; Klapuri, Eronen and Astola 2006; here the share of time that is right,
with interruptions: CMLt) wants a beat within 17.5 % of the interval from a true one, and the one before it too, with an interval
as long; AMLt also allows double, half (either) and the off-beat. The first five seconds do not count.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]
SKIP, WINDOW, SHARE = 5.0, 0.07, 0.175


def f_measure(found: Times, true: Times) -> float:
    """Each true beat is hit at most once."""
    found, true = found[found >= SKIP], true[true >= SKIP]
    hits, i = 0, 0
    for beat in true:
        while i < len(found) and found[i] < beat - WINDOW:
            i += 1
        if i < len(found) and found[i] <= beat + WINDOW:
            hits, i = hits + 1, i + 1
    return 2 * hits / max(len(found) + len(true), 1)


def continuity(found: Times, true: Times) -> tuple[float, float]:
    """CMLt and AMLt."""
    found, true = found[found >= SKIP], true[true >= SKIP]
    between = (true[1:] + true[:-1]) / 2
    double = np.sort(np.concatenate((true, between)))
    levels = [true, between, double, true[::2], true[1::2]]
    shares = [continuous(found, level) for level in levels]
    return shares[0], max(shares)


def continuous(found: Times, true: Times) -> float:
    """The share of beats that are right and follow one that is."""
    if len(found) < 2 or len(true) < 2:
        return 0.0
    right = 0
    intervals = np.diff(true)
    used = np.full(len(true), False)
    for i, beat in enumerate(found):
        at = int(np.abs(true - beat).argmin())
        if used[at]:
            continue
        interval = intervals[max(at - 1, 0)]
        if abs(true[at] - beat) >= SHARE * interval:
            continue
        if i and at:
            before = abs(true[at - 1] - found[i - 1]) < SHARE * interval
            alike = abs((beat - found[i - 1]) / interval - 1) < SHARE
            if not (before and alike):
                continue
        used[at] = True
        right += 1
    return right / max(len(true), len(found))


def figures(found: Times, true: Times) -> dict[str, float]:
    """F, CMLt, AMLt, and how far the beats that hit are from the true ones: their median and deviation in milliseconds."""
    apart = found[:, None] - true[None, true >= SKIP] if len(found) else np.full((1, (true >= SKIP).sum()), np.inf)
    off = apart[np.abs(apart).argmin(0), np.arange(apart.shape[1])]
    hits = off[np.abs(off) <= WINDOW] * 1000
    cmlt, amlt = continuity(found, true)
    return {
        "f": f_measure(found, true), "cmlt": cmlt, "amlt": amlt,
        "ms": float(np.median(hits)) if len(hits) else 0.0, "sd": float(hits.std()) if len(hits) else 0.0,
    }  # fmt: skip


def pieces(folder: Path) -> list[Path]:
    """The sounds in a folder that have their beats beside them."""
    stems = sorted(path.with_suffix("") for path in folder.glob("*.beats"))
    return [next(p for p in (stem.with_suffix(".ogg"), stem.with_suffix(".wav")) if p.exists()) for stem in stems]
