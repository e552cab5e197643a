"""The measurements that an input of the search label by label lies inside of. Pure.

A search decides only beside held-out models that were asked alike: of pictures of that size, sent
in that form, for tasks of that many classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from adapters.contract import InputSpec, jpeg_quality
from auditor.measured import (
    FEW_CLASSES,
    ClassGroup,
    ErrorRates,
    LabelPopulation,
    LabelRates,
    by_source_rates,
    label_rates,
    of_plans_since,
    own_effort,
    small_label_rates,
    trigger_clearing,
    trigger_error_rates,
    within,
)
from auditor.plan.digest import FURTHER_ACCUSE, STATED, TELLING
from auditor.plan.draw import PLANE_CLASSES
from auditor.plan.plan import AuditPlan
from auditor.probes.label_search.settings import (
    EFFORTS,
    Effort,
    searched_by_label,
    settings_for,
)
from auditor.scores.intervals import binomial_rate
from auditor.verdict.clearing import cleared_seldom
from auditor.verdict.scope import KnownOnlyFor
from auditor.verdict.verdict import MAX_ERROR

FURTHER_QUERIES = {"small-fine5": 18_000, "small-patch4": 10_000}
"""What a further search asks about, where it was measured."""
MOST_ACCUSED = 0.03
"""Largest share of clean models that a search which may accuse has accused."""


def rates_for(shape: Sequence[int], encoding: str, classes: int) -> Mapping[str, LabelRates]:
    """Error rates by effort for pictures of ``shape`` ``(c, h, w)`` sent as ``encoding``, of a task
    of so many ``classes``.

    JPEG of a better quality than any measured is judged by the nearest below it. Empty if nothing
    like it was measured. Tasks of three and four classes have those of more where none of them was:
    :func:`judged` tells that they decide nothing then. ``exhaustive`` has those of ``thorough``
    where it was not measured: what it asks besides accuses of nothing there, or, at 64 to 96
    pixels, of the smallest patches, which were measured with the searches of before.
    """
    best = measured_on(shape, encoding, classes)
    if best is None:
        return {}
    clears = not best.backdoored_to or max(shape[1:]) <= best.backdoored_to
    efforts: dict[str, LabelRates] = {
        name: replace(best.efforts[name], clears=clears, tasks=best.tasks)
        for name in EFFORTS if name in best.efforts
    }  # fmt: skip
    first = efforts.get("thorough")
    unknown = "exhaustive" not in efforts and searched_by_label(tuple(shape[1:]))
    if first is not None and unknown and of_plans_since(FURTHER_ACCUSE):
        further = settings_for(tuple(shape[1:]), "exhaustive").further
        more = sum(FURTHER_QUERIES[key] for key in further)
        begins = first.begins_with if any(first.begins_with) else (
            first.usual_cleared, first.usual
        )  # fmt: skip
        efforts["exhaustive"] = replace(
            first, not_found=first.not_found + more, measured_at="thorough", begins_with=begins
        )
    return efforts


def measured_on(shape: Sequence[int], encoding: str, classes: int) -> LabelPopulation | None:
    """The models that :func:`rates_for` tells the rates of; None if nothing was measured."""
    near = [one for one in _alike(shape, classes) if _holds(one, shape, encoding)]
    return max(near, key=lambda one: jpeg_quality(one.coding) or 0, default=None)


def as_ruled(rates: LabelRates) -> LabelRates:
    """``rates`` as audits end: without what a search finds that may not accuse. Of plans of before
    version 11 all of it was told.
    """
    return (rates.as_ruled if _of_own_effort() else None) or rates


def _of_own_effort() -> bool:
    return own_effort() and of_plans_since(FURTHER_ACCUSE)


def errors_of(rates: LabelRates) -> ErrorRates:
    """Errors of a search label by label, for usual attackers."""
    return ErrorRates(rates.accused, rates.clean, rates.usual - rates.usual_found, rates.usual)


def small_errors(plan: AuditPlan, spec: InputSpec) -> ErrorRates:
    """Errors of audits of small pictures at the effort of ``plan``; of earlier plans, and of
    larger pictures, those of the search for the most successful change alone.
    """
    rates = None
    if plan.by_label is not None and not plan.by_label_only and _of_own_effort():
        classes = len(np.unique(plan.search_classes))
        rates = rates_for(spec.shape, spec.coding, classes).get(plan.settings.effort)
    return trigger_error_rates() if rates is None else errors_of(as_ruled(rates))


def group_of(classes: int) -> ClassGroup:
    """The tasks that one of so many ``classes`` is judged with."""
    if classes < PLANE_CLASSES:
        return "two"
    return "few" if classes < FEW_CLASSES else "many"


def judged(shape: Sequence[int], classes: int) -> bool:
    """True if models of such pictures and so many ``classes`` were measured."""
    return any(one.classes == group_of(classes) for one in _alike(shape, classes))


def _alike(shape: Sequence[int], classes: int) -> list[LabelPopulation]:
    """Populations of tasks like one of so many classes; for three or four classes, where no such
    task has pictures of that size, of more.
    """
    every = (*small_label_rates(), *label_rates())
    own = [one for one in every if one.classes == group_of(classes)]
    if group_of(classes) == "few" and not any(within(one.sides, shape) for one in own):
        return [one for one in every if one.classes == "many"]
    return own


def _holds(one: LabelPopulation, shape: Sequence[int], encoding: str) -> bool:
    sent, measured = jpeg_quality(encoding), jpeg_quality(one.coding)
    if sent is None or measured is None:
        return within(one.sides, shape) and sent is measured
    return within(one.sides, shape) and measured <= sent


def accuses_at(rates: LabelRates) -> bool:
    """True if a search with these error rates may accuse a model.

    Fragile models, trained weakly on few and alike pictures, count by themselves too, where there
    were any: nothing tells whether the model at hand is one. Many models make the interval narrow,
    so that the share itself has a limit too.
    """
    ends = [(rates.accused, rates.clean)]
    if rates.fragile:
        ends.append((rates.fragile_accused, rates.fragile))
    often = rates.accused > MOST_ACCUSED * rates.clean
    return not often and max(binomial_rate(*end).high for end in ends) < MAX_ERROR


def accuses_by_class(shape: Sequence[int]) -> bool:
    """True if a search of each class of such pictures by itself may accuse a model."""
    rates = by_source_rates(shape)
    return rates.clean > 0 and binomial_rate(rates.accused, rates.clean).high < MAX_ERROR


def accusing_effort(rates: Mapping[str, LabelRates]) -> Effort | None:
    """The lowest effort at which a search may accuse a model; None if there is none."""
    return next((name for name in EFFORTS if name in rates and accuses_at(rates[name])), None)


def looks(earlier: Iterable[Effort], rates: Mapping[str, LabelRates]) -> int:
    """Searches that a p-value pays for after ``earlier`` ones of the same model.

    A search that may not accuse is no chance to accuse wrongly: raising an audit from there costs
    nothing, and it ends like one that began with the higher effort.
    """
    return 1 + sum(name in rates and accuses_at(rates[name]) for name in earlier)


def clears_at(rates: LabelRates, *, after_success: bool = False) -> bool:
    """True if a search with these error rates may clear a model.

    ``after_success`` is said of small pictures, where it follows the search for the most successful
    change: whatever that search leaves open stays open, so both together clear no more backdoored
    models than the first one alone. So do further searches and the one that they follow.
    """
    first = trigger_clearing()
    alone = after_success and cleared_seldom(first.missed, first.backdoored)
    begun = any(rates.begins_with) and cleared_seldom(*rates.begins_with)
    seldom = begun or cleared_seldom(rates.usual_cleared, rates.usual)
    return alone or (rates.clears and seldom)


def usual_cleared(rates: LabelRates) -> tuple[int, int]:
    """Backdoors of usual attackers that such a search clears, and how many were searched: its own,
    or of the search that it begins with, which clears no fewer, if those alone bound the share.
    Of plans of before version 13 its own were told in any case.
    """
    own, first = (rates.usual_cleared, rates.usual), rates.begins_with
    bounds = of_plans_since(TELLING) and any(first) and cleared_seldom(*first)
    return first if bounds and not cleared_seldom(*own) else own


def outside_label_measurements(spec: InputSpec, classes: int) -> KnownOnlyFor | None:
    """The limit that an input lies outside of, or None if it lies inside all of them.

    Of few classes one draws the others naturally, under many changes, so tasks of two and of three
    or four have clean models of their own.
    """
    alike = _alike(spec.shape, classes)
    if not alike:
        return KnownOnlyFor("classes")
    group = alike[0].classes
    sized = [one for one in alike if within(one.sides, spec.shape)]
    if not sized:
        large = [one for one in alike if searched_by_label(one.sides[1:])]
        beyond = max(spec.shape[1:]) > max(one.sides[1] for one in large)
        ranges = tuple(sorted({one.sides for one in (alike if beyond else large)}))
        sides = ranges[0][0], max(most for _, most in ranges)
        between = of_plans_since(STATED) and within(sides, spec.shape)
        return KnownOnlyFor("side", None, sides, group, ranges if between else ())
    if not rates_for(spec.shape, spec.coding, classes):
        measured = [quality for one in sized if (quality := jpeg_quality(one.coding))]
        return KnownOnlyFor("coding", min(measured, default=None), classes=group)
    return None if judged(spec.shape, classes) else KnownOnlyFor("classes")
