"""Ranks several models of one task against each other. Pure computation on scores.

A model is compared with the others by the lower prediction interval of a normal sample
(Student's t on the externally studentised residual, as in Grubbs' test). Every model is looked
at by every score, so p-values are multiplied by the number of looks (Bonferroni): with error
rate a, a cohort of honest models is wrongly flagged with probability at most a, as far as
their scores are normally distributed. A cohort in which most models carry a backdoor shows no
outlier: nothing here ever clears a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from auditor.errors import UsageError
from auditor.verdict.profile import Reference, ScoreName

MIN_COHORT = 4
"""With fewer models no deviation can be told from the spread."""
LOOKED_AT: tuple[ScoreName, ...] = ("re", "ats_by_label")


@dataclass(frozen=True, slots=True)
class Place:
    """One model's place in its cohort.

    Attributes:
        name: the model.
        re, ats, ats_by_label: its scores.
        p: probability that an honest model of this cohort lies as low in one of its scores,
            after correction for all looks; at most 1.
        outlier: whether ``p`` is at or below the stated error rate.
    """

    name: str
    re: float
    ats: float | None
    ats_by_label: float
    p: float
    outlier: bool


def rank_cohort(models: Sequence[Reference], error_rate: float = 0.05) -> list[Place]:
    """Rank ``models``, the most suspicious first.

    Args:
        models: scored models of one task, asked the same questions; their ``attack`` is ignored.
        error_rate: probability of flagging any model of an honest cohort, in (0, 1).

    Raises:
        UsageError: fewer than :data:`MIN_COHORT` models, or an error rate outside (0, 1).
    """
    if len(models) < MIN_COHORT:
        raise UsageError(
            f"a cohort needs at least {MIN_COHORT} models of one task, {len(models)} were given"
        )
    if not 0.0 < error_rate < 1.0:
        raise UsageError(f"the error rate is {error_rate}, it must lie between 0 and 1")
    looks = len(LOOKED_AT) * len(models)
    p = np.ones(len(models))
    for score in LOOKED_AT:
        values = np.array([model.score(score) for model in models])
        p = np.minimum(p, lower_tail(values))
    corrected = np.minimum(1.0, p * looks)
    places = [
        Place(m.name, m.re, m.ats, m.ats_by_label, float(q), bool(q <= error_rate))
        for m, q in zip(models, corrected, strict=True)
    ]
    return sorted(places, key=lambda place: (place.p, place.re))


def lower_tail(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each of ``values`` ``(n,)``, the probability that a further draw from the normal
    population of the *other* values lies as low: ``(n,)``. 1 where the others do not vary.
    """
    n = len(values)
    tails = np.ones(n)
    for index in range(n):
        others = np.delete(values, index)
        spread = float(others.std(ddof=1))
        if spread > 0.0:
            distance = (values[index] - others.mean()) / (spread * np.sqrt(1.0 + 1.0 / (n - 1)))
            tails[index] = stats.t.cdf(distance, n - 2)
    return tails
