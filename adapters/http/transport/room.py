"""Room in memory for replies that arrive side by side, where a transport reads each as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.http.transport.reading import FREE_BYTES

STEP = 4
"""Bounds of replies are ``FREE_BYTES`` and its multiples by this, up to the limit of one reply."""
SPARE = 4.0
"""A reply may be so many times longer than those before it, for a request of its length."""


class ReplyRoom:
    """Keeps the bounds of all replies in flight together within the ``limit`` of one.

    A transport that cannot stop in the middle of a reply must bound it before it is sent for. Until
    a first reply tells how long they are, one at a time may take all of it; then each is bounded in
    proportion to its request, and many fit. Waits are served in order.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()
        self._ratios: dict[str, float] = {}

    def bound(self, place: str, asked: int) -> int:
        """Bytes that the reply to ``asked`` bytes at ``place`` may have."""
        ratio = self._ratios.get(place)
        if ratio is None:
            return self._limit
        bound, wanted = FREE_BYTES, SPARE * ratio * asked
        while bound < min(wanted, self._limit):
            bound *= STEP
        return min(bound, self._limit)

    def note(self, place: str, asked: int, received: int) -> None:
        """Note an honest reply of ``received`` bytes."""
        self._ratios[place] = max(self._ratios.get(place, 0.0), received / max(asked, 1))

    def forget(self, place: str) -> None:
        """Let replies at ``place`` be of any length again: one was longer than its bound."""
        self._ratios.pop(place, None)

    @asynccontextmanager
    async def taken(self, size: int) -> AsyncIterator[None]:
        """Take room for a reply of up to ``size`` bytes, as soon as there is some."""
        async with self._turn:
            while self._taken and self._taken + size > self._limit:
                self._freed.clear()
                await self._freed.wait()
            self._taken += size
        try:
            yield
        finally:
            # Not before the task waits again: until then it reads the reply that it holds.
            asyncio.get_running_loop().call_soon(self._leave, size)

    def _leave(self, size: int) -> None:
        self._taken -= size
        self._freed.set()
