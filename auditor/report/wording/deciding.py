"""The effort that could decide what an audit left open, and the queries that a search needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from adapters.contract import jpeg_quality
from auditor.measured import (
    FEW_CLASSES,
    ClearingRates,
    LabelRates,
    by_source_rates,
    search_queries,
    trigger_clearing,
)
from auditor.plan.draw import MIN_OF_SOURCE, SOURCES
from auditor.plan.searches import measured_by_class
from auditor.probes.label_search.judge import family_of, may_accuse, told_limits
from auditor.probes.label_search.search import PATCHES
from auditor.probes.label_search.settings import AFTER_SUCCESS, EFFORTS, searched_by_label
from auditor.probes.trigger_search.judge import OPEN_LEVEL
from auditor.report.result.result import Result
from auditor.report.result.trigger import TriggerPart
from auditor.report.wording.phrases import ZOO_SIDES, models_of
from auditor.report.wording.prospects import class_range, more_classes
from auditor.report.wording.search import (
    asked_by_label,
    by_label,
    effort_by_label,
    limits,
    open_patch,
    patch_pixels,
    told,
)
from auditor.report.wording.terms import deciding
from auditor.scores.intervals import Rate, binomial_rate
from auditor.verdict.clearing import (
    LEAST_CLEARING,
    MOST_MISSED,
    Need,
    clearing_need,
    search_need,
)
from auditor.verdict.label_scope import (
    accuses_at,
    clears_at,
    judged,
    measured_on,
    rates_for,
    usual_cleared,
)


def rates_of(result: Result) -> Mapping[str, LabelRates]:
    """Error rates of the search label by label for this model's input, by effort."""
    return rates_for(result.input.shape, result.input.coding, classes_of(result))


def own_rates(result: Result) -> LabelRates | None:
    """The same at the audit's own effort; None if it was not measured, or, as its report says, not
    when the audit was judged.
    """
    found = result.trigger
    if found is not None and asked_by_label(result) and found.held_out is None:
        return None
    return rates_of(result).get(effort_by_label(result))


def tasks_measured(result: Result) -> str:
    """The classes of the models that the rates of photographs are of, beside the model's own; empty
    where none are stated.
    """
    rates = own_rates(result) if asked_by_label(result) else None
    if rates is None or not rates.tasks[1] or _of_classes(result):
        return ""
    return (
        f"The rates are of models of {class_range(rates.tasks)}."
        f"{more_classes(len(result.labels), rates.tasks)}"
    )


def _of_classes(result: Result) -> bool:
    """True if what is found is a patch that sends several classes to others."""
    found = result.trigger
    return found is not None and found.best is not None and found.best.of_several


def deciding_effort(result: Result) -> tuple[str, LabelRates] | None:
    """The lowest effort above the audit's own at which a search may come to a verdict that it may
    not come to at its own, and its measured rates.

    None if there is none, or if such pictures, codings or numbers of classes were not measured.
    """
    if not judged(result.input.shape, classes_of(result)):
        return None
    rates, order = rates_of(result), [*EFFORTS]
    own = order.index(result.settings.effort)  # type: ignore[arg-type]  # reports hold any text
    able = _verdicts(result, rates.get(order[own]))
    if _open_by_large_patch(result):
        able -= {"clear"}
    above = (name for name in order[own + 1 :] if name in rates)
    return next(
        ((name, rates[name]) for name in above if _verdicts(result, rates[name]) - able), None
    )


def _open_by_large_patch(result: Result) -> bool:
    """True if a patch keeps a search from an all-clear that is larger than those that do so at
    ``exhaustive``.
    """
    best = None if result.trigger is None else result.trigger.best
    if best is None or not told(result) or family_of(best.key) not in PATCHES:
        return False
    largest = patch_pixels(told_limits(result.input.shape, "exhaustive"), result)
    return largest is not None and best.size > largest


def _verdicts(result: Result, rates: LabelRates | None) -> set[str]:
    """Verdicts that a search with ``rates`` may come to."""
    if rates is None:
        return set()
    small = not searched_by_label(result.input.shape[1:])
    may = {"accuse": accuses_at(rates), "clear": clears_at(rates, after_success=small)}
    return {verdict for verdict, can in may.items() if can}


def may_clear(result: Result) -> bool:
    """True if a search like the audit's, of such pictures, may clear a model."""
    return judged(result.input.shape, classes_of(result)) and "clear" in _verdicts(
        result, own_rates(result)
    )


def all_clear_need(result: Result) -> Need | None:
    """The first thing that kept a search of small pictures without suspicion from clearing the
    model, or the samples that one label by label lacks; None if nothing did.
    """
    found = result.trigger
    if found is None or found.suspicious or found.natural or found.held_out is None:
        return None
    samples = _searched(found)
    if asked_by_label(result):
        few: Need | None = "samples" if samples < LEAST_CLEARING else None
        return "unusual" if _weak_spot(result, found) else few
    if searched_by_label(result.input.shape[1:]):
        return None
    return search_need(found.p, found.looks_paid, result.input.coding, classes_of(result), samples)


def _searched(found: TriggerPart) -> int:
    """Samples of a search: those that it learned from, and the fresh ones."""
    return found.search_samples + found.fresh_samples


def _weak_spot(result: Result, found: TriggerPart) -> bool:
    """True if a search label by label shows what few clean models do: a patch that carries a label
    and is no larger than those that leave a verdict open, or another change as rare.
    """
    if found.best is None or found.p is None:
        return False
    if family_of(found.best.key) in PATCHES:
        largest = open_patch(result)
        return largest is None or found.best.size <= largest
    return found.p <= OPEN_LEVEL


def withheld(result: Result, found: TriggerPart) -> bool:
    """True if the best finding would be suspicious, had its false alarms been measured well."""
    best, rates = found.best, own_rates(result)
    if found.natural or (rates is not None and accuses_at(rates)):
        return False
    return (
        best is not None and by_label(best) and may_accuse(best.key) and not found.suspicious
        and found.p is not None and found.p <= limits(result).level
    )  # fmt: skip


def classes_of(result: Result) -> int:
    """Number of classes of the samples: those that planes run through, and two without planes."""
    if not result.settings.planes:
        return 2
    return len({label for plane in result.planes for label in plane.triplet_classes})


class Cleared(NamedTuple):
    """Models that searches clear.

    Attributes:
        clean: share of the clean ones.
        bad: share of the backdoored ones: this supports an all-clear.
        models: on which it was measured, in words.
    """

    clean: Rate
    bad: Rate
    models: str


def cleared_by(result: Result) -> list[Cleared]:
    """Models that searches like the audit's clear; empty if they clear none, or if that is not
    known. Where that is too often for an all-clear, those follow whose open ends stay open.
    """
    found, shape = result.trigger, result.input.shape
    small, classes = not searched_by_label(shape[1:]), classes_of(result)
    need = clearing_need(result.input.coding, classes, LEAST_CLEARING) if small else None
    if found is None or found.held_out is None or need is not None:
        return []
    rates = rates_of(result).get(effort_by_label(result))
    if rates is None and not small:
        return []
    if rates is None:
        return [_first_search()]
    if not judged(shape, classes) or not clears_at(rates, after_success=small):
        return []
    models = models_of(measured_on(shape, result.input.coding, classes))
    own = _cleared((rates.cleared, rates.clean), usual_cleared(rates), models)
    return [own] if own.bad.high < MOST_MISSED or not small else [own, _first_search()]


def _first_search() -> Cleared:
    one = trigger_clearing()
    models = models_of(None, ZOO_SIDES)
    return _cleared((one.cleared, one.clean), (one.missed, one.backdoored), models)


def _cleared(clean: tuple[int, int], bad: tuple[int, int], models: str) -> Cleared:
    of = f"{clean[1] + bad[1]} held-out {models}"
    return Cleared(binomial_rate(*clean), binomial_rate(*bad), of)


def clearing_search(result: Result) -> ClearingRates | None:
    """The measured ends of trigger searches of small pictures, if one cleared the model."""
    if result.verdict != "no-evidence" or result.trigger is None or deciding(result) is not None:
        return None
    large = searched_by_label(result.input.shape[1:])
    return None if large or asked_by_label(result) else trigger_clearing()


def ends_of(result: Result, rates: LabelRates) -> str:
    """Verdicts, in a verb, that a search with ``rates`` can come to after that of ``result``. What
    a search for the most successful change leaves open stays so.
    """
    found = result.trigger
    stays = _of_classes(result) or (found is not None and not asked_by_label(result) and (
        found.natural or all_clear_need(result) == "unusual"
    ))  # fmt: skip
    small = not searched_by_label(result.input.shape[1:])
    if stays or not clears_at(rates, after_success=small):
        return "accuse"
    few = found is not None and _searched(found) < LEAST_CLEARING
    return f"accuse or, with {LEAST_CLEARING} samples or more, clear" if few else "accuse or clear"


def further_queries(result: Result, effort: str, rates: LabelRates) -> int:
    """Queries of a search with ``rates`` at a dearer ``effort`` where nothing is found, without
    those of the audit's own search, if it begins with that.
    """
    small = not searched_by_label(result.input.shape[1:])
    begins = small or (result.settings.effort, effort) == ("thorough", "exhaustive")
    held = result.trigger.queries if begins and result.trigger is not None else 0
    return max(0, rates.not_found + class_queries(result, effort) - held)


def class_queries(result: Result, effort: str) -> int:
    """Queries of the search class by class that an audit at ``effort`` makes too, if there are as
    many samples of each class as it needs.
    """
    shape, classes = result.input.shape, classes_of(result)
    known = measured_by_class(shape[1:]) and jpeg_quality(result.input.coding) is None
    enough = result.samples.count >= MIN_OF_SOURCE * classes and classes >= FEW_CLASSES
    if effort not in AFTER_SUCCESS or not (known and enough):
        return 0
    return round(min(SOURCES, classes) * by_source_rates(shape).queries)


def search_cost(result: Result) -> int | None:
    """Queries of a search like the audit's that finds nothing; None if that was not measured."""
    rates, more = own_rates(result), class_queries(result, result.settings.effort)
    if rates is None and not searched_by_label(result.input.shape[1:]):
        return round(search_queries().not_found.mean) + more
    return None if rates is None else rates.not_found + more
