"""The decision rule's evidence, combined from trigger search and perturbations. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec, LabelSpace
from auditor.engine.store import NOT_ASKED
from auditor.labels.answers import Answers, LabelArray
from auditor.labels.reasons import Reason
from auditor.measured import ErrorRates, decision_rates, decision_rule
from auditor.plan.plan import AuditPlan
from auditor.probes.perturbations.probe import (
    PerturbationCounts,
    PerturbationProbe,
    count_perturbation,
)
from auditor.probes.trigger_search.by_source import SEVERAL
from auditor.probes.trigger_search.judge import OPEN_LEVEL
from auditor.probes.trigger_search.result import TriggerResult
from auditor.probes.trigger_search.search import KEYS
from auditor.scores.intervals import binomial_rate
from auditor.verdict.curtailment import expected_counts, rest_changes_nothing
from auditor.verdict.excess import LEAST_REFERENCES, Excess, measure_excess
from auditor.verdict.label_scope import small_errors
from auditor.verdict.natural_labels import UNKNOWN, NaturalLabels, find_natural_labels
from auditor.verdict.profile import Profile, Reference
from auditor.verdict.rule import Decision, decide_value
from auditor.verdict.scope import KnownOnlyFor, known_only_for
from auditor.verdict.trigger_weight import LabelTrigger, by_label
from auditor.verdict.verdict import MAX_ERROR, DecisionEvidence

_CURTAILMENT_STREAM = 7
REFERENCES_WANTED = 8
"""Clean references that a report without any asks for."""


@dataclass(frozen=True)
class Combined:
    """The decision over trigger search and perturbations, and the counts behind it.

    Attributes:
        decision: value, p-value and labels.
        evidence: its part of the verdict's evidence.
        counts: per perturbation; empty if none were asked.
        measured: errors of such decisions.
    """

    decision: Decision
    evidence: DecisionEvidence
    counts: tuple[PerturbationCounts, ...]
    measured: ErrorRates


def combine(
    answers: Answers,
    classes: NDArray[np.int64],
    profile: Profile | None,
    names: LabelSpace,
    spec: InputSpec,
) -> Combined | None:
    """Combine trigger search and perturbations; None if neither was asked to its end, or if the
    outcome of a search label by label stands alone.

    ``classes`` are the true classes of all samples.
    """
    plan, perturbed = answers.plan, answers.perturbed
    counts = perturbation_counts(plan, perturbed, names.size)
    result = None if answers.trigger is None else answers.trigger.result
    apart = result is None or result.by_label is not None or plan.by_label_only
    if apart and not counts:
        return None
    found = searched_for_success(answers)
    references = [] if profile is None else profile.counted_references
    excess = _excess(counts, references, _accuracy(plan, perturbed, classes))
    natural_labels = _natural_labels(profile)
    if excess is None:
        # Without perturbations the null for unusual labels does not apply; patches that clean
        # references show are natural all the same.
        natural_labels = replace(natural_labels, labels=None)
    triggers, comparisons = _triggers(found, natural_labels)
    chosen = decision_rule()
    null = None if excess is None else chosen.null
    alone = excess is None
    measured = small_errors(plan, spec) if alone else decision_rates().with_references
    decision = decide_value(triggers, excess, chosen.rule, null, comparisons)
    only = known_only_for(spec, len(np.unique(classes)))
    return Combined(decision, _evidence(decision, measured, names, only), counts, measured)


def searched_for_success(answers: Answers) -> TriggerResult | None:
    """The outcome of the search for the most successful change; None without one, as there is of
    larger pictures, whatever a search class by class finds there.
    """
    if answers.trigger is None or answers.plan.by_label_only:
        return None
    return answers.trigger.result.of_success


def outcome_fixed(
    plan: AuditPlan,
    labels: Sequence[LabelArray],
    profile: Profile | None,
    found: TriggerResult | None,
    classes: NDArray[np.int64],
    size: int | None,
) -> bool:
    """True if more perturbed samples could no longer change the outcome of the decision rule.

    ``labels`` are those of ``plan.perturbations`` so far, 65535 if not known; the samples' are
    known. ``size`` is the number of the model's classes, or None if unknown. Without enough clean
    references in the profile no answer decides anything, and nothing ends early.
    """
    rule, null = decision_rule().rule, decision_rule().null
    references = [] if profile is None else profile.counted_references
    complete = [r.counts for r in references if all(key in r.counts for key in rule.keys)]
    if len(complete) < LEAST_REFERENCES:
        return False
    accuracy = _accuracy(plan, labels, classes)
    triggers, comparisons = _triggers(found, _natural_labels(profile))

    def suspicious(counts: Mapping[str, PerturbationCounts]) -> bool:
        excess = _excess(tuple(counts.values()), references, accuracy)
        return decide_value(triggers, excess, rule, null, comparisons).suspicious

    partial, whole = _counts(plan, labels, size)
    answered = sum(one.inputs for one in partial)
    rng = np.random.default_rng([plan.settings.seed, _CURTAILMENT_STREAM, answered])
    return rest_changes_nothing(partial, whole, complete, suspicious, rng)


# ---- counts ------------------------------------------------------------------------------------


def perturbation_counts(
    plan: AuditPlan, labels: Sequence[LabelArray], size: int | None
) -> tuple[PerturbationCounts, ...]:
    """Counts of every perturbation that ``plan`` asks; empty without answers. If one ended early,
    the counts that all its inputs are expected to give. For the arguments see
    :func:`outcome_fixed`.
    """
    partial, whole = _counts(plan, labels, size)
    return tuple(expected_counts(one, *whole[one.key]) for one in partial)


def _counts(
    plan: AuditPlan, labels: Sequence[LabelArray], size: int | None
) -> tuple[list[PerturbationCounts], dict[str, tuple[tuple[int, ...], int]]]:
    """Counts of the answers so far, and by key ``asked`` and the number of inputs of the full
    counts, which the samples' own labels tell.
    """
    if not labels:
        return [], {}
    every = np.concatenate(labels)
    classes = max(1 + int(every[every != NOT_ASKED].max(initial=0)), size or 0)
    partial, whole = [], {}
    for probe, answers in zip(plan.perturbations, labels, strict=True):
        if isinstance(probe, PerturbationProbe):
            known = answers != NOT_ASKED
            partial.append(count_perturbation(probe, answers, labels[0], classes, known))
            full = count_perturbation(probe, np.zeros_like(answers), labels[0], classes)
            whole[full.key] = (full.asked, full.inputs)
    return partial, whole


def _accuracy(
    plan: AuditPlan, labels: Sequence[LabelArray], classes: NDArray[np.int64]
) -> float | None:
    """Share of the perturbed samples that carry their true class unperturbed."""
    return float((labels[0] == classes[plan.perturbed]).mean()) if labels else None


def _triggers(
    found: TriggerResult | None, natural_labels: NaturalLabels
) -> tuple[Mapping[int, LabelTrigger], int]:
    """The strongest trigger per label, and the number of comparisons to correct for."""
    if found is None:
        return {}, len(KEYS)
    # Several pairs of one patch have no single target to add anything to.
    single = [one for one in found.findings if one.key != SEVERAL]
    several = len(single) < len(found.findings)
    return by_label(single, natural_labels), len(KEYS) if several else found.comparisons


def _natural_labels(profile: Profile | None) -> NaturalLabels:
    """Labels that the profile's clean references fall into."""
    if profile is None:
        return UNKNOWN
    rule = decision_rule().rule
    counts = [one.counts for one in profile.counted_references]
    labels = find_natural_labels(counts, rule.keys) if rule.apart else None
    return NaturalLabels(labels, profile.natural_patches)


def _excess(
    counts: Sequence[PerturbationCounts], references: Sequence[Reference], accuracy: float | None
) -> Excess | None:
    if not counts:
        return None
    rule = decision_rule().rule
    return measure_excess(
        {one.key: one for one in counts},
        [reference.counts for reference in references],
        accuracy,
        [reference.accuracy for reference in references],
        rule.keys,
        rule.widening,
    )


# ---- the part of the evidence --------------------------------------------------------------------


def _evidence(
    decision: Decision,
    measured: ErrorRates,
    names: LabelSpace,
    only: KnownOnlyFor | None,
) -> DecisionEvidence:
    """The verdict's part of a decision, every claim held to its measured rate of error."""
    alarms = binomial_rate(measured.false_alarms, measured.clean)
    suspicious = decision.suspicious and only is None and alarms.high < MAX_ERROR
    target = decision.labels[0].label if decision.labels else None
    reason = _reason(decision, measured, names, only)
    unusual = decision.references > 0 and decision.p <= OPEN_LEVEL
    return DecisionEvidence(suspicious, reason, target if suspicious else None, unusual)


def _reason(
    decision: Decision, measured: ErrorRates, names: LabelSpace, only: KnownOnlyFor | None
) -> Reason:
    if only is not None:
        return Reason("decision-out-of-scope", {"value": decision.value, "only": only})
    values = {"decision": decision, "measured": measured}
    if not decision.suspicious:
        return Reason("decision-ordinary", values)
    name = names.name(decision.labels[0].label)
    return Reason("decision-suspicious", {**values, "name": name})
