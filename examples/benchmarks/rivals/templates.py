"""The four kinds of trigger that DeBackdoor searches: patch, blend, filter and warp.

Each is one class: ``draw`` makes a random one, ``near`` a random neighbour, ``apply`` changes
pictures ``(n, c, h, w)`` in 0 to 1. The ranges are this project's own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float32]
Shape = tuple[int, int, int]

PATCH_SIDES = (2, 6)
"""Smallest and largest side of a patch in pixels."""
BLEND_STRENGTHS = (0.05, 0.2)
"""Least and most weight of a blended pattern."""
WARP_SHIFTS = (0.2, 1.0)
"""Least and most mean shift of a warp, in pixels."""
FILTER_REACH = (0.15, 0.05, 0.25, 0.5)
"""Largest change of the mix of channels, of the offset, of the exponent's logarithm, and of the
sharpness: pictures stay easy to recognise."""
WARP_CELLS = 4
"""Control points of a warp along a side, as WaNet draws them."""
REDRAWN = 0.15
"""Share of a pattern's values that one move draws anew."""


class Trigger(Protocol):
    """One change of pictures."""

    @classmethod
    def draw(cls, shape: Shape, rng: np.random.Generator) -> Self:
        """A random one for pictures of this shape."""

    def near(self, rng: np.random.Generator) -> Self:
        """A random neighbour."""

    def apply(self, images: Floats) -> Floats:
        """Changed copies of the pictures."""


@dataclass(frozen=True)
class Patch:
    """A square that covers what is below it.

    Attributes:
        pattern: values of the largest square, ``(c, side, side)``; the patch is its corner.
        size: side in pixels.
        top: first row.
        left: first column.
        shape: shape of the pictures.
    """

    pattern: Floats
    size: int
    top: int
    left: int
    shape: Shape

    @classmethod
    def draw(cls, shape: Shape, rng: np.random.Generator) -> Self:
        """Half of them of full values only, the other half of any."""
        largest = PATCH_SIDES[1]
        pattern = rng.random((shape[0], largest, largest), np.float32)
        if rng.random() < 0.5:
            pattern = np.rint(pattern)
        size = int(rng.integers(PATCH_SIDES[0], largest + 1))
        top, left = rng.integers(0, shape[1] - size + 1), rng.integers(0, shape[2] - size + 1)
        return cls(pattern, size, int(top), int(left), shape)

    def near(self, rng: np.random.Generator) -> Self:
        """Another place, size, or some other values."""
        move = rng.random()
        if move < 0.5:
            return replace(self, pattern=redrawn(self.pattern, rng))
        size, top, left = self.size, self.top, self.left
        if move < 0.65:
            size = int(np.clip(size + rng.choice((-1, 1)), *PATCH_SIDES))
        elif move < 0.9:
            top, left = top + int(rng.integers(-2, 3)), left + int(rng.integers(-2, 3))
        else:
            top, left = int(rng.integers(self.shape[1])), int(rng.integers(self.shape[2]))
        top = int(np.clip(top, 0, self.shape[1] - size))
        left = int(np.clip(left, 0, self.shape[2] - size))
        return replace(self, size=size, top=top, left=left)

    def apply(self, images: Floats) -> Floats:
        """Cover one square."""
        changed = images.copy()
        rows = slice(self.top, self.top + self.size)
        columns = slice(self.left, self.left + self.size)
        changed[:, :, rows, columns] = self.pattern[:, : self.size, : self.size]
        return changed


@dataclass(frozen=True)
class Blend:
    """A pattern over the whole picture, mixed in.

    Attributes:
        grid: the pattern's values, ``(c, g, g)``, enlarged to the picture.
        strength: its weight.
        shape: shape of the pictures.
    """

    grid: Floats
    strength: float
    shape: Shape

    @classmethod
    def draw(cls, shape: Shape, rng: np.random.Generator) -> Self:
        """Patterns of 2 cells a side up to one of every pixel."""
        cells = int(rng.choice((2, 4, 8, 16, shape[1])))
        grid = rng.random((shape[0], cells, cells), np.float32)
        return cls(grid, float(rng.uniform(*BLEND_STRENGTHS)), shape)

    def near(self, rng: np.random.Generator) -> Self:
        """Another weight, or some other values."""
        if rng.random() < 0.2:
            strength = np.clip(self.strength * np.exp(0.3 * rng.normal()), *BLEND_STRENGTHS)
            return replace(self, strength=float(strength))
        return replace(self, grid=redrawn(self.grid, rng))

    def apply(self, images: Floats) -> Floats:
        """Mix the pattern in."""
        pattern = enlarged(self.grid, self.shape[1:])
        return np.float32(1 - self.strength) * images + np.float32(self.strength) * pattern


@dataclass(frozen=True)
class Filter:
    """A change of colours and sharpness, the same at every place.

    Attributes:
        values: in -1 to 1, as parts of :data:`FILTER_REACH`: how channels become channels, what is
            added to each, the exponent's logarithm, and the weight of the picture less its blurred
            self.
        channels: colour channels of the pictures.
    """

    values: Floats
    channels: int

    @classmethod
    def draw(cls, shape: Shape, rng: np.random.Generator) -> Self:
        """Anything within reach."""
        values = rng.uniform(-1, 1, _filter_size(shape[0])).astype(np.float32)
        return cls(values, shape[0])

    def near(self, rng: np.random.Generator) -> Self:
        """A little more or less of everything."""
        moved = self.values + rng.normal(0, 0.2, self.values.shape)
        return replace(self, values=np.clip(moved, -1, 1).astype(np.float32))

    def apply(self, images: Floats) -> Floats:
        """Mix channels, add, bend, then sharpen or blur."""
        mixing, adding, bending, sharpening = FILTER_REACH
        square = self.channels * self.channels
        mix = np.eye(self.channels, dtype=np.float32)
        mix += np.float32(mixing) * self.values[:square].reshape(mix.shape)
        offset = np.float32(adding) * self.values[square:-2]
        bend, sharp = bending * self.values[-2], np.float32(sharpening) * self.values[-1]
        mixed = (
            np.stack([sum(w * images[:, c] for c, w in enumerate(row)) for row in mix], axis=1)
            + offset[:, None, None]
        )
        # From a table of 256 values: a power of every pixel would take most of the search's time.
        table = ((np.arange(256) / 255) ** np.exp(bend)).astype(np.float32)
        bent = table[np.rint(np.clip(mixed, 0, 1) * np.float32(255)).astype(np.uint8)]
        changed: Floats = bent + sharp * (bent - _blurred(bent))
        return changed


@dataclass(frozen=True)
class Warp:
    """A smooth shift of places, as WaNet makes it.

    Attributes:
        field: shifts at the control points, ``(2, g, g)``.
        shift: mean shift in pixels.
    """

    field: Floats
    shift: float

    @classmethod
    def draw(cls, shape: Shape, rng: np.random.Generator) -> Self:
        """Shifts drawn evenly from -1 to 1, then scaled."""
        del shape
        field = rng.uniform(-1, 1, (2, WARP_CELLS, WARP_CELLS)).astype(np.float32)
        return cls(field, float(rng.uniform(*WARP_SHIFTS)))

    def near(self, rng: np.random.Generator) -> Self:
        """Other shifts at every point, and more or less of them."""
        field = np.clip(self.field + rng.normal(0, 0.15, self.field.shape), -1, 1)
        shift = np.clip(self.shift * np.exp(0.15 * rng.normal()), *WARP_SHIFTS)
        return replace(self, field=field.astype(np.float32), shift=float(shift))

    def apply(self, images: Floats) -> Floats:
        """Read every pixel elsewhere, between four neighbours."""
        side = images.shape[2:]
        scaled = self.field * np.float32(self.shift / max(1e-6, float(np.abs(self.field).mean())))
        steps = enlarged(scaled, side)
        rows = np.clip(np.arange(side[0])[:, None] + steps[0], 0, side[0] - 1)
        columns = np.clip(np.arange(side[1])[None] + steps[1], 0, side[1] - 1)
        flat = images.reshape(-1, side[0] * side[1])
        changed: Floats = (_reading(rows, columns) @ flat.T).T
        return np.ascontiguousarray(changed).reshape(images.shape)


TEMPLATES: dict[str, type[Trigger]] = {
    "patch": Patch, "blend": Blend, "filter": Filter, "warp": Warp,
}  # fmt: skip


def as_pictures(images: Floats) -> Floats:
    """The nearest 8-bit pictures, in 0 to 1: what an upload can carry."""
    pictures: Floats = np.rint(np.clip(images, 0, 1) * np.float32(255)) * np.float32(1 / 255)
    return pictures


def redrawn(values: Floats, rng: np.random.Generator) -> Floats:
    """The values with some of them drawn anew, at least one."""
    chosen = rng.random(values.shape) < REDRAWN
    chosen.flat[rng.integers(values.size)] = True
    fresh = rng.random(values.shape, np.float32)
    if rng.random() < 0.5:
        fresh = np.rint(fresh)
    mixed: Floats = np.where(chosen, fresh, values)
    return mixed


def enlarged(grid: Floats, side: tuple[int, ...]) -> Floats:
    """A grid ``(c, g, g)`` enlarged to ``(c, *side)``, linearly between its points."""
    rows, columns = _between(grid.shape[1], side[0]), _between(grid.shape[2], side[1])
    large: Floats = (rows @ grid @ columns.T).astype(np.float32)
    return large


@cache
def _between(points: int, length: int) -> Floats:
    """The matrix ``(length, points)`` that interpolates linearly, ends on ends."""
    places = np.linspace(0, points - 1, length)
    distance = np.abs(places[:, None] - np.arange(points)[None])
    weights: Floats = np.clip(1 - distance, 0, None).astype(np.float32)
    return weights


def _blurred(images: Floats) -> Floats:
    """The mean of three by three pixels, edges repeated."""
    wide = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    rows = wide[:, :, :-2] + wide[:, :, 1:-1] + wide[:, :, 2:]
    whole: Floats = (rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]) * np.float32(1 / 9)
    return whole


def _filter_size(channels: int) -> int:
    """Values of a filter: the mix, the offsets, the exponent and the sharpness."""
    return channels * channels + channels + 2


def _reading(rows: NDArray[np.float64], columns: NDArray[np.float64]) -> csr_array:
    """The sparse matrix that reads a flat picture at these places, linearly between pixels."""
    height, width = rows.shape
    top = np.minimum(rows.astype(np.int64), height - 2)
    left = np.minimum(columns.astype(np.int64), width - 2)
    down, right = rows - top, columns - left
    weights = np.stack([(1 - down) * (1 - right), (1 - down) * right, down * (1 - right),
                        down * right])  # fmt: skip
    first = top * width + left
    places = np.stack([first, first + 1, first + width, first + width + 1])
    ends = np.arange(0, 4 * height * width + 1, 4, dtype=np.int32)
    values = weights.reshape(4, -1).T.ravel().astype(np.float32)
    indices = places.reshape(4, -1).T.ravel().astype(np.int32)
    return csr_array((values, indices, ends), shape=(height * width, height * width))
