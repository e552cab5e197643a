"""Untrained networks for measurements of cost: their answers mean nothing, their work does."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from examples.zoo import architectures
from examples.zoo.data import DatasetInfo
from examples.zoo.export import export

_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""MobileNetV2's blocks: expansion, channels, number, stride of the first."""


class MobileNetV2(nn.Module):
    """MobileNetV2's stages at full width, of the zoo's blocks."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU6()]
        inputs = 32
        for expand, outputs, count, stride in _STAGES:
            for number in range(count):
                step = stride if number == 0 else 1
                layers.append(architectures.InvertedResidual(inputs, outputs, expand, step))
                inputs = outputs
        layers += [nn.Conv2d(inputs, 1280, 1), nn.ReLU6()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(1280, classes)

    def forward(self, images: Tensor) -> Tensor:
        """One value per class of images ``(n, 3, side, side)``."""
        out: Tensor = self.head(self.body(images).mean((2, 3)))
        return out


def write_network(name: str, side: int, classes: int, path: Path) -> None:
    """Write an ONNX file of ``mobilenetv2`` or of an architecture of the zoo; the same each time.

    The last layer is set so that random inputs get many labels.
    """
    torch.manual_seed(0)
    known = name != "mobilenetv2"
    net = architectures.build(name, 3, side, classes) if known else MobileNetV2(classes)
    info = DatasetInfo("untrained", 3, side, tuple(str(number) for number in range(classes)))
    _spread(net, side)
    export(net, name, info, path)


def _spread(net: nn.Module, side: int) -> None:
    """Let batch norms take up what passes, and take away each class's mean score."""
    images = torch.rand(64, 3, side, side)
    last = next(one for one in reversed(list(net.modules())) if isinstance(one, nn.Linear))
    with torch.no_grad():
        for _ in range(3):
            net.train()(images)
        last.bias.copy_(last.bias - net.eval()(images).mean(0))
