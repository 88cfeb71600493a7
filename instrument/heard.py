"""What has been heard: every signal's value, and which of them were struck."""

from collections.abc import Collection

RISE = 0.05  # less than this is a sensor's trembling
UNNAMED = 1024  # signals kept that the patch does not name: a tracker that numbers its blobs never runs out of them


class Heard:
    """Signals 0..1 by name, from tick to tick. `named` are those that the patch uses; of others the first 1,024 are kept.

    A signal is **struck** when it rises: from nothing by however little, otherwise by 0.05 above where it last turned.
    In the frame in which it is struck it stands at its highest since: so a note that is shorter than a frame, or the
    one loud block of sound among three, moves what it is routed to, at any frame rate.
    """

    def __init__(self, named: Collection[str] = ()) -> None:
        self.named = frozenset(named)
        self.last: dict[str, float] = {}  # at the end of the tick before
        self.now: dict[str, float] = {}
        self.struck: set[str] = set()
        # the highest while it rises, or the lowest while it falls; and whether it rises
        self.turns: dict[str, tuple[float, bool]] = {}

    def begin(self) -> None:
        """A new tick: nothing is struck yet, everything is where it was."""
        self.now, self.struck = dict(self.last), set()

    def take(self, name: str, value: float | None) -> None:
        """A signal has a new value; None is a stroke: struck at full strength, and let go of at once.

        What is out of range is clamped, what is not a number becomes 0.
        """
        if name not in self.last and name not in self.named and len(self.last) >= UNNAMED + len(self.named):
            return
        level = 1.0 if value is None else min(max(0.0, value), 1.0)  # in this order
        highest = level
        if name in self.struck:
            highest = max(level, self.now[name])
        if self.rises(name, level):
            self.struck.add(name)
        self.now[name] = highest if name in self.struck else level
        self.last[name] = level
        if value is None:
            self.rises(name, 0.0)
            self.last[name] = 0.0

    def rises(self, name: str, level: float) -> bool:
        """Whether the signal turns upwards here, by enough to be a strike."""
        turned, rising = self.turns.get(name, (0.0, False))
        if rising:
            falls = level == 0 or level < turned - RISE
            self.turns[name] = (level, False) if falls else (max(turned, level), True)
            return False
        strikes = level > turned + RISE or level > turned == 0
        self.turns[name] = (level, True) if strikes else (min(turned, level), False)
        return strikes
