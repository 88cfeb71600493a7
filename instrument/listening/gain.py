"""Auto-gain: every signal is measured against its own recent peak, so quiet and loud music both play the full range."""

from collections.abc import Sequence

GATE = 10 ** (-57 / 20)  # below this (rms, full scale 1) it is noise: a quiet room or an open input
QUIET = 10 ** (-45 / 20)  # no peak counts as lower, or the gain would lift what just passes the gate to full scale
HALF_LIFE = 10.0  # seconds in which a peak that does not come again is half forgotten
ADVANTAGE = 4.0  # a band's gain is at most 12 dB above the whole sound's, or an empty band's hiss would dance


class AutoGain:
    """Running peaks of the whole sound and of its bands; `dt` is the length of a block in seconds."""

    def __init__(self, dt: float, bands: int) -> None:
        self.keep = 0.5 ** (dt / HALF_LIFE)
        self.peak = QUIET
        self.peaks = [0.0] * bands

    def __call__(self, whole: float, bands: Sequence[float]) -> list[float]:
        """Amplitudes (rms) of the whole sound and of its bands -> the same as 0..1, the whole first.

        In silence the peaks stay, so that after a pause the music comes back as it left.
        """
        keep = self.keep if whole > GATE else 1.0
        self.peak = max(whole, self.peak * keep, QUIET)
        floor = GATE + (self.peak - GATE) / ADVANTAGE
        self.peaks = [max(band, peak * keep) for band, peak in zip(bands, self.peaks, strict=True)]
        limits = [self.peak, *(max(peak, floor) for peak in self.peaks)]
        return [gated(value, limit) for value, limit in zip((whole, *bands), limits, strict=True)]


def gated(amplitude: float, limit: float) -> float:
    """0 at the gate and below, 1 at the limit, straight in between, so that nothing jumps when the gate opens."""
    return min(max((amplitude - GATE) / (limit - GATE), 0.0), 1.0)
