"""What replicas of one model have in common, wherever they run."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from adapters.contract import Batch, InputSpec, LabelOracle, Labels, LabelSpace, WireCount
from adapters.errors import TargetError
from auditor.fleet.spread import PER_TASK, SpreadOracle, ask_replica, shareable
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import LocatedTarget


class OneAtATime(LabelOracle):
    """A model that takes one input at a time, and is given more together the more it was asked."""

    def __init__(self) -> None:
        self.input_spec = InputSpec((1, 2, 2), (0.0,), (1.0,))
        self.label_space = LabelSpace(["a", "b", "c"])
        self.fingerprint, self.description, self.max_batch, self.group = "one", {}, 1, 1
        self.wire = WireCount()

    async def predict_labels(self, batch: Batch) -> Labels:
        assert len(batch) <= self.group
        self.group = max(self.group, 2 * len(batch))
        return np.zeros(len(batch), dtype=np.int64)

    async def aclose(self) -> None:
        pass


class Spread(SpreadOracle):
    """Asks a fresh replica each time, as a worker that joins late is."""

    async def predict_labels(self, batch: Batch) -> Labels:
        return self.learn(await ask_replica(OneAtATime(), batch))

    async def aclose(self) -> None:
        pass


@pytest.fixture
def located(request_for: Callable[..., AuditRequest], tmp_path: Path) -> LocatedTarget:
    return shareable(request_for(tmp_path), 2)


def test_a_replica_that_joins_late_takes_what_others_were_seen_to_take(
    located: LocatedTarget,
) -> None:
    spread, sizes = Spread(located, OneAtATime()), []
    for _ in range(6):
        sizes.append(spread.group)
        asyncio.run(spread.predict_labels(np.zeros((spread.group, 1, 2, 2), dtype=np.float32)))
    assert sizes == [1, 2, 4, 8, PER_TASK, PER_TASK]


def test_names_that_are_learned_as_they_come_are_refused(located: LocatedTarget) -> None:
    inner = OneAtATime()
    inner.label_space = LabelSpace([], open=True)
    with pytest.raises(TargetError, match="state them with --classes"):
        Spread(located, inner)


def test_the_cores_are_shared_unless_threads_are_stated(
    request_for: Callable[..., AuditRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    stated = request_for(tmp_path)
    assert stated.target.target is not None
    free = dataclasses.replace(stated.target.target, threads=None)
    unstated = dataclasses.replace(stated, target=dataclasses.replace(stated.target, target=free))

    def threads(request: AuditRequest, count: int | None) -> int | None:
        described = shareable(request, count).target
        assert described is not None
        return described.threads

    assert [threads(unstated, 2), threads(unstated, None), threads(stated, 2)] == [4, None, 1]
