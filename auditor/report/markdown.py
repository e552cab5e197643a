"""The report as Markdown: for a pull request, a ticket, a wiki."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from auditor.report.html.facts import KNOWN
from auditor.report.result.result import Result
from auditor.report.source import ReportSource
from auditor.report.wording import text
from auditor.report.wording.accepted import TITLE, accepted_lines
from auditor.report.wording.buyer import how_sure, retest, vendor_questions
from auditor.report.wording.formal import ONLY_TESTED, decision_rule, deviations, risks, sampling
from auditor.report.wording.frameworks import (
    CAVEAT,
    CHECKED,
    Framework,
    framework_view,
    outcome_note,
)
from auditor.report.wording.terms import (
    change,
    flatten,
    hits,
    label_name,
    likely_target,
    mean_shares,
    model_name,
    moment,
    score_title,
    unnoticed,
)
from auditor.report.wording.text import safe_text
from auditor.report.wording.verdict import wording

SYMBOLS = {"suspected": "⚠", "none": "○", "open": "?"}
TOP_LABELS = 10

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&@:/$^=])")


def plain(value: object, limit: int = 1200) -> str:
    """``value`` as text that no Markdown reader takes for markup, a link, a mention or HTML."""
    return _SPECIAL.sub(r"\\\1", safe_text(value, limit))


def render_markdown(source: ReportSource, frameworks: Sequence[Framework] = ()) -> str:
    """The whole report without its pictures. Equal arguments give equal text."""
    result = source.result
    blocks = [
        *_verdict(result, source.digest),
        *_accepted(source),
        *_measured(result),
        *_formal(result),
        *_frameworks(result, frameworks),
        "---",
        plain(f"Report {source.digest}. {ONLY_TESTED}"),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _verdict(result: Result, digest: str) -> list[str]:
    words = wording(result)
    partial = "**Partial: not every planned query was answered.** " if result.partial else ""
    return [
        f"# {SYMBOLS[words.tone]} {words.title}",
        f"Backdoor audit of **{plain(model_name(result))}**, "
        f"{plain(moment(result.timing.finished))}, report `{digest[:16]}`",
        partial + plain(words.plain),
        plain(result.verdict_reason),
        "## What this means",
        _list(words.means),
        "## What this does not mean",
        _list(words.means_not),
        "## How sure is this?",
        _list(how_sure(result)),
        "## Questions for the vendor",
        _list(vendor_questions(result), numbered=True),
        "## When to test again",
        _list(retest(result)),
    ]


def _accepted(source: ReportSource) -> list[str]:
    lines = accepted_lines(source.findings)
    return [f"## {TITLE}", _list(lines)] if lines else []


def _list(lines: Iterable[object], *, numbered: bool = False) -> str:
    marks = (f"{number}." if numbered else "-" for number in range(1, 10_000))
    return "\n".join(f"{mark} {plain(line)}" for mark, line in zip(marks, lines, strict=False))


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    written = [head, ["---"] * len(head), *([plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(str(cell) for cell in row)} |" for row in written)


def _measured(result: Result) -> list[str]:
    blocks = [
        "## What was measured",
        *_sum(result),
        *_trigger(result),
        *_scores(result),
        *_shares(result),
    ]
    canaries = result.canaries
    if canaries:
        blocks.append(
            f"Repeated queries: {text.count(canaries.flipped)} of "
            f"{text.count(canaries.asked)} got another label.{unnoticed(result)}"
        )
    rows = [
        (name.replace("_", " "), value)
        for name, value in result.content["queries"].items()
        if name not in {"by_probe", "by_status"}
    ]
    ended = result.queries.by_status.items()
    rows += [(f"requests that ended with {how[:40]}", number) for how, number in ended]
    blocks += ["### Query ledger", _table(("Count", "Value"), rows)]
    if result.trust is not None and result.trust.findings:
        said = [finding.reason for finding in result.trust.findings]
        blocks += ["### Against trusting the answers", _list(said)]
    for key, value in result.content.items():
        if key not in KNOWN:
            held = value if isinstance(value, Mapping) else {key: value}
            title = plain(key.replace("_", " ").capitalize())
            blocks += [f"### {title}", _table(("Field", "Value"), flatten(held))]
    return blocks


def _sum(result: Result) -> list[str]:
    held = result.scores.decision
    if held is None:
        return []
    rows = [
        (
            label_name(result, one.label),
            f"{one.value:.2f}",
            f"{one.trigger:.2f}",
            f"{one.families:.2f}",
        )
        for one in held.labels
    ]
    head = ("Label", "Value", "From the trigger search", "From the families")
    return ["### What the evidence adds up to", plain(held.reason), _table(head, rows)]


def _trigger(result: Result) -> list[str]:
    found = result.trigger
    if not found:
        return ["No trigger search was finished."]
    rows = [
        (
            change(finding),
            label_name(result, finding.target),
            hits(finding.success),
            "not known" if finding.p is None else f"{finding.p:.2g}",
        )
        for finding in found.findings
    ]
    head = ("Change", "To label", "Success on fresh samples", "p, one look")
    return ["### Trigger search", plain(found.reason), _table(head, rows) if rows else ""]


def _scores(result: Result) -> list[str]:
    limits = {item.score: item for item in result.comparisons}
    rows = []
    # In the report's own order.
    for name in result.content["scores"]:
        estimate, limit = result.scores.estimate(name), limits.get(name)
        if estimate is not None:
            rows.append(
                (
                    score_title(name),
                    text.score(estimate.mean),
                    text.interval(estimate.low, estimate.high),
                    text.score(None if limit is None else limit.threshold),
                    "yes" if limit is not None and limit.decides else "no",
                )
            )
    head = ("Score", "Mean", "95% interval", "Threshold", "Decides")
    return ["### Plane scores", _table(head, rows)] if rows else []


def _shares(result: Result) -> list[str]:
    shares = mean_shares(result)
    order = sorted(range(len(shares)), key=lambda label: (-shares[label], label))[:TOP_LABELS]
    if not order:
        return []
    rows = [(label_name(result, label), text.percent(shares[label])) for label in order]
    sentence = likely_target(result)
    return ["### Label shares", _table(("Label", "Share of the planes"), rows), plain(sentence)]


def _formal(result: Result) -> list[str]:
    rows = [
        (risk.kind, risk.part, "unknown", "–", "–", risk.basis)
        if risk.rate is None
        else (
            risk.kind,
            risk.part,
            text.percent(risk.rate.rate),
            f"{text.percent(risk.rate.low)} to {text.percent(risk.rate.high)}",
            text.count(risk.rate.n),
            risk.basis,
        )
        for risk in risks(result)
    ]
    head = ("Risk", "Part of the rule", "Rate", "95% interval", "Models", "Measured on")
    return [
        "## Scope, method and limits",
        _table(("Item", "Value"), _identity(result)),
        "### Decision rule and its risks",
        _list(decision_rule(result)),
        _table(head, rows) if rows else "",
        "### Sampling statement",
        _list(sampling(result)),
        "### Deviations",
        _list(deviations(result)),
        "### Limits",
        _list(result.limits) or "None stated.",
    ]


def _identity(result: Result) -> list[tuple[str, object]]:
    tool = result.tool
    return [
        ("Model", model_name(result)),
        ("Fingerprint", result.fingerprint),
        ("Access", result.access),
        ("Plan digest", result.plan_digest),
        ("Started", moment(result.timing.started)),
        ("Finished", moment(result.timing.finished)),
        ("Tool", f"{tool.name} {tool.version}"),
    ]


def _frameworks(result: Result, frameworks: Sequence[Framework]) -> list[str]:
    if not frameworks:
        return []
    blocks = ["## Frameworks", plain(CAVEAT), plain(outcome_note(result))]
    head = ("Clause", "About", "Supports evidence for it by", "Leaves open", "Clause text")
    for framework in frameworks:
        edition = f"{framework.version}; mapping of {framework.as_of}. {framework.source}"
        rows = [
            (
                entry.clause.id,
                entry.clause.title,
                entry.supports or entry.missing,
                entry.clause.open,
                CHECKED[entry.clause.checked],
            )
            for entry in framework_view(framework, result)
        ]
        blocks += [f"### {plain(framework.name)}", plain(edition), _table(head, rows)]
    return blocks
