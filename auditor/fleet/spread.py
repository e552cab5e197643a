"""A model asked in several places at once: what its replicas have in common, wherever they run."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from adapters.contract import Batch, GroupingOracle, LabelOracle, Labels, WireCount
from adapters.errors import ModelFileError, TargetError
from auditor.errors import UsageError
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import LocatedTarget, locate

AHEAD = 2
"""Tasks handed out for each worker: one runs, one waits beside it."""
PER_TASK = 16
"""Most inputs of one task, unless the target states a batch: an audit asks some hundred at a time,
which are to be shared out."""


AskedBy = Callable[[LocatedTarget, LabelOracle], LabelOracle]
"""Makes the oracle that asks all replicas of the model at a place from the first of them."""


def shareable(request: AuditRequest, count: int | None) -> LocatedTarget:
    """The model of ``request`` as each of its replicas opens it; ``count`` of them share the cores
    of this machine, None run elsewhere.

    Raises:
        UsageError: it is no model file.
    """
    described = request.target.target
    if described is None or not request.target.is_file:
        raise UsageError(
            "--workers and --scheduler are for model files, which each worker opens; a server "
            "answers many requests at once by itself: raise --concurrency"
        )
    if count is not None and described.threads is None:
        described = replace(described, threads=max(1, (os.cpu_count() or 1) // count))
    if Path(described.location).exists():
        described = replace(described, location=str(Path(described.location).absolute()))
    return locate(described, request.samples)


def spread(
    request: AuditRequest, located: LocatedTarget, places: int, asked_by: AskedBy
) -> AuditRequest:
    """``request`` with its model, which lies at ``located``, asked in so many ``places`` at once by
    the oracle that ``asked_by`` makes of the first replica.
    """
    ahead = AHEAD * places
    limits = replace(request.limits, concurrency=max(ahead, request.limits.concurrency))
    opening = functools.partial(_open, located, asked_by)
    return replace(request, target=replace(located, open=opening, concurrency=ahead), limits=limits)


async def _open(located: LocatedTarget, asked_by: AskedBy) -> LabelOracle:
    inner = await located.open()
    try:
        return asked_by(located, inner)
    except BaseException:
        await inner.aclose()
        raise


async def same_again(located: LocatedTarget, fingerprint: str) -> LabelOracle:
    """One more replica of the model with ``fingerprint``.

    Raises:
        ModelFileError: another model lies at its place.
    """
    oracle = await located.open()
    if oracle.fingerprint != fingerprint:
        await oracle.aclose()
        raise ModelFileError(
            "a worker holds another model file at the same path, or runs it with another runtime"
        )
    return oracle


@dataclass(frozen=True)
class ReplicaReply:
    """Answer of a replica.

    Attributes:
        labels: of the inputs it was asked about.
        size: number of classes, as far as it knows.
        group: most inputs that a call to it may carry now.
    """

    labels: Labels
    size: int | None
    group: int


async def ask_replica(replica: LabelOracle, batch: Batch) -> ReplicaReply:
    """Ask ``replica``, which may get as many inputs together as another one was seen to take."""
    if not isinstance(replica, GroupingOracle):
        return ReplicaReply(
            await replica.predict_labels(batch), replica.label_space.size, replica.max_batch
        )
    replica.group = max(replica.group, len(batch))
    labels = await replica.predict_labels(batch)
    return ReplicaReply(labels, replica.label_space.size, replica.group)


class SpreadOracle(LabelOracle):
    """Replicas of ``inner``, the model as this process has it open, which says what they are.

    Raises:
        TargetError: they would number its classes differently.
    """

    def __init__(self, located: LocatedTarget, inner: LabelOracle) -> None:
        if inner.label_space.open:
            raise TargetError(
                "the model names its classes as it answers, so workers would number them "
                "differently: state them with --classes"
            )
        self.input_spec, self.label_space = inner.input_spec, inner.label_space
        self.fingerprint, self.description = inner.fingerprint, inner.description
        padded = int(inner.description.get("input", {}).get("padded_to", 1))
        stated = located.target is not None and located.target.batch is not None
        self._most = inner.max_batch if stated else max(padded, PER_TASK)
        self.max_batch = min(inner.max_batch, self._most)
        self.group = self.max_batch
        self.wire = WireCount()
        self.inner = inner

    def learn(self, reply: ReplicaReply) -> Labels:
        """The labels of a reply; the first ones tell the number of classes, and how many inputs a
        model that takes one at a time is given together.
        """
        if self.label_space.size is None:
            self.label_space.size = reply.size
        self.group = max(self.group, min(reply.group, self._most))
        return reply.labels
