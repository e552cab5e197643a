"""How many requests per second does an audit get through real servers?

    python -m examples.benchmarks servers [SERVER ...]

Both sides send the very same payloads to the same running server, in turn, several times; the
payloads are recorded from an audit. Every figure is a ratio of two things measured in this one
run, because machines are noisy. Writes the page; with servers named, rows of
the others stay there, and every row says when it was measured.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import httpx

from adapters.http.client.client import Client
from adapters.registry import open_oracle
from adapters.target import Target
from auditor.engine.contract import EngineLimits
from auditor.plan.settings import AuditSettings
from auditor.samples.load import load_samples
from auditor.workflows.audit import run_audit
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located
from tests.servers._park import needs, serving
from tests.servers._ways import WAYS, Way, described
from tests.servers.conftest import MODEL, SAMPLES

REPEATS = 6
"""Turns of both sides; even, so that each goes first as often as the other."""
IN_FLIGHT = 8
CHOSEN = (
    "mlserver-v2-float",
    "kserve-v2-json-float",
    "kserve-v2-binary-float",
    "kserve-instances-float",
    "torchserve-torchserve-image",
    "bentoml-bentoml-float",
    "bentoml-bentoml-image-image",
    "litserve-litserve-image-image",
    "mlflow-mlflow-float",
    "gradio-gradio-image",
    "mosec-mosec-image",
    "fastapi-http-raw-image",
)
"""One way per kind of request, by the names of the test suite."""
SEARCHED = ("kserve-v2-binary-float", "fastapi-http-raw-image")
"""Those that are measured with the trigger search too."""


@dataclass(frozen=True)
class Sent:
    """One request as an audit sent it."""

    method: str
    url: str
    body: bytes
    headers: dict[str, str]


class Recorder:
    """Notes every request of an audit, in the order sent."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []

    def watch(self) -> Any:
        """A context in which every client's requests are noted."""
        original = Client.send

        async def send(
            client: Client, method: str, endpoint: Any, body: bytes, headers: Any
        ) -> Any:
            self.sent.append(Sent(method, str(endpoint.url), body, dict(headers)))
            return await original(client, method, endpoint, body, headers)

        return mock.patch.object(Client, "send", send)


def main() -> None:
    """Measure every chosen way and write the table."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped too
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("servers", nargs="*", help="only these servers")
    parser.add_argument("--report", type=Path, default=Path(__file__).with_name("README.md"))
    options = parser.parse_args()
    rows = kept(options.report)
    for way in (way for way in WAYS if way.name in CHOSEN and not needs(way.server)):
        if not options.servers or way.server in options.servers:
            rows[way.name] = measure(way)
            print(rows[way.name], flush=True)
            # After every row: a run takes long, and what was measured must not be lost.
            shown = [rows[name] for name in CHOSEN if name in rows]
            options.report.write_text("\n".join([*heading(), *shown]) + "\n", encoding="utf-8")


def kept(report: Path) -> dict[str, str]:
    """Rows of an earlier run by the name of their way; none if it measured in another manner."""
    text = report.read_text(encoding="utf-8") if report.exists() else ""
    head = "\n".join(heading()) + "\n"
    rows = text.removeprefix(head).splitlines() if text.startswith(head) else []
    return {name: row for name in CHOSEN for row in rows if row.startswith(f"| {_shown(name)} |")}


def _shown(name: str) -> str:
    return name.replace("-", ": ", 1)


def heading() -> list[str]:
    """How it was measured, and the table's head."""
    version = importlib.metadata.version("httpx")
    return [
        "# Requests per second through real servers, over a bare httpx loop",
        "",
        (
            "Made by `make bench BENCH=servers`: the demo's backdoored model on each server, "
            f"{IN_FLIGHT} requests in flight, {REPEATS} turns of audit and bare loop, each going "
            "first in every other turn, after one audit that is not counted; medians of their "
            "ratios (smallest to largest). Client and server share one machine; a wide spread "
            "means that other work shared it too. Rows may be of different runs; each says when "
            "it was measured (UTC)."
        ),
        "",
        (
            f"The bare loop is `httpx.AsyncClient.request` (httpx {version}) with the payloads of "
            "that audit, replies read and not parsed; both sides open their connections within "
            "their time. The audit's time runs from opening its evidence bundle, before the first "
            "request, to its last label on disk; the report is not in it. *Planes*: the planes, "
            "samples and repeats, whose rounds wait for one another, which a loop of the same "
            "payloads does not. *With search*: the trigger search too, whose many small batches "
            "do so as well."
        ),
        "",
        "| server and way | requests | inputs per request | planes | with search | measured |",
        "|---|---|---|---|---|---|",
    ]


def measure(way: Way) -> str:
    """One row of the table."""
    with serving(way.server, MODEL) as running:
        target = described(running, way)
        return asyncio.run(_row(way, target))


async def _row(way: Way, target: Target) -> str:
    cells, count, per = [], 0, 0.0
    for search in (False, True) if way.name in SEARCHED else (False,):
        recorder = Recorder()
        with recorder.watch():
            queries, _ = await _audit(target, search=search)
        sent = [one for one in recorder.sent if one.method != "GET"]
        ratios = [
            await _turn(target, sent, search=search, bare_first=turn % 2 == 1)
            for turn in range(REPEATS)
        ]
        if not search:
            count, per = len(sent), queries / len(sent)
        cells.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    return (
        f"| {_shown(way.name)} | {count:,} | {per:.0f} | {cells[0]} | "
        f"{cells[1] if len(cells) > 1 else '–'} | {when} |"
    )


async def _turn(target: Target, sent: list[Sent], *, search: bool, bare_first: bool) -> float:
    """The audit's requests per second over those of the bare loop, measured next to each other."""
    bare = await _bare(sent) if bare_first else 0.0
    _, audit = await _audit(target, search=search)
    return (bare if bare_first else await _bare(sent)) / audit


async def _audit(target: Target, *, search: bool) -> tuple[int, float]:
    """Queries sent, and seconds from the first to the last label."""
    single = target.access == "image" or target.batch == 1
    settings = AuditSettings.paper(planes=4, density=12 if single else 40, trigger_search=search)
    oracle = await open_oracle(target)
    try:
        with tempfile.TemporaryDirectory() as folder:
            result = await run_audit(
                AuditRequest(
                    located(oracle),
                    load_samples(SAMPLES),
                    settings,
                    Path(folder),
                    limits=EngineLimits(concurrency=IN_FLIGHT),
                )
            )
    finally:
        await oracle.aclose()
    return int(result.report["queries"]["sent"]), float(result.report["timing"]["seconds"])


async def _bare(sent: list[Sent]) -> float:
    """Seconds that httpx takes for the same requests."""
    left = iter(sent)
    async with httpx.AsyncClient(timeout=60) as client:

        async def work() -> None:
            for one in left:
                reply = await client.request(
                    one.method, one.url, content=one.body, headers=one.headers
                )
                reply.raise_for_status()

        began = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
        return time.perf_counter() - began
