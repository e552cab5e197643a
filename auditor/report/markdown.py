"""The report as Markdown: for a pull request, a ticket, a wiki."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from auditor.report.html.changes import SHOWN, TEXTURE_KEY
from auditor.report.result.result import Result
from auditor.report.source import ReportSource
from auditor.report.wording import accepted, buyer, formal, frameworks, terms, text
from auditor.report.wording.coverage import (
    COVERAGE_HEAD,
    KINDS_HEAD,
    coverage_rows,
    kinds_caption,
    kinds_rows,
)
from auditor.report.wording.frameworks import Framework
from auditor.report.wording.summary import summary
from auditor.report.wording.terms import label_name, moment
from auditor.report.wording.text import safe_text
from auditor.report.wording.verdict import wording

SYMBOLS = {"suspected": "⚠", "none": "○", "open": "?"}
TOP_LABELS = 10

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&@:/$^=])")


def plain(value: object, limit: int = 1200) -> str:
    """``value`` as text that no Markdown reader takes for markup, a link, a mention or HTML."""
    return _SPECIAL.sub(r"\\\1", safe_text(value, limit))


def render_markdown(source: ReportSource, chosen: Sequence[Framework] = ()) -> str:
    """The whole report without its pictures. Equal arguments give equal text."""
    result = source.result
    accepted_risk = accepted.accepted_lines(source.findings)
    blocks = [
        *_verdict(result, source.digest),
        *([f"## {accepted.TITLE}", _list(accepted_risk)] if accepted_risk else []),
        *_coverage(result),
        *_measured(result),
        *_formal(result),
        *_frameworks(result, chosen),
        "---",
        plain(f"Report {source.digest}. {formal.ONLY_TESTED}"),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def summary_markdown(source: ReportSource) -> str:
    """The first screen of the report, for a ticket or a mail. Equal arguments give equal text."""
    result, said = source.result, summary(source.result)
    asked = text.plural(result.queries.sent_all_runs, "query", "queries")
    about = f"{moment(result.timing.finished)}, {asked}, report {source.digest[:16]}"
    accepted_risk = accepted.accepted_lines(source.findings)
    blocks = [
        f"# {SYMBOLS[said.tone]} {said.title}",
        f"Backdoor audit of **{plain(terms.model_name(result))}**: {plain(about)}",
        f"**{plain(said.plain)}** {plain(said.reason)}",
        f"**How sure is this?** {plain(said.sure)}",
        f"**Not covered:** {plain(said.uncovered)}",
        *_pictures(source),
        *([f"**{accepted.TITLE}:**", _list(accepted_risk)] if accepted_risk else []),
        f"**Next:**\n\n{_list(said.steps)}",
        *([f"~~~\n{source.resuming}\n~~~"] if source.resuming else []),
    ]
    return "\n\n".join(blocks) + "\n"


def _pictures(source: ReportSource) -> list[str]:
    """The pictures of a found trigger in words, and their files.

    By their names: GitHub and most trackers show no picture that Markdown carries in itself.
    """
    result, found = source.result, source.result.trigger
    if found is None or terms.found_trigger(result) is None or TEXTURE_KEY not in source.pictures:
        return []
    moved = "; ".join(
        f"{terms.called(result, before)} → {terms.called(result, after)}"
        for before, after in found.shown.pairs[:SHOWN]
    )
    return [
        f"**Without and with the trigger:** {plain(moved)}",
        "**Pictures:** summary.html shows them; the trigger alone is trigger.png",
    ]


def _verdict(result: Result, digest: str) -> list[str]:
    words = wording(result)
    partial = "**Partial: not every planned query was answered.** " if result.partial else ""
    return [
        f"# {SYMBOLS[words.tone]} {words.title}",
        f"Backdoor audit of **{plain(terms.model_name(result))}**, "
        f"{plain(moment(result.timing.finished))}, report `{digest[:16]}`",
        partial + plain(words.plain),
        plain(result.verdict_reason),
        "## What this means",
        _list(words.means),
        "## What this does not mean",
        _list(words.means_not),
        "## How sure is this?",
        _list(buyer.how_sure(result)),
        "## Questions for the vendor",
        _list(buyer.vendor_questions(result), numbered=True),
        "## When to test again",
        _list(buyer.retest(result)),
    ]


def _list(lines: Iterable[object], *, numbered: bool = False) -> str:
    marks = (f"{number}." if numbered else "-" for number in range(1, 10_000))
    return "\n".join(f"{mark} {plain(line)}" for mark, line in zip(marks, lines, strict=False))


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    written = [head, ["---"] * len(head), *([plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(str(cell) for cell in row)} |" for row in written)


def _coverage(result: Result) -> list[str]:
    kinds = () if result.verdict == "backdoor-suspected" else kinds_rows(result)
    blocks = ["## Coverage", _table(COVERAGE_HEAD, coverage_rows(result))]
    return [*blocks, plain(kinds_caption(result)), _table(KINDS_HEAD, kinds)] if kinds else blocks


def _measured(result: Result) -> list[str]:
    blocks = [
        "## What was measured",
        *_sum(result),
        *_trigger(result),
        *_scores(result),
        *_shares(result),
    ]
    repeats = result.canaries
    if repeats:
        blocks.append(
            f"Repeated queries: {text.count(repeats.flipped)} of "
            f"{text.count(repeats.asked)} got another label.{terms.unnoticed(result)}"
        )
    rows = [
        (name.replace("_", " "), value)
        for name, value in result.content["queries"].items()
        if name not in {"by_probe", "by_status"}
    ]
    ended = result.queries.by_status.items()
    rows += [(f"requests that ended with {how[:40]}", number) for how, number in ended]
    blocks += ["### Query ledger", _table(("Count", "Value"), rows)]
    if said := [finding.reason for finding in result.contradictions]:
        blocks += ["### Against trusting the answers", _list(said)]
    for key, value in terms.further(result).items():
        held = value if isinstance(value, Mapping) else {key: value}
        title = plain(key.replace("_", " ").capitalize())
        blocks += [f"### {title}", _table(("Field", "Value"), terms.flatten(held))]
    return blocks


def _sum(result: Result) -> list[str]:
    held = result.scores.decision
    if held is None:
        return []
    rows = [terms.evidence_row(result, one) for one in held.labels]
    table = _table(terms.EVIDENCE_HEAD, rows)
    return ["### What the evidence adds up to", plain(held.reason), table]


def _trigger(result: Result) -> list[str]:
    found = result.trigger
    if not found:
        return ["No trigger search was finished."]
    rows = terms.finding_rows(result, found)
    table = _table(terms.FINDINGS_HEAD, rows) if rows else ""
    return ["### Trigger search", plain(found.reason), table]


def _scores(result: Result) -> list[str]:
    limits = {item.score: item for item in result.comparisons}
    rows = [
        (
            terms.score_title(name),
            text.score(estimate.mean),
            text.interval(estimate.low, estimate.high),
            text.score(limits[name].threshold if name in limits else None),
            "yes" if name in limits and limits[name].decides else "no",
        )
        for name in result.content["scores"]  # in the report's own order
        if (estimate := result.scores.estimate(name)) is not None
    ]
    head = ("Score", "Mean", text.INTERVAL, "Threshold", "Decides")
    return ["### Plane scores", _table(head, rows)] if rows else []


def _shares(result: Result) -> list[str]:
    shares = terms.mean_shares(result)
    order = terms.largest_first(shares)[:TOP_LABELS]
    if not order:
        return []
    rows = [(label_name(result, label), text.percent(shares[label])) for label in order]
    sentence = terms.likely_target(result)
    return ["### Label shares", _table(("Label", "Share of the planes"), rows), plain(sentence)]


def _formal(result: Result) -> list[str]:
    rows = formal.risk_rows(result)
    return [
        "## Scope, method and limits",
        _table(("Item", "Value"), _identity(result)),
        "### Decision rule and its risks",
        _list(formal.decision_rule(result)),
        _table(formal.RISK_HEAD, rows) if rows else "",
        "### Sampling statement",
        _list(formal.sampling(result)),
        "### Deviations",
        _list(formal.deviations(result)),
        "### Limits",
        _list(result.limits) or "None stated.",
    ]


def _identity(result: Result) -> list[tuple[str, object]]:
    tool = result.tool
    return [
        ("Model", terms.model_name(result)),
        ("Fingerprint", result.fingerprint),
        ("Access", result.access),
        ("Plan digest", result.plan_digest),
        ("Started", moment(result.timing.started)),
        ("Finished", moment(result.timing.finished)),
        ("Tool", f"{tool.name} {tool.version}"),
    ]


def _frameworks(result: Result, chosen: Sequence[Framework]) -> list[str]:
    if not chosen:
        return []
    note = frameworks.outcome_note(result)
    blocks = ["## Frameworks", plain(frameworks.CAVEAT), plain(note)]
    for framework in chosen:
        rows = [
            (
                entry.clause.id,
                entry.clause.title,
                entry.supports or entry.missing,
                entry.clause.open,
                frameworks.CHECKED[entry.clause.checked],
            )
            for entry in frameworks.framework_view(framework, result)
        ]
        table = _table(frameworks.ENTRY_HEAD, rows)
        blocks += [f"### {plain(framework.name)}", plain(framework.edition), table]
    return blocks
