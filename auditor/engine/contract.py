"""The engine as its callers see it: its limits, its one method and its result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from auditor.engine.ledger import Ledger
from auditor.engine.progress import Progress
from auditor.engine.requests import Order
from auditor.engine.rounds import Decide
from auditor.engine.store import NOT_ASKED
from auditor.probes.base import FixedProbe

PATIENCE_S = 300.0
"""Seconds without an answer after which a run ends, unless the user states another patience."""
BACKOFF_S = 0.5


class SharedLimits(Protocol):
    """Limits that several audits keep together."""

    async def enter(self, queries: int, check: Callable[[], None]) -> bool:
        """Wait until ``queries`` more may be sent; False if nothing is left to pay them with.

        ``check`` is called while it waits, and raises once nothing new may be sent.
        """
        ...

    async def leave(self) -> None:
        """Note that a request that entered has ended."""
        ...


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Limits of cost and pace.

    Attributes:
        max_queries: cap on queries over all runs of the plan, or None.
        queries_per_s: rate limit on inputs, or None.
        requests_per_s: rate limit on calls, or None.
        concurrency: most requests in flight.
        attempts: most sends per request, the first included, whatever the failure; None leaves
            that to the patience.
        backoff_s: pause before the second attempt; it doubles with each further one.
        patience_s: longest time without an answer while the target is down or says "wait".
        shared: limits kept together with other audits, or None.
    """

    max_queries: int | None = None
    queries_per_s: float | None = None
    requests_per_s: float | None = None
    concurrency: int = 8
    attempts: int | None = None
    backoff_s: float = BACKOFF_S
    patience_s: float = PATIENCE_S
    shared: SharedLimits | None = None


@dataclass(frozen=True)
class EngineResult:
    """Labels of every probe in the order given, ``(size,)`` uint16 with 65535 if missing, and the
    account of the run.

    Attributes:
        budget_reached: True if the query budget ended the run.
        stopped: True if the user stopped the run before its end.
        decided: True if it ended before its last round because the result was decided.
        server_identity: values that the answers of all runs stated for their server, by name,
            oldest first. Two values of one name end a run: no verdict can rest on both servers.
        unknown: every request of all runs that may have been answered and billed unseen; see
            :meth:`auditor.engine.store.UnknownRequest.facts`.
        deferred: inputs that the target will answer only in a later run.
    """

    labels: list[NDArray[np.uint16]]
    ledger: Ledger
    budget_reached: bool
    stopped: bool
    decided: bool = False
    server_identity: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unknown: Sequence[Mapping[str, Any]] = ()
    deferred: int = 0

    @property
    def complete(self) -> bool:
        """True if every label is known that had to be asked for."""
        return self.decided or not any((labels == NOT_ASKED).any() for labels in self.labels)


class Engine(Protocol):
    """Finds the labels of probes: by asking a model, or in the log of a finished audit."""

    def show_on(self, progress: Progress) -> None:
        """Report every answer to ``progress`` from now on."""
        ...

    async def run(
        self,
        probes: Sequence[FixedProbe],
        plan_digest: str,
        rounds: Iterable[Order] | None = None,
        decided: Decide | None = None,
    ) -> EngineResult:
        """Labels of ``probes``.

        Args:
            probes: the inputs to ask.
            plan_digest: the key of the plan's ledger.
            rounds: the order to ask them in; a round begins when the one before is answered.
                Together they name every input once. None asks everything in one round, probe by
                probe.
            decided: called after each round with the labels of each probe, ``(size,)`` with 65535
                for inputs that no round so far asks; the first True ends the run, and the result
                holds those labels alone.

        Raises:
            AdapterError: a request failed for good; everything answered before is kept.
            StoreError: labels can no longer be saved.
            OutageError: nothing was answered for too long.
            ComeBackError: the target asks for a longer pause than a run waits.
        """
        ...
