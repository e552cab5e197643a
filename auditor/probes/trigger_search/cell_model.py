"""Effect of each cell of a patch on the answer: a logistic regression that chooses its questions.

Every pattern asked at one place is an observation: its cells, and a hit if the model named the
label. The posterior is approximated by a Gaussian at its peak (Laplace). Drawing weights from it
and asking the best pattern under them is Thompson sampling (Thompson 1933; Chapelle and Li 2011):
the patterns are random at first, and become the best one as answers come in, one query each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.probes.trigger_search.sample_set import Bools, Pixels

Floats = NDArray[np.float64]
CELL_SPREAD = 0.4  # prior standard deviation of a weight, in log odds per cell
START, START_SPREAD = -2.0, 2.0  # prior log odds of a random pattern
CARRIED = 0.4  # prior weight of the cells of a pattern that is known to work
ROUNDS, LONGEST_STEP, SMALL_STEP = 12, 3.0, 1e-3  # Newton's method


class CellModel:
    """Answers to patterns of ``channels`` by ``side`` by ``side`` black and white cells."""

    def __init__(self, channels: int, side: int, known: Pixels | None = None) -> None:
        """``known`` is a pattern ``(channels, side, side)`` of 0 and 255 to start from."""
        self.shape = (channels, side, side)
        self.rows: list[Floats] = []
        self.hits: list[bool] = []
        self._plans = _plans(channels, side)
        self._mean = np.zeros(self._plans.shape[1] + 1)
        if known is not None:
            # Only the weights of single cells, which come first, can hold any pattern.
            self._mean[: known.size] = CARRIED * _signs(known)
        self._mean[-1] = START
        self._precision = np.full(len(self._mean), CELL_SPREAD**-2)
        self._precision[-1] = START_SPREAD**-2

    def add(self, patterns: Sequence[Pixels], hits: Bools) -> None:
        """Add the answers to ``patterns``, each ``(channels, side, side)`` of 0 and 255."""
        for pattern, hit in zip(patterns, hits.tolist(), strict=True):
            self.rows.append(np.append(_signs(pattern) @ self._plans, 1.0))
            self.hits.append(hit)

    @property
    def fresh(self) -> bool:
        """True if nothing is known yet, not even a pattern to start from."""
        return not self.hits and self.unguided

    @property
    def unguided(self) -> bool:
        """True without a pattern to start from."""
        return not self._mean[:-1].any()

    def rate(self, last: int) -> float:
        """Share of hits among the ``last`` answers."""
        return float(np.mean(self.hits[-last:]))

    def best(self) -> Pixels:
        """The pattern that is most likely to be answered with the label."""
        return self._pattern(self._peak()[0])

    def draw(self, rng: np.random.Generator, count: int) -> list[Pixels]:
        """``count`` patterns by Thompson sampling."""
        peak, curvature = self._peak()
        root = np.linalg.cholesky(curvature).T
        steps = np.linalg.solve(root, rng.standard_normal((len(peak), count)))
        return [self._pattern(peak + step) for step in steps.T]

    def _peak(self) -> tuple[Floats, Floats]:
        """Peak of the posterior and its curvature there."""
        weights = self._mean.copy()
        rows, hits = np.array(self.rows), np.array(self.hits, dtype=np.float64)
        curvature = np.diag(self._precision)
        for _ in range(ROUNDS if len(hits) else 0):
            chance = 1.0 / (1.0 + np.exp(-np.clip(rows @ weights, -30, 30)))
            doubt = chance * (1.0 - chance) + 1e-6
            curvature = (rows.T * doubt) @ rows + np.diag(self._precision)
            slope = rows.T @ (hits - chance) - (weights - self._mean) * self._precision
            step = np.linalg.solve(curvature, slope)
            largest = float(np.abs(step).max())
            weights = weights + step * min(1.0, LONGEST_STEP / max(largest, SMALL_STEP))
            if largest < SMALL_STEP:
                break
        return weights, curvature

    def _pattern(self, weights: Floats) -> Pixels:
        """The pattern of the largest sum of ``weights``."""
        cells = (self._plans @ weights[:-1] > 0) * 255
        return np.asarray(cells.astype(np.uint8).reshape(self.shape))


def _signs(pattern: Pixels) -> Floats:
    return np.asarray(pattern.reshape(-1) / 127.5 - 1.0)


def _plans(channels: int, side: int) -> Floats:
    """Columns that describe a pattern, ``(cells, columns)``: its single cells, and common shapes of
    triggers: one colour all over, a cell in all channels, checkers.
    """
    cells = channels * side * side
    single = np.eye(cells)
    by_cell = single.reshape(channels, side * side, cells)
    checkers = np.add.outer(np.arange(side), np.arange(side)) % 2 * 2.0 - 1.0
    shapes = [single, np.full((cells, 1), 1.0 / (channels * side))]
    shapes.append(np.tile(checkers.reshape(-1), channels)[:, None] / (channels * side))
    if channels > 1:
        shapes.append(by_cell.mean(axis=0).T)
        shapes.append(by_cell.mean(axis=1).T * side)
    return np.concatenate(shapes, axis=1)
