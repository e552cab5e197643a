"""One run of an engine: loads what is known, asks round after round, closes the books."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from adapters.errors import AdapterError
from auditor.engine.budgets import QueryBudget
from auditor.engine.class_names import learn_names
from auditor.engine.contract import EngineResult
from auditor.engine.dispatch import Dispatcher
from auditor.engine.rate import Halt, HaltedError
from auditor.engine.requests import Again, Order, Request
from auditor.engine.retry import ask_with_retries
from auditor.engine.rounds import AnsweredRounds, Decide
from auditor.engine.server_history import ServerHistory
from auditor.engine.state import EngineState, RunState
from auditor.engine.store import NOT_ASKED, LabelStore, StoredProbe, UnknownRequest
from auditor.engine.supply import Supply
from auditor.probes.base import FixedProbe


class Run:
    """One call of :meth:`auditor.engine.engine.QueryEngine.run`; made by :meth:`open`.

    Args:
        engine: what outlives the run.
        state: what belongs to it.
        unknown: requests of all runs that may have been answered and billed unseen.
    """

    def __init__(
        self, engine: EngineState, state: RunState, unknown: Sequence[UnknownRequest]
    ) -> None:
        self._engine, self._state, self._unknown = engine, state, unknown
        self._supply = Supply(engine, state, _to_ask_again(unknown, state.stored))
        self._dispatcher = Dispatcher(engine, state)
        self._failure: Exception | None = None

    @classmethod
    async def open(
        cls, engine: EngineState, probes: Sequence[FixedProbe], plan_digest: str, halt: Halt
    ) -> Run:
        """Load what is known of ``probes``, and tell observer and progress.

        Raises:
            StoreError: the target's classes or the stored labels are not as they were.
        """
        oracle, store, observer = engine.connection.oracle, engine.store, engine.observer
        names = await learn_names(oracle, store, observer)
        known = await store.server_identity(oracle.fingerprint)
        server = ServerHistory(observer.servers(known))
        if server.changed:
            halt.set()
        stored = await _load(store, oracle.fingerprint, probes)
        observer.begin(probes, [one.labels for one in stored])
        spent = (await store.ledger(plan_digest))["sent"]
        budget = QueryBudget(engine.limits.max_queries, spent)
        state = RunState(plan_digest, probes, stored, budget, server, names, halt)
        run = cls(engine, state, await store.unknown(plan_digest))
        run._count_plan()
        return run

    async def answer(self, rounds: Iterable[Order | None], decided: Decide | None) -> EngineResult:
        """Ask ``rounds`` until one of them decides, or the last one ends.

        Raises:
            AdapterError: a request failed for good; everything answered before is kept.
            StoreError: labels can no longer be saved.
            RetryBudgetSpentError: too many requests failed.
            OutageError: nothing was answered for too long.
        """
        early = None
        try:
            try:
                early = await self._ask_rounds(rounds, decided)
            finally:
                await self._close_books()
        finally:
            self._engine.progress.finish()
        if self._failure is not None:
            raise self._failure
        return self._result(early)

    # ---- before and after ------------------------------------------------------------------

    def _count_plan(self) -> None:
        ledger = self._state.ledger
        for probe, missing in zip(self._state.probes, self._supply.source.missing, strict=True):
            ledger.plan(probe.kind, probe.size, probe.size - len(missing))
        self._engine.progress.start(ledger.planned, ledger.cached)

    async def _close_books(self) -> None:
        self._supply.take_duplicates()
        store, state = self._engine.store, self._state
        await store.commit()
        self._unknown = await store.unknown(state.plan_digest)
        totals = await store.ledger(state.plan_digest)
        state.ledger.unknown = totals["unknown"]
        state.ledger.sent_all_runs = totals["sent"]

    def _result(self, early: list[NDArray[np.uint16]] | None) -> EngineResult:
        state = self._state
        known = [stored.labels.copy() for stored in state.stored]
        missing = _missing(known)
        if early is not None:
            state.ledger.spared = missing
        return EngineResult(
            known if early is None else early,
            state.ledger,
            budget_reached=state.budget.reached,
            stopped=self._engine.stopped and missing > 0 and early is None,
            decided=early is not None and _missing(early) > 0,
            server_identity=state.server.seen,
            unknown=tuple(request.facts() for request in self._unknown),
            deferred=self._supply.deferred,
        )

    # ---- rounds and workers ----------------------------------------------------------------

    async def _ask_rounds(
        self, rounds: Iterable[Order | None], decided: Decide | None
    ) -> list[NDArray[np.uint16]] | None:
        """Ask round after round; the labels that decided if some did, else None."""
        state = self._state
        answered = AnsweredRounds([stored.labels for stored in state.stored])
        for order in rounds:
            self._supply.begin_round(order)
            await self._work()
            if decided is not None:
                self._supply.take_duplicates()
                await self._engine.store.commit()  # labels reach the arrays with their commit
                # Stop, budget and delays leave their round incomplete.
                if self._failure is not None or not answered.add(order):
                    break
                if decided(answered.copy()):
                    return answered.labels
            elif state.halt.is_set or state.budget.reached:
                break
        return None

    async def _work(self) -> None:
        """Run the workers; the first failure halts them all, and what is in flight is kept."""
        count = max(1, self._engine.limits.concurrency)
        tasks = [asyncio.create_task(self._worker()) for _ in range(count)]
        # Cancelled, gather cancels the workers and waits until they have closed their intents.
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if outcome is not None:
                raise outcome

    async def _worker(self) -> None:
        try:
            while True:
                request = await self._supply.next_request()
                if request is None:
                    return
                try:
                    if await self._supply.answered_now(request):
                        await self._answer(request)
                finally:
                    request.release()
        except HaltedError:
            pass
        except Exception as error:  # noqa: BLE001 - raised by answer(), once the others are done
            # The first in time: what fails while others drain is seldom the cause.
            self._failure = self._failure or error
            self._state.halt.set()

    async def _answer(self, request: Request) -> None:
        """Ask ``request``, in halves if the target says it is too large."""
        try:
            labels = await ask_with_retries(
                self._engine, self._state, request, self._dispatcher.ask
            )
        except AdapterError as error:
            if error.advice.kind != "too-large" or len(request.items) == 1:
                raise
        else:
            self._supply.source.answered(request, labels)
            self._engine.progress.advance(len(labels), live=True)
            return
        half = (len(request.items) + 1) // 2
        self._supply.shrink(half)
        self._state.pay_again(len(request.items))
        for which in (slice(None, half), slice(half, None)):
            part = request.part(which)
            try:
                await self._answer(part)
            finally:
                part.release()


async def _load(
    store: LabelStore, fingerprint: str, probes: Sequence[FixedProbe]
) -> list[StoredProbe]:
    # A plan may hold one probe twice, and both must see the same labels.
    loaded: dict[str, StoredProbe] = {}
    for probe in probes:
        if probe.digest not in loaded:
            loaded[probe.digest] = await store.load(
                fingerprint, probe.digest, probe.kind, probe.size
            )
    return [loaded[probe.digest] for probe in probes]


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
    """True if ``items`` are inputs of the probe, and none of them has a label."""
    inside = len(items) > 0 and int(items.max()) < len(stored.labels)
    return inside and bool((stored.labels[items] == NOT_ASKED).all())
