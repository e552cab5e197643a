"""Random changes of five kinds, as weak as a trigger is: drawn, never optimised.

Around most planted triggers lies a neighbourhood that leads to the target too, unless the attacker
trained against it. Random changes of a kind then gather on one label; those of a clean model
gather little. Every kind draws one change and applies it to one image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from auditor.probes.trigger_search.sample_set import Pixels
from auditor.probes.trigger_search.transforms import upsample, whole_levels

Floats = NDArray[np.float64]
LEVELS = 10.0  # mean change of fields, noise and waves, in 8-bit levels
POSTER_SHARE = 0.12  # of a poster that is mixed into the image
SHAPES, POSTER_SHAPES = 3, 12
SHAPE_SIDES = (0.11, 0.2)  # of a shape, as shares of the image's shorter side
LONGEST_WAVE = 12  # cycles over the image


def field(image: Pixels, rng: np.random.Generator) -> Pixels:
    """``image`` ``(c, h, w)`` with a smooth field of 4 by 4 random control points."""
    return _added(image, upsample(rng.uniform(-1, 1, (len(image), 4, 4)), *image.shape[1:]))


def noise(image: Pixels, rng: np.random.Generator) -> Pixels:
    """``image`` ``(c, h, w)`` with uniform noise in every value."""
    return _added(image, rng.uniform(-1, 1, image.shape))


def wave(image: Pixels, rng: np.random.Generator) -> Pixels:
    """``image`` ``(c, h, w)`` with one wave, down or across, of 1 to 12 cycles."""
    _, height, width = image.shape
    down, cycles = rng.random() < 0.5, rng.integers(1, LONGEST_WAVE + 1)
    length = height if down else width
    values = np.sin(2 * np.pi * cycles * np.arange(length) / length + rng.uniform(0, 2 * np.pi))
    return _added(image, np.broadcast_to(values[:, None] if down else values, image.shape))


def shapes(image: Pixels, rng: np.random.Generator) -> Pixels:
    """``image`` ``(c, h, w)`` with three coloured shapes at random places."""
    return _with_shapes(image, rng, SHAPES)


def poster(image: Pixels, rng: np.random.Generator) -> Pixels:
    """``image`` ``(c, h, w)`` mixed with 12 % of a smooth ground with shapes on it."""
    ground = 127.5 + 127.5 * upsample(rng.uniform(-1, 1, (len(image), 3, 3)), *image.shape[1:])
    picture = _with_shapes(whole_levels(ground), rng, POSTER_SHAPES)
    return whole_levels((1.0 - POSTER_SHARE) * image + POSTER_SHARE * picture)


KINDS: Mapping[str, Callable[[Pixels, np.random.Generator], Pixels]] = {
    "shapes": shapes, "field": field, "noise": noise, "wave": wave, "poster": poster,
}  # fmt: skip
"""Every kind, by name: a function that applies one random change to one image."""
ADDED = ("field", "noise", "wave")
"""Kinds that add a pattern of a mean change of :data:`LEVELS`."""


def _with_shapes(image: Pixels, rng: np.random.Generator, count: int) -> Pixels:
    changed = image.copy()
    for _ in range(count):
        side = max(3, round(rng.uniform(*SHAPE_SIDES) * min(image.shape[1:])))
        row = int(rng.integers(0, image.shape[1] - side + 1))
        column = int(rng.integers(0, image.shape[2] - side + 1))
        inside = _shape(rng, side)
        colours = rng.integers(0, 256, (int(inside.max()) + 1, len(image)))
        part = changed[:, row : row + side, column : column + side]
        # 0 is outside; the other numbers are parts of the shape, each of one colour.
        np.copyto(part, colours.astype(np.uint8).T[:, inside], where=inside > 0)
    return changed


def _shape(rng: np.random.Generator, side: int) -> NDArray[np.int64]:
    """A disc, box, polygon or wheel: per pixel 0 outside it, else the number of its part."""
    rows, columns, radius, angle = _plane(side)
    kind = int(rng.integers(4))
    if kind == 0:
        inside = (radius <= 1).astype(np.int64)
    elif kind == 1:
        inside = (np.abs(rows) <= rng.uniform(0.5, 1)).astype(np.int64)
    elif kind == 2:
        turn, corners = rng.uniform(0, 2 * np.pi), int(rng.integers(3, 7))
        edges = turn + 2 * np.pi * np.arange(corners) / corners
        reach = rows[..., None] * np.sin(edges) + columns[..., None] * np.cos(edges)
        inside = (reach.max(axis=-1) <= np.cos(np.pi / corners)).astype(np.int64)
    else:
        sectors = 1 + np.floor((angle + np.pi) / (np.pi / 3)).astype(np.int64) % 3
        inside = np.where(radius <= 1, sectors, 0)
    if rng.random() < 2 / 3:
        inside = np.where((radius <= 1 / 3) & (inside > 0), inside.max() + 1, inside)
    return inside


@cache
def _plane(side: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Row, column, radius and angle of every pixel of a square about its middle."""
    rows, columns = np.meshgrid(*2 * [(np.arange(side) + 0.5) / side * 2 - 1], indexing="ij")
    return rows, columns, np.hypot(rows, columns), np.arctan2(rows, columns)


def _added(image: Pixels, pattern: Floats) -> Pixels:
    """``image`` with ``pattern`` at a mean change of :data:`LEVELS`."""
    return whole_levels(image + pattern * (LEVELS / np.abs(pattern).mean()))
