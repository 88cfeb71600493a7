"""Stretches of a finished piece of sound, by closed form."""

import numpy as np

from instrument.sound.track import Track


def test_a_track_loops_over_its_seam_or_is_followed_by_silence() -> None:
    samples = np.arange(10, dtype=np.float32).reshape(5, 2)
    assert Track(samples, loops=True).stretch(3, 12)[:, 0].tolist() == [6, 8, 0, 2, 4, 6, 8, 0, 2]
    assert Track(samples, loops=False).stretch(3, 7)[:, 0].tolist() == [6, 8, 0, 0]
    assert Track(samples, loops=False).stretch(9, 11).tolist() == [[0, 0], [0, 0]]
    assert Track(samples, loops=False).stretch(2, 2).shape == (0, 2)
