"""Every walk there is meets one list of properties; then what is true of each."""

import inspect
import math

import pytest
import torch
from parts import Flat

from instrument import catalog
from instrument.clock import Virtual
from instrument.latent.paths import normal
from instrument.parameters import declared, settings
from instrument.plugs import SUPPLIED

every_walk = pytest.mark.parametrize("name", catalog.plugs("walks"))
DIM = 64
CHORD = {"c": 0.3, "e": 0.8, "g": 0.5}
SOUNDING = {"chords": CHORD}  # what must be heard before the other parameters of a walk can do something


def walk(name, seed=1, anchors=(), dim=DIM, **given):
    return catalog.plug("walks", name)(Flat(dim), seed=seed, anchors=anchors, **given)


def path(walked, fps=30, seconds=4.0, bpm=120, **parameters):
    """Where the walk is at each tick, [ticks, num_ws, w_dim]."""
    step = declared(walked.step)
    values = {name: parameters.get(name, item.default) for name, item in step.items()}
    return torch.stack([walked.step(tick, **values).w for tick in Virtual(fps, bpm, round(seconds * fps))])


def apart(one, other):
    """The distance between places, as a part of their usual length."""
    return ((one - other).norm(dim=-1) / math.sqrt(one.shape[-1])).max().item()


# --- what holds for every walk


@every_walk
def test_it_needs_no_setting_to_be_walked(name):
    known = settings(catalog.plug("walks", name).__init__, SUPPLIED)
    defaults = [default for _, default in known.values()]
    assert inspect.Parameter.empty not in defaults, "or a patch could not be without settings"
    walk(name)


@every_walk
def test_it_answers_places_in_w(name):
    places = path(walk(name), seconds=0.5)
    assert places.shape == (15, 1, DIM) and places.dtype == torch.float32 and places.isfinite().all()


@every_walk
def test_the_same_seed_is_the_same_path_and_another_seed_is_another(name):
    assert torch.equal(path(walk(name)), path(walk(name)))
    assert apart(path(walk(name)), path(walk(name, seed=77))) > 0.5


@every_walk
def test_walks_beside_each_other_do_not_disturb_each_other(name):
    alone, one, other = path(walk(name)), walk(name), walk(name, seed=9)
    torch.manual_seed(0)
    for tick, place in zip(Virtual(30, 120, 120), alone, strict=True):
        torch.randn(7)  # somebody else's dice
        other.step(tick)
        assert torch.equal(one.step(tick).w, place)


@every_walk
def test_it_is_the_same_path_at_every_frame_rate(name):
    slow, fast = path(walk(name), fps=30, seconds=20)[1::1], path(walk(name), fps=60, seconds=20)
    assert apart(slow, fast[2::2]) < 0.02


@every_walk
def test_its_anchors_are_where_it_goes(name):
    assert apart(path(walk(name, anchors=(5, 6, 7))), path(walk(name, anchors=(8, 9, 10)))) > 0.5
    start = path(walk(name, seed=1, anchors=(5, 6, 7)), fps=1000, seconds=0.001)[0, 0]
    assert apart(start, normal(5, DIM)) < 0.01, "it begins at the first"
    path(walk(name, anchors=(5,)), seconds=0.5)


@every_walk
@pytest.mark.parametrize("end", ["low", "high"])
def test_each_parameter_at_its_end_leaves_it_finite(name, end):
    for key, item in declared(walk(name).step).items():
        assert path(walk(name), fps=10, seconds=20, **{key: getattr(item.range, end)}).isfinite().all()


@every_walk
def test_each_parameter_does_something(name):
    for key, item in declared(walk(name).step).items():
        high, low = ({**SOUNDING.get(name, {}), key: item.range.from_unit(unit)} for unit in (0.9, 0.2))
        assert apart(path(walk(name), **high), path(walk(name), **low)) > 0.05, key


@every_walk
def test_a_push_springs_back(name):
    pushed, left = walk(name), walk(name)
    if "push" not in declared(pushed.step):
        pytest.skip("it cannot be pushed")
    for tick in Virtual(60, 120, 120):
        push = 1.0 if 30 <= tick.index < 40 else 0.0
        distance = apart(pushed.step(tick, push=push).w, left.step(tick, push=0.0).w)
        assert (distance > 0.05) == bool(push), "and the journey goes on as if nothing had happened"


@every_walk
def test_at_60_fps_no_step_is_a_jump(name):
    places = path(walk(name), fps=60, seconds=20)
    assert apart(places[1:], places[:-1]) < 0.1


# --- drift


@pytest.fixture(scope="module")
def wandered():
    """Places half a correlation time apart, where the process is drawn: [steps, dim]."""
    return path(walk("drift", dim=256), fps=10, seconds=100, speed=5.0)[:, 0]


def test_drift_keeps_its_variance(wandered):
    assert wandered.var().item() == pytest.approx(1, abs=0.03)
    early, late = wandered[:100], wandered[-100:]
    assert early.var().item() == pytest.approx(1, abs=0.1) and late.var().item() == pytest.approx(1, abs=0.1)


def test_drift_keeps_most_of_its_variance_between_the_drawn_places_too():
    places = path(walk("drift", dim=256), fps=70, seconds=60, speed=5.0)
    assert 0.85 < places.var().item() < 1.0


@pytest.mark.parametrize("correlation_times", [0.5, 1, 2])
def test_drift_forgets_as_its_speed_says(wandered, correlation_times):
    lag = round(2 * correlation_times)
    correlation = (wandered[lag:] * wandered[:-lag]).mean() / wandered.square().mean()
    assert correlation.item() == pytest.approx(math.exp(-correlation_times), abs=0.03)


def test_drift_sets_out_no_faster_than_it_goes_on():
    starts = torch.stack(
        [walk("drift", seed=seed, anchors=anchors).points for seed in range(200) for anchors in ((), (seed,))]
    )
    steps = (starts[:, 1:] - starts[:, :-1]).square().mean((0, 2))
    assert steps[0] == 0, "it begins at its anchor, at rest"
    expected = 2 * (1 - math.exp(-0.5))
    assert steps[1:].tolist() == pytest.approx([expected, expected], rel=0.05)
    ways = (starts[:, 2] * starts[:, 0]).sum(1) / starts[:, 2].norm(dim=1) / starts[:, 0].norm(dim=1)
    assert ways.max() < 0.95, "it turns, and does not only grow: a network hears no loudness in z"


def test_the_speed_of_drift_only_stretches_time():
    slow, fast = path(walk("drift"), fps=20, seconds=40, speed=0.1), path(walk("drift"), fps=20, seconds=20, speed=0.2)
    assert apart(slow[1::2], fast) < 1e-3


# --- orbit


@pytest.mark.parametrize("beats", [4.0, 32.0])
def test_orbit_is_where_it_began_after_its_beats(beats):
    seconds = beats / 2  # at 120 beats a minute
    places = path(walk("orbit"), fps=30, seconds=seconds + 1 / 30, beats=beats)
    assert torch.allclose(places[0], places[-1], atol=1e-5)
    middle = places[len(places) // 2]
    assert torch.allclose(middle, -places[0], atol=0.05), "halfway it is on the other side"


def test_orbit_passes_its_second_anchor_a_quarter_later():
    places = path(walk("orbit", anchors=(3, 4)), fps=30, seconds=4.1, beats=32.0)
    assert torch.allclose(places[0, 0], normal(3, DIM), atol=1e-6)
    assert torch.allclose(places[120, 0], normal(4, DIM), atol=1e-5)


def test_the_offset_of_orbit_is_a_place_further_along():
    there = path(walk("orbit"), fps=30, seconds=8, beats=32.0)
    assert torch.allclose(path(walk("orbit"), fps=30, seconds=4, beats=32.0, offset=0.25), there[120:], atol=1e-5)


def test_orbit_at_another_length_goes_on_from_where_it_is():
    walked, last = walk("orbit"), None
    for tick in Virtual(60, 120, 600):
        place = walked.step(tick, beats=4.0 + tick.index % 37).w
        assert last is None or apart(place, last) < 0.1
        last = place


# --- keyframes


def test_keyframes_passes_every_key_on_its_beat_in_order_and_round_again():
    seeds = (11, 12, 13)
    places = path(walk("keyframes", anchors=seeds), fps=30, seconds=16.1, beats=4.0)  # a key each two seconds
    for n in range(8):
        assert torch.allclose(places[60 * n, 0], normal(seeds[n % 3], DIM), atol=1e-4)


def test_keyframes_without_anchors_has_eight_of_its_seed():
    places = path(walk("keyframes", seed=40), fps=30, seconds=4.1, beats=1.0)
    for n in range(9):
        assert torch.allclose(places[15 * n, 0], normal(40 + n % 8, DIM), atol=1e-4)


def test_keyframes_of_one_key_stays_there():
    places = path(walk("keyframes", anchors=(3,)))
    assert torch.allclose(places, normal(3, DIM).expand_as(places), atol=1e-5)


def test_a_full_push_reaches_the_next_key():
    places = path(walk("keyframes", anchors=(1, 2, 3, 4)), fps=30, seconds=1, beats=4.0, push=1.0)
    assert torch.allclose(places[0, 0], normal(2, DIM), atol=1e-5)


# --- chords


def mean(**shares):
    """The weighted mean of the pictures of seeds 1 to 12 by their notes."""
    notes = "c", "c_sharp", "d", "d_sharp", "e", "f", "f_sharp", "g", "g_sharp", "a", "a_sharp", "b"
    return sum(share * normal(1 + notes.index(note), DIM) for note, share in shares.items()) / sum(shares.values())


@pytest.mark.parametrize("focus", [0.5, 1.0, 4.0])
def test_chords_comes_to_the_mean_of_its_notes_by_the_power_of_their_weights(focus):
    places = path(walk("chords"), glide=0.1, focus=focus, **CHORD)
    there = mean(**{note: weight**focus for note, weight in CHORD.items()})
    assert torch.allclose(places[-1, 0], there, atol=1e-5)


@pytest.mark.parametrize("fps", [10, 60])
def test_chords_is_63_percent_of_the_way_after_its_glide(fps):
    places = path(walk("chords"), fps=fps, seconds=2.0, glide=2.0, d=0.9)
    assert torch.allclose(places[-1, 0], torch.lerp(mean(d=1), mean(c=1), math.exp(-1)), atol=1e-5)


def test_chords_goes_to_the_same_place_when_it_is_played_softly():
    loud, soft = (path(walk("chords"), glide=0.1, d=d, f=2 * d) for d in (0.5, 0.1))
    assert torch.allclose(loud, soft, atol=1e-5)


def test_chords_stays_where_it_is_when_nothing_sounds_and_hardly_moves_when_next_to_nothing_does():
    walked = walk("chords")
    there = path(walked, seconds=2.0, **CHORD)[-1]
    assert torch.equal(path(walked, seconds=10.0)[-1], there)
    assert 0 < apart(path(walked, seconds=1.0, f=0.01)[-1], there) < 0.1


def test_chords_has_its_anchors_first_and_then_those_of_the_seed():
    places = path(walk("chords", seed=30, anchors=(5, 6)), glide=0.05, c_sharp=1.0)
    assert torch.allclose(places[-1, 0], normal(6, DIM), atol=1e-5)
    places = path(walk("chords", seed=30, anchors=(5, 6)), glide=0.05, d=1.0)
    assert torch.allclose(places[-1, 0], normal(30, DIM), atol=1e-5)
