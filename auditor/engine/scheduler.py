"""Asks an oracle every missing label of a list of probes, once, within all limits.

Workers take turns to build one request each, so no worker ever holds more than one request's
worth of inputs. What to ask is "the plan minus the store": resuming after a kill is no
special case.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, stop_any
from tenacity.stop import stop_base

from adapters.contract import LabelOracle, Labels
from adapters.errors import AdapterError, Throttled
from auditor.engine.pace import AdaptiveConcurrency, Clock, Gate, RateLimiter
from auditor.engine.progress import Progress, SilentProgress
from auditor.engine.spend import QueryBudget, RetryBudget
from auditor.engine.store import NOT_ASKED, LabelStore, StoredProbe
from auditor.probes.base import FixedProbe

INLINE_BYTES = 1 << 20
"""Requests up to this size are built on the event loop; larger ones in a thread, so that
building never holds up the answers of others."""


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """What the engine may do.

    Attributes:
        max_queries: cap on queries over all runs of the plan, or None.
        queries_per_s: rate limit on inputs, or None.
        requests_per_s: rate limit on calls, or None.
        concurrency: most requests in flight.
        attempts: sends per request, the first included.
        backoff_s: pause before the second attempt; it doubles with each further one.
    """

    max_queries: int | None = None
    queries_per_s: float | None = None
    requests_per_s: float | None = None
    concurrency: int = 8
    attempts: int = 5
    backoff_s: float = 0.5


@dataclass(slots=True)
class Ledger:
    """What one run asked and paid for; all in queries except ``requests`` and ``throttled``.

    Attributes:
        planned: inputs in the plan.
        cached: labels that were in the store already.
        sent: inputs sent in this run, retries included.
        deduplicated: inputs identical to another one, answered by its label.
        retried: inputs sent again after a failure, in this run.
        unknown: inputs of all runs whose request may have been answered and billed unseen.
        sent_all_runs: inputs sent by all runs of this plan.
        requests: calls made in this run.
        throttled: times the target asked us to slow down, in this run.
        by_probe: planned inputs by probe kind.
    """

    planned: int = 0
    cached: int = 0
    sent: int = 0
    deduplicated: int = 0
    retried: int = 0
    unknown: int = 0
    sent_all_runs: int = 0
    requests: int = 0
    throttled: int = 0
    by_probe: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class EngineResult:
    """Labels of every probe ``(size,)`` uint16 with 65535 where missing, and the ledger."""

    labels: list[NDArray[np.uint16]]
    ledger: Ledger
    budget_reached: bool
    stopped: bool

    @property
    def complete(self) -> bool:
        """Whether every label is known."""
        return not any((labels == NOT_ASKED).any() for labels in self.labels)


@dataclass(slots=True)
class _Request:
    """One request's worth of inputs: which of which probe, and the tensors to send."""

    probe: int
    items: NDArray[np.int64]
    batch: NDArray[np.float32]
    keys: list[bytes]

    def part(self, which: slice | NDArray[np.bool_]) -> _Request:
        """The same request for some of its inputs."""
        chosen = np.arange(len(self.items))[which]
        keys = [self.keys[position] for position in chosen] if self.keys else []
        return _Request(self.probe, self.items[chosen], self.batch[chosen], keys)


class QueryEngine:
    """Asks ``oracle`` through ``store`` within ``limits``.

    Args:
        oracle: the model.
        store: where labels are kept.
        limits: what may be done.
        progress: told about every answer.
        clock: the time source.
    """

    def __init__(
        self,
        oracle: LabelOracle,
        store: LabelStore,
        limits: EngineLimits,
        progress: Progress | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._oracle = oracle
        self._store = store
        self._limits = limits
        self._progress = progress or SilentProgress()
        self._clock = clock or Clock()
        self._gate = Gate(self._clock)
        self._queries = RateLimiter(limits.queries_per_s, self._clock)
        self._requests = RateLimiter(limits.requests_per_s, self._clock)
        self._slots = AdaptiveConcurrency(limits.concurrency, self._clock)
        self._retries = RetryBudget()
        self._batch = oracle.max_batch
        self._stopped = self._halted = False
        self._reset()

    def _reset(self) -> None:
        self._ledger = Ledger()
        self._stored: list[StoredProbe] = []
        self._answers: dict[bytes, int] = {}
        self._twins: list[tuple[int, int, bytes]] = []
        self._names_kept = 0

    def stop(self) -> None:
        """Send nothing new; requests in flight are awaited and kept."""
        self._stopped = self._halted = True

    async def run(self, probes: Sequence[FixedProbe], audit: str) -> EngineResult:
        """Ask what is missing of ``probes``.

        Args:
            probes: what to ask, in this order.
            audit: the plan's digest: the key of its ledger.

        Raises:
            AdapterError: a request failed for good; everything answered before is kept.
            StoreError: labels can no longer be saved.
            RetryBudgetSpentError: too many requests failed.
        """
        self._reset()
        fingerprint = self._oracle.fingerprint
        self._audit = audit
        self._oracle.label_space.learn(await self._store.label_names(fingerprint))
        self._stored = [
            await self._store.load(fingerprint, probe.digest, probe.kind, probe.size)
            for probe in probes
        ]
        spent = (await self._store.ledger(audit))["sent"]
        self._budget = QueryBudget(self._limits.max_queries, spent)
        self._count_plan(probes)
        self._source = self._requests_of(probes)
        self._turn = asyncio.Lock()
        try:
            await self._work()
        finally:
            self._progress.finish()
            await self._close_books(audit)
        return EngineResult(
            [stored.labels.copy() for stored in self._stored],
            self._ledger,
            self._budget.reached,
            self._stopped,
        )

    def _count_plan(self, probes: Sequence[FixedProbe]) -> None:
        ledger = self._ledger
        for probe, stored in zip(probes, self._stored, strict=True):
            ledger.by_probe[probe.kind] = ledger.by_probe.get(probe.kind, 0) + probe.size
            ledger.cached += probe.size - len(stored.missing())
        ledger.planned = sum(ledger.by_probe.values())
        self._progress.start(ledger.planned, ledger.cached)

    async def _close_books(self, audit: str) -> None:
        self._resolve_twins()
        self._keep_names()
        await self._store.settle()
        totals = await self._store.ledger(audit)
        self._ledger.unknown = totals["unknown"]
        self._ledger.sent_all_runs = totals["sent"]

    # ---- building requests -----------------------------------------------------------------

    def _requests_of(self, probes: Sequence[FixedProbe]) -> Iterator[_Request]:
        """Yield one request after the other; each is built when it is asked for."""
        for number, (probe, stored) in enumerate(zip(probes, self._stored, strict=True)):
            missing = stored.missing()
            if not probe.repeat:
                self._remember_known(probe, stored, missing)
            position = 0
            while position < len(missing):
                items = missing[position : position + self._batch]
                position += len(items)
                request = self._build(number, probe, items)
                granted = self._budget.take(len(request.items))
                if granted:
                    yield request if granted == len(request.items) else request.part(slice(granted))
                if self._budget.reached:
                    return

    def _remember_known(
        self, probe: FixedProbe, stored: StoredProbe, missing: NDArray[np.int64]
    ) -> None:
        """Let inputs that are still missing find an identical one that was paid for earlier."""
        known = np.setdiff1d(np.arange(probe.size), missing, assume_unique=True)
        if not len(missing) and not self._anything_missing():
            return
        for start in range(0, len(known), self._batch):
            items = known[start : start + self._batch]
            for item, key in zip(items, self._keys(probe.inputs(items)), strict=True):
                self._answers.setdefault(key, int(stored.labels[item]))

    def _anything_missing(self) -> bool:
        return any((stored.labels == NOT_ASKED).any() for stored in self._stored)

    def _build(self, number: int, probe: FixedProbe, items: NDArray[np.int64]) -> _Request:
        """Build the inputs ``items`` and leave out those identical to one asked already."""
        request = _Request(number, items, probe.inputs(items), [])
        if probe.repeat:
            return request
        request.keys = self._keys(request.batch)
        fresh = np.ones(len(items), dtype=bool)
        for position, key in enumerate(request.keys):
            if key in self._answers:
                fresh[position] = False
                self._twins.append((number, int(items[position]), key))
            else:
                self._answers[key] = NOT_ASKED
        return request if fresh.all() else request.part(fresh)

    def _keys(self, batch: NDArray[np.float32]) -> list[bytes]:
        """What makes two inputs identical: the digest of what is sent for them."""
        spec = self._oracle.input_spec
        sent = spec.to_pixels(batch) if spec.access == "image" else batch
        return [hashlib.sha256(row).digest()[:16] for row in np.ascontiguousarray(sent)]

    def _resolve_twins(self) -> None:
        for number, item, key in self._twins:
            label = self._answers.get(key, NOT_ASKED)
            if label != NOT_ASKED:
                one = np.array([item])
                self._store.fill(self._stored[number], one, np.array([label]))
                self._ledger.deduplicated += 1
                self._progress.advance(1, live=False)
        self._twins.clear()

    # ---- sending ---------------------------------------------------------------------------

    async def _work(self) -> None:
        """Run the workers; the first failure halts them all, and what is in flight is kept."""
        tasks = [
            asyncio.create_task(self._worker()) for _ in range(max(1, self._limits.concurrency))
        ]
        try:
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            for task in tasks:
                task.cancel()
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        if failures:
            raise failures[0]

    async def _worker(self) -> None:
        while not self._halted:
            await self._slots.acquire()
            try:
                request = await self._next_request()
                if request is None:
                    return
                await self._answer(request)
            except _BudgetEndsRetryError:
                self._halted = True
            except BaseException:
                self._halted = True
                raise
            finally:
                self._slots.release()

    async def _next_request(self) -> _Request | None:
        async with self._turn:
            if self._halted:
                return None
            if self._batch * self._oracle.input_spec.size * 8 <= INLINE_BYTES:
                return next(self._source, None)
            return await asyncio.to_thread(next, self._source, None)

    async def _answer(self, request: _Request) -> None:
        """Ask ``request``, in halves where the target says it is too large."""
        try:
            labels = await self._ask_with_retries(request)
        except AdapterError as error:
            if error.advice.kind != "too-large" or len(request.items) == 1:
                raise
            half = len(request.items) // 2
            self._batch = max(1, min(self._batch, half))
            self._charge_again(len(request.items))
            for part in (slice(None, half), slice(half, None)):
                await self._answer(request.part(part))
            return
        self._take_in(request, labels)

    def _charge_again(self, queries: int) -> None:
        granted = self._budget.take(queries)
        if granted < queries:
            self._budget.refund(granted)
            raise _BudgetEndsRetryError

    def _take_in(self, request: _Request, labels: Labels) -> None:
        self._answers.update(zip(request.keys, labels.tolist(), strict=False))
        self._keep_names()
        self._progress.advance(len(labels), live=True)

    def _keep_names(self) -> None:
        names = self._oracle.label_space.names
        if len(names) > self._names_kept:
            self._store.keep_label_names(self._oracle.fingerprint, names)
            self._names_kept = len(names)

    async def _ask_with_retries(self, request: _Request) -> Labels:
        # A fresh object per call: a shared AsyncRetrying corrupts its own state.
        retrying = AsyncRetrying(
            retry=retry_if_exception(_worth_retrying),
            stop=stop_any(
                stop_after_attempt(self._limits.attempts), _StopWhen(lambda: self._halted)
            ),
            wait=self._wait_before_retry,
            sleep=self._clock.sleep,
            before_sleep=self._charge_retry(len(request.items)),
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                return await self._ask_once(request, attempt.retry_state.attempt_number)
        raise AssertionError("tenacity neither returned nor raised")

    def _charge_retry(self, queries: int) -> Callable[[RetryCallState], None]:
        def charge(_: RetryCallState) -> None:
            self._retries.take()
            self._charge_again(queries)
            self._ledger.retried += queries

        return charge

    def _wait_before_retry(self, state: RetryCallState) -> float:
        """Exponential backoff with jitter; the gate sees to what the server asked for."""
        longest = self._limits.backoff_s * 2.0 ** (state.attempt_number - 1)
        return random.uniform(longest / 2.0, longest)

    async def _ask_once(self, request: _Request, attempt: int) -> Labels:
        n = len(request.items)
        await self._gate.wait()
        await self._requests.acquire()
        await self._queries.acquire(n)
        stored = self._stored[request.probe]
        intent = await self._store.intend(self._audit, stored, request.items, attempt)
        self._retries.sent()
        self._ledger.sent += n
        self._ledger.requests += 1
        try:
            labels = await self._oracle.predict_labels(request.batch)
        except asyncio.CancelledError:
            self._store.fail(intent, "interrupted while in flight", unknown=True)
            raise
        except AdapterError as error:
            self._store.fail(intent, str(error), unknown=error.advice.outcome_unknown)
            self._slow_down(error)
            raise
        self._store.record(intent, stored, request.items, labels)
        self._slots.succeeded()
        self._gate.heed(self._oracle.take_pace_hint())
        return labels

    def _slow_down(self, error: AdapterError) -> None:
        if isinstance(error, Throttled):
            self._ledger.throttled += 1
            self._slots.throttled()
        if error.advice.retry_after_s is not None:
            self._gate.close_for(error.advice.retry_after_s)


class _BudgetEndsRetryError(Exception):
    """The query budget does not allow the retry."""


class _StopWhen(stop_base):
    """Give up retrying as soon as ``holds`` does."""

    def __init__(self, holds: Callable[[], bool]) -> None:
        self._holds = holds

    def __call__(self, retry_state: RetryCallState) -> bool:  # noqa: ARG002 - tenacity's interface
        return self._holds()


def _worth_retrying(error: BaseException) -> bool:
    return isinstance(error, AdapterError) and error.advice.kind in {"transient", "throttled"}
