"""Runs an adaptive probe through the query engine.

An adaptive probe is a seeded generator: it yields inputs, is sent their labels and decides what
to ask next. Every batch it yields goes through the engine as a fixed probe of its own, keyed by
the digest of its inputs. So the store, the budget, the retries and the ledger treat it like
anything else, and a resumed search replays its answers from the store and goes on.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.engine.engine import EngineResult, Ledger, QueryEngine
from auditor.plan.draw import pick_search_samples
from auditor.plan.plan import AuditPlan
from auditor.probes.base import array_digest, digest_of
from auditor.probes.label_map import LabelMap, draw_label_map
from auditor.probes.trigger_search.per_source import search_sources
from auditor.probes.trigger_search.result import TriggerResult
from auditor.probes.trigger_search.search import search

T = TypeVar("T")
Search = Generator[NDArray[np.float32], NDArray[np.int64], T]


@dataclass(frozen=True)
class BatchProbe:
    """Inputs an adaptive probe asks at once, ``(n, c, h, w)`` float32 in model units."""

    batch: NDArray[np.float32]
    kind: str
    repeat: bool = False

    @cached_property
    def digest(self) -> str:
        """Digest of the inputs."""
        return digest_of("batch/1", self.kind, array_digest(self.batch))

    @property
    def size(self) -> int:
        """Number of inputs."""
        return len(self.batch)

    def inputs(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Inputs number ``indices``, ``(len(indices), c, h, w)``."""
        picked: NDArray[np.float32] = self.batch[indices]
        return picked


@dataclass
class Hunt(Generic[T]):
    """What an adaptive probe came to.

    Attributes:
        outcome: what it returned, or None where it was cut off.
        ledger: what it asked, added up over its batches.
        last: result of the last batch, which tells why it was cut off; None without a batch.
    """

    outcome: T | None = None
    ledger: Ledger = field(default_factory=Ledger)
    last: EngineResult | None = None


async def hunt(engine: QueryEngine, search: Search[T], kind: str, audit: str) -> Hunt[T]:
    """Run ``search`` to its end, or until the budget or the user stops it.

    Args:
        engine: asks; its store keeps the answers.
        search: the adaptive probe.
        kind: its name in the ledger.
        audit: the plan's digest: the key of the ledger.

    Raises:
        AdapterError: a request failed for good; everything answered before is kept.
        AuditError: labels can no longer be saved, or too many requests failed.
    """
    found: Hunt[T] = Hunt()
    try:
        batch = next(search)
        while True:
            asked = await engine.run([BatchProbe(batch, kind)], audit)
            found.last = asked
            found.ledger = add_ledgers(found.ledger, asked.ledger)
            if not asked.complete:
                search.close()
                return found
            batch = search.send(asked.labels[0].astype(np.int64))
    except StopIteration as end:
        found.outcome = end.value
        return found


@dataclass(frozen=True)
class TriggerOutcome:
    """A finished trigger search, and the model's labels of the stamped samples it shows.

    Attributes:
        result: what the search found.
        preview_labels: ``(n,)`` labels of ``result.preview``.
    """

    result: TriggerResult
    preview_labels: NDArray[np.int64]


def trigger_search(plan: AuditPlan, spec: InputSpec) -> Search[TriggerOutcome]:
    """The plan's trigger search, where it finds nothing and the plan says so each source class by
    itself, then one last batch: the stamped samples it shows.
    """
    seed = plan.settings.seed
    first = pick_search_samples(plan.search_classes, seed)
    result = yield from search(
        plan.search_images[first], plan.search_classes[first], spec, plan.trigger, seed
    )
    if plan.trigger.sources and not result.suspicious:
        result = yield from search_sources(plan.search_images, spec, plan.trigger, seed, result)
    labels = yield spec.from_pixels(result.preview)
    return TriggerOutcome(result, labels)


def drawings(plan: AuditPlan) -> Search[tuple[LabelMap, ...]]:
    """The plan's pictures, one after the other."""
    drawn = []
    for number, probe in enumerate(plan.mapped_planes):
        drawn.append((yield from draw_label_map(probe, (plan.settings.seed, number))))
    return tuple(drawn)


def add_ledgers(one: Ledger, two: Ledger) -> Ledger:
    """Both ledgers of one audit as one; what counts all runs is taken from the later one."""
    totals = {
        entry.name: getattr(one, entry.name) + getattr(two, entry.name)
        for entry in fields(Ledger)
        if entry.name not in {"by_probe", "by_status", "unknown", "sent_all_runs"}
    }
    return Ledger(
        **totals,
        by_probe=_added(one.by_probe, two.by_probe),
        by_status=_added(one.by_status, two.by_status),
        unknown=two.unknown,
        sent_all_runs=two.sent_all_runs,
    )


def _added(one: Mapping[str, int], two: Mapping[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + two.get(key, 0) for key in {**one, **two}}
