"""The trigger search: the trigger that was found, or the strongest change of every kind tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from auditor.report.html.changes import (
    SHOWN,
    TEXTURE_KEY,
    changed_key,
    clean_key,
    kind_key,
)
from auditor.report.html.parts import (
    EXACT,
    Html,
    bullets,
    explained,
    facts,
    folded,
    sample,
    section,
    table,
    tag,
)
from auditor.report.result.result import Result
from auditor.report.result.trigger import FindingPart, TriggerPart
from auditor.report.wording import text
from auditor.report.wording.coverage import (
    COVERAGE_HEAD,
    KINDS_HEAD,
    coverage_rows,
    kinds_caption,
    kinds_rows,
)
from auditor.report.wording.search import (
    beside_clean,
    by_label,
    control,
    hits,
    other_search,
    place_words,
    ranked_targets,
)
from auditor.report.wording.terms import called, found_trigger
from auditor.report.wording.terms import hits as hits_in_full
from auditor.report.wording.terms import pairs as pairs_moved
from auditor.report.wording.text import safe_text
from auditor.report.wording.triggers import change

LARGEST_TWICE = 128
"""Side up to which samples are shown in their own pixels too; larger ones hardly are enlarged."""

Pictures = Mapping[str, bytes]


MOST_ROWS = 12
"""Labels before whose successes a page lists."""


def demonstration(result: Result, pictures: Pictures) -> Html | None:
    """The best change at work on samples; None if nothing was verified."""
    found = result.trigger
    if found is None or found.best is None:
        return None
    best = found.best
    rests = found_trigger(result) is not None
    shown = _samples(result, found, pictures)
    small = max(result.input.shape[1:]) <= LARGEST_TWICE
    return section(
        "shown",
        "The trigger that was found" if rests else "The strongest change that was found",
        facts(_facts(result, found, best)),
        tag(
            "div",
            _itself(best, result.input.shape, pictures),
            _place(result, best),
            class_="itself",
        ),
        tag("div", shown, class_="maps triggers") if shown else None,
        _true_sizes(found, pictures) if small and shown else None,
        _by_source(result, best) if rests and not best.of_several else None,
    )


def _facts(result: Result, found: TriggerPart, best: FindingPart) -> list[tuple[object, object]]:
    pairs: list[tuple[object, object]] = [
        ("Change", change(best)),
        ("Fresh samples that it moves", explained(pairs_moved(result) or _full(best))),
        ("Compared with", beside_clean(result, best)),
    ]
    if (compared := control(result, found)) is not None:
        pairs.append(("Control", compared))
    if found.other is not None:
        pairs.append(("Also searched", other_search(result, found.other)))
    if best.changed.samples and found.suspicious:
        pairs.append(("Labels changed at all", hits_in_full(best.changed).partition(" =")[0]))
    if best.place is not None:
        pairs.append(("Where", place_words(best.place, best.size, result.input.shape)))
    # The counts of a few dozen clean photo models tell no small chance.
    if found.p is not None and not by_label(best):
        pairs.append(("Chance on a clean model", f"{found.p:.1g}, all attempts counted"))
    targets = ranked_targets(result, found) if found.suspicious and not best.of_several else []
    if len(targets) > 1:
        pairs.append(("Further labels that changes lead to", bullets(targets[1:], "ol")))
    return pairs


def _full(best: FindingPart) -> str:
    held = best.success
    said = f"{hits(best)} ({text.rate_interval(held.low, held.high, 0)})"
    return (
        "{} of the classes it works on; {} of {} of all".format(said, *best.of_all)
        if best.of_some
        else said
    )


def _samples(result: Result, found: TriggerPart, pictures: Pictures) -> list[Html]:
    figures = []
    for number, labels in enumerate(found.shown.pairs[:SHOWN]):
        first, then = (called(result, label) for label in labels)
        pair = [
            sample(pictures.get(clean_key(number)), f"Sample {number + 1} as it is: {first}"),
            sample(
                pictures.get(changed_key(number)), f"Sample {number + 1} with the change: {then}"
            ),
        ]
        if None in pair:
            continue
        caption = tag("figcaption", first, " → ", tag("b", then))
        figures.append(tag("figure", tag("div", pair, class_="pair"), caption))
    return figures


def _true_sizes(found: TriggerPart, pictures: Pictures) -> Html:
    """The changed samples once more, a pixel a pixel."""
    shown = [
        sample(pictures.get(changed_key(number)), f"Sample {number + 1}, true size", true_size=True)
        for number in range(len(found.shown.pairs[:SHOWN]))
    ]
    caption = tag("figcaption", "As uploaded, at true size")
    return tag("figure", tag("div", shown, class_="true"), caption)


def _itself(best: FindingPart, shape: Sequence[int], pictures: Pictures) -> list[Html]:
    """The change alone, at true size and enlarged."""
    texture = pictures.get(TEXTURE_KEY)
    alone = "The patch" if best.family == "patch" else "The pattern, on grey at twice its contrast"
    if best.family == "blend":
        alone = "The pattern"
    figures = []
    for true_size, state in ((True, "true size"), (False, "enlarged")):
        if not true_size and max(shape[1:]) > LARGEST_TWICE and best.family != "patch":
            break
        picture = sample(texture, f"{alone}, {state}", true_size=true_size, exact=EXACT)
        if picture is not None:
            caption = tag("figcaption", f"{alone}, {state}" if true_size else state)
            figures.append(tag("figure", picture, caption))
    return figures


def _place(result: Result, best: FindingPart) -> Html | None:
    """A patch's place, drawn: the picture's frame and the patch in it."""
    if best.place is None:
        return None
    (row, column), (_, height, width) = best.place, result.input.shape
    drawn = tag(
        "svg",
        tag("rect", class_="frame", width=width, height=height),
        tag("rect", class_="patch", x=column, y=row, width=best.size, height=best.size),
        class_="place",
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=f"Place of the patch: {place_words(best.place, best.size, result.input.shape)}",
    )
    return tag("figure", drawn, tag("figcaption", "where in the picture"))


def search(result: Result, pictures: Pictures) -> Html | None:
    """Every kind of change that was tried, as pictures; None if no search was made."""
    found = result.trigger
    if found is None:
        return None
    best = None if found.best is None else _kind(found.best)
    cards = [
        _card(result, one, pictures) for one in _strongest(found.findings) if _kind(one) != best
    ]
    if found.best is not None and not cards:
        return None
    said = "Strongest change of each kind, on fresh samples."
    body = [
        tag("p", explained(said)),
        tag("p", safe_text(found.reason, 1200)) if not found.findings else None,
        tag("div", cards, class_="maps kinds") if cards else None,
    ]
    make = folded if found_trigger(result) else section
    return make("trigger", "Other changes tried" if found.best else "Changes tried", *body)


def _kind(one: FindingPart) -> str:
    """The kind that a change is the strongest of. In a search label by label every change is one,
    as each has the least strength that works.
    """
    return one.key if by_label(one) else one.family


def _strongest(findings: Sequence[FindingPart]) -> list[FindingPart]:
    """Of every kind the change that moves most, in order."""
    best: dict[str, FindingPart] = {}
    for one in findings:
        held = best.setdefault(_kind(one), one)
        if one.success.rate > held.success.rate:
            best[_kind(one)] = one
    return [one for one in findings if one in best.values()]


def _card(result: Result, one: FindingPart, pictures: Pictures) -> Html:
    example = one.family.startswith("random ")
    picture = sample(
        pictures.get(kind_key(one.key)),
        f"A clean sample with {'an example of ' if example else ''}{change(one)}",
    )
    caption = tag(
        "figcaption",
        tag("b", change(one)),
        tag("span", f"{hits(one)} to “{called(result, one.target)}”"),
        tag("span", beside_clean(result, one), class_="note"),
    )
    return tag("figure", picture, caption)


def _by_source(result: Result, best: FindingPart) -> Html | None:
    rows = [
        (called(result, int(label)), f"{success.hits} of {success.samples}")
        for label, success in best.by_source.items()
        if success.samples
    ]
    if not rows:
        return None
    caption = "The best change's success by the label that a sample had before"
    summary = tag("summary", "By the label before")
    shown = table(caption, ("Label before", "Fresh samples moved"), rows[:MOST_ROWS], "numbers")
    rest = len(rows) - MOST_ROWS
    more = tag("p", f"{rest} more stand in report.json.") if rest > 0 else None
    return tag("details", summary, shown, more)


def coverage(result: Result) -> Html:
    """Everything looked for, by what, and how far it came."""
    caption = "What was looked for"
    looked = table(caption, COVERAGE_HEAD, coverage_rows(result))
    kinds = kinds_rows(result)
    if not kinds or result.verdict == "backdoor-suspected":
        return section("coverage", "Coverage", looked)
    return section("coverage", "Coverage", looked, table(kinds_caption(result), KINDS_HEAD, kinds))
