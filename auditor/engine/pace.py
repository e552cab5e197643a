"""The pace of an engine: rate limits, pauses and requests in flight, put together."""

from __future__ import annotations

from adapters.contract import PaceHint
from auditor.engine.contract import EngineLimits
from auditor.engine.rate import AdaptiveConcurrency, Clock, Halt, PauseGate, RateLimiter


class Pace:
    """The pace of one engine over all its runs.

    Args:
        limits: the user's limits.
        clock: the time source.

    Attributes:
        clock: as given.
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
