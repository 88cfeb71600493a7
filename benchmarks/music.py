"""Music with known beats, for measuring what the instrument hears: made, not shipped.

Every groove of Musical MIDI Accompaniment in 4/4 or 3/4 becomes a piece of about 45 seconds, over chords, in a key and at a
tempo that chance chooses by the groove's name. fluidsynth plays it, and the beats are those of the MIDI file's own tempo map.
Half of the grooves, again by name, are for tuning; the others are for judging and for nothing else. Grooves of pieces that
were listened to before there was this split are not judged by. Of them and of the grooves for tuning any number of further
pieces can be had, in half of which drums or all but drums are silent for a while. From the fourth on they are other music: on
other instruments, and each part louder, softer or missing. With them come the other grooves of the same file, one piece each.

    apt install mma fluidsynth fluid-soundfont-gm
    python benchmarks/music.py /somewhere/music [number of further pieces of each groove]
"""

import hashlib
import random
import re
import subprocess
import sys
import wave
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import mido
import numpy as np

LIBRARY, FONT = Path("/usr/share/mma/lib"), Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
USED = {  # by the pieces that trackers were designed on
    "ambient", "bossa", "bossanova", "dance", "discosoul", "dnb", "funk", "heavymetal", "hip-hop", "hiphop", "house",
    "jazzwaltz", "latinhouse", "metal", "modernr&b", "pianoballad", "popballad", "punk", "rave", "reggae", "rock", "samba",
    "swing", "teamtechno", "techno", "trance", "triphop",
}  # fmt: skip
NO_MUSIC = "metronome", "none", "count", "ending", "intro", "milintro"
# of the others in a file those that are a bar of their own
NO_GROOVE = re.compile(r"(?i:count|ending|intro|fill)|End|[a-z0-9](F[A-D]?|E)$")
OTHERS = 100  # the number of the first further piece that plays another groove of the file
TEMPI = (  # what fits a groove's name: beats a minute, from and to
    (r"ballad|slow|bolero|serenade|lullaby|hymn|spiritual|desert|nite", 62, 92),
    (r"dnb", 160, 180),
    (r"^house|techno|trance|rave|latinhouse", 118, 150),
    (r"hip-?hop|modernr&b", 76, 104),
    (r"fast|quickstep|polka|twist|jive|bluegrass|ska|gypsy|charleston|bebop|ragtime", 160, 205),
    (r"waltz|viene", 96, 180),
    (r"march|dixie|big|jazz|swing|mambo|merengue|salsa|son$|basie|western|zydeco|boog", 118, 188),
    (r"dance|electric|digital|80s|disco|pop", 104, 138),
    (r"", 80, 150),
)
CHORDS = (
    "1 6m 4 5",
    "1m 7b 6b 7b",
    "1 5 6m 4",
    "1m 4m 5 1m",
    "1 3m 4 4m",
    "1 2m 3m 4 5 4 5 1",
    "6m 4 1 5",
    "1m 6b 3b 7b",
)
NOTES = "C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B"
DRUMS = {  # of General MIDI
    **dict.fromkeys((35, 36), "kick"), **dict.fromkeys((37, 38, 39, 40), "snare"),
    **dict.fromkeys((42, 44, 46, 49, 51, 52, 53, 55, 57, 59), "hat"),
}  # fmt: skip
STEPS = {"1": 0, "2": 2, "3": 4, "4": 5, "5": 7, "6": 9, "7": 11}
SECONDS = 45.0
WAYS = ("steady", "steady", "steady", "steady", "drift", "step")  # what the tempo does


@dataclass(frozen=True)
class Groove:
    """The name of a file's first groove, the file, how many beats its bar has, and the names of its other grooves."""

    name: str
    file: Path
    beats: int
    others: tuple[str, ...] = ()
    further: int = 0

    @property
    def played(self) -> str:
        """The groove that is played."""
        return self.others[self.further - OTHERS] if self.further >= OTHERS else self.name

    @property
    def chance(self) -> random.Random:
        return random.Random(f"{self.name} {self.further}" if self.further else self.name)

    @property
    def used(self) -> bool:
        """Whether it was listened to before there was a split."""
        return re.sub(r"\d+$", "", self.name.lower()) in USED

    @property
    def arranged(self) -> bool:
        return 4 <= self.further < OTHERS

    @property
    def split(self) -> str:
        """`tune` or `test`, or `more` to tune by."""
        by_name = ("tune", "test")[hashlib.sha256(self.name.encode()).digest()[0] & 1]
        return "more" if self.used or (self.further and by_name == "tune") else by_name


def grooves() -> Iterator[Groove]:
    """Every file's groove that may be used, in the order of names."""
    for file in sorted(LIBRARY.glob("*/*.mma")):
        text = file.read_text("utf-8", "replace")
        names = re.findall(r"^\s*DefGroove\s+(\S+)", text, re.M | re.I)
        time = re.search(r"^\s*Time\s+(\d)(?:/(\d))?", text, re.M | re.I)
        signature = re.search(r"^\s*TimeSig\s+\d+\s*/?\s*(\d+)", text, re.M | re.I)
        if not names or not time or int(time[1]) not in (3, 4):
            continue
        if (time[2] or "4") != "4" or (signature and signature[1] != "4"):
            continue
        if not any(word in names[0].lower() for word in NO_MUSIC):
            one_time = len(set(re.findall(r"^\s*Time\s+(\S+)", text, re.M | re.I))) == 1
            others = (name for name in names[1:] if not NO_GROOVE.search(name)) if one_time else ()
            yield Groove(names[0], file, int(time[1]), tuple(others))


def chart(groove: Groove) -> str:
    """The piece in the language of mma: bars of chords, and where the tempo changes."""
    chance = groove.chance
    low, high = next((low, high) for words, low, high in TEMPI if re.search(words, groove.name.lower()))
    tempo = round(low * (high / low) ** chance.random(), 1)
    chords, key, way = chance.choice(CHORDS).split(), chance.randrange(12), chance.choice(WAYS)
    bars = round(SECONDS * tempo / 60 / groove.beats)
    lines = [f"Tempo {tempo}", f"Groove {groove.file}:{groove.played}"]
    for bar in range(bars):
        if way == "drift":
            lines.append(f"Tempo {tempo * (1 + chance.uniform(-0.03, 0.03)):.2f}")
        elif way == "step" and bar == bars // 2:
            lines.append(f"Tempo {tempo * chance.choice((0.8, 0.86, 1.16, 1.25)):.2f}")
        degree, sign, minor = re.fullmatch(r"(\d)(b?)(m?)", chords[bar % len(chords)]).groups()  # type: ignore[union-attr]
        lines.append(f"{bar + 1} {NOTES[(key + STEPS[degree] - bool(sign)) % 12]}{minor}")
    return "\n".join(lines) + "\n"


def beats_of(file: Path, beats_a_bar: int) -> list[tuple[float, int]]:
    """Seconds and place in the bar (1 is the downbeat) of every beat until the last note begins."""
    midi = mido.MidiFile(file)
    events = sorted((item for track in midi.tracks for item in absolute(track)), key=lambda item: item[0])
    end = max(tick for tick, message in events if message.type == "note_on" and message.velocity)
    tempi = [(tick, message.tempo) for tick, message in events if message.type == "set_tempo"]
    found = []
    for number in range(end // midi.ticks_per_beat + 1):
        found.append((seconds_at(number * midi.ticks_per_beat, tempi, midi.ticks_per_beat), number % beats_a_bar + 1))
    return found


def strokes_of(file: Path) -> list[tuple[float, str]]:
    """Seconds of every stroke of a kick, a snare (or clap) or a hat (or cymbal), and which it is."""
    midi = mido.MidiFile(file)
    events = sorted((item for track in midi.tracks for item in absolute(track)), key=lambda item: item[0])
    tempi = [(tick, message.tempo) for tick, message in events if message.type == "set_tempo"]
    struck = {
        (tick, DRUMS.get(m.note)) for tick, m in events if m.type == "note_on" and m.channel == 9 and m.velocity > 20
    }
    return sorted((seconds_at(tick, tempi, midi.ticks_per_beat), drum) for tick, drum in struck if drum)


def silence(file: Path, chance: random.Random) -> None:
    """Take the drums, or everything else, out of some bars of a MIDI file."""
    midi = mido.MidiFile(file)
    beats = midi.length * 2
    begin = round(chance.uniform(0.2, 0.6) * beats) * midi.ticks_per_beat
    end, drums = begin + chance.choice((8, 16, 32)) * midi.ticks_per_beat, chance.random() < 0.7
    for track in midi.tracks:
        for now, message in absolute(track):
            if message.type == "note_on" and begin <= now < end and (message.channel == 9) == drums:
                message.velocity = 0
    midi.save(file)


def arrange(file: Path, chance: random.Random) -> None:
    """Give each part of a MIDI file another instrument and loudness; in some files a part is missing, or all but one or two."""
    midi = mido.MidiFile(file)
    parts = sorted({m.channel for track in midi.tracks for m in track if m.type == "note_on"})
    kept = chance.sample(parts, min(len(parts), chance.choice((2, len(parts) - 1, len(parts), len(parts))) or 1))
    programs = {part: chance.randrange(96) if chance.random() < 0.7 else None for part in parts}  # all but effects
    gains = {part: chance.uniform(0.5, 1.2) if part in kept else 0.0 for part in parts}
    for track in midi.tracks:
        for message in track:
            if message.type == "program_change" and message.channel != 9 and programs.get(message.channel) is not None:
                message.program = programs[message.channel]
            elif message.type == "note_on" and message.velocity:
                message.velocity = min(round(message.velocity * gains[message.channel]), 127)
    midi.save(file)


def absolute(track: mido.MidiTrack) -> Iterator[tuple[int, mido.Message]]:
    """A track's messages with the tick at which each is."""
    now = 0
    for message in track:
        now += message.time
        yield now, message


def seconds_at(tick: int, tempi: list[tuple[int, int]], ticks_a_beat: int) -> float:
    """When a tick is, with tempi in microseconds a beat from their ticks on."""
    seconds, last, pace = 0.0, 0, 500_000
    for at, tempo in tempi:
        if at >= tick:
            break
        seconds, last, pace = seconds + (at - last) / ticks_a_beat * pace / 1e6, at, tempo
    return seconds + (tick - last) / ticks_a_beat * pace / 1e6


def make(groove: Groove, folder: Path) -> bool:
    """Write NAME.wav, mono at 44.1 kHz with its peak at 0.9, NAME.beats and NAME.drums; answers whether it could be played."""
    number = f"_{groove.further}" if groove.further else ""
    stem = folder / re.sub(r"\W", "_", f"{groove.file.parent.name}_{groove.name}{number}")
    if stem.with_suffix(".beats").exists():
        return True
    stem.with_suffix(".mma").write_text(chart(groove), "utf-8")
    quiet = {"capture_output": True, "check": False, "timeout": 300}
    subprocess.run(["mma", stem.with_suffix(".mma"), "-f", stem.with_suffix(".mid")], **quiet)  # type: ignore[call-overload]
    if not stem.with_suffix(".mid").exists():
        return False
    chance = random.Random(f"silence {stem.name}")
    if groove.further and chance.random() < 0.5:
        silence(stem.with_suffix(".mid"), chance)
    if groove.arranged:
        arrange(stem.with_suffix(".mid"), chance)
    sound = stem.with_suffix(".stereo.wav")
    play = ["fluidsynth", "-ni", "-g", "0.5", "-r", "44100", "-F", sound, FONT, stem.with_suffix(".mid")]
    subprocess.run(play, **quiet)  # type: ignore[call-overload]
    beats = beats_of(stem.with_suffix(".mid"), groove.beats)
    with wave.open(str(sound)) as read:
        samples = np.frombuffer(read.readframes(read.getnframes()), "<i2").reshape(-1, 2).mean(1)
    sound.unlink()
    if not len(samples) or abs(samples).max() < 300:
        return False
    strokes = strokes_of(stem.with_suffix(".mid"))
    stem.with_suffix(".drums").write_text("".join(f"{second:.6f} {drum}\n" for second, drum in strokes), "utf-8")
    loud = (samples * (0.9 * 32767 / abs(samples).max())).astype("<i2")
    with wave.open(str(stem.with_suffix(".wav")), "wb") as write:
        write.setnchannels(1)
        write.setsampwidth(2)
        write.setframerate(44100)
        write.writeframes(loud.tobytes())
    stem.with_suffix(".beats").write_text("".join(f"{second:.6f} {place}\n" for second, place in beats), "utf-8")
    return True


def main() -> None:
    folder = Path(sys.argv[1])
    further = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    once = list(grooves())
    again = [
        replace(one, further=n)
        for one in once
        if one.split != "test"
        for n in (*range(1, further + 1), *range(OTHERS, OTHERS + (len(one.others) if further else 0)))
    ]
    for groove in [*(one for one in once if not one.used), *again]:
        place = folder / groove.split
        place.mkdir(parents=True, exist_ok=True)
        print(groove.split, groove.name, "" if make(groove, place) else "cannot be played", flush=True)


if __name__ == "__main__":
    main()
