"""This model among the reference models: where its scores lie beside theirs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from auditor.report.html.parts import Html, section, table, tag
from auditor.report.result.result import Result
from auditor.report.wording import text
from auditor.report.wording.terms import SCORE_TITLES, score_title, with_unit

MOST = 400
"""Reference models drawn at most; more would only be a bar."""

ROWS = (("clean", 30), ("backdoored", 56))
"""Each kind's row and its height in the drawing."""


def references(result: Result, profile: Mapping[str, Any]) -> Html | None:
    """The section; None where no references' scores are at hand."""
    drawn = [_score(result, profile, name) for name in SCORE_TITLES]
    rows = [row for one in drawn if one is not None for row in one[1]]
    if not rows:
        return None
    intro = (
        "Each mark is one reference model whose state is known: circles are clean, crosses "
        "backdoored. The line is the model under audit. Where both rows overlap, the score cannot "
        "tell them apart."
    )
    head = (
        "Score",
        "References",
        "Number",
        "Lowest",
        "Median",
        "Highest",
        "At or below this model",
    )
    return section(
        "references",
        "Against the references",
        tag("p", intro),
        [one[0] for one in drawn if one is not None],
        table("Scores of the reference models beside this model's", head, rows),
    )


def _values(profile: Mapping[str, Any], name: str, *, backdoored: bool) -> list[float]:
    left_out = set(profile.get("outliers") or ())
    values = [
        one.get(name)
        for one in profile.get("references") or ()
        if bool(one.get("attack")) is backdoored and one.get("name") not in left_out
    ]
    return sorted(float(v) for v in values if isinstance(v, int | float) and math.isfinite(v))


def _score(
    result: Result, profile: Mapping[str, Any], name: str
) -> tuple[Html, list[Sequence[object]]] | None:
    estimate = result.scores.estimate(name)
    mean = None if estimate is None else estimate.mean
    groups = {
        kind: _values(profile, name, backdoored=kind == "backdoored") for kind, _height in ROWS
    }
    if mean is None or not any(groups.values()):
        return None
    rows = [_row(name, mean, kind, values) for kind, values in groups.items() if values]
    below = ", ".join(f"{row[-1]} {row[1]}" for row in rows)
    said = f"{score_title(name)} {with_unit(name, mean)}: {below} references lie at or below."
    end = max([mean, *(value for values in groups.values() for value in values)]) or 1.0
    drawing = tag(
        "svg",
        [_marks(groups[kind], kind, height, end) for kind, height in ROWS],
        tag("line", class_="axis", x1="0%", x2="100%", y1=74, y2=74),
        tag("line", class_="limit", x1=_at(mean, end), x2=_at(mean, end), y1=12, y2=74),
        [_tick(end * part, part) for part in (0.0, 0.5, 1.0)],
        class_="chart",
        width="100%",
        height=96,
        role="img",
        aria_label=said,
    )
    return tag("div", tag("h4", score_title(name)), drawing, tag("p", said), class_="score"), rows


def _row(name: str, mean: float, kind: str, values: Sequence[float]) -> Sequence[object]:
    below = sum(value <= mean for value in values)
    figures = (text.score(f(values)) for f in (min, median, max))
    return (score_title(name), kind, len(values), *figures, f"{below} of {len(values)}")


def _marks(values: Sequence[float], kind: str, height: int, end: float) -> list[Html]:
    shape = (
        tag("circle", class_="hollow", cx=0, cy=0, r=4)
        if kind == "clean"
        else tag("path", class_="cross", d="M-4-4 4 4M-4 4 4-4")
    )
    return [
        tag("svg", shape, x=_at(value, end), y=height, overflow="visible")
        for value in values[:MOST]
    ]


def _at(value: float, end: float) -> str:
    return f"{100.0 * min(max(value / end, 0.0), 1.0):.2f}%"


def _tick(value: float, part: float) -> Html:
    anchor = "start" if part == 0.0 else "end" if part == 1.0 else "middle"
    place = f"{100.0 * part:.0f}%"
    return tag("text", f"{value:.2f}", class_="tick", x=place, y=92, text_anchor=anchor)
