"""A report as a notebook shows it: the verdict at once, the whole page one click away."""

from __future__ import annotations

import base64
import html

from auditor.report.html.parts import Html, tag
from auditor.report.result.result import Result
from auditor.report.wording.terms import SCORE_HEADS, model_name
from auditor.report.wording.text import INTERVAL, count, interval, safe_text, score
from auditor.report.wording.verdict import wording

MAX_PAGE, MAX_PICTURE = 1 << 20, 64 << 10
"""Characters of ``report.html``, and bytes of the trigger's picture, up to which they go into the
notebook's file."""

_COLOURS = {"suspected": "#c0392b", "none": "#2e7d32", "open": "#8a6d00"}


def notebook_html(result: Result, page: str, picture: bytes = b"") -> Html:
    """Markup for a notebook's output cell; without JavaScript, styled in place.

    Args:
        result: the result.
        page: the content of ``report.html``; shown in a frame that may run and fetch nothing.
        picture: PNG of the trigger; empty if there is none.
    """
    words = wording(result)
    colour = _COLOURS[words.tone]
    asked = result.queries
    sent = (
        f"{count(asked.sent)} queries sent, {count(asked.cached)} labels from the store, "
        f"{count(asked.unknown)} unknown"
    )
    return tag(
        "div",
        tag("div", "Backdoor audit of ", tag("b", model_name(result)), style="opacity:.75"),
        tag(
            "div",
            words.title,
            style=f"font-size:1.4em;font-weight:600;color:{colour};margin:.1em 0 .3em",
        ),
        tag("p", safe_text(result.verdict_reason, 1200), style="margin:.3em 0;max-width:80ch"),
        _picture(picture),
        _scores(result),
        tag("p", sent, style="margin:.3em 0;opacity:.75"),
        _whole(page),
        style=f"border-left:4px solid {colour};padding:.4em 1em;line-height:1.45",
    )


def _picture(png: bytes) -> Html | None:
    if not png or len(png) > MAX_PICTURE:
        return None
    return tag(
        "img",
        src=f"data:image/png;base64,{base64.b64encode(png).decode()}",
        alt="The trigger that was found, enlarged",
        style="height:8em;image-rendering:pixelated;border:1px solid #8888",
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
        for name, title in SCORE_HEADS.items()
        if (estimate := result.scores.estimate(name)) is not None
    ]
    if not rows:
        return None
    head = [tag("th", text, scope="col") for text in ("score", "mean", INTERVAL, "threshold")]
    return tag("table", tag("tr", head), rows, style="margin:.5em 0")


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
