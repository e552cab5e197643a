"""When an audit's planes may end before the last one: their score's side is decided. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.labels.answers import class_count, sort_answers
from auditor.plan.plan import AuditPlan
from auditor.scores.sequential_test import EarlyRule, Side, decide_side
from auditor.verdict.evidence import score_planes
from auditor.verdict.profile import Profile
from auditor.verdict.scope import LOSSLESS
from auditor.verdict.verdict import MAX_ERROR

EARLY_ERROR = 0.01
"""Probability that planes which ended early name the wrong side of the threshold, on top of the
profile's own error rates."""

Labels = list[NDArray[np.uint16]]


def decided_early(
    plan: AuditPlan,
    classes: NDArray[np.int64],
    size: int | None,
    profile: Profile | None,
    coding: str = LOSSLESS,
) -> Callable[[Labels], bool] | None:
    """What tells after each round whether more planes could still change the verdict.

    None where planes never end early: with the paper's sampler, which reproduces the paper, and
    without a profile whose error rates let the plane scores decide on both sides.

    Args:
        plan: the plan.
        classes: true class of every sample.
        size: number of the model's classes, or None where it does not tell.
        profile: what the scores are judged by.
        coding: what the audit's pictures travel as (:func:`auditor.verdict.scope.picture_coding`).
    """
    if plan.settings.sampler != "frugal" or profile is None or not _decides(profile):
        return None
    if profile.coding != coding:
        return None
    score, threshold = profile.decides_by, profile.thresholds[profile.decides_by].value
    block = len(np.unique(classes)) // 3

    def decided(labels: Labels) -> bool:
        answers = sort_answers(plan, labels)
        count = class_count(answers, size, classes)
        scores = score_planes(plan, answers, classes, count)
        top = math.log2(count) if score == "re" else 1.0
        values = [float(getattr(scores[number], score)) for number in sorted(scores)]
        return side_of(values, block, EarlyRule(threshold, 0.0, top, EARLY_ERROR)) is not None

    return decided


def side_of(values: Sequence[float], block: int, rule: EarlyRule) -> Side | None:
    """The side that the planes' mean is on, or None where that is open.

    Args:
        values: score per plane, in the plan's order.
        block: planes in which every class takes its turn once. Their means are independent,
            single planes of one block are not.
        rule: threshold, ends and error.
    """
    whole = len(values) // block * block
    means = np.asarray(values[:whole], dtype=np.float64).reshape(-1, block).mean(axis=1)
    return decide_side(means.tolist(), rule)


def _decides(profile: Profile) -> bool:
    """Whether its error rates support a verdict on either side."""
    rates = [profile.error_rates.get(side) for side in ("false_positive", "false_negative")]
    return profile.status == "calibrated" and all(
        rate is not None and rate.high < MAX_ERROR for rate in rates
    )
