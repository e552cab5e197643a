"""A report as a notebook shows it: the first screen, small enough for the notebook's file."""

from __future__ import annotations

from pathlib import Path

from auditor.report.html.first import Shown, pictures_shown
from auditor.report.html.parts import Html, image, tag
from auditor.report.html.pictures import embedded
from auditor.report.source import ReportSource
from auditor.report.wording.summary import summary
from auditor.report.wording.terms import model_name
from auditor.report.wording.text import plural

SIDE, EXACT = 128, 16_000
"""Largest side of a thumbnail in pixels, and bytes up to which a picture stays as it is."""

# Colours that a light and a dark notebook have enough contrast with.
_COLOURS = {"suspected": "#d64c3e", "none": "#2d8a45", "open": "#9a7500"}


def notebook_html(source: ReportSource, page: Path | None = None) -> Html:
    """Markup for a notebook's output cell; without JavaScript, styled in place.

    Args:
        source: the result and its pictures.
        page: the file that holds the whole report; None without one.
    """
    result, said = source.result, summary(source.result)
    colour = _COLOURS[said.tone]
    asked = plural(result.queries.sent_all_runs, "query", "queries")
    lines = (("How sure is this?", said.sure), ("Not covered:", said.uncovered),
             ("Next:", said.steps[0]))  # fmt: skip
    figures = [figure for one in pictures_shown(source) if (figure := _figure(source, one))]
    return tag(
        "div",
        tag("div", "Backdoor audit of ", tag("b", model_name(result)), f", {asked}"),
        tag("div", said.title, style=f"font-size:1.4em;font-weight:600;color:{colour}"),
        tag("p", tag("b", said.plain), " ", said.reason, style="margin:.3em 0"),
        tag("div", figures, style="display:flex;gap:1em;margin:.5em 0") if figures else None,
        [tag("p", tag("b", name), " ", text, style="margin:.2em 0") for name, text in lines],
        tag("p", f"The whole report: {page}", style="margin:.3em 0;opacity:.75") if page else None,
        style=f"border-left:4px solid {colour};padding:.4em 1em;line-height:1.45;max-width:80ch",
    )


def _figure(source: ReportSource, one: Shown) -> Html | None:
    made = embedded(source.pictures[one.key], SIDE, EXACT)
    if made is None:
        return None
    media, data, (width, height) = made
    # Enlarged to one width; what the parent says of the rendering is inherited.
    picture = image(media, data, one.alt, (SIDE, round(SIDE * height / width)))
    lines = (tag("div", one.state), tag("b", one.label))
    return tag("div", picture, lines, style="image-rendering:pixelated")
