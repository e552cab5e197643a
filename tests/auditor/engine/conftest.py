"""A target with a script, a clock that needs no waiting, and one call that runs an engine."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import InputSpec, LabelSpace, PaceHint, WireCount
from auditor.engine.contract import EngineLimits, EngineResult
from auditor.engine.engine import QueryEngine
from auditor.engine.rate import Clock
from auditor.engine.store import LabelStore
from auditor.probes.base import digest_of

SHAPE = (1, 2, 2)


@dataclass(frozen=True)
class ListProbe:
    """Inputs that each hold one number."""

    values: tuple[float, ...]
    repeat: bool = False
    kind: str = "list"

    @property
    def digest(self) -> str:
        return digest_of(self.kind, repr(self.values))

    @property
    def size(self) -> int:
        return len(self.values)

    def inputs(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        picked = np.array(self.values, dtype=np.float32)[indices]
        return np.broadcast_to(picked.reshape(-1, 1, 1, 1), (len(indices), *SHAPE)).copy()


def truth(values: Sequence[float]) -> list[int]:
    """Labels the scripted target gives."""
    return [int(value) * 7 % 31 for value in values]


class FakeClock:
    """Time that passes only when every coroutine waits for it and every commit is done."""

    def __init__(self) -> None:
        self.time = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._commits = 0
        self.clock = Clock(lambda: self.time, self.sleep, lambda: self.time)

    async def sleep(self, seconds: float) -> None:
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.time + seconds, next(self._numbers), turn))
        await turn

    def attend(self, store: LabelStore) -> None:
        """Let no time pass while a commit is awaited."""
        call = store._writer.call

        async def counted(work: Callable[[], Any]) -> Any:
            self._commits += 1
            try:
                return await call(work)
            finally:
                self._commits -= 1

        store._writer.call = counted  # type: ignore[method-assign]  # for this test only

    async def drive(self) -> None:
        """Move on to the next sleeper's time whenever every coroutine waits for it."""
        while True:
            for _ in range(12):
                await asyncio.sleep(0)
                if self._commits:
                    break
            else:
                self._wake_next()

    def _wake_next(self) -> None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        if self._sleepers:
            until, _, turn = heapq.heappop(self._sleepers)
            self.time = max(self.time, until)
            turn.set_result(None)


Script = Callable[["ScriptedOracle", NDArray[np.float32]], Awaitable[NDArray[Any] | None]]


@dataclass
class ScriptedOracle:
    """Answers by :func:`truth`, unless its script says otherwise, and records what it saw."""

    script: Script | None = None
    max_batch: int = 4
    clock: FakeClock | None = None
    access: str = "float"
    label_space: LabelSpace = field(default_factory=LabelSpace)
    fingerprint: str = "scripted"
    hints: list[PaceHint | None] = field(default_factory=list)
    asked: Counter[float] = field(default_factory=Counter)
    calls: list[tuple[float, int]] = field(default_factory=list)
    in_flight: int = 0
    peaks: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.input_spec = InputSpec(SHAPE, (0.0,), (255.0,), access=self.access)  # type: ignore[arg-type]  # one of two words
        self.description: dict[str, Any] = {}
        self.wire = WireCount()

    async def predict_labels(self, batch: NDArray[np.float32]) -> NDArray[np.int64]:
        values = batch[:, 0, 0, 0].tolist()
        self.asked.update(values)
        self.calls.append((self.clock.time if self.clock else 0.0, len(values)))
        self.in_flight += 1
        self.peaks.append(self.in_flight)
        try:
            scripted = None if self.script is None else await self.script(self, batch)
        finally:
            self.in_flight -= 1
        return np.array(truth(values)) if scripted is None else scripted

    def request_bytes(self, n: int) -> int:
        return n

    def take_pace_hint(self) -> PaceHint | None:
        return self.hints.pop(0) if self.hints else None

    async def aclose(self) -> None:
        pass

    @property
    def queries(self) -> int:
        return self.asked.total()


@dataclass
class Lab:
    """Runs engines on one store file."""

    path: Path
    truth = staticmethod(truth)
    Probe = ListProbe
    Oracle = ScriptedOracle
    FakeClock = FakeClock

    def run(
        self,
        probes: Sequence[Any],
        oracle: Any,
        *,
        watch: Callable[[QueryEngine, LabelStore], Awaitable[None]] | None = None,
        progress: Any = None,
        plan_digest: str = "audit",
        rounds: Any = None,
        decided: Any = None,
        **limits: Any,
    ) -> EngineResult:
        """One run of a fresh engine; ``watch`` runs beside it."""
        order = (rounds, decided)
        return asyncio.run(self.start(probes, oracle, watch, progress, plan_digest, limits, order))

    async def start(
        self,
        probes: Sequence[Any],
        oracle: Any,
        watch: Any,
        progress: Any,
        plan_digest: str,
        limits: dict[str, Any],
        order: tuple[Any, Any] = (None, None),
    ) -> EngineResult:
        store = LabelStore(self.path)
        fake = getattr(oracle, "clock", None)
        clock = fake.clock if fake else None
        engine = QueryEngine(oracle, store, EngineLimits(**limits), progress, clock)
        beside = []
        if fake:
            fake.attend(store)
            beside.append(asyncio.create_task(fake.drive()))
        if watch is not None:
            beside.append(asyncio.create_task(watch(engine, store)))
        try:
            return await engine.run(probes, plan_digest, *order)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            store.close()

    def totals(self, plan_digest: str = "audit") -> dict[str, int]:
        """The ledger of all runs, from the file."""

        async def read() -> dict[str, int]:
            store = LabelStore(self.path)
            try:
                return (await store.account(plan_digest))[0]
            finally:
                store.close()

        return asyncio.run(read())


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Back-offs have jitter; a test's must be the same each time."""
    random.seed(7)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "labels.sqlite3")
