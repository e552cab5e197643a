"""How much of a slow server's possible rate does the tool reach, and does it keep to limits?

    python -m examples.benchmarks pace [--rounds 10]

A server on loopback in a process of its own answers each request after 50 ms and notes when it
came. Without a limit the possible rate is the requests in flight over those 50 ms; with one, it is
the limit. Ramp-up and the last requests count as the tool's loss. A bare loop that sends the same
bodies with as many in flight, in turns with the tool, shows what the machine allows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import numpy as np

from adapters.registry import open_oracle
from adapters.target import HttpOptions, Target
from auditor.engine.contract import EngineLimits
from auditor.engine.engine import QueryEngine
from auditor.engine.store import LabelStore
from auditor.probes.plane import PlaneProbe
from examples.benchmarks.client_cpu.run import binary_body
from examples.benchmarks.client_cpu.server import served
from examples.benchmarks.machine import machine
from examples.benchmarks.stored import write_page

PAGE = Path(__file__).with_name("README.md")
DELAY_S, IN_FLIGHT, SIDE = 0.05, 32, 16


@dataclass(frozen=True)
class Case:
    """One row of the page: inputs a request, requests, and the limit of requests a second."""

    batch: int
    requests: int
    limit: float | None

    @property
    def possible(self) -> float:
        """Requests a second that could be answered."""
        return min(self.limit or float("inf"), IN_FLIGHT / DELAY_S)


CASES = (
    Case(1, 6400, None),
    Case(16, 3200, None),
    Case(1, 60, 10.0),
    Case(1, 300, 100.0),
    Case(1, 1200, 400.0),
)


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    lines = [
        "# What the tool makes of a slow server's possible rate",
        "",
        f"Made by `make bench BENCH=pace`: {options.rounds} rounds of every row, medians (smallest "
        f"to largest). The server answers after {1000 * DELAY_S:.0f} ms, {IN_FLIGHT} requests in "
        f"flight, aiohttp, {SIDE} pixels, V2 binary. {machine()}.",
        "",
        "Rate: requests over the time from the first to the last one that reached the server. A "
        "bare aiohttp loop sends the same bodies, 32 in flight, in turns with the tool where there "
        "is no limit. Most in a second: requests in any window of a second, over the limit.",
        "",
        "| inputs a request | limit, requests/s | requests | share of the possible rate "
        "| the bare loop's share | tool over bare loop | most in a second over the limit |",
        "|---|---|---|---|---|---|---|",
    ]
    rows: dict[Case, list[tuple[float, float, float]]] = {case: [] for case in CASES}
    with served((3, SIDE, SIDE), DELAY_S) as address:
        for _ in range(options.rounds):
            for case, found in rows.items():
                bare = _measured(_bare, case, address)[0] if case.limit is None else 0.0
                found.append((*_measured(_ask, case, address), bare))
    for case, found in rows.items():
        lines.append(_row(case, found))
        print(lines[-1], flush=True)
    write_page(PAGE, "\n".join(lines))


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def _row(case: Case, found: list[tuple[float, float, float]]) -> str:
    shares, most, bare = ([one[part] for one in found] for part in range(3))
    head = f"| {case.batch} | {case.limit or 'none'} | {case.requests:,} | {_spread(shares)} |"
    if case.limit is not None:
        return f"{head} – | – | {_spread(most)} |"
    over = [tool / loop for tool, loop in zip(shares, bare, strict=True)]
    return f"{head} {_spread(bare)} | {_spread(over)} | – |"


def _measured(
    way: Callable[[Case, str], Awaitable[None]], case: Case, address: str
) -> tuple[float, float]:
    """Share of the possible rate, and the most requests within a second over the limit."""

    async def asked() -> None:
        await way(case, address)

    asyncio.run(asked())
    with urllib.request.urlopen(f"{address}/times") as reply:  # noqa: S310 - our own server
        times = np.array(json.load(reply))
    assert len(times) == case.requests
    rate = (len(times) - 1) / (times[-1] - times[0])
    # A window that begins with a request holds the most.
    inside = np.searchsorted(times, times + 1.0, side="left") - np.arange(len(times))
    return rate / case.possible, inside.max() / (case.limit or 1.0)


async def _bare(case: Case, address: str) -> None:
    batch = np.zeros((case.batch, 3, SIDE, SIDE), dtype=np.float32)
    body, headers = binary_body(batch)
    url, left = f"{address}/{case.batch}/v2/models/m/infer", iter(range(case.requests))
    async with aiohttp.ClientSession() as session:

        async def worker() -> None:
            for _ in left:
                async with session.post(url, data=body, headers=headers) as reply:
                    json.loads(await reply.read())

        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))


async def _ask(case: Case, address: str) -> None:
    target = Target(
        "http",
        f"{address}/{case.batch}/v2/models/m",
        http=HttpOptions(protocol="v2-binary", transport="aiohttp"),
        value_range=(0.0, 1.0),
        shape=(3, SIDE, SIDE),
        batch=case.batch,
    )
    samples = np.random.default_rng(0).random((3, 3, SIDE, SIDE), dtype=np.float32)
    side = int(np.ceil((case.requests * case.batch) ** 0.5))
    probe = PlaneProbe(samples, 5.0, side)
    limits = EngineLimits(
        concurrency=IN_FLIGHT,
        requests_per_s=case.limit,
        max_queries=case.requests * case.batch,
    )
    oracle = await open_oracle(target)
    try:
        with tempfile.TemporaryDirectory() as folder:
            store = LabelStore(Path(folder) / "labels.sqlite3")
            result = await QueryEngine(oracle, store, limits).run([probe], "0")
            store.close()
        assert result.ledger.sent == case.requests * case.batch
    finally:
        await oracle.aclose()


if __name__ == "__main__":
    main()
