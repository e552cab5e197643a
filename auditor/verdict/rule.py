"""The decision rule: trigger search and families, label by label, and what clean models show.

For each label the weight of the strongest trigger found for it is added to the families' excess
for it, where that is positive. The largest sum is the decision value; its label is the suspected
target. How large the value of a clean model gets beside references was measured on clean models
of other recipes (data set, architecture, training) than their references', and the p-value is
the chance that the next clean model shows at least as much. Without references the value is the
strongest trigger's weight, and the p-value is the trigger search's own, every look paid for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import t as student

from auditor.measured import Rule, ValueNull
from auditor.probes.trigger_search.search import KEYS
from auditor.verdict.excess import Excess
from auditor.verdict.trigger_weight import LabelTrigger

LEVEL = 0.02
"""A value whose p-value is at most this is called suspicious: the stated false-positive rate."""
LEAST_P = 0.001
"""Smaller p-values are given as this: some eighty clean models cannot show what is rarer, and
honest models of an unseen architecture once had values far beyond all those known then."""
SHOWN = 3
"""Labels a decision keeps, the most suspicious first."""
SAYS = 0.5
"""Share of a label's value from which one kind of probe counts as having said so."""


@dataclass(frozen=True, slots=True)
class LabelEvidence:
    """What speaks against one label.

    Attributes:
        label: the label.
        value: ``trigger`` plus ``families``.
        trigger: weight of the strongest trigger found for it, 0 without one.
        trigger_key: which search found that, or empty.
        families: what the families add, at least 0.
        excess: excess per family in standard deviations; empty without references.
        apart: whether that trigger was weighed as one for a label that is no habit of the clean
            references.
    """

    label: int
    value: float
    trigger: float
    trigger_key: str
    families: float
    excess: Mapping[str, float]
    apart: bool = False

    @property
    def said_by(self) -> tuple[str, ...]:
        """Which kinds of probe make up most of the value."""
        parts = {"trigger search": self.trigger, "families": self.families}
        return tuple(name for name, part in parts.items() if part and part >= SAYS * self.value)


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision value and what it rests on.

    Attributes:
        value: higher is more suspicious; at least 0.
        p: chance that the next clean model shows at least as much.
        level: p-value from which a value counts as suspicious.
        suspicious: whether ``p`` is at most ``level``.
        labels: evidence for the most suspicious labels, strongest first; empty without any.
        references: clean references that the families were compared with; 0 where they did
            not count.
        shift: how unlike the references the model is (see ``excess``), or None.
    """

    value: float
    p: float
    level: float
    suspicious: bool
    labels: tuple[LabelEvidence, ...]
    references: int
    shift: float | None

    @property
    def targets(self) -> tuple[int, ...]:
        """The suspected target: the strongest label, where it is suspicious."""
        return (self.labels[0].label,) if self.suspicious and self.labels else ()


def p_of(value: float, null: ValueNull | None, looks: int = len(KEYS)) -> float:
    """Chance of at least ``value`` on the next clean model: Student t predictive from ``null``;
    without one, the one-look p-value that ``value`` stands for, times the looks. At least
    :data:`LEAST_P`.

    Args:
        value: the decision value.
        null: values of clean models, whose searches took ``len(KEYS)`` looks.
        looks: looks this search took; more of them than those of the null are paid for in
            proportion.
    """
    if null is None:
        return float(min(1.0, max(LEAST_P, looks * 10.0 ** -min(value, 300.0))))
    spread = null.spread * (1.0 + 1.0 / null.models) ** 0.5
    chance = float(student.sf((value - null.mean) / spread, null.models - 1))
    return min(1.0, max(LEAST_P, chance * looks / len(KEYS)))


def weigh(
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
    # A model may name labels that no family ever showed.
    known = excess is not None and label < len(excess.by_label)
    families, single = 0.0, {}
    if known:
        assert excess is not None
        families = rule.weight * max(0.0, float(excess.by_label[label]))
        single = {key: float(values[label]) for key, values in excess.by_family.items()}
    found = trigger or LabelTrigger(label, 0.0, "")
    return LabelEvidence(
        label, found.weight + families, found.weight, found.key, families, single, found.apart
    )


def decide_value(
    triggers: Mapping[int, LabelTrigger],
    excess: Excess | None,
    rule: Rule,
    null: ValueNull | None,
    level: float = LEVEL,
    looks: int = len(KEYS),
) -> Decision:
    """Judge one model.

    Args:
        triggers: the strongest trigger per label.
        excess: the families beside clean references, or None.
        rule: what was chosen on the development models.
        null: clean models' values beside references where ``excess`` is given, else None.
        level: see :data:`LEVEL`.
        looks: see :func:`p_of`.
    """
    found = weigh(triggers, excess, rule)
    value = found[0].value if found else 0.0
    p = p_of(value, null, looks)
    return Decision(
        value,
        p,
        level,
        p <= level,
        tuple(found[:SHOWN]),
        0 if excess is None else excess.references,
        _shift_at(excess, found),
    )


def _shift_at(excess: Excess | None, found: Sequence[LabelEvidence]) -> float | None:
    """How unlike the references the model is, seen from its strongest label."""
    if excess is None:
        return None
    label = found[0].label if found else 0
    known = label < len(excess.shift)
    return float(excess.shift[label] if known else excess.shift.mean())
