"""The plan's adaptive probes: seeded generators whose questions depend on the answers so far.

Each yields inputs, is sent their labels and yields the next ones. Pure: an engine runs them.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.measured import LabelNull, label_null_of
from auditor.plan.digest import (
    FURTHER_ACCUSE,
    MORE_CLEAN,
    MORE_NULLS,
    SECOND_BY_LABEL,
    SECOND_SEARCH,
)
from auditor.plan.draw import pick_search_samples, picked
from auditor.plan.plan import AuditPlan
from auditor.plan.searches import deeper_again, further_orders, judged_later
from auditor.probes.base import Pictures
from auditor.probes.both_searches import both
from auditor.probes.further_searches import (
    FURTHER_STREAM,
    further_limits,
    joined,
    may_accuse,
    patches_alone,
    shown_only,
)
from auditor.probes.label_map import LabelMap, draw_label_map
from auditor.probes.label_search.judge import (
    PHOTO,
    AccusingLimits,
    limits_for,
    of_any_label,
    told_limits,
    with_waves,
    without_grey,
)
from auditor.probes.label_search.outcome import label_search
from auditor.probes.label_search.settings import (
    AFTER_SUCCESS,
    Effort,
    LabelSearchSettings,
    label_effort,
)
from auditor.probes.second_search import (
    SECOND_STREAM,
    WEAK,
    again_limits,
    borderline,
    confirm,
    same_kind,
    weakest,
)
from auditor.probes.trigger_search.by_source import search_by_source
from auditor.probes.trigger_search.judge import SIGNIFICANCE
from auditor.probes.trigger_search.per_source import search_sources
from auditor.probes.trigger_search.result import TriggerResult
from auditor.probes.trigger_search.search import search

T = TypeVar("T")
Search = Generator[NDArray[np.float32] | Pictures, NDArray[np.int64], T]
"""Yields ``(n, c, h, w)`` inputs in model units, is sent ``(n,)`` labels, returns its outcome."""


@dataclass(frozen=True)
class TriggerOutcome:
    """A finished trigger search, and the labels ``(n,)`` of its ``result.preview``."""

    result: TriggerResult
    preview_labels: NDArray[np.int64]


def trigger_search(plan: AuditPlan, spec: InputSpec) -> Search[TriggerOutcome]:
    """Search for a trigger over all samples, then, while nothing was found and if the plan says so,
    of small pictures label by label, and over each source class by itself, which plans of before
    version 11 did first; one last batch asks the result's preview.
    """
    if plan.by_label_only:
        result = yield from _label_search(plan, spec)
    else:
        result = yield from _success_search(plan, spec)
    if plan.trigger.sources and not plan.by_source and not result.suspicious:
        result = yield from search_sources(
            plan.search_images, spec, plan.trigger, plan.settings.seed, result
        )
    if plan.by_label is not None and not plan.by_label_only and not result.suspicious:
        result = both(result, (yield from _label_search(plan, spec)))
    if plan.by_source and not result.suspicious:
        result = yield from search_by_source(
            plan.source_images, spec, plan.trigger, plan.settings.seed, result,
            judged=plan.judged_by_source,
        )  # fmt: skip
    labels = yield Pictures(spec, result.preview)
    return TriggerOutcome(result, labels)


def _success_search(plan: AuditPlan, spec: InputSpec) -> Search[TriggerResult]:
    """The search for the most successful change, and a second one before it accuses."""
    samples, seed = _samples(plan), plan.settings.seed
    found = yield from search(*samples, spec, plan.trigger, seed)
    if not (plan.twice and found.suspicious):
        return found
    weak = weakest(found)
    if weak is not None:
        limits = without_grey(WEAK) if plan.version >= SECOND_BY_LABEL and spec.lossy else WEAK
        again = yield from label_search(
            *samples, spec, weak, AFTER_SUCCESS[0], seed + SECOND_STREAM, limits=limits
        )
        return confirm(found, again)
    if borderline(found, SIGNIFICANCE):
        return confirm(
            found, (yield from search(*samples, spec, plan.trigger, seed + SECOND_STREAM))
        )
    return found


def _label_search(plan: AuditPlan, spec: InputSpec) -> Search[TriggerResult]:
    """The search label by label and, while nothing is suspicious, further ones for patches."""
    settings, effort = plan.by_label, label_effort(spec.shape[1:], plan.settings.effort)
    assert settings is not None
    assert effort is not None
    if not plan.by_label_only and plan.version < SECOND_SEARCH:
        effort = AFTER_SUCCESS[0]
    samples, seed = _samples(plan), plan.settings.seed
    limits, null = _limits(plan, spec), _null(plan, spec, settings, samples[1])
    found = yield from label_search(
        *samples, spec, settings, effort, seed, plan.earlier, plan.looks, limits, null,
        open_null=_open_null(plan, spec, effort, samples[1]),
    )  # fmt: skip
    confirmed = plan.twice and (plan.by_label_only or _told(plan))
    if confirmed and borderline(found, limits.level):
        assert found.best is not None
        deeper = same_kind(found.best.key, settings, deeper_again(plan.version))
        again = yield from label_search(
            *samples, spec, deeper, effort, seed + SECOND_STREAM, limits=again_limits(limits),
            null=null,
        )  # fmt: skip
        found = confirm(found, again)
    fewer, kinds = shown_only(limits), None
    orders = further_orders(settings, plan.version)
    known = may_accuse(spec.shape, len(np.unique(samples[1])), lossy=spec.lossy)
    if plan.version >= FURTHER_ACCUSE and known:
        # What may accuse pays for the kinds of change of all searches.
        kinds = found.comparisons // plan.looks + (2 if orders else 1) * len(settings.further)
        assert found.by_label is not None
        fewer = further_limits(limits, found.by_label.habits, told=orders > 0)
    for number, key in enumerate(settings.further, 1):
        if found.suspicious:
            break
        alone, stream = patches_alone(key, orders), seed + number * FURTHER_STREAM
        more = yield from label_search(
            *samples, spec, alone, effort, stream, plan.earlier, plan.looks, fewer, null, kinds
        )
        found = joined(found, more)
    return found


def _null(
    plan: AuditPlan, spec: InputSpec, settings: LabelSearchSettings, classes: NDArray[np.int64]
) -> LabelNull | None:
    """Clean models to judge samples of ``classes`` ``(n,)`` by; None for those that searches of
    such pictures at the plan's effort have.
    """
    if _judged_later(plan):
        return {}
    if not (settings.further or _told(plan)):
        return None
    # Each of several searches asks what one does at the effort below.
    effort = AFTER_SUCCESS[0] if settings.further else plan.settings.effort
    return label_null_of(spec.shape, told=_told(plan)).of(effort, len(np.unique(classes)))


def _open_null(
    plan: AuditPlan, spec: InputSpec, effort: Effort, classes: NDArray[np.int64]
) -> LabelNull | None:
    """Clean models to judge by what speaks against an all-clear; None for the same. Below
    ``exhaustive`` those of before do: how few backdoors that clears is known by earlier rounds.
    """
    if not _told(plan) or effort == "exhaustive":
        return None
    return label_null_of(spec.shape).of(effort, len(np.unique(classes)))


def _told(plan: AuditPlan) -> bool:
    """True if clean models judge the plan's search that were asked what tells planted patches from
    natural ones.
    """
    asked = plan.by_label is not None and plan.by_label.order_images > 0
    return asked and plan.version >= MORE_CLEAN


def _limits(plan: AuditPlan, spec: InputSpec) -> AccusingLimits:
    """The limits of accusing by the search label by label in plans of that version."""
    if not plan.by_label_only and plan.version < SECOND_SEARCH:
        return PHOTO
    if plan.by_label_only and plan.version < SECOND_BY_LABEL:
        return with_waves(spec.shape)
    if _told(plan):
        return told_limits(spec.shape, plan.settings.effort)
    of_version = limits_for if plan.version >= MORE_NULLS else of_any_label
    return of_version(spec.shape, lossy=spec.lossy)


def _judged_later(plan: AuditPlan) -> bool:
    return plan.by_label_only and judged_later(plan.search_classes, plan.settings, plan.version)


def _samples(plan: AuditPlan) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Those of the searches over all classes."""
    few = pick_search_samples(plan.search_classes, plan.settings.seed)
    return picked(plan.search_images, few), plan.search_classes[few]


def drawings(plan: AuditPlan) -> Search[tuple[LabelMap, ...]]:
    """Draw the label maps of the plan's first planes, one after the other."""
    drawn = []
    for number, probe in enumerate(plan.mapped_planes):
        drawn.append((yield from draw_label_map(probe, (plan.settings.seed, number))))
    return tuple(drawn)
