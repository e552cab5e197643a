"""The verdict's meaning and reasons, questions for the vendor, and the next test."""

from __future__ import annotations

from auditor.report.html.first import command
from auditor.report.html.parts import Html, bullets, explained, folded, paragraphs, section, tag
from auditor.report.result.result import Result
from auditor.report.source import ReportSource
from auditor.report.wording.buyer import retest, vendor_questions
from auditor.report.wording.summary import summary
from auditor.report.wording.text import safe_text
from auditor.report.wording.verdict import wording


def meaning(result: Result) -> Html:
    """Meaning of the verdict beside its limits."""
    words = wording(result)
    columns = [
        tag("div", tag("h4", title), paragraphs(lines))
        for title, lines in (
            ("What this means", words.means),
            ("What this does not mean", words.means_not),
        )
    ]
    return section("meaning", "Reading the verdict", tag("div", columns, class_="columns"))


def reasons(result: Result) -> Html:
    """The reasons, as report.json states them."""
    said = safe_text(result.verdict_reason, 1200)
    return folded("reasons", "The reasons in full", tag("p", explained(said)))


def steps(source: ReportSource) -> Html | None:
    """Further steps, where the first screen has no room for all; None if it shows them."""
    rest, goes_on = summary(source.result).steps[1:], command(source, long=True)
    if not rest and goes_on is None:
        return None
    return section("next", "What would settle it", goes_on, bullets(rest) if rest else None)


def questions(result: Result) -> Html:
    """Questions for the vendor."""
    return folded("questions", "Questions for the vendor", bullets(vendor_questions(result), "ol"))


def again(result: Result) -> Html:
    """Occasions to audit again."""
    lines = retest(result)
    body = tag("p", lines[0]) if len(lines) == 1 else bullets(lines)
    return section("retest", "When to test again", body)
