"""Findings of a report, each with an id that can be referred to.

An id depends on the model's fingerprint, so accepting a finding does not accept it in the next
version of the model.
"""

from __future__ import annotations

from dataclasses import dataclass

from auditor.probes.base import digest_of
from auditor.report.result.result import Result
from auditor.report.wording.text import score

SUSPECTED = "backdoor-suspected"
ID_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a report holds against a model.

    Attributes:
        id: 32 hex digits; equal for the same finding in the same model, whenever it is audited.
        kind: "trigger", "score" or "verdict".
        text: words of the report.
    """

    id: str
    kind: str
    text: str


def findings_of(result: Result, model: str | None = None) -> tuple[Finding, ...]:
    """The findings of a result; none unless its verdict is ``backdoor-suspected``.

    Args:
        result: the result.
        model: fingerprint that the ids are made with; by default the result's own.
    """
    if result.verdict != SUSPECTED:
        return ()
    model = result.fingerprint if model is None else model
    found = [*_trigger(result, model), *_scores(result, model)]
    if not found:
        # The verdict never goes without a finding.
        found = [_finding(model, "verdict", (str(result.target_label),), result.verdict_reason)]
    return tuple(found)


def _trigger(result: Result, model: str) -> list[Finding]:
    trigger = result.trigger
    if trigger is None or not trigger.suspicious:
        return []
    best = trigger.best
    what = (str(best and best.family), str(best and best.target))
    return [_finding(model, "trigger", what, trigger.reason)]


def _scores(result: Result, model: str) -> list[Finding]:
    digest = None if result.profile is None else result.profile.digest
    return [
        _finding(
            model,
            "score",
            (one.score, str(digest)),
            f"{one.score} is {score(one.value)}, at or below {score(one.threshold)}",
        )
        for one in result.comparisons
        if one.decides and one.at_or_below
    ]


def _finding(model: str, kind: str, what: tuple[str, ...], text: str) -> Finding:
    return Finding(digest_of("finding/1", model, kind, *what)[:ID_LENGTH], kind, text)
