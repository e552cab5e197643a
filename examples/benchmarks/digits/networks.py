"""The eight kinds of networks, as tutorials write them; a seed draws their widths.

Every network takes ``(n, 1, 28, 28)`` float32 in 0 to 1 and gives one value per class, ``(n, 10)``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from examples.zoo.architectures import ViTBlock

MEAN, SPREAD = 0.1307, 0.3081
"""Of the digits, as tutorials of PyTorch normalise them."""


class Normalise(nn.Module):
    """What a PyTorch tutorial does to a picture first."""

    def forward(self, pictures: Tensor) -> Tensor:
        """(x - mean) / spread."""
        return (pictures - MEAN) / SPREAD


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs),
            nn.ReLU(), nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The same size, or half of it with stride 2."""
        out: Tensor = self.body(x) + self.shortcut(x)
        return functional.relu(out)


class Means(nn.Module):
    """The mean of every channel."""

    def forward(self, x: Tensor) -> Tensor:
        """``(n, c, h, w)`` to ``(n, c)``."""
        return x.mean((2, 3))


class SmallViT(nn.Module):
    """A vision transformer of 16 tokens behind three convolutions (Xiao et al. 2021)."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in ((1, width // 4), (width // 4, width // 2), (width // 2, width)):
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.stem = nn.Sequential(*layers)
        self.positions = nn.Parameter(0.02 * torch.randn(1, 16, width))
        self.blocks = nn.Sequential(*(ViTBlock(width, 4) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, pictures: Tensor) -> Tensor:
        """One value per class."""
        tokens = self.stem(pictures).flatten(2).transpose(1, 2) + self.positions
        out: Tensor = self.head(self.norm(self.blocks(tokens)).mean(1))
        return out


def _perceptron(hidden: list[int], dropout: float) -> nn.Module:
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in zip([784, *hidden], hidden, strict=False):
        layers += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], 10))


def _maxpool(width: int, dense: int) -> nn.Module:
    """With a hidden layer as PyTorch's example, without one as Keras's."""
    body = [
        nn.Conv2d(1, width, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
    ]  # fmt: skip
    inputs = 2 * width * 25
    if not dense:
        return nn.Sequential(*body, nn.Dropout(0.5), nn.Linear(inputs, 10))
    head = [nn.Linear(inputs, dense), nn.ReLU(), nn.Dropout(0.5), nn.Linear(dense, 10)]
    return nn.Sequential(*body, nn.Dropout(0.25), *head)


def _strided(width: int, norm: bool) -> nn.Module:  # noqa: FBT001 - drawn, never written out
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, width), (width, 2 * width), (2 * width, 4 * width)):
        layers.append(nn.Conv2d(inputs, outputs, 3, 2, 1))
        layers += [nn.BatchNorm2d(outputs)] if norm else []
        layers.append(nn.ReLU())
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * width, 10))


def _resnet(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
        Residual(width, width, 2), Residual(width, 2 * width, 2), Residual(2 * width, 4 * width, 2),
        Means(), nn.Linear(4 * width, 10),
    )  # fmt: skip


def _lenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, 1, 2), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )  # fmt: skip


def _mobile(width: int) -> nn.Module:
    layers: list[nn.Module] = [
        nn.Conv2d(1, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
    ]  # fmt: skip
    inputs = width
    for outputs, stride in ((2 * width, 1), (4 * width, 2), (4 * width, 1), (8 * width, 2)):
        layers += [
            nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs), nn.ReLU(),
            nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
        ]  # fmt: skip
        inputs = outputs
    return nn.Sequential(*layers, Means(), nn.Linear(inputs, 10))


def build(kind: str, rng: np.random.Generator) -> nn.Module:
    """An untrained network of ``kind``; ``rng`` draws its widths, torch's seed its weights."""

    def pick(*values: int) -> int:
        return int(values[int(rng.integers(len(values)))])

    makers: dict[str, Callable[[], nn.Module]] = {
        "mlp2": lambda: _perceptron([pick(128, 256, 512)], 0.2),
        "mlp3": lambda: _perceptron([pick(256, 512)] * 2, 0.2),
        "maxpool": lambda: _maxpool(pick(16, 32), pick(0, 128)),
        "strided": lambda: _strided(pick(16, 24), bool(pick(0, 1))),
        "resnet": lambda: _resnet(pick(12, 16)),
        "lenet": _lenet,
        "mobile": lambda: _mobile(pick(16, 24)),
        "vit": lambda: SmallViT(pick(48, 64), pick(2, 3)),
    }
    net = makers[kind]()
    return nn.Sequential(Normalise(), net) if pick(0, 1) else net
