"""What is seen, and the scores that are made of it."""

import numpy as np
import pytest
import torch
from parts import needs_weights

from instrument.training import score
from instrument.training.features import SIZE, TAPPED, Features
from instrument.training.projected import Projected


@pytest.fixture(scope="module")
def features():
    return Features()


# --- the eyes

GOLDEN_PLACES = [897, 113, 755, 71]
GOLDEN_VALUES = [4.70829, 4.27894, 3.43548, 3.39207]


@needs_weights
def test_maps_and_vector_have_their_sizes(features):
    pictures = torch.rand(2, 3, 64, 96) * 2 - 1
    assert features.vector(pictures).shape == (2, SIZE)
    maps = features(pictures)
    assert [tuple(x.shape) for x in maps] == [
        (2, channels, 64 // stride, 96 // stride)
        for channels, stride in zip(TAPPED.values(), (4, 8, 16, 32), strict=True)
    ]


@needs_weights
def test_it_sees_what_the_published_network_sees(features):
    """On a smooth test picture, held against its own code once: the largest of the last vector's numbers."""
    side = torch.linspace(-1, 1, 128)
    picture = torch.stack([side[None].expand(128, -1), side[:, None].expand(-1, 128), side[None] * side[:, None]])
    vector = features.vector(picture[None])[0]
    assert vector.topk(4).indices.tolist() == GOLDEN_PLACES
    assert vector.topk(4).values.tolist() == pytest.approx(GOLDEN_VALUES, rel=1e-3)


@needs_weights
def test_nothing_in_it_learns_and_slopes_pass_through(features):
    picture = torch.zeros(1, 3, 64, 64, requires_grad=True)
    features.vector(picture).sum().backward()
    assert picture.grad.abs().sum() > 0
    assert not any(weight.requires_grad for weight in features.parameters())


@needs_weights
def test_a_projected_judge_teaches_only_its_own_judges():
    judge, pictures = Projected(smallest=64), torch.zeros(2, 3, 32, 32, requires_grad=True)
    scores = judge(pictures)
    assert scores.shape[0] == 2
    scores.sum().backward()
    assert pictures.grad.abs().sum() > 0
    taught = {name.split(".")[0] for name, weight in judge.named_parameters() if weight.grad is not None}
    assert taught == {"judges"}


# --- the scores


def cloud(count, mean=0.0, deviation=1.0, seed=1, size=4):
    return mean + deviation * np.random.default_rng(seed).standard_normal((count, size))


def test_the_frechet_distance_of_normal_clouds_is_the_closed_form():
    a, b = cloud(200_000), cloud(200_000, 0.5, 2.0, seed=2)
    assert score.frechet(a, b) == pytest.approx(4 * (0.5**2 + (2 - 1) ** 2), rel=0.02)
    assert score.frechet(a, a) == pytest.approx(0, abs=1e-8)
    assert score.frechet(a, b) == pytest.approx(score.frechet(b, a))


def test_recall_is_the_share_of_the_real_ones_that_is_reached():
    real, half = cloud(400), cloud(400, seed=3)
    half = half[half[:, 0] > 0]
    assert score.reached(cloud(400, seed=2), real) > 0.9
    assert 0.4 < score.reached(half, real) < 0.75, "what makes half of the variety reaches half"
    assert score.reached(real, half) > 0.9, "and all of it is precise"
    assert score.reached(cloud(400, 50.0), real) == 0


def test_a_copy_is_found_and_so_is_what_it_was_copied_from():
    real, found = cloud(300, size=16), cloud(300, seed=2, size=16)
    share, nearest = score.copied(real, found)
    assert share < 0.05
    found[:30] = real[100:130] + 1e-3
    share, nearest = score.copied(real, found)
    assert share == pytest.approx(0.1, abs=0.05)
    assert nearest[:30].tolist() == list(range(100, 130))
    real[:6] = real[6:12]
    assert score.copied(real, real)[0] == 1, "also where some are there twice"


class Dial:
    """A picture [h, w] that follows the first number of w."""

    z_dim = 2

    def __init__(self, picture):
        self.picture = picture

    def map(self, z):
        return z[:, None]

    def render(self, latent, bend, truncation):
        return self.picture(latent.w[0, 0]).expand(3, -1, -1)


def test_the_path_is_measured_for_the_whole_way_and_squared():
    def angle(pictures):
        turn = 3 * pictures[:, :1, :1, :1]
        return [torch.cat([turn.cos(), turn.sin()], 1)]

    found = score.path_length(Dial(lambda w: (w / 10).expand(4, 4)), angle, 500, 1.0, 0)
    assert found == pytest.approx(2 * 0.3**2, rel=0.15), "twice the variance, times the squared slope"


def test_the_largest_step_of_a_sine_is_the_root_of_two_times_the_usual_one():
    assert score.largest_step(Dial(lambda w: (w / 10).expand(4, 4)), 1.0, 0) == pytest.approx(2**0.5, rel=0.01)
    assert score.largest_step(Dial(lambda w: (w / 10 + (w > 0.1) * 0.1).expand(4, 4)), 1.0, 0) > 50, "a jump"


@needs_weights
def test_the_path_is_longer_where_the_picture_changes_more(features):
    side = torch.linspace(-1, 1, 32)
    fading = side[None] * side[:, None]
    lengths = [
        score.path_length(Dial(lambda w, slope=slope: fading * torch.sigmoid(slope * w)), features, 8, 1.0, 0)
        for slope in (0.0, 0.5, 1.0)
    ]
    assert lengths[0] == pytest.approx(0, abs=1e-3)
    assert lengths[0] < lengths[1] < lengths[2]
