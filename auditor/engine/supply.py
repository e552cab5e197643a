"""Hands the workers of a run their next request."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from auditor.engine.requests import Again, Order, Request, RequestSource
from auditor.engine.state import EngineState, RunState

INLINE_BYTES = 4 << 20
"""Requests up to this size are built on the event loop, which costs less than a thread's two
hops; larger ones in a thread, so that building never holds up the answers of others."""

_DONE = object()


class Supply:
    """The requests that are missing and paid for, each built when it is asked for.

    Args:
        engine: what outlives the run.
        run: what belongs to it.
        again: requests that earlier runs sent without seeing an answer.

    Attributes:
        source: builds the requests.
        deferred: inputs that the target will answer only in a later run.
    """

    def __init__(self, engine: EngineState, run: RunState, again: Sequence[Again]) -> None:
        self._engine, self._run = engine, run
        spec = engine.connection.oracle.input_spec
        self.source = RequestSource(run.probes, run.stored, spec, engine.batch, again)
        self.deferred = 0
        self._inline = engine.batch * spec.size * 8 <= INLINE_BYTES
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

    def take_duplicates(self) -> None:
        """Give inputs that equal an answered one its label."""
        for number, items, labels in self.source.answered_duplicates():
            self._engine.store.fill(self._run.stored[number], items, labels)
            self._engine.observer.filled(number, items, labels)
            self._run.ledger.deduplicated += len(items)
            self._engine.progress.advance(len(items), live=False)

    def shrink(self, batch: int) -> None:
        """Build no request of more than ``batch`` inputs, in later runs neither."""
        self._engine.batch = self.source.batch = min(self._engine.batch, batch)

    def _within_budget(self, request: Request) -> Request | None:
        granted = self._run.budget.take(len(request.items))
        if granted == len(request.items):
            return request
        paid = request.part(slice(granted)) if granted else None
        # The thread that built it may hold on to it for a moment longer.
        request.release()
        return paid

    async def _next_step(self) -> object:
        if self._inline:
            step = next(self._steps, _DONE)
            self.take_duplicates()
            return step
        async with self._turn:
            self._run.halt.check()
            step = await asyncio.to_thread(next, self._steps, _DONE)
            self.take_duplicates()
            return step
