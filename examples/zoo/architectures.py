"""The four network families, narrow enough to train on one CPU core.

Every network takes ``(n, C, H, W)`` float32 in [0, 1] (it normalises inside) and
returns one value per class, ``(n, classes)``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

MEAN, SPREAD = 0.45, 0.27  # one rough value for all datasets: the first layer learns the rest


class Normalise(nn.Module):
    """(x - mean) / spread, so that callers only ever see [0, 1]."""

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(n, C, H, W)`` to the same shape."""
        return (images - MEAN) * (1 / SPREAD)


class PreActBlock(nn.Module):
    """Basic pre-activation block (He et al. 2016, Identity Mappings)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        changes = stride != 1 or inputs != outputs
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """Two 3x3 convolutions beside a shortcut."""
        hidden = functional.relu(self.norm1(x))
        shortcut = x if self.shortcut is None else self.shortcut(hidden)
        out: Tensor = self.conv2(functional.relu(self.norm2(self.conv1(hidden))))
        return out + shortcut


class PreActResNet(nn.Module):
    """PreActResNet with four stages; 18 layers and width 64 in the paper's experiments."""

    def __init__(self, channels: int, classes: int, width: int, blocks: int) -> None:
        super().__init__()
        self.normalise = Normalise()
        self.stem = nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        layers: list[nn.Module] = []
        inputs = width
        for stage in range(4):
            outputs = width * 2**stage
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(PreActBlock(inputs, outputs, stride))
                inputs = outputs
        self.stages = nn.Sequential(*layers)
        self.norm = nn.BatchNorm2d(inputs)
        self.head = nn.Linear(inputs, classes)

    def features(self, images: Tensor) -> Tensor:
        """Pooled activations of the last layer but one, ``(n, 8 * width)``."""
        hidden = self.stages(self.stem(self.normalise(images)))
        return functional.relu(self.norm(hidden)).mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """One value per class."""
        out: Tensor = self.head(self.features(images))
        return out


class PlainCNN(nn.Module):
    """Convolution, normalisation, ReLU, pooling: three times, then one hidden layer."""

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        self.normalise = Normalise()
        layers: list[nn.Module] = []
        inputs = channels
        for stage, size in enumerate((width, 2 * width, 3 * width)):
            kernel = 5 if stage == 0 else 3
            layers += [
                nn.Conv2d(inputs, size, kernel, 1, kernel // 2, bias=False),
                nn.MaxPool2d(2),  # before the activation: same result, a quarter of the work
                nn.BatchNorm2d(size),
                nn.ReLU(),
            ]
            inputs = size
        self.body = nn.Sequential(*layers)
        self.pool = nn.AvgPool2d(2, ceil_mode=False) if channels == 3 else nn.Identity()
        side = 2 if channels == 3 else 3
        self.hidden = nn.Linear(inputs * side * side, 96)
        self.head = nn.Linear(96, classes)

    def features(self, images: Tensor) -> Tensor:
        """Hidden activations, ``(n, 96)``."""
        body = self.pool(self.body(self.normalise(images)))
        return functional.relu(self.hidden(body.flatten(1)))

    def forward(self, images: Tensor) -> Tensor:
        """One value per class."""
        out: Tensor = self.head(self.features(images))
        return out


class InvertedResidual(nn.Module):
    """Expand, depthwise, squeeze-and-excite, project (Howard et al. 2019, MobileNetV3)."""

    def __init__(self, inputs: int, outputs: int, expand: int, stride: int) -> None:
        super().__init__()
        hidden = inputs * expand
        self.keeps = stride == 1 and inputs == outputs
        self.expand = nn.Sequential(
            nn.Conv2d(inputs, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.Hardswish()
        )
        self.depth = nn.Sequential(
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.Hardswish(),
        )
        squeezed = max(8, hidden // 4)
        self.squeeze = nn.Sequential(
            nn.Linear(hidden, squeezed), nn.ReLU(), nn.Linear(squeezed, hidden), nn.Hardsigmoid()
        )
        self.project = nn.Sequential(
            nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Same size, or half of it with stride 2."""
        hidden = self.depth(self.expand(x))
        weights = self.squeeze(hidden.mean((2, 3)))
        out: Tensor = self.project(hidden * weights[:, :, None, None])
        return out + x if self.keeps else out


class MobileNet(nn.Module):
    """MobileNetV3-like: a strided stem and five inverted residuals."""

    full_precision = True  # on a CPU, depthwise convolutions are slower in bfloat16

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        self.normalise = Normalise()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.Hardswish()
        )
        plan = ((1, 1, 2), (2, 2, 3), (2, 1, 3), (4, 2, 3), (4, 1, 3))
        layers: list[nn.Module] = []
        inputs = width
        for factor, stride, expand in plan:
            layers.append(InvertedResidual(inputs, width * factor, expand, stride))
            inputs = width * factor
        self.body = nn.Sequential(*layers)
        self.last = nn.Sequential(
            nn.Conv2d(inputs, 96, 1, bias=False), nn.BatchNorm2d(96), nn.Hardswish()
        )
        self.head = nn.Linear(96, classes)

    def features(self, images: Tensor) -> Tensor:
        """Pooled activations, ``(n, 96)``."""
        hidden: Tensor = self.last(self.body(self.stem(self.normalise(images))))
        return hidden.mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """One value per class."""
        out: Tensor = self.head(self.features(images))
        return out


class Attention(nn.Module):
    """Multi-head self-attention, spelled out so that it exports to plain ONNX."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.inputs = nn.Linear(width, 3 * width)
        self.outputs = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """``(n, tokens, width)`` to the same shape."""
        tokens = x.shape[1]
        split = self.inputs(x).reshape(-1, tokens, 3, self.heads, self.size).permute(2, 0, 3, 1, 4)
        query, key, value = split[0], split[1], split[2]
        weights = torch.softmax(query @ key.transpose(-2, -1) * self.size**-0.5, dim=-1)
        mixed = (weights @ value).transpose(1, 2).reshape(-1, tokens, self.heads * self.size)
        out: Tensor = self.outputs(mixed)
        return out


class ViTBlock(nn.Module):
    """Pre-norm transformer block (Dosovitskiy et al. 2021)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(n, tokens, width)`` to the same shape."""
        x = x + self.attention(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class SmallViT(nn.Module):
    """Vision transformer with 4 x 4 large patches, learned positions and mean pooling."""

    def __init__(self, channels: int, side: int, classes: int, width: int, depth: int) -> None:
        super().__init__()
        self.normalise = Normalise()
        patch = side // 4
        self.patches = nn.Conv2d(channels, width, patch, patch)
        self.positions = nn.Parameter(0.02 * torch.randn(1, 16, width))
        self.blocks = nn.Sequential(*(ViTBlock(width, 4) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def features(self, images: Tensor) -> Tensor:
        """Mean token, ``(n, width)``."""
        tokens = self.patches(self.normalise(images)).flatten(2).transpose(1, 2)
        hidden: Tensor = self.norm(self.blocks(tokens + self.positions))
        return hidden.mean(1)

    def forward(self, images: Tensor) -> Tensor:
        """One value per class."""
        out: Tensor = self.head(self.features(images))
        return out


Maker = Callable[[int, int, int], nn.Module]

# Trained to learn whether width matters, never shipped: files of 11 and 45 MB.
STUDY_ONLY = frozenset({"preactresnet18", "preactresnet18-half"})

ARCHITECTURES: dict[str, Maker] = {
    "preactresnet": lambda c, _side, k: PreActResNet(c, k, width=8, blocks=1),
    "cnn": lambda c, _side, k: PlainCNN(c, k, width=16),
    "mobilenet": lambda c, _side, k: MobileNet(c, k, width=12),
    "vit": lambda c, side, k: SmallViT(c, side, k, width=64, depth=4),
    # The paper's network, and at half its width. Both exceed the zoo's 1 MB per file.
    "preactresnet18-half": lambda c, _side, k: PreActResNet(c, k, width=32, blocks=2),
    "preactresnet18": lambda c, _side, k: PreActResNet(c, k, width=64, blocks=2),
}


def build(architecture: str, channels: int, side: int, classes: int) -> nn.Module:
    """Build an untrained network; seed torch before calling for a fixed start."""
    return ARCHITECTURES[architecture](channels, side, classes)
