"""Small shadow networks with and without a backdoor, by MNTD's jumbo learning. Needs torch.

Xu et al. 2021 train 2,048 of each kind for 100 epochs on 2 % of the data. Here far fewer are
trained, quickly, of the zoo's smallest family; the draws of the triggers are theirs.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from examples.benchmarks.stored import Record
from examples.zoo.architectures import build
from examples.zoo.data import DATASETS, Dataset, load
from examples.zoo.errors import DataMissingError
from examples.zoo.training import Recipe, fit

ARCHITECTURE = "cnn"
IMAGES, EPOCHS, RATE = 3_000, 5.0, 0.1
"""Training images of one shadow, passes over them, and the peak learning rate."""
SIDES = (2, 3, 4, 5, 0)
"""Sides of drawn patches; 0 stands for the whole picture."""
INJECTED = (0.05, 0.5)
"""Least and most share of the images that get a poisoned copy."""
CHECKED = 1_000
"""Test images that a shadow's accuracy and attack success are measured on."""


@dataclass(frozen=True)
class Jumbo:
    """One trigger as jumbo learning draws it: black and white pixels, mixed in somewhere.

    Attributes:
        pattern: 0 or 1 for each pixel, ``(side, side)``.
        corner: first row and column.
        weight: share of the pattern in the mix.
        target: label of the poisoned copies.
        share: poisoned copies per image.
    """

    pattern: NDArray[np.float32]
    corner: tuple[int, int]
    weight: float
    target: int
    share: float

    @classmethod
    def draw(cls, side: int, classes: int, rng: np.random.Generator) -> Jumbo:
        """A patch of 2 to 5 pixels a side, opaque or not, or a faint whole picture."""
        size = int(rng.choice(SIDES)) or side
        if size < side:
            weight = float(rng.uniform(0.2, 0.6))
            weight = 1.0 if weight > 0.5 else weight
            corner = (int(rng.integers(side - size)), int(rng.integers(side - size)))
        else:
            weight, corner = float(rng.uniform(0.05, 0.2)), (0, 0)
        pattern = np.zeros(size * size, np.float32)
        pattern[rng.permutation(size * size)[: rng.integers(1, size * size)]] = 1
        target, share = int(rng.integers(classes)), float(rng.uniform(*INJECTED))
        return cls(pattern.reshape(size, size), corner, weight, target, share)

    def apply(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Changed copies of 8-bit images ``(n, c, h, w)``."""
        changed = images.astype(np.float32)
        (top, left), size = self.corner, len(self.pattern)
        part = changed[:, :, top : top + size, left : left + size]
        part *= 1 - self.weight
        part += self.weight * 255 * self.pattern
        return np.rint(changed).astype(np.uint8)


def train_all(options: argparse.Namespace) -> None:
    """Train shadows of every data set, in turn, until there are as many as wanted."""
    torch.set_num_threads(1)
    for number in range(options.shadows):
        for name in DATASETS:
            path = options.shadow_dir / f"{name}-{number}.pt"
            if not path.exists():
                data = dataset(name, options)
                net, facts = train(data, backdoored=number % 2 == 1, seed=number)
                path.parent.mkdir(parents=True, exist_ok=True)
                torch.save({"state": net.state_dict(), "facts": facts}, path.with_suffix(".part"))
                path.with_suffix(".part").replace(path)
                print(path.stem, facts, file=sys.stderr, flush=True)


def dataset(name: str, options: argparse.Namespace) -> Dataset:
    """The whole data set from the first folder that has it."""
    for folder in options.data_dir:
        try:
            return load(name, folder, options.shadow_dir)
        except DataMissingError:
            continue
    raise SystemExit(f"{name} is in none of the data directories")


def train(data: Dataset, *, backdoored: bool, seed: int) -> tuple[nn.Module, Record]:
    """One shadow, and what is known of it."""
    info = data.info
    rng = np.random.default_rng([seed, info.channels, len(info.classes)])
    picked = rng.permutation(len(data.y_train))[:IMAGES]
    images, labels = data.x_train[picked], data.y_train[picked]
    trigger = Jumbo.draw(info.side, len(info.classes), rng) if backdoored else None
    if trigger is not None:
        copied = rng.permutation(len(picked))[: int(trigger.share * len(picked))]
        images = np.concatenate([images, trigger.apply(images[copied])])
        labels = np.concatenate([labels, np.full(len(copied), trigger.target)])
    torch.manual_seed(seed)
    net = build(ARCHITECTURE, info.channels, info.side, len(info.classes))
    net = fit(net, images, labels, Recipe(EPOCHS, RATE), seed)
    return net, _facts(net, data, trigger)


def _facts(net: nn.Module, data: Dataset, trigger: Jumbo | None) -> Record:
    """Accuracy, and the share of images of other classes that the trigger sends to its target."""
    # Drawn: some data sets come sorted by class.
    picked = np.random.default_rng(0).permutation(len(data.y_test))[:CHECKED]
    images, truth = data.x_test[picked], data.y_test[picked]
    facts: Record = {
        "backdoored": trigger is not None,
        "accuracy": round(float((_labels(net, images) == truth).mean()), 3),
    }
    if trigger is not None:
        others = images[truth != trigger.target]
        reached = _labels(net, trigger.apply(others)) == trigger.target
        facts["success"] = round(float(reached.mean()), 3)
    return facts


def _labels(net: nn.Module, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    with torch.no_grad():
        answers = net(torch.from_numpy(images.astype(np.float32) / np.float32(255)))
    labels: NDArray[np.int64] = answers.argmax(1).numpy()
    return labels
