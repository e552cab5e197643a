"""The report as Markdown: for a pull request, a ticket, a wiki."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from auditor.report.html.extra import KNOWN
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
    decision_of,
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
    report = source.report
    blocks = [
        *_result(report, source.digest),
        *_accepted(source),
        *_measured(report),
        *_formal(report),
        *_frameworks(report, frameworks),
        "---",
        plain(f"Report {source.digest}. {ONLY_TESTED}"),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _result(report: Mapping[str, Any], digest: str) -> list[str]:
    words = wording(report)
    partial = "**Partial: not every planned query was answered.** " if report["partial"] else ""
    return [
        f"# {SYMBOLS[words.tone]} {words.title}",
        f"Backdoor audit of **{plain(model_name(report))}**, "
        f"{plain(moment(report['timing']['finished']))}, report `{digest[:16]}`",
        partial + plain(words.plain),
        plain(report["verdict_reason"]),
        "## What this means",
        _list(words.means),
        "## What this does not mean",
        _list(words.means_not),
        "## How sure is this?",
        _list(how_sure(report)),
        "## Questions for the vendor",
        _list(vendor_questions(report), numbered=True),
        "## When to test again",
        _list(retest(report)),
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


def _measured(report: Mapping[str, Any]) -> list[str]:
    blocks = [
        "## What was measured",
        *_sum(report),
        *_trigger(report),
        *_scores(report),
        *_shares(report),
    ]
    canaries, queries = report["canaries"], report["queries"]
    if canaries:
        blocks.append(
            f"Repeated queries: {text.count(canaries['flipped'])} of "
            f"{text.count(canaries['asked'])} got another label.{unnoticed(report)}"
        )
    rows = [
        (name.replace("_", " "), value)
        for name, value in queries.items()
        if name not in {"by_probe", "by_status"}
    ]
    ended = queries.get("by_status", {}).items()
    rows += [(f"requests that ended with {how[:40]}", number) for how, number in ended]
    blocks += ["### Query ledger", _table(("Count", "Value"), rows)]
    trust = report.get("trust") or {}
    if trust.get("findings"):
        said = [finding["reason"] for finding in trust["findings"]]
        blocks += ["### Against trusting the answers", _list(said)]
    for key, value in report.items():
        if key not in KNOWN:
            held = value if isinstance(value, Mapping) else {key: value}
            title = plain(key.replace("_", " ").capitalize())
            blocks += [f"### {title}", _table(("Field", "Value"), flatten(held))]
    return blocks


def _sum(report: Mapping[str, Any]) -> list[str]:
    held = decision_of(report)
    if held is None:
        return []
    rows = [
        (
            label_name(report, one["label"]),
            f"{one['value']:.2f}",
            f"{one['trigger']:.2f}",
            f"{one['families']:.2f}",
        )
        for one in held["labels"]
    ]
    head = ("Label", "Value", "From the trigger search", "From the families")
    return ["### What the evidence adds up to", plain(held["reason"]), _table(head, rows)]


def _trigger(report: Mapping[str, Any]) -> list[str]:
    found = report.get("trigger")
    if not found:
        return ["No trigger search was finished."]
    rows = [
        (
            change(finding),
            label_name(report, finding["target"]),
            hits(finding["success"]),
            "not known" if finding["p"] is None else f"{finding['p']:.2g}",
        )
        for finding in found["findings"]
    ]
    head = ("Change", "To label", "Success on fresh samples", "p, one look")
    return ["### Trigger search", plain(found["reason"]), _table(head, rows) if rows else ""]


def _scores(report: Mapping[str, Any]) -> list[str]:
    limits = {item["score"]: item for item in report["comparisons"]}
    rows = []
    for name, estimate in report["scores"].items():
        if isinstance(estimate, Mapping) and "mean" in estimate:
            limit = limits.get(name, {})
            rows.append(
                (
                    score_title(name),
                    text.score(estimate["mean"]),
                    text.interval(estimate.get("low"), estimate.get("high")),
                    text.score(limit.get("threshold")),
                    "yes" if limit.get("decides") else "no",
                )
            )
    head = ("Score", "Mean", "95% interval", "Threshold", "Decides")
    return ["### Plane scores", _table(head, rows)] if rows else []


def _shares(report: Mapping[str, Any]) -> list[str]:
    shares = mean_shares(report)
    order = sorted(range(len(shares)), key=lambda label: (-shares[label], label))[:TOP_LABELS]
    if not order:
        return []
    rows = [(label_name(report, label), text.percent(shares[label])) for label in order]
    sentence = likely_target(report)
    return ["### Label shares", _table(("Label", "Share of the planes"), rows), plain(sentence)]


def _formal(report: Mapping[str, Any]) -> list[str]:
    rows = [
        (risk.kind, risk.part, "unknown", "–", "–", risk.basis)
        if risk.rate is None
        else (
            risk.kind,
            risk.part,
            text.percent(risk.rate["rate"]),
            f"{text.percent(risk.rate.get('low'))} to {text.percent(risk.rate.get('high'))}",
            text.count(risk.rate["n"]),
            risk.basis,
        )
        for risk in risks(report)
    ]
    head = ("Risk", "Part of the rule", "Rate", "95% interval", "Models", "Measured on")
    return [
        "## Scope, method and limits",
        _table(("Item", "Value"), _identity(report)),
        "### Decision rule and its risks",
        _list(decision_rule(report)),
        _table(head, rows) if rows else "",
        "### Sampling statement",
        _list(sampling(report)),
        "### Deviations",
        _list(deviations(report)),
        "### Limits",
        _list(report["limits"]) or "None stated.",
    ]


def _identity(report: Mapping[str, Any]) -> list[tuple[str, object]]:
    tool = report["tool"]
    return [
        ("Model", model_name(report)),
        ("Fingerprint", report["fingerprint"]),
        ("Access", report["access"]),
        ("Plan digest", report["plan_digest"]),
        ("Started", moment(report["timing"]["started"])),
        ("Finished", moment(report["timing"]["finished"])),
        ("Tool", f"{tool['name']} {tool['version']}"),
    ]


def _frameworks(report: Mapping[str, Any], frameworks: Sequence[Framework]) -> list[str]:
    if not frameworks:
        return []
    blocks = ["## Frameworks", plain(CAVEAT), plain(outcome_note(report))]
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
            for entry in framework_view(framework, report)
        ]
        blocks += [f"### {plain(framework.name)}", plain(edition), _table(head, rows)]
    return blocks
