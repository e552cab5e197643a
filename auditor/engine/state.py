"""State that the parts of an engine share: over all its runs, and within one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from auditor.engine.budgets import OutageTimer, QueryBudget, RetryBudget
from auditor.engine.contract import EngineLimits
from auditor.engine.ledger import Ledger
from auditor.engine.observer import Observer
from auditor.engine.odd_replies import OddReplies
from auditor.engine.progress import Progress
from auditor.engine.rate import Halt, HaltedError, Pace
from auditor.engine.store import LabelStore, StoredProbe
from auditor.engine.target import ClassNames, Connection, ServerHistory
from auditor.probes.base import FixedProbe


@dataclass
class EngineState:
    """State that outlives a run.

    Attributes:
        batch: most inputs per request; lowered when the target calls one too large.
        addresses: number of addresses of the endpoint that the observer has on record.
        stopped: True if the user stopped the engine.
    """

    connection: Connection
    store: LabelStore
    limits: EngineLimits
    progress: Progress
    observer: Observer
    pace: Pace
    retries: RetryBudget
    outage: OutageTimer
    odd: OddReplies
    batch: int
    addresses: int = 0
    stopped: bool = False


@dataclass
class RunState:
    """State of one run of ``engine``.

    Attributes:
        plan_digest: the key of the plan's ledger in the store.
        stored: the labels known of each probe.
        digests: of the probes, which compute theirs anew each time.
    """

    engine: EngineState
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
