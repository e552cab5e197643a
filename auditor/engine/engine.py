"""Asks an oracle every missing label of a list of probes, once, within all limits.

Each worker builds one request, sends it and keeps its answer before it builds the next, so no
worker ever holds more than one request's worth of inputs. What to ask is "the plan minus the
store": resuming after a kill is no special case.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import traceback
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from adapters.contract import Deferring, Keyed, LabelOracle, Labels, Networked, Traced
from adapters.errors import AdapterError, BadReply, EndpointError, Throttled
from auditor.engine.budgets import QueryBudget, RetryBudget
from auditor.engine.contract import EngineLimits, EngineResult
from auditor.engine.ledger import Ledger
from auditor.engine.observer import NoWitness, Sent, Witness
from auditor.engine.outage import Patience
from auditor.engine.progress import Progress, SilentProgress
from auditor.engine.rate import (
    MAX_PAUSE_S,
    AdaptiveConcurrency,
    Clock,
    Gate,
    Halt,
    HaltedError,
    RateLimiter,
)
from auditor.engine.requests import Again, Order, Request, RequestSource
from auditor.engine.rounds import Decide, Seen
from auditor.engine.server_identity import Origins
from auditor.engine.store import NOT_ASKED, LabelStore, StoredProbe, UnknownRequest
from auditor.errors import StoreError
from auditor.probes.base import FixedProbe

INLINE_BYTES = 4 << 20
"""Requests up to this size are built on the event loop, which costs less than a thread's two
hops; larger ones in a thread, so that building never holds up the answers of others."""

MAX_BACKOFF_S = 30.0
TELL_PAUSE_S = 5.0
"""Pauses from this length on are told to the user, who would see nothing happen."""

_DONE = object()


class QueryEngine:
    """Asks ``oracle`` through ``store`` within ``limits``.

    Args:
        oracle: the model.
        store: where labels are kept.
        limits: what may be done.
        progress: told about every answer.
        clock: the time source.
        witness: told how every request ended.
    """

    def __init__(
        self,
        oracle: LabelOracle,
        store: LabelStore,
        limits: EngineLimits,
        progress: Progress | None = None,
        clock: Clock | None = None,
        witness: Witness | None = None,
    ) -> None:
        self._oracle = oracle
        self._witness = witness or NoWitness()
        self._store = store
        self._limits = limits
        self._progress = progress or SilentProgress()
        self._clock = clock or Clock()
        self._gate = Gate(self._clock)
        self._limiter = RateLimiter(limits.queries_per_s, limits.requests_per_s)
        self._slots = AdaptiveConcurrency(limits.concurrency, self._clock)
        self._retries = RetryBudget()
        self._patience = Patience(self._clock)
        self._batch = oracle.max_batch
        # Looked up once: asking an object for a protocol costs as much as building a request.
        self._network = oracle if isinstance(oracle, Networked) else None
        self._deferring = oracle if isinstance(oracle, Deferring) else None
        self._keyed = oracle if isinstance(oracle, Keyed) else None
        self._traced = oracle if isinstance(oracle, Traced) else None
        self._addresses = 0
        self._stopped = False
        self._halt = Halt(self._clock)

    def show_on(self, progress: Progress) -> None:
        """Tell ``progress`` about every answer from now on."""
        self._progress = progress

    def stop(self) -> None:
        """Send nothing new; requests in flight are awaited and kept. For the event loop only."""
        self._stopped = True
        self._halt.set()

    async def run(
        self,
        probes: Sequence[FixedProbe],
        plan_digest: str,
        rounds: Iterable[Order] | None = None,
        decided: Decide | None = None,
    ) -> EngineResult:
        """Ask what is missing of ``probes``.

        Args:
            probes: what to ask.
            plan_digest: the key of the plan's ledger.
            rounds: in which order; a round begins when the one before is answered. Together
                they name every input once. None asks everything in one round, probe by probe.
            decided: told the labels after each round, those of each probe ``(size,)`` with 65535
                where neither this round nor one before it asks; the first True ends the run,
                and the result holds those labels alone.

        Raises:
            AdapterError: a request failed for good; everything answered before is kept.
            StoreError: labels can no longer be saved.
            RetryBudgetSpentError: too many requests failed.
            OutageError: nothing was answered for too long.
        """
        await self._begin(probes, plan_digest)
        early = None
        try:
            try:
                early = await self._rounds((None,) if rounds is None else rounds, decided)
            finally:
                await self._close_books()
        finally:
            self._progress.finish()
        if self._failure is not None:
            raise self._failure
        known = [stored.labels.copy() for stored in self._stored]
        missing = _missing(known)
        if early is not None:
            self._ledger.spared = missing
        return EngineResult(
            known if early is None else early,
            self._ledger,
            self._budget.reached,
            self._stopped and missing > 0 and early is None,
            early is not None and _missing(early) > 0,
            self._origins.seen,
            tuple(request.facts() for request in self._unknown),
            self._deferred,
        )

    # ---- before and after ------------------------------------------------------------------

    async def _begin(self, probes: Sequence[FixedProbe], audit: str) -> None:
        self._audit = audit
        self._ledger = Ledger()
        self._deferred = 0
        self._failure: Exception | None = None
        self._halt = Halt(self._clock)
        if self._stopped:
            self._halt.set()
        await self._learn_names()
        known = await self._store.origins(self._oracle.fingerprint)
        self._origins = Origins(self._witness.senders(known))
        if self._origins.changed:
            self._halt.set()
        self._digests = [probe.digest for probe in probes]
        self._stored = await self._load(probes)
        self._witness.begin(probes, [stored.labels for stored in self._stored])
        spent = (await self._store.ledger(audit))["sent"]
        self._budget = QueryBudget(self._limits.max_queries, spent)
        spec = self._oracle.input_spec
        self._unknown = await self._store.unknown(audit)
        again = _to_ask_again(self._unknown, self._stored)
        self._source = RequestSource(probes, self._stored, spec, self._batch, again)
        self._inline = self._batch * spec.size * 8 <= INLINE_BYTES
        self._turn = asyncio.Lock()
        self._count_plan(probes)

    async def _learn_names(self) -> None:
        """Give names the indices that stored labels know them by.

        Raises:
            StoreError: the target's classes are listed in another order than before.
        """
        space = self._oracle.label_space
        kept = await self._store.label_names(self._oracle.fingerprint)
        space.learn(kept)
        if space.names[: len(kept)] != kept and space.names:
            raise StoreError(
                "the target's class names differ from those its stored labels were given under: "
                "name the classes as before, or use another --output"
            )
        self._names_kept, self._size = len(kept), space.size
        self._witness.classes(0, space.names, space.size)

    async def _load(self, probes: Sequence[FixedProbe]) -> list[StoredProbe]:
        # A plan may hold one probe twice, and both must see the same labels.
        loaded: dict[str, StoredProbe] = {}
        for probe in probes:
            if probe.digest not in loaded:
                loaded[probe.digest] = await self._store.load(
                    self._oracle.fingerprint, probe.digest, probe.kind, probe.size
                )
        return [loaded[probe.digest] for probe in probes]

    def _count_plan(self, probes: Sequence[FixedProbe]) -> None:
        ledger = self._ledger
        for probe, missing in zip(probes, self._source.missing, strict=True):
            ledger.by_probe[probe.kind] = ledger.by_probe.get(probe.kind, 0) + probe.size
            ledger.cached += probe.size - len(missing)
        ledger.planned = sum(ledger.by_probe.values())
        self._progress.start(ledger.planned, ledger.cached)

    async def _rounds(
        self, rounds: Iterable[Order | None], decided: Decide | None
    ) -> list[NDArray[np.uint16]] | None:
        """Ask round after round; the labels that decided where some did, else None."""
        seen = Seen([stored.labels for stored in self._stored])
        for order in rounds:
            self._steps: Iterator[Request | None] = self._source.steps(order)
            await self._work()
            if decided is not None:
                self._take_twins()
                await self._store.settle()  # labels reach the arrays with their commit
                # Stop, budget and delays need no look: they leave their round incomplete.
                if self._failure is not None or not seen.add(order):
                    break
                if decided(seen.copy()):
                    return seen.labels
            elif self._halt.is_set or self._budget.reached:
                break
        return None

    async def _close_books(self) -> None:
        self._take_twins()
        await self._store.settle()
        self._unknown = await self._store.unknown(self._audit)
        totals = await self._store.ledger(self._audit)
        self._ledger.unknown = totals["unknown"]
        self._ledger.sent_all_runs = totals["sent"]

    # ---- workers ---------------------------------------------------------------------------

    async def _work(self) -> None:
        """Run the workers; the first failure halts them all, and what is in flight is kept."""
        count = max(1, self._limits.concurrency)
        tasks = [asyncio.create_task(self._worker()) for _ in range(count)]
        # Cancelled, gather cancels the workers and waits until they have closed their intents.
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if outcome is not None:
                raise outcome

    async def _worker(self) -> None:
        try:
            while True:
                request = await self._next_request()
                if request is None:
                    return
                try:
                    if await self._answers_now(request):
                        await self._answer(request)
                finally:
                    request.release()
        except HaltedError:
            pass
        except Exception as error:  # noqa: BLE001 - raised by run(), once the others are done
            # The first in time: what fails while others drain is seldom the cause.
            self._failure = self._failure or error
            self._halt.set()

    async def _answers_now(self, request: Request) -> bool:
        if self._deferring is None or await self._deferring.answers_now(request.batch):
            return True
        self._deferred += len(request.items)
        return False

    async def _next_request(self) -> Request | None:
        """The next request that is missing and paid for, or None where there is none."""
        while not self._halt.is_set and not self._budget.reached:
            step = await self._next_step()
            if step is _DONE:
                return None
            if isinstance(step, Request):
                return self._within_budget(step)
            await asyncio.sleep(0)
        return None

    def _within_budget(self, request: Request) -> Request | None:
        granted = self._budget.take(len(request.items))
        if granted == len(request.items):
            return request
        paid = request.part(slice(granted)) if granted else None
        # The thread that built it may hold on to it for a moment longer.
        request.release()
        return paid

    async def _next_step(self) -> object:
        if self._inline:
            step = next(self._steps, _DONE)
            self._take_twins()
            return step
        async with self._turn:
            self._halt.check()
            step = await asyncio.to_thread(next, self._steps, _DONE)
            self._take_twins()
            return step

    def _take_twins(self) -> None:
        for number, items, labels in self._source.settled_twins():
            self._store.fill(self._stored[number], items, labels)
            self._witness.filled(number, items, labels)
            self._ledger.deduplicated += len(items)
            self._progress.advance(len(items), live=False)

    # ---- sending ---------------------------------------------------------------------------

    async def _answer(self, request: Request) -> None:
        """Ask ``request``, in halves where the target says it is too large."""
        try:
            labels = await self._ask_with_retries(request)
        except AdapterError as error:
            if error.advice.kind != "too-large" or len(request.items) == 1:
                raise
        else:
            self._source.answered(request, labels)
            self._progress.advance(len(labels), live=True)
            return
        half = (len(request.items) + 1) // 2
        self._batch = self._source.batch = min(self._batch, half)
        self._pay_again(request)
        for which in (slice(None, half), slice(half, None)):
            part = request.part(which)
            try:
                await self._answer(part)
            finally:
                part.release()

    def _pay_again(self, request: Request) -> None:
        self._halt.check()
        if not self._budget.take_all(len(request.items)):
            self._halt.set()
            raise HaltedError

    async def _ask_with_retries(self, request: Request) -> Labels:
        # The first attempt goes without tenacity, whose machinery costs as much as a request.
        try:
            return await self._ask_once(request)
        except AdapterError as error:
            if not _worth_retrying(error):
                raise
            first: list[AdapterError] = [error]
        # A fresh object per call: a shared AsyncRetrying corrupts its own state.
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(_worth_retrying),
            stop=stop_after_attempt(self._limits.attempts),
            wait=self._wait_before_retry,
            sleep=self._halt.sleep,
            before_sleep=lambda state: self._allow_retry(state, request),
            reraise=True,
        ):
            with attempt:
                if first:
                    raise first.pop()
                return await self._ask_once(request)
        raise AssertionError("tenacity neither returned nor raised")

    def _allow_retry(self, state: RetryCallState, request: Request) -> None:
        error = state.outcome.exception() if state.outcome else None
        self._halt.check()
        wait = state.next_action.sleep if state.next_action else 0.0
        self._patience.check(wait, error, throttled=isinstance(error, Throttled))
        self._retries.take(error)
        self._pay_again(request)

    def _wait_before_retry(self, state: RetryCallState) -> float:
        """Exponential backoff with jitter; the gate sees to what the server asked for."""
        longest = self._limits.backoff_s * 2.0 ** (state.attempt_number - 1)
        return random.uniform(0.5, 1.0) * min(longest, MAX_BACKOFF_S)

    async def _ask_once(self, request: Request) -> Labels:
        await self._slots.acquire()
        try:
            await self._wait_for_turn(len(request.items))
            return await self._send(request)
        finally:
            self._slots.release()

    async def _wait_for_turn(self, queries: int) -> None:
        """Return when the gate is open and the rate limits allow ``queries`` more."""
        while True:
            self._halt.check()
            while (left := self._gate.left) > 0:
                await self._halt.sleep(left)
            now = self._clock.now()
            turn = self._limiter.reserve(queries, now)
            if turn <= now:
                return
            await self._halt.sleep(turn - now)
            # Closed meanwhile: this turn is void. Taken after the pause, turns that fell into it
            # would all leave in a bunch.
            if self._gate.left <= 0:
                return

    async def _send(self, request: Request) -> Labels:
        request.sends += 1
        groups = request.by_probe()
        parts = [(self._stored[number], request.items[where]) for number, where in groups]
        intents = await self._store.intend(self._audit, parts, request.sends)
        self._count_send(request)
        began = self._clock.now()
        try:
            answer = await self._predict(request)
            labels = _checked(answer, len(request.items))
        except AdapterError as error:
            _let_go_of_inputs(error)
            if error.advice.unsent:
                self._undo_send(request, intents)
            else:
                self._store.fail(intents, str(error), unknown=error.advice.outcome_unknown)
                self._failed(request, began, error, error.status)
            self._slow_down(error)
            raise
        except BaseException as error:
            why = "interrupted" if isinstance(error, asyncio.CancelledError) else repr(error)
            self._store.fail(intents, f"{why} while in flight", unknown=True)
            self._failed(request, began, error, "")
            raise
        status = "" if self._network is None else self._network.status
        # Names first: labels that are committed without them would mean other classes later.
        self._keep_names()
        self._watch_origin()
        self._patience.answered()
        answered = [
            (stored, items, labels[where])
            for (stored, items), (_, where) in zip(parts, groups, strict=True)
        ]
        self._store.record(intents, answered)
        self._witness.answered(self._sent(request, began, status), labels)
        self._count_end(status or "ok")
        self._slots.succeeded()
        self._gate.heed(self._oracle.take_pace_hint())
        return labels

    def _failed(self, request: Request, began: float, error: BaseException, status: str) -> None:
        self._witness.failed(self._sent(request, began, status), error)
        self._count_end(status or type(error).__name__)

    def _count_end(self, how: str) -> None:
        self._ledger.by_status[how] = self._ledger.by_status.get(how, 0) + 1

    def _sent(self, request: Request, began: float, status: str) -> Sent:
        return Sent(
            request.probes,
            request.items,
            request.batch,
            request.keys,
            request.sends,
            self._clock.now() - began,
            status,
        )

    async def _predict(self, request: Request) -> Labels:
        """Send ``request``, under its key where the target takes one.

        The key depends on what is asked alone, so a retry has it again, and so has the same
        request after a crash; the same input asked twice on purpose has another.
        """
        if self._keyed is None or not self._keyed.keyed:
            return await self._oracle.predict_labels(request.batch)
        parts = [
            (self._digests[number], request.items[where].tolist())
            for number, where in request.by_probe()
        ]
        said = f"{self._audit} {sorted(parts)}"
        key = hashlib.sha256(said.encode()).hexdigest()[:32]
        return await self._keyed.predict_labels_as(request.batch, key)

    def _watch_origin(self) -> None:
        """End the run where somebody else answers than before: more labels help nobody."""
        news = {} if self._traced is None else self._origins.news(self._traced.origin)
        addresses = () if self._network is None else self._network.addresses
        if news or len(addresses) != self._addresses:
            self._addresses = len(addresses)
            self._witness.sender(news, addresses)
        if news:
            self._store.keep_origin(self._oracle.fingerprint, news)
            if self._origins.changed:
                self._halt.set()

    def _count_send(self, request: Request) -> None:
        self._retries.sent()
        self._ledger.sent += len(request.items)
        self._ledger.requests += 1
        if request.sends > 1:
            self._ledger.retried += len(request.items)

    def _undo_send(self, request: Request, intents: Sequence[int]) -> None:
        """Nothing of it left, so it was no sending: no charge, nothing for the record. The retry
        budget counts it all the same, so that nobody tries for ever.
        """
        queries = len(request.items)
        self._store.take_back(self._audit, intents, queries, request.sends)
        self._budget.give_back(queries)
        self._ledger.sent -= queries
        self._ledger.requests -= 1
        if request.sends > 1:
            self._ledger.retried -= queries
        request.sends -= 1

    def _keep_names(self) -> None:
        space = self._oracle.label_space
        names, kept = space.names, self._names_kept
        if len(names) > kept or space.size != self._size:
            self._names_kept, self._size = max(kept, len(names)), space.size
            self._witness.classes(kept, names[kept:], space.size)
        if len(names) > kept:
            self._store.keep_label_names(self._oracle.fingerprint, names[kept:], kept)

    def _slow_down(self, error: AdapterError) -> None:
        self._patience.failed()
        self._gate.heed(self._oracle.take_pace_hint())
        if isinstance(error, Throttled):
            self._ledger.throttled += 1
            self._slots.throttled()
        pause = error.advice.retry_after_s
        if pause is None:
            return
        if pause > MAX_PAUSE_S:
            raise EndpointError(
                f"{error}; it asks for a pause of {pause:.0f} s, longer than a run waits: run the "
                "same command again after it",
                error.advice,
            ) from error
        if self._gate.left <= 0 and pause >= TELL_PAUSE_S:
            self._progress.note(f"The target asks for a pause of {pause:.0f} s.")
        self._gate.close_for(pause)
        self._patience.paused(pause)


def _to_ask_again(unknown: Sequence[UnknownRequest], stored: Sequence[StoredProbe]) -> list[Again]:
    """Requests whose outcome is unknown and whose labels are all still missing, each once."""
    numbers = {probe.row: number for number, probe in reversed(list(enumerate(stored)))}
    found: list[Again] = []
    taken: set[tuple[int, int]] = set()
    for request in unknown:
        if not all(row in numbers for row, _ in request.parts):
            continue
        parts = [(numbers[row], items) for row, items in request.parts]
        inputs = {(number, item) for number, items in parts for item in items.tolist()}
        if taken.isdisjoint(inputs) and all(_all_missing(stored[n], i) for n, i in parts):
            taken |= inputs
            found.append(parts)
    return found


def _missing(labels: Sequence[NDArray[np.uint16]]) -> int:
    return sum(int((one == NOT_ASKED).sum()) for one in labels)


def _all_missing(stored: StoredProbe, items: NDArray[np.int64]) -> bool:
    """Whether ``items`` are inputs of the probe, and none of them has a label."""
    inside = len(items) > 0 and int(items.max()) < len(stored.labels)
    return inside and bool((stored.labels[items] == NOT_ASKED).all())


def _checked(labels: Labels, n: int) -> Labels:
    """``labels`` where they can be stored.

    Raises:
        BadReply: not one whole number from 0 to 65534 per input.
    """
    array = np.asarray(labels)
    if array.shape == (n,) and array.dtype.kind in "iu":
        whole = array.astype(np.int64, copy=False)
        # Negative numbers wrap around to huge ones, so one comparison sees both ends.
        if whole.view(np.uint64).max(initial=0) < NOT_ASKED:
            return whole
    raise BadReply("the target's adapter did not give one label from 0 to 65534 per input")


def _let_go_of_inputs(error: BaseException | None) -> None:
    """Empty the frames ``error`` came through: they hold the inputs, and errors live long."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _worth_retrying(error: BaseException) -> bool:
    return (
        isinstance(error, AdapterError)
        and error.advice.kind in {"transient", "throttled"}
        and (error.advice.retry_after_s or 0.0) <= MAX_PAUSE_S
    )
