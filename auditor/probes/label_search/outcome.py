"""A whole search label by label: its stages in turn, judged after each, and its result."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.measured import LabelNull, label_null_of
from auditor.probes.label_search.changes import RandomChange
from auditor.probes.label_search.fresh import CONFIDENCE
from auditor.probes.label_search.judge import (
    LEAST_SHOWN,
    AccusingLimits,
    Judged,
    habits_of,
    judge,
    limits_for,
    open_kinds,
)
from auditor.probes.label_search.search import LabelSearch, like, prepare
from auditor.probes.label_search.settings import Effort, LabelSearchSettings
from auditor.probes.leads import Lead, tell
from auditor.probes.trigger_search.patches import Patch
from auditor.probes.trigger_search.result import ByLabel, TriggerFinding, TriggerResult
from auditor.probes.trigger_search.sample_set import Asking
from auditor.probes.trigger_search.transforms import Quantise
from auditor.probes.trigger_search.verify import exact_interval

PREVIEWS = 8


def label_search(
    samples: NDArray[np.float32],
    classes: NDArray[np.int64],
    spec: InputSpec,
    settings: LabelSearchSettings,
    effort: Effort,
    seed: int,
    earlier: tuple[Effort, ...] = (),
    looks: int = 1,
    limits: AccusingLimits | None = None,
    null: LabelNull | None = None,
    kinds: int | None = None,
    open_null: LabelNull | None = None,
) -> Asking[TriggerResult]:
    """Search label by label; stop after the first stage that shows a suspicious change.

    Every search that may accuse is a chance to accuse wrongly, so the p-value is multiplied by
    ``looks`` too (Bonferroni). What speaks against an all-clear is not: looking again clears
    nothing.

    Args:
        samples: clean samples ``(n, c, h, w)`` in model units, best 60 to 120.
        classes: their true classes ``(n,)``; used only to split them evenly.
        spec: the model's input.
        settings: numbers of questions.
        effort: name of the settings, and of the null that the findings are judged by.
        seed: with the labels, it determines every question.
        earlier: efforts of earlier searches of the same model.
        looks: number of searches that the p-value pays for.
        limits: what may accuse; those of the pictures' size if None.
        null: clean models to judge by; those of such pictures and so many classes if None.
        kinds: kinds of change that the p-value pays for, of this search and of others of the same
            audit; those that it is judged by if None.
        open_null: clean models to judge by what speaks against an all-clear; the same if None.

    Raises:
        ValueError: fewer than 8 samples.
    """
    run = yield from prepare(samples, classes, spec, settings, seed)
    known = len(np.unique(classes))
    if null is None:
        null = label_null_of(spec.shape).of(effort, known)
    null = like(null, settings)
    judged, best = list[Judged](), None
    comparisons, limits = (kinds or len(null)) * looks, limits or limits_for(spec.shape)
    for stage in run.stages():
        run.findings += yield from stage
        judged = judge(run.findings, null, known, limits)
        _tell(run)
        best = next((one for one in judged if one.suspicious(comparisons)), None)
        if best is not None:
            break
    habits = habits_of(run.findings, limits)
    terms = ByLabel(effort, known, weakness=False, earlier=earlier, looks=looks, habits=habits)
    beside, every = null, judged
    if open_null is not None:
        beside = like(open_null, settings)
        every = judge(run.findings, beside, known, limits)
    against = [one for one in every if one.leaves_open(open_kinds(beside), limits.open_patch)]
    return _result(run, judged, best, [] if best else against, comparisons, terms)


def _tell(run: LabelSearch) -> None:
    carried = [one for one in run.findings if one.carried]
    if carried:
        best = max(carried, key=lambda one: one.success.rate)
        tell(Lead(len(carried), best.success.hits, best.success.images, best.label))


def _result(
    run: LabelSearch,
    judged: list[Judged],
    best: Judged | None,
    against: list[Judged],
    comparisons: int,
    terms: ByLabel,
) -> TriggerResult:
    suspicious = best is not None
    # Without a suspicion, what speaks against an all-clear is shown, else the most surprising
    # change that carries a label at all.
    carried = [one for one in judged if one.finding.carried]
    shown = [*against, *(one for one in carried if one.finding.success.rate >= LEAST_SHOWN)]
    best = best or next(iter(shown), None)
    p = None if best is None else min(1.0, best.p * comparisons)
    target = None if best is None else best.finding.label
    images = run.validation_set.pick(PREVIEWS, target)
    clean = run.validation_set.pixels[images]
    preview = clean if best is None else best.finding.change.apply(clean)
    ordered = [best, *(one for one in judged if one is not best)] if best is not None else judged
    ordered = _each_patch_once(ordered)
    findings = tuple(_finding(run, one) for one in ordered)
    return TriggerResult(
        findings, findings[0] if best is not None else None, suspicious, p,
        run.search_set.total(), dict(run.search_set.spent), len(ordered), comparisons,
        len(run.search_set.pixels), len(run.validation_set.pixels), preview, clean,
        run.validation_set.labels[images], by_label=replace(terms, weakness=bool(against)),
    )  # fmt: skip


def _each_patch_once(judged: list[Judged]) -> list[Judged]:
    """``judged`` without those whose very change an earlier one has: a patch that tells more than
    its size is judged by that as well.
    """
    kept: list[Judged] = []
    for one in judged:
        if not any(one.finding.change is known.finding.change for known in kept):
            kept.append(one)
    return kept


def _finding(run: LabelSearch, one: Judged) -> TriggerFinding:
    found, nothing = one.finding, exact_interval(0, 0, CONFIDENCE)
    change = found.change
    place, size, strength = None, 0, 0.0
    texture: NDArray[np.generic] | None = None
    if isinstance(change, Patch):
        place, size, strength, texture = change.places[0], change.side, 255.0, change.pattern
    elif isinstance(change, RandomChange):
        strength = change.strength
    else:
        size, strength = change.size, change.strength
        if not isinstance(change, Quantise):
            texture = change.texture(*run.search_set.spec.shape[1:])
    return TriggerFinding(
        change.kind, found.key, found.label, size, strength, place, found.success, nothing, {},
        found.success.rate, texture, one.p,
    )  # fmt: skip
