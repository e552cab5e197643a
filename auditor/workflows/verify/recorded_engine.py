"""An engine that answers from the label log of a finished audit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.engine.adaptive import BatchProbe
from auditor.engine.contract import EngineResult
from auditor.engine.ledger import Ledger
from auditor.engine.progress import Progress
from auditor.engine.requests import Order
from auditor.engine.rounds import Decide, early_end
from auditor.engine.store import NOT_ASKED
from auditor.errors import EvidenceError
from auditor.evidence.chain import Chain
from auditor.evidence.log_rows import KnownProbe
from auditor.probes.base import FixedProbe


class RecordedEngine:
    """Labels of the log's last run, which must have asked the same things in the same order.

    Args:
        chain: the log, read with its answers.
        compare: True if the images are there, so that the inputs can be compared.
        deferred: True if the run left inputs to be answered later.

    Attributes:
        batches: batches of adaptive probes that were asked.
        differ: those of them that hold other inputs than the log's.
    """

    def __init__(self, chain: Chain, *, compare: bool, deferred: bool) -> None:
        self._probes, self._compare, self._deferred = chain.probes, compare, deferred
        self._asked = iter(chain.runs[-1].asked)
        self._answers = iter(chain.runs[-1].answers)
        self.batches = self.differ = 0

    def show_on(self, progress: Progress) -> None:
        """Show nothing: the answers are known at once."""

    async def run(
        self,
        probes: Sequence[FixedProbe],
        plan_digest: str,  # noqa: ARG002 - the log is of one plan
        rounds: Iterable[Order] | None = None,
        decided: Decide | None = None,
    ) -> EngineResult:
        """Labels of ``probes`` as the log has them; see :class:`auditor.engine.contract.Engine`.

        Raises:
            EvidenceError: the log has other questions at this place.
        """
        for pair in zip(probes, self._next(probes), strict=True):
            self._compare_inputs(*pair)
        labels = [labels.copy() for labels in next(self._answers)]
        early = None
        if decided is not None and rounds is not None:
            early = early_end(labels, rounds, decided)
        missing = _missing(early or labels)
        return EngineResult(
            early or labels,
            Ledger(),
            budget_reached=False,
            stopped=False,
            decided=early is not None and missing > 0,
            deferred=missing if self._deferred and early is None else 0,
        )

    def end(self) -> None:
        """Refuse a log that asks more than the audit does.

        Raises:
            EvidenceError: it does.
        """
        if next(self._asked, None) is not None:
            raise EvidenceError("the log goes on after the audit's last question")

    def _next(self, probes: Sequence[FixedProbe]) -> list[KnownProbe]:
        numbers = next(self._asked, None)
        if numbers is None:
            raise EvidenceError("the log ends before the audit's last question")
        known = [self._probes[number] for number in numbers]
        sizes = [probe.size for probe in known]
        if sizes != [probe.size for probe in probes]:
            raise EvidenceError(
                f"the audit asks {sum(probe.size for probe in probes)} inputs where the log has "
                f"{sum(sizes)}: the labels before them lead elsewhere"
            )
        return known

    def _compare_inputs(self, probe: FixedProbe, known: KnownProbe) -> None:
        adaptive = isinstance(probe, BatchProbe)
        self.batches += adaptive
        if probe.kind != known.kind:
            raise EvidenceError(f"the log asks a {known.kind[:40]} where the audit asks another")
        if adaptive and not self._compare:
            return  # without the images its inputs are made of noise, and cannot be the same
        if probe.digest != known.digest:
            if not adaptive:
                raise EvidenceError(f"the log asks another {probe.kind[:40]} than the plan")
            self.differ += 1


def _missing(labels: Sequence[NDArray[np.uint16]]) -> int:
    return sum(int((one == NOT_ASKED).sum()) for one in labels)
