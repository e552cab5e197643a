"""Scores of this model beside those of the reference models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from auditor.report.html.parts import Html, along, axis, chart, folded, tag
from auditor.report.result.result import Result
from auditor.report.wording.terms import SCORE_TITLES, score_title, with_unit

MOST = 400
"""Reference models drawn at most; more would only be a bar."""

ROWS = (("clean", 30), ("backdoored", 56))
"""Each kind's row and its height in the drawing."""


def references(result: Result, profile: Mapping[str, Any]) -> Html | None:
    """The section; None without scores of references."""
    drawn = [_score(result, profile, name) for name in SCORE_TITLES]
    if not any(drawn):
        return None
    intro = (
        "Each mark is a reference model: circles are clean, crosses backdoored. The line is the "
        "audited one. Where the rows overlap, the score cannot tell them apart."
    )
    return folded(
        "references",
        "Against the references",
        tag("p", intro),
        drawn,
    )


def _values(profile: Mapping[str, Any], name: str, *, backdoored: bool) -> list[float]:
    left_out = set(profile.get("outliers") or ())
    values = [
        one.get(name)
        for one in profile.get("references") or ()
        if bool(one.get("attack")) is backdoored and one.get("name") not in left_out
    ]
    return sorted(float(v) for v in values if isinstance(v, int | float) and math.isfinite(v))


def _score(result: Result, profile: Mapping[str, Any], name: str) -> Html | None:
    estimate = result.scores.estimate(name)
    mean = None if estimate is None else estimate.mean
    groups = {
        kind: _values(profile, name, backdoored=kind == "backdoored") for kind, _height in ROWS
    }
    if mean is None or not any(groups.values()):
        return None
    below = " and ".join(
        f"{sum(value <= mean for value in values)} of {len(values)} {kind}"
        for kind, values in groups.items()
        if values
    )
    said = f"{below} references lie at or below {with_unit(name, mean)}."
    end = max([mean, *(value for values in groups.values() for value in values)]) or 1.0
    drawing = chart(
        96,
        said,
        [_marks(groups[kind], kind, height, end) for kind, height in ROWS],
        axis(end, 74, 3),
        tag("line", class_="limit", x1=along(mean, end), x2=along(mean, end), y1=12, y2=74),
    )
    return tag("div", tag("h4", score_title(name)), drawing, tag("p", said), class_="score")


def _marks(values: Sequence[float], kind: str, height: int, end: float) -> list[Html]:
    shape = (
        tag("circle", class_="hollow", cx=0, cy=0, r=4)
        if kind == "clean"
        else tag("path", class_="cross", d="M-4-4 4 4M-4 4 4-4")
    )
    return [
        tag("svg", shape, x=along(value, end), y=height, overflow="visible")
        for value in values[:MOST]
    ]
