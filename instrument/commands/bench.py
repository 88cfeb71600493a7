"""Measure this machine: control path, loop overhead, executors, whole frames, OSC under load, start, training.

Ratios are taken frame about in one run, so they mean something on a busy machine; milliseconds only on a quiet one.

examples:
  phosphene bench
  phosphene bench osc --seconds 60 --json osc.json
  phosphene bench training --json training.json
"""

import argparse
import json
import platform
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from instrument import __version__, options
from instrument.benchmarks import control, executors, frames, osc, overhead, start, training
from instrument.document import Mistake
from instrument.parameters import unknown
from instrument.show import Show

MEASUREMENTS = {
    "control": control,
    "overhead": overhead,
    "executors": executors,
    "frames": frames,
    "osc": osc,
    "start": start,
    "training": training,
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"{', '.join(MEASUREMENTS)} (default: all)")
    parser.add_argument("--seconds", type=options.positive, default=10.0, help="how long to measure each (default: 10)")
    options.add_device(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file as well")


def run(args: argparse.Namespace) -> int:
    wrong = [name for name in args.what if name not in MEASUREMENTS]
    if wrong:
        raise Mistake(f"bench: {unknown('measurement', wrong[0], MEASUREMENTS)}")
    if args.json:
        options.check_figures(args.json, "machine", "--json")
    show = Show(device=options.device(args.device))
    report: dict[str, Any] = {"phosphene": __version__, "machine": machine(show.device), "seconds": args.seconds}
    for name in args.what or MEASUREMENTS:
        print(f"{name}: {(MEASUREMENTS[name].__doc__ or '').splitlines()[0]}", flush=True)
        report[name] = MEASUREMENTS[name].measure(show, args.seconds)
        for figure, value in report[name].items():
            print(f"  {figure:<18} {value}")
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    return 0


def machine(device: torch.device) -> dict[str, Any]:
    """What the figures were taken on."""
    return {
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def device_name(device: torch.device) -> str:
    """The name of the GPU, or of the processor as its maker has it, where the system tells."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
