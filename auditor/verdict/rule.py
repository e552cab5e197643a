"""The decision rule: trigger search and perturbations, label by label, against clean models.

For each label the weight of the strongest trigger found for it is added to the perturbations'
excess for it, if that is positive. The largest sum is the decision value; its label is the
suspected target. How large the value of a clean model gets beside references was measured on clean
models of other recipes (data set, architecture, training) than their references', and the p-value
is the chance that the next clean model shows at least as much. Without references the value is the
strongest trigger's weight, and the p-value is the trigger search's own, corrected for all
comparisons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from auditor.measured import Rule, ValueNull
from auditor.probes.trigger_search.judge import tail
from auditor.probes.trigger_search.search import KEYS
from auditor.verdict.excess import Excess
from auditor.verdict.trigger_weight import LabelTrigger

LEVEL = 0.02
"""A value whose p-value is at most this is called suspicious: the stated false-positive rate."""
LEAST_P = 0.001
"""Smaller p-values are given as this: some eighty clean models cannot show what is rarer, and
clean models of an unseen architecture once had values far beyond all those known then."""
SHOWN = 3
"""Labels a decision keeps, the most suspicious first."""
MAIN_PART = 0.5
"""Share of a label's value from which one kind of probe is named as its source."""


@dataclass(frozen=True, slots=True)
class LabelEvidence:
    """Evidence against one label.

    Attributes:
        label: the label.
        value: ``trigger`` plus ``perturbations``.
        trigger: weight of the strongest trigger found for it, 0 without one.
        trigger_key: of the search that found it, or empty.
        perturbations: the part of the perturbations, at least 0.
        excess: excess per perturbation in standard deviations; empty without references.
        unusual_label: True if that trigger has the weight of one for an unusual label.
    """

    label: int
    value: float
    trigger: float
    trigger_key: str
    perturbations: float
    excess: Mapping[str, float]
    unusual_label: bool = False

    @property
    def said_by(self) -> tuple[str, ...]:
        """Kinds of probe that make up most of the value, as reports name them."""
        parts = {"trigger search": self.trigger, "families": self.perturbations}
        least = MAIN_PART * self.value
        return tuple(name for name, part in parts.items() if part and part >= least)


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision value and its grounds.

    Attributes:
        value: higher is more suspicious; at least 0.
        p: chance that the next clean model shows at least as much.
        level: p-value up to which a value is suspicious.
        suspicious: True if ``p`` is at most ``level``.
        labels: evidence for the most suspicious labels, strongest first; empty without any.
        references: clean references that the perturbations were compared with; 0 without any.
        shift: difference of the model from the references (:class:`Excess`), or None.
    """

    value: float
    p: float
    level: float
    suspicious: bool
    labels: tuple[LabelEvidence, ...]
    references: int
    shift: float | None


def p_of(value: float, null: ValueNull | None, comparisons: int = len(KEYS)) -> float:
    """Chance of at least ``value`` on the next clean model, at least :data:`LEAST_P`.

    Args:
        value: the decision value.
        null: values of clean models, whose searches made ``len(KEYS)`` comparisons: the chance is
            Student's t predictive. If None, it is the p-value that ``value`` stands for.
        comparisons: made by this search; beyond those of the null the chance grows in proportion.
    """
    if null is None:
        return float(min(1.0, max(LEAST_P, comparisons * 10.0 ** -min(value, 300.0))))
    return min(1.0, max(LEAST_P, tail(value - null.mean, null) * comparisons / len(KEYS)))


def combine_by_label(
    triggers: Mapping[int, LabelTrigger], excess: Excess | None, rule: Rule
) -> list[LabelEvidence]:
    """Evidence for every label that has any, strongest first."""
    labels = set(triggers)
    if excess is not None:
        labels |= set(range(len(excess.by_label)))
    found = [_evidence(label, triggers.get(label), excess, rule) for label in sorted(labels)]
    return sorted((one for one in found if one.value > 0), key=lambda one: -one.value)


def _evidence(
    label: int, trigger: LabelTrigger | None, excess: Excess | None, rule: Rule
) -> LabelEvidence:
    added, single = 0.0, {}
    # A model may name labels that no perturbation ever showed.
    if excess is not None and label < len(excess.by_label):
        added = rule.weight * max(0.0, float(excess.by_label[label]))
        single = {key: float(values[label]) for key, values in excess.by_perturbation.items()}
    one = trigger or LabelTrigger(label, 0.0, "")
    return LabelEvidence(
        label, one.weight + added, one.weight, one.key, added, single, one.unusual_label
    )


def decide_value(
    triggers: Mapping[int, LabelTrigger],
    excess: Excess | None,
    rule: Rule,
    null: ValueNull | None,
    comparisons: int = len(KEYS),
) -> Decision:
    """Judge one model by the strongest trigger per label and the excess of its perturbations.

    ``null`` holds clean models' values beside references if ``excess`` is given, else it is None;
    for ``comparisons`` see :func:`p_of`.
    """
    found = combine_by_label(triggers, excess, rule)
    value = found[0].value if found else 0.0
    p = p_of(value, null, comparisons)
    references = 0 if excess is None else excess.references
    shift = _shift_at(excess, found)
    return Decision(value, p, LEVEL, p <= LEVEL, tuple(found[:SHOWN]), references, shift)


def _shift_at(excess: Excess | None, found: Sequence[LabelEvidence]) -> float | None:
    """Shift of the model from the references at its strongest label."""
    if excess is None:
        return None
    label = found[0].label if found else 0
    known = label < len(excess.shift)
    return float(excess.shift[label] if known else excess.shift.mean())
