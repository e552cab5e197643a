"""The verdicts that a planned audit can reach, and what others would need. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from adapters.contract import InputSpec, LabelSpace
from auditor.measured import ErrorRates, LabelPopulation, label_null
from auditor.plan.digest import BY_SOURCE
from auditor.plan.draw import MIN_SEARCH_SAMPLES
from auditor.plan.plan import AuditPlan
from auditor.probes.label_search.settings import AFTER_SUCCESS, searched_by_label
from auditor.verdict.clearing import LEAST_CLEARING, Need, clearing_need
from auditor.verdict.label_scope import (
    accuses_at,
    accuses_by_class,
    accusing_effort,
    clears_at,
    errors_of,
    measured_on,
    outside_label_measurements,
    rates_for,
    small_errors,
)
from auditor.verdict.scope import KnownOnlyFor, known_only_for

Elsewhere = Literal["sought", "samples", "effort", "both", ""]
Obstacle = Literal["samples", "search-off", "scope", "effort", "alarms", ""]


NO_LABELS = LabelSpace()


@dataclass(frozen=True, slots=True)
class Prospects:
    """Verdicts of a planned audit.

    Attributes:
        clears: True if "no evidence" can come of it.
        obstacle: why it cannot accuse; empty if it can.
        only: inputs that were measured, if this one is none of them.
        rates: errors of the search on held-out models, or None.
        population: these models, or None.
        samples: samples that there are for the search.
        least: samples that a search needs.
        needs: the first thing that an all-clear of small pictures lacks, or empty: a
            :data:`auditor.verdict.clearing.Need`, ``search`` for one class by class in a plan of
            before version 11, or ``cap`` for queries.
        needs_effort: the lowest effort that can clear such a model, or empty.
        accusing_effort: the lowest effort at which a finding decides; empty if there is none, or
            if it does at this one.
        elsewhere: whether backdoors that send every class elsewhere are ``sought``, or what that
            lacks: more ``samples`` of a class, a dearer ``effort``, or both; empty where it was
            not measured.
        planes: True if there are any: they run through three classes.
        tasks: least and most classes of the models that ``rates`` are of; (0, 0) if not stated.
        size: number of the model's classes, at least; more than that may be unknown.
        open_labels: True if only its answers show its classes.
        recoded: True if the service turns pictures into JPEG, as its description states.
    """

    clears: bool
    obstacle: Obstacle
    only: KnownOnlyFor | None
    rates: ErrorRates | None
    samples: int
    least: int
    needs: str
    needs_effort: str
    accusing_effort: str = ""
    elsewhere: Elsewhere = ""
    planes: bool = True
    tasks: tuple[int, int] = (0, 0)
    size: int = 0
    open_labels: bool = False
    recoded: bool = False
    population: LabelPopulation | None = None

    @property
    def accuses(self) -> bool:
        """True if a trigger can be found and the model be suspected for it."""
        return not self.obstacle or self.elsewhere == "sought"


def prospects(
    plan: AuditPlan,
    classes: int,
    samples: int,
    spec: InputSpec,
    labels: LabelSpace = NO_LABELS,
) -> Prospects:
    """Verdicts that ``plan`` can reach, with ``samples`` samples of ``classes`` classes, of a model
    of ``labels``.
    """
    found = _reached(plan, classes, samples, spec)
    size = max(classes, labels.size or 0)
    return replace(found, planes=bool(plan.planes), size=size, open_labels=labels.open)


def _reached(plan: AuditPlan, classes: int, samples: int, spec: InputSpec) -> Prospects:
    search = len(plan.search_samples) > 0
    obstacle: Obstacle = ""
    if not search:
        obstacle = "search-off" if samples >= MIN_SEARCH_SAMPLES else "samples"
    if not searched_by_label(spec.shape[1:]):
        return _of_small(plan, classes, samples, spec, obstacle)
    effort, only = plan.settings.effort, outside_label_measurements(spec, classes)
    obstacle = obstacle or ("scope" if only is not None else "")
    further = plan.by_label is not None and plan.by_label.further
    judged_by = AFTER_SUCCESS[0] if further else effort
    obstacle = obstacle or ("" if label_null().of(judged_by, classes) else "effort")
    by_effort = rates_for(spec.shape, spec.coding, classes)
    measured = by_effort.get(effort)
    accuses = measured is not None and accuses_at(measured)
    obstacle = obstacle or ("" if accuses else "alarms")
    lowest: str = effort if accuses else accusing_effort(by_effort) or ""
    able = [name for name, one in by_effort.items() if clears_at(one)]
    known = measured is not None and obstacle in {"", "alarms"}
    rates = errors_of(measured) if measured is not None and known else None
    clears = not obstacle and effort in able and samples >= LEAST_CLEARING
    return Prospects(
        clears, obstacle, only, rates, samples, MIN_SEARCH_SAMPLES, "",
        able[0] if able else "", "" if lowest == effort else lowest,
        tasks=(0, 0) if measured is None else measured.tasks,
        population=measured_on(spec.shape, spec.coding, classes), elsewhere=_elsewhere(plan),
        recoded=bool(spec.recoded),
    )  # fmt: skip


def _of_small(
    plan: AuditPlan, classes: int, samples: int, spec: InputSpec, obstacle: Obstacle
) -> Prospects:
    """The same of pictures that are searched for the most successful change first."""
    only = known_only_for(spec, classes)
    obstacle = obstacle or ("scope" if only is not None else "")
    need: Need | None = clearing_need(spec.coding, classes, samples)
    rates = None if obstacle else small_errors(plan, spec)
    if plan.by_label is not None:
        both = rates_for(spec.shape, spec.coding, classes).get(plan.settings.effort)
        need = need or (
            None if both is not None and clears_at(both, after_success=True) else "rates"
        )
    if plan.settings.per_source and plan.version < BY_SOURCE:
        need = "search"
    clears = not obstacle and need is None
    return Prospects(
        clears, obstacle, only, rates, samples, MIN_SEARCH_SAMPLES, need or "", "",
        elsewhere="" if obstacle else _elsewhere(plan), recoded=bool(spec.recoded),
    )  # fmt: skip


def _elsewhere(plan: AuditPlan) -> Elsewhere:
    known = plan.judged_by_source and accuses_by_class(plan.search_images.shape)
    if not known or plan.version < BY_SOURCE or not len(plan.search_samples):
        return ""
    if plan.by_source:
        return "sought"
    if plan.settings.effort not in AFTER_SUCCESS:
        return "effort" if len(plan.source_samples) else "both"
    return "samples"
