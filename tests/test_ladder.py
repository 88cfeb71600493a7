"""Where a machine is too slow the picture gives way, step by step, and comes back."""

from itertools import pairwise

import pytest
import torch
from parts import CPU, tiny, write_model

from instrument import ladder
from instrument.flow import Latent
from instrument.generators.stylegan2 import Generator
from instrument.ladder import LATE, LONGEST, PATIENCE, STEPS, Eased, Ladder

FPS = 30.0


def heard(steps, seconds, lasting):
    """Tell a ladder of pictures that take so long, for so many seconds of a show; of every second one if it halves.

    `seconds` may be a list: of a picture on each step.
    """
    n, now = 0, 0.0
    while now < lasting - 1e-6:
        taken = seconds[steps.step] if isinstance(seconds, list) else seconds
        taken = 0.0 if steps.halves and n % 2 else taken
        steps.hear(taken)
        n, now = n + 1, now + max(taken, 1 / FPS)
    return steps.step


def test_while_pictures_are_in_time_it_stays_where_it_is():
    steps = Ladder(FPS)
    assert heard(steps, 0.8 * LATE / FPS, 60) == 0


def test_pictures_that_take_too_long_move_it_down_in_two_seconds_a_step():
    steps = Ladder(FPS)
    assert heard(steps, 5 / FPS, 1.8) == 0
    assert heard(steps, 5 / FPS, 0.5) == 1
    assert heard(steps, 5 / FPS, 5) == 3
    assert heard(steps, 5 / FPS, 60) == 3, "there is no further one"


def test_one_late_picture_in_ten_is_none():
    steps = Ladder(FPS)
    for n in range(900):
        steps.hear((5 if n % 10 == 0 else 0.3) / FPS)
    assert steps.step == 0


def test_every_second_picture_may_take_nearly_two_frames():
    steps = Ladder(FPS)
    heard(steps, 1.6 / FPS, 5)
    assert steps.step == 2 and steps.halves
    assert heard(steps, 1.6 / FPS, 60) == 2


@pytest.mark.parametrize(("frames", "step"), [(0.8, 0), (0.9, 1), (1.1, 2), (1.6, 2), (1.8, 3), (9, 3)])
def test_a_show_too_much_for_a_machine_begins_on_the_step_it_has_its_place_on(frames, step, caplog):
    steps = Ladder(FPS)
    steps.expect(frames / FPS, None)
    assert steps.step == step and len(caplog.records) == (step > 0)
    assert heard(steps, [lap * frames / FPS for lap in (1, 0.9, 0.9, 0.3)], 5) == step
    eased = Ladder(FPS, highest=0)
    eased.expect(frames / FPS, None)
    assert eased.step == 0


def test_after_a_while_of_ease_it_comes_back():
    steps = Ladder(FPS)
    assert heard(steps, 5 / FPS, 2.1) == 1
    assert heard(steps, 0.2 / FPS, PATIENCE) == 1
    assert heard(steps, 0.2 / FPS, 3) == 0


def test_what_is_tried_in_vain_is_tried_ever_less_often():
    steps, tries = Ladder(FPS), []
    for frame in range(round(3600 * FPS)):
        before = steps.step
        heard(steps, [5 / FPS, 0.2 / FPS], 1 / FPS)  # too much with noise, easy without
        if steps.step < before:
            tries.append(frame / FPS)
    apart = [round(later - earlier) for earlier, later in pairwise(tries)]
    assert apart == sorted(apart) and apart[-1] >= LONGEST and apart[0] < 3 * PATIENCE


def test_a_generator_that_cannot_ease_has_no_steps():
    steps = Ladder(FPS, highest=0)
    assert heard(steps, 5 / FPS, 60) == 0 and steps.said == STEPS[0]


class Threads:
    """A machine on which a picture takes so many seconds on one number of threads, and so many on the other."""

    def __init__(self, *seconds):
        self.seconds, self.on = seconds, 0

    def switch(self):
        self.on = 1 - self.on
        return True

    def play(self, steps, lasting):
        now = 0.0
        while now < lasting:
            steps.hear(self.seconds[self.on])
            now += max(self.seconds[self.on], 1 / FPS)


def test_before_the_picture_gives_way_another_number_of_threads_is_tried():
    machine = Threads(5 / FPS, 0.6 / FPS)
    steps = Ladder(FPS, switch=machine.switch)
    machine.play(steps, 600)
    assert (steps.step, machine.on) == (0, 1)


def test_where_that_is_slower_it_goes_back_and_the_picture_gives_way():
    machine = Threads(0.9 / FPS, 5 / FPS)
    steps = Ladder(FPS, switch=machine.switch)
    machine.play(steps, 2.1)
    assert (steps.step, machine.on) == (0, 1)
    machine.play(steps, 2.1)
    assert (steps.step, machine.on) == (0, 0)
    machine.play(steps, 2.1)
    assert (steps.step, machine.on) == (1, 0)


def test_what_is_known_to_be_slower_is_not_tried():
    machine = Threads(0.9 / FPS, 5 / FPS)
    steps = Ladder(FPS, switch=machine.switch)
    steps.expect(0.8 / FPS, 1.4 / FPS)
    machine.play(steps, 2.1)
    assert (steps.step, machine.on) == (1, 0)


def test_a_trial_that_another_model_ends_is_undone():
    machine = Threads(5 / FPS, 0.6 / FPS)
    steps = Ladder(FPS, switch=machine.switch)
    machine.play(steps, 2.1)
    assert machine.on == 1
    steps.leave()
    assert machine.on == 0 and steps.threads.before is None


# --- what it does to pictures


class Counted:
    """A generator whose pictures are how many it has made, and take as long as they are told."""

    z_dim = 8

    def __init__(self, clock, seconds):
        self.clock, self.seconds, self.made, self.eased = clock, seconds, 0, []

    def ease(self, *, noise, fine):
        self.eased.append((noise, fine))

    def render(self, latent, bend, **parameters):
        self.clock[0] += self.seconds
        self.made += 1
        return torch.full((3, 4, 4), float(self.made))


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(ladder.time, "perf_counter", lambda: now[0])
    return now


def shown(eased, count):
    return [eased.render(None, None)[0, 0, 0].item() for _ in range(count)]


def test_in_time_every_picture_is_made_and_shown(clock):
    eased = Eased(Counted(clock, 0.1 / FPS), Ladder(FPS))
    assert shown(eased, 90) == list(range(1, 91))


def test_too_slow_every_second_one_is_made_and_the_other_stands_between(clock):
    generator = Counted(clock, 1.5 / FPS)
    eased = Eased(generator, Ladder(FPS))
    shown(eased, 180)
    assert eased.ladder.said == "every second picture" and generator.eased == [(False, True), (False, True)]
    made = generator.made
    pictures = shown(eased, 40)
    assert generator.made == made + 20
    steps = {later - earlier for earlier, later in pairwise(pictures)}
    assert steps == {0.5}, "it moves evenly"


def test_at_the_end_it_draws_half_as_fine(clock):
    generator = Counted(clock, 4 / FPS)
    eased = Eased(generator, Ladder(FPS))
    shown(eased, 400)
    assert eased.ladder.said == STEPS[-1] and generator.eased[-1] == (False, False)


def test_what_else_a_generator_has_is_still_there(clock):
    assert Eased(Counted(clock, 0.0), Ladder(FPS)).z_dim == 8


# --- what a network does with it


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
def test_a_picture_with_less_work_has_the_same_size_and_is_nearly_the_same(tmp_path, architecture):
    generator = Generator(write_model(tmp_path, tiny(32, architecture=architecture)), CPU)
    latent = Latent(generator.map(torch.ones(1, 8))[0])
    faders = {"truncation": torch.tensor(0.5), "noise": torch.tensor(1.0)}
    seen = []

    def noted(layer, x):
        seen.append(layer)
        return x

    whole = generator.render(latent, noted, **faders)
    layers = list(seen)
    generator.ease(noise=False, fine=True)
    silent = generator.render(latent, noted, **faders)
    assert torch.allclose(
        silent, generator.render(latent, noted, truncation=faders["truncation"], noise=torch.tensor(0.0))
    )
    seen.clear()
    generator.ease(noise=False, fine=False)
    coarse = generator.render(latent, noted, **faders)
    assert coarse.shape == whole.shape
    left = [layer for layer in layers if layer not in seen]
    assert left == (["b32.conv0", "b32.conv1", "b32.rgb"] if architecture == "skip" else [])
    generator.ease(noise=True, fine=True)
    assert torch.equal(generator.render(latent, noted, **faders), whole)
