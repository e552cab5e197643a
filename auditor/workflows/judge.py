"""Scores, verdict and report from the labels alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapters.contract import LabelOracle
from auditor.engine.store import NOT_ASKED
from auditor.labels.answers import (
    canary_rate,
    class_count,
    label_counts,
    repeats_of,
    sample_accuracy,
    sort_answers,
)
from auditor.labels.consistency import Trust, examine
from auditor.plan.plan import AuditPlan
from auditor.report.build import build_report, trigger_evidence
from auditor.verdict.combine import decision_part, weigh_all
from auditor.verdict.evidence import estimates, score_planes
from auditor.verdict.profile import Profile
from auditor.verdict.scope import picture_coding
from auditor.verdict.verdict import Evidence, Verdict, decide
from auditor.workflows.ask import Asked, incomplete
from auditor.workflows.prepare import Prepared


@dataclass(frozen=True)
class AuditResult:
    """What an audit found.

    Attributes:
        report: the content of ``report.json``.
        verdict: the verdict and its reason.
        interrupted: whether the user stopped it before its end.
    """

    report: dict[str, Any]
    verdict: Verdict
    interrupted: bool


def judge(
    oracle: LabelOracle,
    ready: Prepared,
    asked: Asked,
    profile: Profile | None,
    timing: dict[str, Any],
) -> AuditResult:
    """Scores, verdict and report from the labels alone: no network, no clock."""
    engine, plan = asked.engine, ready.plan
    answers = sort_answers(plan, engine.labels, asked.looks)
    count = class_count(answers, oracle.label_space.size, ready.classes)
    scores = score_planes(plan, answers, ready.classes, count)
    trust = examine(
        repeats_of(plan, answers),
        label_counts(answers),
        engine.server_identity,
        open_labels=oracle.label_space.open,
    )
    accuracy = sample_accuracy(answers, ready.classes[plan.used])
    found = trigger_evidence(asked.trigger, oracle.label_space, oracle.input_spec, profile)
    decision = weigh_all(asked, plan, profile, ready.classes, found, oracle)
    evidence = Evidence(
        scores=estimates(scores),
        problem=_problem(trust, incomplete(asked, plan, len(scores))),
        accuracy=accuracy,
        canaries=canary_rate(answers),
        distinct_labels=answers.distinct,
        trigger=found,
        decision=None if decision is None else decision.evidence,
        coding=picture_coding(oracle.input_spec.encoding),
    )
    verdict = decide(evidence, profile)
    report = build_report(
        oracle=oracle,
        plan=plan,
        samples=ready.samples,
        classes=ready.classes,
        matched_by=ready.matched_by,
        answers=answers,
        scores=scores,
        evidence=evidence,
        trust=trust,
        verdict=verdict,
        profile=profile,
        engine=engine,
        trigger=asked.trigger,
        pictures=asked.pictures,
        decision=decision_part(decision),
        not_asked=_not_asked(asked, plan, len(scores)),
        timing=timing,
    )
    return AuditResult(report, verdict, engine.stopped)


def _problem(trust: Trust, incomplete: str) -> str:
    """The first reason against a verdict: another sender ends a run, so it is the cause."""
    sender = next((found.reason for found in trust.findings if found.code == "sender"), "")
    return sender or incomplete or trust.problem


def _not_asked(asked: Asked, plan: AuditPlan, planes: int) -> dict[str, Any] | None:
    """What was left out because it could not change the verdict; None where nothing was."""
    known = sum(int((labels != NOT_ASKED).sum()) for labels in asked.families)
    families = plan.family_queries - known
    left_out = {
        "because": "suspected" if asked.stood else "decided",
        "planes": len(plan.planes) - planes,
        "family_queries": families if asked.families or asked.stood else 0,
    }
    ended = asked.stood or asked.engine.decided or bool(asked.families)
    return left_out if ended and (left_out["planes"] or left_out["family_queries"]) else None
