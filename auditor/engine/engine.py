"""Asks an oracle every missing label of a list of probes, once, within all limits.

Each worker builds one request, sends it and keeps its answer before it builds the next, so no
worker ever holds more than one request's worth of inputs. What to ask is "the plan minus the
store": resuming after a kill is no special case.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from adapters.contract import LabelOracle
from auditor.engine.contract import EngineLimits, EngineResult
from auditor.engine.memory import keep_freed_memory
from auditor.engine.observer import Observer
from auditor.engine.odd_replies import OddReplies
from auditor.engine.patience import Patience
from auditor.engine.progress import Progress
from auditor.engine.rate import Clock, Halt, Pace
from auditor.engine.requests import Order
from auditor.engine.rounds import Decide
from auditor.engine.run import Run
from auditor.engine.state import EngineState
from auditor.engine.store import LabelStore
from auditor.engine.target import Connection
from auditor.probes.base import FixedProbe


class QueryEngine:
    """Asks ``oracle`` through ``store`` within ``limits``; an ``Engine``.

    Pace, patience and the size of requests carry over from one run to the next.
    """

    def __init__(
        self,
        oracle: LabelOracle,
        store: LabelStore,
        limits: EngineLimits,
        progress: Progress | None = None,
        clock: Clock | None = None,
        observer: Observer | None = None,
    ) -> None:
        keep_freed_memory()
        clock = clock or Clock()
        self._clock, self._halt = clock, Halt(clock)
        self._state = EngineState(
            connection=Connection(oracle),
            store=store,
            limits=limits,
            progress=progress or Progress(),
            observer=observer or Observer(),
            pace=Pace(limits, clock),
            patience=Patience(clock, limits.patience_s, limits.attempts, limits.backoff_s),
            odd=OddReplies(),
        )

    def show_on(self, progress: Progress) -> None:
        """Report every answer to ``progress`` from now on."""
        self._state.progress = progress

    def stop(self) -> None:
        """Send nothing new; requests in flight are awaited and kept. For the event loop only."""
        self._state.stopped = True
        self._halt.set()

    async def run(
        self,
        probes: Sequence[FixedProbe],
        plan_digest: str,
        rounds: Iterable[Order] | None = None,
        decided: Decide | None = None,
    ) -> EngineResult:
        """Ask what is missing of ``probes``; see :class:`auditor.engine.contract.Engine`."""
        self._halt = Halt(self._clock)
        if self._state.stopped:
            self._halt.set()
        run = await Run.open(self._state, probes, plan_digest, self._halt)
        return await run.answer((None,) if rounds is None else rounds, decided)
