"""State that the parts of an engine share: over all its runs, and within one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from auditor.engine.budgets import QueryBudget, RetryBudget
from auditor.engine.class_names import ClassNames
from auditor.engine.connection import Connection
from auditor.engine.contract import EngineLimits
from auditor.engine.ledger import Ledger
from auditor.engine.observer import Observer
from auditor.engine.outage import OutageTimer
from auditor.engine.pace import Pace
from auditor.engine.progress import Progress
from auditor.engine.rate import Halt, HaltedError
from auditor.engine.server_history import ServerHistory
from auditor.engine.store import LabelStore, StoredProbe
from auditor.probes.base import FixedProbe


@dataclass
class EngineState:
    """State that outlives a run.

    Attributes:
        connection: the model.
        store: keeps the labels.
        limits: of cost and pace.
        progress: told about every answer.
        observer: told how every request ended.
        pace: found so far.
        retries: retries that failures of the whole audit may cost.
        outage: how long nothing was answered.
        batch: most inputs per request; lowered when the target calls one too large.
        addresses: how many addresses of the endpoint the observer was told.
        stopped: whether the user stopped the engine.
    """

    connection: Connection
    store: LabelStore
    limits: EngineLimits
    progress: Progress
    observer: Observer
    pace: Pace
    retries: RetryBudget
    outage: OutageTimer
    batch: int
    addresses: int = 0
    stopped: bool = False


@dataclass
class RunState:
    """State of one run.

    Attributes:
        plan_digest: the key of the plan's ledger in the store.
        probes: what to ask.
        stored: the labels known of each.
        budget: queries that may be sent.
        server: what the answers of all runs said about the server.
        names: the classes' names as far as store and observer know them.
        halt: ends every wait of the run.
        ledger: what was asked and paid for.
        digests: of the probes, which compute theirs anew each time.
    """

    plan_digest: str
    probes: Sequence[FixedProbe]
    stored: list[StoredProbe]
    budget: QueryBudget
    server: ServerHistory
    names: ClassNames
    halt: Halt
    ledger: Ledger = field(default_factory=Ledger)
    digests: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.digests = [probe.digest for probe in self.probes]

    def pay_again(self, queries: int) -> None:
        """Charge inputs that are sent another time.

        Raises:
            HaltedError: nothing new may be sent, or they cannot all be paid.
        """
        self.halt.check()
        if not self.budget.take_all(queries):
            self.halt.set()
            raise HaltedError
