"""The report as one HTML page: no scripts, nothing fetched, readable by a buyer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources

from auditor.report.html import decision as html_decision
from auditor.report.html import facts as html_facts
from auditor.report.html import formal as html_scope
from auditor.report.html import maps as html_maps
from auditor.report.html import references as html_references
from auditor.report.html import scores as html_scores
from auditor.report.html import trigger as html_trigger
from auditor.report.html import verdict as html_verdict
from auditor.report.html.first import first_screen
from auditor.report.html.head import head
from auditor.report.html.parts import Html, bullets, part, section, tag
from auditor.report.source import ReportSource
from auditor.report.wording.accepted import TITLE, accepted_lines
from auditor.report.wording.frameworks import Framework
from auditor.report.wording.terms import model_name
from auditor.report.wording.text import safe_text
from auditor.report.wording.verdict import wording

CONTENTS = {
    "accepted": "Accepted risk",
    "shown": "Trigger",
    "trigger": "Changes tried",
    "coverage": "Coverage",
    "maps": "Label maps",
    "engineer": "Details",
    "formal": "Scope and method",
    "rule": "Decision rule",
    "limits": "Limits",
    "frameworks": "Frameworks",
    "recheck": "Check it",
}
"""Sections that the contents list if the page has them."""


def render_html(source: ReportSource, frameworks: Sequence[Framework] = ()) -> str:
    """The whole page: a self-contained HTML document. Equal arguments give equal text.

    Args:
        source: the result. Keys of the report that this version does not know are shown as lists.
        frameworks: frameworks whose clauses the last part maps the audit to.
    """
    parts = [_buyer(source), _evidence(source), _engineer(source), _formal(source, frameworks)]
    written = re.findall(r'<section id="([a-z]+)"', "".join(parts))
    contents = _contents([anchor for anchor in CONTENTS if anchor in written])
    # The buyer's page comes whole; the way into the rest follows it.
    main = tag("main", parts[0], contents, parts[1:])
    return _document(source, first_screen(source), main)


def render_summary(source: ReportSource) -> str:
    """The first screen of the page alone, with every next step. Equal arguments give equal text."""
    main = tag("main", _accepted(source), html_verdict.steps(source))
    return _document(source, first_screen(source), main)


def _document(source: ReportSource, *children: Html | None) -> str:
    body = tag("body", children, _footer(source))
    page = tag("html", _head(source), body, lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


def _buyer(source: ReportSource) -> Html:
    result = source.result
    return part(
        "result",
        "The result",
        "for everyone",
        [
            html_verdict.meaning(result),
            _accepted(source),
            html_verdict.steps(source),
            html_verdict.again(result),
            html_verdict.questions(result),
        ],
    )


def _evidence(source: ReportSource) -> Html:
    result, pictures = source.result, source.pictures
    return part(
        "evidence",
        "What was found",
        "as pictures",
        [
            html_trigger.demonstration(result, pictures),
            html_trigger.search(result, pictures),
            html_trigger.coverage(result),
            html_maps.label_maps(result, pictures),
        ],
    )


def _accepted(source: ReportSource) -> Html | None:
    lines = accepted_lines(source.findings)
    if not lines:
        return None
    return section("accepted", TITLE, bullets(lines))


def _engineer(source: ReportSource) -> Html:
    result = source.result
    return part(
        "engineer",
        "What was measured",
        "for the engineer",
        [
            html_verdict.reasons(result),
            html_decision.decision(result),
            html_scores.scores(result),
            html_references.references(result, source.profile),
            html_scores.label_shares(result),
            html_facts.profile(result),
            html_facts.samples(result),
            html_facts.repeats(result),
            html_decision.trust(result),
            html_facts.ledger(result),
            html_facts.unknown_parts(result),
        ],
    )


def _formal(source: ReportSource, frameworks: Sequence[Framework]) -> Html:
    result, digest = source.result, source.digest
    return part(
        "formal",
        "Scope, method and limits",
        "for the file",
        [
            html_scope.scope(result, digest),
            html_scope.rule(result),
            *html_scope.statements(result),
            html_facts.model(result),
            html_facts.identity(source.run),
            html_facts.settings(result),
            html_scope.framework_tables(result, frameworks),
            html_facts.recheck(),
            html_scope.sign_off(),
        ],
    )


def _head(source: ReportSource) -> Html:
    style = (resources.files(__package__) / "report.css").read_text(encoding="utf-8")
    # The digest is hex, so it cannot end the string that CSS puts it in.
    style += f'@page {{ @bottom-left {{ content: "Report {source.digest[:16]}"; }} }}\n'
    title = f"{wording(source.result).title} – audit of {model_name(source.result)}"
    return head(title, style)


def _contents(anchors: list[str]) -> Html:
    links = [tag("li", tag("a", CONTENTS[a], href=f"#{a}")) for a in anchors]
    return tag("nav", tag("ul", links), aria_label="Contents")


def _footer(source: ReportSource) -> Html:
    tool = source.result.tool
    return tag(
        "footer",
        tag(
            "p",
            f"Report {source.digest[:16]}, made by {safe_text(tool.name, 40)} "
            f"{safe_text(tool.version, 40)}, report schema "
            f"{safe_text(source.result.schema_version, 20)}.",
        ),
    )
