"""Limits that end a run: the hard query budget, the global retry budget, time without answers."""

from __future__ import annotations

from auditor.engine.rate import MAX_PAUSE_S, Clock
from auditor.errors import AuditError

OUTAGE_S = 25.0
"""Seconds of nothing but failures after which a run ends. Nothing is lost by ending it: the same
command goes on where it stopped."""
QUOTA_OUTAGE_S = 90.0
"""The same for a target that answered before and now refuses: quotas are often per minute."""


class RetryBudgetSpentError(AuditError):
    """More requests failed than a passing trouble explains."""


class OutageError(AuditError):
    """The target did not answer for too long."""


class QueryBudget:
    """A hard cap on queries, charged before each send and never exceeded by one.

    Not for several threads: only the event loop may charge.

    Args:
        cap: most queries this plan may ever send, over all its runs; None for no cap.
        spent: queries earlier runs of the same plan sent.
    """

    def __init__(self, cap: int | None, spent: int = 0) -> None:
        self._cap = cap
        self.spent = spent
        self.reached = False

    def take(self, wanted: int) -> int:
        """Charge up to ``wanted`` queries and return how many were granted."""
        granted = wanted if self._cap is None else max(0, min(wanted, self._cap - self.spent))
        self.spent += granted
        self.reached = self.reached or granted < wanted
        return granted

    def give_back(self, queries: int) -> None:
        """Take back a charge for queries that certainly never left."""
        self.spent -= queries

    def take_all(self, wanted: int) -> bool:
        """Charge ``wanted`` queries, or none if not all of them can be paid."""
        granted = self.take(wanted)
        if granted < wanted:
            self.spent -= granted
        return granted == wanted


class RetryBudget:
    """Retries allowed for the whole audit: a floor plus a share of the requests sent.

    One failing request looks like a failing server; the share tells them apart. 20 % and 10 are
    Finagle's figures; a target that turns away every tenth request stays within them.
    """

    def __init__(self, share: float = 0.20, floor: int = 10) -> None:
        self._share = share
        self._floor = floor
        self.requests = 0
        self.retries = 0

    def sent(self) -> None:
        """Count one request."""
        self.requests += 1

    def take(self, reason: object) -> None:
        """Charge one retry, made because of ``reason``.

        Raises:
            RetryBudgetSpentError: the budget is spent.
        """
        if self.retries + 1 > self._floor + self._share * self.requests:
            raise RetryBudgetSpentError(
                f"{self.retries} of {self.requests} requests were repeats, more than a target "
                f"that merely stumbles needs; the last failure: {reason}"
            )
        self.retries += 1


class OutageTimer:
    """Time in which nothing was answered, less the pauses the target asked for, which count on
    their own.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: float | None = None
        self._answered = False
        self._asked = 0.0
        self._pause_ends = float("-inf")

    def answered(self) -> None:
        """Note an answer."""
        self._answered = True
        self._since = None

    def failed(self) -> None:
        """Note a failure."""
        if self._since is None:
            self._since = self._clock.now()
            self._asked = 0.0

    def paused(self, seconds: float) -> None:
        """Note that the target asked for a pause of ``seconds`` from now."""
        start = max(self._clock.now(), self._pause_ends)
        end = max(self._pause_ends, self._clock.now() + min(seconds, MAX_PAUSE_S))
        self._asked += end - start
        self._pause_ends = end

    def check(self, wait: float, reason: object, *, throttled: bool) -> None:
        """Refuse to wait ``wait`` seconds more if nothing was answered for too long.

        Args:
            wait: seconds until the next attempt.
            reason: the last failure.
            throttled: True if the target asked to be asked more slowly.

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
