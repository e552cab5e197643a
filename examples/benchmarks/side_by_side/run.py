"""What would a user do instead, and what does it cost on the same model?

    python -m examples.benchmarks side_by_side

The demo's model with a backdoor and its samples, each way in a process of its own: this tool on the
model file and over HTTP, the paper's way (a full grid of 200,000 points, a plain loop over the
model file), and a hand-written httpx loop that asks the demo's server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from adapters.images import encode_image
from adapters.target import Target, read_target
from auditor.engine.contract import EngineLimits
from auditor.plan.draw import draw_triplets
from auditor.plan.settings import AuditSettings
from auditor.probes.plane import PlaneProbe
from auditor.samples.load import load_samples
from auditor.samples.samples import Samples
from auditor.workflows.audit import run_audit
from auditor.workflows.demo.run import served
from auditor.workflows.demo.server import NAMES
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import locate
from examples.benchmarks.machine import machine
from examples.benchmarks.stored import ROOT, write_page

PAGE = Path(__file__).with_name("README.md")
ASSETS = Path(str(resources.files("auditor.workflows.demo") / "assets" / "photos"))
MODEL = ASSETS / "backdoored.onnx"
PLANES, DENSITY, BY_HTTP = 20, 100, 2_000
IN_FLIGHT = 8


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--one", nargs=2, help="internal: WAY ADDRESS")
    options = parser.parse_args()
    if options.one:
        way, address = options.one
        print(json.dumps(_measured(lambda: WAYS[way][1](address))))
        return
    lines = [
        "# Beside what a user would do instead",
        "",
        "Made by `make bench BENCH=side_by_side`: one run of each, in processes of their own, on a "
        "machine that was busy with other work, so processor time tells more than wall time. "
        f"{machine()}.",
        "",
        "One model, the demo's with a backdoor (64 pixels, ten classes), with its samples. "
        "Processor time counts the model where it runs in the same process or below it; over HTTP "
        "it runs in the server, which is not counted.",
        "",
        "| way | queries | wall time, s | processor time, s | µs of it per query "
        "| peak memory, MiB | what it says |",
        "|---|---|---|---|---|---|---|",
    ]
    with served({"backdoored": MODEL}) as address:
        for way, (what, _) in WAYS.items():
            command = [sys.executable, "-m", "examples.benchmarks", "side_by_side"]
            one = subprocess.run(
                [*command, "--one", way, f"{address}/classify/backdoored"],
                cwd=ROOT,
                check=True,
                capture_output=True,
                text=True,
            )
            lines.append(_row(what, json.loads(one.stdout)))
            print(lines[-1], flush=True)
    write_page(PAGE, "\n".join(lines))


def _row(what: str, found: dict[str, Any]) -> str:
    each = found["cpu"] / found["queries"] * 1e6
    return (
        f"| {what} | {found['queries']:,} | {found['wall']:.1f} | {found['cpu']:.1f} | {each:,.0f} "
        f"| {found['memory']:,.0f} | {found['says']} |"
    )


def _measured(way: Callable[[], tuple[int, str]]) -> dict[str, Any]:
    began, before = time.perf_counter(), _cpu()
    queries, says = way()
    used = _cpu()
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    memory = max(resource.getrusage(who).ru_maxrss for who in whose) / 1024
    wall = time.perf_counter() - began
    return {"queries": queries, "wall": wall, "cpu": used - before, "memory": memory, "says": says}


def _cpu() -> float:
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(who) for who in whose]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _samples() -> Samples:
    return load_samples(ASSETS / "sign-digits-samples.npz")


def _file(_: str) -> tuple[int, str]:
    target = Target("onnx", str(MODEL), value_range=(0.0, 1.0), threads=1)
    return _audit(target, EngineLimits(concurrency=2))


def _http(address: str) -> tuple[int, str]:
    table = {
        "url": address,
        "access": "image",
        "input": {"shape": [3, 64, 64]},
        "request": {"body": "raw"},
        "response": {"path": "label", "kind": "label", "classes": list(NAMES)},
    }
    return _audit(read_target(table), EngineLimits(concurrency=IN_FLIGHT))


def _audit(target: Target, limits: EngineLimits) -> tuple[int, str]:
    samples = _samples()
    with tempfile.TemporaryDirectory() as place:
        request = AuditRequest(
            locate(target, samples), samples, AuditSettings(), Path(place), limits=limits
        )
        report = asyncio.run(run_audit(request)).report
    verdict = report["verdict"]
    return int(report["queries"]["sent"]), f"`{verdict['verdict']}`"


def _planes(samples: Samples) -> list[PlaneProbe]:
    classes = np.array([samples.class_order.index(name) for name in samples.classes])
    pixels = samples.images.astype(np.float32) / np.float32(255)
    triplets = draw_triplets(classes, PLANES, 0)
    return [PlaneProbe(pixels[triplet], 5.0, DENSITY) for triplet in triplets]


def _paper(_: str) -> tuple[int, str]:
    """Row after row of the grid is one batch, as the published script does it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    scores = []
    for probe in _planes(_samples()):
        found = []
        for row in range(DENSITY):
            batch = probe.inputs(np.arange(row * DENSITY, (row + 1) * DENSITY))
            found.append(session.run(None, {name: batch})[0].argmax(axis=1))
        scores.append(_entropy(np.concatenate(found)))
    mean = float(np.mean(scores))
    return PLANES * DENSITY**2, f"mean Rényi entropy {mean:.2f}; no verdict without references"


def _entropy(labels: NDArray[np.int64]) -> float:
    shares = np.bincount(labels) / len(labels)
    return float(np.log(np.sum(shares**10.0)) / (1.0 - 10.0))


def _loop(address: str) -> tuple[int, str]:
    """The first points of the same grids, one PNG a request."""
    probe = _planes(_samples())[0]
    pixels = np.rint(np.clip(probe.inputs(np.arange(BY_HTTP)), 0, 1) * 255).astype(np.uint8)

    async def ask() -> int:
        left, known = iter(pixels), 0
        async with httpx.AsyncClient() as client:

            async def worker() -> None:
                nonlocal known
                for one in left:
                    body = encode_image(one, "png")
                    reply = await client.post(address, content=body)
                    known += reply.json()["label"] in NAMES

            await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
        return known

    known = asyncio.run(ask())
    return known, f"labels alone; 200,000 points take {200_000 // BY_HTTP} times as long"


WAYS: dict[str, tuple[str, Callable[[str], tuple[int, str]]]] = {
    "file": ("xray-audit, model file", _file),
    "paper": (f"the paper's way: {PLANES} planes of {DENSITY} x {DENSITY}, model file", _paper),
    "http": ("xray-audit, HTTP, a PNG a request", _http),
    "loop": (f"hand-written httpx loop, {BY_HTTP:,} points of the same grid", _loop),
}


if __name__ == "__main__":
    main()
