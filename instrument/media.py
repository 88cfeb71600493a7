"""Sound and video files, by way of FFmpeg: the one place that imports PyAV."""

from pathlib import Path

import av
import numpy as np

from instrument.flow import Sound


def read_sound(path: Path) -> Sound:
    """The first sound track of a file in any format FFmpeg reads, as stereo float32 [n, 2] at the file's own rate.

    Raises ValueError naming the file if it is missing, is no sound or video file, or has no sound in it.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such sound file")
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise ValueError(f"{path}: there is no sound track in this file")
            stream = container.streams.audio[0]
            resampler = av.AudioResampler(format="flt", layout="stereo", rate=stream.rate)
            frames = [whole for frame in container.decode(stream) for whole in resampler.resample(frame)]
            blocks = [frame.to_ndarray().reshape(-1, 2) for frame in [*frames, *resampler.resample(None)]]
            rate = stream.rate
    except av.FFmpegError as error:
        raise ValueError(f"{path}: not a sound file that can be read ({error.strerror})") from error
    if not sum(map(len, blocks)):
        raise ValueError(f"{path}: the sound track is empty")
    return Sound(np.concatenate(blocks), rate)
