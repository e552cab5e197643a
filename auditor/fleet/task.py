"""One audit of a fleet, as a worker runs it: from an entry to a bundle and a row."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from distributed import Event, get_worker

from auditor.engine.contract import EngineLimits
from auditor.engine.engine import QueryEngine
from auditor.engine.progress import Progress
from auditor.errors import ExitCode
from auditor.fleet.entries import FleetEntry, FleetLimits
from auditor.fleet.limits import Pot, WorkersLimits
from auditor.fleet.place import CHECKPOINT_S, Place, queries_sent
from auditor.fleet.rows import audited_row, failed_row
from auditor.workflows.audit import run_audit
from auditor.workflows.failure import explained
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import LocatedTarget

TOPIC = "xray-audit fleet"
TOLD_S = 1.0
"""Seconds between two reports of one audit's progress."""
ASKED_S = 2.0
"""Seconds between two questions to the scheduler if the user has stopped the fleet."""
_building = threading.Lock()
"""The first requests import much, and CPython 3.11 fails where two threads read docstrings at once
(``AST constructor recursion depth mismatch``).
"""


@dataclass(frozen=True)
class Job:
    """Everything a worker needs for one audit.

    Attributes:
        entry: the audit.
        digest: of its entry.
        output: the place of the fleet's results.
        run: name of this run of the fleet.
        limits: limits that its audits share.
        build: makes the request of an entry; importable on a worker.
        threads: CPU threads of a model file whose entry states none, or None.
        checkpoint_s: seconds between two copies of a label store into a bucket.
    """

    entry: FleetEntry
    digest: str
    output: str
    run: str
    limits: FleetLimits
    build: Callable[[FleetEntry], AuditRequest]
    threads: int | None = None
    checkpoint_s: float = CHECKPOINT_S


def run_job(job: Job) -> dict[str, Any]:
    """Run one audit to its end and keep its row; the row says so if it could not be done."""
    place, began = Place(job.output), time.monotonic()
    if stop_event(job.run).is_set():
        stopped = failed_row(ExitCode.INTERRUPTED, "the fleet was stopped before it began")
        return {
            "name": job.entry.name,
            "digest": job.digest,
            **stopped,
            "seconds": 0.0,
            "money": 0.0,
        }
    try:
        with place.working(job.entry.name, job.checkpoint_s) as folder:
            row = _row(job, folder)
    except Exception as error:  # noqa: BLE001 - the place may fail too, and ends no fleet
        row = failed_row(*explained(error))
    price = job.entry.price_per_1000 * row["queries"] / 1000.0
    ended = datetime.now(UTC).isoformat(timespec="seconds")
    row = {
        "name": job.entry.name, "digest": job.digest, "finished": ended, **row,
        "seconds": round(time.monotonic() - began, 3), "money": round(price, 6),
    }  # fmt: skip
    place.write_row(row)
    return row


def _row(job: Job, folder: Path) -> dict[str, Any]:
    """The row of the audit in ``folder``, with everything that it ever sent."""
    try:
        with _building:
            request = _request(job, folder)
        result = asyncio.run(_audit(job, request))
        row = audited_row(result, folder, _host(request.target))
    except Exception as error:  # noqa: BLE001 - one audit never ends a fleet
        row = failed_row(*explained(error))
    return {**row, "queries": queries_sent(folder)}


def _request(job: Job, folder: Path) -> AuditRequest:
    entry = job.entry
    if job.threads is not None and entry.options.get("threads") is None and "model" in entry.stated:
        options = {**entry.options, "threads": job.threads}
        entry = dataclasses.replace(entry, options=options)
    request = job.build(entry)
    return dataclasses.replace(request, output=folder, progress=ToldProgress(entry.name, job.run))


async def _audit(job: Job, request: AuditRequest) -> Any:
    """Run the audit within the fleet's limits; it ends early once the user stops the fleet."""
    shared = _shared(job, _host(request.target))
    watches: list[asyncio.Task[None]] = []

    def on_start(engine: QueryEngine) -> None:
        watches.append(asyncio.create_task(_stop_when_told(engine, job.run)))

    async with contextlib.AsyncExitStack() as stack:
        if shared is not None:
            await stack.enter_async_context(shared.settled())
            limits: EngineLimits = dataclasses.replace(request.limits, shared=shared)
            request = dataclasses.replace(request, limits=limits)
        try:
            return await run_audit(request, on_start)
        finally:
            for watch in watches:
                watch.cancel()


def _shared(job: Job, host: str) -> WorkersLimits | None:
    of_host, capped = job.limits.of(host), job.limits.capped
    if of_host is None and not capped:
        return None
    pot = Pot(job.run) if capped else None
    return WorkersLimits(host, of_host, pot, job.entry.price_per_1000 / 1000.0)


def _host(target: LocatedTarget) -> str:
    """``host:port`` of the server asked; empty if none is."""
    described = target.target
    if described is None or described.kind != "http":
        return ""
    return urlsplit(described.location).netloc.rpartition("@")[2]


def stop_event(run: str, client: Any = None) -> Event:
    """The event that is set once the user stops the fleet ``run``."""
    return Event(f"xray-audit stop {run}", client=client)


async def _stop_when_told(engine: QueryEngine, run: str) -> None:
    event = stop_event(run)
    # The event is the scheduler's, which cannot wake this loop.
    while not await asyncio.to_thread(event.is_set):  # noqa: ASYNC110
        await asyncio.sleep(ASKED_S)
    engine.stop()


class ToldProgress(Progress):
    """Tells the user's side, at most once a second, how far the audit ``name`` is."""

    def __init__(self, name: str, run: str) -> None:
        self._name, self._run, self._worker = name, run, get_worker()
        self._planned = self._done = self._live = 0
        self._told = float("-inf")

    def start(self, planned: int, known: int) -> None:
        """See :class:`auditor.engine.progress.Progress`."""
        self._planned, self._done = planned, known
        self._tell()

    def advance(self, labels: int, *, live: bool) -> None:
        """See :class:`auditor.engine.progress.Progress`."""
        self._done += labels
        self._live += labels if live else 0
        if time.monotonic() - self._told >= TOLD_S:
            self._tell()

    def _tell(self) -> None:
        self._told = time.monotonic()
        message = [self._run, self._name, self._done, self._planned, self._live]
        self._worker.log_event(TOPIC, message)
