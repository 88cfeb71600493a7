"""The performance: one frame is one chain of calls, the same every time."""

import torch

from instrument.plugs import Closed
from instrument.report import Meter
from instrument.rig import Rig
from instrument.take import Recorder


def perform(rig: Rig, meter: Meter, take: Recorder | None = None) -> None:
    """Listen, modulate, resolve, wander, render, show: until the clock ends or an output is closed by the performer."""
    with torch.inference_mode():
        try:
            for tick in meter.ticks():
                events = rig.listen(tick)
                signals = rig.modulate(tick, events)
                parameters = rig.resolve(tick, signals)
                latent = rig.wander(tick, parameters)
                frame = rig.render(tick, latent, parameters, events)
                rig.show(frame)
                meter.shown(events, frame)
                if take:
                    take.write(tick, events)
        except Closed:
            return
