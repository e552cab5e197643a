"""How fast to ask: rate limits, pauses the server asked for, and adaptive concurrency."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from adapters.contract import PaceHint

MAX_PAUSE_S = 300.0
"""A server that asks for a longer pause gets this one; the run can be resumed later."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time, injected so that tests need not wait: seconds, and a way to let them pass."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class RateLimiter:
    """GCRA with a burst of 1: a request that carries ``n`` units waits until the units before
    it have paid their time. Nothing is ever sent in a bunch to catch up.

    Args:
        per_second: units per second, or None for no limit.
        clock: the time source.
    """

    def __init__(self, per_second: float | None, clock: Clock) -> None:
        self._interval = 0.0 if per_second is None else 1.0 / per_second
        self._clock = clock
        self._next = float("-inf")

    async def acquire(self, units: int = 1) -> None:
        """Wait for this request's turn and take it."""
        if self._interval == 0.0:
            return
        now = self._clock.now()
        turn = max(now, self._next)
        self._next = turn + units * self._interval
        if turn > now:
            await self._clock.sleep(turn - now)


class Gate:
    """A pause for everybody: Retry-After and exhausted quotas close it for a while."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = float("-inf")
        self.pauses = 0

    def close_for(self, seconds: float) -> None:
        """Let nothing through for ``seconds`` (at most :data:`MAX_PAUSE_S`) from now."""
        until = self._clock.now() + min(max(seconds, 0.0), MAX_PAUSE_S)
        if until > self._until:
            self._until = until
            self.pauses += 1

    def heed(self, hint: PaceHint | None) -> None:
        """Close until the quota's reset where a reply said that nothing is left of it."""
        if hint is not None and hint.remaining == 0 and hint.reset_s is not None:
            self.close_for(hint.reset_s)

    async def wait(self) -> None:
        """Return once the gate is open."""
        while (left := self._until - self._clock.now()) > 0:
            await self._clock.sleep(left)


class AdaptiveConcurrency:
    """Additive increase, multiplicative decrease of the requests in flight.

    The limit doubles per clean round until the first throttle, then grows by one per clean
    round, and only where it was used in full; a throttle halves it, once per ``cooldown_s``
    however many of the requests in flight report the same event.

    Args:
        ceiling: most requests in flight, at least 1.
        clock: the time source.
        start: requests in flight at first.
        cooldown_s: seconds in which further throttles count as the same event.
    """

    def __init__(self, ceiling: int, clock: Clock, start: int = 2, cooldown_s: float = 1.0) -> None:
        self._ceiling = max(1, ceiling)
        self._clock = clock
        self._cooldown_s = cooldown_s
        self.limit = min(max(1, start), self._ceiling)
        self.in_flight = 0
        self.peak = 0
        self._round = 0
        self._saturated = False
        self._throttled = False
        self._last_cut = float("-inf")
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        """Wait for a free slot and take it."""
        while self.in_flight >= self.limit:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        self._saturated = self._saturated or self.in_flight >= self.limit

    def release(self) -> None:
        """Give the slot back."""
        self.in_flight -= 1
        self._wake()

    def succeeded(self) -> None:
        """Count one clean answer; a whole clean and saturated round raises the limit."""
        self._round += 1
        if self._round < self.limit:
            return
        if self._saturated:
            step = 1 if self._throttled else self.limit
            self.limit = min(self.limit + step, self._ceiling)
        self._round, self._saturated = 0, False
        self._wake()

    def throttled(self) -> None:
        """Halve the limit, once per cool-down."""
        now = self._clock.now()
        self._round, self._throttled = 0, True
        if now - self._last_cut >= self._cooldown_s:
            self._last_cut = now
            self.limit = max(1, self.limit // 2)

    def _wake(self) -> None:
        free = self.limit - self.in_flight
        while free > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1
