"""Transforms of the whole image: fields, noise, blends, waves, warps and fewer grey levels.

Strengths are in 8-bit levels (fields, noise, waves), a share of the pattern (blends), pixels
(warps) or the distance between grey levels (quantisation). Every result is a whole number of
grey levels inside 0 to 255, so both access modes see the same image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from auditor.probes.trigger_search.sample_set import Pixels, Transform

Floats = NDArray[np.float64]


class ScalableTransform(Transform, Protocol):
    """A change of adjustable strength."""

    @property
    def size(self) -> int: ...  # noqa: D102 - documented on the classes
    @property
    def strength(self) -> float: ...  # noqa: D102 - documented on the classes
    def at(self, strength: float) -> ScalableTransform:
        """The same change at another strength."""
        ...


@dataclass(frozen=True, eq=False)
class TransformCandidate:
    """A change that sends ``share`` of the search images to ``target``."""

    transform: ScalableTransform
    target: int
    share: float


@dataclass(frozen=True, eq=False)
class _ByControlPoints:
    """Base of the transforms that interpolate ``control`` points bilinearly."""

    control: Floats
    strength: float
    kind: str = ""

    @property
    def size(self) -> int:
        """Control points per side."""
        return int(self.control.shape[-1])

    def at(self, strength: float) -> Self:
        """The same transform at another strength."""
        return replace(self, strength=strength)


@dataclass(frozen=True, eq=False)
class Field(_ByControlPoints):
    """A field added to every image: ``strength`` times control points ``(c, k, k)`` of -1 or 1;
    of kind "noise" if the points are as fine as pixels.
    """

    kind: str = "field"

    def texture(self, height: int, width: int) -> Floats:
        """The field ``(c, height, width)``, in 8-bit levels."""
        return self.strength * upsample(self.control, height, width)

    def apply(self, pixels: Pixels) -> Pixels:
        """Add the field to ``pixels`` ``(n, c, h, w)``, clip and round."""
        return whole_levels(pixels + self.texture(*pixels.shape[-2:]))


@dataclass(frozen=True, eq=False)
class Blend(_ByControlPoints):
    """Every image mixed with one fixed pattern (Blended, Chen et al. 2017):
    ``(1 - strength) * image + strength * pattern``, the strength from 0 to 1 and the control points
    ``(c, k, k)`` from -1 (black) to 1 (white).
    """

    kind: str = "blend"

    def texture(self, height: int, width: int) -> Floats:
        """The pattern ``(c, height, width)``, in 8-bit levels around mid-grey."""
        return 127.5 * upsample(self.control, height, width)

    def apply(self, pixels: Pixels) -> Pixels:
        """Mix ``pixels`` ``(n, c, h, w)`` with the pattern and round."""
        pattern = 127.5 + self.texture(*pixels.shape[-2:])
        return whole_levels((1.0 - self.strength) * pixels + self.strength * pattern)


@dataclass(frozen=True, eq=False)
class Wave:
    """A sinusoid added to every image (SIG, Barni et al. 2019).

    Attributes:
        cycles: waves over the height and the width of the image.
        phase: in radians.
        strength: amplitude in 8-bit levels.
    """

    cycles: tuple[float, float]
    phase: float
    strength: float
    kind: str = "wave"

    @property
    def size(self) -> int:
        """Waves per image, rounded."""
        return round(max(abs(value) for value in self.cycles))

    def texture(self, height: int, width: int) -> Floats:
        """The wave ``(1, height, width)``, in 8-bit levels."""
        rows = self.cycles[0] * np.arange(height)[:, None] / height
        columns = self.cycles[1] * np.arange(width) / width
        return np.asarray(self.strength * np.sin(2 * np.pi * (rows + columns) + self.phase)[None])

    def apply(self, pixels: Pixels) -> Pixels:
        """Add the wave to ``pixels`` ``(n, c, h, w)``, clip and round."""
        return whole_levels(pixels + self.texture(*pixels.shape[-2:]))

    def at(self, strength: float) -> Wave:
        """The same wave at another strength."""
        return replace(self, strength=strength)


@dataclass(frozen=True, eq=False)
class Warp(_ByControlPoints):
    """A smooth warp (WaNet, Nguyen and Tran 2021): shifts along rows and columns at the control
    points, ``(2, k, k)`` of mean absolute value 1, times the mean shift ``strength`` in pixels.
    """

    kind: str = "warp"

    def texture(self, height: int, width: int) -> Floats:
        """The shifts ``(2, height, width)``, in pixels."""
        return self.strength * upsample(self.control, height, width)

    def apply(self, pixels: Pixels) -> Pixels:
        """Sample ``pixels`` ``(n, c, h, w)`` bilinearly at the shifted places."""
        height, width = pixels.shape[-2:]
        shifts = self.texture(height, width)
        rows = np.clip(np.arange(height)[:, None] + shifts[0], 0, height - 1)
        columns = np.clip(np.arange(width) + shifts[1], 0, width - 1)
        top = np.minimum(rows.astype(np.int64), max(0, height - 2))
        left = np.minimum(columns.astype(np.int64), max(0, width - 2))
        down, right = rows - top, columns - left
        below, beside = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
        upper = pixels[:, :, top, left] * (1 - right) + pixels[:, :, top, beside] * right
        lower = pixels[:, :, below, left] * (1 - right) + pixels[:, :, below, beside] * right
        return whole_levels(upper * (1 - down) + lower * down)


@dataclass(frozen=True, eq=False)
class Quantise:
    """Fewer grey levels, plain or with Floyd-Steinberg dithering (BPP, Wang et al. 2022)."""

    size: int
    dithered: bool
    kind: str = "quantise"

    @property
    def strength(self) -> float:
        """Distance between neighbouring grey levels."""
        return 255.0 / (self.size - 1)

    def apply(self, pixels: Pixels) -> Pixels:
        """Round ``pixels`` ``(n, c, h, w)`` to ``size`` levels per channel."""
        step = self.strength
        if not self.dithered:
            return whole_levels(np.rint(pixels / step) * step)
        count, channels, height, width = pixels.shape
        changed = np.empty((height, width + 2, count, channels), dtype=np.uint8)
        changed[:, :width] = pixels.transpose(2, 3, 0, 1)
        flat = changed.reshape(-1, count, channels)
        # Row by row means pixel by pixel. Those on one slanted line (a row down, two columns back)
        # wait for none of their own, and every pixel gets its parts of the error in the same order
        # as row by row. Four lines are under way, and stay in the processor's cache.
        work = np.zeros((4, height + 1, count, channels))
        for entering in range(width + 2 * height + 1):
            rows, places = _slanted(entering, height, width)
            work[entering % 4, rows] = flat[places]
            line = entering - 3
            rows, places = _slanted(line, height, width)
            error = work[line % 4, rows]
            new = np.rint(error.clip(0, 255) / step)
            new *= step
            error -= new
            error /= 16
            flat[places] = np.rint(new)
            for ahead, down, part in ((1, 1, 3), (1, 0, 7), (2, 1, 5), (3, 1, 1)):
                work[(line + ahead) % 4, rows.start + down : rows.stop + down] += part * error
        return changed[:, :width].transpose(2, 3, 0, 1)

    def at(self, strength: float) -> Quantise:  # noqa: ARG002 - its strength is its size
        """Itself: its strength is fixed."""
        return self


def _slanted(line: int, height: int, width: int) -> tuple[slice, slice]:
    """Rows that a line through pixels a row down and two columns back crosses, and its pixels in a
    flat list of rows with two spare columns each.
    """
    top = max(0, (line - width + 2) // 2)
    bottom = max(0, min(height, line // 2 + 1))
    return slice(top, bottom), slice(line + width * top, line + width * (bottom - 1) + 1, width)


def upsample(control: Floats, height: int, width: int) -> Floats:
    """Bilinear ``(n, k, k)`` to ``(n, height, width)``, constant beyond the outer points."""
    size = control.shape[-1]
    if size < 2:
        return np.asarray(np.broadcast_to(control, (len(control), height, width)))
    (row_counts, share_row), (counts, share) = _knots(size, height), _knots(size, width)
    rows = control[:, :-1].repeat(row_counts, axis=1) * (1 - share_row[:, None])
    rows += control[:, 1:].repeat(row_counts, axis=1) * share_row[:, None]
    left, right = rows[:, :, :-1].repeat(counts, axis=2), rows[:, :, 1:].repeat(counts, axis=2)
    left *= 1 - share
    right *= share
    left += right
    return left


@lru_cache(maxsize=32)
def _knots(size: int, length: int) -> tuple[NDArray[np.int64], Floats]:
    """Pixels of ``length`` that follow each of ``size`` points but the last, ``(size - 1,)``,
    and each one's share of the way from its point to the next, ``(length,)``.
    """
    at = np.clip((np.arange(length) + 0.5) * size / length - 0.5, 0, size - 1)
    low = np.minimum(at.astype(np.int64), size - 2)
    return np.bincount(low, minlength=size - 1), at - low


def whole_levels(values: Floats) -> Pixels:
    """``values``, which are overwritten, as 8-bit levels: rounded, and clipped to 0 to 255."""
    np.rint(values, out=values)
    return np.clip(values, 0, 255, out=values).astype(np.uint8)


def draw_wave(rng: np.random.Generator, longest: int, strength: float) -> Wave:
    """Waves down, across or aslant, 2 to ``longest`` per image, at a random phase."""
    cycles = float(rng.integers(2, longest + 1))
    chance = rng.random()
    both = (cycles, 0.0) if chance < 0.4 else (0.0, cycles)
    if chance >= 0.8:
        both = (cycles, cycles if chance < 0.9 else -cycles)
    return Wave(both, float(rng.uniform(0, 2 * np.pi)), strength)


def draw_warp(rng: np.random.Generator, size: int, strength: float) -> Warp:
    """Random shifts at ``size`` by ``size`` control points."""
    control = rng.uniform(-1, 1, (2, size, size))
    return Warp(control / np.abs(control).mean(), strength)
