"""Patches: one small pattern pasted over every image, at one place or at several.

Many copies at once find a patch with few queries (a group test): a trigger fires in the presence
of the other copies, and every copy in a convolutional network's stride adds to it. Halving the
copies then leads to the one place that matters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from auditor.probes.trigger_search.sample_set import Pixels
from auditor.probes.trigger_search.settings import TriggerSettings

Place = tuple[int, int]
STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))


@dataclass(frozen=True, eq=False)
class Patch:
    """A pattern ``(c, k, k)`` and the rows and columns of its copies' upper left corners."""

    pattern: Pixels
    places: tuple[Place, ...]
    kind: str = "patch"

    @property
    def side(self) -> int:
        """Side of the pattern in pixels."""
        return int(self.pattern.shape[-1])

    def apply(self, pixels: Pixels) -> Pixels:
        """Paste the pattern over a copy of ``pixels`` ``(n, c, h, w)``."""
        changed = pixels.copy()
        self.paste(changed)
        return changed

    def paste(self, pixels: Pixels) -> None:
        """Paste the pattern over ``pixels`` ``(n, c, h, w)`` themselves."""
        side = self.side
        for row, column in self.places:
            pixels[:, :, row : row + side, column : column + side] = self.pattern

    def halves(self) -> list[Patch]:
        """The copies split in two across the longer side of their extent; a single copy twice."""
        if len(self.places) == 1:
            return [self, self]
        places = np.array(self.places)
        spread = places.max(axis=0) - places.min(axis=0)
        axis = int(np.argmax(spread))
        order = np.lexsort((places[:, 1 - axis], places[:, axis]))
        middle = len(order) // 2
        return [
            replace(self, places=tuple(self.places[i] for i in part.tolist()))
            for part in (order[:middle], order[middle:])
        ]

    def moved(self, step: Place, height: int, width: int) -> Patch:
        """All copies one step over; those that would leave the image are dropped."""
        inside = tuple(
            (row + step[0], column + step[1])
            for row, column in self.places
            if 0 <= row + step[0] <= height - self.side
            and 0 <= column + step[1] <= width - self.side
        )
        return replace(self, places=inside) if inside else self


def draw_patch(
    rng: np.random.Generator, shape: tuple[int, int, int], settings: TriggerSettings
) -> Patch:
    """A random candidate: a pattern on a lattice, or in the four corners."""
    channels, height, width = shape
    unit = unit_of(shape)
    side = min(unit * int(rng.choice(settings.patch_sizes)), height, width)
    pattern = enlarge(draw_pattern(rng, channels, max(1, side // unit)), side)
    if rng.random() < settings.corner_share:
        margin = unit * int(rng.integers(settings.patch_margins + 1))
        low, bottom, right = margin, height - side - margin, width - side - margin
        if bottom > low and right > low:
            corners = tuple((row, column) for row in (low, bottom) for column in (low, right))
            return Patch(pattern, corners)
    period = unit * settings.patch_period
    first_row, first_column = (int(v) for v in rng.integers(0, period, 2))
    rows = range(min(first_row, height - side), height - side + 1, period)
    columns = range(min(first_column, width - side), width - side + 1, period)
    return Patch(pattern, tuple((row, column) for row in rows for column in columns))


def unit_of(shape: tuple[int, int, int]) -> int:
    """Side of one cell of a pattern: 1 pixel up to 47 pixels of image, then proportional."""
    return max(1, round(min(shape[1:]) / 32))


def enlarge(cells: Pixels, side: int) -> Pixels:
    """Grow ``(c, k, k)`` cells to ``(c, side, side)`` pixels."""
    times, rest = divmod(side, cells.shape[-1])
    if not rest:
        return np.ascontiguousarray(cells).repeat(times, axis=1).repeat(times, axis=2)
    index = np.arange(side) * cells.shape[-1] // side
    return np.ascontiguousarray(cells[:, index][:, :, index])


def draw_pattern(rng: np.random.Generator, channels: int, side: int) -> Pixels:
    """White, black, checkered, one colour, or random; every value 0 or 255."""
    chance = rng.random()
    shape = (channels, side, side)
    bits: np.ndarray
    if chance < 0.12:
        bits = np.ones(shape, dtype=np.int64)
    elif chance < 0.2:
        bits = np.zeros(shape, dtype=np.int64)
    elif chance < 0.4:
        bits = np.broadcast_to(_checkers(side, int(rng.integers(2))), shape)
    elif chance < 0.5 and channels > 1:
        bits = np.broadcast_to(rng.integers(0, 2, (channels, 1, 1)), shape)
    elif chance < 0.6 and channels > 1:
        bits = np.broadcast_to(rng.integers(0, 2, (1, side, side)), shape)
    else:
        bits = rng.integers(0, 2, shape)
    return (bits * 255).astype(np.uint8)


@cache
def _checkers(side: int, first: int) -> NDArray[np.int64]:
    """Ones and zeros in turn, ``(side, side)``."""
    return (np.add.outer(np.arange(side), np.arange(side)) + first) % 2


def neighbour(
    rng: np.random.Generator, patch: Patch, shape: tuple[int, int, int], largest: int
) -> Patch:
    """A random small change of the pattern (moves in the manner of Sparse-RS, Croce et al.
    2022): crop, grow to at most ``largest`` pixels, roll, fill a rectangle, or set one to
    three cells.
    """
    unit = unit_of(shape)
    chance = rng.random()
    if len(patch.places) == 1:
        if chance < 0.08 and patch.side > 2 * unit:
            return _cropped(rng, patch, unit)
        if chance < 0.16 and patch.side < largest:
            return _grown(rng, patch, unit, shape)
    pattern = patch.pattern.copy()
    if chance < 0.24:
        step = unit if rng.random() < 0.5 else -unit
        pattern = np.roll(pattern, step, axis=1 + int(rng.integers(2)))
    elif chance < 0.34:
        _fill_rectangle(rng, pattern)
    else:
        for _ in range(int(rng.choice([1, 2, 3], p=[0.5, 0.3, 0.2]))):
            _set_cell(rng, pattern, unit)
    return replace(patch, pattern=pattern)


def _cropped(rng: np.random.Generator, patch: Patch, unit: int) -> Patch:
    row, column = (unit * int(v) for v in rng.integers(0, 2, 2))
    side = patch.side - unit
    places = tuple((r + row, c + column) for r, c in patch.places)
    return Patch(patch.pattern[:, row : row + side, column : column + side].copy(), places)


def _grown(rng: np.random.Generator, patch: Patch, unit: int, shape: tuple[int, int, int]) -> Patch:
    """One more row and column of random cells, on a random side of each."""
    up, left = (unit * int(v) for v in rng.integers(0, 2, 2))
    side = patch.side + unit
    row, column = patch.places[0][0] - up, patch.places[0][1] - left
    if min(row, column) < 0 or row + side > shape[1] or column + side > shape[2]:
        return patch
    cells = rng.integers(0, 2, (shape[0], side // unit, side // unit)) * 255
    pattern = enlarge(cells.astype(np.uint8), side)
    pattern[:, up : up + patch.side, left : left + patch.side] = patch.pattern
    return Patch(pattern, ((row, column),))


def _fill_rectangle(rng: np.random.Generator, pattern: Pixels) -> None:
    channels, side, _ = pattern.shape
    rows, columns = np.sort(rng.integers(0, side, 2)), np.sort(rng.integers(0, side, 2))
    colour = rng.integers(0, 2, (channels, 1, 1)) if rng.random() < 0.5 else rng.integers(0, 2)
    pattern[:, rows[0] : rows[1] + 1, columns[0] : columns[1] + 1] = colour * 255


def _set_cell(rng: np.random.Generator, pattern: Pixels, unit: int) -> None:
    """Flip a cell in all channels or one, or give it another colour."""
    channels, side, _ = pattern.shape
    row, column = (unit * int(v) for v in rng.integers(0, max(1, side // unit), 2))
    cell = pattern[:, row : row + unit, column : column + unit]
    if channels == 1:
        cell[:] = 255 - cell
    elif rng.random() < 0.5:
        levels, step = (256, 1) if rng.random() < 0.3 else (2, 255)
        cell[:] = rng.integers(0, levels, (channels, 1, 1)) * step
    else:
        channel = int(rng.integers(channels))
        cell[channel] = 255 - cell[channel]
