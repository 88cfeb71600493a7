"""Hindsight: the beats and bars of a whole song, each weighed by all of it, what came before and what came after.

The pulse and the bars are those that are followed while music plays (`pulse.py`, `bars.py`): the same states, the same
changes, the same belief in what the network hears. What is asked is another: not where they are now, but the one course through
the whole song that is likeliest (Viterbi, IEEE Trans. Information Theory 13, 1967). So the first beat is as sure as the last.
A fixed cost of each beat, and the tactus of the whole song, tell beats from what lies between them.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from instrument.listening.bars import FLOOR, SLIP, TRUST, Bars
from instrument.listening.chroma import like_keys
from instrument.listening.gain import AutoGain
from instrument.listening.pulse import LATE, LEAST, SLOWEST, SPREAD, USUAL, WEIGHT, Pulse
from instrument.listening.tactus import EACH, ODD, whole

COST = 1.0  # what each beat must be worth, or a slow song is heard at its eighths
NEAR = 3  # blocks about a beat in which the network's word for it is looked for
AGREED = 0.175  # of a beat: two that are nearer are one
OFF = 0.6  # of the beats of another that must lie half-way between ours, for theirs to be the beat
HARMONY = 4.0  # how much a change of harmony speaks for a downbeat, of how much more it changes there than elsewhere
TOLD = 0.1  # octaves about a tempo that somebody says
EARLY = 0.02  # seconds before the song that are still its beginning
PACE = 16  # beats over which a tempo is measured
HELD, LEAST_HELD = 8, 4  # bars that are held against as many before, and the shortest section
NEW = 0.2  # how far apart the two are where a section begins, of how far they are from silence
ALIKE = 0.15  # two sections that are nearer are the same again

Row = NDArray[np.float64]
Row32 = NDArray[np.float32]
Places = NDArray[np.int_]
Key = tuple[int, bool]  # the tonic, c is 0, and whether it is minor


def beats(likely: Row32, dt: float, bpm: float | None = None) -> Row:
    """How like a beat each block is [blocks], 0..1 -> the moments of the beats in seconds, those of the likeliest course.

    `bpm` is about how fast it is, if somebody knows.
    """
    if not len(likely):
        return np.zeros(0)
    usual, spread = bpm or USUAL, TOLD if bpm else SPREAD
    at = course(likely, Pulse(dt, usual, spread))
    if len(at) > 1:
        said = np.array([likely[around(likely, block)].max() for block in at])
        which = whole(said, float(np.median(np.diff(at))) * dt, usual, spread, SLOWEST)
        at = at if which == EACH else at[which == ODD :: 2]
    moments = np.array([(centre(likely, block) + 1 - LATE) * dt for block in at])
    found: Row = np.maximum(moments[moments > -EARLY], 0.0)
    return found


def course(likely: Row32, pulse: Pulse) -> Places:
    """The blocks in which beats begin.

    A place in the beat moves on by itself, so a course is told by where each beat comes from: [blocks, intervals].
    """
    with np.errstate(divide="ignore"):
        change, score = np.log(pulse.change) - np.float32(COST), np.log(pulse.belief)
    before = np.zeros((len(likely), len(pulse.intervals)), np.uint8)
    each, moved = np.arange(len(pulse.intervals)), np.empty_like(score)
    for block, like in enumerate(likely.tolist()):
        ways = score[pulse.last][:, None] + change  # [from, to]
        before[block] = ways.argmax(0)
        moved[1:] = score[:-1]
        moved[pulse.first] = ways[before[block], each]
        if like > LEAST:
            moved += np.float32(WEIGHT * like) * pulse.template
        moved -= moved.max()  # or an hour would outgrow float32
        score, moved = moved, score
    state = int(score.argmax())
    interval = int(pulse.of[state])
    block, found = len(likely) - 1 - (state - int(pulse.first[interval])), []
    while block >= 0:
        found.append(block)
        interval = int(before[block, interval])
        block -= int(pulse.intervals[interval])
    return np.array(found[::-1], int)


def around(row: Row32, block: int) -> slice:
    return slice(max(block - NEAR, 0), min(block + NEAR + 1, len(row)))


def centre(likely: Row32, block: int) -> float:
    """Where in its neighbourhood a beat is, between blocks: the middle of what the network says, as it insists on it."""
    near = around(likely, block)
    weights = np.square(likely[near], dtype=np.float64)
    whole = float(weights.sum())
    return float((weights * np.arange(near.start, near.stop)).sum()) / whole if whole > LEAST**2 else float(block)


def strongest(row: Row32, moments: Row, dt: float) -> Row:
    """The most that is heard about each moment."""
    blocks = np.round(moments / dt + LATE - 1).astype(int).clip(0, max(len(row) - 1, 0))
    return np.array([row[around(row, block)].max() for block in blocks], float)


def agreement(ours: Row, theirs: Row) -> tuple[float, float]:
    """The share of their beats that are ours too, and of those that lie half-way between two of ours."""
    if len(ours) < 2 or not len(theirs):
        return 0.0, 0.0
    number = np.interp(theirs, ours, np.arange(len(ours)), left=np.nan, right=np.nan)
    inside = number[np.isfinite(number)] % 1
    on = np.minimum(inside, 1 - inside) < AGREED
    off = np.abs(inside - 0.5) < AGREED
    return (float(on.mean()), float(off.mean())) if len(inside) else (0.0, 0.0)


def on_the_beat(ours: Row, theirs: Row) -> Row:
    """Our beats, or the moments half-way between them, if that is where another hears them.

    What is between is as regular as what is on, so a tracker may take the one for the other for a whole song.
    """
    _, off = agreement(ours, theirs)
    pace = np.median(np.diff(theirs)) / np.median(np.diff(ours)) if len(theirs) > 1 and len(ours) > 1 else 0.0
    if off < OFF or abs(pace - 1) > AGREED:
        return ours
    between = (ours[1:] + ours[:-1]) / 2
    first, last = 1.5 * ours[0] - 0.5 * ours[1], 1.5 * ours[-1] - 0.5 * ours[-2]
    return np.concatenate(([max(first, 0.0)] * bool(first > -EARLY), between, [last]))


def harmony(chroma: Row32, moments: Row, dt: float) -> Row:
    """By how much the notes change with each beat: chroma [blocks, 12] -> the distance 0..1 of the beat's from those before."""
    edges = np.round(moments / dt).astype(int).clip(0, max(len(chroma) - 1, 0))
    edges = np.append(edges, min(2 * edges[-1] - edges[-2], len(chroma))) if len(edges) > 1 else edges
    means = [chroma[begin : max(end, begin + 1)].mean(0) for begin, end in pairwise(edges)]
    if not means:
        return np.zeros(len(moments))
    notes = np.nan_to_num(np.array(means, float))
    notes /= np.maximum(np.sqrt(np.square(notes).sum(1, keepdims=True)), 1e-9)
    return np.concatenate(([0.0], 1 - (notes[1:] * notes[:-1]).sum(1)))


def bars(downbeats: Row, changes: Row) -> Places:
    """The place in the bar of each beat, from 0, by the likeliest course through bars of three and four.

    `downbeats` [beats] 0..1 is how like one each is, `changes` [beats] by how much the harmony changes with it: chords mostly
    do so with the bar (Goto, J. New Music Research 30, 2001).
    """
    model = Bars()
    with np.errstate(divide="ignore"):
        change = np.log((1 - SLIP) * np.eye(len(model.place))[model.after] + SLIP * model.prior)  # [from, to]
    likely = np.clip(downbeats, FLOOR, 1 - FLOOR)
    for_it = TRUST * np.log(likely / (1 - likely)) + HARMONY * (changes - changes.mean())
    one = model.place == 0
    score, before = np.log(model.prior), []
    for evidence in for_it:
        ways = score[:, None] + change
        before.append(ways.argmax(0))
        score = ways.max(0) + evidence * one
    state, found = int(score.argmax()), []
    for back in before[::-1]:
        found.append(int(model.place[state]))
        state = int(back[state])
    return np.array(found[::-1], int)


def tempo(moments: Row) -> float | None:
    """Beats a minute, in the middle of the song's tempi; None of fewer than two beats."""
    if len(moments) < 2:
        return None
    several = min(PACE, len(moments) - 1)
    return float(60 * several / np.median(moments[several:] - moments[:-several]))


def key(chroma: Row32) -> Key | None:
    """The key whose profile the notes [blocks, 12] are most like, all together; None where there are none."""
    mean = chroma.mean(0, dtype=np.float64) if len(chroma) else np.zeros(12)
    if not mean.any():
        return None
    best = int(like_keys(mean).argmax())
    return best % 12, best >= 12


def parted(held: Row32, struck: Row32, dt: float) -> Row32:
    """The amplitudes (rms) of what is held and struck [blocks] -> each 0..1 against its own recent peak, [blocks, 2]."""
    gain = AutoGain(dt, 2)
    whole = np.hypot(held, struck)
    rows = [gain(*each)[1:] for each in zip(whole.tolist(), np.stack((held, struck), 1).tolist(), strict=True)]
    return np.array(rows, np.float32).reshape(-1, 2)


def sections(sound: Row32, begins: Places) -> list[tuple[int, str]]:
    """Which bars begin another section, and its letter: the same one where the music comes again.

    `sound` [blocks, n] describes it, `begins` [bars] is the block with which each begins. The bars after one are held against
    those before it, as `Sections` does while it plays, but with both whole (novelty; after Foote, ICME 2000).
    """
    if not len(begins):
        return []
    bars = np.add.reduceat(sound, begins) / np.diff(np.append(begins, len(sound)))[:, None]
    sums = np.concatenate((np.zeros((1, bars.shape[1])), np.cumsum(bars, 0, dtype=np.float64)))

    def mean(begin: int, end: int) -> Row:
        found: Row = (sums[end] - sums[begin]) / max(end - begin, 1)
        return found

    def apart(one: Row, other: Row) -> float:
        return float(np.linalg.norm(one - other) / max(float(np.linalg.norm(one)), float(np.linalg.norm(other)), 1e-9))

    new = np.zeros(len(bars))
    for bar in range(LEAST_HELD, len(bars) - LEAST_HELD + 1):
        reach = min(bar, len(bars) - bar, HELD)
        new[bar] = apart(mean(bar - reach, bar), mean(bar, bar + reach))
    near = [new[max(bar - LEAST_HELD, 0) : bar + LEAST_HELD + 1].max() for bar in range(len(bars))]
    edges = [0, *(bar for bar in range(len(bars)) if new[bar] >= NEW and new[bar] == near[bar])]
    known: list[Row] = []
    found: list[tuple[int, str]] = []
    for begin, end in zip(edges, [*edges[1:], len(bars)], strict=True):
        now = mean(begin, end)
        distances = [apart(now, other) for other in known]
        if not distances or min(distances) >= ALIKE:
            known.append(now)
            distances.append(0.0)
        name = letter(int(np.argmin(distances)))
        if not found or found[-1][1] != name:
            found.append((begin, name))
    return found


def letter(number: int) -> str:
    """A to Z, then A1 to Z1 and so on."""
    round_, place = divmod(number, 26)
    return chr(ord("A") + place) + (str(round_) if round_ else "")
