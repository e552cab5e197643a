"""State that the parts of an engine share: over all its runs, and within one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from adapters.contract import PaceHint
from auditor.engine.batch_size import LargestRequest
from auditor.engine.budgets import QueryBudget
from auditor.engine.contract import EngineLimits
from auditor.engine.ledger import Ledger
from auditor.engine.observer import Observer
from auditor.engine.odd_replies import OddReplies
from auditor.engine.patience import Patience
from auditor.engine.progress import Progress, span_text
from auditor.engine.rate import Halt, HaltedError, Pace
from auditor.engine.store import LabelStore, StoredProbe
from auditor.engine.target import ClassNames, Connection, ServerHistory
from auditor.probes.base import FixedProbe


@dataclass
class EngineState:
    """State that outlives a run.

    Attributes:
        size: most inputs per request that the target was not found to fail for.
        addresses: number of addresses of the endpoint that the observer has on record.
        stopped: True if the user stopped the engine.
        noted: True if the user was told of the outage that goes on.
    """

    connection: Connection
    store: LabelStore
    limits: EngineLimits
    progress: Progress
    observer: Observer
    pace: Pace
    patience: Patience
    odd: OddReplies
    size: LargestRequest = field(default_factory=LargestRequest)
    addresses: int = 0
    stopped: bool = False
    noted: bool = False

    @property
    def batch(self) -> int:
        """Most inputs per request."""
        return int(min(self.size.most, self.connection.batch))

    def forget_failures(self) -> None:
        """Count the failures anew that end a run if they are many: those so far had one reason,
        which is done away with.
        """
        self.patience.forget_failures()
        self.odd = OddReplies()

    def note_outage(self, error: Exception) -> None:
        """Tell the user, once, that nothing is answered because of ``error``."""
        if not self.noted:
            self.noted = True
            longest = span_text(self.patience.seconds)
            self.progress.note(f"{error}; asking again for up to {longest} (--patience).")

    def answered(self, sent_at: float, hint: PaceHint | None) -> None:
        """Take in an answer to a request of ``sent_at``, and its ``hint`` about the quota."""
        was = self.pace.learnt.interval
        lost, self.noted = self.patience.answered(), False
        self.pace.answered(hint, sent_at)
        interval = self.pace.learnt.interval
        if lost or interval != was:
            self.progress.paced(lost, self.batch / interval if interval else None)


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
