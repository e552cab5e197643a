"""Scores against thresholds, label shares, and the table of planes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from auditor.report.html.parts import Html, along, axis, bar, chart, section, swatch, table, tag
from auditor.report.result.base import EstimatePart
from auditor.report.result.judgement import ComparisonPart
from auditor.report.result.result import Result
from auditor.report.wording import text
from auditor.report.wording.terms import (
    label_name,
    largest_first,
    likely_target,
    mean_shares,
    published,
    score_title,
    with_unit,
)
from auditor.report.wording.text import safe_text

TOP_SHARES = 20
"""Labels listed in the share chart, largest first; the rest is one line."""

DOTS = 200
"""Planes drawn as dots in a chart; more would only be a bar."""

EXPLANATIONS = {
    "re": "Rényi entropy of the label shares: 0 bits where one label fills the plane, {top} bits "
    "where all {classes} labels share it equally.",
    "ats": "Areas dominated by the triple samples: the part of the plane that the three samples' "
    "own connected regions hold.",
    "ats_by_label": "The same, with every area of the three samples' classes counted, connected "
    "or not.",
}


def scores(result: Result) -> Html:
    """Each mean score with its interval, the planes behind it and the threshold."""
    intro = (
        "Each score is computed per plane and then averaged. Low values are suspicious: a score "
        "at or below its threshold (hatched) is flagged. Small dots are single planes; the "
        "diamond is their mean, its bar the 95 % interval over planes."
    )
    charts = [_score(result, name) for name in EXPLANATIONS]
    return section("scores", "Scores", tag("p", intro), charts, _comparison_table(result))


def _score(result: Result, name: str) -> Html:
    classes = max(len(mean_shares(result)), len(result.labels))
    top = math.log2(max(classes, 2))
    if name != "re":
        # Three regions below t each: nothing can score higher, so the axis ends there.
        top = min(1.0, 3.0 * result.settings.ats_threshold)
    about = EXPLANATIONS[name].format(top=f"{top:.2f}", classes=classes)
    comparison = next((c for c in result.comparisons if c.score == name), None)
    decides = " (decides)" if comparison and _decides(result, comparison) else ""
    return tag(
        "div",
        tag("h4", score_title(name) + decides),
        tag("p", about),
        _chart(result, name, top, comparison),
        tag("p", _in_words(result, name, comparison), class_="reading"),
        class_="score",
    )


def _decides(result: Result, comparison: ComparisonPart) -> bool:
    return comparison.decides and not published(result)


def _in_words(result: Result, name: str, comparison: ComparisonPart | None) -> str:
    estimate = result.scores.estimate(name)
    if estimate is None or estimate.mean is None:
        if name == "ats" and result.planes:
            return (
                "Not measured: connected regions show only on label maps, which --pictures or "
                "--sampler paper ask for."
            )
        return "Not measured: no plane was completely answered."
    spread = "no interval"
    if estimate.low is not None and estimate.high is not None:
        spread = f"{text.INTERVAL} {text.interval(estimate.low, estimate.high)}"
    said = (
        f"Mean {with_unit(name, estimate.mean)}, {spread}, over {text.plural(estimate.n, 'plane')}."
    )
    if comparison is None or comparison.threshold is None:
        return said + " No threshold to compare it with."
    side = "At or below" if comparison.at_or_below else "Above"
    return f"{said} {side} the threshold {text.score(comparison.threshold)}."


def _chart(result: Result, name: str, top: float, comparison: ComparisonPart | None) -> Html | None:
    estimate = result.scores.estimate(name)
    if estimate is None or estimate.mean is None:
        return None
    threshold = comparison.threshold if comparison else None
    values = [value for plane in result.planes if (value := plane.score(name)) is not None]
    end = max([top, *values, threshold or 0.0, estimate.high or 0.0])
    return chart(
        94,
        f"{score_title(name)}: {_in_words(result, name, comparison)}",
        _threshold(name, threshold, end),
        axis(end, 72, 5),
        [tag("circle", class_="dot", cx=along(v, end), cy=60, r=3.5) for v in values[:DOTS]],
        _mean(estimate, estimate.mean, end),
    )


def _threshold(name: str, threshold: float | None, end: float) -> list[Html]:
    if threshold is None:
        return []
    hatch = tag(
        "pattern",
        tag("path", class_="hatch", d="M-2 2 2-2M0 8 8 0M6 10 10 6"),
        id=f"hatch-{name}",
        width=8,
        height=8,
        patternUnits="userSpaceOnUse",
    )
    place = along(threshold, end)
    right = threshold / end > 0.6
    words = tag(
        "text",
        f"threshold {text.score(threshold)}",
        class_="limit",
        dx=-6 if right else 6,
        x=place,
        y=14,
        text_anchor="end" if right else "start",
    )
    return [
        tag("defs", hatch),
        tag("rect", x=0, y=4, width=place, height=68, fill=f"url(#hatch-{name})"),
        tag("line", class_="limit", x1=place, x2=place, y1=2, y2=72),
        words,
    ]


def _mean(estimate: EstimatePart, mean: float, end: float) -> list[Html]:
    parts = []
    if estimate.low is not None and estimate.high is not None:
        low, high = along(estimate.low, end), along(estimate.high, end)
        parts.append(tag("line", class_="interval", x1=low, x2=high, y1=36, y2=36))
        # Caps, because a narrow interval would vanish behind the diamond.
        parts += [tag("line", class_="cap", x1=x, x2=x, y1=26, y2=46) for x in (low, high)]
    diamond = tag("path", class_="mean", d="M0-6 6 0 0 6-6 0z")
    parts.append(tag("svg", diamond, x=along(mean, end), y=36, overflow="visible"))
    return parts


def _comparison_table(result: Result) -> Html | None:
    if not result.comparisons:
        return None
    rows = [
        (
            score_title(c.score),
            text.score(c.value),
            text.score(c.threshold),
            _side(c),
            "yes" if _decides(result, c) else "no",
            safe_text(c.note or "–", 200),
        )
        for c in result.comparisons
    ]
    head = ("Score", "Mean", "Threshold", "Result", "Decides", "Note")
    return table("Scores against thresholds", head, rows)


def _side(comparison: ComparisonPart) -> str:
    if comparison.at_or_below is None:
        return "not compared"
    return "▼ at or below: flagged" if comparison.at_or_below else "▲ above"


def label_shares(result: Result) -> Html:
    """Share of the planes that each label covers."""
    shares = mean_shares(result)
    if not shares:
        return section("shares", "Label shares", tag("p", "No plane was scored."))
    listed = [label for label in largest_first(shares) if shares[label] > 0.0][:TOP_SHARES]
    rows: list[Sequence[object]] = [
        (_label(result, label), bar(shares[label]), text.percent(shares[label])) for label in listed
    ]
    rest = len(shares) - len(listed)
    if rest:
        # Rounding may leave a tiny negative remainder.
        left = max(0.0, 1.0 - sum(shares[label] for label in listed))
        rows.append((f"{rest} other", bar(left), text.percent(left)))
    sentence = likely_target(result)
    caption = "Mean share of each label over all planes, largest first"
    return section(
        "shares",
        "Label shares",
        tag("p", sentence) if sentence else None,
        table(caption, ("Label", "Share", "Percent"), rows, "bars"),
    )


def _label(result: Result, label: int) -> Html:
    name = label_name(result, label)
    number, _, rest = name.partition(" ")
    return tag("span", swatch(label), tag("span", number, " ", class_="unseen"), " ", rest)


def plane_table(result: Result) -> Html | None:
    """Every plane in one line."""
    if not result.planes:
        return None
    rows = [
        (
            plane.index + 1,
            ", ".join(label_name(result, label) for label in plane.triplet_classes),
            text.score(plane.re),
            text.score(plane.ats),
            text.score(plane.ats_by_label),
            _leading(result, plane.shares),
        )
        for plane in result.planes
    ]
    head = ("Plane", "Classes of the samples", "RE (bits)", "ATS", "ATS by label", "Largest label")
    below = any(plane.ats_by_label < 0.0 for plane in result.planes)
    caption = "Scores of every plane"
    caption += "; estimated from few points, single ones may fall below 0" if below else ""
    return section("planes", "Plane by plane", table(caption, head, rows))


def _leading(result: Result, shares: Sequence[float]) -> str:
    top = largest_first(shares)[0]
    return f"{label_name(result, top)}, {text.percent(shares[top])}"
