"""The one result of an audit, as JSON-able data. Every report is a view of it.

Pure: given the same plan, labels and profile it gives the same result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import LabelOracle
from auditor import __version__
from auditor.engine.adaptive import TriggerOutcome
from auditor.engine.engine import EngineResult
from auditor.engine.store import NOT_ASKED
from auditor.labels.answers import Answers
from auditor.labels.consistency import TOLERATED, Consistency
from auditor.measured import ErrorRates, decision_rates, trigger_error_rates
from auditor.plan.plan import AuditPlan
from auditor.probes.label_map import Picture
from auditor.probes.net_points import ScatterProbe
from auditor.probes.plane import PlaneProbe, nearest_nodes
from auditor.probes.trigger_search.result import Finding
from auditor.probes.trigger_search.verify import Interval
from auditor.report.wording.limits import jpeg_limit, rule_limit
from auditor.report.wording.reasons import sentence, sentences
from auditor.samples.samples import Samples
from auditor.scores.ats import ats_by_region
from auditor.scores.intervals import Rate, binomial_rate, mean_over_planes
from auditor.scores.planes import PlaneScore, target_label
from auditor.verdict.combine import Combined
from auditor.verdict.evidence import Assessment, mean_shares
from auditor.verdict.profile import Profile
from auditor.verdict.scope import known_only_for
from auditor.verdict.verdict import Evidence, TriggerEvidence, Verdict

SCHEMA_VERSION = "1.0"
MAX_LISTED = 10_000
"""Requests of unknown outcome that a report lists one by one; it always counts all."""

LIMITS = (
    "A verdict speaks of the model that answered during this audit, not of later versions.",
    (
        "An endpoint that recognises audit traffic can answer it from another model, and one that "
        "always sends the same input to the same of several models answers without a "
        "contradiction; one source of queries cannot exclude either."
    ),
    (
        "Plane scores ask how labels spread far from the samples. Attacks that leave that spread "
        "alone (all-to-all and one-to-one label maps, low poison rates) are known to escape them."
    ),
    "No evidence of a backdoor is not evidence of none.",
)
ENDED_EARLY = (
    "The planes ended early, because the deciding score's side of the threshold was decided: with "
    "a probability of at most 1 %, whenever it is looked at, the mean over all planes lies on the "
    "other side. That comes on top of the profile's error rates."
)
FAMILIES_ENDED = (
    "The probe families ended early, {families:,} disturbed samples before their last one: with "
    "300 completions of the answers so far the decision rule says the same each time, so the rest "
    "would change what it says in at most 1 % of audits (--ask-all asks everything)."
)
FLOAT_ONLY = (
    "Inputs were clipped to the valid range and rounded to 8 bits, as an image upload is; the "
    "published method assumes neither, and on several populations its scores fade there."
)


def build_report(
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
) -> dict[str, Any]:
    """Assemble ``report.json``; its fields are described in ``reports/report.schema.json``."""
    plan, pictures, engine = answers.plan, answers.label_maps, answers.run
    evidence, scores = assessment.evidence, assessment.scores
    shares = mean_shares(scores)
    spec = oracle.input_spec
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "xray-audit", "version": __version__},
        "verdict": verdict.name,
        "verdict_reason": sentences(verdict.reasons),
        "target_label": _target(shares, evidence),
        "partial": evidence.problem is not None or len(pictures) < plan.settings.pictures,
        "access": spec.access,
        "model": oracle.description,
        "fingerprint": hashlib.sha256(oracle.fingerprint.encode()).hexdigest(),
        "input": {
            "shape": list(spec.shape),
            "low": list(spec.low),
            "high": list(spec.high),
            "encoding": spec.encoding,
            "origin": spec.range_source,
            "space": "model input units",
        },
        "settings": asdict(plan.settings),
        "plan_digest": plan.digest,
        "samples": _samples_part(plan, samples, classes, matched_by, answers, evidence),
        "labels": {
            str(index): oracle.label_space.name(index) for index in range(assessment.class_count)
        },
        "scores": {
            **{name: asdict(estimate) for name, estimate in evidence.scores.items()},
            **_ats_of_pictures(plan, classes, pictures),
            "shares": None if shares is None else shares.tolist(),
            "decision": _decision_part(assessment.combined),
        },
        "profile": None if profile is None else _profile_part(profile),
        "comparisons": [asdict(comparison) for comparison in verdict.comparisons],
        "trigger": _trigger_part(
            answers.trigger, evidence.trigger, known=known_only_for(spec) is None
        ),
        "canaries": _canaries_part(evidence.canaries),
        "trust": _trust_part(assessment.consistency, engine),
        "queries": _queries_part(oracle, engine),
        "planes": [
            {
                **_plane_part(plan, samples, classes, answers, number, score),
                **_picture_part(plan, classes, pictures, number),
            }
            for number, score in scores.items()
        ],
        "not_asked": None if not_asked is None else dict(not_asked),
        "limits": [
            *LIMITS[:2],
            rule_limit(),
            *LIMITS[2:],
            *_left_out(not_asked, plan),
            *([FLOAT_ONLY] if spec.access == "image" else []),
            *filter(None, [jpeg_limit(spec.encoding)]),
        ],
        "timing": dict(timing),
    }


def _left_out(not_asked: Mapping[str, Any] | None, plan: AuditPlan) -> list[str]:
    """What was not asked, and what that costs, in words."""
    if not_asked is None:
        return []
    planes, families = not_asked["planes"], not_asked["family_queries"]
    if not_asked["because"] == "suspected":
        parts = [f"{planes} of {len(plan.planes)} planes"] if planes else []
        parts += [f"{families:,} of {plan.family_queries:,} disturbed samples"] if families else []
        return [
            f"The verdict stood without {' and '.join(parts)}, so they were not asked: no answer "
            "to them could have taken it back. Scores over fewer planes have wider intervals "
            "(--ask-all asks everything)."
        ]
    return [
        *([ENDED_EARLY] if planes else []),
        *([FAMILIES_ENDED.format(families=families)] if families else []),
    ]


def _target(shares: NDArray[np.float64] | None, evidence: Evidence) -> int | None:
    """The suspected target where trigger or decision rule names one, else the label that fills
    the maps.
    """
    for one in (evidence.trigger, evidence.decision):
        if one is not None and one.suspicious:
            return one.target
    return None if shares is None else target_label(shares)


def _trigger_part(
    outcome: TriggerOutcome | None, evidence: TriggerEvidence | None, *, known: bool
) -> dict[str, Any] | None:
    if outcome is None or evidence is None:
        return None
    result = outcome.result
    return {
        "suspicious": evidence.suspicious,
        "natural": evidence.natural,
        "p": result.p,
        "reason": sentence(evidence.reason),
        "queries": result.queries,
        "queries_by_stage": dict(result.spent),
        "looks": result.looks,
        "looks_paid": result.paid,
        "search_samples": result.search_images,
        "fresh_samples": result.fresh_images,
        "best": None if result.best is None else _finding_part(result.best),
        "findings": [_finding_part(finding, texture=False) for finding in result.findings],
        "shown": {
            "clean_labels": [int(label) for label in result.preview_clean_labels],
            "changed_labels": [int(label) for label in outcome.preview_labels],
        },
        "held_out": _error_rates_part(trigger_error_rates()) if known else None,
    }


def _decision_part(combined: Combined | None) -> dict[str, Any] | None:
    """``scores.decision`` of the report."""
    if combined is None:
        return None
    decision, evidence = combined.decision, combined.evidence
    rates = decision_rates()
    measured = rates.with_references if decision.references else rates.without_references
    return {
        "value": decision.value,
        "p": decision.p,
        "level": decision.level,
        "suspicious": evidence.suspicious,
        "targets": [] if evidence.target is None else [evidence.target],
        "reason": sentence(evidence.reason),
        "references": decision.references,
        "shift": decision.shift,
        "error_rates": _error_rates_part(measured),
        "labels": [
            {
                "label": one.label,
                "value": one.value,
                "trigger": one.trigger,
                "trigger_key": one.trigger_key,
                "families": one.families,
                "excess": dict(one.excess),
                "said_by": list(one.said_by),
            }
            for one in decision.labels
        ],
    }


def _error_rates_part(measured: ErrorRates) -> dict[str, Any]:
    """Errors on models that the judgement was not made from, with their intervals."""
    return {
        "false_positive": asdict(binomial_rate(measured.false_alarms, measured.clean)),
        "false_negative": asdict(binomial_rate(measured.missed, measured.backdoored)),
    }


def _finding_part(finding: Finding, *, texture: bool = True) -> dict[str, Any]:
    held = finding.texture if texture else None
    return {
        "family": finding.family,
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


def _canaries_part(rate: Rate | None) -> dict[str, Any] | None:
    if rate is None:
        return None
    flipped = round(rate.rate * rate.n)
    return {
        "asked": rate.n,
        "flipped": flipped,
        "rate": rate.rate,
        "low": rate.low,
        "high": rate.high,
    }


def _trust_part(consistency: Consistency, engine: EngineResult) -> dict[str, Any]:
    return {
        "tolerated_flips": TOLERATED,
        "least_caught": consistency.least_caught,
        "findings": [
            {"code": one.reason.code, "reason": sentence(one.reason), "p": one.p}
            for one in consistency.found
        ],
        "senders": {name: list(values) for name, values in engine.origins.items()},
        "unknown_requests": [dict(request) for request in engine.unknown[:MAX_LISTED]],
    }


def _queries_part(oracle: LabelOracle, engine: EngineResult) -> dict[str, Any]:
    return {
        **asdict(engine.ledger),
        "bytes_sent": oracle.wire.bytes_sent,
        "bytes_received": oracle.wire.bytes_received,
        "budget_reached": engine.budget_reached,
    }


def _plane_part(
    plan: AuditPlan,
    samples: Samples,
    classes: NDArray[np.int64],
    answers: Answers,
    number: int,
    score: PlaneScore,
) -> dict[str, Any]:
    probe, triplet = plan.planes[number], plan.triplets[number]
    bounds = probe.bounds
    return {
        "index": number,
        "triplet": [samples.refs[index] for index in triplet],
        "triplet_classes": [int(classes[index]) for index in triplet],
        "coordinates": probe.plane.coordinates.tolist(),
        "bounds": {"e1": [bounds.low1, bounds.high1], "e2": [bounds.low2, bounds.high2]},
        "re": score.re,
        "ats": score.ats,
        "ats_by_label": score.ats_by_label,
        "shares": score.shares.tolist(),
        **_labels_part(probe, answers.planes[number]),
    }


def _labels_part(probe: PlaneProbe | ScatterProbe, labels: NDArray[np.uint16]) -> dict[str, Any]:
    """The plane's labels: on a grid, or at points given as shares of the rectangle's sides."""
    if isinstance(probe, PlaneProbe):
        return {"nodes": probe.nodes().tolist(), "label_map": labels.tolist(), "points": None}
    points = {"at": probe.net.tolist(), "labels": labels.tolist()}
    return {"nodes": None, "label_map": None, "points": points}


def _picture_part(
    plan: AuditPlan, classes: NDArray[np.int64], pictures: Sequence[Picture], number: int
) -> dict[str, Any]:
    """The plane's label map where it was drawn by refinement: what was asked, what was filled."""
    if number >= len(pictures):
        return {}
    picture = pictures[number]
    return {
        "nodes": _picture_nodes(plan, number).tolist(),
        "label_map": picture.labels.tolist(),
        "ats": _ats_of_picture(plan, classes, number, picture),
        "picture": {
            "asked": ["".join("1" if node else "0" for node in row) for row in picture.asked],
            "queries": picture.queries,
            "rechecked": picture.rechecked,
            "wrong": picture.wrong,
            "agreement": _agreement(picture),
        },
    }


def _agreement(picture: Picture) -> dict[str, float] | None:
    """Share of the map that agrees with the dense one, with the exact 95 % interval."""
    if not picture.rechecked:
        return None
    rate = binomial_rate(picture.wrong, picture.rechecked)
    return {
        "rate": picture.agreement(rate.rate),
        "low": picture.agreement(rate.high),
        "high": picture.agreement(rate.low),
    }


def _ats_of_picture(
    plan: AuditPlan, classes: NDArray[np.int64], number: int, picture: Picture
) -> float:
    triplet = [int(classes[index]) for index in plan.triplets[number]]
    nodes = _picture_nodes(plan, number)
    return ats_by_region(picture.labels, nodes, triplet, plan.settings.ats_threshold)


def _picture_nodes(plan: AuditPlan, number: int) -> NDArray[np.int64]:
    probe = plan.planes[number]
    return nearest_nodes(probe.plane, probe.bounds, plan.settings.density)


def _ats_of_pictures(
    plan: AuditPlan, classes: NDArray[np.int64], pictures: Sequence[Picture]
) -> dict[str, Any]:
    """ATS by region, as far as refined maps tell it: over the pictured planes only."""
    if not pictures:
        return {}
    values = [_ats_of_picture(plan, classes, n, picture) for n, picture in enumerate(pictures)]
    mean = mean_over_planes(values)
    high = None if mean.high is None else min(1.0, mean.high)
    return {"ats": asdict(replace(mean, high=high))}
