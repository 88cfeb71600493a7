"""Training: a generator and its judge, step by step."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from instrument.latent.paths import truncate
from instrument.model import read_tensors, write_tensors
from instrument.networks.stylegan2 import StyleGAN2
from instrument.training import distributed
from instrument.training.augment import Adaptive, augmented
from instrument.training.features import Features
from instrument.training.judge import Judge, beyond
from instrument.training.networks import Generator, fresh
from instrument.training.pairs import attentive, between, placed, seen_unlike, unlike
from instrument.training.recipe import Recipe


class Source(Protocol):
    """Where real pictures come from, and what they are made of [all, F] if that is known."""

    factors: Tensor | None

    def batch(self, count: int, random: torch.Generator, flip: bool) -> Tensor:
        """pictures [N, 3, R, R], -1..1."""
        ...

    def pairs(self, count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """pictures [N, 3, R, R], -1..1, and what they are made of [N, F], 0..1."""
        ...


class Training:
    """What learns, and how far it is. One `step` is a batch for the judge and a batch for the generator.

    Every step draws its chance from the seed and its own number, so a training that goes on from a saved state is the
    one that was never stopped (on one device). Raises FloatingPointError when a loss is no number any more.
    """

    def __init__(self, recipe: Recipe, pictures: Source, device: torch.device, precision: torch.dtype) -> None:
        self.recipe, self.pictures, self.device, self.precision = recipe, pictures, device, precision
        torch.manual_seed(recipe.seed)
        weights = fresh(recipe.network, recipe.seed)
        if recipe.pairing and pictures.factors is not None:
            attentive(weights, pictures.factors.shape[1])
        self.generator = Generator(recipe.network, weights, precision).to(device)
        self.judge = Judge(recipe, precision).to(device)
        self.average = Generator(recipe.network, weights, precision).to(device).requires_grad_(False)
        ratio = recipe.r1_every / (recipe.r1_every + 1)  # a lazy penalty is a step more (section 3.1)
        named = list(self.generator.named_parameters())
        groups: list[dict[str, Any]] = [
            {"params": [w for name, w in named if name.startswith("mapping")], "lr": recipe.rate * recipe.mapping},
            {"params": [w for name, w in named if not name.startswith("mapping")]},
        ]
        self.makes = torch.optim.Adam(groups, recipe.rate, (0.0, 0.99), fused=True)
        self.rates = [group["lr"] for group in self.makes.param_groups]
        learners = [weight for weight in self.judge.parameters() if weight.requires_grad]
        judged = [{"params": learners}]
        self.judges = torch.optim.Adam(judged, recipe.rate * ratio, (0.0, 0.99**ratio), fused=bool(learners))
        self.eyes = Features(precision).to(device) if recipe.pairing and recipe.likeness else None
        self.adaptive = Adaptive()
        self.steps = 0
        self.seconds = 0.0  # that it took: whoever steps adds to it
        self.log: dict[str, float] = {}

    @property
    def kimg(self) -> float:
        """Thousands of real pictures that have been shown."""
        return self.steps * self.recipe.batch / 1000

    @property
    def pace(self) -> float:
        """What the generator's rate is multiplied by: 1, and then less and less (Karras et al. 2024, EDM2)."""
        steady = self.recipe.steady
        return 1.0 if steady is None or self.kimg <= steady else math.sqrt(steady / self.kimg)

    @property
    def probability(self) -> float:
        """How often pictures are augmented."""
        return {"none": 0.0, "diff": 1.0, "ada": self.adaptive.probability}[self.recipe.augment]

    def step(self) -> None:
        recipe, n = self.recipe, self.recipe.batch // distributed.count()
        seed = ((recipe.seed * 1_000_003 + self.steps) * distributed.count() + distributed.rank()) % (1 << 63)
        torch.manual_seed(seed)
        random = torch.Generator().manual_seed(seed)
        if recipe.pairing:
            real, factors = (item.to(self.device) for item in self.pictures.pairs(n, random))
            w = self.mapped(placed(factors, recipe.network.z_dim))
            pairs = n // 2 if recipe.judged else n
            made = self.generator.synthesize(self.generator.everywhere(between(w, pairs)), noise=None)
        else:
            real = self.pictures.batch(n, random, recipe.flip).to(self.device)
            w = self.mapped(torch.randn(n, recipe.network.z_dim, device=self.device))
            pairs = 0
            made = self.generator.synthesize(self.mixed(w))
        scores = self.teach(real, made.detach()) if recipe.judged else None
        if self.kimg >= recipe.settle:
            self.learn(made, real[:pairs])
        self.steps += 1
        if recipe.augment == "ada" and scores is not None:
            self.adaptive.hear(distributed.averaged(scores.sign()))
            if self.steps % self.adaptive.EVERY == 0:
                self.adaptive.adjust()

    def teach(self, real: Tensor, made: Tensor) -> Tensor:
        """The judge learns to tell pictures [N, 3, R, R]; answers its scores of the real ones [N]."""
        self.judge.learns(True, self.recipe.frozen)
        self.judges.zero_grad()
        real = augmented(real, self.probability)
        wrong, scores = self.judge.loss(real, augmented(made, self.probability))
        wrong.backward()
        distributed.average_gradients(self.judge.parameters())
        self.judges.step()
        if self.steps % self.recipe.r1_every == 0:
            self.penalise(real)
        self.judge.learns(False)
        self.note(loss_judge=wrong.item(), real=scores.mean().item())
        return scores.detach()

    def learn(self, made: Tensor, wanted: Tensor) -> None:
        """The generator learns: from the judge, and from the pictures that the first of those made are to be [any, 3, R, R]."""
        self.makes.zero_grad()
        loss = 10 * beyond(made) + self.judge.disbelief(augmented(made, self.probability))
        told = made[: len(wanted)]
        if self.recipe.pairing:
            difference = unlike(told, wanted)
            loss = loss + self.recipe.pairing * difference
            self.note(difference=difference.item())
        if self.eyes:
            seen = seen_unlike(self.eyes, told, wanted)
            loss = loss + self.recipe.likeness * seen
            self.note(seen=seen.item())
        loss.backward()
        distributed.average_gradients(self.generator.parameters())
        for group, rate in zip(self.makes.param_groups, self.rates, strict=True):
            group["lr"] = rate * self.pace
        self.makes.step()
        self.follow()
        self.note(loss_generator=loss.item())

    def mapped(self, z: Tensor) -> Tensor:
        """z [N, z_dim] -> w [N, w_dim], whose mean is kept."""
        w = self.generator.map(z)
        self.generator["mapping.w_avg"].lerp_(distributed.averaged(w.detach().mean(0)), 0.005)
        return w

    def mixed(self, w: Tensor) -> Tensor:
        """w [N, w_dim] -> [N, num_ws, w_dim]; some of them, by the recipe, take their finer rows from another."""
        count, rows = len(w), self.recipe.network.num_ws
        first = torch.randint(1, rows, (count, 1), device=self.device)
        first = torch.where(torch.rand(count, 1, device=self.device) < self.recipe.mixing, first, rows)
        other = torch.arange(rows, device=self.device)[None] >= first  # [N, num_ws]
        return torch.where(other[:, :, None], w.roll(1, 0)[:, None], w[:, None])

    def penalise(self, real: Tensor) -> None:
        """Pull the judge towards being flat around real pictures."""
        self.judges.zero_grad()
        steepness = self.judge.steepness(real)
        if steepness is None:
            return
        (steepness * (self.recipe.penalty / 2 * self.recipe.r1_every)).backward()
        distributed.average_gradients(self.judge.parameters())
        self.judges.step()
        self.note(r1=steepness.item())

    def follow(self) -> None:
        """The running average of the generator, which is what is kept (Karras et al. 2018, section 4.1)."""
        half_life = min(self.recipe.average, self.kimg / 20) * 1000
        keep = 0.5 ** (self.recipe.batch / max(half_life, 1e-8))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), 1 - keep)
            for mine, its in zip(self.average.buffers(), self.generator.buffers(), strict=True):
                mine.copy_(its)

    def note(self, **figures: float) -> None:
        """Keep figures, smoothed over about a hundred steps."""
        for name, value in figures.items():
            if not math.isfinite(value):
                raise FloatingPointError(f"{name} is {value} after {self.kimg:.1f} kimg")
            self.log[name] = value + 0.99 * (self.log.get(name, value) - value)

    @torch.no_grad()
    def pictures_of(self, z: Tensor, truncation: float = 1.0) -> Tensor:
        """What the averaged generator makes of z [N, z_dim]: [N, 3, R, R], -1..1 on the CPU."""
        found = []
        for part in z.to(self.device).split(16):
            w = self.average.map(part)
            w = truncate(w, torch.tensor(truncation, device=self.device), self.average["mapping.w_avg"])
            found.append(self.average.synthesize(self.average.everywhere(w), None).float().cpu())
        return torch.cat(found)

    def kept(self) -> dict[str, Tensor]:
        """The averaged generator's weights as a model folder holds them: 16-bit floats."""
        return {name: weight.half() for name, weight in self.average.weights().items()}

    def state(self) -> dict[str, Tensor]:
        """All tensors that go on."""
        parts = {
            "generator": self.generator.state_dict(),
            "average": self.average.state_dict(),
            "judge": self.judge.kept(),
        }
        found = {f"{part}.{name}": value for part, net in parts.items() for name, value in net.items()}
        for part, optimizer in {"makes": self.makes, "judges": self.judges}.items():
            for index, item in optimizer.state_dict()["state"].items():
                found |= {f"{part}.{index}.{key}": value for key, value in item.items()}
        return found

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from these."""
        parts = {"generator": self.generator, "judge": self.judge, "average": self.average}
        for part, net in parts.items():
            own = {name.removeprefix(part + "."): value for name, value in state.items() if name.startswith(part + ".")}
            net.load_state_dict(own, strict=part != "judge")
        for part, optimizer in {"makes": self.makes, "judges": self.judges}.items():
            items: dict[int, dict[str, Tensor]] = {}
            for name, value in state.items():
                if name.startswith(part + "."):
                    _, index, key = name.split(".")
                    items.setdefault(int(index), {})[key] = value
            optimizer.load_state_dict({"state": items, "param_groups": optimizer.state_dict()["param_groups"]})

    def save(self, path: Path, about: Mapping[str, Any] | None = None) -> None:
        """Write everything, and what else is to be known of it, whole or not at all."""
        notes = {"steps": self.steps, "seconds": self.seconds, "log": self.log, "about": dict(about or {})}
        notes |= {"adaptive": vars(self.adaptive), "recipe": asdict(self.recipe), "precision": str(self.precision)}
        write_tensors(path, self.state(), notes)

    def load(self, path: Path, notes: dict[str, Any]) -> None:
        self.restore(read_tensors(path))
        self.steps, self.seconds, self.log = notes["steps"], notes["seconds"], notes["log"]
        vars(self.adaptive).update(notes["adaptive"])


def saved_recipe(notes: dict[str, Any]) -> Recipe:
    return Recipe(**{**notes["recipe"], "network": StyleGAN2(**notes["recipe"]["network"])})
