"""Families of changes of the whole image: a vector of weights gives the change, at any strength.

Fields and waves add a pattern of mean absolute value 1; their strength is the mean absolute change
in 8-bit levels, before values are clipped. That of a warp is its mean shift in cells.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from auditor.probes.label_search.changes import Addition, WholeChange
from auditor.probes.trigger_search.patches import unit_of
from auditor.probes.trigger_search.sample_set import Labels
from auditor.probes.trigger_search.transforms import Warp, upsample

Floats = NDArray[np.float64]
MOST_CYCLES = 12
LEAST_DRAWS = 10  # of one wave, before its answers say anything
WAVE_STARTS, WAVE_STEP = 2, 0.35


class Family(Protocol):
    """A family of patterns ``(c, h, w)``."""

    @property
    def name(self) -> str: ...  # noqa: D102 - documented on the classes
    @property
    def loudest(self) -> float:
        """Strength of the random draws, and the largest that is tried."""
        ...

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """Random weights ``(count, dimensions)``."""
        ...

    def change(self, weights: Floats, strength: float) -> WholeChange:
        """The change of one vector of ``weights`` ``(dimensions,)``."""
        ...

    def starts(self, weights: Floats, hit: Labels, other: Labels) -> list[Floats]:
        """Directions worth trying, given the draws that led to a label (``hit``) among the draws on
        images of other labels (``other``), both boolean ``(n,)``.
        """
        ...

    def neighbours(self, rng: np.random.Generator, weights: Floats, count: int) -> Floats:
        """``count`` random directions near the unit vector ``weights``."""
        ...


class Fields:
    """Sums of bilinear bumps at ``grid`` by ``grid`` control points in every channel."""

    def __init__(self, shape: tuple[int, int, int], grid: int, loudest: float) -> None:
        self.shape, self.grid, self.loudest = shape, grid, loudest
        self.name = f"field{grid}"
        self.dimensions = shape[0] * grid * grid

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """Random signs and sizes at every control point."""
        shape = (count, self.dimensions)
        return np.asarray(rng.choice([-1.0, 1.0], shape) * rng.uniform(0.3, 1, shape))

    def change(self, weights: Floats, strength: float) -> WholeChange:
        """The field of ``weights`` at ``strength``."""
        control = weights.reshape(self.shape[0], self.grid, self.grid)
        return Addition(
            "field", self.grid, _unit_mean(upsample(control, *self.shape[1:])), strength
        )

    def starts(self, weights: Floats, hit: Labels, other: Labels) -> list[Floats]:
        """The mean of the hits above that of all draws."""
        return [weights[hit].mean(axis=0) - weights[other].mean(axis=0)]

    def neighbours(self, rng: np.random.Generator, weights: Floats, count: int) -> Floats:
        """Steps in all directions alike."""
        spread = 0.7 / np.sqrt(self.dimensions)
        return np.asarray(weights + rng.normal(0, spread, (count, self.dimensions)))


class Waves:
    """Sums of waves of 1 to 12 cycles, down and across, the same in all channels."""

    name = "wave"

    def __init__(self, shape: tuple[int, int, int], loudest: float) -> None:
        self.shape, self.loudest = shape, loudest
        self.cycles = min(MOST_CYCLES, min(shape[1:]) // 2)
        # Two directions, and for each number of cycles a sine and a cosine.
        self.dimensions = 2 * 2 * self.cycles
        self._waves = [self._along(length) for length in shape[1:]]

    def _along(self, length: int) -> Floats:
        angles = np.outer(np.arange(1, self.cycles + 1), 2 * np.pi * np.arange(length) / length)
        return np.stack([np.sin(angles), np.cos(angles)], axis=1).reshape(-1, length)

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """One wave each, at a random phase."""
        weights = np.zeros((count, self.dimensions))
        wave, phase = rng.integers(0, 2 * self.cycles, count), rng.uniform(0, 2 * np.pi, count)
        weights[np.arange(count), 2 * wave] = np.cos(phase)
        weights[np.arange(count), 2 * wave + 1] = np.sin(phase)
        return weights

    def change(self, weights: Floats, strength: float) -> WholeChange:
        """The sum of waves of ``weights`` at ``strength``."""
        half = self.dimensions // 2
        across, down = weights[:half] @ self._waves[1], weights[half:] @ self._waves[0]
        cycles = 1 + int(np.abs(weights).argmax() % half) // 2
        return Addition("wave", cycles, _unit_mean((across + down[:, None])[None]), strength)

    def starts(self, weights: Floats, hit: Labels, other: Labels) -> list[Floats]:
        """The two waves whose draws led to the label most often, at the phase that did."""
        found: list[tuple[float, Floats]] = []
        for wave in range(2 * self.cycles):
            part = slice(2 * wave, 2 * wave + 2)
            asked = other & weights[:, part].any(axis=1)
            hits = asked & hit
            if asked.sum() < LEAST_DRAWS or not hits.any():
                continue
            phasor = weights[hits][:, part].sum(axis=0) / asked.sum()
            start = np.zeros(self.dimensions)
            start[part] = phasor if np.hypot(*phasor) > 1e-9 else (1.0, 0.0)
            found.append((float(np.hypot(*phasor) + 0.5 * hits.sum() / asked.sum()), start))
        found.sort(key=lambda one: -one[0])
        return [start for _, start in found[:WAVE_STARTS]]

    def neighbours(self, rng: np.random.Generator, weights: Floats, count: int) -> Floats:
        """Steps along the waves in use, and sometimes another one."""
        steps = rng.normal(0, WAVE_STEP, (count, self.dimensions))
        kept = (weights != 0) | (rng.random(steps.shape) < 0.04)
        return np.asarray(weights + steps * kept)


class Warps(Fields):
    """Shifts of the pixels along rows and columns, at 4 by 4 control points."""

    def __init__(self, shape: tuple[int, int, int], loudest: float) -> None:
        super().__init__((2, *shape[1:]), 4, loudest)
        self.name, self.unit = "warp", unit_of(shape)

    def change(self, weights: Floats, strength: float) -> WholeChange:
        """The warp of ``weights`` at a mean shift of ``strength`` cells."""
        control = weights.reshape(2, self.grid, self.grid)
        return Warp(control / np.abs(control).mean(), strength * self.unit)


def _unit_mean(pattern: Floats) -> Floats:
    return np.asarray(pattern / np.abs(pattern).mean())
