"""Rows of the label log: the inputs they are about, and their totals."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.errors import EvidenceError
from auditor.evidence.record_types import LogRow

LABELLED = frozenset({"ok", "cached", "twin"})
FEW = 50
"""Labels of one probe from which on they are put together, not one by one."""
FREE = frozenset({"cached", "twin", "void"})
"""Rows for which nothing was sent."""


@dataclass
class KnownProbe:
    """A probe that the log names: ``labels`` ``(size,)`` uint16 as the log gives them."""

    number: int
    kind: str
    digest: str
    size: int
    labels: NDArray[np.uint16]


class Places:
    """The inputs of one ``ask``, counted through its ``probes`` in the order asked."""

    def __init__(self, probes: Sequence[KnownProbe]) -> None:
        self.probes = probes
        self.starts = np.cumsum([0, *(probe.size for probe in probes)], dtype=np.int64)
        self._starts: list[int] = self.starts.tolist()
        self.size = self._starts[-1]

    def put(self, at: NDArray[np.int64], labels: NDArray[Any]) -> None:
        """Give the inputs ``at`` their ``labels``."""
        if not len(at):
            return
        listed = at.tolist()
        first = bisect_right(self._starts, listed[0]) - 1
        start, end = self._starts[first : first + 2]
        if start <= min(listed) and max(listed) < end:  # nearly always
            self.probes[first].labels[at - start] = labels
            return
        owner = np.searchsorted(self.starts, at, side="right") - 1
        order = np.argsort(owner, kind="stable")
        owner, at, labels = owner[order], at[order], labels[order]
        ends = [*(np.flatnonzero(np.diff(owner)) + 1).tolist(), len(owner)]
        if len(at) < FEW * len(ends):
            inner = (at - self.starts[owner]).tolist()
            for number, place, label in zip(owner.tolist(), inner, labels.tolist(), strict=True):
                self.probes[number].labels[place] = label
            return
        for start, end in zip([0, *ends], ends, strict=False):
            number = owner[start]
            here = at[start:end] - self.starts[number]
            self.probes[number].labels[here] = labels[start:end]


@dataclass
class RowTotals:
    """Totals of the rows of one run; in queries except ``requests`` and ``by_status``."""

    sent: int = 0
    retried: int = 0
    requests: int = 0
    deduplicated: int = 0
    cached: int = 0
    unknown: int = 0
    by_status: dict[str, int] = field(default_factory=dict)

    def count(self, row: LogRow, size: int) -> None:
        """Add one row of ``size`` inputs; an EvidenceError if it names no request, but was sent."""
        if row.status == "twin":
            self.deduplicated += size
        elif row.status == "cached":
            self.cached += size
        if row.status in FREE:
            return
        self.sent += size
        self.requests += 1
        if row.request is None:
            raise EvidenceError("a row was sent without a request")
        how = row.status if row.reply == "" else str(row.reply)
        self.by_status[how] = self.by_status.get(how, 0) + 1
        self.retried += size if row.sending > 1 else 0
        self.unknown += size if row.unknown else 0
