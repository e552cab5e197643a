"""The audit: samples -> plan -> engine -> scores -> verdict -> report. Reads as it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.contract import LabelOracle, OfflineOracle, RemoteOracle
from auditor.engine.adaptive import (
    TriggerOutcome,
)
from auditor.engine.engine import EngineLimits, EngineResult, QueryEngine
from auditor.engine.progress import Progress
from auditor.errors import AuditError, LabelsPending, UsageError
from auditor.evidence.attest.signing import Signer
from auditor.evidence.layout import REPORT, TRIGGER_PICTURE
from auditor.evidence.recorder import Recorder
from auditor.evidence.records import end_record, plan_record, run_record, used_images
from auditor.plan.plan import AuditPlan
from auditor.plan.settings import AuditSettings
from auditor.report.html.trigger import TEXTURE_KEY
from auditor.report.json_report import write_json
from auditor.report.source import ReportSource
from auditor.report.thumbnails import sample_png
from auditor.report.trigger_pictures import trigger_pictures
from auditor.report.views import VIEW_FILES, ViewName, ViewSettings, render_all, view_settings
from auditor.samples.samples import Samples
from auditor.verdict.profile import Profile
from auditor.verdict.verdict import check_profile
from auditor.workflows.ask import ask, stop_rules
from auditor.workflows.judge import AuditResult, judge
from auditor.workflows.prepare import Prepared, prepare, refuse_small_budget


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
    if isinstance(oracle, OfflineOracle):
        await oracle.begin(ready.plan.digest)
    _make_folder(output)
    record = Recorder(output, signer)
    fixed = plan_record(oracle, ready, profile)
    try:
        answers = await ask(
            oracle,
            ready,
            output,
            limits,
            progress,
            on_start,
            lambda: record.start(fixed, oracle.input_spec),
            stop_rules(oracle, ready, profile, oracle.label_space.size),
        )
        ledger, ended = asdict(answers.run.ledger), end_record(answers.run)
        identity = record.finish(ledger, ended, endpoint_identity(oracle))
    finally:
        record.close()
    if record.unsigned_again and progress is not None:
        progress.note("The bundle was signed before and is not now: --sign-key signs it again.")
    await _hand_out(oracle, answers.run)
    timing = _timing(started, time.monotonic() - clock, answers.run)
    result = judge(oracle, ready, answers, profile, timing)
    run = run_record(oracle, answers.run, timing, identity)
    held = {} if profile is None else profile.as_dict()
    source = ReportSource(result.report, _pictures(ready, oracle, answers.trigger), run, held)
    made = render_all(source, views, shown or view_settings())
    _write_bundle(record, source, output, ready, made)
    return result


async def _hand_out(oracle: LabelOracle, asked: EngineResult) -> None:
    """Where the target answers by files, let it hand out what is still to be labelled.

    Raises:
        LabelsPending: something is.
    """
    if not isinstance(oracle, OfflineOracle) or asked.stopped:
        return
    if asked.deferred:
        raise LabelsPending(await oracle.hand_out())
    await oracle.taken_over()


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
