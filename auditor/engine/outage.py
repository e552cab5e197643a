"""The point at which a target that does not answer at all is given up."""

from __future__ import annotations

from auditor.engine.rate import MAX_PAUSE_S, Clock
from auditor.errors import AuditError

OUTAGE_S = 25.0
"""Seconds of nothing but failures after which a run ends. Nothing is lost by ending it: the same
command goes on where it stopped."""
QUOTA_OUTAGE_S = 90.0
"""The same for a target that answered before and now refuses: quotas are often per minute."""


class OutageError(AuditError):
    """The target did not answer for too long."""


class OutageTimer:
    """Measures the time in which nothing was answered; pauses the target asked for are no part
    of it, but count on their own.

    Args:
        clock: the time source.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: float | None = None
        self._answered = False
        self._asked = 0.0
        self._pause_ends = float("-inf")

    def answered(self) -> None:
        """A request was answered."""
        self._answered = True
        self._since = None

    def failed(self) -> None:
        """A request failed."""
        if self._since is None:
            self._since = self._clock.now()
            self._asked = 0.0

    def paused(self, seconds: float) -> None:
        """The target asked for a pause of ``seconds`` from now."""
        start = max(self._clock.now(), self._pause_ends)
        end = max(self._pause_ends, self._clock.now() + min(seconds, MAX_PAUSE_S))
        self._asked += end - start
        self._pause_ends = end

    def check(self, wait: float, reason: object, *, throttled: bool) -> None:
        """Refuse to wait ``wait`` seconds more if nothing was answered for too long.

        Args:
            wait: seconds until the next attempt.
            reason: the last failure.
            throttled: whether the target asked us to slow down.

        Raises:
            OutageError: nothing was; the message holds ``reason``.
        """
        if self._since is None:
            return
        now = self._clock.now()
        waited = now - self._since - (self._asked - max(0.0, self._pause_ends - now))
        limit = QUOTA_OUTAGE_S if throttled and self._answered else OUTAGE_S
        if waited + wait > limit or self._asked > MAX_PAUSE_S:
            raise OutageError(
                f"nothing was answered for {now - self._since:.0f} s and the next attempt would "
                f"be {wait:.0f} s from now, so this run ends; the same command goes on where it "
                f"stopped. The last failure: {reason}"
            )
