"""Scores, verdict and report from the labels alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.contract import InputSpec, LabelOracle
from auditor.engine.store import NOT_ASKED
from auditor.labels.answers import Answers
from auditor.measured import of_earlier_search
from auditor.plan.adaptive import TriggerOutcome
from auditor.plan.digest import searched_before
from auditor.report.build import build_result
from auditor.report.html.changes import TEXTURE_KEY, trigger_pictures
from auditor.report.html.pictures import sample_png
from auditor.report.json_report import plain
from auditor.report.result.result import Result
from auditor.verdict.evidence import assess
from auditor.verdict.profile import Profile
from auditor.verdict.verdict import Verdict, decide
from auditor.workflows.prepare import Prepared


@dataclass(frozen=True)
class AuditResult:
    """Outcome of an audit.

    Attributes:
        result: the typed result.
        verdict: the verdict and its reasons.
        interrupted: True if the user stopped it before its end.
        pictures: PNGs of its views, by their keys.
    """

    result: Result
    verdict: Verdict
    interrupted: bool
    pictures: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def report(self) -> dict[str, Any]:
        """The content of ``report.json``."""
        return plain(self.result.content)


def judge(
    oracle: LabelOracle,
    ready: Prepared,
    answers: Answers,
    profile: Profile | None,
    timing: dict[str, Any],
) -> AuditResult:
    """Scores, verdict and report from the labels alone: no network, no clock.

    An audit by a plan of before findings were confirmed has the limits and rates of that search.
    """
    names, spec = oracle.label_space, oracle.input_spec
    with of_earlier_search(**searched_before(ready.plan.version)):
        assessment = assess(answers, ready.classes, names, spec, profile)
        verdict = decide(assessment.evidence, profile)
        result = build_result(
            oracle=oracle,
            samples=ready.samples,
            classes=ready.classes,
            matched_by=ready.matched_by,
            answers=answers,
            assessment=assessment,
            verdict=verdict,
            profile=profile,
            not_asked=_not_asked(answers, len(assessment.scores)),
            timing=timing,
        )
    return AuditResult(result, verdict, answers.run.stopped)


def report_pictures(
    ready: Prepared, spec: InputSpec, trigger: TriggerOutcome | None, *, with_images: bool = True
) -> dict[str, bytes]:
    """PNGs that views show, by their keys; without images only the trigger itself."""
    shown = trigger_pictures(trigger)
    if not with_images:
        return {key: png for key, png in shown.items() if key == TEXTURE_KEY}
    pixels = spec.to_pixels(ready.images[ready.plan.used])
    refs = [str(ready.samples.refs[index]) for index in ready.plan.used]
    return {ref: sample_png(image) for ref, image in zip(refs, pixels, strict=True)} | shown


def _not_asked(answers: Answers, planes: int) -> dict[str, Any] | None:
    """Questions skipped because they could not change the verdict; None if none were.

    Planes that an interruption or a spent budget cut off are none of them.
    """
    plan, stopped_early = answers.plan, answers.stopped_early
    known = sum(int((labels != NOT_ASKED).sum()) for labels in answers.perturbed)
    unasked = plan.perturbation_queries - known
    cut_off = (answers.run.stopped or answers.run.budget_reached) and not stopped_early
    left_out = {
        "because": "suspected" if stopped_early else "decided",
        "planes": 0 if cut_off else len(plan.planes) - planes,
        "family_queries": unasked if answers.perturbed or stopped_early else 0,
    }
    ended = stopped_early or answers.run.decided or bool(answers.perturbed)
    return left_out if ended and (left_out["planes"] or left_out["family_queries"]) else None
