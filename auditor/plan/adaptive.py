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
from auditor.plan.draw import pick_search_samples, picked
from auditor.plan.plan import AuditPlan
from auditor.probes.base import Pictures
from auditor.probes.both_searches import both
from auditor.probes.label_map import LabelMap, draw_label_map
from auditor.probes.label_search.outcome import label_search
from auditor.probes.label_search.settings import label_effort
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
    """Search for a trigger over all samples, then, if the plan says so and nothing was found, over
    each source class by itself and, of small pictures, label by label; one last batch asks the
    result's preview.
    """
    seed = plan.settings.seed
    first = pick_search_samples(plan.search_classes, seed)
    images, classes = picked(plan.search_images, first), plan.search_classes[first]
    if plan.by_label_only:
        result = yield from _label_search(plan, images, classes, spec)
    else:
        result = yield from search(images, classes, spec, plan.trigger, seed)
    if plan.trigger.sources and not result.suspicious:
        result = yield from search_sources(plan.search_images, spec, plan.trigger, seed, result)
    if plan.by_label is not None and not plan.by_label_only and not result.suspicious:
        result = both(result, (yield from _label_search(plan, images, classes, spec)))
    labels = yield Pictures(spec, result.preview)
    return TriggerOutcome(result, labels)


def _label_search(
    plan: AuditPlan, images: NDArray[np.float32], classes: NDArray[np.int64], spec: InputSpec
) -> Search[TriggerResult]:
    effort = label_effort(spec.shape[1:], plan.settings.effort)
    assert plan.by_label is not None
    assert effort is not None
    return label_search(
        images, classes, spec, plan.by_label, effort, plan.settings.seed, plan.earlier, plan.looks
    )


def drawings(plan: AuditPlan) -> Search[tuple[LabelMap, ...]]:
    """Draw the label maps of the plan's first planes, one after the other."""
    drawn = []
    for number, probe in enumerate(plan.mapped_planes):
        drawn.append((yield from draw_label_map(probe, (plan.settings.seed, number))))
    return tuple(drawn)
