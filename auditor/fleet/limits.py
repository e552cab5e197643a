"""Limits that hold for all workers of a fleet together, kept by Dask's scheduler.

Requests in flight on one server are leases of a semaphore, its pace is a lock that a request holds
for the time it takes, and queries and money come from one pot, of which each audit draws a little
at a time. The leases of a worker that dies run out; what it had drawn and not spent stays unspent
until the next run counts anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from distributed import Lock, Semaphore, Variable

from auditor.fleet.entries import HostLimits

DRAWN = 256
"""Queries drawn from the pot at a time."""
_WAIT_S = 1.0
_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Left:
    """Queries and money that are left to a fleet; None for no limit."""

    queries: int | None
    money: float | None

    def affords(self, wanted: int, price: float) -> int:
        """Number of ``wanted`` queries at ``price`` each that can be paid."""
        queries = wanted if self.queries is None else min(wanted, self.queries)
        if self.money is not None and price > 0:
            queries = min(queries, int(self.money / price + _EPSILON))
        return max(0, queries)

    def without(self, queries: int, price: float) -> Left:
        """Less ``queries`` at ``price`` each."""
        return Left(
            None if self.queries is None else self.queries - queries,
            None if self.money is None else self.money - queries * price,
        )


class Pot:
    """The queries and the money of the fleet ``run``."""

    def __init__(self, run: str) -> None:
        self._lock, self._left = Lock(f"xray-audit pot {run}"), Variable(f"xray-audit left {run}")

    def fill(self, left: Left) -> None:
        """Set the queries and the money that are left."""
        self._left.set([left.queries, left.money])

    def draw(self, wanted: int, price: float) -> int:
        """Take up to ``wanted`` queries at ``price`` each out; a negative number puts back."""
        with self._lock:
            left = Left(*self._left.get())
            granted = left.affords(wanted, price) if wanted > 0 else wanted
            after = left.without(granted, price)
            self._left.set([after.queries, after.money])
        return granted


class WorkersLimits:
    """The limits of one audit that others share; made in a task of a worker.

    Args:
        host: the server asked, or empty.
        limits: limits on it, or None.
        pot: the queries and money of the fleet, or None for no limit.
        price: of one query.
    """

    def __init__(
        self, host: str, limits: HostLimits | None, pot: Pot | None, price: float = 0.0
    ) -> None:
        limits = limits or HostLimits()
        self._pot, self._price, self._drawn = pot, price, 0
        self._per_query = 0.0 if limits.rate is None else 1.0 / limits.rate
        self._per_request = 0.0 if limits.request_rate is None else 1.0 / limits.request_rate
        self._slots: Any = None
        if limits.concurrency is not None:
            name = f"xray-audit requests {limits.concurrency} {host}"
            self._slots = Semaphore(max_leases=limits.concurrency, name=name)
        paced = self._per_query or self._per_request
        self._turn: Any = Lock(f"xray-audit turn {host}") if paced else None
        self._drawing: asyncio.Lock | None = None
        self._releases: set[asyncio.Task[None]] = set()

    async def enter(self, queries: int, check: Callable[[], None]) -> bool:
        """See :class:`auditor.engine.contract.SharedLimits`."""
        if self._pot is not None and not await self._pay(queries):
            return False
        if self._slots is not None:
            await _acquired(self._slots, check)
        try:
            await self._wait_for_turn(queries, check)
        except BaseException:
            await self.leave()
            raise
        return True

    async def leave(self) -> None:
        """See :class:`auditor.engine.contract.SharedLimits`."""
        if self._slots is not None:
            await asyncio.to_thread(self._slots.release)

    @contextlib.asynccontextmanager
    async def settled(self) -> AsyncIterator[None]:
        """Put back what was drawn and not spent, once the audit ends."""
        try:
            yield
        finally:
            await asyncio.gather(*self._releases)
            if self._pot is not None and self._drawn:
                await asyncio.to_thread(self._pot.draw, -self._drawn, self._price)
                self._drawn = 0

    async def _pay(self, queries: int) -> bool:
        assert self._pot is not None
        self._drawing = self._drawing or asyncio.Lock()
        async with self._drawing:
            if self._drawn < queries:
                wanted = max(queries, DRAWN)
                self._drawn += await asyncio.to_thread(self._pot.draw, wanted, self._price)
            if self._drawn < queries:
                return False
            self._drawn -= queries
            return True

    async def _wait_for_turn(self, queries: int, check: Callable[[], None]) -> None:
        """Hold the server's turn for as long as this request takes of its rates."""
        if self._turn is None:
            return
        await _acquired(self._turn, check)
        takes = max(self._per_request, queries * self._per_query)
        release = asyncio.create_task(self._release_after(takes))
        self._releases.add(release)
        release.add_done_callback(self._releases.discard)

    async def _release_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self._turn.release)


async def _acquired(lock: Any, check: Callable[[], None]) -> None:
    """Acquire ``lock``; ``check`` may raise meanwhile."""
    while True:
        check()
        if await asyncio.to_thread(lock.acquire, timeout=_WAIT_S):
            return
