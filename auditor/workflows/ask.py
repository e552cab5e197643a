"""The questions of an audit, their order, and the rules that skip the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import LabelOracle
from auditor.engine.adaptive import SearchRun, run_search
from auditor.engine.contract import Engine, EngineLimits, EngineResult
from auditor.engine.engine import QueryEngine
from auditor.engine.ledger import add_ledgers
from auditor.engine.memory import give_back_freed_memory
from auditor.engine.observer import Observer
from auditor.engine.progress import Progress, SearchProgress
from auditor.engine.rounds import Decide
from auditor.engine.store import NOT_ASKED, LabelStore
from auditor.labels.answers import Answers
from auditor.plan.adaptive import drawings, trigger_search
from auditor.plan.digest import BY_PIXELS
from auditor.plan.plan import AuditPlan
from auditor.probes.leads import Lead, listening
from auditor.verdict.early_stop import StopRules, decided_early
from auditor.verdict.evidence import incomplete
from auditor.verdict.profile import Profile
from auditor.verdict.scope import image_coding
from auditor.workflows.expected import expected_search
from auditor.workflows.prepare import STORE_NAME, Prepared


def stop_rules(
    oracle: LabelOracle, ready: Prepared, profile: Profile | None, size: int | None
) -> StopRules | None:
    """Rules that may end the audit early; None if the settings ask everything.

    Args:
        oracle: the model; only its names and its input are read.
        ready: the audit.
        profile: references to judge by, or None.
        size: number of classes as known before the first query; None if only answers show it.
    """
    plan = ready.plan
    if not plan.settings.stop_early:
        return None
    spec = oracle.input_spec
    planes = decided_early(plan, ready.classes, size, profile, image_coding(spec.coding))
    return StopRules(ready.classes, oracle.label_space, spec, profile, planes)


async def ask(
    oracle: LabelOracle,
    ready: Prepared,
    output: Path,
    limits: EngineLimits,
    progress: Progress | None = None,
    on_start: Callable[[QueryEngine], None] | None = None,
    observer: Callable[[], Observer] | None = None,
    rules: StopRules | None = None,
) -> Answers:
    """Ask what is missing of the plan, as planned.

    Labels live in ``output``, which must exist. ``observer`` is called once no other audit can
    use that folder, and makes the observer of every request's end. ``rules`` may leave questions
    out; without them, everything is asked.

    Raises:
        AdapterError: the target failed for good; what was paid for is kept.
        StoreError: the labels cannot be kept.
    """
    store = LabelStore(output / STORE_NAME)
    try:
        seen_by = None if observer is None else observer()
        engine = QueryEngine(oracle, store, limits, progress or Progress(), observer=seen_by)
        if on_start is not None:
            on_start(engine)
        return await ask_through(engine, oracle, ready, progress, rules)
    finally:
        await asyncio.to_thread(store.close)


async def ask_through(
    engine: Engine,
    oracle: LabelOracle,
    ready: Prepared,
    progress: Progress | None = None,
    rules: StopRules | None = None,
) -> Answers:
    """Ask everything that :func:`ask` asks, in its order, through an engine that is ready.

    A finished audit is judged again by running this on an engine that answers from its log.
    """
    plan = ready.plan
    if rules is None:
        answers = await _ask_everything(engine, oracle, plan, progress)
    else:
        answers = await _ask_until_decided(engine, oracle, plan, progress, rules)
    cut_off = incomplete(answers, 0) is not None and not answers.run.deferred
    if not plan.mapped_planes or cut_off:
        return answers
    most = plan.most_map_queries
    note = f"Drawing {plan.settings.pictures} pictures: {most:,} queries."
    with _shown(engine, progress, most, "Drawing label maps", note):
        drawn = await run_search(engine, drawings(plan), "picture", plan.digest)
    return replace(answers, run=_together(answers.run, drawn), label_maps=drawn.outcome or ())


async def _ask_everything(
    engine: Engine, oracle: LabelOracle, plan: AuditPlan, progress: Progress | None
) -> Answers:
    """Planes, perturbations and trigger search, one after the other."""
    planes = f"{_planes(plan, 0, len(plan.planes))}, " if plan.planes else ""
    _phase(progress, f"{planes}samples and repeats")
    fixed = await engine.run(plan.probes, plan.digest, plan.schedule.rounds())
    answers = await _repeat(engine, Answers(plan, fixed))
    cut_off = not fixed.complete or len(answers.missing_extra_repeats())
    if cut_off and not fixed.deferred:
        return answers
    # The first questions of perturbations, search and label maps need no plane, so they travel
    # with the planes in batch files.
    if plan.perturbations:
        _phase(progress, "Disturbed samples")
        answers = await _perturb(engine, answers)
        if not (answers.perturbed or answers.run.deferred):
            return answers
    if len(plan.search_samples):
        answers = await _search(engine, oracle, progress, answers)
    return answers


async def _ask_until_decided(
    engine: Engine,
    oracle: LabelOracle,
    plan: AuditPlan,
    progress: Progress | None,
    rules: StopRules,
) -> Answers:
    """The first planes; then what decides most often; then, unless that suspected the model,
    perturbations and the other planes. Repeats come last, so they straddle all of it.
    """
    staged = len(plan.search_samples) or plan.perturbations
    rounds = plan.schedule.opened if staged else plan.schedule.count
    first = min(rounds * plan.schedule.per_round, len(plan.planes))
    _phase(progress, f"{_planes(plan, 0, first)} and the samples")
    if not staged:
        fixed = await engine.run(plan.probes, plan.digest, plan.schedule.rounds(), rules.planes)
        return await _repeat(engine, Answers(plan, fixed))
    opened = await engine.run(
        plan.probes, plan.digest, plan.schedule.opening(), _last_of(plan.schedule.opening())
    )
    answers = Answers(plan, opened)
    if not opened.complete:
        return answers
    if len(plan.search_samples):
        answers = await _search(engine, oracle, progress, answers)
        if answers.trigger is None:
            return answers
    if plan.perturbations and not rules.suspected(answers):
        _phase(progress, "Disturbed samples")
        answers = await _perturb(engine, answers, rules.perturbations(answers))
        if not answers.perturbed:
            return answers
    answers = replace(answers, stopped_early=rules.suspected(answers))
    if not answers.stopped_early:
        if first < len(plan.planes):
            _phase(progress, _planes(plan, first, len(plan.planes)))
        rest = await engine.run(plan.probes, plan.digest, plan.schedule.rounds(), rules.planes)
        answers = replace(answers, run=_resumed(answers.run, rest))
    _phase(progress, "Repeats")
    return await _repeat(engine, answers)


def _last_of(rounds: Iterator[Any]) -> Callable[[list[NDArray[np.uint16]]], bool]:
    """A function that is True when called after the last of ``rounds``."""
    left = sum(1 for _ in rounds)

    def last(_: list[NDArray[np.uint16]]) -> bool:
        nonlocal left
        left -= 1
        return left == 0

    return last


async def _search(
    engine: Engine, oracle: LabelOracle, progress: Progress | None, answers: Answers
) -> Answers:
    """Search for a trigger; its outcome is None if it was cut off."""
    plan = answers.plan
    most = expected_search(plan, oracle.input_spec).not_found
    note = (
        f"Searching for a trigger: about {most:,} queries where it finds none, mostly fewer else."
    )

    def show(lead: Lead) -> None:
        label = oracle.label_space.name(lead.label)
        tried = "1 lead" if lead.number == 1 else f"{lead.number} leads"
        (progress or Progress()).found(
            f"{tried}, best {lead.hits} of {lead.images} \N{RIGHTWARDS ARROW} {label[:40]}"
        )

    with _shown(engine, progress, most, "Looking for a trigger", note), listening(show):
        found = await run_search(
            engine, trigger_search(plan, oracle.input_spec), "trigger", plan.digest,
            by_pixels=plan.version >= BY_PIXELS,
        )  # fmt: skip
    return replace(answers, run=_together(answers.run, found), trigger=found.outcome)


async def _repeat(engine: Engine, answers: Answers) -> Answers:
    """Ask extra repeats as long as the answers call for more."""
    give_back_freed_memory()  # nearly all is asked, and what judges is loaded from here on
    plan = answers.plan
    while answers.run.complete and plan.extra_repeats is not None:
        wanted = answers.missing_extra_repeats()
        if not len(wanted):
            break
        order = np.stack([np.zeros_like(wanted), wanted], axis=1)
        asked = await engine.run([plan.extra_repeats], plan.digest, [order])
        labels = asked.labels[0]
        cut_off = bool((labels[wanted] == NOT_ASKED).any())
        # No answer calls for the others, so they are left out.
        spared = 0 if cut_off else int((labels == NOT_ASKED).sum())
        run = _joined(answers.run, replace(asked, ledger=replace(asked.ledger, spared=spared)))
        answers = replace(answers, run=run, extra_repeats=labels)
        if cut_off:
            break
    return answers


async def _perturb(engine: Engine, answers: Answers, decided: Decide | None = None) -> Answers:
    """Ask the perturbed samples; their labels count only if all of those needed are known."""
    plan = answers.plan
    found = await engine.run(plan.perturbations, plan.digest, plan.perturbation_rounds(), decided)
    labels = tuple(found.labels) if found.complete else ()
    return replace(answers, run=_joined(answers.run, found), perturbed=labels)


def _together(before: EngineResult, found: SearchRun[Any]) -> EngineResult:
    if found.last is None:
        return before
    return _joined(before, replace(found.last, ledger=found.ledger))


def _resumed(before: EngineResult, later: EngineResult) -> EngineResult:
    """Both runs as one; ``later`` asked for the rest of the probes that ``before`` had begun.

    It planned all of them again, and found the answers of ``before``.
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


def _planes(plan: AuditPlan, done: int, upto: int) -> str:
    """The planes after the first ``done`` up to number ``upto``, as a phase names them."""
    return f"Planes {f'{done + 1} to ' if done else ''}{upto} of {len(plan.planes)}"


def _phase(progress: Progress | None, name: str, note: str = "") -> None:
    if progress is not None:
        progress.phase(name, note)


@contextmanager
def _shown(
    engine: Engine, progress: Progress | None, most: int, phase: str, note: str
) -> Iterator[None]:
    """One progress line for everything an adaptive probe asks, ``most`` queries at most."""
    _phase(progress, phase, note)
    shown = SearchProgress(progress or Progress(), most)
    engine.show_on(shown)
    try:
        yield
    finally:
        shown.end()
        engine.show_on(progress or Progress())


def _joined(before: EngineResult, later: EngineResult) -> EngineResult:
    """The labels of ``before``, and the rest as both runs together left it."""
    return replace(
        before,
        ledger=add_ledgers(before.ledger, later.ledger),
        budget_reached=before.budget_reached or later.budget_reached,
        stopped=later.stopped,
        server_identity=later.server_identity,
        unknown=later.unknown,
        deferred=before.deferred + later.deferred,
    )
