"""The trigger search's finding, shown on samples."""

from __future__ import annotations

from collections.abc import Mapping

from auditor.report.html.parts import Html, facts, image, paragraphs, section, table, tag
from auditor.report.html.pictures import SHOWN, TEXTURE_KEY, changed_key, clean_key, thumbnail
from auditor.report.result.result import Result
from auditor.report.result.trigger import FindingPart, TriggerPart
from auditor.report.wording import text
from auditor.report.wording.terms import (
    FINDINGS_HEAD,
    finding_rows,
    found_trigger,
    hits,
    label_name,
)
from auditor.report.wording.text import safe_text
from auditor.report.wording.triggers import change

FINDINGS = "The best change of each kind and strength, most surprising first"


def demonstration(result: Result, pictures: Mapping[str, bytes]) -> Html | None:
    """The found trigger at work, for the buyer's page; None if the verdict rests on none."""
    found, best = result.trigger, found_trigger(result)
    if found is None or best is None:
        return None
    figures = _shown(result, found, pictures)
    said = (
        f"The same change ({change(best)}), applied to clean samples that the search never saw, "
        f"leads to {label_name(result, best.target)} in {hits(best.success)}."
    )
    shown = tag("div", figures, class_="maps triggers") if figures else None
    return section("shown", "See it work", tag("p", said), shown)


def trigger(result: Result, pictures: Mapping[str, bytes]) -> Html | None:
    """The section on the trigger search; None if none was made."""
    found = result.trigger
    if not found:
        return None
    best = found.best
    if best is None:
        return section("trigger", "Trigger search", tag("p", safe_text(found.reason, 1200)))
    # The buyer's page shows the pictures already if the verdict rests on them.
    shown = [] if found.suspicious else _shown(result, found, pictures)
    return section(
        "trigger",
        "The trigger that was found" if found.suspicious else "Trigger search",
        paragraphs(_introduction(found)),
        tag("div", shown, class_="maps triggers") if shown else None,
        facts(_facts(result, found, best)),
        table(FINDINGS, FINDINGS_HEAD, finding_rows(result, found)),
        _by_source(result, best),
    )


def _introduction(found: TriggerPart) -> list[str]:
    lines = [
        "The search looks for one fixed change that sends clean samples of any class to one "
        "label, using labels alone. Every model has some; what counts is whether clean models "
        "show as much for the same kind of change. The success is measured on samples that the "
        "search never saw."
    ]
    if found.natural:
        lines.append("It decides nothing here, as clean references of the profile show it too.")
    elif not found.suspicious:
        lines.append(
            "What was found decides nothing here. A search that finds nothing beyond clean models "
            "rules out only triggers of the kinds, sizes and strengths that were searched."
        )
    return lines


def _shown(result: Result, found: TriggerPart, pictures: Mapping[str, bytes]) -> list[Html]:
    figures = []
    before, after = found.shown.clean_labels, found.shown.changed_labels
    for number, (clean, changed) in enumerate(zip(before[:SHOWN], after[:SHOWN], strict=True)):
        pair = [
            _picture(pictures.get(key(number)), f"Sample {number + 1} {state}")
            for key, state in ((clean_key, "as it is"), (changed_key, "with the change"))
        ]
        words = ["called ", tag("b", label_name(result, clean)), ", with the change "]
        words.append(tag("b", label_name(result, changed)))
        caption = tag("figcaption", tag("p", tag("span", words, class_="wrap")))
        shown = tag("div", pair, class_="pair") if any(pair) else None
        figures.append(tag("figure", shown, caption))
    texture = pictures.get(TEXTURE_KEY)
    if texture is not None:
        caption = tag("figcaption", tag("p", tag("span", "the change itself")))
        alone = tag("div", _picture(texture, "The change itself, enlarged"), class_="pair alone")
        figures.append(tag("figure", alone, caption))
    return figures


def _picture(png: bytes | None, alt: str) -> Html | None:
    made = None if png is None else thumbnail(png)
    return None if made is None else image(made[0], made[1], alt)


def _facts(result: Result, found: TriggerPart, best: FindingPart) -> list[tuple[object, object]]:
    pairs: list[tuple[object, object]] = [
        ("Kind", change(best)),
        ("Sends samples to", label_name(result, best.target)),
        ("Success on fresh samples", hits(best.success)),
        ("Labels changed at all", hits(best.changed)),
    ]
    if best.place is not None:
        row, column = best.place
        pairs.append(("Place", f"upper left corner at row {row}, column {column}"))
    if found.p is not None:
        pairs.append(("Chance on a clean model", f"p = {found.p:.2g}, corrected for all attempts"))
    stages = found.queries_by_stage
    spent = ", ".join(f"{safe_text(name, 30)} {text.count(n)}" for name, n in stages.items())
    pairs.append(("Queries", f"{text.count(found.queries)} ({spent})"))
    samples = f"{found.search_samples} to search, {found.fresh_samples} kept fresh"
    pairs.append(("Samples", samples))
    return pairs


def _by_source(result: Result, best: FindingPart) -> Html | None:
    rows = [
        (label_name(result, int(label)), hits(success))
        for label, success in best.by_source.items()
        if success.samples
    ]
    if not rows:
        return None
    caption = "The best change's success by the label that a sample had before"
    return table(caption, ("Label before", "Success on fresh samples"), rows)
