"""The decision rule's sum, and the consistency of the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from auditor.report.html.parts import Html, bullets, facts, folded, table, tag
from auditor.report.result.course import LostRequest
from auditor.report.result.result import Result
from auditor.report.wording import text
from auditor.report.wording.terms import EVIDENCE_HEAD, called, evidence_row
from auditor.report.wording.text import first, safe_text

SHOWN = 4
"""Labels, and values of one header of the server, that are listed."""


def decision(result: Result) -> Html | None:
    """The decision rule's sum, where it is not among the verdict's reasons, and the labels that it
    is made of; None if it was not asked. Its error rates stand beside the rule.
    """
    held = result.scores.decision
    if held is None:
        return None
    pairs = list[tuple[object, object]]()
    if held.shift is not None:
        pairs.append(("Unlike the references by", f"{held.shift:.2f} (0: alike)"))
    if held.targets:
        names = ", ".join(called(result, label) for label in held.targets)
        pairs.append(("Suspected targets", names))
    rows = [
        (called(result, one.label), *evidence_row(result, one)[1:]) for one in held.labels[:SHOWN]
    ]
    caption = "Evidence for the most suspicious labels, strongest first"
    return folded(
        "decision",
        "What the evidence adds up to",
        None if held.reason in result.verdict_reason else tag("p", first(held.reason)),
        facts(pairs) if pairs else None,
        table(caption, EVIDENCE_HEAD, rows) if rows else None,
    )


def trust(result: Result) -> Html | None:
    """Consistency of the answers with one model; None if it was not checked."""
    held = result.trust
    if not held:
        return None
    findings = [
        safe_text(one.reason, 1000) + ("" if one.p is None else f" (p = {one.p:.2g})")
        for one in held.findings
    ]
    body = tag("p", "Nothing in the answers speaks against one steady model.")
    if findings:
        body = bullets(findings)
    return folded(
        "trust",
        "Can the answers be trusted?",
        body,
        _identity(held.senders),
        _lost(held.unknown_requests),
    )


def _identity(stated: Mapping[str, Sequence[str]]) -> Html | None:
    rows = [
        (safe_text(name, 60), len(values), safe_text(", ".join(values[:SHOWN]), 240))
        for name, values in stated.items()
    ]
    if not rows:
        return None
    caption = "What the answers said about their sender, oldest first"
    return table(caption, ("Said", "Values", "Which"), rows)


def _lost(requests: Sequence[LostRequest]) -> Html | None:
    if not requests:
        return None
    queries = sum(one.queries for one in requests)
    said = (
        f"{text.plural(len(requests), 'request')} with "
        f"{text.plural(queries, 'query', 'queries')} may have been answered and billed unseen."
    )
    return tag("p", said)
