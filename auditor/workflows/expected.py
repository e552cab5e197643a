"""Queries that a plan's trigger search is expected to ask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adapters.contract import InputSpec
from auditor.measured import by_source_rates, search_queries
from auditor.plan.plan import AuditPlan
from auditor.probes.label_search.settings import label_effort
from auditor.report.wording.phrases import models_of
from auditor.verdict.label_scope import measured_on, rates_for
from auditor.verdict.scope import LOSSLESS

UNMEASURED = "the most that it may ask, as no searches with these settings were measured"


@dataclass(frozen=True, slots=True)
class ExpectedSearch:
    """Queries of a search that finds nothing, of one that does, and the basis of both in words."""

    not_found: int
    found: int
    rests_on: str


def expected_search(plan: AuditPlan, spec: InputSpec) -> ExpectedSearch:
    """Queries that searches like the plan's asked of reference models."""
    most = plan.most_trigger_queries
    if not most:
        return ExpectedSearch(0, 0, "everything planned is asked")
    if plan.by_label is not None:
        return _by_label(plan, spec, most)
    asked = search_queries()
    found, not_found = asked.found, asked.not_found
    if plan.trigger.budget != asked.budget or (plan.trigger.sources and not plan.by_source):
        return ExpectedSearch(most, most, UNMEASURED)
    words = (
        f"{found.searches + not_found.searches} searches of held-out {models_of(None)}: "
        f"{not_found.searches} found nothing (90 % of them asked {not_found.low:,} to "
        f"{not_found.high:,}), {found.searches} found a trigger ({found.low:,} to {found.high:,})"
    )
    without = min(most, round(not_found.mean) + _by_class(plan, spec))
    return ExpectedSearch(without, min(most, round(found.mean)), words)


def _by_class(plan: AuditPlan, spec: InputSpec) -> int:
    """Queries of searching the plan's classes by themselves."""
    return round(plan.trigger.sources * by_source_rates(spec.shape).queries)


def _by_label(plan: AuditPlan, spec: InputSpec, most: int) -> ExpectedSearch:
    effort = label_effort(spec.shape[1:], plan.settings.effort)
    classes = len(np.unique(plan.search_classes))
    alike, longer = (spec.shape, spec.coding, classes), max(spec.shape[1:])
    rates = rates_for(*alike).get(effort or "")
    if rates is None:
        # What a search asks hardly depends on more than the size, so the nearest tells its price.
        alike = ((spec.shape[0], longer, longer), LOSSLESS, classes)
        rates = rates_for(*alike).get(effort or "")
    if rates is None or (plan.trigger.sources and not plan.by_source):
        return ExpectedSearch(most, most, UNMEASURED)
    models = models_of(measured_on(*alike))
    words = (
        f"searches of {rates.clean} clean and {rates.usual + rates.careful} backdoored held-out "
        f"{models}, at effort {rates.measured_at or effort}"
    )
    if alike[:2] != (spec.shape, spec.coding):
        words += "; of pictures sent like these none were searched"
    not_found = rates.not_found + _by_class(plan, spec)
    return ExpectedSearch(min(most, not_found), min(most, rates.found), words)
