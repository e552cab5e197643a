"""The buyer's page: the verdict in words, its certainty, questions, and the next test."""

from __future__ import annotations

from auditor.report.html.parts import Html, bullets, facts, join, paragraphs, section, tag
from auditor.report.result.result import Result
from auditor.report.wording import text
from auditor.report.wording.buyer import how_sure, retest, vendor_questions
from auditor.report.wording.terms import found_trigger, model_name, moment, score_title, with_unit
from auditor.report.wording.text import safe_text
from auditor.report.wording.verdict import wording


def _glyph(character: str, y: int) -> Html:
    return tag("text", character, x=36, y=y, text_anchor="middle")


ICONS = {
    "suspected": join([tag("path", d="M36 5 68 65H4z"), _glyph("!", 57)]),
    "none": join([tag("circle", cx=36, cy=36, r=30), tag("path", d="M22 36h28")]),
    "open": join([tag("rect", x=8, y=8, width=56, height=56, rx=4), _glyph("?", 50)]),
}
"""Shapes of each tone's icon on a 72 by 72 canvas: each verdict has its own outline."""


def header(result: Result, digest: str) -> Html:
    """The verdict and the figures it rests on."""
    words = wording(result)
    icon = tag("svg", ICONS[words.tone], class_="icon", viewBox="0 0 72 72", aria_hidden="true")
    partial = "Partial: not every planned query was answered. " if result.partial else ""
    lead = tag("strong", partial) if partial else None
    about = tag(
        "p",
        tag("span", "Backdoor audit of ", tag("b", model_name(result))),
        " ",
        tag("span", "Report ", tag("code", digest[:16]), class_="id"),
        class_="eyebrow",
    )
    return tag(
        "header",
        about,
        tag("div", icon, tag("h1", words.title), class_="verdict"),
        tag("p", lead, words.plain, class_="lede"),
        tag("p", safe_text(result.verdict_reason, 1200), class_="reason"),
        facts(_key_figures(result), "figures"),
        class_=words.tone,
    )


def _key_figures(result: Result) -> list[tuple[object, object]]:
    figures: list[tuple[object, object]] = []
    best = found_trigger(result)
    if best:
        success = best.success
        fresh = tag("small", f"{success.hits} of {success.samples} fresh samples")
        figures.append(("The trigger works on", [text.percent(success.rate), " ", fresh]))
    summed = result.scores.decision
    if summed and not best:
        chance = tag("small", f"p = {summed.p:.2g} on a clean model")
        figures.append(("Decision value", [f"{summed.value:.2f}", " ", chance]))
    for item in result.comparisons:
        if item.decides and result.verdict != "inconclusive":
            side = "at or below" if item.at_or_below else "above"
            title = f"{score_title(item.score)}, the deciding score"
            limit = tag("small", f"{side} the threshold {text.score(item.threshold)}")
            figures.append((title, [with_unit(item.score, item.value), " ", limit]))
    figures.append(("Planes scored", _planes(result)))
    sent = result.queries.sent_all_runs
    figures.append(("Queries sent", [text.count(sent), " ", tag("small", "hard labels only")]))
    day, _, time = moment(result.timing.finished).partition(" ")
    figures.append(("Finished", [day, " ", tag("small", time)]))
    return figures


def _planes(result: Result) -> list[object]:
    settings = result.settings
    side = settings.density
    said = f"of {side} × {side} labels each"
    if settings.sampler == "frugal":
        said = f"of {'?' if settings.points is None else settings.points} labels each"
    return [text.count(len(result.planes)), " ", tag("small", said)]


def certainty(result: Result) -> Html:
    """Error rate of the rule, or why there is no answer."""
    first, *rest = how_sure(result)
    if result.verdict != "inconclusive":
        return section("certainty", "How sure is this?", paragraphs((first, *rest)))
    return section(
        "certainty", "How sure is this?", tag("p", first), bullets(rest) if rest else None
    )


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


def questions(result: Result) -> Html:
    """Questions for the vendor."""
    return section("questions", "Questions for the vendor", bullets(vendor_questions(result), "ol"))


def again(result: Result) -> Html:
    """Occasions to audit again."""
    lines = retest(result)
    body = tag("p", lines[0]) if len(lines) == 1 else bullets(lines)
    return section("retest", "When to test again", body)
