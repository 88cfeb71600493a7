"""A whole sound card, by way of PulseAudio and PortAudio: clicks that are played into it, channels, a cable that is pulled."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command_line import kicks
from sound_card import RATE, SoundCard, sound_card, written

PERIOD = 0.5


@pytest.fixture
def card(tmp_path: Path) -> Iterator[SoundCard]:
    with sound_card(tmp_path) as there:
        yield there


def answered(listening: subprocess.Popen[str]) -> dict[str, float]:
    """What a program prints last, when it has ended."""
    out, err = listening.communicate(timeout=60)
    assert listening.returncode == 0, err
    answer: dict[str, float] = json.loads(out.splitlines()[-1])
    return answer


def test_kicks_in_the_room_are_onsets_at_their_distance_and_a_pulse(card: SoundCard, tmp_path: Path) -> None:
    with card.playing(kicks(tmp_path / "kicks.wav", 30.0)):
        answer = answered(
            card.program("""
source = Input(source="vmon", live=True)
until = time.monotonic() + 10
while source.source.packets < 10 and time.monotonic() < until: time.sleep(0.01)
block, blocks, times, high = source.listener.block, 0, [], False
for tick in Real(60, 120, 8.0):
    for event in source.poll(tick):
        if event.address != "audio/onset": continue
        blocks += 1
        if event.value > 0.3 and not high: times.append(blocks * block / source.rate)
        high = event.value > 0.3
moment, reading = source.pulse()
print(json.dumps({"between": np.diff(times).tolist(), "late": tick.time - moment, "period": reading.period,
    "sure": reading.confidence}))
""")
        )
    between = np.array(answer["between"])
    assert len(between) >= 11
    assert np.median(between) == pytest.approx(PERIOD, abs=0.012)  # a block is 12 ms
    assert np.mean(abs(between - PERIOD) < 0.03) > 0.7  # a busy machine loses a packet now and then
    assert answer["period"] == pytest.approx(PERIOD, rel=0.03)
    assert 0.0 < answer["late"] < 0.1


def test_a_chosen_channel_is_heard_alone(card: SoundCard, tmp_path: Path) -> None:
    t = np.arange(20 * RATE) / RATE
    left = np.stack((0.5 * np.sin(2 * np.pi * 440 * t), np.zeros(len(t))), axis=1)
    with card.playing(written(tmp_path / "left.wav", left)):
        answer = answered(
            card.program("""
peaks = {}
for channels in ([1], [2], [2, 1]):
    source, peak = Input(source="vmon", channels=channels, live=True), 0.0
    for tick in Real(60, 120, 15.0):
        source.poll(tick)
        if (sound := source.heard()) and source.source.packets > 50:
            peaks[str(channels)] = abs(sound.samples[-2000:]).max(axis=0).tolist()
            if len(sound.samples) > 200 and source.source.packets > 150: break
    source.close()
print(json.dumps(peaks))
""")
        )
    assert answer == {
        "[1]": [pytest.approx(0.5, abs=0.02)],
        "[2]": [pytest.approx(0.0, abs=0.001)],
        "[2, 1]": [pytest.approx(0.0, abs=0.001), pytest.approx(0.5, abs=0.02)],
    }


def test_what_the_computer_plays_is_heard_and_not_the_microphone(card: SoundCard, tmp_path: Path) -> None:
    card.pactl("load-module", "module-null-sink", "sink_name=room")
    card.pactl("load-module", "module-remap-source", "source_name=mic", "master=room.monitor")
    card.pactl("set-default-source", "mic")
    card.pactl("set-default-sink", "vout")
    t = np.arange(20 * RATE) / RATE
    with card.playing(written(tmp_path / "tone.wav", 0.5 * np.sin(2 * np.pi * 440 * t)[:, None])):
        answer = answered(
            card.program("""
peaks = {}
for name in ("pulse", "loopback"):
    source = Input(source=name, live=True)
    for tick in Real(60, 120, 15.0):
        source.poll(tick)
        if (sound := source.heard()) and source.source.packets > 100:
            peaks[name] = float(abs(sound.samples).max())
            break
    source.close()
print(json.dumps(peaks))
""")
        )
    assert answer == {"pulse": pytest.approx(0.0, abs=0.001), "loopback": pytest.approx(0.5, abs=0.02)}


def test_a_card_that_is_taken_away_is_named_once_and_heard_again_when_it_is_back(
    card: SoundCard, tmp_path: Path
) -> None:
    module = card.pactl("list", "short", "modules").split("\tmodule-null-sink")[0].split("\n")[-1]
    song = kicks(tmp_path / "kicks.wav", 60.0)
    listening = card.program("""
source, level = Input(source="vmon", live=True), 0.0
for tick in Real(60, 120, 50.0):
    level = max([level, *(event.value for event in source.poll(tick) if event.address == "audio/level")])
    if not tick.index % 45:
        print("tick", tick.index, "loud" if level > 0.1 else "quiet", flush=True)
        level = 0.0
""")
    assert listening.stdout is not None
    lines = iter(listening.stdout.readline, "")
    said = []

    def hears(word: str) -> None:
        for line in lines:
            said.append(line)
            if word in line:
                return
        raise AssertionError(f"it never said {word!r}: {''.join(said)}")

    try:
        with card.playing(song):
            hears("loud")
        card.pactl("unload-module", module)
        hears("is gone")
        for _ in range(3):
            hears("tick")
        card.pactl("load-module", "module-null-sink", "sink_name=vout", f"rate={RATE}")
        hears("is back")
        with card.playing(song):
            hears("loud")
    finally:
        listening.kill()
        listening.communicate()
    assert sum("is gone" in line for line in said) == 1
