"""What does a request over HTTP cost the client beyond a bare loop that sends the same bodies?

    python -m examples.benchmarks client_cpu [--rounds 10] [--only NAME]

The tool's whole way of a query (plane points, duplicates, limits, label store, evidence log,
encoding, reply) against a loop that encodes inputs that lie ready, posts them with 8 in flight and
takes the top score. Processor time of the client, in turns, against a server in another process.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import aiohttp
import httpx
import numpy as np
import orjson
from numpy.typing import NDArray
from PIL import Image

from adapters.registry import open_oracle
from adapters.target import HttpOptions, ReplyFormat, RequestFormat, Target
from auditor.engine.contract import EngineLimits
from auditor.engine.engine import QueryEngine
from auditor.engine.store import LabelStore
from auditor.evidence.label_log import LabelLog
from auditor.probes.plane import PlaneProbe
from examples.benchmarks.client_cpu.server import CLASSES, served
from examples.benchmarks.machine import machine
from examples.benchmarks.stored import write_rows

PAGE = Path(__file__).with_name("README.md")
IN_FLIGHT = 8
Send = Callable[[bytes, dict[str, str]], Awaitable[bytes]]
Body = Literal["json", "binary", "png"]


@dataclass(frozen=True)
class Case:
    """One row of the page."""

    body: Body
    batch: int
    side: int
    requests: int
    goal: float
    transport: Literal["aiohttp", "httpx"] = "aiohttp"

    @property
    def name(self) -> str:
        """For ``--only`` and the page."""
        return f"{self.transport} {self.body} batch {self.batch} side {self.side}"


CASES = (
    Case("json", 1, 32, 2000, 1.3),
    Case("binary", 1, 32, 2000, 1.3),
    Case("png", 1, 32, 2000, 1.3),
    Case("binary", 1, 32, 600, 1.3, "httpx"),
    Case("json", 64, 32, 40, 2.0),
    Case("binary", 64, 32, 240, 1.3),
    Case("png", 64, 32, 40, 1.3),
    Case("binary", 64, 160, 12, 1.3),
)


def _samples(side: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    coarse = rng.random((3, 3, 8, 8), dtype=np.float32)
    smooth = np.kron(coarse, np.ones((1, 1, side // 8, side // 8), np.float32))
    noisy = 0.9 * smooth + 0.1 * rng.random(smooth.shape, dtype=np.float32)
    pixels: NDArray[np.float32] = np.rint(noisy * 255).astype(np.float32)
    return pixels / np.float32(255)


def _probe(case: Case) -> PlaneProbe:
    """Planes of exactly so many points; the last rows are left unasked."""
    return PlaneProbe(_samples(case.side), 5.0, int(np.ceil((case.requests * case.batch) ** 0.5)))


class _Part:
    """The first inputs of a probe."""

    def __init__(self, probe: PlaneProbe, size: int) -> None:
        self._probe, self.size = probe, size
        self.kind, self.digest, self.repeat = probe.kind, probe.digest, False

    def inputs(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """As the probe makes them."""
        return self._probe.inputs(indices)


def _target(case: Case, address: str) -> Target:
    image = case.body == "png"
    given: dict[str, Any] = {
        "value_range": (0.0, 1.0),
        "shape": (3, case.side, case.side),
        "batch": case.batch,
        "access": "image" if image else "float",
    }
    if case.body == "binary":
        options = HttpOptions(protocol="v2-binary", transport=case.transport)
        return Target("http", f"{address}/{case.batch}/v2/models/m", http=options, **given)
    request = RequestFormat(value="base64" if image else "array")
    options = HttpOptions(
        protocol="http",
        transport=case.transport,
        request=request,
        reply=ReplyFormat(path="predictions.*", kind="scores"),
    )
    return Target("http", f"{address}/{case.batch}/scores", http=options, **given)


async def _tool(case: Case, address: str) -> float:
    oracle = await open_oracle(_target(case, address))
    part = _Part(_probe(case), case.requests * case.batch)
    with tempfile.TemporaryDirectory() as folder:
        store = LabelStore(Path(folder) / "labels.sqlite3")
        log = LabelLog(Path(folder) / "log.jsonl", oracle.input_spec, {})
        engine = QueryEngine(oracle, store, EngineLimits(concurrency=IN_FLIGHT), observer=log)
        began = time.process_time()
        result = await engine.run([part], "0")
        log.flush()
        spent = time.process_time() - began
        assert result.complete
        assert result.ledger.sent == part.size, result.ledger
        log.close()
        store.close()
    await oracle.aclose()
    return spent


def _encoder(case: Case) -> Callable[[NDArray[np.float32]], tuple[bytes, dict[str, str]]]:
    if case.body == "binary":
        return binary_body
    return _json if case.body == "json" else _pngs


def _json(batch: NDArray[np.float32]) -> tuple[bytes, dict[str, str]]:
    body = orjson.dumps({"inputs": batch}, option=orjson.OPT_SERIALIZE_NUMPY)
    return body, {"Content-Type": "application/json"}


def binary_body(batch: NDArray[np.float32]) -> tuple[bytes, dict[str, str]]:
    """A V2 request of ``batch`` ``(n, c, h, w)`` with a raw tensor, and its headers."""
    raw = batch.tobytes()
    tensor = {"name": "input", "shape": list(batch.shape), "datatype": "FP32"}
    head = orjson.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": len(raw)}}]})
    kind = {"Content-Type": "application/octet-stream"}
    return head + raw, {**kind, "Inference-Header-Content-Length": str(len(head))}


def _pngs(batch: NDArray[np.float32]) -> tuple[bytes, dict[str, str]]:
    files = []
    for pixels in np.rint(np.clip(batch, 0, 1) * 255).astype(np.uint8).transpose(0, 2, 3, 1):
        target = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(target, "PNG", compress_level=1)
        files.append(base64.b64encode(target.getvalue()).decode())
    return orjson.dumps({"inputs": files}), {"Content-Type": "application/json"}


async def _bare(case: Case, address: str) -> float:
    """The loop; its inputs lie ready."""
    probe = _probe(case)
    step, count = case.batch, min(case.requests, 32)
    ready = [probe.inputs(np.arange(n * step, (n + 1) * step)) for n in range(count)]
    path = "v2/models/m/infer" if case.body == "binary" else "scores"
    url, encode = f"{address}/{case.batch}/{path}", _encoder(case)
    left = iter(range(case.requests))
    labels: list[int] = []

    async def worker(send: Send) -> None:
        for number in left:
            reply = json.loads(await send(*encode(ready[number % count])))
            flat = reply["outputs"][0]["data"] if "outputs" in reply else reply["predictions"]
            labels.extend(np.array(flat).reshape(-1, CLASSES).argmax(axis=1).tolist())

    began = time.process_time()
    if case.transport == "aiohttp":
        async with aiohttp.ClientSession() as session:

            async def over_aiohttp(body: bytes, headers: dict[str, str]) -> bytes:
                data = io.BytesIO(body) if len(body) > 1 << 20 else body
                async with session.post(url, data=data, headers=headers) as reply:
                    return await reply.read()

            await asyncio.gather(*(worker(over_aiohttp) for _ in range(IN_FLIGHT)))
    else:
        async with httpx.AsyncClient() as client:

            async def over_httpx(body: bytes, headers: dict[str, str]) -> bytes:
                return (await client.post(url, content=body, headers=headers)).content

            await asyncio.gather(*(worker(over_httpx) for _ in range(IN_FLIGHT)))
    spent = time.process_time() - began
    assert len(labels) == case.requests * case.batch
    return spent


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", default="", help="cases whose name holds this; writes no page")
    parser.add_argument("--one", nargs=3, help="internal: WAY CASE ADDRESS")
    options = parser.parse_args()
    if options.one:
        way, name, address = options.one
        case = next(case for case in CASES if case.name == name)
        for _ in sys.stdin:
            print(asyncio.run({"tool": _tool, "bare": _bare}[way](case, address)), flush=True)
        return
    lines = [
        "# What a request over HTTP costs the client",
        "",
        f"Made by `make bench BENCH=client_cpu`: {options.rounds} alternating rounds, medians "
        "(smallest to largest) of processor time; other programs ran on the machine, so times vary "
        f"more than their ratios. {machine()}.",
        "",
        "The tool's way of a query builds plane points, looks for duplicates, keeps limits, writes "
        "label store and evidence log, encodes, sends and reads. The bare loop encodes inputs that "
        "lie ready, sends them with 8 in flight and takes the top score.",
        "",
        "| client | body | inputs per request | side | µs per request, bare loop | tool | "
        "tool / bare loop | goal |",
        "|---|---|---|---|---|---|---|---|",
    ]
    write_rows(PAGE, lines, CASES, lambda case: _row(case, options.rounds), options.only)


class _OwnProcess:
    """One of the two ways in a process of its own: the tool changes how memory is kept there."""

    def __init__(self, way: str, case: Case, address: str) -> None:
        command = [sys.executable, "-m", "examples.benchmarks", "client_cpu", "--one"]
        self._requests = case.requests
        self._process = subprocess.Popen(
            [*command, way, case.name, address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def microseconds(self) -> float:
        """Of one more round, per request."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline()) / self._requests * 1e6

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def _row(case: Case, rounds: int) -> str:
    bare, tool = [], []
    with served((3, case.side, case.side)) as address:
        ways = [_OwnProcess(way, case, address) for way in ("bare", "tool")]
        for way in ways:
            way.microseconds()  # the first round loads what the others find there
        for _ in range(rounds):
            bare.append(ways[0].microseconds())
            tool.append(ways[1].microseconds())
        for way in ways:
            way.close()
    ratios = [a / b for a, b in zip(tool, bare, strict=True)]
    return (
        f"| {case.transport} | {case.body} | {case.batch} | {case.side} "
        f"| {statistics.median(bare):,.0f} | {statistics.median(tool):,.0f} "
        f"| {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) "
        f"| {case.goal} |"
    )
