"""The pace of an engine: rate limits, pauses the server asked for, and adaptive concurrency."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from adapters.contract import PaceHint
from auditor.engine.contract import EngineLimits

MAX_PAUSE_S = 300.0
"""Longest pause of a run. A quota hint that asks for more is cut to it; a refusal that asks for
more ends the run instead, because asking again too early would only be refused again."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time, injected so that tests need not wait: seconds, and a way to let them pass."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class HaltedError(Exception):
    """Nothing new may be sent: the run was stopped, failed, or has no budget left."""


class Halt:
    """A switch that ends every wait of a run at once.

    A worker can wait for minutes, for its turn, a Retry-After or the next attempt; a user who
    presses Ctrl-C must not.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._event = asyncio.Event()

    @property
    def is_set(self) -> bool:
        """True if nothing new may be sent."""
        return self._event.is_set()

    def set(self) -> None:
        """Let nothing new be sent."""
        self._event.set()

    def check(self) -> None:
        """Raise :class:`HaltedError` once nothing new may be sent."""
        if self._event.is_set():
            raise HaltedError

    async def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass; a HaltedError if the switch was set before or is meanwhile."""
        self.check()
        await self.pause(seconds)
        self.check()

    async def pause(self, seconds: float) -> None:
        """Let ``seconds`` pass, or less if the switch was set before or is meanwhile."""
        waits = {
            asyncio.ensure_future(self._clock.sleep(seconds)),
            asyncio.ensure_future(self._event.wait()),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


class RateLimiter:
    """GCRA with a burst of 1, for queries and for requests at once.

    A request waits until those before it have paid their time in both. One turn for both: two
    limiters one after the other would let requests that waited for the second leave in a bunch.
    """

    def __init__(self, queries_per_s: float | None, requests_per_s: float | None) -> None:
        self._per_query = 0.0 if queries_per_s is None else 1.0 / queries_per_s
        self._per_request = 0.0 if requests_per_s is None else 1.0 / requests_per_s
        self._next = float("-inf")

    def reserve(self, queries: int, now: float) -> float:
        """Take the next turn for a request of ``queries`` inputs; returns when it is."""
        turn = max(now, self._next)
        self._next = turn + max(self._per_request, queries * self._per_query)
        return turn


class PauseGate:
    """A pause for all workers: Retry-After and exhausted quotas close it for a while."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = float("-inf")

    @property
    def left(self) -> float:
        """Seconds until it opens; 0 or less if it is open."""
        return self._until - self._clock.now()

    def close_for(self, seconds: float) -> None:
        """Let nothing through for ``seconds`` (at most :data:`MAX_PAUSE_S`) from now."""
        self._until = max(self._until, self._clock.now() + min(max(seconds, 0.0), MAX_PAUSE_S))

    def apply(self, hint: PaceHint | None) -> None:
        """Close until the quota's reset if ``hint`` says that nothing is left of it."""
        if hint is not None and hint.remaining == 0 and hint.reset_s is not None:
            self.close_for(hint.reset_s)


class AdaptiveConcurrency:
    """Additive increase, multiplicative decrease of the requests in flight.

    The limit starts at ``start`` and never exceeds ``ceiling``. It doubles per clean round until
    the first throttle, then grows by one per clean round, and only if it was used in full; a
    throttle halves it, once per ``cooldown_s`` however many of the requests in flight report the
    same event.
    """

    def __init__(self, ceiling: int, clock: Clock, start: int = 2, cooldown_s: float = 1.0) -> None:
        self._ceiling = max(1, ceiling)
        self._clock = clock
        self._cooldown_s = cooldown_s
        self.limit = min(max(1, start), self._ceiling)
        self.in_flight = 0
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


class Pace:
    """The pace of one engine over all its runs, within the user's limits.

    Attributes:
        slots: the requests that may be in flight.
        gate: the pause that the target asked for.
    """

    def __init__(self, limits: EngineLimits, clock: Clock) -> None:
        self.clock = clock
        self.slots = AdaptiveConcurrency(limits.concurrency, clock)
        self.gate = PauseGate(clock)
        self._limiter = RateLimiter(limits.queries_per_s, limits.requests_per_s)

    async def wait_for_turn(self, queries: int, halt: Halt) -> None:
        """Return when the gate is open and the rate limits allow ``queries`` more.

        Raises:
            HaltedError: nothing new may be sent.
        """
        while True:
            halt.check()
            while (left := self.gate.left) > 0:
                await halt.sleep(left)
            now = self.clock.now()
            turn = self._limiter.reserve(queries, now)
            if turn <= now:
                return
            await halt.sleep(turn - now)
            # A turn is void if the gate closed meanwhile. Taken after the pause, turns that fell
            # into it would all leave in a bunch.
            if self.gate.left <= 0:
                return

    def answered(self, hint: PaceHint | None) -> None:
        """Take in a clean answer, and its hint about the quota."""
        self.slots.succeeded()
        self.gate.apply(hint)
