"""One model in several processes of this machine, so that a single large audit uses all its cores.

The first replica is the one that the audit opens anyway: it answers while the others start, so that
nothing waits for them. Each runs in its own sandbox and is reached over shared memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Iterator

from adapters.contract import Batch, LabelOracle, Labels
from adapters.errors import ModelStopped
from auditor.fleet.spread import SpreadOracle, ask_replica, same_again, shareable, spread
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import LocatedTarget


@contextlib.contextmanager
def in_processes(request: AuditRequest, count: int) -> Iterator[AuditRequest]:
    """``request`` with its model in ``count`` processes of this machine.

    Raises:
        UsageError: it is no model file.
    """
    beside = functools.partial(SideBySide, count=count)
    yield spread(request, shareable(request, count), count, beside)


MOST_REPLACED = 3
"""Most processes that are started in the place of dead ones, and most deaths after which a batch is
asked of another one."""


class SideBySide(SpreadOracle):
    """Asks whichever of ``count`` replicas has least to do; ``inner`` is the first. One that
    dies is replaced, ``MOST_REPLACED`` times in all.
    """

    def __init__(self, located: LocatedTarget, inner: LabelOracle, count: int) -> None:
        super().__init__(located, inner)
        self._located = located
        self._busy: dict[LabelOracle, int] = {inner: 0}
        self._dead: list[LabelOracle] = []
        self._starting = [asyncio.create_task(self._start()) for _ in range(count - 1)]
        self._deaths: list[ModelStopped] = []

    async def _start(self) -> None:
        """Open one more replica; one that dies as it starts is replaced like any other."""
        try:
            self._busy[await same_again(self._located, self.fingerprint)] = 0
        except ModelStopped as error:
            self._died(error)

    def _died(self, error: ModelStopped) -> None:
        self._deaths.append(error)
        if len(self._deaths) <= MOST_REPLACED:
            self._starting.append(asyncio.create_task(self._start()))

    async def predict_labels(self, batch: Batch) -> Labels:
        """See :meth:`adapters.contract.LabelOracle.predict_labels`. A batch whose process died is
        asked of another one, unless that happens again and again; the last process to die ends the
        audit.
        """
        self.wire.requests += 1
        deaths = 0
        while True:
            await self._ready()
            replica = min(self._busy, key=self._busy.__getitem__)
            self._busy[replica] += 1
            try:
                return self.learn(await ask_replica(replica, batch))
            except ModelStopped as error:
                deaths += 1
                self._bury(replica, error)
                if deaths > MOST_REPLACED:
                    raise
            finally:
                if replica in self._busy:
                    self._busy[replica] -= 1

    def _bury(self, replica: LabelOracle, error: ModelStopped) -> None:
        """Give up ``replica``, which ended with ``error``."""
        if self._busy.pop(replica, None) is not None:  # no other batch found it dead before
            self._dead.append(replica)  # it is closed with the others, not in mid-request
            self._died(error)

    async def _ready(self) -> None:
        """Wait until a replica can be asked; raise the last death if none is left, or what else
        kept one from starting.
        """
        while True:
            for started in (one for one in self._starting if one.done()):
                started.result()
            waited = [started for started in self._starting if not started.done()]
            if self._busy:
                return
            if not waited:
                raise self._deaths[-1]
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)

    async def aclose(self) -> None:
        """Close all replicas."""
        # One that is half open cannot be closed; of one that failed nobody has to hear any more.
        while any(not started.done() for started in self._starting):
            await asyncio.gather(*self._starting, return_exceptions=True)
        for replica in {*self._busy, *self._dead}:
            await replica.aclose()
