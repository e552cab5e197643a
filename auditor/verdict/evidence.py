"""Evidence for the verdict, computed from the labels. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec, LabelSpace
from auditor.engine.store import NOT_ASKED
from auditor.labels.answers import Answers, LabelArray
from auditor.labels.consistency import Consistency, check_consistency
from auditor.labels.reasons import Reason, ReasonCode
from auditor.measured import ErrorRates, by_source_rates, of_earlier_search, trigger_error_rates
from auditor.plan.adaptive import TriggerOutcome
from auditor.plan.digest import searched_before
from auditor.plan.draw import PLANE_CLASSES
from auditor.plan.plan import AuditPlan
from auditor.probes.plane import PlaneProbe
from auditor.probes.second_search import weakest
from auditor.probes.trigger_search.by_source import SEVERAL
from auditor.probes.trigger_search.judge import SOME_CLASSES, accusing, natural
from auditor.probes.trigger_search.per_source import PAIR, PAIRS
from auditor.probes.trigger_search.result import TriggerFinding, TriggerResult
from auditor.scores.intervals import Estimate, mean_over_planes
from auditor.scores.planes import PlaneScore, score_plane, score_points
from auditor.verdict.changes import change_values
from auditor.verdict.clearing import search_need
from auditor.verdict.combine import Combined, combine
from auditor.verdict.label_evidence import label_evidence
from auditor.verdict.label_scope import accuses_by_class, small_errors
from auditor.verdict.natural_labels import NaturalLabels
from auditor.verdict.profile import Profile
from auditor.verdict.scope import image_coding, known_only_for
from auditor.verdict.verdict import Evidence, TriggerEvidence

NATURAL = frozenset(
    {"trigger-some", "trigger-habit", "trigger-large", "trigger-spot", "trigger-unconfirmed"}
)
"""Codes of reasons why a change that would accuse does not: clean models show such ones too, and
they may hide another."""


@dataclass(frozen=True)
class Assessment:
    """The evidence of one audit and the numbers that it was gathered from.

    Attributes:
        evidence: grounds of the verdict.
        scores: scores of every complete plane, by plane number.
        class_count: length of the share vectors.
        consistency: agreement of the answers with each other.
        combined: the decision rule's part, or None without one.
    """

    evidence: Evidence
    scores: Mapping[int, PlaneScore]
    class_count: int
    consistency: Consistency
    combined: Combined | None


def assess(
    answers: Answers,
    classes: NDArray[np.int64],
    names: LabelSpace,
    spec: InputSpec,
    profile: Profile | None,
) -> Assessment:
    """Gather the evidence from the labels so far and the true ``classes`` of all samples: the one
    place that does, for the verdict and for early stopping.
    """
    count = answers.class_count(names.size, classes)
    scores = score_planes(answers, classes, count)
    consistency = check_consistency(
        answers.repeats(), answers.counts, answers.run.server_identity, open_labels=names.open
    )
    own = len(np.unique(classes))
    with of_earlier_search(**searched_before(answers.plan.version)):
        errors = small_errors(answers.plan, spec)
        trigger = trigger_evidence(answers.trigger, names, spec, profile, own, errors)
        combined = combine(answers, classes, profile, names, spec)
    evidence = Evidence(
        scores=estimates(scores),
        problem=_problem(answers, consistency, len(scores)),
        accuracy=answers.accuracy(classes),
        repeats=answers.flip_rate(),
        distinct_labels=answers.distinct,
        trigger=trigger,
        decision=None if combined is None else combined.evidence,
        coding=image_coding(spec.coding),
        two_classes=own < PLANE_CLASSES,
    )
    return Assessment(evidence, scores, count, consistency, combined)


def score_planes(answers: Answers, classes: NDArray[np.int64], count: int) -> dict[int, PlaneScore]:
    """Scores of every plane whose labels are complete, by plane number."""
    plan = answers.plan
    return {
        number: _score(plan, number, labels, classes[plan.triplets[number]].tolist(), count)
        for number, labels in enumerate(answers.planes)
        if not (labels == NOT_ASKED).any()
    }


def _score(
    plan: AuditPlan, number: int, labels: LabelArray, classes: list[int], count: int
) -> PlaneScore:
    settings, probe = plan.settings, plan.planes[number]
    numbers = (count, settings.alpha, settings.ats_threshold)
    if isinstance(probe, PlaneProbe):
        return score_plane(labels, probe.nodes(), classes, *numbers)
    return score_points(labels, classes, *numbers)


def estimates(scores: Mapping[int, PlaneScore]) -> dict[str, Estimate]:
    """Mean over planes of RE, ATS and ATS by label; empty if no plane is complete."""
    if not scores:
        return {}
    columns = {
        "re": [plane.re for plane in scores.values()],
        "ats": [plane.ats for plane in scores.values() if plane.ats is not None],
        "ats_by_label": [plane.ats_by_label for plane in scores.values()],
    }
    return {name: mean_over_planes(values) for name, values in columns.items() if values}


def mean_shares(scores: Mapping[int, PlaneScore]) -> NDArray[np.float64] | None:
    """Mean share of each label over the complete planes."""
    return np.mean([plane.shares for plane in scores.values()], axis=0) if scores else None


# ---- the trigger search's part -----------------------------------------------------------------


def trigger_evidence(
    outcome: TriggerOutcome | None,
    names: LabelSpace,
    spec: InputSpec,
    profile: Profile | None,
    classes: int,
    errors: ErrorRates | None = None,
) -> TriggerEvidence | None:
    """The trigger search's part of the evidence, on samples of so many ``classes``; None if no
    search was finished. ``errors`` are those of small pictures at the effort of its plan.
    """
    if outcome is None:
        return None
    result = outcome.result
    if result.by_label is not None:
        return label_evidence(result, result.by_label, names, spec)
    if result.best is not None and result.best.key == SEVERAL:
        return _of_several(result, names, spec)
    return _of_success(result, names, spec, profile, classes, errors)


def _of_success(
    result: TriggerResult,
    names: LabelSpace,
    spec: InputSpec,
    profile: Profile | None,
    classes: int,
    errors: ErrorRates | None,
) -> TriggerEvidence:
    """The evidence of a search for the most successful change."""
    best, only = result.best, known_only_for(spec, classes)
    if best is None:
        return TriggerEvidence(False, Reason("trigger-none"), None)
    suspicious = result.suspicious and only is None
    change = change_values(best, names)
    known = NaturalLabels(patches=frozenset() if profile is None else profile.natural_patches)
    if suspicious and profile is not None and known.natural_patch(best.key, best.target):
        reason = Reason("trigger-natural", {**change, "profile": profile.name})
        return TriggerEvidence(False, reason, best.target, natural=True)
    if only is not None:
        reason = Reason("trigger-out-of-scope", {**change, "only": only})
    else:
        errors = errors or trigger_error_rates()
        reason = _trigger_reason(result, best, {**change, "errors": errors})
    if reason.code != "trigger-ordinary":
        return TriggerEvidence(suspicious, reason, best.target, natural=reason.code in NATURAL)
    samples = result.search_images + result.validation_images
    need = search_need(result.p, result.comparisons, spec.coding, classes, samples)
    if need is None:
        reason = Reason("trigger-nothing", reason.values)
    return TriggerEvidence(suspicious, reason, best.target, clears=need is None)


def _of_several(result: TriggerResult, names: LabelSpace, spec: InputSpec) -> TriggerEvidence:
    """Several pairs that one patch moves: a plan judges them only where such models were searched
    class by class.
    """
    assert result.best is not None
    rates, accuses = by_source_rates(spec.shape), result.suspicious and accuses_by_class(spec.shape)
    values = {
        **change_values(result.best, names),
        "pairs": tuple(_pair(one) for one in result.findings if one.key == SEVERAL),
        "p": result.p,
        "comparisons": result.comparisons,
        "accused": rates.accused,
        "clean": rates.clean,
        "sides": rates.sides,
        "accuses": accuses,
    }
    return TriggerEvidence(accuses, Reason("trigger-several", values), None)


def _trigger_reason(
    result: TriggerResult, best: TriggerFinding, change: Mapping[str, Any]
) -> Reason:
    values = {**change, "p": result.p, "comparisons": result.comparisons}
    if not result.suspicious:
        doubt = _doubt(result, best)
        if doubt is not None:
            return Reason(doubt, {**values, "strong": weakest(result) is not None})
        # A success that clean models show decides nothing, however small its p-value.
        shown = result.p is not None and not natural(best.key, best.success)
        return Reason("trigger-ordinary", {**values, "p": result.p if shown else None})
    if best.key == PAIRS:
        first = next(one for one in result.findings if one.key == PAIR)
        return Reason("trigger-pairs", {**values, "pairs": (_pair(first), _pair(best))})
    return Reason("trigger-found", values)


def _doubt(result: TriggerResult, best: TriggerFinding) -> ReasonCode | None:
    """Why a finding that would accuse does not; None if it would not."""
    some = best.key == SOME_CLASSES and accusing(best.key, best.success, result.p, 1)
    doubts: dict[ReasonCode, bool] = {
        "trigger-habit": best.habit,
        "trigger-spot": best.spot,
        "trigger-some": some,
        "trigger-large": best.large,
        "trigger-unconfirmed": best.unconfirmed,
    }
    return next((code for code, holds in doubts.items() if holds), None)


def _pair(found: TriggerFinding) -> dict[str, Any]:
    return {
        "hits": found.success.hits,
        "samples": found.success.images,
        "source": next(iter(found.by_source), None),
        "label": found.target,
    }


# ---- reasons against any verdict ----------------------------------------------------------------


def _problem(answers: Answers, consistency: Consistency, planes: int) -> Reason | None:
    """The first reason against a verdict: another server ends a run, so it is the cause."""
    found = [one.reason for one in consistency.found]
    other_server = next((reason for reason in found if reason.code == "sender"), None)
    return other_server or incomplete(answers, planes) or consistency.problem


def incomplete(answers: Answers, planes: int) -> Reason | None:
    """The reason if not everything was answered that had to be, with the number of complete
    ``planes``; None if it was.
    """
    plan, run = answers.plan, answers.run
    asked = {
        "repeats": not len(answers.missing_extra_repeats()),
        "perturbations": bool(not plan.perturbations or answers.perturbed or answers.stopped_early),
        "trigger-search": not len(plan.search_samples) or answers.trigger is not None,
    }
    # In the order they were asked in.
    early = ("trigger-search", "perturbations", "repeats")
    order = early if plan.settings.stop_early else ("repeats", "perturbations", "trigger-search")
    missing = next((name for name in order if not asked[name]), None)
    if run.complete and missing is None:
        return None
    part = missing if run.complete else "planes"
    values = {"missing": part, "planes": planes, "of": len(plan.planes)}
    return Reason("budget-reached" if run.budget_reached else "interrupted", values)
