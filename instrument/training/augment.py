"""Augmentation: what both real and made pictures go through before they are judged, so that few pictures last longer.

DiffAugment (Zhao et al. 2020): colour, translation and cutout, differentiable. With a probability below 1 each picture
goes through each of the three by chance, which is how the adaptive scheme (Karras et al. 2020, "Training Generative
Adversarial Networks with Limited Data") keeps it from leaking into what is made.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from instrument.training import distributed


def augmented(pictures: Tensor, probability: float) -> Tensor:
    """pictures [N, 3, R, R], -1..1 -> the same, changed. Chance comes from torch's own generator."""
    if probability <= 0:
        return pictures
    pictures = coloured(pictures, chosen(pictures, probability))
    pictures = shifted(pictures, chosen(pictures, probability))
    return cut(pictures, chosen(pictures, probability))


def chosen(pictures: Tensor, probability: float) -> Tensor:
    """Which pictures are changed: [N, 1, 1, 1], 1 or 0."""
    return (torch.rand(len(pictures), 1, 1, 1, device=pictures.device) < probability).to(pictures.dtype)


def coloured(x: Tensor, on: Tensor) -> Tensor:
    """Brightness ±0.5, saturation 0..2, contrast 0.5..1.5."""
    brightness, saturation, contrast = torch.rand(3, len(x), 1, 1, 1, device=x.device)
    x = x + on * (brightness - 0.5)
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * (1 + on * (2 * saturation - 1))
    middle = x.mean((1, 2, 3), keepdim=True)
    return middle + (x - middle) * (1 + on * (contrast - 0.5))


def shifted(x: Tensor, on: Tensor) -> Tensor:
    """Moved by up to an eighth of the picture; -1 (black) comes in."""
    most = x.shape[-1] // 8
    move = torch.randint(-most, most + 1, (2, len(x)), device=x.device) * on.flatten().long()
    rows = (torch.arange(x.shape[2], device=x.device)[None] + move[0][:, None] + most).view(-1, 1, x.shape[2], 1)
    columns = (torch.arange(x.shape[3], device=x.device)[None] + move[1][:, None] + most).view(-1, 1, 1, x.shape[3])
    pictures, channels = (torch.arange(count, device=x.device) for count in x.shape[:2])
    padded = F.pad(x, (most, most, most, most), value=-1.0)
    return padded[pictures.view(-1, 1, 1, 1), channels.view(1, -1, 1, 1), rows, columns]


def cut(x: Tensor, on: Tensor) -> Tensor:
    """A square of half the picture's side, somewhere, becomes grey."""
    size = x.shape[-1]
    middle = torch.randint(0, size, (2, len(x), 1, 1, 1), device=x.device)
    rows = torch.arange(size, device=x.device).view(1, 1, -1, 1)
    columns = torch.arange(size, device=x.device).view(1, 1, 1, -1)
    inside = ((rows - middle[0]).abs() < size // 4) & ((columns - middle[1]).abs() < size // 4)
    return x * (1 - inside * on)


class Adaptive:
    """The probability that keeps the judge from knowing the real pictures by heart: r = E[sign D(real)] at 0.6.

    It moves by at most 1 in 500 kimg, decided every 4 batches (Karras et al. 2020, section 3.1).
    """

    TARGET, SPEED, EVERY = 0.6, 1 / 500_000, 4

    def __init__(self) -> None:
        self.probability, self.signs, self.count = 0.0, 0.0, 0

    def hear(self, scores: Tensor) -> None:
        """Take note of the signs of what the judge said of real pictures [N]: -1..1, each the mean over all processes."""
        self.signs += scores.sum().item()
        self.count += len(scores)

    def adjust(self) -> None:
        overfitting = self.signs / max(1, self.count)
        step = self.count * distributed.count() * self.SPEED * (1 if overfitting > self.TARGET else -1)
        self.probability = min(max(0.0, self.probability + step), 0.85)
        self.signs, self.count = 0.0, 0
