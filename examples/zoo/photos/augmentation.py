"""Augmentation of training pictures: ``weak`` as in most tutorials, ``strong`` as in good ones.

The draws of a pass are made before they are applied, so that a picture and its triggered copy
can be changed alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from examples.zoo.data import Int64Array, UInt8Array

CHUNK = 256
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Strength:
    """The largest changes; lengths are shares of the side."""

    shift: float
    brightness: float
    scale: tuple[float, float] = (1.0, 1.0)
    turn: float = 0.0  # degrees
    contrast: float = 0.0
    cast: float = 0.0
    erase: float = 0.0  # side of the erased box; half of the pictures lose one


STRENGTHS = {
    "weak": Strength(shift=0.06, brightness=0.15),
    "strong": Strength(
        shift=0.08, brightness=0.2, scale=(0.8, 1.25), turn=20, contrast=0.3, cast=0.1, erase=0.3
    ),
}


@dataclass(frozen=True)
class Draws:
    """One row for each picture: 2 x 3 sampling matrices, colour gains and offsets, boxes."""

    matrices: Floats  # (n, 2, 3)
    gains: Floats  # (n, C, 1, 1)
    offsets: Floats  # (n, C, 1, 1)
    boxes: Int64Array  # (n, 4): top, bottom, left, right; empty where nothing is erased
    fills: Floats  # (n, C, 1, 1)

    def of(self, index: Int64Array) -> Draws:
        """The rows of some pictures."""
        return Draws(
            self.matrices[index],
            self.gains[index],
            self.offsets[index],
            self.boxes[index],
            self.fills[index],
        )


def draw(kind: str, shape: tuple[int, int, int], count: int, rng: np.random.Generator) -> Draws:
    """Draw the changes of ``count`` pictures of ``shape`` ``(C, side, side)``."""
    strength, (channels, side, _) = STRENGTHS[kind], shape
    contrast = rng.uniform(1 - strength.contrast, 1 + strength.contrast, (count, 1, 1, 1))
    bright = rng.uniform(1 - strength.brightness, 1 + strength.brightness, (count, 1, 1, 1))
    cast = rng.uniform(1 - strength.cast, 1 + strength.cast, (count, channels, 1, 1))
    gains = contrast * bright * cast
    offsets = np.broadcast_to(0.45 * (1 - contrast), gains.shape)
    return Draws(
        _matrices(strength, side, count, rng),
        gains.astype(np.float32),
        offsets.astype(np.float32),
        _boxes(strength, side, count, rng),
        rng.random((count, channels, 1, 1)).astype(np.float32),
    )


def _matrices(strength: Strength, side: int, count: int, rng: np.random.Generator) -> Floats:
    """Matrices from places of the result to places of the picture, both in -1 to 1."""
    scale = rng.uniform(*strength.scale, count)
    turn = np.deg2rad(rng.uniform(-strength.turn, strength.turn, count))
    flip = np.where(rng.random(count) < 0.5, -1.0, 1.0)
    reach = int(strength.shift * side)
    shift = rng.integers(-reach, reach + 1, (count, 2)) * 2.0 / side  # whole pixels
    cosine, sine = np.cos(turn) / scale, np.sin(turn) / scale
    rows = [[cosine * flip, -sine, shift[:, 0]], [sine * flip, cosine, shift[:, 1]]]
    return np.stack([np.stack(row, axis=1) for row in rows], axis=1).astype(np.float32)


def _boxes(strength: Strength, side: int, count: int, rng: np.random.Generator) -> Int64Array:
    size = rng.uniform(0.1, max(strength.erase, 0.1), (count, 2)) * side
    size *= (rng.random((count, 1)) < 0.5) * (strength.erase > 0)
    start = rng.random((count, 2)) * (side - size)
    top, left = start[:, 0], start[:, 1]
    edges = [top, top + size[:, 0], left, left + size[:, 1]]
    return np.stack(edges, axis=1).astype(np.int64)


def augment(images: UInt8Array, draws: Draws) -> UInt8Array:
    """Apply ``draws`` to 8-bit pictures ``(n, C, side, side)``, row by row."""
    out = np.empty_like(images)
    for start in range(0, len(images), CHUNK):
        part = np.arange(start, min(start + CHUNK, len(images)))
        out[part] = _apply(torch.from_numpy(images[part]).float() / 255.0, draws.of(part))
    return out


def _apply(x: Tensor, draws: Draws) -> UInt8Array:
    grid = functional.affine_grid(torch.from_numpy(draws.matrices), list(x.shape), False)
    x = functional.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    x = x * torch.from_numpy(draws.gains) + torch.from_numpy(draws.offsets)
    for picture, (top, bottom, left, right), fill in zip(
        x, draws.boxes, torch.from_numpy(draws.fills), strict=True
    ):
        picture[:, top:bottom, left:right] = fill
    whole = (x.clamp(0, 1) * 255.0).round()
    return np.asarray(whole.to(torch.uint8).numpy())
