"""The hard query budget and the global retry budget."""

from __future__ import annotations

from auditor.errors import AuditError


class RetryBudgetSpentError(AuditError):
    """More requests failed than a passing trouble explains."""


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

    One failing request cannot be told from a failing server by looking at it alone; the
    share can. 20 % and 10 are Finagle's figures; a target that turns away every tenth request
    stays within them.
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
