"""The account of a run: inputs planned, sent, answered without sending, and sent in vain."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(slots=True)
class Ledger:
    """The account of one run, all in queries except ``requests`` and ``throttled``.

    After a complete run, ``planned = cached + deduplicated + spared + (sent - retried)``.

    Attributes:
        planned: inputs in the plan.
        cached: labels that were in the store already.
        sent: inputs sent in this run, retries included.
        deduplicated: inputs identical to another one, answered by its label.
        spared: inputs left out because the result was decided without them.
        retried: inputs sent again after a failure, in this run.
        unknown: inputs of all runs whose request may have been answered and billed unseen.
        sent_all_runs: inputs sent by all runs of this plan.
        requests: calls made in this run.
        throttled: times the target asked to be asked more slowly, in this run.
        by_probe: planned inputs by probe kind.
        by_status: requests of this run by their end: the HTTP or gRPC status, ``ok`` of a target
            without either, or the kind of error if nothing came back.
    """

    planned: int = 0
    cached: int = 0
    sent: int = 0
    deduplicated: int = 0
    spared: int = 0
    retried: int = 0
    unknown: int = 0
    sent_all_runs: int = 0
    requests: int = 0
    throttled: int = 0
    by_probe: dict[str, int] = field(default_factory=dict)
    by_status: dict[str, int] = field(default_factory=dict)

    def plan(self, kind: str, size: int, known: int) -> None:
        """Enter a probe of ``size`` inputs, ``known`` of which have a label already."""
        self.by_probe[kind] = self.by_probe.get(kind, 0) + size
        self.planned += size
        self.cached += known

    def send(self, queries: int, *, again: bool) -> None:
        """Enter a request of ``queries`` inputs; ``again`` if they were sent before."""
        self._charge(1, queries, again=again)

    def take_back(self, queries: int, *, again: bool) -> None:
        """Undo :meth:`send` for a request that certainly never left."""
        self._charge(-1, -queries, again=again)

    def end(self, how: str) -> None:
        """Enter how one request ended."""
        self.by_status[how] = self.by_status.get(how, 0) + 1

    def _charge(self, requests: int, queries: int, *, again: bool) -> None:
        self.requests += requests
        self.sent += queries
        self.retried += queries if again else 0


def add_ledgers(one: Ledger, two: Ledger) -> Ledger:
    """Both ledgers of one audit as one; totals of all runs are taken from the later one."""
    totals = {entry.name: _added(one, two, entry.name) for entry in fields(Ledger)}
    return Ledger(**(totals | {"unknown": two.unknown, "sent_all_runs": two.sent_all_runs}))


def _added(one: Ledger, two: Ledger, name: str) -> Any:
    first, second = getattr(one, name), getattr(two, name)
    if isinstance(first, int):
        return first + second
    return {key: first.get(key, 0) + second.get(key, 0) for key in {**first, **second}}
