"""Label maps as figures, with their legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from auditor.report.html.parts import Html, image, join, mark, paragraphs, section, swatch, tag
from auditor.report.html.pictures import asked_png, label_map_png, thumbnail
from auditor.report.result.planes import GridLabels, PicturePart, PlanePart
from auditor.report.result.result import Result
from auditor.report.wording import text
from auditor.report.wording.terms import label_name, largest_first
from auditor.report.wording.text import safe_text

ALL_SHOWN = 40
"""Up to this many planes every label map is shown."""

SHOWN = 24
"""Of more planes, only so many pictures are shown; the table lists all."""

LEGEND = 30
"""Labels named in the legend, largest share first."""

NAMED = 5
"""Labels named in a picture's text alternative, largest share first."""


def label_maps(result: Result, pictures: Mapping[str, bytes]) -> Html:
    """The section with all pictures."""
    planes = [(plane, grid) for plane in result.planes if (grid := plane.grid) is not None]
    if not planes:
        nothing = "No plane was completely answered, so there is no label map to show."
        if result.planes:
            nothing = (
                "Each plane was asked at a few scattered points, which give its scores but no "
                "picture. Asked for with --pictures, some planes are drawn as well."
            )
        return section("maps", "Label maps", tag("p", nothing))
    shown = planes if len(planes) <= ALL_SHOWN else planes[:SHOWN]
    cut = None
    if len(shown) < len(planes):
        cut = f"Shown are the first {len(shown)} of {len(planes)} planes; the table lists all."
    small = _thumbnails([plane for plane, _ in shown], pictures)
    return section(
        "maps",
        "Label maps",
        paragraphs(_introduction(result)),
        tag("p", cut, class_="note") if cut else None,
        _legend(result, [grid for _, grid in shown]),
        tag("div", [_figure(result, *one, small) for one in shown], class_="maps"),
    )


def _introduction(result: Result) -> list[str]:
    middle = ""
    if result.settings.expansion > 0:
        part = 100.0 / (2.0 * result.settings.expansion + 1.0)
        middle = f" The samples span only the middle {part:.0f}% of each side."
    how = "the label that the model gave at every point"
    if result.settings.sampler != "paper":
        how = (
            "label. The model was asked at some of the points, more where labels differ, and the "
            "others are filled with what lies around them; the picture below each shows which "
            "were asked. ATS is of these pictures; the other scores are of a few scattered "
            "points on every plane"
        )
    return [
        (
            "Each picture is a plane through three clean samples of different classes, coloured by "
            f"{how}. A clean model usually divides it among "
            "several labels; in a backdoored one the target label tends to flood it and to crowd "
            "out the samples' own regions."
        ),
        (
            "From the first sample (circle) to the second (square) runs to the right, towards the "
            f"third (triangle) runs up.{middle} Numbers in the picture are label numbers; each "
            "label has its texture, too."
        ),
    ]


def _legend(result: Result, shown: Sequence[GridLabels]) -> Html:
    # Counted in the pictures: a few scattered points may have missed a label that one shows.
    counts = np.bincount(np.concatenate([grid.labels.ravel() for grid in shown]))
    order = np.argsort(-counts, kind="stable")
    present = [int(label) for label in order if counts[label]]
    entries = [
        tag("li", swatch(label), " ", _name_only(result, label))
        for label in sorted(present[:LEGEND])
    ]
    rest = len(present) - LEGEND
    if rest > 0:
        entries.append(tag("li", f"and {text.plural(rest, 'smaller label')}"))
    return tag("ul", entries, class_="legend", aria_label="Labels in the pictures")


def _name_only(result: Result, label: int) -> Html:
    # The swatch already shows the number, but only to the eye.
    name = label_name(result, label)
    number, _, rest = name.partition(" ")
    return join([tag("span", f"label {number} ", class_="unseen"), rest])


def _thumbnails(shown: Sequence[PlanePart], pictures: Mapping[str, bytes]) -> dict[str, Html]:
    wanted = {str(ref) for plane in shown for ref in plane.triplet}
    made = {ref: thumbnail(pictures[ref]) for ref in sorted(wanted & set(pictures))}
    # No text alternative: the class and reference beside each say the same in words.
    return {ref: image(*one, "", (36, 36)) for ref, one in made.items() if one is not None}


def _figure(result: Result, plane: PlanePart, grid: GridLabels, small: Mapping[str, Html]) -> Html:
    picture = label_map_png(grid.labels, grid.nodes)
    samples = [
        tag("li", mark(i), " ", small.get(str(ref)), _sample(result, ref, label))
        for i, (ref, label) in enumerate(zip(plane.triplet, plane.triplet_classes, strict=True))
    ]
    drawn = plane.picture
    title = tag("b", f"Plane {plane.index + 1}")
    scores = tag("span", f"RE {text.score(plane.re)} · ATS {text.score(plane.ats)}")
    return tag(
        "figure",
        image("image/png", picture, describe(result, plane)),
        None if drawn is None else image("image/png", asked_png(drawn.asked), _drawing(drawn)),
        tag(
            "figcaption",
            tag("p", title, " ", scores),
            None if drawn is None else tag("p", _drawing(drawn)),
            tag("ul", samples, class_="samples"),
        ),
    )


def _drawing(drawn: PicturePart) -> str:
    """Share of a refined map that was asked, and the agreement of its filling."""
    rows = drawn.asked
    said = (
        f"Asked: {text.count(drawn.queries)} of {text.count(len(rows) * len(rows[0]))} points "
        "(dark), refined where labels differ; the others are filled."
    )
    agreement = drawn.agreement
    if agreement is None:
        return said
    return (
        f"{said} Of {drawn.rechecked} filled points asked afterwards at random, "
        f"{drawn.wrong} had another label: {text.percent(agreement.rate)} of the map agrees "
        f"with a complete one ({text.rate_interval(agreement.low, agreement.high)})."
    )


def _sample(result: Result, ref: object, label: int) -> Html:
    # A bare npz index would read as a second label number.
    where = tag("small", f"sample {ref}" if isinstance(ref, int) else safe_text(ref, 40))
    return tag("span", label_name(result, label), " ", where)


def describe(result: Result, plane: PlanePart) -> str:
    """The picture in words: what its text alternative says."""
    shares = plane.shares
    largest = [
        f"{label_name(result, label)} {text.percent(shares[label])}"
        for label in largest_first(shares)[:NAMED]
        if shares[label] > 0.0
    ]
    classes = ", ".join(label_name(result, label) for label in plane.triplet_classes)
    return (
        f"Label map of plane {plane.index + 1} through samples of classes {classes}. "
        f"Largest labels: {', '.join(largest)}. "
        f"RE {text.score(plane.re)} bits, ATS {text.score(plane.ats)}."
    )
