"""Samples fitted to the model, and the plan of an audit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec, LabelOracle, OfflineOracle
from auditor.engine.contract import EngineLimits
from auditor.errors import AuditError, SamplesError, UsageError
from auditor.evidence.records import earlier_searches, held_plan_digest, held_plans
from auditor.measured import of_earlier_search
from auditor.plan.digest import PLAN_VERSION, READABLE_VERSIONS, searched_before
from auditor.plan.draw import LEAST_SOURCES, MIN_OF_SOURCE
from auditor.plan.plan import AuditPlan, build_plan
from auditor.plan.settings import AuditSettings
from auditor.probes.label_search.settings import Effort
from auditor.samples.fit import class_indices, range_note, shown_names, to_model_units
from auditor.samples.samples import Samples
from auditor.verdict.label_scope import looks, rates_for

STORE_NAME = "labels.sqlite3"


@dataclass(frozen=True)
class Prepared:
    """An audit that is ready to ask: plan, samples in model units, their classes, and ``notes`` on
    both, a line each.
    """

    plan: AuditPlan
    samples: Samples
    images: NDArray[np.float32]
    classes: NDArray[np.int64]
    matched_by: str
    notes: tuple[str, ...] = ()


def prepare(oracle: LabelOracle, samples: Samples, settings: AuditSettings) -> Prepared:
    """Fit the samples to the model, name its classes for people if it only numbers them, and
    decide everything that will be asked.

    Raises:
        SamplesError: the samples do not fit the model or do not allow the planes.
    """
    images = to_model_units(samples, oracle.input_spec)
    ready = prepare_images(oracle, samples, images, settings)
    oracle.label_space.shown = shown_names(oracle.label_space, samples, ready.matched_by)
    return ready


def prepare_images(
    oracle: LabelOracle,
    samples: Samples,
    images: NDArray[np.float32],
    settings: AuditSettings,
    version: int = PLAN_VERSION,
) -> Prepared:
    """:func:`prepare` from ``images`` ``(n, c, h, w)`` in model units, under a plan ``version``."""
    if isinstance(oracle, OfflineOracle):
        # Batch files are exchanged once per run, so early stopping is off.
        settings = replace(settings, stop_early=False)
    classes, matched_by = class_indices(samples, oracle.label_space)
    plan = build_plan(images, classes, samples.refs, settings, oracle.input_spec, version)
    near = f"Classes were matched by {matched_by}." if ": " in matched_by else ""
    remarks = (near, range_note(samples, oracle.input_spec), source_note(plan))
    notes = tuple(line for line in remarks if line)
    return Prepared(plan, samples, images, classes, matched_by, notes)


def source_note(plan: AuditPlan) -> str:
    """That too few samples leave out the search class by class that the settings ask for."""
    if not (plan.settings.per_source and plan.settings.trigger_search) or plan.trigger.sources:
        return ""
    return (
        f"--per-source: no class is searched by itself, as fewer than {LEAST_SOURCES} have "
        f"{MIN_OF_SOURCE} samples or more: give as many."
    )


def continued(ready: Prepared, output: Path) -> Prepared:
    """``ready`` under the plan version that the same audit in ``output`` began with.

    An audit that an earlier release began so goes on as one: its queries are counted together, and
    files that were handed out for it are still its own.
    """
    held = held_plan_digest(output)
    for version in READABLE_VERSIONS:
        plan = ready.plan.at_version(version)
        if held is not None and version != ready.plan.version and plan.digest == held:
            return replace(ready, plan=plan)
    return ready


def raised(ready: Prepared, output: Path, oracle: LabelOracle) -> Prepared:
    """``ready`` with the earlier searches in ``output`` of the same model.

    Raises:
        AuditError: a plan there cannot be read.
    """
    try:
        earlier = earlier_searches(held_plans(output), ready.plan, oracle.fingerprint)
    except OSError as error:
        raise AuditError(f"--output {output} cannot be read: {error.strerror}") from error
    return replace(ready, plan=with_earlier(ready.plan, earlier, oracle.input_spec))


def with_earlier(plan: AuditPlan, earlier: tuple[Effort, ...], spec: InputSpec) -> AuditPlan:
    """``plan`` with the searches made before it, and the looks that its p-value pays for: those
    that could accuse by the rates that plans of its version are judged by.
    """
    classes = len(np.unique(plan.search_classes))
    with of_earlier_search(**searched_before(plan.version)):
        paid = looks(earlier, rates_for(spec.shape, spec.coding, classes))
    return replace(plan, earlier=earlier, looks=paid)


def refuse_without_planes(plan: AuditPlan) -> None:
    """Refuse to compare the planes of a plan that has none.

    Raises:
        SamplesError: the samples are of two classes.
    """
    if not plan.planes:
        raise SamplesError(
            "the samples hold two classes and planes run through three, so there is nothing to "
            "compare with other models: audit without a profile"
        )


def refuse_small_budget(plan: AuditPlan, limits: EngineLimits) -> None:
    """Refuse a budget that does not pay for the first round of planes.

    Raises:
        UsageError: states the queries that the first round needs.
    """
    if limits.max_queries is None:
        return
    least = len(next(plan.schedule.rounds()))
    if limits.max_queries < least:
        raise UsageError(
            f"--max-queries {limits.max_queries} does not pay for the first round: its planes, "
            f"samples and repeats ask {least} (lower --density or --planes, or raise the budget)"
        )
