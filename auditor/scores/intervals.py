"""Rates, means over planes and their confidence intervals. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Rate:
    """A proportion with its exact (Clopper-Pearson) two-sided 95 % interval over ``n`` trials.

    Trials of a leave-one-out are not independent. In simulation the two-sided interval then
    covers 84 to 93 %, and its upper end, on which verdicts rest, 95 to 98 %.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    rate: float
    low: float
    high: float
    n: int


def binomial_rate(hits: int, n: int) -> Rate:
    """``hits`` of ``n`` with the exact 95 % interval.

    Raises:
        ValueError: no trials.
    """
    if not 0 <= hits <= n or n == 0:
        raise ValueError(f"{hits} of n = {n} trials")
    # scipy.special and not scipy.stats, which takes longer to load than a small audit to judge.
    low = float(scipy.special.betaincinv(hits, n - hits + 1, 0.025)) if hits else 0.0
    high = float(scipy.special.betaincinv(hits + 1, n - hits, 0.975)) if hits < n else 1.0
    return Rate(hits / n, low, high, n)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over planes with its interval (None from a single plane)."""

    mean: float
    low: float | None
    high: float | None
    n: int


LEAST_SHAPED = 8
"""Planes from which the skewness of their scores is taken into account."""


def mean_over_planes(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Mean of per-plane ``values`` with an interval of nominal coverage ``confidence``, cut at 0.

    Planes are the clusters: the error of a plane's own value is in the spread over planes, so the
    interval covers both. It speaks of all planes through the given samples, from which the plan
    draws planes at random; that several planes share a sample is part of that draw.

    Scores are skewed (many planes of ATS 0, few large ones), and a plain Student interval then
    misses on one side. Hall's transformation takes the skewness out, in closed form (Hall 1992,
    "On the removal of skewness by transformation"). Fewer than :data:`LEAST_SHAPED` planes say
    too little about their skewness, and get the plain interval.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("no plane was scored")
    array = np.asarray(values, dtype=np.float64)
    mean = max(0.0, float(array.mean()))
    if array.size < 2:
        return Estimate(mean, None, None, 1)
    reach = float(scipy.special.stdtrit(array.size - 1, 0.5 + confidence / 2.0))
    spread = float(array.std(ddof=1))
    skewness = _skewness(array) if array.size >= LEAST_SHAPED else 0.0
    below, above = (spread * _unskewed(side * reach, skewness, array.size) for side in (1.0, -1.0))
    return Estimate(mean, max(0.0, mean - below), max(mean, mean - above), int(array.size))


def _skewness(values: NDArray[np.float64]) -> float:
    """Third standardised moment; 0 if all values are equal."""
    deviations = values - values.mean()
    variance = float((deviations**2).mean())
    # Values that differ by rounding alone have no shape.
    if variance <= 1e-24 * max(1.0, float(values.mean() ** 2)):
        return 0.0
    return float((deviations**3).mean() / variance**1.5)


def _unskewed(t: float, skewness: float, n: int) -> float:
    """The standardised error of a mean of ``n`` values that Hall's cubic transformation
    ``x + s x^2 / 3 + s^2 x^3 / 27 + s / 6n`` (s the skewness) takes to ``t / sqrt(n)``.
    """
    wanted = t / np.sqrt(n)
    if abs(skewness) < 1e-6:
        return float(wanted)
    inside = 1.0 + skewness * (wanted - skewness / (6.0 * n))
    return float(3.0 * (np.cbrt(inside) - 1.0) / skewness)
