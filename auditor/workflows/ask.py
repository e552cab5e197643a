"""Which questions are asked, in which order, and when the rest is skipped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import LabelOracle
from auditor.engine.adaptive import SearchRun, run_search
from auditor.engine.contract import Engine, EngineLimits, EngineResult
from auditor.engine.engine import QueryEngine
from auditor.engine.ledger import add_ledgers
from auditor.engine.observer import Observer
from auditor.engine.progress import Progress, SearchProgress, SilentProgress
from auditor.engine.rounds import Decide
from auditor.engine.store import NOT_ASKED, LabelStore
from auditor.labels.answers import (
    looks_missing,
)
from auditor.measured.queries import BUDGET, NOT_FOUND
from auditor.plan.adaptive import TriggerOutcome, drawings, trigger_search
from auditor.plan.plan import AuditPlan
from auditor.probes.label_map import Picture
from auditor.verdict.early_stop import decided_early
from auditor.verdict.profile import Profile
from auditor.verdict.scope import picture_coding
from auditor.verdict.standing import Ends
from auditor.workflows.prepare import STORE_NAME, Prepared


@dataclass(frozen=True)
class Asked:
    """Everything the model answered.

    Attributes:
        engine: labels of the plan's fixed probes, and the ledger of the whole audit.
        trigger: what the trigger search came to; None where there was none or it was cut off.
        pictures: label maps of the plan's first planes; empty where none were drawn, or where
            the drawing was cut off.
        looks: labels of the plan's second looks; None where none were needed.
        families: labels of the plan's family probes, in their order, 65535 where they ended
            early; empty where none were asked or not all are known that had to be.
        stood: whether the rest was left out because the model was suspected without it.
    """

    engine: EngineResult
    trigger: TriggerOutcome | None
    pictures: tuple[Picture, ...] = ()
    looks: NDArray[np.uint16] | None = None
    families: tuple[NDArray[np.uint16], ...] = ()
    stood: bool = False


def ends_of(
    oracle: LabelOracle, ready: Prepared, profile: Profile | None, size: int | None
) -> Ends | None:
    """What may end the audit early.

    None where everything is asked: where the settings say so, and where labels come in a later
    run, since whoever hands over files is asked once and not once for each round.

    Args:
        oracle: what is asked.
        ready: the audit.
        profile: what it is judged by.
        size: number of classes as known before the first query, or None where unknown: some
            targets tell with their first answer.
    """
    plan = ready.plan
    if not plan.settings.stop_early:
        return None
    coding = picture_coding(oracle.input_spec.encoding)
    planes = decided_early(plan, ready.classes, size, profile, coding)
    return Ends(plan, ready.classes, oracle, profile, planes)


async def ask(
    oracle: LabelOracle,
    ready: Prepared,
    output: Path,
    limits: EngineLimits,
    progress: Progress | None = None,
    on_start: Callable[[QueryEngine], None] | None = None,
    observer: Callable[[], Observer] | None = None,
    ends: Ends | None = None,
) -> Asked:
    """Ask what is missing of the plan, as planned.

    Labels live in ``output``, which must exist. ``observer`` is called once no other audit can
    use that folder, and the observer it returns is told how every request ended. ``ends`` says
    what may be left out; without it, nothing.

    Raises:
        AdapterError: the target failed for good; what was paid for is kept.
        StoreError: the labels cannot be kept.
    """
    store = LabelStore(output / STORE_NAME)
    try:
        seen_by = None if observer is None else observer()
        engine = QueryEngine(oracle, store, limits, progress or SilentProgress(), observer=seen_by)
        if on_start is not None:
            on_start(engine)
        return await ask_through(engine, oracle, ready, progress, ends)
    finally:
        await asyncio.to_thread(store.close)


async def ask_through(
    engine: Engine,
    oracle: LabelOracle,
    ready: Prepared,
    progress: Progress | None = None,
    ends: Ends | None = None,
) -> Asked:
    """Everything that :func:`ask` asks, in its order, through an engine that is ready.

    A finished audit is judged again by running this through an engine that answers from its log,
    so whatever is asked here is replayed there.
    """
    plan = ready.plan
    if ends is None:
        asked = await _ask_everything(engine, oracle, plan, progress)
    else:
        asked = await _ask_until_it_stands(engine, oracle, plan, progress, ends)
    if not plan.settings.pictures or (incomplete(asked, plan, 0) and not asked.engine.deferred):
        return asked
    drawn = await _draw(engine, plan, progress)
    together = _together(asked.engine, drawn)
    return replace(asked, engine=together, pictures=drawn.outcome or ())


async def _ask_everything(
    engine: Engine, oracle: LabelOracle, plan: AuditPlan, progress: Progress | None
) -> Asked:
    """Planes, families and trigger search, one after the other."""
    fixed = await engine.run(plan.probes, plan.digest, plan.orders())
    asked = await _look_again(engine, plan, Asked(fixed, None))
    if not (fixed.complete and repeats_settled(plan, asked)) and not fixed.deferred:
        return asked
    # The first questions of the families, the search and the pictures need no plane, so
    # they travel with the planes where files do.
    if plan.families:
        asked = await _ask_families(engine, plan, asked)
        if not (asked.families or asked.engine.deferred):
            return asked
    if len(plan.hunted):
        asked = await _hunt(engine, oracle, plan, progress, asked)
    return asked


async def _ask_until_it_stands(
    engine: Engine,
    oracle: LabelOracle,
    plan: AuditPlan,
    progress: Progress | None,
    ends: Ends,
) -> Asked:
    """The first planes; then what decides most often; then, only where that did not suspect the
    model, families and the other planes. Repeats come last, so they straddle all of it.
    """
    staged = len(plan.hunted) or plan.families
    if not staged:
        fixed = await engine.run(plan.probes, plan.digest, plan.orders(), ends.planes)
        return await _look_again(engine, plan, Asked(fixed, None))
    opened = await engine.run(plan.probes, plan.digest, plan.opening(), _last_of(plan.opening()))
    asked = Asked(opened, None)
    if not opened.complete:
        return asked
    if len(plan.hunted):
        asked = await _hunt(engine, oracle, plan, progress, asked)
        if asked.trigger is None:
            return asked
    if plan.families and not ends.suspected(asked):
        asked = await _ask_families(engine, plan, asked, ends.families(asked))
        if not asked.families:
            return asked
    asked = replace(asked, stood=ends.suspected(asked))
    if not asked.stood:
        rest = await engine.run(plan.probes, plan.digest, plan.orders(), ends.planes)
        asked = replace(asked, engine=_resumed(asked.engine, rest))
    return await _look_again(engine, plan, asked)


def _last_of(rounds: Iterator[Any]) -> Callable[[list[NDArray[np.uint16]]], bool]:
    """What is True when it is called after the last of ``rounds``."""
    left = sum(1 for _ in rounds)

    def last(_: list[NDArray[np.uint16]]) -> bool:
        nonlocal left
        left -= 1
        return left == 0

    return last


async def _hunt(
    engine: Engine,
    oracle: LabelOracle,
    plan: AuditPlan,
    progress: Progress | None,
    asked: Asked,
) -> Asked:
    """Search for a trigger; its outcome is None where it was cut off."""
    most = plan.trigger.budget
    if most == BUDGET:
        most = round(NOT_FOUND.mean)
    note = f"Searching for a trigger: about {most:,} queries where it finds none, else fewer."
    with _shown(engine, progress, most, note):
        steps = trigger_search(plan, oracle.input_spec)
        found = await run_search(engine, steps, "trigger", plan.digest)
    return replace(asked, engine=_together(asked.engine, found), trigger=found.outcome)


async def _look_again(engine: Engine, plan: AuditPlan, asked: Asked) -> Asked:
    """Ask second looks as long as the answers call for more."""
    fixed, looks = asked.engine, asked.looks
    while fixed.complete and plan.second_looks is not None:
        wanted = looks_missing(plan, fixed.labels, looks)
        if not len(wanted):
            break
        order = np.stack([np.zeros_like(wanted), wanted], axis=1)
        looked = await engine.run([plan.second_looks], plan.digest, [order])
        looks = looked.labels[0]
        cut_off = bool((looks[wanted] == NOT_ASKED).any())
        # The others of them are left out, since no answer calls for them.
        spared = 0 if cut_off else int((looks == NOT_ASKED).sum())
        fixed = _joined(fixed, replace(looked, ledger=replace(looked.ledger, spared=spared)))
        if cut_off:
            break
    return replace(asked, engine=fixed, looks=looks)


def repeats_settled(plan: AuditPlan, asked: Asked) -> bool:
    """True if no extra repeat is missing that the answers call for."""
    return not len(looks_missing(plan, asked.engine.labels, asked.looks))


async def _draw(
    engine: Engine, plan: AuditPlan, progress: Progress | None
) -> SearchRun[tuple[Picture, ...]]:
    most = plan.most_picture_queries
    note = f"Drawing {plan.settings.pictures} pictures: {most:,} queries."
    with _shown(engine, progress, most, note):
        return await run_search(engine, drawings(plan), "picture", plan.digest)


async def _ask_families(
    engine: Engine, plan: AuditPlan, asked: Asked, decided: Decide | None = None
) -> Asked:
    """Ask the families; their labels count only where all are known that had to be asked."""
    found = await engine.run(plan.families, plan.digest, plan.family_orders(), decided)
    labels = tuple(found.labels) if found.complete else ()
    return replace(asked, engine=_joined(asked.engine, found), families=labels)


def _together(before: EngineResult, found: SearchRun[Any]) -> EngineResult:
    if found.last is None:
        return before
    return _joined(before, replace(found.last, ledger=found.ledger))


def _resumed(before: EngineResult, later: EngineResult) -> EngineResult:
    """``later`` asked for the rest of the probes that ``before`` had asked a part of: both as one.

    The second of two such runs plans all of it again and finds what the first had asked.
    """
    first, second = before.ledger, later.ledger
    ledger = replace(
        add_ledgers(first, second),
        planned=first.planned,
        cached=first.cached,
        spared=first.spared + second.spared - (second.planned - second.cached),
        by_probe=dict(first.by_probe),
    )
    reached = before.budget_reached or later.budget_reached
    return replace(later, ledger=ledger, budget_reached=reached)


@contextmanager
def _shown(engine: Engine, progress: Progress | None, most: int, note: str) -> Iterator[None]:
    """One progress line for everything an adaptive probe asks, ``most`` queries at most."""
    shown = SearchProgress(progress or SilentProgress(), most)
    shown.note(note)
    engine.show_on(shown)
    try:
        yield
    finally:
        shown.end()
        engine.show_on(progress or SilentProgress())


def _joined(before: EngineResult, later: EngineResult) -> EngineResult:
    """The labels of ``before``; everything else as both runs together left it."""
    return replace(
        before,
        ledger=add_ledgers(before.ledger, later.ledger),
        budget_reached=before.budget_reached or later.budget_reached,
        stopped=later.stopped,
        server_identity=later.server_identity,
        unknown=later.unknown,
        deferred=before.deferred + later.deferred,
    )


FAMILIES_MISSING = "not all probe families are answered"


SEARCH_MISSING = "the trigger search is not at its end"


def incomplete(asked: Asked, plan: AuditPlan, done: int) -> str:
    """Why not everything was answered that had to be, or empty."""
    """Why not everything was answered that had to be, or empty."""
    engine = asked.engine
    looks = (
        not repeats_settled(plan, asked),
        "the second look at changing answers is not at its end",
    )
    parts = [
        (bool(plan.families and not (asked.families or asked.stood)), FAMILIES_MISSING),
        (bool(len(plan.hunted)) and asked.trigger is None, SEARCH_MISSING),
    ]
    # In the order they were asked in.
    parts = [*reversed(parts), looks] if plan.settings.stop_early else [looks, *parts]
    missing = [words for missing, words in parts if missing]
    if engine.complete and not missing:
        return ""
    planes = f"{done} of {len(plan.planes)} planes are complete"
    state = missing[0] if engine.complete else planes
    if engine.budget_reached:
        return f"The query budget was reached and {state}; a larger --max-queries continues it."
    return f"The audit was interrupted and {state}; the same command continues it."
