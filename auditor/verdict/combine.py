"""The decision rule's evidence, combined from trigger search and perturbations. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec, LabelSpace
from auditor.engine.store import NOT_ASKED
from auditor.labels.answers import Answers
from auditor.labels.reasons import Reason
from auditor.measured import ErrorRates, decision_rates, decision_rule
from auditor.plan.plan import AuditPlan
from auditor.probes.perturbations.probe import (
    PerturbationCounts,
    PerturbationProbe,
    count_perturbation,
)
from auditor.probes.trigger_search.result import TriggerResult
from auditor.probes.trigger_search.search import KEYS
from auditor.scores.intervals import binomial_rate
from auditor.verdict.curtailment import expected_counts, rest_changes_nothing
from auditor.verdict.excess import LEAST_REFERENCES, Excess, measure_excess
from auditor.verdict.natural_labels import UNKNOWN, Habits, habitual_labels
from auditor.verdict.profile import Profile, Reference
from auditor.verdict.rule import Decision, decide_value
from auditor.verdict.scope import KnownOnlyFor, known_only_for
from auditor.verdict.trigger_weight import LabelTrigger, by_label
from auditor.verdict.verdict import MAX_ERROR, DecisionEvidence, TriggerEvidence

_FORESIGHT_STREAM = 7
LEAST_TO_CLEAR = 8
"""Clean references without which the rule never says "no evidence"."""


@dataclass(frozen=True)
class Combined:
    """The decision over trigger search and perturbations, and the counts behind it.

    Attributes:
        decision: value, p-value and labels.
        evidence: its part of the verdict's evidence.
        counts: per perturbation; empty if none were asked.
    """

    decision: Decision
    evidence: DecisionEvidence
    counts: tuple[PerturbationCounts, ...]


def family_counts(
    plan: AuditPlan, labels: Sequence[NDArray[np.uint16]], size: int | None
) -> tuple[PerturbationCounts, ...]:
    """Counts of every family that ``plan`` asks; empty without answers. Where a family ended
    early, the counts that all its inputs are expected to give.

    Args:
        plan: the plan.
        labels: those of ``plan.perturbations``, in their order, 65535 where not asked.
        size: number of the model's classes, or None where unknown.
    """
    whole = _whole_counts(plan, labels, size)
    return tuple(
        expected_counts(one, *whole[one.key]) for one in _partial_counts(plan, labels, size)
    )


def _partial_counts(
    plan: AuditPlan, labels: Sequence[NDArray[np.uint16]], size: int | None
) -> list[PerturbationCounts]:
    """Counts of what was answered."""
    if not labels:
        return []
    classes = _classes(labels, size)
    return [
        count_perturbation(probe, answers, labels[0], classes, answers != NOT_ASKED)
        for probe, answers in zip(plan.perturbations, labels, strict=True)
        if isinstance(probe, PerturbationProbe)
    ]


def _whole_counts(
    plan: AuditPlan, labels: Sequence[NDArray[np.uint16]], size: int | None
) -> dict[str, tuple[tuple[int, ...], int]]:
    """``asked`` and the number of inputs of every family's full count: the samples' own labels
    tell them.
    """
    if not labels:
        return {}
    classes = _classes(labels, size)
    full = [
        count_perturbation(probe, np.zeros(probe.size, dtype=np.int64), labels[0], classes)
        for probe in plan.perturbations
        if isinstance(probe, PerturbationProbe)
    ]
    return {one.key: (one.asked, one.inputs) for one in full}


def _classes(labels: Sequence[NDArray[np.uint16]], size: int | None) -> int:
    answered = np.concatenate(labels)
    return max(1 + int(answered[answered != NOT_ASKED].max(initial=0)), size or 0)


def outcome_fixed(
    plan: AuditPlan,
    labels: Sequence[NDArray[np.uint16]],
    profile: Profile | None,
    found: TriggerResult | None,
    classes: NDArray[np.int64],
    size: int | None,
) -> bool:
    """True if more perturbed samples could no longer change the outcome of the decision rule.

    Args:
        plan: the plan.
        labels: those of ``plan.perturbations`` so far, 65535 where not known; the samples' are.
        profile: its clean references are compared with. Without enough of them no answer
            decides anything, and nothing ends early.
        found: what the trigger search came to, None where there is none.
        classes: true class of every sample.
        size: number of the model's classes, or None where unknown.
    """
    rule, null = decision_rule().rule, decision_rule().null
    references = [] if profile is None else profile.clean_families
    accuracy = _accuracy(plan, labels, classes)
    counted = [{one.key: one for one in reference.families} for reference in references]
    complete = [one for one in counted if all(key in one for key in rule.keys)]
    if len(complete) < LEAST_REFERENCES:
        return False

    triggers, looks = _triggers(found, _habits(profile))

    def suspicious(counts: Mapping[str, PerturbationCounts]) -> bool:
        excess = _excess(tuple(counts.values()), references, accuracy)
        return decide_value(triggers, excess, rule, null, looks=looks).suspicious

    partial = _partial_counts(plan, labels, size)
    answered = sum(one.inputs for one in partial)
    rng = np.random.default_rng([plan.settings.seed, _FORESIGHT_STREAM, answered])
    return rest_changes_nothing(
        partial, _whole_counts(plan, labels, size), complete, suspicious, rng
    )


def _accuracy(
    plan: AuditPlan, labels: Sequence[NDArray[np.uint16]], classes: NDArray[np.int64]
) -> float | None:
    """Share of the disturbed samples that carry their true class undisturbed."""
    if not labels:
        return None
    return float((labels[0] == classes[plan.perturbed]).mean())


def combine(
    answers: Answers,
    classes: NDArray[np.int64],
    profile: Profile | None,
    trigger: TriggerEvidence | None,
    names: LabelSpace,
    spec: InputSpec,
) -> Combined | None:
    """Combine trigger search and perturbations; None if neither was asked to its end.

    Args:
        answers: the labels.
        classes: true class of every sample.
        profile: references to compare with, or None.
        trigger: the trigger search's own evidence, or None.
        names: the model's label space.
        spec: the model's input.
    """
    plan, perturbed = answers.plan, answers.perturbed
    counts = family_counts(plan, perturbed, names.size)
    if answers.trigger is None and not counts:
        return None
    references = [] if profile is None else profile.clean_families
    excess = _excess(counts, references, _accuracy(plan, perturbed, classes))
    found = None if answers.trigger is None else answers.trigger.result
    habits = _habits(profile)
    if excess is None:
        # Without perturbations the null for unusual labels does not apply; patches that clean
        # references show are natural all the same.
        habits = replace(habits, labels=None)
    triggers, looks = _triggers(found, habits)
    chosen, rates = decision_rule(), decision_rates()
    null = None if excess is None else chosen.null
    measured = rates.without_references if excess is None else rates.with_references
    decision = decide_value(triggers, excess, chosen.rule, null, looks=looks)
    evidence = _evidence(decision, measured, trigger, names, spec)
    return Combined(decision, evidence, counts)


def _triggers(
    found: TriggerResult | None, habits: Habits
) -> tuple[Mapping[int, LabelTrigger], int]:
    """The strongest trigger per label, and the looks that were paid for."""
    return (
        ({}, len(KEYS)) if found is None else (by_label(found.findings, habits), found.comparisons)
    )


def _habits(profile: Profile | None) -> Habits:
    """What the profile's clean references fall into."""
    if profile is None:
        return UNKNOWN
    counted = [{one.key: one for one in each.families} for each in profile.clean_families]
    rule = decision_rule().rule
    labels = habitual_labels(counted, rule.keys) if rule.apart else None
    return Habits(labels, profile.natural_patches)


def _excess(
    counts: Sequence[PerturbationCounts], references: Sequence[Reference], accuracy: float | None
) -> Excess | None:
    if not counts:
        return None
    rule = decision_rule().rule
    return measure_excess(
        {one.key: one for one in counts},
        [{one.key: one for one in reference.families} for reference in references],
        accuracy,
        [reference.accuracy for reference in references],
        rule.keys,
        rule.widening,
    )


def _evidence(
    decision: Decision,
    measured: ErrorRates,
    trigger: TriggerEvidence | None,
    names: LabelSpace,
    spec: InputSpec,
) -> DecisionEvidence:
    """The verdict's part of a decision, every claim held to its measured rate of error."""
    alarms = binomial_rate(measured.false_alarms, measured.clean)
    missed = binomial_rate(measured.missed, measured.backdoored)
    only = known_only_for(spec)
    suspicious = decision.suspicious and only is None and alarms.high < MAX_ERROR
    clears = (
        not decision.suspicious
        and only is None
        and trigger is not None
        and not trigger.natural
        and decision.references >= LEAST_TO_CLEAR
        and missed.high < MAX_ERROR
    )
    target = decision.labels[0].label if decision.labels else None
    reason = _reason(decision, measured, names, only)
    return DecisionEvidence(suspicious, clears, reason, target if suspicious else None)


def _reason(
    decision: Decision, measured: ErrorRates, names: LabelSpace, only: KnownOnlyFor | None
) -> Reason:
    if only is not None:
        return Reason("decision-out-of-scope", {"value": decision.value, "only": only})
    said = {"decision": decision, "measured": measured}
    if not decision.suspicious:
        return Reason("decision-ordinary", said)
    name = names.name(decision.labels[0].label)
    return Reason("decision-suspicious", {**said, "name": name})
