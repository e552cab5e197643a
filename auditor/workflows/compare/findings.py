"""What a report holds against a model, each thing with an id that can be referred to.

An id depends on the model's fingerprint, so nobody accepts a finding of the next version by
having accepted it in this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from auditor.probes.base import digest_of

SUSPECTED = "backdoor-suspected"
ID_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a report holds against a model.

    Attributes:
        id: 32 hex digits; equal for the same finding in the same model, whenever it is audited.
        kind: "trigger", "score" or "verdict".
        text: what it is, in words of the report.
    """

    id: str
    kind: str
    text: str


def findings_of(report: Mapping[str, Any]) -> tuple[Finding, ...]:
    """The findings of a report; none where its verdict is not ``backdoor-suspected``."""
    if report["verdict"] != SUSPECTED:
        return ()
    model = str(report["fingerprint"])
    found = [*_trigger(report, model), *_scores(report, model)]
    if not found:
        # Whatever else the verdict rests on: it never goes without a finding.
        what = (str(report.get("target_label")),)
        found = [_finding(model, "verdict", what, str(report["verdict_reason"]))]
    return tuple(found)


def _trigger(report: Mapping[str, Any], model: str) -> list[Finding]:
    trigger = report.get("trigger")
    if not trigger or not trigger.get("suspicious"):
        return []
    best = trigger.get("best") or {}
    what = (str(best.get("family")), str(best.get("target")))
    return [_finding(model, "trigger", what, str(trigger["reason"]))]


def _scores(report: Mapping[str, Any], model: str) -> list[Finding]:
    profile = report.get("profile") or {}
    return [
        _finding(
            model,
            "score",
            (str(one["score"]), str(profile.get("digest"))),
            f"{one['score']} is {one['value']:.3f}, at or below {one['threshold']:.3f}",
        )
        for one in report.get("comparisons") or []
        if one["decides"] and one["at_or_below"]
    ]


def _finding(model: str, kind: str, what: tuple[str, ...], text: str) -> Finding:
    return Finding(digest_of("finding/1", model, kind, *what)[:ID_LENGTH], kind, text)
