"""A report as a notebook shows it: the verdict at once, the whole page one click away."""

from __future__ import annotations

import html

from auditor.report.html.parts import Html, tag
from auditor.report.result.result import Result
from auditor.report.wording.terms import model_name
from auditor.report.wording.text import count, interval, safe_text, score

MAX_PAGE = 4 << 20
"""Characters of ``report.html`` up to which it goes into the notebook's file."""

_COLOURS = {"backdoor-suspected": "#c0392b", "no-evidence": "#2e7d32", "inconclusive": "#8a6d00"}
_TITLES = {
    "backdoor-suspected": "Backdoor suspected",
    "no-evidence": "No evidence of a backdoor",
    "inconclusive": "Inconclusive",
}
_SCORES = {"re": "RE (bits)", "ats": "ATS", "ats_by_label": "ATS by label"}


def notebook_html(result: Result, page: str) -> Html:
    """Markup for a notebook's output cell; without JavaScript, styled in place.

    Args:
        result: the result.
        page: the content of ``report.html``; shown in a frame that may run and fetch nothing.
    """
    verdict = result.verdict
    colour = _COLOURS.get(verdict, _COLOURS["inconclusive"])
    return tag(
        "div",
        tag("div", "Backdoor audit of ", tag("b", model_name(result)), style="opacity:.75"),
        tag(
            "div",
            _TITLES.get(verdict, _TITLES["inconclusive"]),
            style=f"font-size:1.4em;font-weight:600;color:{colour};margin:.1em 0 .3em",
        ),
        tag("p", safe_text(result.verdict_reason, 1200), style="margin:.3em 0;max-width:80ch"),
        _scores(result),
        _queries(result),
        _whole(page),
        style=f"border-left:4px solid {colour};padding:.4em 1em;line-height:1.45",
    )


def _scores(result: Result) -> Html | None:
    limits = {c.score: c.threshold for c in result.comparisons}
    rows = [
        tag(
            "tr",
            tag("th", title, scope="row", style="text-align:left"),
            tag("td", score(estimate.mean)),
            tag("td", interval(estimate.low, estimate.high)),
            tag("td", score(limits.get(name))),
        )
        for name, title in _SCORES.items()
        if (estimate := result.scores.estimate(name)) is not None
    ]
    if not rows:
        return None
    head = [
        tag("th", text, scope="col") for text in ("score", "mean", "95 % interval", "threshold")
    ]
    return tag("table", tag("tr", head), rows, style="margin:.5em 0")


def _queries(result: Result) -> Html:
    asked = result.queries
    text = (
        f"{count(asked.sent)} queries sent, {count(asked.cached)} labels from the store, "
        f"{count(asked.unknown)} unknown"
    )
    return tag("p", text, style="margin:.3em 0;opacity:.75")


def _whole(page: str) -> Html | None:
    if len(page) > MAX_PAGE:
        return None
    # Escaped as it is: spelled out like foreign text, its style sheet would no longer match the
    # digest in its own policy.
    frame = Html(
        f'<iframe srcdoc="{html.escape(page)}" sandbox="" title="The whole report" '
        'style="width:100%;height:70vh;border:1px solid #8888;margin-top:.5em"></iframe>'
    )
    return tag("details", tag("summary", "The whole report"), frame)
