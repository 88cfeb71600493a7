"""Recording: every frame and what was heard, into a video file."""

import os
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from instrument.flow import Frame, Sound
from instrument.media import Movie
from instrument.plugs import Delivery


class Output:
    """Writes `file` (.mp4, .mov or .mkv) with the first frame; `overwrite` allows one that is there to be lost.

    Raises ValueError, before anything is written, if the folder is missing or locked, if there is such a file already,
    or if the name ends in something else. A disk that fills up is an OSError from `show`.
    """

    delivery: ClassVar[Delivery] = "every"
    target: ClassVar[str | None] = "file"

    def __init__(self, *, file: str, overwrite: bool = False, fps: float, live: bool) -> None:
        path = Path(file).expanduser()
        if not path.parent.is_dir():
            raise ValueError(f"recording: there is no folder {path.parent} to write {path.name} in")
        if not os.access(path.parent, os.W_OK):
            raise ValueError(f"recording: the folder {path.parent} cannot be written in")
        if path.is_dir():
            raise ValueError(f"recording: {path} is a folder, a file is wanted")
        if path.exists() and not overwrite:
            raise ValueError(f"recording: {path} is there already; name another file, or set overwrite = true")
        # live, somebody may plug in the sound in the middle of the show
        self.movie, self.live, self.silent = Movie(path, fps=fps, sound=live), live, True

    def show(self, frame: Frame) -> None:
        sound = frame.sound
        if sound and self.silent and self.live:
            sound = newest(sound, frame.tick.dt)
        self.silent = self.silent and not sound
        self.movie.write(frame.pixels, frame.tick.time, sound)

    def close(self) -> None:
        self.movie.close()


def newest(sound: Sound, seconds: float) -> Sound:
    """The last `seconds` of a sound: what a device has gathered before the show began belongs to no picture."""
    return replace(sound, samples=sound.samples[-max(1, round(seconds * sound.rate)) :])
