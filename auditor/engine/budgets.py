"""The hard query budget."""

from __future__ import annotations


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
