"""Find out how late this machine shows and hears: a flash and a click that are to coincide.

The screen flashes and the speakers click, once a second. Left and right move the flash by 5 ms, down and up by 25, until
both are one; return keeps the latency for this machine, escape leaves it as it was. Do it on the screen and with the
speakers of the show. With --input the clicks are heard by a microphone or a cable instead, and measured.

examples:
  phosphene calibrate
  phosphene calibrate --display 1 --fullscreen
  phosphene calibrate --input "USB"
"""

import argparse
import logging
from contextlib import closing, nullcontext, suppress

from instrument import options
from instrument.calibration import PERIOD, Dial, Ear, Heard, clicks, picture
from instrument.clock import Real
from instrument.document import located
from instrument.flow import Reading
from instrument.latency import LIMITS, keep, kept
from instrument.places import config
from instrument.plugs import Closed, Unavailable
from instrument.screen import Screen, keyboard
from instrument.sound.soundcard import Device, Speakers, speakers
from instrument.sound.track import Track
from instrument.tempo import Tempo

log = logging.getLogger("phosphene")

RATE = 48_000
FPS = 60.0
PATIENCE = 10.0  # seconds until a sound card must have begun
SETTLING = 1.0  # seconds before what is heard counts: a sound server begins in bursts


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--display", type=options.whole(0), default=0, metavar="N", help="the display to flash on (default: 0)"
    )
    parser.add_argument("--fullscreen", action="store_true", help="all over the display, as on stage")
    parser.add_argument(
        "--input",
        nargs="?",
        const="default",
        metavar="DEVICE",
        help="measure how late this device hears the speakers (without a name: the system's sound input)",
    )
    parser.add_argument(
        "--clicks", type=options.whole(5), default=12, metavar="N", help="with --input: how many (default: 12)"
    )


def run(args: argparse.Namespace) -> int:
    kept(config())  # a mistake in it is said now, and not when there is a number to keep
    return by_ear(args.input, args.clicks) if args.input is not None else by_eye(args.display, args.fullscreen)


def by_eye(display: int, fullscreen: bool) -> int:
    """Flash until the performer is content."""
    dial = Dial(kept(config()).screen)
    with located("calibrate", (Unavailable,)):
        screen = Screen((960, 540), display=display, fullscreen=fullscreen)
    with closing(screen):
        loud = speakers(Track(clicks(RATE), loops=True), RATE, "the click")
        log.info("left, right: the flash comes 5 ms later, sooner (down, up: 25); return keeps it, escape leaves")
        with closing(loud) if loud else nullcontext(), suppress(Closed):
            flash(screen, loud, dial)
    return done("screen", dial.value) if dial.kept else left("screen")


def flash(screen: Screen, loud: Speakers | None, dial: Dial) -> None:
    """Flash with the click, as a show's beat does with its song, until a key ends it."""
    keyboard.drain()
    tempo = Tempo(60 / PERIOD, ahead=dial.value / 1000)
    for tick in Real(FPS, tempo):
        if loud and loud.lost(tick):
            log.warning("the speakers are gone, the flash goes on without the click")
            loud = None
        if loud:
            played = loud.sounding(round(tick.time * RATE)) / RATE
            tempo.hear(tick.time, tick.time, Reading.known(PERIOD, played / PERIOD))
        screen.show(picture(tick.beat, dial.value))
        if any(dial.press(event.address) for event in keyboard.drain() if event.value):
            return
        tempo.ahead = dial.value / 1000


def by_ear(wanted: str, count: int) -> int:
    """Play clicks and hear them."""
    with located("--input", (Unavailable,)):
        device = Device(wanted)
    with closing(device):
        loud = speakers(Track(clicks(RATE), loops=True), RATE, "the click")
        if loud is None:
            raise Unavailable("no speakers play the clicks that the input is to hear", "connect some")
        with closing(loud):
            heard = listened(device, loud, count)
    if heard is None:
        log.warning("%s heard no clicks: bring it nearer to the speakers, or make them louder", device.called())
        return left("audio", 1)
    late = round((heard.late + device.lead) * 1000, 1)
    log.info("%s heard %d of %d clicks", device.called(), heard.count, count)
    if not LIMITS.low <= late <= LIMITS.high:
        log.warning("they came %+g ms later than the devices say, which lies not in %s", late, LIMITS)
        return left("audio", 1)
    return done("audio", late)


def listened(device: Device, loud: Speakers, count: int) -> Heard | None:
    """What the device hears of so many clicks; None if it hears none, or one of the two does not begin."""
    ear, begun = Ear(device.rate), 0.0
    for tick in Real(FPS, 60.0):
        samples, played = device.read(tick), loud.sounding(round(tick.time * RATE)) / RATE
        if device.packets == 0 or loud.next is None:
            begun = tick.time + SETTLING
            if tick.time > PATIENCE:
                break
        elif tick.time >= begun:
            ear.hear(samples, played)
            if tick.time >= begun + count * PERIOD:
                break
    return ear.late()


def done(name: str, value: float) -> int:
    """Keep a latency, and say so."""
    keep(config(), name, value)
    log.info("%s latency: %+g ms, kept in %s", name, value, config())
    return 0


def left(name: str, code: int = 0) -> int:
    """Say that a latency is as it was."""
    log.info("%s latency: left as it was, %+g ms", name, getattr(kept(config()), name))
    return code
