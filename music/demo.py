"""Compose the demo track: `python music/demo.py` writes music/demo.ogg beside this file.

48 seconds, 24 bars of 4/4 at exactly 120 beats a minute: beat n is at n / 2 seconds. Everything is computed here, from
sines and seeded noise, and it loops without a seam: whatever rings past the end rings into the beginning.

    bars  0.. 3  intro      chords and an arpeggio; kick and hats join in bar 2
    bars  4.. 7  groove     kick on every beat, claps, hats, bass
    bars  8..11  build-up   the filter opens, snares double, noise rises; then a beat of near silence
    bars 12..19  drop       everything, and the melody
    bars 20..23  ending     the melody leaves, then bass and kick; the filter closes
"""

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]
Score = Iterable[tuple[float, float, Samples]]  # (beat, gain, sound [n, 2])

RATE, BPM, BARS = 48000, 120, 24
BEAT = RATE * 60 // BPM  # samples

CHORDS = ((57, 60, 64, 71), (57, 60, 64, 67), (55, 60, 64, 71), (55, 59, 62, 69))  # Am9, Fmaj9, Cmaj7, G9: a bar each
ROOTS = (33, 29, 36, 31)  # A, F, C, G
MELODY = (  # (beat in four bars, MIDI note, beats)
    (0, 76, 1.5), (1.5, 74, 0.5), (2, 72, 1), (3, 69, 1), (4, 72, 1.5), (5.5, 74, 0.5), (6, 76, 2),
    (8, 79, 1.5), (9.5, 76, 0.5), (10, 74, 1), (11, 72, 1), (12, 74, 2), (14, 71, 1), (15, 74, 1),
)  # fmt: skip
FILTER = ((0, 500), (4, 1000), (8, 1000), (11.75, 6000), (12, 2600), (20, 2600), (22, 1200), (24, 500))  # (bar, Hz)
DRIVE, CEILING = 0.57, 0.75  # loudness, and where its peaks are rounded off: -14 LUFS, and none above full scale


def compose(bars: int = BARS) -> NDArray[np.float32]:
    """The track [n, 2] at 48 kHz, -1..1; or, sooner done, a loop of its first bars only."""
    total = 4 * bars * BEAT
    pump = ducking(total)
    drums = mixed(total, drum_score(bars))
    chords = mixed(total, chord_score(bars)) * pump
    notes = mixed(total, [*arpeggio_score(bars), *melody_score(bars)]) * (0.5 + 0.5 * pump)
    notes = echoed(notes)
    bass = mixed(total, bass_score(bars)) * pump
    room = reverberated(chords + notes + 0.15 * filtered(drums, 400, 12000))
    return (CEILING * np.tanh(DRIVE / CEILING * (drums + bass + chords + notes + 0.3 * room))).astype(np.float32)


def mixed(total: int, score: Score) -> Samples:
    """The sounds of a score in their places; what passes the end comes round to the beginning."""
    canvas = np.zeros((total, 2))
    for beat, gain, sound in score:
        places = (round(beat * BEAT) + np.arange(len(sound))) % total
        canvas[places] += gain * sound
    return canvas


# The scores


def kicks(bars: int = BARS) -> list[int]:
    """The beats that have a kick."""
    played = [*range(2, 11), *range(12, 22)]
    return [beat for bar in played if bar < bars for beat in range(4 * bar, 4 * bar + 4)]


def drum_score(bars: int) -> Iterator[tuple[float, float, Samples]]:
    for beat in kicks(bars):
        yield beat, 0.85, kick()
    for bar in range(2, min(bars, 23)):
        full = bar in range(4, 11) or bar in range(12, 20)
        for beat in range(4 * bar, 4 * bar + 4):
            for quarter, gain in ((0, 0.10), (0.25, 0.07), (0.5, 0.16), (0.75, 0.08)):
                if full or quarter == 0.5:
                    yield beat + quarter, gain * (0.7 + 0.3 * full), hat(0.03, beat % 4 * 4 + round(4 * quarter))
            if bar in range(12, 20):
                yield beat + 0.5, 0.14, hat(0.12, beat % 4)
            if full and beat % 2:
                yield beat, 0.34, clap()
    if bars > 11:
        for step in (*np.arange(40, 44, 0.5), *np.arange(44, 47, 0.25)):
            yield float(step), 0.12 + 0.3 * (step - 40) / 7, clap()
        yield 32, 0.22, riser(15)
    for beat, gain in ((16, 0.2), (48, 0.4), (64, 0.25), (80, 0.25)):
        if beat < 4 * bars:
            yield beat, gain, crash()


def bass_score(bars: int) -> Iterator[tuple[float, float, Samples]]:
    for bar in (*range(4, 11), *range(12, 22)):
        drop = bar in range(12, 20)
        for step, length in ((0.5, 0.45), (1.5, 0.3), (1.75, 0.2), (2.5, 0.45), (3.25, 0.2), (3.5, 0.45)):
            if bar < bars:
                up = 12 if step in (1.75, 3.25) else 0
                yield 4 * bar + step, 0.42 if drop else 0.34, bass(ROOTS[bar % 4] + up, length, 9 if drop else 4)


def chord_score(bars: int) -> Iterator[tuple[float, float, Samples]]:
    for bar in range(bars):
        yield 4 * bar, 0.042 if bar in range(12, 20) else 0.055, chord(bar)


def arpeggio_score(bars: int) -> Iterator[tuple[float, float, Samples]]:
    """Broken chords: eighths in the quiet parts, sixteenths in the drop."""
    for bar in range(bars):
        notes = [note + 12 for note in CHORDS[bar % 4]]
        steps = 16 if bar in range(8, 20) else 8
        for step in range(12 if bar == 11 else steps):
            note = notes[(0, 2, 1, 3, 2, 1, 3, 2)[step % 8]] + (12 if step % 8 == 5 else 0)
            yield (
                4 * bar + step * 4 / steps,
                0.12 * (0.8 + 0.2 * (step % 2 == 0)),
                pluck(note, 0.16, (step % 3 - 1) / 2),
            )


def melody_score(bars: int) -> Iterator[tuple[float, float, Samples]]:
    for begin in (48, 64):
        for beat, note, beats in MELODY:
            if begin < 4 * bars:
                yield begin + beat, 0.2, pluck(note, 0.25 * beats + 0.15, 0.0)


# The instruments: sounds [n, 2]


def seconds(length: float) -> Samples:
    return np.arange(round(length * RATE)) / RATE


def hertz(note: float) -> float:
    return float(440 * 2 ** ((note - 69) / 12))


def panned(sound: Samples, pan: float) -> Samples:
    """Mono [n] -> stereo [n, 2] of the same power; -1 is left."""
    angle = (pan + 1) * np.pi / 4
    return np.stack((np.cos(angle) * sound, np.sin(angle) * sound), axis=1) * np.sqrt(2)


def faded(sound: Samples, length: float = 0.005) -> Samples:
    """No click at the end."""
    ends = round(length * RATE)
    sound[-ends:] *= np.linspace(1, 0, ends)
    return sound


def noise(length: float, seed: int, low: float, high: float) -> Samples:
    """White noise [n] between two frequencies, of power 1."""
    hiss = filtered(np.random.default_rng(seed).standard_normal((round(length * RATE), 1)), low, high)[:, 0]
    return hiss / hiss.std()


@cache
def kick() -> Samples:
    t = seconds(0.38)
    fall = 0.028  # seconds in which the pitch drops from 210 Hz to 50
    body = np.sin(2 * np.pi * (50 * t + 160 * fall * (1 - np.exp(-t / fall)))) * np.exp(-t / 0.15)
    click = noise(0.38, 1, 1500, 8000) * np.exp(-t / 0.004) * 0.12
    return panned(faded((body + click) * np.minimum(t / 0.0005, 1), 0.05), 0)


@cache
def hat(ring: float, variant: int) -> Samples:
    t = seconds(min(7 * ring, 0.4))
    return panned(faded(noise(len(t) / RATE, 100 + variant, 7000, 16000) * np.exp(-t / ring)), 0.25)


@cache
def clap() -> Samples:
    t = seconds(0.3)
    hands = sum(
        np.where(t >= at, np.exp(-(t - at) / fall), 0) for at, fall in ((0, 0.006), (0.011, 0.006), (0.021, 0.07))
    )
    left, right = (faded(noise(0.3, seed, 900, 6000) * hands) * 0.6 for seed in (2, 3))
    return np.stack((left, right), axis=1)


@cache
def crash() -> Samples:
    t = seconds(2.5)
    return np.stack([faded(noise(2.5, seed, 3000, 15000) * np.exp(-t / 0.6), 0.1) for seed in (4, 5)], axis=1)


def riser(beats: float) -> Samples:
    """Noise that climbs from 300 Hz to 10 kHz and swells."""
    length = beats * BEAT / RATE
    way = seconds(length) / length
    centre = np.log2(300) + way * np.log2(10000 / 300)
    edges = np.geomspace(200, 14000, 13)
    out = np.zeros((len(way), 2))
    for band, (low, high) in enumerate(pairwise(edges)):
        near = np.exp(-0.5 * ((np.log2(low * high) / 2 - centre) / 0.7) ** 2)
        out += near[:, None] * np.stack([noise(length, 10 + 2 * band + side, low, high) for side in (0, 1)], axis=1)
    out *= 0.3 * (way**2)[:, None]
    return np.stack([faded(side, 0.02) for side in out.T], axis=1)


@cache
def bass(note: float, length: float, harmonics: int) -> Samples:
    """A saw with few harmonics that dulls as it rings, over its own sine."""
    t = seconds(length * BEAT / RATE)
    tone = sum(
        np.sin(2 * np.pi * k * hertz(note) * t) / k * np.exp(-t * (k - 1) / 0.25) for k in range(1, harmonics + 1)
    )
    return panned(faded(tone * np.minimum(t / 0.004, 1), 0.02), 0)


@cache
def pluck(note: float, ring: float, pan: float) -> Samples:
    """A struck string without wood: the higher a harmonic, the sooner it is gone."""
    t = seconds(6 * ring)
    tone = sum(
        np.sin(2 * np.pi * k * hertz(note) * t) / k**1.3 * np.exp(-t / ring * (0.6 + 0.4 * k)) for k in range(1, 7)
    )
    return panned(faded(tone * np.minimum(t / 0.002, 1), 0.02), pan)


def chord(bar: int) -> Samples:
    """Three detuned saws a note, through the filter where it stands in this bar."""
    t = seconds(4 * BEAT / RATE + 0.6)
    curve = np.array(FILTER)
    cutoff = np.interp(bar + t * RATE / (4 * BEAT), curve[:, 0], np.log2(curve[:, 1]))
    swell = np.minimum(t / 0.25, 1) * np.minimum((t[-1] - t) / 0.6, 1)
    if bar == 11:
        swell *= np.clip((3 * BEAT / RATE - t) / 0.02, 0, 1)  # the breath before the drop
    out = np.zeros((len(t), 2))
    for note in CHORDS[bar % 4]:
        for voice, cents in enumerate((-9, 0, 8)):
            base = hertz(note + cents / 100)
            phase = 2 * np.pi * (base * t + (0.37 * note + 0.29 * voice) % 1)
            for k in range(1, int(min(24, 9000 / base))):
                height = np.exp2(2 * (np.log2(k * base) - cutoff))
                out += panned(np.sin(k * phase) / k / (1 + height), (voice - 1) * 0.8)
    return out * swell[:, None]


# The rooms: circular, as the track is


def filtered(sound: Samples, low: float, high: float) -> Samples:
    """Sound [n, channels] with what lies outside two frequencies gently removed."""
    hz = np.maximum(np.fft.rfftfreq(len(sound), 1 / RATE), 1)
    gain = 1 / np.sqrt((1 + (low / hz) ** 8) * (1 + (hz / high) ** 8))
    return np.fft.irfft(np.fft.rfft(sound, axis=0) * gain[:, None], len(sound), axis=0)


def convolved(sound: Samples, response: Samples) -> Samples:
    """Circular convolution of two stereo sounds."""
    size = len(sound)
    folded = np.zeros((size, 2))
    np.add.at(folded, np.arange(len(response)) % size, response)
    return np.fft.irfft(np.fft.rfft(sound, axis=0) * np.fft.rfft(folded, axis=0), size, axis=0)


def echoed(sound: Samples) -> Samples:
    """An echo of three quarters of a beat, ever softer, from side to side."""
    response = np.zeros((5 * BEAT, 2))
    response[0] = 1
    for n in range(1, 6):
        response[round(0.75 * n * BEAT), n % 2] = 0.42**n
    return convolved(sound, response)


def reverberated(sound: Samples) -> Samples:
    """A hall of two seconds."""
    t = seconds(2.0)
    tail = np.stack([noise(2.0, seed, 250, 7000) for seed in (6, 7)], axis=1) * np.exp(-t / 0.38)[:, None]
    return convolved(sound, tail / np.sqrt(np.square(tail).sum(axis=0)))


def ducking(total: int) -> Samples:
    """The gain [n, 1] that makes room for every kick and swells back."""
    gain = np.ones((total, 1))
    t = seconds(0.5)
    for beat in kicks(total // (4 * BEAT)):
        gain[beat * BEAT : (beat + 1) * BEAT, 0] = 1 - 0.75 * np.exp(-t / 0.13) * np.minimum(t / 0.004, 1)
    return gain


def write(path: Path, track: NDArray[np.float32]) -> None:
    """Encode as Ogg Opus, 104 kbit/s."""
    with av.open(str(path), "w", format="ogg", container_options={"fflags": "+bitexact"}) as container:
        container.metadata.update({"title": "Phosphene demo", "comment": f"{BPM} beats a minute, {BARS} bars, loops"})
        stream = container.add_stream("libopus", rate=RATE, layout="stereo")
        stream.bit_rate = 104000
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(track.reshape(1, -1)), format="flt", layout="stereo")
        frame.sample_rate, frame.pts = RATE, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    write(Path(__file__).with_name("demo.ogg"), compose())
