"""Scores of label maps: label shares, Rényi entropy and the areas of the triple samples.

Sections 4.2 and 4.3 of the paper. All of it is pure and computed in float64. A label map is
``(S, S)`` whole numbers, row i along e1 and column j along e2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats

EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=np.int64)


def label_shares(labels: NDArray[np.integer], classes: int) -> NDArray[np.float64]:
    """Share of each of ``classes`` labels among ``labels`` (any shape), Eq. 2: ``(classes,)``.

    Raises:
        ValueError: no labels, or a label outside ``0 .. classes - 1``.
    """
    flat = np.asarray(labels).ravel()
    if flat.size == 0:
        raise ValueError("a label map without labels has no shares")
    if int(flat.min()) < 0 or int(flat.max()) >= classes:
        raise ValueError(f"a label lies outside 0 .. {classes - 1}")
    return np.bincount(flat.astype(np.int64), minlength=classes) / flat.size


def renyi_entropy(shares: NDArray[np.float64], alpha: float) -> float:
    """Rényi entropy of order ``alpha`` in bits, Eq. 3: ``log2(sum p^alpha) / (1 - alpha)``.

    ``shares`` sum to 1; shares of zero drop out. ``alpha`` = 1 is the Shannon limit and infinity
    the min-entropy. The result lies between 0 (one label) and ``log2(classes)``.

    Raises:
        ValueError: ``alpha`` below 1.
    """
    if not alpha >= 1.0:
        raise ValueError(f"alpha is {alpha}, it must be at least 1")
    p = np.asarray(shares, dtype=np.float64)
    p = p[p > 0.0]
    top = float(p.max())
    if alpha == 1.0:
        bits = -float((p * np.log2(p)).sum())
    elif np.isinf(alpha):
        bits = -float(np.log2(top))
    elif alpha < 2.0:
        # Near 1 both sides of the quotient vanish; written as 1 + something, they keep digits.
        beyond_one = float((p * np.expm1((alpha - 1.0) * np.log(p))).sum())
        bits = float(np.log1p(beyond_one)) / (np.log(2.0) * (1.0 - alpha))
    else:
        # The largest share is taken out of the sum, so that no power underflows.
        rest = float(np.log2(((p / top) ** alpha).sum()))
        bits = -float(np.log2(top)) * (alpha / (alpha - 1.0)) - rest / (alpha - 1.0)
    return min(max(0.0, bits), float(np.log2(p.size)))


def ats_by_region(
    label_map: NDArray[np.integer],
    nodes: NDArray[np.int64],
    classes: Sequence[int],
    threshold: float,
) -> float:
    """Areas dominated by triple samples, Eq. 4 and Figure 5, as the paper's code counts them.

    Args:
        label_map: ``(S, S)``.
        nodes: ``(3, 2)``, row and column of the grid node nearest to each sample.
        classes: true class of each sample.
        threshold: t; a region whose share reaches it counts 0.

    Returns:
        Sum over the samples of the share of the 8-connected region of the sample's true class
        that holds its node; 0 for a sample whose node carries another label.
    """
    labels = np.asarray(label_map)
    total = 0.0
    for (row, column), true_class in zip(nodes, classes, strict=True):
        if labels[row, column] != true_class:
            continue
        regions, _ = ndimage.label(labels == true_class, structure=EIGHT_NEIGHBOURS)
        share = float(np.count_nonzero(regions == regions[row, column])) / labels.size
        total += share if share < threshold else 0.0
    return total


def ats_by_label(
    shares: NDArray[np.float64], classes: Sequence[int], threshold: float, tie: float = 0.0
) -> float:
    """Sum of the whole shares of the three true ``classes``, each 0 where it reaches
    ``threshold``: what scattered points can estimate of Eq. 4.

    Args:
        shares: ``(classes,)`` share of each label.
        classes: true class of each of the three samples.
        threshold: t, from 0 to 1.
        tie: what a share of exactly ``threshold`` counts of itself. 0 as in the paper. From a
            few points that share is common, and the area behind it lies on either side as
            often, so estimates count half (see :func:`score_points`).
    """
    picked = np.array([shares[index] for index in classes], dtype=np.float64)
    counted = picked[picked < threshold].sum() + tie * picked[picked == threshold].sum()
    return float(counted)


@dataclass(frozen=True, slots=True)
class PlaneScore:
    """Scores of one plane. ``shares`` is ``(classes,)``; ``ats``, by region, is None where
    scattered points were asked: which region a point belongs to cannot be told from them.
    """

    re: float
    ats: float | None
    ats_by_label: float
    shares: NDArray[np.float64]


def score_plane(
    label_map: NDArray[np.integer],
    nodes: NDArray[np.int64],
    triplet_classes: Sequence[int],
    classes: int,
    alpha: float,
    threshold: float,
) -> PlaneScore:
    """RE, ATS by region and by label, and the shares, of one label map."""
    shares = label_shares(label_map, classes)
    return PlaneScore(
        re=renyi_entropy(shares, alpha),
        ats=ats_by_region(label_map, nodes, triplet_classes, threshold),
        ats_by_label=ats_by_label(shares, triplet_classes, threshold),
        shares=shares,
    )


HALVES_GAIN = 1.0 / (2.0**1.5 - 1.0)
"""What the difference between a net and its halves is multiplied by to take the bias away."""


def score_points(
    labels: NDArray[np.integer],
    triplet_classes: Sequence[int],
    classes: int,
    alpha: float,
    threshold: float,
) -> PlaneScore:
    """RE, ATS by label and the shares of one plane from few points, without the bias that the
    scores of the points' own shares have: RE is concave, so from m points it comes out low,
    towards "backdoored", by an amount that falls with the variance of the shares.

    For the points of a scrambled net in the plane that variance falls as m^(-3/2), and the
    halves of a net are nets. So ``score + (score - mean score of the halves) / (2^(3/2) - 1)``
    takes the leading term away: the jackknife with two groups, at the net's own rate. (With
    points drawn one by one the divisor would be 1.) A single plane's ATS can come out below 0;
    the mean over planes is the estimate.

    ATS drops to 0 at its threshold, and 8 of 16 points are a share of exactly one half for any
    area between about 0.45 and 0.55. Counted 0, all of those would pull ATS down; counted half,
    the two sides cancel.

    Args:
        labels: ``(m,)`` labels of the net's points in its own order, m even.
        triplet_classes: true class of each of the three samples.
        classes: number of labels.
        alpha: order of the entropy.
        threshold: t of ATS.
    """
    array = np.asarray(labels)
    middle = len(array) // 2
    shares = label_shares(array, classes)
    halves = [label_shares(half, classes) for half in (array[:middle], array[middle:])]
    re = [renyi_entropy(part, alpha) for part in (shares, *halves)]
    ats = [ats_by_label(part, triplet_classes, threshold, 0.5) for part in (shares, *halves)]
    return PlaneScore(max(0.0, _without_bias(re)), None, _without_bias(ats), shares)


def _without_bias(scores: Sequence[float]) -> float:
    whole, first, second = scores
    return whole + HALVES_GAIN * (whole - (first + second) / 2.0)


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
    """Mean of per-plane ``values`` with an interval over planes, which ends at 0: no score lies
    below it.

    Planes are the clusters: however a plane's value was estimated from its points, the error
    of that is in the spread of the values over planes, so the interval covers both. It speaks
    of all planes through the given samples, from which the plan draws planes at random; that
    several planes share a sample is part of that draw.

    Scores are skewed (many planes of ATS 0, few large ones), and a plain Student interval then
    misses on one side. Hall's transformation takes the skewness out, in closed form (Hall 1992,
    "On the removal of skewness by transformation"). Fewer than :data:`LEAST_SHAPED` planes say
    too little about their skewness, and get the plain interval.

    Args:
        values: one per plane.
        confidence: nominal coverage, in (0, 1).

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("no plane was scored")
    array = np.asarray(values, dtype=np.float64)
    mean = max(0.0, float(array.mean()))
    if array.size < 2:
        return Estimate(mean, None, None, 1)
    reach = float(stats.t.ppf(0.5 + confidence / 2.0, array.size - 1))
    spread = float(array.std(ddof=1))
    skewness = _skewness(array) if array.size >= LEAST_SHAPED else 0.0
    below, above = (spread * _unskewed(side * reach, skewness, array.size) for side in (1.0, -1.0))
    return Estimate(mean, max(0.0, mean - below), max(mean, mean - above), int(array.size))


def _skewness(values: NDArray[np.float64]) -> float:
    """Third standardised moment; 0 where all values are equal."""
    apart = values - values.mean()
    variance = float((apart**2).mean())
    # Values that differ by rounding alone have no shape.
    if variance <= 1e-24 * max(1.0, float(values.mean() ** 2)):
        return 0.0
    return float((apart**3).mean() / variance**1.5)


def _unskewed(t: float, skewness: float, n: int) -> float:
    """The standardised error of a mean of ``n`` values that Hall's cubic transformation
    ``x + s x^2 / 3 + s^2 x^3 / 27 + s / 6n`` (s the skewness) takes to ``t / sqrt(n)``.
    """
    wanted = t / np.sqrt(n)
    if abs(skewness) < 1e-6:
        return float(wanted)
    inside = 1.0 + skewness * (wanted - skewness / (6.0 * n))
    return float(3.0 * (np.cbrt(inside) - 1.0) / skewness)


def target_label(mean_shares: NDArray[np.float64]) -> int:
    """The likely target of an all-to-one attack, Section 4.3: the label with the largest mean
    share; the lower index where two are equal.
    """
    return int(np.argmax(mean_shares))
