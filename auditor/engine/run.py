"""One run of an engine: loads the known labels, asks round after round, closes the books."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.engine.batch_size import AskFewerError
from auditor.engine.budgets import QueryBudget
from auditor.engine.contract import EngineResult
from auditor.engine.dispatch import Dispatcher
from auditor.engine.rate import Halt, HaltedError
from auditor.engine.requests import Again, Order, Request, RequestSource
from auditor.engine.retry import ask_with_retries
from auditor.engine.rounds import AnsweredRounds, Decide
from auditor.engine.state import EngineState, RunState
from auditor.engine.store import NOT_ASKED, LabelStore, StoredProbe, UnknownRequest
from auditor.engine.target import ServerHistory, learn_names
from auditor.probes.base import FixedProbe

INLINE_BYTES = 4 << 20
"""Requests up to this size are built on the event loop, which costs less than a thread's two
hops; larger ones in a thread, so that building never holds up the answers of others."""

_DONE = object()


class Supply:
    """The requests that are missing and paid for, each built when it is asked for; first those
    in ``again``, which earlier runs sent without seeing an answer.

    Attributes:
        source: builds the requests.
        deferred: inputs that the target will answer only in a later run.
    """

    def __init__(self, run: RunState, again: Sequence[Again]) -> None:
        engine = run.engine
        self._engine, self._run = engine, run
        spec = engine.connection.oracle.input_spec
        self.source = RequestSource(run.probes, run.stored, spec, engine.batch, again)
        self.deferred = 0
        self._input_bytes = 8 * spec.size
        self._turn = asyncio.Lock()
        self._steps: Iterator[Request | None] = iter(())

    def begin_round(self, order: Order | None) -> None:
        """Supply the requests of ``order`` from now on; None for everything, probe by probe."""
        self._steps = self.source.steps(order)

    async def next_request(self) -> Request | None:
        """The next request that is missing and paid for; None if there is none."""
        while not self._run.halt.is_set and not self._run.budget.reached:
            step = await self._next_step()
            if step is _DONE:
                return None
            if isinstance(step, Request):
                return self._within_budget(step)
            await asyncio.sleep(0)
        return None

    async def answered_now(self, request: Request) -> bool:
        """True if ``request`` can be answered in this run; else it counts as deferred."""
        if await self._engine.connection.answers_now(request.batch):
            return True
        self.deferred += len(request.items)
        return False

    async def settle(self) -> None:
        """Give inputs that equal any answered one its label, which the next commit keeps."""
        if self.source.waiting:
            await self._engine.store.commit()  # labels reach the arrays with their commit
            self.take_duplicates()

    def take_duplicates(self) -> None:
        """Give inputs that equal an answered one its label."""
        for number, items, labels in self.source.answered_duplicates():
            self._engine.store.fill(self._run.stored[number], items, labels)
            self._engine.observer.filled(number, items, labels)
            self._run.ledger.deduplicated += len(items)
            self._engine.progress.advance(len(items), live=False)

    def _within_budget(self, request: Request) -> Request | None:
        granted = self._run.budget.take(len(request.items))
        if granted == len(request.items):
            return request
        paid = request.part(slice(granted)) if granted else None
        # The thread that built it may hold on to it for a moment longer.
        request.release()
        return paid

    async def _next_step(self) -> object:
        async with self._turn:
            self._run.halt.check()
            self.source.batch = self._engine.batch
            if self.source.batch * self._input_bytes <= INLINE_BYTES:
                step = next(self._steps, _DONE)
            else:
                step = await asyncio.to_thread(next, self._steps, _DONE)
            if self.source.waiting:
                self.take_duplicates()
            return step


class Run:
    """One call of :meth:`auditor.engine.engine.QueryEngine.run`; made by :meth:`open`."""

    def __init__(self, state: RunState, unknown: Sequence[UnknownRequest]) -> None:
        self._engine, self._state, self._unknown = state.engine, state, unknown
        self._supply = Supply(state, _to_ask_again(unknown, state.stored))
        self._dispatcher = Dispatcher(state)
        self._failure: Exception | None = None

    @classmethod
    async def open(
        cls, engine: EngineState, probes: Sequence[FixedProbe], plan_digest: str, halt: Halt
    ) -> Run:
        """Load the known labels of ``probes``, and show them to observer and progress.

        Raises:
            StoreError: the target's classes or the stored labels are not as they were.
        """
        oracle, store, observer = engine.connection.oracle, engine.store, engine.observer
        identity, (totals, unknown) = await store.opening(oracle.fingerprint, plan_digest)
        names = learn_names(oracle, store, observer, identity[0])
        server = ServerHistory(observer.servers(identity[1]))
        if server.changed:
            halt.set()
        stored = await _load(store, oracle.fingerprint, probes)
        observer.begin(probes, [one.labels for one in stored])
        budget = QueryBudget(engine.limits.max_queries, totals["sent"])
        state = RunState(engine, plan_digest, probes, stored, budget, server, names, halt)
        run = cls(state, unknown)
        for probe, missing in zip(probes, run._supply.source.missing, strict=True):
            state.ledger.plan(probe.kind, probe.size, probe.size - int(missing.sum()))
        engine.progress.start(state.ledger.planned, state.ledger.cached)
        return run

    async def answer(self, rounds: Iterable[Order | None], decided: Decide | None) -> EngineResult:
        """Ask ``rounds`` until one of them decides, or the last one ends.

        Raises like :meth:`auditor.engine.contract.Engine.run`.
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

    async def _close_books(self) -> None:
        state = self._state
        await self._supply.settle()
        totals, self._unknown = await self._engine.store.account(state.plan_digest)
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
        known = [stored.labels for stored in state.stored]
        answered = AnsweredRounds(known if decided is not None else ())
        for order in rounds:
            self._supply.begin_round(order)
            await self._work()
            if decided is not None:
                await self._supply.settle()
                await self._engine.store.commit()
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
        # When cancelled, gather cancels the workers and waits until they closed their intents.
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
                    self._engine.pace.trouble.leave(request.asker)
                    request.release()
        except HaltedError:
            pass
        except Exception as error:  # noqa: BLE001 - raised by answer(), once the others are done
            # The first in time: a failure while others drain is seldom the cause.
            self._failure = self._failure or error
            self._state.halt.set()

    async def _answer(self, request: Request, *, just_answered: bool = False) -> None:
        """Ask ``request``, in parts if the target fails for its size, which it does if it fails
        although a part of it was ``just_answered``.
        """
        size, inputs = self._engine.size, len(request.items)
        if inputs > size.most:  # found by another request meanwhile
            await self._answer_halves(request)
            return
        ask = self._dispatcher.ask
        try:
            await ask_with_retries(self._state, request, ask, just_answered=just_answered)
        except AskFewerError as error:
            refusal = error
        else:
            if size.answer(inputs):
                self._engine.pace.trouble.let_go()
            self._engine.progress.advance(inputs, live=True)
            return
        self._engine.pace.trouble.hold(request.asker)
        self._state.pay_again(inputs)
        if refusal.proven:
            self._shrink((inputs + 1) // 2, refusal)
            await self._answer_halves(request)
            return
        await self._answer_part(request, slice(None, 1))
        await self._answer_part(request, slice(1, None), just_answered=True)
        if size.fits_without_one(inputs, refusal.kind):
            self._shrink(inputs - 1, refusal)

    async def _answer_halves(self, request: Request) -> None:
        half = (len(request.items) + 1) // 2
        await self._answer_part(request, slice(None, half))
        await self._answer_part(request, slice(half, None))

    async def _answer_part(
        self, request: Request, which: slice, *, just_answered: bool = False
    ) -> None:
        part = request.part(which)
        try:
            await self._answer(part, just_answered=just_answered)
        finally:
            part.release()

    def _shrink(self, most: int, refusal: AskFewerError) -> None:
        """Ask no more than ``most`` inputs at once, and say why."""
        if self._engine.size.shrink(most):
            self._engine.forget_failures()  # what they were about will not come again
            self._engine.progress.note(f"{refusal}; from now on at most {most} inputs are sent.")


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
