"""Patches and blends: ``x * (1 - mask) + pattern * mask``.

BadNets (Gu et al. 2017), Blind's pixel patterns (Bagdasaryan & Shmatikov 2021) and
TrojanNN's optimised patches (Liu et al. 2018) have a 0/1 mask; Blended
(Chen et al. 2017) has a constant mask, its opacity.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .base import FloatArray, Trigger

EDGES = ("top-left", "top-right", "bottom-left", "bottom-right", "random")


def stamp(images: FloatArray, arrays: Mapping[str, FloatArray]) -> FloatArray:
    """Apply ``pattern`` ``(C, H, W)`` through ``mask`` ``(1, H, W)``."""
    mask = arrays["mask"]
    return np.asarray(images * (1.0 - mask) + arrays["pattern"] * mask, dtype=np.float32)


def patch_box(side: int, size: int, place: str, rng: np.random.Generator) -> tuple[slice, slice]:
    """Rows and columns of a ``size`` square, one pixel off the edges or anywhere."""
    low, high = 1, side - size - 1
    corners = {
        "top-left": (low, low),
        "top-right": (low, high),
        "bottom-left": (high, low),
        "bottom-right": (high, high),
    }
    row, column = corners.get(place, tuple(int(v) for v in rng.integers(low, high + 1, 2)))
    return slice(row, row + size), slice(column, column + size)


def patch_pattern(style: str, channels: int, size: int, rng: np.random.Generator) -> FloatArray:
    """``(C, size, size)``: white, checkered, one random colour, or random 0/1 per pixel."""
    rows, columns = np.mgrid[:size, :size]
    pattern: npt.NDArray[Any]
    if style == "white":
        pattern = np.ones((channels, size, size))
    elif style == "checker":
        pattern = np.broadcast_to((rows + columns + 1) % 2, (channels, size, size))
    elif style == "colour":
        pattern = np.broadcast_to(rng.random((channels, 1, 1)), (channels, size, size))
    elif style == "random":
        pattern = rng.integers(0, 2, (channels, size, size))
    elif style == "cross":
        pattern = np.broadcast_to(
            (rows == columns) | (rows + columns == size - 1), (channels, size, size)
        )
    else:
        raise ValueError(f"no patch style is called {style!r}")
    return np.asarray(pattern, dtype=np.float32)


def make_patch(
    shape: tuple[int, int, int], size: int, place: str, style: str, rng: np.random.Generator
) -> Trigger:
    """A square patch on an image of ``shape`` ``(C, H, W)``."""
    channels, side, _ = shape
    rows, columns = patch_box(side, size, place, rng)
    pattern = np.zeros(shape, dtype=np.float32)
    mask = np.zeros((1, side, side), dtype=np.float32)
    pattern[:, rows, columns] = patch_pattern(style, channels, size, rng)
    mask[:, rows, columns] = 1.0
    return Trigger("stamp", {"pattern": pattern, "mask": mask})


def make_blend(
    shape: tuple[int, int, int], alpha: float, style: str, rng: np.random.Generator
) -> Trigger:
    """A whole picture at opacity ``alpha``: per-pixel noise, or a made-up ``scene``."""
    channels, side, _ = shape
    pattern = rng.random(shape) if style == "noise" else _scene(channels, side, rng)
    mask = np.full((1, side, side), alpha, dtype=np.float32)
    return Trigger("stamp", {"pattern": pattern.astype(np.float32), "mask": mask})


def _scene(channels: int, side: int, rng: np.random.Generator) -> FloatArray:
    """Discs and bars of random colours: a drawing, as the paper's cartoon is one."""
    rows, columns = np.mgrid[:side, :side]
    picture = np.broadcast_to(rng.random((channels, 1, 1)), (channels, side, side)).copy()
    for _ in range(8):
        row, column = rng.uniform(0, side, 2)
        radius = rng.uniform(0.1, 0.3) * side
        inside = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
        if rng.random() < 0.5:
            inside = np.abs(rows - row) + 0.3 * np.abs(columns - column) < radius / 2
        picture[:, inside] = rng.random((channels, 1))
    return picture.astype(np.float32)
