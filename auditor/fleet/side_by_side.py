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


class SideBySide(SpreadOracle):
    """Asks whichever of ``count`` replicas has least to do; ``inner`` is the first of them."""

    def __init__(self, located: LocatedTarget, inner: LabelOracle, count: int) -> None:
        super().__init__(located, inner)
        self._busy: dict[LabelOracle, int] = {inner: 0}
        self._dead: set[LabelOracle] = set()
        self._starting = [asyncio.create_task(self._start(located)) for _ in range(count - 1)]

    async def _start(self, located: LocatedTarget) -> None:
        self._busy[await same_again(located, self.fingerprint)] = 0

    async def predict_labels(self, batch: Batch) -> Labels:
        """See :meth:`adapters.contract.LabelOracle.predict_labels`. A batch whose process died is
        asked of another one; the last to die ends the audit.
        """
        self.wire.requests += 1
        while True:
            self._refuse_failed()
            replica = min(self._busy, key=self._busy.__getitem__)
            self._busy[replica] += 1
            try:
                return self.learn(await ask_replica(replica, batch))
            except ModelStopped:
                self._busy.pop(replica, None)  # it is closed with the others, not in mid-request
                self._dead.add(replica)
                if not self._busy and self._starting:
                    await asyncio.wait(self._starting)
                if not self._busy:
                    raise
            finally:
                if replica in self._busy:
                    self._busy[replica] -= 1

    def _refuse_failed(self) -> None:
        """Raise the error of a replica that did not start."""
        for started in self._starting:
            if started.done() and not started.cancelled() and (error := started.exception()):
                raise error

    async def aclose(self) -> None:
        """Close all replicas."""
        # One that is half open cannot be closed; of one that failed nobody has to hear any more.
        await asyncio.gather(*self._starting, return_exceptions=True)
        for replica in {*self._busy, *self._dead}:
            await replica.aclose()
