"""What the music does now, as signals, a block at a time; and where its pulse is."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from instrument.flow import Reading
from instrument.listening.chroma import CLASSES, Chroma
from instrument.listening.gain import GATE, QUIET, AutoGain
from instrument.listening.growth import Growth
from instrument.listening.loudness import Loudness, Silence, k_weights
from instrument.listening.network import DRUMS, Network
from instrument.listening.onset import BANDS, Onsets, Picker
from instrument.listening.pitch import Pitch
from instrument.listening.pulse import Pulse
from instrument.listening.sections import Sections
from instrument.listening.spectrum import Spectrum, Window, block_of
from instrument.listening.timbre import Parting, Timbre

RATES = 8000, 192000
LEAK = 0.06  # of a band's amplitude may appear in the next, because the window is steep
FINE = {"sub": 20.0, "bass": 60.0, "lowmid": 150.0, "mid": 600.0, "high": 3000.0}  # Hz: where the five fine bands begin
AMPLITUDES = ("level", "bass", "mid", "high", *(f"band/{name}" for name in FINE), "harmonic", "percussive")
NOTES = tuple(f"chroma/{name}" for name in CLASSES)
SIGNALS = (
    *AMPLITUDES,
    *("onset", "onset/bass", "onset/mid", "onset/high", "flux", *DRUMS),
    *("brightness", "rolloff", "flatness", "loudness", "build", "drop", "section", "silence"),
    *NOTES,
    *("key", "minor", "pitch", "voiced"),
)
LONG = 16  # blocks in which notes are heard
SLOWLY = 4  # blocks from one look at the notes, the rest of the colour, or what section it is, to the next
THIN = 128  # samples a block has for them
LIKELY = 0.5  # a drum that is likelier is struck


class Listener:
    """Hears a sound piece by piece and tells its signals for every complete block.

    Causal, and the same to the last bit however the sound is cut into pieces. Any rate from 8 to 192 kHz; raises
    ValueError for others. The signals, each 0..1:

    - `level`, `bass` (20-150 Hz), `mid` (150-2000), `high`, and finer `band/sub`, `band/bass`, `band/lowmid`, `band/mid`,
      `band/high`; `harmonic`, what is held, and `percussive`, what is struck: amplitudes against their own recent peaks;
    - `loudness` as the ear has it, `build` (0.5 as it was, 1 louder by 12 dB), `silence` (0 or 1);
    - strikes, which are 0 but in one block: `onset`, `kick`, `snare`, `hat`, `drop`, `section`;
    - `flux`, how much begins, and `onset/bass`, `onset/mid`, `onset/high`, where;
    - `brightness`, `rolloff`, `flatness`: the colour;
    - `chroma/c` to `chroma/b`, `key` (its tonic: c 0, b 11/12), `minor`, `pitch` (MIDI notes 36 to 96) and `voiced`.
    """

    def __init__(self, rate: int) -> None:
        if not RATES[0] <= rate <= RATES[1]:
            raise ValueError(f"a sound has 8000..192000 samples a second, got {rate}")
        self.block = block_of(rate)
        dt = self.block / rate
        self.spectrum = Spectrum(rate)
        self.window = Window(self.spectrum)
        bands = len(self.spectrum.centres)
        self.gain, self.growth = AutoGain(dt, len(AMPLITUDES) - 1), Growth(self.spectrum)
        self.onsets, self.network = Onsets(self.spectrum, dt), Network(self.spectrum.centres)
        self.drums = {name: Picker(LIKELY, dt) for name in DRUMS}
        self.timbre, self.parting = Timbre(self.spectrum), Parting(bands, dt)
        self.loudness, self.silence, self.sections = (
            Loudness(dt),
            Silence(dt),
            Sections(bands + len(CLASSES), SLOWLY * dt),
        )
        self.k_weights = k_weights(self.spectrum.frequencies)
        self.fine = np.searchsorted(self.spectrum.frequencies, list(FINE.values()))
        self.thinning = max(self.block // THIN, 1)
        thin = self.block // self.thinning
        self.long = np.zeros(LONG * thin, np.float32)
        self.chroma = Chroma(rate / self.thinning, len(self.long), SLOWLY * dt)
        self.pitch = Pitch(rate / self.thinning, 4 * thin)
        self.heard_notes = {**dict.fromkeys((*NOTES, "key", "pitch", "voiced"), 0.0), "minor": self.chroma.minor}
        self.pulse = Pulse(dt)
        self.reading: Reading | None = None  # of the last whole block
        self.likely: Sequence[float] = ()  # and what the network said of it
        self.rest = np.zeros(0, np.float32)
        self.blocks = 0

    def push(self, samples: NDArray[np.float32]) -> list[dict[str, float]]:
        """Samples [n] or [n, channels] -> the signals 0..1 of every block they complete, in order of time."""
        return list(self.each(samples))

    def each(self, samples: NDArray[np.float32]) -> Iterator[dict[str, float]]:
        """The same one by one: `reading` and `likely` are then those of the block that was last told."""
        waiting = np.concatenate((self.rest, mono(samples)))
        whole = len(waiting) - len(waiting) % self.block
        self.rest = waiting[whole:]
        for start in range(0, whole, self.block):
            yield self.hear(waiting[start : start + self.block])

    def hear(self, block: NDArray[np.float32]) -> dict[str, float]:
        """The signals at the end of one block, by name."""
        self.blocks += 1
        samples, level, fall = self.window(block)
        sounds = min(max((level - GATE) / (QUIET - GATE), 0.0), 1.0)
        power = self.spectrum(samples)
        bands = self.spectrum.bands(power)
        amplitudes = np.sqrt(bands)
        signals = self.amplitudes(level, bands, power, amplitudes)
        growth = self.growth(amplitudes, self.gain.peak, fall)
        self.likely = likely = self.network(self.growth.heard, growth).tolist()
        self.reading = self.pulse(likely[0], likely[1])
        signals |= self.beginnings(growth, likely[2:], level > GATE)
        if self.blocks % SLOWLY == 1:
            self.timbre.look(power)
        signals |= self.timbre(power, amplitudes, sounds)
        silent = self.silence(level)
        loud, bass = float(np.add.reduce(power * self.k_weights)), float(np.add.reduce(bands[: self.growth.bass]))
        signals |= self.loudness(loud, bass, level > GATE, silent)
        signals |= self.notes(samples[-self.block :], level > GATE)
        signals["section"] = 0.0
        if self.blocks % SLOWLY == 1:
            description = np.concatenate((self.growth.heard, self.chroma.strengths), dtype=np.float32)
            signals["section"] = self.sections(description, level > GATE)
        signals["silence"] = float(silent)
        return signals

    def amplitudes(
        self, level: float, bands: NDArray[np.float32], power: NDArray[np.float32], amplitudes: NDArray[np.float32]
    ) -> dict[str, float]:
        """What is measured against its own recent peak."""
        bass, mid, high = np.sqrt(np.add.reduceat(bands, self.spectrum.groups)).tolist()
        fine = np.sqrt(np.add.reduceat(power, self.fine)).tolist()
        rough = [bass, max(mid - LEAK * bass, 0.0), max(high - LEAK * mid, 0.0)]
        fine = [fine[0], *(max(now - LEAK * below, 0.0) for below, now in pairwise(fine))]
        values = self.gain(level, [*rough, *fine, *self.parting(amplitudes)])
        return dict(zip(AMPLITUDES, values, strict=True))

    def beginnings(self, growth: NDArray[np.float32], drums: Sequence[float], sounds: bool) -> dict[str, float]:
        """What begins, and which drums are struck."""
        onsets = self.onsets(growth, self.window.newest, self.gain.peak)
        flux = max(onsets[f"onset/{name}"] for name in BANDS)
        struck = {name: pick(like) for (name, pick), like in zip(self.drums.items(), drums, strict=True)}
        found = {**onsets, "flux": flux, **struck}
        return found if sounds else dict.fromkeys(found, 0.0)

    def notes(self, block: NDArray[np.float32], sounds: bool) -> dict[str, float]:
        """Chroma, key and pitch, looked at every few blocks in a sound of a quarter of the samples."""
        thin = np.add.reduce(block.reshape(-1, self.thinning), axis=1) / np.float32(self.thinning)
        self.long[: -len(thin)] = self.long[len(thin) :]
        self.long[-len(thin) :] = thin
        if self.blocks % SLOWLY == 0:
            self.chroma(self.long, sounds)
            self.heard_notes |= zip(NOTES, self.chroma.strengths.tolist(), strict=True)
            self.heard_notes |= {"key": self.chroma.key % 12 / 12, "minor": self.chroma.minor}
        elif self.blocks % SLOWLY == SLOWLY // 2:
            self.pitch(self.long[-self.pitch.size :], sounds)
            self.heard_notes |= {"pitch": self.pitch.pitch, "voiced": self.pitch.voiced}
        return self.heard_notes


def mono(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of all channels [n], -1..1; what is no number becomes silence, so that it cannot poison the means."""
    if not np.isfinite(samples).all():
        samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    clipped = np.minimum(np.maximum(samples, np.float32(-1)), np.float32(1))
    if clipped.ndim == 1:
        return clipped
    mix: NDArray[np.float32] = clipped[:, 0].copy()
    for channel in range(1, clipped.shape[1]):  # one by one: the order of a sum decides its last digit
        mix += clipped[:, channel]
    mix /= np.float32(clipped.shape[1])
    return mix
