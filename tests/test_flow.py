"""The one conversion: a picture to pixels."""

import numpy as np
import pytest
import torch

from instrument.flow import Event, Frame, Tick


def pixels(*values, dtype=torch.float32):
    return Frame(torch.tensor(values, dtype=dtype).expand(3, 1, -1), Tick(0, 0.0, 0.1, 0.0)).pixels[0, :, 0].tolist()


def test_minus_one_is_black_zero_is_grey_and_one_is_white():
    assert pixels(-1.0, 0.0, 1.0) == [0, 128, 255]
    assert pixels(-1.0, 0.0, 1.0, dtype=torch.float16) == [0, 128, 255]


def test_what_lies_beyond_is_clamped_and_what_is_no_number_is_grey():
    assert pixels(-7.0, 7.0, float("inf"), float("-inf"), float("nan")) == [0, 255, 255, 0, 128]


def test_pixels_are_rows_of_rgb_made_once_that_nobody_can_write_to():
    image = torch.stack([torch.full((2, 3), level) for level in (-1.0, 0.0, 1.0)])
    frame = Frame(image, Tick(0, 0.0, 0.1, 0.0))
    assert frame.pixels.shape == (2, 3, 3) and frame.pixels.dtype == np.uint8
    assert frame.pixels[0, 0].tolist() == [0, 128, 255]
    assert frame.pixels is frame.pixels
    with pytest.raises(ValueError):
        frame.pixels[0, 0, 0] = 1
    assert image[1].eq(0).all(), "the picture itself is left alone"


def test_when_an_event_arrived_does_not_make_it_another():
    assert Event("key/a", 1.0, 3.5) == Event("key/a", 1.0)
