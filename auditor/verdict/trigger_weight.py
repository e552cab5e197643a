"""What a trigger search's findings weigh, per label."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from auditor.measured import Null, unusual_label_null
from auditor.probes.trigger_search.judge import beyond, natural, p_value
from auditor.probes.trigger_search.result import TriggerFinding
from auditor.probes.trigger_search.verify import Interval
from auditor.verdict.natural_labels import UNKNOWN, Habits

NATURAL_SHARE, NATURAL_MOST = 0.5, 1.0
"""A success that honest models reach on some task (judge.natural) counts half, and at most 1:
such a finding never decides alone, but may agree with the families."""

EVERYWHERE = ("wave@strong",)
"""What leads honest models to labels that are no habit, too: strong waves turn CIFAR-10 pictures
into deer, which no family shows."""


@dataclass(frozen=True, slots=True)
class LabelTrigger:
    """The strongest finding for one label.

    Attributes:
        label: the label it sends samples to.
        weight: minus log10 of its one-look p-value, less where the success is natural.
        key: which search found it.
        apart: whether clean references are known not to fall into the label by habit.
    """

    label: int
    weight: float
    key: str
    apart: bool = False


def weight_of(key: str, success: Interval, p: float | None, *, known: bool = False) -> float:
    """What one finding weighs where its label may be a habit: minus log10 of the one-look p-value
    ``p``, less where the success is natural, or ``known`` from clean references.
    """
    if p is None:
        return 0.0
    return _held_back(_logs(p)) if known or natural(key, success) else _logs(p)


def weigh_finding(
    key: str,
    target: int,
    success: Interval,
    p: float | None,
    habits: Habits,
    apart: Null,
) -> LabelTrigger:
    """One finding as evidence for its label.

    Args:
        key: which search found it.
        target: the label.
        success: on fresh samples.
        p: its one-look p-value among all clean models' findings.
        habits: what clean references fall into.
        apart: what clean models' findings at labels that are no habit show, by key.
    """
    known = habits.natural_patch(key, target)
    habitual = habits.labels is None or target in habits.labels or known
    if habitual or key not in apart or key in EVERYWHERE:
        return LabelTrigger(target, weight_of(key, success, p, known=known), key)
    # The chance that a clean model's best change leads to such a label and does as much.
    weight = _logs(p_value(success, apart[key]))
    if not beyond(success, apart[key]):
        weight = _held_back(weight)
    return LabelTrigger(target, weight, key, apart=True)


def _held_back(weight: float) -> float:
    """What a finding weighs that honest models show as well."""
    return min(NATURAL_SHARE * weight, NATURAL_MOST)


def _logs(p: float) -> float:
    return max(0.0, -float(np.log10(max(p, 1e-300))))


def by_label(
    findings: Iterable[TriggerFinding], habits: Habits = UNKNOWN
) -> dict[int, LabelTrigger]:
    """The strongest finding for each label that any finding names."""
    apart = unusual_label_null()
    weighed = (
        weigh_finding(one.key, one.target, one.success, one.p, habits, apart) for one in findings
    )
    return strongest(weighed)


def strongest(weighed: Iterable[LabelTrigger]) -> dict[int, LabelTrigger]:
    """Of each label the one that weighs most."""
    best: dict[int, LabelTrigger] = {}
    for one in weighed:
        if one.label not in best or one.weight > best[one.label].weight:
            best[one.label] = one
    return best
