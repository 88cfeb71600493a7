"""The report: how the show runs, in numbers; and the monitor: where the beat is, and what is heard."""

import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from instrument.clock import Clock
from instrument.flow import Event, Frame, Hearing, Tick
from instrument.ladder import STEPS, Eased
from instrument.plugs import Metered, root
from instrument.rig import Rig

KEPT = 20_000  # frames and events that the final percentiles look back on, so months do not grow it
RECENT = 600  # the same while playing: twenty seconds, and cheap to sort beside a running show
INPUTS = ("osc", "midi", "audio", "keys")  # in every report, also of a show that has them not


class Meter:
    """Measures a show from beside the loop; `snapshot` and `monitor` may be called from any thread.

    frame_ms is from the tick to the end of `show`, age_ms from an event's arrival to the end of the `show` of the first
    frame that has it.
    """

    def __init__(self, rig: Rig, clock: Clock) -> None:
        self.rig, self.clock = rig, clock
        self.frames, self.began, self.longest = 0, time.perf_counter(), 0.0
        self.frame_ms: deque[float] = deque(maxlen=KEPT)
        self.age_ms: deque[float] = deque(maxlen=KEPT)
        self.finished: deque[float] = deque(maxlen=60)
        self.events: Counter[str] = Counter()
        self.position = rig.tempo.position(0.0)  # as of the last frame
        self.ears = next((source for source in rig.inputs.values() if isinstance(source, Metered)), None)

    def ticks(self) -> Iterable[Tick]:
        """The clock's ticks, each timed until the next is asked for."""
        self.began = time.perf_counter()
        for tick in self.clock:
            started = time.perf_counter()
            yield tick
            now = time.perf_counter()
            self.frames += 1
            self.finished.append(now)
            self.frame_ms.append((now - started) * 1000)
            self.longest = max(self.longest, self.frame_ms[-1])

    def shown(self, events: Sequence[Event], frame: Frame) -> None:
        """Note the events that this frame was the first to show."""
        now = time.perf_counter()
        self.position = self.rig.tempo.position(frame.tick.time)
        self.age_ms.extend((now - arrived) * 1000 for arrived in frame.arrivals)
        self.events.update(event.address.partition("/")[0] for event in events)

    def snapshot(self, looking_back: int = RECENT) -> dict[str, Any]:
        """The report so far. fps is of the last two seconds or so, percentiles of so many frames and events."""
        recent, voice = list(self.finished), self.rig.voice
        lasted = recent[-1] - recent[0] if len(recent) > 1 else 0.0
        return {
            "frames": self.frames,
            "fps": round((len(recent) - 1) / lasted, 2) if lasted else 0.0,
            "missed_ticks": self.clock.missed,
            "model": voice.name,
            "tempo": self.tempo(),
            "ladder": voice.generator.ladder.said if isinstance(voice.generator, Eased) else STEPS[0],
            "frame_ms": {**percentiles(list(self.frame_ms)[-looking_back:], 50, 95, 99), "max": round(self.longest, 2)},
            "age_ms": percentiles(list(self.age_ms)[-looking_back:], 50, 99),
            "events": counted(dict(self.events)),
            "outputs": {
                name: {"shown": item.shown, "dropped": item.dropped} for name, item in self.rig.outputs.items()
            },
            "faults": self.rig.faults.lines(),
        }

    def monitor(self, after: int = 0) -> dict[str, Any]:
        """Where the beat is, and what was heard after so many blocks of sound; `now` and times are seconds of the show.

        The beat goes on from `time` by `speed` beats a second; `place` is 0..`bar`. `ears` is None in a show that hears
        nothing.
        """
        position, hearing = self.position, self.ears.hearing(after) if self.ears else None
        return {
            "now": round(time.perf_counter() - self.began, 4),
            "tempo": {**self.tempo(), **rounded(position._asdict())},
            "ears": hearing and seen(hearing),
        }

    def tempo(self) -> dict[str, Any]:
        """How fast the music goes, how sure that is, and `from` whom it is known."""
        tempo = self.rig.tempo
        return {
            "bpm": round(tempo.bpm, 1),
            "sure": round(tempo.confidence, 2),
            "locked": tempo.locked,
            "from": self.rig.leads(self.position.time),
        }

    def final(self) -> dict[str, Any]:
        """The report of the whole show: as `snapshot`, but over all of it (percentiles over the last 20,000)."""
        lasted = self.finished[-1] - self.began if self.finished else 0.0
        return {**self.snapshot(KEPT), "fps": round(self.frames / lasted, 2) if lasted else 0.0}


def seen(hearing: Hearing) -> dict[str, Any]:
    """What was heard, in plain numbers; `spectrum` in percent, an onset as its time, band and strength."""
    return {
        "source": hearing.source,
        "gone": hearing.gone,
        "silent": hearing.silent,
        "blocks": hearing.blocks,
        "time": round(hearing.time, 4),
        "levels": rounded(hearing.levels),
        "spectrum": np.rint(hearing.spectrum * 100).astype(int).tolist(),
        "onsets": [[round(onset.time, 4), onset.band, round(onset.strength, 2)] for onset in hearing.onsets],
    }


def rounded(numbers: Mapping[str, float]) -> dict[str, float]:
    """To four digits after the point."""
    return {name: round(number, 4) for name, number in numbers.items()}


def counted(events: dict[str, int]) -> dict[str, int]:
    """Events by the plug they came from, out of counts by what their addresses begin with."""
    usual = {name: events.pop(root(name), 0) for name in INPUTS}
    return usual | events


def percentiles(values: Iterable[float], *points: int) -> dict[str, float | None]:
    """Percentiles of milliseconds as p50, p99 and so on, by nearest rank; None without values."""
    ordered = sorted(values)
    return {f"p{p}": round(ordered[(len(ordered) - 1) * p // 100], 2) if ordered else None for p in points}
