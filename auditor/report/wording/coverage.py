"""Parts of an audit in words: what each looks for, and how far it came."""

from __future__ import annotations

from auditor.measured import by_source_rates
from auditor.probes.label_search.settings import searched_by_label
from auditor.report.result.result import Result
from auditor.report.wording import text
from auditor.report.wording.deciding import classes_of, clearing_search, own_rates
from auditor.report.wording.phrases import ZOO_SIDES, models_of
from auditor.report.wording.search import asked_by_label, kinds_tried
from auditor.scores.intervals import binomial_rate
from auditor.verdict.label_scope import as_ruled, measured_on

NOT_SEARCHED = "not searched"
COVERAGE_HEAD = ("Looked for", "By", "Outcome")


def coverage_rows(result: Result) -> list[tuple[str, str, str]]:
    """Everything looked for or left out, in the columns of :data:`COVERAGE_HEAD`."""
    by_class = _by_class(result)
    return [
        ("One trigger for all classes", "trigger search", _search(result)),
        ("A label that floods the space between samples", "planes", _planes(result)),
        ("Small signs of a trigger", "disturbed samples", _disturbed(result)),
        ("Several or changing models", "repeated inputs", _repeats(result)),
        ("A trigger for one class only", "search class by class", by_class),
        ("Classes exchanged among each other (all-to-all)", "search class by class", by_class),
    ]


def _alone(result: Result) -> int:
    """Labels that were searched by themselves, as plans since version 11 do it."""
    return 0 if result.trigger is None else result.trigger.alone


def _alone_judged(result: Result) -> bool:
    """True if clean models like this one were searched so."""
    found = result.trigger
    small = not searched_by_label(result.input.shape[1:])
    return found is not None and found.alone > 0 and (small or found.alone_judged)


def _by_class(result: Result) -> str:
    """Queries of the search class by class, and its labels if known."""
    found = result.trigger
    asked = 0 if found is None else found.queries_by_stage.get("sources", 0)
    if not asked:
        return NOT_SEARCHED
    of = f" of {text.plural(_alone(result), 'label')}" if _alone(result) else ""
    return f"{text.count(asked)} queries{of}"


def _search(result: Result) -> str:
    found = result.trigger
    if found is None:
        return "not finished" if result.partial else "not searched"
    kinds = text.plural(kinds_tried(found), "kind")
    return f"{kinds} of change, {text.count(found.queries)} queries"


def _planes(result: Result) -> str:
    if not result.settings.planes:
        return "none: they run through three classes"
    return f"{len(result.planes)} of {result.settings.planes} answered{_spared(result, 'planes')}"


def _spared(result: Result, part: str) -> str:
    """Questions left out, and why."""
    left = result.not_asked
    count = 0 if left is None else getattr(left, part)
    if left is None or not count:
        return ""
    if result.partial:
        return f", {text.count(count)} not reached"
    why = "the verdict stood without" if left.because == "suspected" else "enough was answered"
    return f", {text.count(count)} left out as {why}"


def _disturbed(result: Result) -> str:
    if not result.settings.families:
        return "not asked"
    decided = result.scores.decision
    asked = "asked" if decided is not None and decided.references else "not all asked"
    return f"{asked}{_spared(result, 'family_queries')}"


def _repeats(result: Result) -> str:
    held = result.canaries
    if held is None:
        return "not asked"
    return f"{text.count(held.flipped)} of {text.count(held.asked)} got another label"


KINDS_HEAD = ("Kind of backdoor", "Found in held-out models")
KINDS = {
    "badnets": "one patch at one place",
    "badnets-any": "a patch at any place",
    "badnets-corner": "one patch in a corner",
    "badnets-inside": "one patch at one place",
    "blended": "a picture blended in",
    "blind": "a patch planted in the training code",
    "bpp": "fewer grey levels",
    "clean-label": "a patch, labels left as they were",
    "lira": "a learned pattern for each picture",
    "low-frequency": "a smooth pattern",
    "quantise": "fewer grey levels",
    "sig": "a wave",
    "ssba": "a hidden text as a pattern",
    "sticker": "a sticker, any place and turn",
    "trojan": "a patch optimised for the network",
    "trojannn": "a patch optimised for the network",
    "wanet": "a warp",
    "warp": "a warp",
}
"""Attacks of the measured models, in words."""


def kinds_caption(result: Result) -> str:
    """Title of the table of :func:`kinds_rows`: the models that it counts."""
    shape, encoding = result.input.shape, result.input.coding
    models = models_of(measured_on(shape, encoding, classes_of(result)))
    if clearing_search(result) is not None:
        models = models_of(None, ZOO_SIDES)
    of = " and careful" if searched_by_label(shape[1:]) else ""
    return (
        f"What is found where usual{of} attackers planted a backdoor, in held-out {models}, with "
        "95 % intervals"
    )


def kinds_rows(result: Result) -> list[tuple[str, str]]:
    """Kinds of backdoor that such a search was measured on, in the columns of
    :data:`KINDS_HEAD`; empty if it was not.
    """
    rates, small = own_rates(result) if asked_by_label(result) else None, clearing_search(result)
    kinds = small.found if small is not None else () if rates is None else as_ruled(rates).kinds
    if not kinds:
        return []
    rows = [(KINDS.get(one.kind, one.kind), _of(one.hits, one.models)) for one in kinds]
    if rates is not None and rates.adaptive:
        found = _of(rates.adaptive_found, rates.adaptive)
        rows.append(("any of them, where near misses keep their label (adaptive)", found))
    # Of the small models some had one.
    each = ", a pattern per picture" if searched_by_label(result.input.shape[1:]) else ""
    by_class = by_source_rates(result.input.shape)
    if not _alone_judged(result):
        asked = _by_class(result) != NOT_SEARCHED
        sought = "searched, decides nothing" if asked else "not sought"
        return [*rows, (f"one source class, all-to-all{each}", sought)]
    size = " ({} to {} pixels)".format(*by_class.sides) if each else ""
    one = f"shown in {by_class.one_shown} of {by_class.one}, decides nothing"
    rows += [
        (f"every class sent to another{size}", _of(by_class.everywhere_found, by_class.everywhere)),
        (f"a few source classes{size}", _of(by_class.some_found, by_class.some)),
        (f"one source class{size}", one),
    ]
    return [*rows, ("a pattern per picture", "not sought")] if each else rows


def _of(hits: int, models: int) -> str:
    rate = binomial_rate(hits, models)
    return f"{hits} of {models} ({100 * rate.low:.0f}\N{EN DASH}{100 * rate.high:.0f}%)"
