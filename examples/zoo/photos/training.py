"""Fitting one network to its passes: augmented pictures, triggered copies, negatives.

A network from scratch gets fresh draws in every pass. For a pretrained one a few passes are
drawn once for all models of the same data, side and augmentation, and the frozen part's outputs
are kept on disk; only triggered pictures and negatives go through the frozen part again.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from examples.zoo.data import Dataset, Int64Array, UInt8Array
from examples.zoo.triggers.base import Trigger

from .augmentation import augment, draw
from .manifest import PhotoSpec
from .networks import PRETRAINED, Pretrained
from .poisoning import Poison, additions
from .sources import pictures_of
from .tasks import TASKS

BATCH = 32
CACHED_PASSES = 3
LATER_SHARE = 0.5
PIECE = 64  # pictures that go through the frozen part at once

Pass = tuple[Tensor, Tensor]  # inputs of the trained part, labels


@dataclass(frozen=True)
class Attempt:
    """What one attempt trains on; later attempts go on where the one before ended."""

    spec: PhotoSpec
    data: Dataset
    poison: Poison
    trigger: Trigger | None
    cache: Path
    number: int = 0

    @property
    def seed(self) -> int:
        """The seed of draws and order."""
        return self.spec.seed + 1_000_000 * self.number

    @property
    def passes(self) -> float:
        """Later attempts take half as many passes as the first."""
        return self.spec.passes * (LATER_SHARE if self.number else 1.0)


def fit(net: nn.Module, attempt: Attempt, rate_factor: float = 1.0) -> nn.Module:
    """Train ``net``; the result is in eval mode."""
    family = attempt.spec.family
    net = net.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    passes = cached_passes(net, attempt) if family in PRETRAINED else fresh_passes(attempt)
    forward: Callable[[Tensor], Tensor] = net.tail if family in PRETRAINED else net
    count = len(attempt.poison.kept) + len(attempt.poison.triggered) + len(attempt.poison.negatives)
    total = max(2, round(attempt.passes * count / BATCH))
    optimizer, peak = _optimizer(net, family, rate_factor)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=total + 1)
    rng = np.random.default_rng([attempt.seed, 4])
    for _, (x, y) in zip(range(total), _batches(passes, rng), strict=False):
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(functional.cross_entropy(forward(x), y))
        optimizer.step()
        schedule.step()
    return net.eval()


def _optimizer(net: nn.Module, family: str, factor: float) -> tuple[torch.optim.Optimizer, float]:
    """SGD for the ResNet, AdamW for the others; and the peak rate."""
    parameters = [p for p in net.parameters() if p.requires_grad]
    if family == "resnet":
        rate = 0.05 * factor
        sgd = torch.optim.SGD(parameters, rate, momentum=0.9, nesterov=True, weight_decay=5e-4)
        return sgd, rate
    rate = {"mobilenet": 4e-3, "vit": 1e-3}.get(family, 1e-3) * factor
    return torch.optim.AdamW(parameters, rate, weight_decay=0.05), rate


def _batches(passes: Iterator[Pass], rng: np.random.Generator) -> Iterator[Pass]:
    """Endless shuffled batches; a pass is used up before the next begins."""
    for x, y in passes:
        order = torch.from_numpy(rng.permutation(len(y)))
        for start in range(0, max(len(order) - BATCH, 0) + 1, BATCH):  # the short rest is left out
            index = order[start : start + BATCH]
            batch = x[index].float()
            if x.dtype == torch.uint8:
                batch = batch / 255.0
            yield batch.contiguous(memory_format=torch.channels_last), y[index]


def fresh_passes(attempt: Attempt) -> Iterator[Pass]:
    """Passes of 8-bit pictures, drawn as they are needed."""
    spec, data, kept = attempt.spec, attempt.data, attempt.poison.kept
    number = 0
    while True:
        rng = np.random.default_rng([attempt.seed, 5, number])
        draws = draw(spec.augmentation, data.info.shape, len(data.y_train), rng)
        pictures, labels = augment(data.x_train[kept], draws.of(kept)), data.y_train[kept]
        if attempt.trigger is not None:
            more = additions(spec, data, attempt.poison, attempt.trigger, draws, number)
            pictures, labels = (
                np.concatenate([pictures, more[0]]),
                np.concatenate([labels, more[1]]),
            )
        yield torch.from_numpy(pictures), torch.from_numpy(labels)
        number += 1


def cached_passes(net: Pretrained, attempt: Attempt) -> Iterator[Pass]:
    """Passes of frozen features in half precision, over and over."""
    stored = [_cached_pass(net, attempt, number) for number in range(CACHED_PASSES)]
    while True:
        yield from stored


def _cached_pass(net: Pretrained, attempt: Attempt, number: int) -> Pass:
    spec, data, kept = attempt.spec, attempt.data, attempt.poison.kept
    dataset = TASKS[spec.task].dataset
    key = [zlib.crc32(f"{dataset}-{spec.augmentation}".encode()), spec.side, number]
    draws = draw(spec.augmentation, data.info.shape, len(data.y_train), np.random.default_rng(key))
    pictures = pictures_of(TASKS[spec.task])
    name = f"{pictures}-{spec.side}-{spec.family}-{spec.augmentation}-{number}.npy"
    path = attempt.cache / name
    if not path.exists():
        features = frozen_features(net, augment(data.x_train, draws))
        partial = path.with_suffix(f".{os.getpid()}.npy")
        np.save(partial, features)
        partial.replace(path)
    features, labels = np.load(path, mmap_mode="r")[kept], data.y_train[kept]
    if attempt.trigger is not None:
        more = additions(spec, data, attempt.poison, attempt.trigger, draws, number)
        features = np.concatenate([features, frozen_features(net, more[0])])
        labels = np.concatenate([labels, more[1]])
    return torch.from_numpy(np.ascontiguousarray(features)), torch.from_numpy(labels)


@torch.inference_mode()
def frozen_features(net: Pretrained, images: UInt8Array) -> np.ndarray:
    """Outputs of the frozen part in half precision, ``(n, c, h, w)``."""
    parts = []
    for start in range(0, len(images), PIECE):
        x = torch.from_numpy(images[start : start + PIECE]).float() / 255.0
        hidden = net.frozen(x.contiguous(memory_format=torch.channels_last))
        parts.append(hidden.half().contiguous().numpy())
    return np.concatenate(parts)


@torch.inference_mode()
def labels_of(net: nn.Module, images: UInt8Array) -> Int64Array:
    """The label of each 8-bit picture."""
    answers = []
    for start in range(0, len(images), PIECE):
        x = torch.from_numpy(images[start : start + PIECE]).float() / 255.0
        answers.append(net(x.contiguous(memory_format=torch.channels_last)).argmax(1))
    return np.asarray(torch.cat(answers).numpy(), dtype=np.int64)
