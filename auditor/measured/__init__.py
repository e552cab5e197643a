"""Numbers measured on the reference models, with their provenance.

Each ``*.json`` file of this folder holds ``provenance`` and ``values``. It is written by
``examples/benchmarks``, never by hand, and is read once, when its numbers are first used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from auditor.measured.files import read_numbers
from auditor.measured.types import (
    FEW_CLASSES,
    BySourceRates,
    ClassGroup,
    ClearingRates,
    Counted,
    DecisionRates,
    DecisionRule,
    ErrorRates,
    JpegRates,
    LabelCell,
    LabelNull,
    LabelNulls,
    LabelPopulation,
    LabelRates,
    Null,
    NullCell,
    Provenance,
    QueryStats,
    Rule,
    SearchQueries,
    ValueNull,
)

__all__ = [
    "FEW_CLASSES",
    "FOLDER",
    "NAMES",
    "BySourceRates",
    "ClassGroup",
    "ClearingRates",
    "Counted",
    "DecisionRates",
    "DecisionRule",
    "ErrorRates",
    "JpegRates",
    "LabelCell",
    "LabelNull",
    "LabelNulls",
    "LabelPopulation",
    "LabelRates",
    "Null",
    "NullCell",
    "Provenance",
    "QueryStats",
    "Rule",
    "SearchQueries",
    "ValueNull",
    "by_class_errors",
    "by_source_null",
    "by_source_rates",
    "decision_rates",
    "decision_rule",
    "earlier_search",
    "jpeg_rates",
    "label_null",
    "label_null_of",
    "label_rates",
    "label_rates_before",
    "of_default_effort",
    "of_earlier_search",
    "of_plans_since",
    "own_effort",
    "per_source_null",
    "provenance",
    "read_numbers",
    "search_queries",
    "small_label_null",
    "small_label_rates",
    "small_told_label_null",
    "told_label_null",
    "trigger_clearing",
    "trigger_error_rates",
    "trigger_error_rates_before",
    "trigger_null",
    "unusual_label_null",
    "within",
]

SPOTS_SINCE = 16
"""First version of plans whose search of small pictures asks for spots beside a found patch."""
FOLDER = Path(__file__).parent
NAMES = (
    "by_source_null",
    "by_source_rates",
    "decision_rates",
    "decision_rule",
    "jpeg_rates",
    "label_null",
    "label_rates",
    "label_rates_before",
    "per_source_null",
    "photos_by_source_null",
    "photos_by_source_rates",
    "search_queries",
    "small_label_null",
    "small_label_rates",
    "small_told_label_null",
    "told_label_null",
    "trigger_clearing",
    "trigger_error_rates",
    "trigger_error_rates_before",
    "trigger_null",
    "unusual_label_null",
)
"""Every file, without its suffix; each has the reader of the same name, or of the name after
``photos_``."""

T = TypeVar("T")


@cache
def decision_rule() -> DecisionRule:
    """The chosen rule and its null."""
    return _values("decision_rule", DecisionRule)


def decision_rates() -> DecisionRates:
    """Errors of the decision rule on held-out models; without references those of the trigger
    search alone, which it goes by then.
    """
    return _decided() if earlier_search() else _decided_by_search()


@cache
def _decided_by_search() -> DecisionRates:
    return replace(_decided(), without_references=_trigger_errors())


@cache
def _decided() -> DecisionRates:
    return _values("decision_rates", DecisionRates)


_EARLIER = ContextVar("_EARLIER", default=(False, False, math.inf))


@contextmanager
def of_earlier_search(
    *, earlier: bool, by_label: bool, version: float = math.inf
) -> Iterator[None]:
    """State the numbers of searches before they confirmed what they find: reports about audits by
    plans of before are recomputed with them.

    Args:
        earlier: of the search for the most successful change.
        by_label: of the search label by label of pictures of more than 40 pixels.
        version: of the plan; what was measured for later ones is left out.
    """
    token = _EARLIER.set((earlier, by_label, version))
    try:
        yield
    finally:
        _EARLIER.reset(token)


def earlier_search() -> bool:
    """True inside of :func:`of_earlier_search` of the search for the most successful change."""
    return _EARLIER.get()[0]


def of_plans_since(version: int) -> bool:
    """False inside of :func:`of_earlier_search` of a plan of before ``version``."""
    return _EARLIER.get()[2] >= version


_OWN_EFFORT = ContextVar("_OWN_EFFORT", default=True)


@contextmanager
def of_default_effort(*, told: bool) -> Iterator[None]:
    """State of small pictures, if so ``told``, the rates of the default effort at every one: so
    reports did before they named the models that those were measured on.
    """
    token = _OWN_EFFORT.set(not told)
    try:
        yield
    finally:
        _OWN_EFFORT.reset(token)


def own_effort() -> bool:
    """False inside of :func:`of_default_effort` of such a report."""
    return _OWN_EFFORT.get()


@cache
def jpeg_rates() -> tuple[JpegRates, ...]:
    """Effect of JPEG uploads on the rule, one entry per quality measured."""
    return _values("jpeg_rates", tuple[JpegRates, ...])


@cache
def label_null() -> LabelNulls:
    """Nulls of the search label by label of photo models."""
    return _values("label_null", LabelNulls)


@cache
def told_label_null() -> LabelNulls:
    """The same where a search asks of a found patch what tells planted ones from natural ones."""
    return _values("told_label_null", LabelNulls)


def label_rates() -> tuple[LabelPopulation, ...]:
    """Errors of the search label by label on held-out photo models, by size, coding, effort and
    number of classes.
    """
    _, by_label, version = _EARLIER.get()
    return label_rates_before() if by_label else _of_version("label_rates", version)


@cache
def _of_version(name: str, version: float) -> tuple[LabelPopulation, ...]:
    """One population for all pictures and tasks that are alike: of what was measured for plans of
    several versions the latest counts.
    """
    alike: dict[tuple[Any, ...], LabelPopulation] = {}
    for one in _values(name, tuple[LabelPopulation, ...]):
        if one.since <= version and (not one.until or version < one.until):
            key = (one.sides, one.coding, one.classes)
            earlier = alike[key].efforts if key in alike else {}
            alike[key] = replace(one, efforts={**earlier, **one.efforts})
    return tuple(alike.values())


@cache
def label_rates_before() -> tuple[LabelPopulation, ...]:
    """Those of before that search confirmed what it finds, for plans of up to version 6."""
    return _values("label_rates_before", tuple[LabelPopulation, ...])


@cache
def small_label_null() -> LabelNulls:
    """Nulls of the search label by label of small pictures."""
    return _values("small_label_null", LabelNulls)


@cache
def small_told_label_null() -> LabelNulls:
    """The same where a search asks of a found patch what tells planted ones from natural ones."""
    return _values("small_told_label_null", LabelNulls)


def small_label_rates() -> tuple[LabelPopulation, ...]:
    """Errors of both searches of small pictures on held-out models."""
    return _of_version("small_label_rates", _EARLIER.get()[2])


def label_null_of(shape: Sequence[int], *, told: bool = False) -> LabelNulls:
    """The nulls that pictures of ``shape`` ``(h, w)`` or ``(c, h, w)`` are judged by, where patches
    are ``told`` or not.
    """
    if max(shape[-2:]) <= small_label_null().sides[1]:
        return small_told_label_null() if told else small_label_null()
    return told_label_null() if told else label_null()


@cache
def trigger_null() -> Null:
    """Null of the trigger search."""
    return _values("trigger_null", dict[str, NullCell])


@cache
def unusual_label_null() -> Null:
    """Null of the trigger search's findings at labels that are no habit of the references: a best
    change that led to a habit counts as no success.
    """
    return _values("unusual_label_null", dict[str, NullCell])


def by_source_null(shape: Sequence[int]) -> Mapping[str, ValueNull]:
    """Nulls of the last of three pairs of three targets that one patch moves, and of four, in log
    odds, by that number, for pictures of ``shape`` ``(h, w)`` or ``(c, h, w)``.
    """
    return _by_source_nulls(_of_pictures(shape, "by_source_null"))


def by_source_rates(shape: Sequence[int]) -> BySourceRates:
    """Ends of such searches of held-out models, with pictures like those of ``shape``."""
    return _by_source_rates(_of_pictures(shape, "by_source_rates"))


def within(sides: tuple[int, int], shape: Sequence[int]) -> bool:
    """True if no side of pictures of ``shape`` ``(h, w)`` or ``(c, h, w)`` is beyond ``sides``."""
    return sides[0] <= min(shape[-2:]) and max(shape[-2:]) <= sides[1]


def _of_pictures(shape: Sequence[int], name: str) -> str:
    """The file of that ``name`` for pictures of ``shape``."""
    return name if max(shape[-2:]) <= small_label_null().sides[1] else f"photos_{name}"


@cache
def _by_source_nulls(name: str) -> Mapping[str, ValueNull]:
    return _values(name, dict[str, ValueNull])


@cache
def _by_source_rates(name: str) -> BySourceRates:
    return _values(name, BySourceRates)


def by_class_errors(shape: Sequence[int]) -> ErrorRates:
    """Errors of such searches on clean models, and on those that send every class elsewhere."""
    rates = by_source_rates(shape)
    missed = rates.everywhere - rates.everywhere_found
    return ErrorRates(rates.accused, rates.clean, missed, rates.everywhere)


@cache
def per_source_null() -> NullCell:
    """Null of the second best pair of source and target, as plans of before version 11 search."""
    return _values("per_source_null", NullCell)


@cache
def trigger_clearing() -> ClearingRates:
    """Held-out models that the trigger search alone clears."""
    return _values("trigger_clearing", ClearingRates)


def trigger_error_rates() -> ErrorRates:
    """Errors of the trigger search alone on held-out models."""
    if earlier_search():
        return _decided().without_references
    return _trigger_errors() if of_plans_since(SPOTS_SINCE) else trigger_error_rates_before()


@cache
def _trigger_errors() -> ErrorRates:
    return _values("trigger_error_rates", ErrorRates)


@cache
def trigger_error_rates_before() -> ErrorRates:
    """The same of plans of before version 16, which asked for no spots beside a patch."""
    return _values("trigger_error_rates_before", ErrorRates)


@cache
def search_queries() -> SearchQueries:
    """Queries of trigger searches, as ``xray-audit plan`` expects them."""
    return _values("search_queries", SearchQueries)


def provenance(name: str) -> Provenance:
    """Origin of the numbers in file ``name``, one of :data:`NAMES`."""
    return read_numbers(FOLDER, name, Provenance, "provenance")


def _values(name: str, kind: type[T]) -> T:
    return read_numbers(FOLDER, name, kind)
