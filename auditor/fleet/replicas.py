"""One model on many Dask workers, so that a single large audit is asked in many places at once.

The engine stays in the user's process, with its plan, its label store and its log. Each of its
requests is a task, which a worker asks its own replica of the model file. A worker that dies takes
nothing with it: Dask hands its tasks to others, and labels count once they came back.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import os
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dask
from distributed import Client

from adapters.contract import Batch, LabelOracle, Labels, WireCount
from adapters.errors import AdapterError, ModelFileError, ModelStopped, TargetError
from auditor.errors import UsageError
from auditor.fleet.run import AHEAD, workers
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import LocatedTarget, locate

PER_TASK = 16
"""Most inputs of one task, unless the target states a batch: an audit asks some hundred at a time,
which are to be shared out."""
_FOUND_S = 30.0
_opened: dict[str, LabelOracle] = {}
"""Replicas that this worker has open, by the audit's run."""
_opening = threading.Lock()


@dataclass(frozen=True)
class Replica:
    """A model as a worker opens it: its place, its identity, and the audit's run."""

    located: LocatedTarget
    fingerprint: str
    run: str


@contextlib.contextmanager
def replicated(
    request: AuditRequest, count: int | None, scheduler: str | None
) -> Iterator[AuditRequest]:
    """``request`` with its model on ``count`` workers of this machine, or on those of the running
    cluster at ``scheduler``.

    Raises:
        UsageError: it is no model file, or no worker answers.
    """
    described = request.target.target
    if described is None or not request.target.is_file:
        raise UsageError(
            "--workers and --scheduler are for model files, which each worker opens; a server "
            "answers many requests at once by itself: raise --concurrency"
        )
    if scheduler is None and described.threads is None:
        described = replace(described, threads=max(1, (os.cpu_count() or 1) // (count or 1)))
    if Path(described.location).exists():
        described = replace(described, location=str(Path(described.location).absolute()))
    located = locate(described, request.samples)
    quiet = {"distributed.admin.large-graph-warning-threshold": "1 GiB"}
    with dask.config.set(quiet), workers(count or 1, scheduler) as client:
        try:
            client.wait_for_workers(1, timeout=_FOUND_S)
        except TimeoutError as error:
            raise UsageError(f"the Dask scheduler at {scheduler} has no worker") from error
        ahead = AHEAD * sum(client.ncores().values())
        limits = replace(request.limits, concurrency=max(ahead, request.limits.concurrency))
        opening = functools.partial(_open_replicated, client, located)
        target = replace(located, open=opening, concurrency=ahead)
        yield replace(request, target=target, limits=limits)


async def _open_replicated(client: Client, located: LocatedTarget) -> LabelOracle:
    inner = await located.open()
    try:
        return ReplicatedOracle(client, located, inner)
    except BaseException:
        await inner.aclose()
        raise


class ReplicatedOracle(LabelOracle):
    """Asks the replicas of ``inner``, the model in this process, which says what they are."""

    def __init__(self, client: Client, located: LocatedTarget, inner: LabelOracle) -> None:
        if inner.label_space.open:
            raise TargetError(
                "the model names its classes as it answers, so workers would number them "
                "differently: state them with --classes"
            )
        self.input_spec, self.label_space = inner.input_spec, inner.label_space
        self.fingerprint, self.description = inner.fingerprint, inner.description
        padded = int(inner.description.get("input", {}).get("padded_to", 1))
        stated = located.target is not None and located.target.batch is not None
        self.max_batch = inner.max_batch if stated else min(inner.max_batch, max(padded, PER_TASK))
        self.wire = WireCount()
        self._client, self._inner = client, inner
        self._replica = Replica(located, inner.fingerprint, secrets.token_hex(8))

    async def predict_labels(self, batch: Batch) -> Labels:
        """See :meth:`adapters.contract.LabelOracle.predict_labels`."""
        self.wire.requests += 1
        try:
            labels, size = await _outcome(
                self._client.submit(ask, self._replica, batch, pure=False)
            )
        except (AdapterError, asyncio.CancelledError):
            raise
        except Exception as error:
            said = f"{type(error).__name__}, {' '.join(str(error).split())}"
            raise ModelStopped(f"the workers died or failed: {said[:600]}") from error
        if self.label_space.size is None:
            self.label_space.size = size
        found: Labels = labels
        return found

    async def aclose(self) -> None:
        """Close all replicas; those of workers that are gone need none."""
        with contextlib.suppress(Exception):
            await asyncio.to_thread(self._client.run, close_replica, self._replica.run)
        await self._inner.aclose()


async def _outcome(future: Any) -> Any:
    """Result of a Dask future, awaited on the loop of the engine."""
    held: concurrent.futures.Future[Any] = concurrent.futures.Future()
    held.set_running_or_notify_cancel()

    def tell(ended: Any) -> None:
        try:
            held.set_result(ended.result())
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            held.set_exception(error)

    future.add_done_callback(tell)
    try:
        return await asyncio.shield(asyncio.wrap_future(held))
    except asyncio.CancelledError:
        future.cancel()
        raise


def ask(replica: Replica, batch: Batch) -> tuple[Labels, int | None]:
    """Labels of ``batch`` and the number of classes; the task that a worker runs."""
    with _opening:
        oracle = _opened.get(replica.run) or asyncio.run(_open(replica))
        _opened[replica.run] = oracle
    labels = asyncio.run(oracle.predict_labels(batch))
    return labels, oracle.label_space.size


async def _open(replica: Replica) -> LabelOracle:
    """The worker's own replica.

    Raises:
        ModelFileError: another model lies at its place here.
    """
    oracle = await replica.located.open()
    if oracle.fingerprint != replica.fingerprint:
        await oracle.aclose()
        raise ModelFileError(
            "a worker holds another model file at the same path, or runs it with another runtime"
        )
    return oracle


async def close_replica(run: str) -> None:
    """Close this worker's replica of an audit's ``run``, if it has one."""
    oracle = _opened.pop(run, None)
    if oracle is not None:
        await oracle.aclose()
