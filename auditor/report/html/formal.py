"""The formal part of the page: scope, decision rule and risks, sampling, frameworks, sign-off."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.report.html.parts import Html, bullets, facts, paragraphs, section, table, tag
from auditor.report.result.result import Result
from auditor.report.wording import formal, frameworks, text
from auditor.report.wording.frameworks import Framework
from auditor.report.wording.terms import model_name, moment
from auditor.report.wording.text import safe_text


def scope(result: Result, digest: str) -> Html:
    """Object, tools and time of the audit, and the identity of this report."""
    tool, timing = result.tool, result.timing
    rows: list[tuple[object, object]] = [
        ("Report", tag("code", digest)),
        ("Question", "Does this image classifier carry a backdoor, judged from its labels alone?"),
        ("Item", model_name(result)),
        ("Fingerprint", tag("code", safe_text(result.fingerprint, 80))),
        ("Asked", f"{moment(timing.started)} to {moment(timing.finished)}"),
        ("Method", f"{safe_text(tool.name, 40)} {safe_text(tool.version, 40)}"),
        ("Plan", tag("code", safe_text(result.plan_digest, 80))),
        ("Out of scope", "Weights, training data, accuracy, fairness, robustness, other attacks"),
    ]
    note = f"The report is named by the SHA-256 of its report.json. {formal.ONLY_TESTED}"
    return section("scope", "Scope", facts(rows, "facts plain"), tag("p", note, class_="note"))


def rule(result: Result) -> Html:
    """The decision rule with the risk of a false reject and of a false accept."""
    rows = [(part.capitalize(), *rest) for part, *rest in formal.risk_rows(result)]
    caption = (
        "False reject: a clean model suspected; missed: a backdoored one not; false accept: one "
        f"cleared; {text.INTERVAL}s"
    )
    return section(
        "rule",
        "Decision rule and its risks",
        paragraphs(formal.rule_words(result)),
        table(caption, formal.RISK_HEAD, rows)
        if rows
        else tag("p", "No part of the rule has known error rates here."),
    )


def statements(result: Result) -> list[Html]:
    """Sampling statement, deviations and limits."""
    limits = [safe_text(limit, 1000) for limit in result.limits]
    return [
        section("sampling", "Sampling statement", paragraphs(formal.sampling(result))),
        section("deviations", "Deviations", _listed(formal.deviations(result))),
        section("limits", "Limits: what this audit cannot exclude", _listed(limits)),
    ]


def _listed(lines: Sequence[str]) -> Html:
    return bullets(lines) if lines else tag("p", "None stated.")


def framework_tables(result: Result, chosen: Sequence[Framework]) -> Html | None:
    """Supporting evidence that this audit gives, clause by clause."""
    if not chosen:
        return None
    return section(
        "frameworks",
        "Frameworks",
        tag("p", frameworks.CAVEAT),
        tag("p", frameworks.outcome_note(result)),
        [_framework(result, framework) for framework in chosen],
    )


def _framework(result: Result, framework: Framework) -> Html:
    rows = [
        (
            entry.clause.id,
            entry.clause.title,
            tag("em", entry.missing) if entry.missing else entry.supports,
            entry.clause.open,
            frameworks.CHECKED[entry.clause.checked],
        )
        for entry in frameworks.framework_view(framework, result)
    ]
    caption = f"{framework.name}: supporting evidence and gaps"
    return tag(
        "div",
        tag("h4", framework.name),
        tag("p", framework.edition, class_="note"),
        table(caption, frameworks.ENTRY_HEAD, rows, "clauses"),
    )


def sign_off() -> Html:
    """Room for the signatures of those responsible, and for a diverging opinion."""
    lines = (
        ("Responsible for this audit", "Name, function, date, signature"),
        ("Vendor's response", "Agrees, or diverging opinion with reasons; name, date, signature"),
    )
    rows = [
        tag("div", tag("dt", who), tag("dd", tag("span", what, class_="blank")))
        for who, what in lines
    ]
    return section("sign", "Sign-off", tag("dl", rows, class_="facts signs"))
