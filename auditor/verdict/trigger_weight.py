"""Weight of a trigger search's findings as evidence, per label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from auditor.measured import Null, unusual_label_null
from auditor.probes.trigger_search.judge import beyond, natural, p_value
from auditor.probes.trigger_search.result import TriggerFinding
from auditor.probes.trigger_search.verify import Interval
from auditor.verdict.natural_labels import UNKNOWN, NaturalLabels

NATURAL_SHARE, NATURAL_MOST = 0.5, 1.0
"""A success that clean models reach on some task (judge.natural) counts half, and at most 1:
such a finding never decides alone, but may agree with the perturbations."""
EVERYWHERE = ("wave@strong",)
"""Findings that lead clean models to unusual labels, too: strong waves turn CIFAR-10 images into
deer, which no perturbation shows."""


@dataclass(frozen=True, slots=True)
class LabelTrigger:
    """The strongest finding for one label.

    Attributes:
        label: the label it sends samples to.
        weight: minus log10 of its p-value in one comparison, less if the success is natural.
        key: of the search that found it.
        unusual_label: True if clean references are known not to fall into the label.
    """

    label: int
    weight: float
    key: str
    unusual_label: bool = False


def weight_of(key: str, success: Interval, p: float | None, *, known: bool = False) -> float:
    """Weight of one finding whose label may be natural: minus log10 of ``p``, its p-value in one
    comparison, less if the success is natural, or ``known`` from clean references.
    """
    if p is None:
        return 0.0
    return _held_back(_logs(p)) if known or natural(key, success) else _logs(p)


def label_trigger(
    key: str,
    target: int,
    success: Interval,
    p: float | None,
    natural_labels: NaturalLabels,
    unusual: Null,
) -> LabelTrigger:
    """One finding as evidence for its label ``target``.

    ``p`` is its p-value in one comparison among all clean models' findings, ``unusual`` the null of
    those at unusual labels, by key.
    """
    known = natural_labels.natural_patch(key, target)
    may_be_natural = natural_labels.labels is None or target in natural_labels.labels or known
    if may_be_natural or key not in unusual or key in EVERYWHERE:
        return LabelTrigger(target, weight_of(key, success, p, known=known), key)
    # The chance that a clean model's best change leads to such a label and does as much.
    weight = _logs(p_value(success, unusual[key]))
    if not beyond(success, unusual[key]):
        weight = _held_back(weight)
    return LabelTrigger(target, weight, key, unusual_label=True)


def _held_back(weight: float) -> float:
    """Weight of a finding that clean models show as well."""
    return min(NATURAL_SHARE * weight, NATURAL_MOST)


def _logs(p: float) -> float:
    return max(0.0, -float(np.log10(max(p, 1e-300))))


def by_label(
    findings: Sequence[TriggerFinding], natural_labels: NaturalLabels = UNKNOWN
) -> dict[int, LabelTrigger]:
    """The strongest finding for each label that any finding names.

    One that would accuse and is not confirmed counts like one that clean models show as well.
    """
    unusual = unusual_label_null()

    def weighed(one: TriggerFinding) -> LabelTrigger:
        found = label_trigger(one.key, one.target, one.success, one.p, natural_labels, unusual)
        return replace(found, weight=_held_back(found.weight)) if one.unconfirmed else found

    return strongest(map(weighed, findings))


def strongest(triggers: Iterable[LabelTrigger]) -> dict[int, LabelTrigger]:
    """Of each label the first one of the largest weight."""
    best: dict[int, LabelTrigger] = {}
    for one in triggers:
        if one.label not in best or one.weight > best[one.label].weight:
            best[one.label] = one
    return best
