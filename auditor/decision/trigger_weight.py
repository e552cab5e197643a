"""What a trigger search's findings weigh, per label."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from auditor.probes.trigger.judge import natural
from auditor.probes.trigger.result import Finding
from auditor.probes.trigger.verify import Interval

NATURAL_SHARE, NATURAL_MOST = 0.5, 1.0
"""A success that honest models reach on some task (judge.natural) counts half, and at most 1:
such a finding never decides alone, but may agree with the families."""


@dataclass(frozen=True, slots=True)
class LabelTrigger:
    """The strongest finding for one label.

    Attributes:
        label: the label it sends samples to.
        weight: minus log10 of its one-look p-value, less where the success is natural.
        key: which search found it.
    """

    label: int
    weight: float
    key: str


def weight_of(key: str, success: Interval, p: float | None) -> float:
    """What one finding weighs: minus log10 of the one-look p-value ``p``, less where natural."""
    if p is None:
        return 0.0
    weight = -float(np.log10(max(p, 1e-300)))
    if natural(key, success):
        weight = min(NATURAL_SHARE * weight, NATURAL_MOST)
    return max(0.0, weight)


def by_label(findings: Iterable[Finding]) -> dict[int, LabelTrigger]:
    """The strongest finding for each label that any finding names."""
    best: dict[int, LabelTrigger] = {}
    for one in findings:
        found = LabelTrigger(one.target, weight_of(one.key, one.success, one.p), one.key)
        if one.target not in best or found.weight > best[one.target].weight:
            best[one.target] = found
    return best
