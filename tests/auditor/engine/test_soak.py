"""A server that stumbles at random, for many requests: no label lost, shifted or asked twice."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.http import open_oracle
from adapters.target import read_target
from auditor.engine.contract import EngineLimits, EngineResult
from auditor.engine.engine import QueryEngine
from auditor.engine.store import LabelStore
from auditor.probes.base import digest_of
from tests.adapters.http._stumbles import WITH_LABELS, WITHOUT_LABELS, StumblingServer

ONE_AUDIT = 44 * 16
"""Points of one audit: 44 planes of 16."""
REPEATED = 150
TOGETHER = 50
"""Audits' worth of one store."""


def label(value: float) -> int:
    return int(value) * 7919 % 23


@dataclass(frozen=True)
class Numbers:
    """Inputs that are the numbers from ``first`` on."""

    first: int
    size: int
    repeat: bool = False
    kind: str = "numbers"

    @property
    def digest(self) -> str:
        return digest_of(self.kind, f"{self.first} {self.size} {self.repeat}")

    def inputs(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        return (indices + self.first).astype(np.float32).reshape(-1, 1, 1, 1)


def table(url: str, transport: str) -> dict[str, Any]:
    return {
        "url": url,
        "transport": transport,
        "input": {"shape": [1, 1, 1], "range": [0, 1]},
        "batch": {"max": 16},
        "response": {"path": "labels", "kind": "index"},
    }


async def audits_worth(
    number: int, folder: Path, server: StumblingServer, transport: str
) -> list[EngineResult]:
    """The results of ``number`` audits' worth of inputs, asked anew for every fifty."""
    results = []
    async with server.serving() as url:
        oracle = await open_oracle(read_target(table(url, transport)))
        for part in range(0, number, TOGETHER):
            size = min(TOGETHER, number - part) * ONE_AUDIT
            store = LabelStore(folder / f"{part}.sqlite3")
            probes = [Numbers(0, size), Numbers(0, REPEATED, repeat=True)]
            engine = QueryEngine(oracle, store, EngineLimits(backoff_s=0.001))
            try:
                results.append(await engine.run(probes, "soak"))
            finally:
                store.close()
        await oracle.aclose()
    return results


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
@pytest.mark.parametrize(
    "audits", [8, pytest.param(2000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
def test_no_label_is_lost_shifted_or_bought_twice(
    audits: int, transport: str, tmp_path: Path
) -> None:
    random.seed(5)
    server = StumblingServer(
        lambda inputs: [label(one[0][0][0]) for one in inputs], seed=audits, lost=0.06, odd=0.1
    )
    results = asyncio.run(audits_worth(audits, tmp_path, server, transport))
    bought: dict[str, int] = {}
    for result in results:
        (asked, again), ledger = result.labels, result.ledger
        assert asked.tolist() == [label(n) for n in range(len(asked))]
        assert again.tolist() == asked[:REPEATED].tolist()
        assert ledger.sent - ledger.retried == ledger.planned
        for name in map(str, range(len(asked))):
            bought[name] = bought.get(name, 0) + (2 if int(name) < REPEATED else 1)
    # Every input was answered with its label as often as it was wanted, and never once more.
    assert {n.strip("[]").removesuffix(".0"): count for n, count in server.given.items()} == bought
    assert server.asked.total() == sum(result.ledger.sent for result in results)
    assert any("without labels" in how for how in results[0].ledger.by_status)
    assert len(server.stumbles) > 0.5 * len({**WITH_LABELS, **WITHOUT_LABELS})
