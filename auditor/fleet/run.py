"""Runs a fleet on Dask: hands its audits to workers, collects their rows, stops when told to."""

from __future__ import annotations

import contextlib
import queue
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dask
from distributed import Client, Future, LocalCluster

from auditor.errors import UsageError
from auditor.fleet.digest import Digests
from auditor.fleet.entries import Fleet, FleetEntry
from auditor.fleet.limits import Left, Pot
from auditor.fleet.live import Live
from auditor.fleet.place import FILES, Place
from auditor.fleet.rows import FAILED, OPEN, failed_row
from auditor.fleet.spread import AHEAD
from auditor.fleet.task import TOPIC, Job, run_job, stop_event
from auditor.workflows.request import AuditRequest

Row = Mapping[str, Any]
LOOK_S = 0.5
NOTHING = {"seconds": 0.0, "money": 0.0}
_WORKERS_S = 5.0
"""Seconds between two looks at how many workers there are."""


@dataclass(frozen=True)
class Due:
    """The audits of a fleet that are to be run, by name, each with the reason, and what is known.

    Attributes:
        digests: of every entry.
        rows: of audits that are done and stay as they are.
        earlier: every row of earlier runs.
    """

    why: Mapping[str, str]
    digests: Mapping[str, str]
    rows: Mapping[str, Row]
    earlier: Mapping[str, Row]


def due(fleet: Fleet, place: Place, only: str | None = None) -> Due:
    """Find out which audits of ``fleet`` are missing; ``only`` ``failed`` leaves out all others.

    Raises:
        AuditError: the place cannot be read or written.
    """
    kept = place.rows()
    digests = Digests(kept.pop(FILES, {}))
    found = {entry.name: digests.of(entry) for entry in fleet.entries}
    place.write_json(FILES, digests.files)
    why: dict[str, str] = {}
    rows: dict[str, Row] = {}
    for name, digest in found.items():
        row = kept.get(name)
        reason = _why(row, digest)
        if reason and (only is None or (row and row["outcome"] == FAILED)):
            why[name] = reason
        elif row is not None:
            rows[name] = row
    return Due(why, found, rows, kept)


def _why(row: Row | None, digest: str) -> str:
    """The reason to run an audit whose row is ``row``; empty if it is done."""
    if row is None:
        return "new"
    if row["outcome"] in OPEN:
        return str(row["outcome"])
    return "" if row["digest"] == digest else "changed"


@contextlib.contextmanager
def workers(count: int, scheduler: str | None, *, dashboard: bool = False) -> Iterator[Client]:
    """A client of ``scheduler``, or of a cluster of ``count`` processes on this machine.

    Raises:
        UsageError: nothing answers at the scheduler's address.
    """
    with contextlib.ExitStack() as stack:
        if scheduler is None:
            # Without limits of Dask's on memory, which is the sandbox's to limit, and without its
            # profiler: it looks at all threads a hundred times a second, and on CPython 3.11 such
            # a look was seen to block a worker for good.
            settings: dict[str, Any] = {
                "distributed.worker.profile.enabled": False,
                # Each tick takes the interpreter from the audit, on a busy machine for long.
                "distributed.admin.tick.interval": "1s",
                "distributed.admin.system-monitor.interval": "10s",
            }
            if not dashboard:
                settings |= {
                    f"distributed.{one}.http.routes": [] for one in ("scheduler", "worker")
                }
            stack.enter_context(dask.config.set(settings))
            begun = stack.enter_context(_interrupt_later())
            cluster = stack.enter_context(
                LocalCluster(
                    n_workers=count, threads_per_worker=1, processes=True, host="127.0.0.1",
                    dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": dashboard},
                    memory_limit=0,
                    preload="auditor.fleet.preload",
                    silence_logs=50,
                )
            )  # fmt: skip
            client = stack.enter_context(contextlib.closing(Client(cluster)))
            begun()
            yield client
            return
        try:
            client = Client(scheduler, timeout=10)
        except (OSError, ValueError, TimeoutError) as error:
            raise UsageError(f"no Dask scheduler answers at {scheduler}: {error}") from error
        # As a context of its own it would have to be left in the thread that entered it.
        yield stack.enter_context(contextlib.closing(client))


@contextlib.contextmanager
def _interrupt_later() -> Iterator[Callable[[], None]]:
    """Hold a Ctrl-C back until the function given is called: workers that are half started would
    not end with it.
    """
    pressed: list[object] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None  # which alone takes signals
        return
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(None))

    def let_through() -> None:
        signal.signal(signal.SIGINT, before)
        if pressed:
            raise KeyboardInterrupt

    try:
        yield let_through
    finally:
        signal.signal(signal.SIGINT, before)


def run_fleet(
    client: Client,
    fleet: Fleet,
    todo: Due,
    output: str,
    build: Callable[[FleetEntry], AuditRequest],
    live: Live,
    threads: int | None = None,
) -> dict[str, Row]:
    """Run the audits that are due; returns the rows of those that ended, by name.

    The first Ctrl-C lets requests in flight end and keeps every label; the second one raises
    KeyboardInterrupt.
    """
    run = secrets.token_hex(6)
    if fleet.limits.capped:
        Pot(run).fill(_left(fleet, todo, Place(output)))
    jobs = [
        Job(entry, todo.digests[entry.name], output, run, fleet.limits, build, threads)
        for entry in fleet.entries
        if entry.name in todo.why
    ]
    client.subscribe_topic(TOPIC, lambda event: live.told(run, event[1]))
    try:
        return _Run(client, jobs, run, live).rows()
    finally:
        client.unsubscribe_topic(TOPIC)


def _left(fleet: Fleet, todo: Due, place: Place) -> Left:
    """Queries and money that earlier runs of the fleet's audits left, a killed one's included."""
    limits, queries, money = fleet.limits, 0, 0.0
    for entry in fleet.entries:
        row = todo.earlier.get(entry.name)
        sent = place.sent(entry.name) if entry.name in todo.why else row["queries"] if row else 0
        queries += sent
        money += sent * entry.price_per_1000 / 1000.0
    return Left(
        None if limits.max_queries is None else max(0, limits.max_queries - queries),
        None if limits.max_money is None else max(0.0, limits.max_money - money),
    )


class _Run:
    """One run of a fleet's jobs."""

    def __init__(self, client: Client, jobs: Sequence[Job], run: str, live: Live) -> None:
        self._client, self._run, self._live = client, run, live
        self._looked, self._threads = float("-inf"), 0
        self._waiting = list(reversed(jobs))
        self._jobs = {job.entry.name: job for job in jobs}
        self._out: dict[str, Future] = {}
        self._ended: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._steps, self._told = 0, False

    def rows(self) -> dict[str, Row]:
        """Run everything; the rows by name."""
        found: dict[str, Row] = {}
        with self._watched():
            while (self._out or self._waiting) and not (self._told and not self._threads):
                self._tell_stop()
                self._hand_out()
                with contextlib.suppress(queue.Empty):
                    name = self._ended.get(timeout=LOOK_S)
                    found[name] = self._row(name, self._out.pop(name))
                    self._live.ended(found[name])
                self._live.show(len(self._out), len(self._waiting))
        return found

    def _hand_out(self) -> None:
        """Keep the workers busy; a fleet of thousands is not handed out at once."""
        if time.monotonic() - self._looked > _WORKERS_S:
            self._looked, self._threads = time.monotonic(), sum(self._client.ncores().values())
            if self._out and not self._threads:
                self._live.note("No worker is there; the audits wait for one.")
        wanted = AHEAD * max(1, self._threads)
        while self._waiting and len(self._out) < wanted:
            job = self._waiting.pop()
            name = job.entry.name
            key = f"audit-{name}-{self._run}"
            future = self._client.submit(run_job, job, key=key, pure=False)
            self._out[name] = future
            self._live.started(name)
            future.add_done_callback(lambda _, name=name: self._ended.put(name))

    def _row(self, name: str, future: Future) -> Row:
        """The row of an audit; one that no worker survived gets a row that says so."""
        try:
            row: Row = future.result()
            return row
        except Exception as failure:  # noqa: BLE001 - whatever happened to a worker
            error = failure
        job = self._jobs[name]
        why = f"its worker died or failed, {type(error).__name__}: {' '.join(str(error).split())}"
        made = {"name": name, "digest": job.digest, **failed_row(4, why[:600]), **NOTHING}
        Place(job.output).write_row(made)
        return made

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """Count Ctrl-C and SIGTERM; a second one interrupts."""

        def take(*_: object) -> None:
            self._steps += 1
            if self._steps > 1:
                raise KeyboardInterrupt

        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, take) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _tell_stop(self) -> None:
        """Tell the workers, once, that the user has stopped the fleet."""
        if self._steps and not self._told:
            self._told = True
            self._waiting.clear()
            self._live.note(
                "Stopping: waiting for requests in flight. Press again to stop at once."
            )
            stop_event(self._run, self._client).set()
