"""The audit: samples -> plan -> engine -> scores -> verdict -> report. Reads as it runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import Deferring, Identified, LabelOracle
from auditor.verdict.profile import Profile
from auditor.verdict.scope import picture_coding
from auditor.verdict.early_stop import decided_early
from auditor.engine.progress import Progress, SearchProgress, SilentProgress
from auditor.engine.rounds import Decide
from auditor.engine.engine import EngineLimits, EngineResult, QueryEngine
from auditor.engine.store import NOT_ASKED, LabelStore
from auditor.engine.observer import Witness
from auditor.errors import AuditError, LabelsPending, UsageError
from auditor.evidence.layout import REPORT, TRIGGER_PICTURE
from auditor.evidence.recorder import Recorder
from auditor.evidence.records import end_record, plan_record, run_record, used_images
from auditor.evidence.attest.signing import Signer
from auditor.engine.adaptive import Hunt, TriggerOutcome, add_ledgers, drawings, hunt, trigger_search
from auditor.measured.queries import BUDGET, NOT_FOUND
from auditor.plan.plan import AuditPlan, AuditSettings, build_plan
from auditor.probes.label_map import Picture
from auditor.report.html.trigger import TEXTURE_KEY
from auditor.report.json_report import write_json
from auditor.report.source import ReportSource
from auditor.report.thumbnails import sample_png
from auditor.report.trigger_pictures import trigger_pictures
from auditor.report.views import VIEW_FILES, ViewName, ViewSettings, render_all, view_settings
from auditor.report.build import (
    build_report,
    canary_rate,
    class_count,
    estimates,
    label_counts,
    looks_missing,
    repeats_of,
    sample_accuracy,
    score_planes,
    sort_answers,
    trigger_evidence,
)
from auditor.samples.load import Samples, class_indices, to_model_units
from auditor.verdict.standing import Ends
from auditor.labels.consistency import Trust, examine
from auditor.verdict.verdict import Evidence, Verdict, check_profile, decide
from auditor.verdict.combine import decision_part, weigh_all

STORE_NAME = "labels.sqlite3"
FAMILIES_MISSING = "not all probe families are answered"
SEARCH_MISSING = "the trigger search is not at its end"


@dataclass(frozen=True)
class AuditResult:
    """What an audit found.

    Attributes:
        report: the content of ``report.json``.
        verdict: the verdict and its reason.
        interrupted: whether the user stopped it before its end.
    """

    report: dict[str, Any]
    verdict: Verdict
    interrupted: bool


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


@dataclass(frozen=True)
class Prepared:
    """An audit that is ready to ask: plan, samples in model units and their classes."""

    plan: AuditPlan
    samples: Samples
    images: NDArray[np.float32]
    classes: NDArray[np.int64]
    matched_by: str


def prepare(oracle: LabelOracle, samples: Samples, settings: AuditSettings) -> Prepared:
    """Fit the samples to the model and decide everything that will be asked.

    Raises:
        SamplesError: the samples do not fit the model or do not allow the planes.
    """
    return prepare_images(oracle, samples, to_model_units(samples, oracle.input_spec), settings)


def prepare_images(
    oracle: LabelOracle, samples: Samples, images: NDArray[np.float32], settings: AuditSettings
) -> Prepared:
    """Like :func:`prepare`, with ``images`` ``(n, c, h, w)`` in model units in the samples' place.

    Raises:
        SamplesError: see there.
    """
    if isinstance(oracle, Deferring):
        # Whoever hands over files is asked once, and not once for each round.
        settings = replace(settings, stop_early=False)
    classes, matched_by = class_indices(samples, oracle.label_space)
    plan = build_plan(images, classes, samples.refs, settings, oracle.input_spec)
    return Prepared(plan, samples, images, classes, matched_by)


def refuse_small_budget(plan: AuditPlan, limits: EngineLimits) -> None:
    """Refuse a budget that does not even pay for the first round of planes.

    Raises:
        UsageError: says how many queries the first round needs.
    """
    if limits.max_queries is None:
        return
    least = len(next(plan.orders()))
    if limits.max_queries < least:
        raise UsageError(
            f"--max-queries {limits.max_queries} does not pay for the first round: its planes, "
            f"samples and repeats ask {least} (lower --density or --planes, or raise the budget)"
        )


async def run_audit(
    oracle: LabelOracle,
    samples: Samples,
    settings: AuditSettings,
    output: Path,
    *,
    profile: Profile | None = None,
    limits: EngineLimits | None = None,
    progress: Progress | None = None,
    on_start: Callable[[QueryEngine], None] | None = None,
    signer: Signer | None = None,
    views: Sequence[ViewName] = (ViewName.HTML,),
    shown: ViewSettings | None = None,
) -> AuditResult:
    """Audit ``oracle``; ``output`` becomes an evidence bundle (see auditor.evidence.layout).

    Labels live in ``output/labels.sqlite3``. Calling this again with the same arguments
    continues where the last run ended and asks nothing twice.

    Args:
        oracle: the model under audit.
        samples: clean, labelled samples of at least three classes.
        settings: what to ask.
        output: folder for everything written; made where it does not exist.
        profile: references to judge by, or None for scores without a verdict.
        limits: what may be spent and how fast.
        progress: told about every answer.
        on_start: handed the engine before it starts, so that a caller can stop it.
        signer: signs the plan before the first query and the head after the last, or None.
        views: what is written beside ``report.json``.
        shown: what the views show; by default all frameworks.

    Raises:
        UsageError: samples, settings, profile or budget do not fit.
        AdapterError: the target failed for good; what was paid for is kept.
        LabelsPending: the target answers by files, and the next ones wait for their labels.
        AuditError: the audit could not be done.
    """
    limits = limits or EngineLimits()
    ready = prepare(oracle, samples, settings)
    _check_before_asking(oracle, ready.plan, profile, limits)
    started, clock = datetime.now(UTC), time.monotonic()
    if isinstance(oracle, Deferring):
        await oracle.begin(ready.plan.digest)
    _make_folder(output)
    record = Recorder(output, signer)
    fixed = plan_record(oracle, ready, profile)
    try:
        asked = await ask(
            oracle,
            ready,
            output,
            limits,
            progress,
            on_start,
            lambda: record.start(fixed, oracle.input_spec),
            ends_of(oracle, ready, profile, oracle.label_space.size),
        )
        ledger, ended = asdict(asked.engine.ledger), end_record(asked.engine)
        identity = record.finish(ledger, ended, endpoint_identity(oracle))
    finally:
        record.close()
    if record.unsigned_again and progress is not None:
        progress.note("The bundle was signed before and is not now: --sign-key signs it again.")
    await _hand_out(oracle, asked.engine)
    timing = _timing(started, time.monotonic() - clock, asked.engine)
    result = judge(oracle, ready, asked, profile, timing)
    run = run_record(oracle, asked.engine, timing, identity)
    held = {} if profile is None else profile.as_dict()
    source = ReportSource(result.report, _pictures(ready, oracle, asked.trigger), run, held)
    made = render_all(source, views, shown or view_settings())
    _write_bundle(record, source, output, ready, made)
    return result


async def _hand_out(oracle: LabelOracle, asked: EngineResult) -> None:
    """Where the target answers by files, let it hand out what is still to be labelled.

    Raises:
        LabelsPending: something is.
    """
    if not isinstance(oracle, Deferring) or asked.stopped:
        return
    if asked.deferred:
        raise LabelsPending(await oracle.hand_out())
    await oracle.taken_over()


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
    witness: Callable[[], Witness] | None = None,
    ends: Ends | None = None,
) -> Asked:
    """Ask what is missing of the plan, as planned.

    Labels live in ``output``, which must exist. ``witness`` is called once nobody else can use
    that folder, and what it returns is told how every request ended. ``ends`` says what may be
    left out; without it, nothing.

    Raises:
        AdapterError: the target failed for good; what was paid for is kept.
        StoreError: the labels cannot be kept.
    """
    store = LabelStore(output / STORE_NAME)
    try:
        seen_by = None if witness is None else witness()
        engine = QueryEngine(oracle, store, limits, progress or SilentProgress(), witness=seen_by)
        if on_start is not None:
            on_start(engine)
        return await ask_through(engine, oracle, ready, progress, ends)
    finally:
        await asyncio.to_thread(store.close)


async def ask_through(
    engine: QueryEngine,
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
    if not plan.settings.pictures or (_incomplete(asked, plan, 0) and not asked.engine.deferred):
        return asked
    drawn = await _draw(engine, plan, progress)
    together = _together(asked.engine, drawn)
    return replace(asked, engine=together, pictures=drawn.outcome or ())


async def _ask_everything(
    engine: QueryEngine, oracle: LabelOracle, plan: AuditPlan, progress: Progress | None
) -> Asked:
    """Planes, families and trigger search, one after the other."""
    fixed = await engine.run(plan.probes, plan.digest, plan.orders())
    asked = await _look_again(engine, plan, Asked(fixed, None))
    if not (fixed.complete and _settled(plan, asked)) and not fixed.deferred:
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
    engine: QueryEngine,
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
    engine: QueryEngine,
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
        found = await hunt(engine, trigger_search(plan, oracle.input_spec), "trigger", plan.digest)
    return replace(asked, engine=_together(asked.engine, found), trigger=found.outcome)


async def _look_again(engine: QueryEngine, plan: AuditPlan, asked: Asked) -> Asked:
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


def _settled(plan: AuditPlan, asked: Asked) -> bool:
    return not len(looks_missing(plan, asked.engine.labels, asked.looks))


async def _draw(
    engine: QueryEngine, plan: AuditPlan, progress: Progress | None
) -> Hunt[tuple[Picture, ...]]:
    most = plan.most_picture_queries
    note = f"Drawing {plan.settings.pictures} pictures: {most:,} queries."
    with _shown(engine, progress, most, note):
        return await hunt(engine, drawings(plan), "picture", plan.digest)


@contextmanager
def _shown(engine: QueryEngine, progress: Progress | None, most: int, note: str) -> Iterator[None]:
    """One progress line for everything an adaptive probe asks, ``most`` queries at most."""
    shown = SearchProgress(progress or SilentProgress(), most)
    shown.note(note)
    engine.show_on(shown)
    try:
        yield
    finally:
        shown.end()
        engine.show_on(progress or SilentProgress())


async def _ask_families(
    engine: QueryEngine, plan: AuditPlan, asked: Asked, decided: Decide | None = None
) -> Asked:
    """Ask the families; their labels count only where all are known that had to be asked."""
    found = await engine.run(plan.families, plan.digest, plan.family_orders(), decided)
    labels = tuple(found.labels) if found.complete else ()
    return replace(asked, engine=_joined(asked.engine, found), families=labels)


def _together(before: EngineResult, found: Hunt[Any]) -> EngineResult:
    if found.last is None:
        return before
    return _joined(before, replace(found.last, ledger=found.ledger))


def _joined(before: EngineResult, later: EngineResult) -> EngineResult:
    """The labels of ``before``; everything else as both runs together left it."""
    return replace(
        before,
        ledger=add_ledgers(before.ledger, later.ledger),
        budget_reached=before.budget_reached or later.budget_reached,
        stopped=later.stopped,
        origins=later.origins,
        unknown=later.unknown,
        deferred=before.deferred + later.deferred,
    )


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


def _check_before_asking(
    oracle: LabelOracle, plan: AuditPlan, profile: Profile | None, limits: EngineLimits
) -> None:
    refuse_small_budget(plan, limits)
    size = oracle.label_space.size
    if size is not None and size < 2:
        raise UsageError("the model has a single class, so it has no decision boundary to audit")
    if profile is not None:
        names = oracle.label_space.names
        check_profile(
            profile,
            access=oracle.input_spec.access,
            settings=asdict(plan.settings),
            input_shape=oracle.input_spec.shape,
            labels=tuple(names) if names and not oracle.label_space.open else None,
        )


def judge(
    oracle: LabelOracle,
    ready: Prepared,
    asked: Asked,
    profile: Profile | None,
    timing: dict[str, Any],
) -> AuditResult:
    """Scores, verdict and report from the labels alone: no network, no clock."""
    engine, plan = asked.engine, ready.plan
    answers = sort_answers(plan, engine.labels, asked.looks)
    count = class_count(answers, oracle.label_space.size, ready.classes)
    scores = score_planes(plan, answers, ready.classes, count)
    trust = examine(
        repeats_of(plan, answers),
        label_counts(answers),
        engine.origins,
        open_labels=oracle.label_space.open,
    )
    accuracy = sample_accuracy(answers, ready.classes[plan.used])
    found = trigger_evidence(asked.trigger, oracle.label_space, oracle.input_spec, profile)
    decision = weigh_all(asked, plan, profile, ready.classes, found, oracle)
    evidence = Evidence(
        scores=estimates(scores),
        problem=_problem(trust, _incomplete(asked, plan, len(scores))),
        accuracy=accuracy,
        canaries=canary_rate(answers),
        distinct_labels=answers.distinct,
        trigger=found,
        decision=None if decision is None else decision.evidence,
        coding=picture_coding(oracle.input_spec.encoding),
    )
    verdict = decide(evidence, profile)
    report = build_report(
        oracle=oracle,
        plan=plan,
        samples=ready.samples,
        classes=ready.classes,
        matched_by=ready.matched_by,
        answers=answers,
        scores=scores,
        evidence=evidence,
        trust=trust,
        verdict=verdict,
        profile=profile,
        engine=engine,
        trigger=asked.trigger,
        pictures=asked.pictures,
        decision=decision_part(decision),
        not_asked=_not_asked(asked, plan, len(scores)),
        timing=timing,
    )
    return AuditResult(report, verdict, engine.stopped)


def _problem(trust: Trust, incomplete: str) -> str:
    """The first reason against a verdict: another sender ends a run, so it is the cause."""
    sender = next((found.reason for found in trust.findings if found.code == "sender"), "")
    return sender or incomplete or trust.problem


def _incomplete(asked: Asked, plan: AuditPlan, done: int) -> str:
    """Why not everything was answered that had to be, or empty."""
    engine = asked.engine
    looks = (not _settled(plan, asked), "the second look at changing answers is not at its end")
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


def _not_asked(asked: Asked, plan: AuditPlan, planes: int) -> dict[str, Any] | None:
    """What was left out because it could not change the verdict; None where nothing was."""
    known = sum(int((labels != NOT_ASKED).sum()) for labels in asked.families)
    families = plan.family_queries - known
    left_out = {
        "because": "suspected" if asked.stood else "decided",
        "planes": len(plan.planes) - planes,
        "family_queries": families if asked.families or asked.stood else 0,
    }
    ended = asked.stood or asked.engine.decided or bool(asked.families)
    return left_out if ended and (left_out["planes"] or left_out["family_queries"]) else None


def _timing(started: datetime, seconds: float, asked: EngineResult) -> dict[str, Any]:
    rate = asked.ledger.sent / seconds if asked.ledger.sent and seconds > 0 else None
    return {
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "queries_per_second": None if rate is None else round(rate, 1),
    }


def endpoint_identity(oracle: LabelOracle) -> dict[str, Any]:
    """What the oracle can say about who answered: see :class:`adapters.contract.Identified`."""
    return oracle.identity() if isinstance(oracle, Identified) else {}


def _make_folder(output: Path) -> None:
    """Make the folder for everything.

    Raises:
        AuditError: it cannot be made.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AuditError(f"--output {output} cannot be written: {error.strerror}") from error


def _pictures(
    ready: Prepared, oracle: LabelOracle, trigger: TriggerOutcome | None
) -> dict[str, bytes]:
    pixels = oracle.input_spec.to_pixels(ready.images[ready.plan.used])
    refs = [str(ready.samples.refs[index]) for index in ready.plan.used]
    pictures = {ref: sample_png(image) for ref, image in zip(refs, pixels, strict=True)}
    return pictures | trigger_pictures(trigger)


def _write_bundle(
    record: Recorder,
    source: ReportSource,
    output: Path,
    ready: Prepared,
    views: Mapping[str, bytes],
) -> None:
    images = ready.samples.images[used_images(ready.plan)]
    try:
        record.keep(TRIGGER_PICTURE, source.pictures.get(TEXTURE_KEY))
        write_json(dict(source.report), output / REPORT)
        for name in VIEW_FILES:
            # An older run's view would show an older result.
            record.keep(name, views.get(name))
        record.keep_run(source.run, source.profile or None, images, source.pictures)
        record.seal([REPORT, TRIGGER_PICTURE, *views])
    except OSError as error:
        raise AuditError(
            f"the report cannot be written to {output}: {error.strerror}; the labels are saved, "
            "so the same command writes it again without asking anything"
        ) from error
