"""Early stopping: nothing that is still to be asked could change the verdict. Pure.

Once trigger search or decision rule suspect the model, no answer could take that back, so nothing
more is asked (``stop_early`` in the plan). A patch that the profile's clean references show too is
no such proof. An all-clear rests on everything that was planned.

Every stop follows from plan, profile and labels alone, so a finished audit that is judged again
from its log stops at the same question.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec, LabelSpace
from auditor.engine.rounds import Decide
from auditor.labels.answers import Answers
from auditor.plan.plan import AuditPlan
from auditor.scores.sequential_test import EarlyRule, Side, decide_side
from auditor.verdict.combine import outcome_fixed, searched_for_success
from auditor.verdict.evidence import assess, score_planes
from auditor.verdict.profile import Profile
from auditor.verdict.scope import LOSSLESS
from auditor.verdict.verdict import MAX_ERROR, decide

EARLY_ERROR = 0.01
"""Probability that planes which ended early name the wrong side of the threshold, on top of the
profile's own error rates."""


@dataclass(frozen=True)
class StopRules:
    """Rules that may end the parts of one audit early.

    Attributes:
        classes: true class of every sample.
        names: the model's label space, which may grow with its answers.
        spec: the model's input.
        profile: references to judge by, or None.
        planes: from the labels after a round of planes, True if more planes could no longer
            change the verdict (:func:`decided_early`); None if they always could.
    """

    classes: NDArray[np.int64]
    names: LabelSpace
    spec: InputSpec
    profile: Profile | None
    planes: Decide | None

    def suspected(self, answers: Answers) -> bool:
        """True if the model is suspected and no answer so far speaks against a verdict."""
        found = assess(answers, self.classes, self.names, self.spec, self.profile)
        evidence = replace(found.evidence, problem=found.consistency.problem)
        return decide(evidence, None).name == "backdoor-suspected"

    def perturbations(self, answers: Answers) -> Decide:
        """Rule for the labels after each round of perturbed samples: True if the rest of them
        could no longer change the outcome of the decision rule.
        """
        found = searched_for_success(answers)
        plan, profile, classes, size = answers.plan, self.profile, self.classes, self.names.size
        return lambda labels: outcome_fixed(plan, labels, profile, found, classes, size)


def decided_early(
    plan: AuditPlan,
    classes: NDArray[np.int64],
    size: int | None,
    profile: Profile | None,
    coding: str = LOSSLESS,
) -> Decide | None:
    """Rule for the labels after a round of planes: True if more of them could no longer change the
    verdict.

    None if planes never end early: with the paper's sampler, which reproduces the paper, and
    without a profile of the same ``coding`` (:func:`auditor.verdict.scope.image_coding`) whose
    error rates let the plane scores decide on both sides. ``size`` is the number of the model's
    classes, or None if unknown.
    """
    if plan.settings.sampler != "frugal" or profile is None or profile.coding != coding:
        return None
    if not _decides(profile):
        return None
    score, threshold = profile.decides_by, profile.thresholds[profile.decides_by].value
    block = len(np.unique(classes)) // 3

    def decided(labels: list[NDArray[np.uint16]]) -> bool:
        answers = Answers.of_labels(plan, labels)
        count = answers.class_count(size, classes)
        scores = score_planes(answers, classes, count)
        top = math.log2(count) if score == "re" else 1.0
        values = [float(getattr(scores[number], score)) for number in sorted(scores)]
        return side_of(values, block, EarlyRule(threshold, 0.0, top, EARLY_ERROR)) is not None

    return decided


def side_of(values: Sequence[float], block: int, rule: EarlyRule) -> Side | None:
    """Side of the threshold that the mean of ``values``, a score per plane in the plan's order,
    lies on; None while that is open.

    ``block`` is the number of planes in which every class takes its turn once. Means of blocks are
    independent, single planes of one block are not.
    """
    whole = len(values) // block * block
    means = np.asarray(values[:whole], dtype=np.float64).reshape(-1, block).mean(axis=1)
    return decide_side(means.tolist(), rule)


def _decides(profile: Profile) -> bool:
    """True if the profile's error rates support a verdict on either side."""
    rates = [profile.error_rates.get(side) for side in ("false_positive", "false_negative")]
    return profile.status == "calibrated" and all(
        rate is not None and rate.high < MAX_ERROR for rate in rates
    )
