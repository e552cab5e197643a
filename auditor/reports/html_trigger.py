"""What the trigger search found, shown on samples: the evidence a reader can see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from auditor.reports import text
from auditor.reports.html_parts import Html, facts, image, label_name, section, table, tag
from auditor.reports.pictures import thumbnail

SHOWN = 3
"""Samples shown before and after the change."""

FAMILIES = {
    "patch": "Patch",
    "field": "Smooth pattern",
    "wave": "Wave pattern",
    "warp": "Warp",
    "quantise": "Fewer grey levels",
}


def clean_key(number: int) -> str:
    """Key in ``pictures`` of shown sample ``number`` as it is."""
    return f"trigger/clean/{number}"


def changed_key(number: int) -> str:
    """Key in ``pictures`` of shown sample ``number`` with the change applied."""
    return f"trigger/changed/{number}"


TEXTURE_KEY = "trigger/texture"
"""Key in ``pictures`` of the trigger itself."""


def trigger(report: Mapping[str, Any], pictures: Mapping[str, bytes]) -> Html | None:
    """The section on the trigger search; None where none was made."""
    found = report.get("trigger")
    if not found:
        return None
    best = found["best"]
    if best is None:
        return section("trigger", "Trigger search", tag("p", found["reason"]))
    return section(
        "trigger",
        "The trigger that was found" if found["suspicious"] else "Trigger search",
        [tag("p", line) for line in _introduction(found)],
        tag("div", _shown(report, found, pictures), class_="maps"),
        facts(_facts(report, found)),
        _findings(report, found),
    )


def _introduction(found: Mapping[str, Any]) -> list[str]:
    lines = [
        "The search looks for one fixed change that sends clean samples of any class to one "
        "label, using labels alone. Every model has some; what counts is whether clean models "
        "show as much for the same kind of change. The success is measured on samples that the "
        "search never saw.",
    ]
    if not found["suspicious"]:
        lines.append(
            "What was found decides nothing here. A search that finds nothing beyond clean models "
            "rules out only triggers of the kinds, sizes and strengths that were searched."
        )
    return lines


def _shown(
    report: Mapping[str, Any], found: Mapping[str, Any], pictures: Mapping[str, bytes]
) -> list[Html]:
    figures = []
    before, after = found["shown"]["clean_labels"], found["shown"]["changed_labels"]
    for number, (clean, changed) in enumerate(zip(before[:SHOWN], after[:SHOWN], strict=True)):
        pair = [
            _picture(pictures.get(key(number)), f"Sample {number + 1} {state}")
            for key, state in ((clean_key, "as it is"), (changed_key, "with the change"))
        ]
        words = ["called ", tag("b", label_name(report, clean)), ", with the change "]
        words.append(tag("b", label_name(report, changed)))
        caption = tag("figcaption", tag("p", tag("span", words, class_="wrap")))
        figures.append(tag("figure", tag("div", pair, class_="pair"), caption))
    texture = pictures.get(TEXTURE_KEY)
    if texture is not None:
        caption = tag("figcaption", tag("p", tag("span", "the change itself")))
        alone = tag("div", _picture(texture, "The change itself, enlarged"), class_="pair alone")
        figures.append(tag("figure", alone, caption))
    return figures


def _picture(png: bytes | None, alt: str) -> Html | None:
    made = None if png is None else thumbnail(png)
    return None if made is None else image(made[0], made[1], alt)


def _facts(report: Mapping[str, Any], found: Mapping[str, Any]) -> list[tuple[object, object]]:
    best = found["best"]
    pairs: list[tuple[object, object]] = [
        ("Kind", _kind(best)),
        ("Sends samples to", label_name(report, best["target"])),
        ("Success on fresh samples", _interval(best["success"])),
    ]
    if best["place"] is not None:
        row, column = best["place"]
        pairs.append(("Place", f"row {row}, column {column} (upper left corner)"))
    if found["p"] is not None:
        pairs.append(("Chance on a clean model", f"p = {found['p']:.2g}, all looks paid for"))
    stages = found["queries_by_stage"]
    spent = ", ".join(f"{name} {text.count(count)}" for name, count in stages.items())
    pairs.append(("Queries", f"{text.count(found['queries'])} ({spent})"))
    samples = f"{found['search_samples']} to search, {found['fresh_samples']} kept fresh"
    pairs.append(("Samples", samples))
    return pairs


def _kind(finding: Mapping[str, Any]) -> str:
    name = FAMILIES.get(finding["family"], finding["family"])
    size = finding["size"]
    detail = {
        "patch": f"{size} × {size} pixels",
        "field": f"{size} × {size} control points, ± {finding['strength']:g} grey levels",
        "wave": f"± {finding['strength']:g} grey levels",
        "warp": f"{finding['strength']:g} pixels on average",
        "quantise": f"{size} levels",
    }.get(finding["family"], "")
    return f"{name}, {detail}"


def _interval(interval: Mapping[str, Any]) -> str:
    return (
        f"{interval['hits']} of {interval['samples']} = {text.percent(interval['rate'])} "
        f"(95% interval {text.percent(interval['low'])} to {text.percent(interval['high'])})"
    )


def _findings(report: Mapping[str, Any], found: Mapping[str, Any]) -> Html:
    rows = [
        (
            _kind(finding),
            label_name(report, finding["target"]),
            _interval(finding["success"]),
            "not known" if finding["p"] is None else f"{finding['p']:.2g}",
        )
        for finding in found["findings"]
    ]
    return table(
        "The best change of each kind and strength, most surprising first",
        ("Change", "To label", "Success on fresh samples", "p, one look"),
        rows,
    )
