"""The pace of an engine: rate limits, pauses the server asked for, and adaptive concurrency."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from adapters.contract import PaceHint
from auditor.engine.contract import EngineLimits
from auditor.engine.learnt_pace import LearntPace

LATE_S = 0.1
"""Turns that went by while a request waited are made up for up to so long after."""
OVER, SOONER, TINY = 1.01, 0.95, 1e-9
"""Part of a stated limit that requests of one second may reach, the part of their time after which
late ones follow one another, and what sums of parts of a second may be wrong by."""
NEAR = 1.3
"""A learnt interval up to this many times the stated one adds nothing to it."""

CHANCE, SURE_ANSWERS = 0.01, 20
"""A run of failures less likely than this is no chance, by the share of failures so far, which is
taken for small until so many answers have come."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time, injected so that tests need not wait: seconds, a way to let them pass, and the time of
    day.
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    wall: Callable[[], float] = time.time


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
        await self._first(self._clock.sleep(seconds))

    async def until(self, event: asyncio.Event) -> None:
        """Wait for ``event``; a HaltedError if the switch was set before or is meanwhile."""
        self.check()
        await self._first(event.wait())
        self.check()

    async def _first(self, other: Awaitable[object]) -> None:
        waits = {asyncio.ensure_future(other), asyncio.ensure_future(self._event.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


class RateLimiter:
    """GCRA with a burst of 1, for queries and for requests at once.

    A request waits until those before it have paid their time in both. One turn for both: two
    limiters one after the other would let requests that waited for the second leave in a bunch.

    A turn that was taken late is made up for, by turns that follow one another a little sooner. But
    requests that cost more than ``OVER`` of a second in all never leave within one.
    """

    def __init__(self, queries_per_s: float | None, requests_per_s: float | None) -> None:
        self._per_query = 0.0 if queries_per_s is None else 1.0 / queries_per_s
        self._per_request = 0.0 if requests_per_s is None else 1.0 / requests_per_s
        self._due = self._next_due = self._turn = float("-inf")
        self._cost = 0.0
        self._sent: deque[tuple[float, float]] = deque()
        self._sent_cost = 0.0

    def next_turn(self, now: float, learnt: float = 0.0) -> float:
        """The next turn, at ``now`` or later, and at least ``learnt`` seconds after the last one,
        unless that is near to the pace that the user states: refusals within it are chance.
        """
        least = 0.0 if learnt < NEAR * self._per_request else learnt
        self._next_due = max(now, self._due + max(self._cost, least))
        turn = max(self._next_due, self._turn + max(SOONER * self._cost, least))
        full = self._sent_cost >= 1.0 - TINY
        return max(turn, self._sent[0][0] + 1.0) if full else turn

    def take(self, queries: int, turn: float, now: float) -> None:
        """Take ``turn``, the newest that was told, for a request of ``queries`` inputs that leaves
        ``now``.
        """
        self._due, self._turn = self._next_due, turn
        self._cost = max(self._per_request, queries * self._per_query)
        if not self._cost:
            return
        self._sent.append((now, self._cost))
        self._sent_cost += self._cost
        while self._sent_cost > OVER and self._sent_cost - self._sent[0][1] >= 1.0 - TINY:
            self._sent_cost -= self._sent.popleft()[1]


class PauseGate:
    """A pause for all workers, of at most ``longest`` seconds: Retry-After and exhausted quotas
    close it for a while.
    """

    def __init__(self, clock: Clock, longest: float) -> None:
        self._clock, self._longest = clock, longest
        self._until = float("-inf")

    @property
    def left(self) -> float:
        """Seconds until it opens; 0 or less if it is open."""
        return self._until - self._clock.now()

    def close_for(self, seconds: float) -> None:
        """Let nothing through for ``seconds``, at most the longest pause, from now."""
        self._until = max(self._until, self._clock.now() + min(max(seconds, 0.0), self._longest))

    def apply(self, hint: PaceHint | None) -> None:
        """Close until the quota's reset if ``hint`` says that nothing is left of it. A reset beyond
        the longest pause is left to the target's own refusal, which may never come.
        """
        if hint is not None and hint.remaining == 0 and (hint.reset_s or 0.0) <= self._longest:
            self.close_for(hint.reset_s or 0.0)


class Trouble:
    """The time in which a target answers nothing: one request asks on, all others wait.

    A target that is down would otherwise be asked again by every worker. One failure is no trouble
    yet, but a second one is if nothing was answered between, and it left after the first was known;
    more of them are needed where the target often fails a single request.
    """

    def __init__(self) -> None:
        self._known = float("inf")
        self._running = 0
        self._stumbles = self._answers = 0
        self._asks_on: object | None = None
        self._held = False
        self._over = asyncio.Event()

    def begin(self, request: object, sent_at: float, now: float) -> None:
        """Note that ``request`` of ``sent_at`` has failed ``now``."""
        if sent_at < self._known:
            self._known, self._running = min(self._known, now), max(1, self._running)
            return
        self._known, self._running = now, self._running + 1
        # So many running are chance once in a thousand failures.
        share = self._stumbles / (self._answers + SURE_ANSWERS)
        if self._asks_on is None and share ** (self._running - 1) < CHANCE:
            self._ask_on(request)

    def _ask_on(self, request: object) -> None:
        self._asks_on = request
        self._over.clear()

    def hold(self, request: object) -> None:
        """Let all others wait until ``request`` is done with, whatever it is answered meanwhile:
        it finds out how many inputs the target takes.
        """
        if not self._held:
            self._held = True
            self._ask_on(request)

    def let_go(self) -> None:
        """End what :meth:`hold` began."""
        if self._held:
            self._over_now()

    def end(self) -> None:
        """Note an answer."""
        self._answers += 1
        self._stumbles += self._running > 0
        self._known, self._running = float("inf"), 0
        if not self._held:
            self._over_now()

    def _over_now(self) -> None:
        self._known, self._running, self._asks_on = float("inf"), 0, None
        self._held = False
        self._over.set()

    def leave(self, request: object) -> None:
        """Note that ``request`` will not be asked again."""
        if self._asks_on is request:
            self._over_now()

    def holds_up(self, request: object) -> bool:
        """True if ``request`` must wait for another one's answer."""
        return self._asks_on is not None and self._asks_on is not request

    async def pass_by(self, request: object, halt: Halt) -> None:
        """Return when ``request`` may be sent; a HaltedError if nothing new may be."""
        halt.check()
        while self.holds_up(request):
            await halt.until(self._over)


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
        trouble: the wait for an answer after a failure.
        learnt: the pace that the target's refusals taught.
    """

    def __init__(self, limits: EngineLimits, clock: Clock) -> None:
        self.clock = clock
        self.slots = AdaptiveConcurrency(limits.concurrency, clock)
        self.gate = PauseGate(clock, limits.patience_s)
        self.trouble = Trouble()
        self.learnt = LearntPace()
        self._limiter = RateLimiter(limits.queries_per_s, limits.requests_per_s)
        self._turn = asyncio.Lock()

    async def wait_for_turn(self, queries: int, halt: Halt, request: object = None) -> bool:
        """Return when the gate is open and the rate limits allow ``queries`` more; False if
        ``request`` must wait for another one's answer instead.

        Raises:
            HaltedError: nothing new may be sent.
        """
        asked = self.clock.now()
        # One waits for the next turn, the others for that one: turns that several had taken and a
        # pause made void would be lost.
        async with self._turn:
            while not self.trouble.holds_up(request):
                halt.check()
                if (left := self.gate.left) > 0:
                    await halt.sleep(left)
                    asked = self.clock.now()
                    continue
                now = self.clock.now()
                # A machine that wakes late would lose turns of the user's own limit. A target that
                # taught a pace may mind two requests at once.
                since = now if self.learnt.interval else max(asked, now - LATE_S)
                turn = self._limiter.next_turn(since, self.learnt.interval)
                if turn > now:
                    await halt.sleep(turn - now)
                if self.gate.left <= 0 and not self.trouble.holds_up(request):
                    self._limiter.take(queries, turn, self.clock.now())
                    return True
        return False

    def answered(self, hint: PaceHint | None, sent_at: float) -> None:
        """Take in a clean answer to a request of ``sent_at``, and its hint about the quota."""
        self.slots.succeeded()
        self.trouble.end()
        self.learnt.answered(sent_at)
        self.gate.apply(hint)

    def refused(self, pause: float, sent_at: float) -> None:
        """Take in a refusal of a request of ``sent_at`` that asks for ``pause`` seconds, or 0."""
        self.learnt.refused(pause, sent_at, self.clock.now())
        if self.learnt.counts:
            self.slots.throttled()
