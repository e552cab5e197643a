"""Scores against thresholds, label shares, and the table of planes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from auditor.report.html.parts import Html, along, axis, bar, chart, folded, swatch, table, tag
from auditor.report.result.base import EstimatePart
from auditor.report.result.judgement import ComparisonPart
from auditor.report.result.result import Result
from auditor.report.wording import text
from auditor.report.wording.terms import (
    called,
    found_trigger,
    largest_first,
    mean_shares,
    pairs,
    published,
    score_title,
    with_unit,
)
from auditor.report.wording.text import safe_text

TOP_SHARES = 4
"""Labels listed in the share chart, largest first; the rest is one line."""

DOTS = 200
"""Planes drawn as dots in a chart; more would only be a bar."""

EXPLANATIONS = {
    "re": "Rényi entropy of the label shares: 0 bits where one label fills the plane, {top} where "
    "all {classes} share it equally.",
    "ats": "Part of the plane that the three samples' own connected regions hold.",
    "ats_by_label": "The same, with areas of the samples' classes anywhere.",
}

NO_PLANE = "No plane was completely answered, so nothing could be scored."


def scores(result: Result) -> Html:
    """Each mean score with its interval, the planes behind it and the threshold."""
    if not result.planes:
        return folded("scores", "Plane scores", tag("p", NO_PLANE))
    intro = (
        "How labels spread far from the samples; low values are suspicious. Dots are planes, the "
        "diamond is their mean with its 95 % interval. "
    )
    flagged = "At or below its threshold (hatched) a score is flagged."
    intro += flagged if result.comparisons else "There is no threshold to compare them with."
    charts = [_score(result, name) for name in EXPLANATIONS]
    return folded("scores", "Plane scores", tag("p", intro), charts)


def _score(result: Result, name: str) -> Html:
    classes = max(len(mean_shares(result)), len(result.labels))
    top = math.log2(max(classes, 2))
    if name != "re":
        # Three regions below t each: nothing can score higher, so the axis ends there.
        top = min(1.0, 3.0 * result.settings.ats_threshold)
    about = EXPLANATIONS[name].format(top=f"{top:.2f}", classes=classes)
    comparison = next((c for c in result.comparisons if c.score == name), None)
    counts = comparison and comparison.decides and not published(result)
    decides = " (decides)" if counts else ""
    return tag(
        "div",
        tag("h4", score_title(name) + decides),
        tag("p", about),
        _chart(result, name, top, comparison),
        tag("p", _in_words(result, name, comparison), class_="reading"),
        class_="score",
    )


def _in_words(result: Result, name: str, comparison: ComparisonPart | None) -> str:
    estimate = result.scores.estimate(name)
    if estimate is None or estimate.mean is None:
        if name == "ats" and result.planes:
            return "Not measured: it needs label maps (--pictures or --sampler paper)."
        return "Not measured: no plane was completely answered."
    spread = "no interval"
    if estimate.low is not None and estimate.high is not None:
        spread = f"{text.INTERVAL} {text.interval(estimate.low, estimate.high)}"
    said = f"Mean {with_unit(name, estimate.mean)}, {spread}, {text.plural(estimate.n, 'plane')}."
    if comparison is None or comparison.threshold is None:
        return said
    side = "At or below" if comparison.at_or_below else "Above"
    note = f" {safe_text(comparison.note, 200)}" if comparison.note else ""
    return f"{said} {side} the threshold {text.score(comparison.threshold)}.{note}"


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


def label_shares(result: Result) -> Html | None:
    """Share of the planes that each label covers; None if no plane was scored."""
    shares = mean_shares(result)
    if not shares:
        return None
    listed = [label for label in largest_first(shares) if shares[label] > 0.0][:TOP_SHARES]
    rows: list[Sequence[object]] = [
        (_label(result, label), bar(shares[label]), text.percent(shares[label], 0))
        for label in listed
    ]
    rest = len(shares) - len(listed)
    if rest:
        # Rounding may leave a tiny negative remainder.
        left = max(0.0, 1.0 - sum(shares[label] for label in listed))
        rows.append((f"{rest} other", bar(left), text.percent(left, 0)))
    caption = "Mean share of each label over all planes, largest first"
    return folded(
        "shares",
        "Label shares",
        tag("p", _meaning(result)),
        table(caption, ("Label", "Share", "Percent"), rows, "bars"),
    )


def _meaning(result: Result) -> str:
    """Meaning of the largest share."""
    found = found_trigger(result)
    largest = largest_first(mean_shares(result))[0]
    if found is not None and pairs(result):
        return "The trigger has several targets: that is what counts."
    if found is None:
        return (
            "If a backdoor sends every triggered input to one label, it is likely the first; "
            "otherwise the largest share means nothing."
        )
    if found.target == largest:
        return "The first is also the label that the trigger leads to."
    return (
        f"The trigger leads to {called(result, found.target)}: that is what counts, and the "
        "largest share means nothing here."
    )


def _label(result: Result, label: int) -> Html:
    return tag("span", swatch(label), " ", called(result, label))
