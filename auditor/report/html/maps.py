"""Label maps as figures, with their legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from auditor.report.html.parts import Html, image, mark, section, swatch, tag
from auditor.report.html.pictures import asked_png, label_map_png, thumbnail
from auditor.report.result.planes import GridLabels, PicturePart, PlanePart
from auditor.report.result.result import Result
from auditor.report.wording import text
from auditor.report.wording.terms import called, largest_first

ALL_SHOWN = 40
"""Up to this many planes every label map is shown."""

SHOWN = 24
"""Of more planes, only so many pictures are shown; the table lists all."""

LEGEND = 30
"""Labels named in the legend, largest share first."""

NAMED = 5
"""Labels named in a picture's text alternative, largest share first."""


def label_maps(result: Result, pictures: Mapping[str, bytes]) -> Html | None:
    """The section with all pictures; None if no plane was drawn."""
    planes = [(plane, grid) for plane in result.planes if (grid := plane.grid) is not None]
    if not planes:
        return None
    shown = planes if len(planes) <= ALL_SHOWN else planes[:SHOWN]
    cut = None
    if len(shown) < len(planes):
        cut = f"Shown are the first {len(shown)} of {len(planes)} planes; report.json lists all."
    small = _thumbnails([plane for plane, _ in shown], pictures)
    return section(
        "maps",
        "Label maps",
        tag("p", _introduction(result)),
        tag("p", cut, class_="note") if cut else None,
        _legend(result, [grid for _, grid in shown]),
        tag("div", [_figure(result, *one, small) for one in shown], class_="maps"),
    )


def _introduction(result: Result) -> str:
    middle = ""
    if result.settings.expansion > 0:
        part = 100.0 / (2.0 * result.settings.expansion + 1.0)
        middle = f" They span only the middle {part:.0f}% of each side."
    everywhere, how = " at every point", ""
    if result.settings.sampler != "paper":
        everywhere = ""
        how = (
            " The model was asked where the picture below each is dark; the rest is filled. ATS is "
            "of these pictures, other scores of scattered points."
        )
    return (
        "Each is a plane through three clean samples (circle, square, triangle), coloured by the "
        f"model's label{everywhere}.{middle} In a backdoored model the target tends to flood it."
        f"{how}"
    )


def _legend(result: Result, shown: Sequence[GridLabels]) -> Html:
    # Counted in the pictures: a few scattered points may have missed a label that one shows.
    counts = np.bincount(np.concatenate([grid.labels.ravel() for grid in shown]))
    order = np.argsort(-counts, kind="stable")
    present = [int(label) for label in order if counts[label]]
    entries = [
        tag("li", swatch(label), " ", called(result, label)) for label in sorted(present[:LEGEND])
    ]
    rest = len(present) - LEGEND
    if rest > 0:
        entries.append(tag("li", f"and {text.plural(rest, 'smaller label')}"))
    return tag("ul", entries, class_="legend", aria_label="Labels in the pictures")


def _thumbnails(shown: Sequence[PlanePart], pictures: Mapping[str, bytes]) -> dict[str, Html]:
    wanted = {str(ref) for plane in shown for ref in plane.triplet}
    made = {ref: thumbnail(pictures[ref]) for ref in sorted(wanted & set(pictures))}
    # No text alternative: the class and reference beside each say the same in words.
    return {ref: image(*one[:2], "", (36, 36)) for ref, one in made.items() if one is not None}


def _figure(result: Result, plane: PlanePart, grid: GridLabels, small: Mapping[str, Html]) -> Html:
    picture = label_map_png(grid.labels, grid.nodes)
    samples = [
        tag("li", mark(i), small.get(str(ref)), swatch(label), tag("span", called(result, label)))
        for i, (ref, label) in enumerate(zip(plane.triplet, plane.triplet_classes, strict=True))
    ]
    drawn = plane.picture
    title = tag("b", f"Plane {plane.index + 1}")
    scores = [f"RE {text.score(plane.re)}", f"ATS by label {text.score(plane.ats_by_label)}"]
    if plane.ats is not None:
        scores.insert(1, f"ATS {text.score(plane.ats)}")
    return tag(
        "figure",
        image("image/png", picture, describe(result, plane)),
        None if drawn is None else image("image/png", asked_png(drawn.asked), _drawing(drawn)),
        tag(
            "figcaption",
            tag("p", title, " ", tag("span", ", ".join(scores), class_="wrap")),
            tag("ul", samples, class_="samples"),
        ),
    )


def _drawing(drawn: PicturePart) -> str:
    """Share of a refined map that was asked, and the agreement of its filling."""
    rows = drawn.asked
    said = f"{text.count(drawn.queries)} of {text.count(len(rows) * len(rows[0]))} points asked"
    if drawn.agreement is None:
        return f"{said}."
    return f"{said}; of {drawn.rechecked} filled ones, re-checked, {drawn.wrong} were wrong."


def describe(result: Result, plane: PlanePart) -> str:
    """The picture in words: what its text alternative says."""
    shares = plane.shares
    largest = [
        f"{called(result, label)} {text.percent(shares[label], 0)}"
        for label in largest_first(shares)[:NAMED]
        if shares[label] > 0.0
    ]
    classes = ", ".join(called(result, label) for label in plane.triplet_classes)
    return (
        f"Label map of plane {plane.index + 1} through samples of classes {classes}. "
        f"Largest labels: {', '.join(largest)}. "
        f"RE {text.score(plane.re)} bits, ATS {text.score(plane.ats)}."
    )
