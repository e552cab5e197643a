"""Runs an adaptive probe through an engine.

An adaptive probe is a seeded generator: it yields inputs, is sent their labels and chooses the
next ones. Every batch goes through the engine as a fixed probe of its own, keyed by the digest of
its inputs, so a resumed search replays its answers from the store and goes on.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from auditor.engine.contract import Engine, EngineResult
from auditor.engine.ledger import Ledger, add_ledgers
from auditor.engine.one_thread import on_one_thread
from auditor.plan.adaptive import Search, T
from auditor.probes.base import Pictures, array_digest, digest_of


@dataclass(frozen=True)
class BatchProbe:
    """Inputs an adaptive probe asks at once, ``(n, c, h, w)`` in model units.

    Pictures are hashed ``by_pixels``, each once, or in model units as earlier plans had them.
    """

    batch: NDArray[np.float32] | Pictures
    kind: str
    by_pixels: bool = True
    repeat: bool = False

    @cached_property
    def digest(self) -> str:
        """Digest of the inputs."""
        if self.hashes is None or not isinstance(self.batch, Pictures):
            return digest_of("batch/1", self.kind, array_digest(self.batch))
        spec = self.batch.spec
        form = f"{spec.shape} {spec.low} {spec.high}"
        return digest_of("batch/2", self.kind, form, *self.hashes)

    @cached_property
    def hashes(self) -> list[bytes] | None:
        """SHA-256 of the 8-bit pixels of each picture, or None."""
        if self.by_pixels and isinstance(self.batch, Pictures):
            return self.batch.hashes()
        return None

    @property
    def size(self) -> int:
        """Number of inputs."""
        return len(self.batch)

    def inputs(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Inputs number ``indices``, ``(len(indices), c, h, w)``: of a run of them no copy."""
        if len(indices) and (np.diff(indices) == 1).all():
            return self.batch[int(indices[0]) : int(indices[-1]) + 1]
        return self.batch[indices]


@dataclass
class SearchRun(Generic[T]):
    """An adaptive probe that was run to its end, or cut off.

    Attributes:
        outcome: its return value, or None if it was cut off.
        ledger: account of all its batches.
        last: result of the last batch, which says why it was cut off; None without a batch.
    """

    outcome: T | None = None
    ledger: Ledger = field(default_factory=Ledger)
    last: EngineResult | None = None


async def run_search(
    engine: Engine, search: Search[T], kind: str, plan_digest: str, *, by_pixels: bool = True
) -> SearchRun[T]:
    """Run ``search``, called ``kind`` in the ledger, to its end or until budget or user stop it;
    ``by_pixels`` as in :class:`BatchProbe`.

    Raises:
        AdapterError: a request failed for good; everything answered before is kept.
        AuditError: labels can no longer be saved, or too many requests failed.
    """
    found: SearchRun[T] = SearchRun()
    try:
        probe = BatchProbe(on_one_thread(lambda: next(search)), kind, by_pixels)
        while True:
            found.last = await engine.run([probe], plan_digest)
            del probe  # before the search makes the next one: both may be large
            found.ledger = add_ledgers(found.ledger, found.last.ledger)
            if not found.last.complete:
                search.close()
                return found
            answers = found.last.labels[0].astype(np.int64)
            step = functools.partial(search.send, answers)
            probe = BatchProbe(on_one_thread(step), kind, by_pixels)
    except StopIteration as end:
        found.outcome = end.value
        return found
