"""The result of an audit, assembled from plan, answers, evidence and verdict.

Pure: given the same plan, labels and profile it gives the same result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec, LabelOracle
from auditor import __version__
from auditor.engine.contract import EngineResult
from auditor.engine.store import NOT_ASKED
from auditor.labels.answers import Answers
from auditor.labels.consistency import TOLERATED, Consistency
from auditor.measured import ErrorRates, by_class_errors
from auditor.plan.adaptive import TriggerOutcome
from auditor.plan.digest import STATED
from auditor.plan.plan import AuditPlan
from auditor.probes.trigger_search.by_source import SEVERAL
from auditor.probes.trigger_search.result import ByLabel, TriggerFinding, TriggerResult
from auditor.probes.trigger_search.verify import Interval
from auditor.report.build_planes import ats_of_label_maps, plane_part
from auditor.report.json_report import SCHEMA_VERSION
from auditor.report.result.result import Result
from auditor.report.wording.limits import limits_of
from auditor.report.wording.reasons import sentence, sentences
from auditor.samples.samples import Samples
from auditor.scores.intervals import Rate, binomial_rate
from auditor.scores.planes import target_label
from auditor.verdict.combine import Combined
from auditor.verdict.evidence import Assessment, incomplete, mean_shares
from auditor.verdict.label_scope import as_ruled, errors_of, rates_for, small_errors
from auditor.verdict.profile import Profile
from auditor.verdict.scope import known_only_for
from auditor.verdict.verdict import Evidence, TriggerEvidence, Verdict

MAX_LISTED = 10_000
"""Requests of unknown outcome that a report lists one by one; it always counts all."""

UNTIMED = {"started": "", "finished": "", "seconds": 0.0, "queries_per_second": None}
"""Times in a result that is never written, such as a reference model's."""


def build_result(
    *,
    oracle: LabelOracle,
    samples: Samples,
    classes: NDArray[np.int64],
    matched_by: str,
    answers: Answers,
    assessment: Assessment,
    verdict: Verdict,
    profile: Profile | None,
    not_asked: Mapping[str, Any] | None,
    timing: Mapping[str, Any],
) -> Result:
    """The content of ``report.json``, in the order in which it is written."""
    plan, spec = answers.plan, oracle.input_spec
    evidence, shares = assessment.evidence, mean_shares(assessment.scores)
    errors = small_errors(plan, spec)
    known = errors if known_only_for(spec, len(np.unique(classes))) is None else None
    content = {
        **_outcome(verdict, _target(shares, evidence), partial=_partial(answers, assessment)),
        **_questions(oracle, plan),
        "samples": _samples_part(plan, samples, classes, matched_by, answers, evidence),
        "labels": {str(n): oracle.label_space.name(n) for n in range(assessment.class_count)},
        "scores": _scores_part(answers, assessment, classes),
        "profile": None if profile is None else _profile_part(profile),
        "comparisons": [asdict(comparison) for comparison in verdict.comparisons],
        "trigger": _trigger_part(answers.trigger, evidence.trigger, spec, known),
        "canaries": _repeats_part(evidence.repeats),
        "trust": _trust_part(assessment.consistency, answers.run),
        "queries": _queries_part(oracle, answers.run),
        "planes": [
            plane_part(samples, classes, answers, number, score)
            for number, score in assessment.scores.items()
        ],
        "not_asked": None if not_asked is None else dict(not_asked),
        "limits": limits_of(not_asked, len(plan.planes), plan.perturbation_queries, spec, errors),
        "timing": dict(timing or UNTIMED),
    }
    return Result.of(content)


def _partial(answers: Answers, assessment: Assessment) -> bool:
    """True if planned queries are unanswered; in plans of before version 14, also if the answers
    are not of one model.
    """
    lacking = incomplete(answers, len(assessment.scores)) is not None
    if answers.plan.version < STATED:
        lacking = assessment.evidence.problem is not None
    return lacking or len(answers.label_maps) < len(answers.plan.mapped_planes)


def _scores_part(
    answers: Answers, assessment: Assessment, classes: NDArray[np.int64]
) -> dict[str, Any]:
    shares = mean_shares(assessment.scores)
    return {
        **{name: asdict(one) for name, one in assessment.evidence.scores.items()},
        **ats_of_label_maps(answers.plan, classes, answers.label_maps),
        "shares": None if shares is None else shares.tolist(),
        "decision": _decision_part(assessment.combined),
    }


def _outcome(verdict: Verdict, target: int | None, *, partial: bool) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "xray-audit", "version": __version__},
        "verdict": verdict.name,
        "verdict_reason": sentences(verdict.reasons),
        "target_label": target,
        "partial": partial,
    }


def _target(shares: NDArray[np.float64] | None, evidence: Evidence) -> int | None:
    """The suspected target if trigger or decision rule names one, else the label that fills
    the maps.
    """
    for one in (evidence.trigger, evidence.decision):
        if one is not None and one.suspicious:
            return one.target
    return None if shares is None else target_label(shares)


def _questions(oracle: LabelOracle, plan: AuditPlan) -> dict[str, Any]:
    spec = oracle.input_spec
    return {
        "access": spec.access,
        "model": dict(oracle.description),
        "fingerprint": hashlib.sha256(oracle.fingerprint.encode()).hexdigest(),
        "input": {
            "shape": list(spec.shape),
            "low": list(spec.low),
            "high": list(spec.high),
            "encoding": spec.encoding,
            "origin": spec.range_source,
            "space": "model input units",
            # Only where it is: other reports are as they always were.
            **({"recoded": spec.recoded} if spec.recoded else {}),
        },
        # By whose rates views are made; earlier reports do not tell it.
        "settings": plan.stated_settings()
        | ({"plan_version": plan.version} if plan.version >= STATED else {}),
        "plan_digest": plan.digest,
    }


def _decision_part(combined: Combined | None) -> dict[str, Any] | None:
    """``scores.decision`` of the report."""
    if combined is None:
        return None
    decision, evidence = combined.decision, combined.evidence
    return {
        "value": decision.value,
        "p": decision.p,
        "level": decision.level,
        "suspicious": evidence.suspicious,
        "targets": [] if evidence.target is None else [evidence.target],
        "reason": sentence(evidence.reason),
        "references": decision.references,
        "shift": decision.shift,
        "error_rates": _rates_part(combined.measured),
        "labels": [
            {
                "label": one.label,
                "value": one.value,
                "trigger": one.trigger,
                "trigger_key": one.trigger_key,
                "families": one.perturbations,
                "excess": dict(one.excess),
                "said_by": list(one.said_by),
            }
            for one in decision.labels
        ],
    }


def _samples_part(
    plan: AuditPlan,
    samples: Samples,
    classes: NDArray[np.int64],
    matched_by: str,
    answers: Answers,
    evidence: Evidence,
) -> dict[str, Any]:
    wrong = [
        {"ref": samples.refs[index], "true": int(classes[index]), "label": int(label)}
        for index, label in zip(plan.used, answers.samples, strict=True)
        if label not in {NOT_ASKED, classes[index]}
    ]
    return {
        "count": len(samples),
        "used": len(plan.used),
        "digest": samples.digest,
        "classes_matched_by": matched_by,
        "accuracy": None if evidence.accuracy is None else evidence.accuracy.rate,
        "wrong": wrong,
    }


def _profile_part(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "status": profile.status,
        "digest": profile.digest,
        "task": profile.task,
        "access": profile.access,
        "coding": profile.coding,
        "provenance": profile.provenance,
        "references": {
            "clean": profile.count(backdoored=False),
            "backdoored": profile.count(backdoored=True),
        },
        "decides_by": profile.decides_by,
        "thresholds": {name: asdict(value) for name, value in profile.thresholds.items()},
        "error_rates": {
            name: None if rate is None else asdict(rate)
            for name, rate in profile.error_rates.items()
        },
    }


def _repeats_part(rate: Rate | None) -> dict[str, Any] | None:
    if rate is None:
        return None
    ends = {"rate": rate.rate, "low": rate.low, "high": rate.high}
    return {"asked": rate.n, "flipped": round(rate.rate * rate.n), **ends}


def _trust_part(consistency: Consistency, engine: EngineResult) -> dict[str, Any]:
    return {
        "tolerated_flips": TOLERATED,
        "least_caught": consistency.least_caught,
        "findings": [
            {"code": one.reason.code, "reason": sentence(one.reason), "p": one.p}
            for one in consistency.found
        ],
        "senders": {name: list(values) for name, values in engine.server_identity.items()},
        "unknown_requests": [dict(request) for request in engine.unknown[:MAX_LISTED]],
    }


def _queries_part(oracle: LabelOracle, engine: EngineResult) -> dict[str, Any]:
    return {
        **asdict(engine.ledger),
        "bytes_sent": oracle.wire.bytes_sent,
        "bytes_received": oracle.wire.bytes_received,
        "budget_reached": engine.budget_reached,
    }


def _trigger_part(
    outcome: TriggerOutcome | None,
    evidence: TriggerEvidence | None,
    spec: InputSpec,
    errors: ErrorRates | None,
) -> dict[str, Any] | None:
    """The search as the report has it; None if none was finished. ``errors`` are those of one for
    the most successful change, if they were measured.
    """
    if outcome is None or evidence is None:
        return None
    result = outcome.result
    if result.best is not None and result.best.key == SEVERAL:
        errors = by_class_errors(spec.shape)
    of_success = None if errors is None else _rates_part(errors)
    return {
        "suspicious": evidence.suspicious,
        "natural": evidence.natural,
        "p": result.p,
        "reason": sentence(evidence.reason),
        "queries": result.queries,
        "queries_by_stage": dict(result.spent),
        "looks": result.verifications,
        "looks_paid": result.comparisons,
        "search_samples": result.search_images,
        "fresh_samples": result.validation_images,
        "best": None if result.best is None else _finding_part(result.best),
        "findings": [_finding_part(finding, texture=False) for finding in result.findings],
        "shown": {
            "clean_labels": [int(label) for label in result.preview_clean_labels],
            "changed_labels": [int(label) for label in outcome.preview_labels],
        },
        "held_out": _rates_by_label(result.by_label, spec) if result.by_label else of_success,
        # Only where both searches were made: other reports are as they always were.
        **({} if result.other is None else {"other": _other_part(result.other)}),
        **({"alone": result.alone} if result.alone else {}),
        **({"alone_judged": True} if result.alone_judged else {}),
    }


def _rates_by_label(terms: ByLabel, spec: InputSpec) -> dict[str, Any] | None:
    rates = rates_for(spec.shape, spec.coding, terms.classes).get(terms.effort)
    return None if rates is None else _rates_part(errors_of(as_ruled(rates)))


def _other_part(other: TriggerResult) -> dict[str, Any]:
    return {
        "by_label": other.by_label is not None,
        "kinds": len(other.findings),
        "p": other.p,
        "best": None if other.best is None else _finding_part(other.best, texture=False),
    }


def _rates_part(rates: ErrorRates) -> dict[str, Any]:
    """Error rates on held-out models, with their exact intervals."""
    return {
        "false_positive": asdict(binomial_rate(rates.false_alarms, rates.clean)),
        "false_negative": asdict(binomial_rate(rates.missed, rates.backdoored)),
    }


def _finding_part(finding: TriggerFinding, *, texture: bool = True) -> dict[str, Any]:
    held = finding.texture if texture else None
    return {
        "family": finding.kind,
        "key": finding.key,
        "target": finding.target,
        "size": finding.size,
        "strength": finding.strength,
        "place": None if finding.place is None else [int(value) for value in finding.place],
        "success": _interval_part(finding.success),
        "changed": _interval_part(finding.changed),
        "by_source": {str(k): _interval_part(v) for k, v in sorted(finding.by_source.items())},
        "searched": finding.searched,
        "p": finding.p,
        "texture": None if held is None else np.asarray(held).tolist(),
    }


def _interval_part(interval: Interval) -> dict[str, Any]:
    return {
        "hits": interval.hits,
        "samples": interval.images,
        "rate": interval.rate,
        "low": interval.low,
        "high": interval.high,
    }
