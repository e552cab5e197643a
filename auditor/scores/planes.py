"""Scores of label maps: label shares, Rényi entropy and the areas of the triple samples.

Sections 4.2 and 4.3 of the paper. Pure, in float64. A label map is ``(S, S)`` whole numbers, row i
along e1 and column j along e2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.scores.ats import ats_by_label, ats_by_region
from auditor.scores.entropy import renyi_entropy


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


@dataclass(frozen=True, slots=True)
class PlaneScore:
    """Scores of one plane. ``shares`` is ``(classes,)``; ``ats``, by region, is None for
    net points, which do not show the region that a point belongs to.
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
    """RE of order ``alpha``, ATS by region and by label with threshold t, and the shares, of one
    label map and the true classes of its triplet; for ``nodes`` see :func:`ats_by_region`.
    """
    shares = label_shares(label_map, classes)
    return PlaneScore(
        re=renyi_entropy(shares, alpha),
        ats=ats_by_region(label_map, nodes, triplet_classes, threshold),
        ats_by_label=ats_by_label(shares, triplet_classes, threshold),
        shares=shares,
    )


HALVES_GAIN = 1.0 / (2.0**1.5 - 1.0)
"""Factor of the difference between a net and its halves that removes the bias."""


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

    ``labels`` ``(m,)`` are those of the net's points in its own order, m even; the other arguments
    are those of :func:`score_plane`.
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


def target_label(mean_shares: NDArray[np.float64]) -> int:
    """The likely target of an all-to-one attack, Section 4.3: the label with the largest mean
    share; the lower index if two are equal.
    """
    return int(np.argmax(mean_shares))
