"""The result of an audit, assembled from plan, answers, evidence and verdict.

Pure: given the same plan, labels and profile it gives the same result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import LabelOracle
from auditor import __version__
from auditor.engine.adaptive import TriggerOutcome
from auditor.engine.engine import EngineResult
from auditor.engine.store import NOT_ASKED
from auditor.labels.answers import Answers, class_count
from auditor.labels.consistency import TOLERATED, Trust
from auditor.plan.plan import AuditPlan
from auditor.probes.label_map import Picture
from auditor.report.build_planes import ats_of_pictures, plane_part
from auditor.report.build_trigger import trigger_part
from auditor.report.json_report import SCHEMA_VERSION
from auditor.report.wording.limits import limits_of
from auditor.samples.samples import Samples
from auditor.scores.intervals import Rate
from auditor.scores.planes import PlaneScore, target_label
from auditor.verdict import scope
from auditor.verdict.evidence import mean_shares
from auditor.verdict.profile import Profile
from auditor.verdict.verdict import Evidence, Verdict

if TYPE_CHECKING:
    from auditor.report.result.result import Result

MAX_LISTED = 10_000
"""Requests of unknown outcome that a report lists one by one; it always counts all."""

UNTIMED = {"started": "", "finished": "", "seconds": 0.0, "queries_per_second": None}
"""Times in a result that is never written, such as a reference model's."""


def build_result(
    *,
    oracle: LabelOracle,
    plan: AuditPlan,
    samples: Samples,
    classes: NDArray[np.int64],
    matched_by: str,
    answers: Answers,
    scores: Mapping[int, PlaneScore],
    evidence: Evidence,
    trust: Trust,
    verdict: Verdict,
    profile: Profile | None,
    engine: EngineResult,
    trigger: TriggerOutcome | None,
    pictures: Sequence[Picture],
    decision: Mapping[str, Any] | None,
    not_asked: Mapping[str, Any] | None,
    timing: Mapping[str, Any],
) -> Result:
    """Assemble the content of ``report.json``, in the order in which it is written.

    Its fields are described by :class:`auditor.report.result.result.Result`.
    """
    shares, spec = mean_shares(scores), oracle.input_spec
    partial = bool(evidence.problem) or len(pictures) < plan.settings.pictures
    content = {
        **_outcome(verdict, _target(shares, evidence), partial=partial),
        **_questions(oracle, plan),
        "samples": _samples_part(plan, samples, classes, matched_by, answers, evidence),
        "labels": _label_names(oracle, answers, classes),
        "scores": {
            **{name: asdict(estimate) for name, estimate in evidence.scores.items()},
            **ats_of_pictures(plan, classes, pictures),
            "shares": None if shares is None else shares.tolist(),
            "decision": None if decision is None else dict(decision),
        },
        "profile": None if profile is None else _profile_part(profile),
        "comparisons": [asdict(comparison) for comparison in verdict.comparisons],
        "trigger": trigger_part(trigger, evidence.trigger, known=not scope.known_for(spec)),
        "canaries": _canaries_part(evidence.canaries),
        "trust": _trust_part(trust, engine),
        "queries": _queries_part(oracle, engine),
        "planes": [
            plane_part(plan, samples, classes, answers, number, score, pictures)
            for number, score in scores.items()
        ],
        "not_asked": None if not_asked is None else dict(not_asked),
        "limits": limits_of(not_asked, len(plan.planes), plan.family_queries, spec),
        "timing": dict(timing or UNTIMED),
    }
    # Not at the top: pydantic takes longer to load than --help and --version may.
    from auditor.report.result.result import Result  # noqa: PLC0415

    return Result.of(content)


def _outcome(verdict: Verdict, target: int | None, *, partial: bool) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "xray-audit", "version": __version__},
        "verdict": verdict.name,
        "verdict_reason": verdict.reason,
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
            "origin": spec.origin,
            "space": "model input units",
        },
        "settings": asdict(plan.settings),
        "plan_digest": plan.digest,
    }


def _label_names(
    oracle: LabelOracle, answers: Answers, classes: NDArray[np.int64]
) -> dict[str, str]:
    count = class_count(answers, oracle.label_space.size, classes)
    return {str(index): oracle.label_space.name(index) for index in range(count)}


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


def _trust_part(trust: Trust, engine: EngineResult) -> dict[str, Any]:
    return {
        "tolerated_flips": TOLERATED,
        "least_caught": trust.least_caught,
        "findings": [asdict(finding) for finding in trust.findings],
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
