"""The Python way in: ``from auditor import audit``.

report = audit("https://host/v2/models/NAME", "pictures/", value_range=(0, 1))
report = audit(lambda images: model(images).argmax(axis=1), (x, y), name="model 3")
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillRunning
from pathlib import Path
from typing import Any, Unpack

from adapters.errors import AdapterError
from auditor.api.options import AuditOptions, spelled
from auditor.api.report import AuditInterrupted, AuditReport, load
from auditor.api.targets import FIELDS, AnyTarget, locate_any, read_model, sample_shape
from auditor.engine.progress import EventProgress, Progress, choose_progress
from auditor.errors import AuditError, LabelsPending, UsageError, did_you_mean
from auditor.fleet import on_workers
from auditor.samples.arrays import samples_from_arrays
from auditor.samples.load import load_samples
from auditor.samples.samples import Samples
from auditor.verdict.profile import Profile
from auditor.workflows.audit import run_audit
from auditor.workflows.judge import AuditResult
from auditor.workflows.prepare import STORE_NAME
from auditor.workflows.profiles import load_profile
from auditor.workflows.request import SETTINGS, AuditRequest, Spending, merge_settings
from auditor.workflows.stop import TwoStepStop

__all__ = ["AuditInterrupted", "AuditReport", "audit", "audit_async", "load"]

AnyProgress = Progress | bool | Callable[[dict[str, Any]], object]
AnySamples = str | Path | Samples | tuple[Any, Any]

_POLL_S = 0.2
"""Seconds between two polls of the waiting thread; some systems deliver Ctrl-C only then."""


@spelled
def audit(
    target: AnyTarget,
    samples: AnySamples,
    *,
    output: str | Path = "xray-audit-report",
    profile: str | Path | Profile | None = None,
    max_queries: int | None = None,
    rate: float | None = None,
    request_rate: float | None = None,
    concurrency: int | None = None,
    patience: float | None = None,
    name: str | None = None,
    progress: AnyProgress = True,
    workers: int | None = None,
    scheduler: str | None = None,
    **options: Unpack[AuditOptions],
) -> AuditReport:
    """Audit a model and return its report; works in scripts and notebooks alike.

    The audit runs on a thread of its own, so an event loop that is already running (as in a
    notebook) does not matter. Ctrl-C, or the notebook's stop button, waits for the requests in
    flight, writes a report of what is there and raises :class:`AuditInterrupted`; what was
    answered is kept and the same call continues. A second one stops at once.

    Args:
        target: the model under audit:

            * a function from images to labels. It gets one array, ``(n, c, h, w)`` float32 in
              the model's own input units (``(n, h, w, c)`` with ``layout="NHWC"``; uint8 pixels
              with ``access="image"``), and returns ``n`` class indices or class names. Scores
              are refused: return ``scores.argmax(axis=1)``. It is called on one thread of its
              own, never twice at a time; a coroutine function works too.
            * a model object: a torch module (a timm model among them), a Keras model, a fitted
              scikit-learn classifier, a transformers pipeline for image classification or a pair
              of model and processor, an ONNX Runtime session. It is asked on its device, in
              inference mode, and has its own mode back afterwards.
            * a URL of a prediction API, or the path of a model file or of a target file (.toml).
            * a :class:`adapters.target.Target`, or an open oracle, which stays open.
        samples: clean, labelled samples of three classes or more (of two a search is made, and
            no verdict can come of it): a path (see
            :func:`auditor.samples.load.load_samples`), ``(x, y)`` arrays (see
            :func:`auditor.samples.arrays.samples_from_arrays`), or loaded samples.
        output: folder for labels, plan and reports; the same call continues what is in it.
        profile: references to judge by: a shipped name, a file, or a loaded profile.
        max_queries: hard cap on inputs sent, over all calls that continue this audit.
        rate: most queries per second.
        request_rate: most requests per second.
        concurrency: most requests in flight; 8 for URLs, 2 for files, 1 for functions.
        patience: longest time in seconds without an answer while the target is down or says
            "wait"; 300 unless its description states another.
        name: identity of the model object, or of the model that a function asks. Answers are kept
            under it, so change it whenever the model changes. Without it nothing from earlier
            calls is used again.
        progress: True for a display of how far it is, False for none, a function that gets every
            event as a dictionary (see :class:`auditor.engine.progress.EventProgress`), or an object
            of your own.
        workers: processes on this machine that each open the model file and share its queries.
        scheduler: address of a running Dask cluster whose workers do so (extra ``fleet``).
        **options: any field of :class:`auditor.plan.settings.AuditSettings` (``planes``,
            ``density``, ``seed``, ``trigger_search``, ...) and of
            :class:`adapters.target.Target` (``value_range``, ``access``, ``mean``,
            ``std``, ``shape``, ``classes``, ...).

    Raises:
        AuditInterrupted: Ctrl-C; a KeyboardInterrupt that holds the report so far.
        UsageError: target, samples, settings, profile or budget do not fit.
        AdapterError: the target failed for good; what was paid for is kept.
        LabelsPending: the target answers by files, and the next inputs wait for their labels.
        ComeBackError: a quota is used up; the message says when it comes back.
        AuditError: the audit could not be done.
    """
    spending = Spending(max_queries, rate, request_rate, concurrency, patience).checked()
    request = _request(target, samples, output, profile, spending, name, progress, options)
    with on_workers(request, workers, scheduler) as spread:
        return _Blocking(spread).run()


@spelled
async def audit_async(
    target: AnyTarget,
    samples: AnySamples,
    *,
    output: str | Path = "xray-audit-report",
    profile: str | Path | Profile | None = None,
    max_queries: int | None = None,
    rate: float | None = None,
    request_rate: float | None = None,
    concurrency: int | None = None,
    patience: float | None = None,
    name: str | None = None,
    progress: AnyProgress = True,
    workers: int | None = None,
    scheduler: str | None = None,
    **options: Unpack[AuditOptions],
) -> AuditReport:
    """:func:`audit` on the running event loop, for coroutine functions bound to it.

    Cancelling it keeps everything that was answered; the same call continues.
    """
    spending = Spending(max_queries, rate, request_rate, concurrency, patience).checked()
    request = _request(target, samples, output, profile, spending, name, progress, options)
    with contextlib.ExitStack() as stack:
        spread = on_workers(request, workers, scheduler)
        # A cluster may be slow to answer, and the loop has more to do.
        result = await run_audit(await asyncio.to_thread(stack.enter_context, spread))
    return AuditReport.of(result, request.output)


def _request(
    target: AnyTarget,
    samples: AnySamples,
    output: str | Path,
    profile: str | Path | Profile | None,
    spending: Spending,
    name: str | None,
    progress: AnyProgress,
    options: Mapping[str, Any],
) -> AuditRequest:
    _refuse_unknown(options)
    described = {key: value for key, value in options.items() if key in FIELDS}
    model = read_model(target)
    given = _samples(samples, described if model is None else sample_shape(model, described))
    shown = _progress(progress)
    for note in given.notes:
        shown.note(note)
    found = locate_any(target, given, described, name, model)
    judged_by = _profile(profile, found.access)
    return AuditRequest(
        target=found,
        samples=given,
        settings=merge_settings(judged_by, options),
        output=Path(output),
        profile=judged_by,
        limits=spending.limits(found),
        progress=shown,
    )


def _refuse_unknown(options: Mapping[str, Any]) -> None:
    known = SETTINGS | FIELDS
    for name in options:
        if name not in known:
            hint = did_you_mean(name, known) or f"; it has {', '.join(sorted(known))}"
            raise UsageError(f"audit() has no option {name!r}{hint}")


def _samples(samples: AnySamples, described: Mapping[str, Any]) -> Samples:
    if isinstance(samples, Samples):
        return samples
    if isinstance(samples, str | Path):
        fit, shape = described.get("fit"), described.get("shape")
        if fit is not None and shape is None:
            raise UsageError("fit is the way to another size: state it with shape=(c, h, w)")
        size = None if fit is None or shape is None else (int(shape[1]), int(shape[2]))
        background = described.get("background") or "white"
        return load_samples(Path(samples), size, fit or "squash", background)
    if isinstance(samples, tuple | list) and len(samples) == 2:
        return samples_from_arrays(*samples)
    raise UsageError("samples must be a path, a pair (x, y) of arrays, or loaded Samples")


def _profile(profile: str | Path | Profile | None, access: str) -> Profile | None:
    if profile is None or isinstance(profile, Profile):
        return profile
    return load_profile(str(profile), access)


def _progress(progress: AnyProgress) -> Progress:
    if isinstance(progress, bool):
        return choose_progress() if progress else Progress()
    if isinstance(progress, Progress) or not callable(progress):
        return progress  # an object of one's own need not extend the class
    return EventProgress(progress)


class _Blocking:
    """Runs one audit on a thread with an event loop of its own and waits for it."""

    def __init__(self, request: AuditRequest) -> None:
        self._request = request
        self._done: Future[AuditResult] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = TwoStepStop(request.progress, "Stop")

    def run(self) -> AuditReport:
        """The audit's report.

        Raises:
            AuditInterrupted: Ctrl-C; further exceptions are the audit's own.
        """
        context = contextvars.copy_context()
        threading.Thread(
            target=context.run, args=(self._work,), name="xray-audit", daemon=True
        ).start()
        try:
            result = self._wait()
        except asyncio.CancelledError:
            raise AuditInterrupted(self._kept(), None) from None
        except (AuditError, AdapterError) as error:
            if self._loop is not None and not isinstance(error, LabelsPending):
                error.add_note(self._kept())
            raise
        report = AuditReport.of(result, self._request.output)
        if self._stop.steps:  # even if the audit had just reached its end: a loop must stop
            raise AuditInterrupted(self._kept(), report)
        return report

    def _kept(self) -> str:
        store = self._request.output / STORE_NAME
        return f"what was answered is kept in {store}: {self._request.target.continues}"

    def _wait(self) -> AuditResult:
        while True:
            try:
                return self._done.result(timeout=_POLL_S)
            except StillRunning:
                if self._done.done():  # the audit's own time-out, or its end just now
                    return self._done.result()
            except KeyboardInterrupt:
                self._interrupt()

    def _interrupt(self) -> None:
        step = self._stop.count()
        if step > 2:
            raise KeyboardInterrupt
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it ended just now
                self._loop.call_soon_threadsafe(self._stop.take, step)

    def _work(self) -> None:
        try:
            self._done.set_result(asyncio.run(self._main()))
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            self._done.set_exception(error)

    async def _main(self) -> AuditResult:
        self._loop = asyncio.get_running_loop()
        self._stop.watch_task()
        return await run_audit(self._request, self._stop.watch_engine)
