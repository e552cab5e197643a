"""One model on many workers of a Dask cluster, so that one large audit is asked in many places.

The engine stays in the user's process, with its plan, its label store and its log. Each of its
requests is a task, which a worker asks its own replica of the model file. A worker that dies takes
nothing with it: Dask hands its tasks to others, and labels count once they came back.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dask
from distributed import Client

from adapters.contract import Batch, LabelOracle, Labels
from adapters.errors import AdapterError, ModelStopped
from auditor.errors import UsageError
from auditor.fleet.run import workers
from auditor.fleet.spread import (
    ReplicaReply,
    SpreadOracle,
    ask_replica,
    same_again,
    shareable,
    spread,
)
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import LocatedTarget

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
def on_cluster(request: AuditRequest, scheduler: str) -> Iterator[AuditRequest]:
    """``request`` with its model on the workers of the running cluster at ``scheduler``.

    Raises:
        UsageError: it is no model file, or no worker answers.
    """
    located = shareable(request, None)
    quiet = {"distributed.admin.large-graph-warning-threshold": "1 GiB"}
    with dask.config.set(quiet), workers(1, scheduler) as client:
        try:
            client.wait_for_workers(1, timeout=_FOUND_S)
        except TimeoutError as error:
            raise UsageError(f"the Dask scheduler at {scheduler} has no worker") from error
        cores = sum(client.ncores().values())
        yield spread(request, located, cores, functools.partial(ReplicatedOracle, client))


class ReplicatedOracle(SpreadOracle):
    """Asks the replicas of ``inner``, the model in this process, which says what they are."""

    def __init__(self, client: Client, located: LocatedTarget, inner: LabelOracle) -> None:
        super().__init__(located, inner)
        self._client = client
        self._replica = Replica(located, inner.fingerprint, secrets.token_hex(8))

    async def predict_labels(self, batch: Batch) -> Labels:
        """See :meth:`adapters.contract.LabelOracle.predict_labels`."""
        self.wire.requests += 1
        try:
            reply: ReplicaReply = await _outcome(
                self._client.submit(ask, self._replica, batch, pure=False)
            )
        except (AdapterError, asyncio.CancelledError):
            raise
        except Exception as error:
            said = f"{type(error).__name__}, {' '.join(str(error).split())}"
            raise ModelStopped(f"the workers died or failed: {said[:600]}") from error
        return self.learn(reply)

    async def aclose(self) -> None:
        """Close all replicas; those of workers that are gone need none."""
        with contextlib.suppress(Exception):
            await asyncio.to_thread(self._client.run, close_replica, self._replica.run)
        await self.inner.aclose()


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


def ask(replica: Replica, batch: Batch) -> ReplicaReply:
    """The reply to ``batch``; the task that a worker runs."""
    with _opening:
        oracle = _opened.get(replica.run) or asyncio.run(
            same_again(replica.located, replica.fingerprint)
        )
        _opened[replica.run] = oracle
    return asyncio.run(ask_replica(oracle, batch))


async def close_replica(run: str) -> None:
    """Close this worker's replica of an audit's ``run``, if it has one."""
    oracle = _opened.pop(run, None)
    if oracle is not None:
        await oracle.aclose()
