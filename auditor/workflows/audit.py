"""The audit: samples -> plan -> engine -> scores -> verdict -> report. Reads as it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.contract import LabelOracle, OfflineOracle, RemoteOracle
from adapters.secrets import without_secrets
from auditor.engine.contract import EngineResult
from auditor.engine.engine import QueryEngine
from auditor.engine.memory import keep_freed_memory
from auditor.errors import AuditError, LabelsPending, UsageError
from auditor.evidence.layout import REPORT, TRIGGER_PICTURE
from auditor.evidence.recorder import Recorder
from auditor.evidence.records import (
    end_record,
    holds_another,
    plan_record,
    run_record,
    used_images,
)
from auditor.labels.answers import Answers
from auditor.plan.plan import AuditPlan
from auditor.report.html.changes import TEXTURE_KEY
from auditor.report.json_report import write_json
from auditor.report.source import ReportSource
from auditor.report.views import VIEW_FILES, render_all
from auditor.report.wording.cap import cap_words
from auditor.samples.fit import near_strangers
from auditor.verdict.verdict import check_profile
from auditor.workflows.ask import ask, stop_rules
from auditor.workflows.judge import AuditResult, judge, report_pictures
from auditor.workflows.prepare import (
    Prepared,
    continued,
    prepare,
    raised,
    refuse_small_budget,
    refuse_without_planes,
)
from auditor.workflows.price import price_ready
from auditor.workflows.rates import Rates
from auditor.workflows.request import AuditRequest

UNSIGNED_AGAIN = "The bundle was signed before and is not now: --sign-key signs it again."


async def run_audit(
    request: AuditRequest, on_start: Callable[[QueryEngine], None] | None = None
) -> AuditResult:
    """Audit a model; ``request.output`` becomes an evidence bundle (see auditor.evidence.layout).

    An equal request continues at the end of the last run and asks nothing twice.

    Args:
        request: the audit.
        on_start: called with the engine before it starts, so that a caller can stop it.

    Raises:
        UsageError: samples, settings, profile or budget do not fit.
        AdapterError: the target cannot be opened or failed for good; what was paid for is kept.
        LabelsPending: the target answers by files, and the next ones wait for their labels.
        AuditError: the audit could not be done.
    """
    keep_freed_memory()  # before there are threads
    async with request.target.opened(request.limits, request.progress) as oracle:
        ready = continued(prepare(oracle, request.samples, request.settings), request.output)
        ready = raised(ready, request.output, oracle)
        _check_before_asking(oracle, ready.plan, request)
        replaced = _replaced(oracle, request.output)
        for note in (*ready.notes, *replaced, *await _cap_note(oracle, ready, request)):
            request.progress.note(note)
        started, clock = datetime.now(UTC), time.monotonic()
        if isinstance(oracle, OfflineOracle):
            await oracle.begin(ready.plan.digest)
        _make_folder(request.output)
        record = Recorder(request.output, request.signer)
        try:
            answers = await _ask_on_record(oracle, ready, request, record, on_start)
            ended = end_record(answers.run)
            identity = record.finish(asdict(answers.run.ledger), ended, endpoint_identity(oracle))
        finally:
            record.close()
        if record.unsigned_again:
            request.progress.note(UNSIGNED_AGAIN)
        stranger = near_strangers(oracle.label_space, request.samples)
        if stranger:
            request.progress.note(stranger)
        await _hand_out(oracle, answers.run)
        timing = _timing(started, time.monotonic() - clock, answers.run)
        result = judge(oracle, ready, answers, request.profile, timing)
        # Keys are known by now: opening the target read them.
        command = [without_secrets(word) for word in request.command]
        run = run_record(oracle, answers.run, timing, identity, command)
        held = {} if request.profile is None else request.profile.as_dict()
        images = report_pictures(ready, oracle.input_spec, answers.trigger)
        source = ReportSource(result.result, images, run, held)
        made = render_all(source, request.views, request.shown)
        _write_bundle(record, source, request.output, ready, made)
        return replace(result, pictures=images)


def _replaced(oracle: LabelOracle, output: Path) -> tuple[str, ...]:
    """A word before the report of another model is replaced."""
    if not ((output / REPORT).exists() and holds_another(output, oracle.fingerprint)):
        return ()
    return (
        f"{output} holds the audit of another model, or of other inputs: its report is replaced "
        "and its queries count towards --max-queries. Its labels stay, so that its own command "
        "writes it again; another --output keeps both.",
    )


async def _ask_on_record(
    oracle: LabelOracle,
    ready: Prepared,
    request: AuditRequest,
    record: Recorder,
    on_start: Callable[[QueryEngine], None] | None,
) -> Answers:
    """Ask everything, after recording the plan and with every answer recorded."""
    fixed = plan_record(oracle, ready, request.profile)
    return await ask(
        oracle,
        ready,
        request.output,
        request.limits,
        request.progress,
        on_start,
        lambda: record.start(fixed, oracle.input_spec),
        stop_rules(oracle, ready, request.profile, oracle.label_space.size),
    )


async def _hand_out(oracle: LabelOracle, asked: EngineResult) -> None:
    """Let a target that answers by files hand out the inputs that still need labels.

    Raises:
        LabelsPending: there are some.
    """
    if not isinstance(oracle, OfflineOracle) or asked.stopped:
        return
    if asked.deferred:
        raise LabelsPending(await oracle.hand_out())
    await oracle.taken_over()


def _check_before_asking(oracle: LabelOracle, plan: AuditPlan, request: AuditRequest) -> None:
    refuse_small_budget(plan, request.limits)
    size = oracle.label_space.size
    if size is not None and size < 2:
        raise UsageError("the model has a single class, so it has no decision boundary to audit")
    if request.profile is not None:
        refuse_without_planes(plan)
        names = oracle.label_space.names
        check_profile(
            request.profile,
            access=oracle.input_spec.access,
            settings=asdict(plan.settings),
            input_shape=oracle.input_spec.shape,
            labels=tuple(names) if names and not oracle.label_space.open else None,
        )


async def _cap_note(oracle: LabelOracle, ready: Prepared, request: AuditRequest) -> tuple[str, ...]:
    """The verdicts that a cap on queries leaves within reach; none if it cannot end the audit."""
    if request.limits.max_queries is None:
        return ()
    own = [ready.plan.settings.effort]
    cap = (await price_ready(oracle, ready, request, Rates([], None), own)).cap
    return (cap_words(cap),) if cap is not None and cap.left < cap.worst else ()


def _timing(started: datetime, seconds: float, asked: EngineResult) -> dict[str, Any]:
    rate = asked.ledger.sent / seconds if asked.ledger.sent and seconds > 0 else None
    return {
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "queries_per_second": None if rate is None else round(rate, 1),
    }


def endpoint_identity(oracle: LabelOracle) -> dict[str, Any]:
    """The server that answered; see :meth:`adapters.contract.RemoteOracle.identity`."""
    return oracle.identity() if isinstance(oracle, RemoteOracle) else {}


def _make_folder(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AuditError(f"--output {output} cannot be written: {error.strerror}") from error


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
        write_json(source.result.content, output / REPORT)
        for name in VIEW_FILES:
            # An older run's view would show an older result.
            record.keep(name, views.get(name))
        record.keep_run(source.run, source.profile or None, images, source.pictures)
        record.seal([REPORT, TRIGGER_PICTURE, *views], source.result.verdict)
    except OSError as error:
        raise AuditError(
            f"the report cannot be written to {output}: {error.strerror}; the labels are saved, "
            "so the same command writes it again without asking anything"
        ) from error
