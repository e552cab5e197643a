"""Families of changes of the whole image: linear in a vector of weights, of any strength.

A pattern is scaled so that its mean absolute value is 1; its strength is then the mean absolute
change of an image in 8-bit levels, before values are clipped.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from auditor.probes.trigger_search.sample_set import Labels
from auditor.probes.trigger_search.transforms import upsample

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

    def render(self, weights: Floats) -> Floats:
        """Patterns ``(n, c, h, w)`` of mean absolute value 1 for ``weights``."""
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

    def render(self, weights: Floats) -> Floats:
        """Patterns ``(n, c, h, w)`` of mean absolute value 1."""
        channels, height, width = self.shape
        control = weights.reshape(-1, self.grid, self.grid)
        patterns = upsample(control, height, width).reshape(-1, channels, height, width)
        return _unit_mean(patterns)

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

    def render(self, weights: Floats) -> Floats:
        """Patterns ``(n, c, h, w)`` of mean absolute value 1."""
        half = self.dimensions // 2
        across = weights[:, :half] @ self._waves[1]
        down = weights[:, half:] @ self._waves[0]
        patterns = across[:, None, None, :] + down[:, None, :, None]
        return _unit_mean(np.broadcast_to(patterns, (len(weights), *self.shape)))

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


def _unit_mean(patterns: Floats) -> Floats:
    return np.asarray(patterns / np.abs(patterns).mean(axis=(1, 2, 3), keepdims=True))
