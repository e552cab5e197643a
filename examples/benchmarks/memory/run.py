"""How much memory does an audit hold, beside a bare loop and as its queries grow?

    python -m examples.benchmarks memory [--only NAME]

Largest resident memory of whole processes, each started anew; a model file's own process counts
as well, as if both peaks came at one moment.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from adapters.synthetic import SyntheticOracle
from adapters.target import HttpOptions, Target
from auditor.engine.contract import EngineLimits
from auditor.plan.settings import AuditSettings
from auditor.workflows.audit import run_audit
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import LocatedTarget, locate, located
from examples.benchmarks.audited import made_samples
from examples.benchmarks.client_cpu.server import served
from examples.benchmarks.machine import machine
from examples.benchmarks.stored import ROOT, write_page

PAGE = Path(__file__).with_name("README.md")
CLASSES, SIDE, BATCH = 10, 160, 8
PLANES = {"trigger_search": False, "stop_early": False, "canaries": 0}
"""The paper's planes and nothing else."""


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="cases whose name holds this; writes no page")
    parser.add_argument("--one", nargs=2, help="internal: a case and its model file or endpoint")
    options = parser.parse_args()
    if options.one is not None:
        name, place = options.one
        print(json.dumps(asyncio.run(CASES[name](place))))
        return
    found = _measured(options.only)
    lines = _page(found)
    print("\n".join(lines))
    if not options.only:
        write_page(PAGE, "\n".join(lines))


def _measured(only: str) -> dict[str, float]:
    """MiB of every case whose name holds ``only``."""
    with tempfile.TemporaryDirectory() as folder, served((3, 224, 224)) as address:
        model = Path(folder) / "model.onnx"
        if only in f"{LOOP} {AUDIT}":
            # In a process of its own: torch would count here.
            made = f"write_network('mobilenetv2', {SIDE}, {CLASSES}, Path({str(model)!r}))"
            code = f"from pathlib import Path\nfrom examples.benchmarks.networks import *\n{made}"
            subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
        places = {HTTP: f"{address}/0/v2/models/m", LOOP: str(model), AUDIT: str(model)}
        found = {}
        for name in CASES:
            if only in name:
                found[name] = _apart(name, places.get(name, "-"))
                print(f"{name}: {found[name]:.0f} MiB", flush=True)
    return found


def _apart(name: str, place: str) -> float:
    command = [sys.executable, "-m", "examples.benchmarks", "memory", "--one", name, place]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout))


def _peaks() -> float:
    """Largest resident memory of this process and of its largest child, together, in MiB."""
    whom = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(resource.getrusage(one).ru_maxrss for one in whom) / 1024


async def _loop(place: str) -> float:
    import onnxruntime  # noqa: PLC0415 - it would count in every other row

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(place, options, providers=["CPUExecutionProvider"])
    pixels = made_samples(SIDE, BATCH, 1).images
    batch = pixels.astype(np.float32) / np.float32(255)
    for _ in range(20):
        session.run(None, {"input": batch})[0].argmax(axis=1)
    return _peaks()


async def _run(target: LocatedTarget, side: int, settings: AuditSettings, **more: Any) -> float:
    samples = made_samples(side, CLASSES, 4)
    with tempfile.TemporaryDirectory() as folder:
        request = AuditRequest(target, samples, settings, Path(folder), views=(), **more)
        await run_audit(request)
    return _peaks()


def _target(kind: str, location: str, side: int, batch: int, **more: Any) -> LocatedTarget:
    shape = (3, side, side)
    given = Target(
        kind, location, value_range=(0.0, 1.0), shape=shape, batch=batch, threads=1, **more
    )
    return locate(given, made_samples(side, CLASSES, 1))


async def _audit(place: str) -> float:
    """The default audit of a model file, with a short search."""
    return await _run(_target("onnx", place, SIDE, BATCH), SIDE, AuditSettings(effort="quick"))


async def _http(place: str) -> float:
    """Planes of 2,048 inputs over HTTP, four requests in flight."""
    target = _target("http", place, 224, 64, http=HttpOptions(protocol="v2-binary"))
    settings = AuditSettings.paper(planes=2, density=32, **PLANES)
    return await _run(target, 224, settings, limits=EngineLimits(concurrency=4))


def _labels(batch: NDArray[np.float32]) -> NDArray[Any]:
    first: NDArray[Any] = (batch[:, :, 0, 0] * 3).sum(axis=1).astype(np.int64) % CLASSES
    return first


async def _queries(density: int) -> float:
    spec = InputSpec((3, 16, 16), (0.0,) * 3, (1.0,) * 3)
    names = [str(number) for number in range(CLASSES)]
    oracle = SyntheticOracle(_labels, spec, names, max_batch=256)
    settings = AuditSettings.paper(planes=100, density=density, **PLANES)
    return await _run(located(oracle), 16, settings)


LOOP, AUDIT = "bare loop, 160 px, batch 8", "audit, 160 px, batch 8"
HTTP = "audit over HTTP, 224 px, batch 64"
FEW, MANY = "10,000 queries", "1,000,000 queries"
CASES: dict[str, Callable[[str], Coroutine[Any, Any, float]]] = {
    LOOP: _loop,
    AUDIT: _audit,
    HTTP: _http,
    FEW: lambda _: _queries(10),
    MANY: lambda _: _queries(100),
}


def _page(found: dict[str, float]) -> list[str]:
    beside = {AUDIT: (LOOP, "at most 2 ×"), HTTP: ("", "at most 300 MiB"), MANY: (FEW, "1.1 ×")}
    rows = []
    for name, size in found.items():
        base, goal = beside.get(name, ("", ""))
        ratio = f"{size / found[base]:.2f} × {base}" if base in found else ""
        rows.append(f"| {name} | {size:.0f} | {ratio} | {goal} |")
    return [
        "# Memory of an audit",
        "",
        "Made by `make bench BENCH=memory`: largest resident memory of whole processes, started "
        "anew for each row, Python and libraries included; a model file's own process counts as "
        f"well, as if both peaks came at one moment. {machine()}.",
        "",
        "*bare loop*: an untrained MobileNetV2 in ONNX Runtime, one thread, one batch again and "
        "again. *audit*: the default audit of the same file at effort `quick`, to its report. "
        "*over HTTP*: two planes of 1,024 points, float32 bodies, four requests in flight. "
        "*queries*: the paper's planes at 16 pixels, with a model that answers at once.",
        "",
        "| what | MiB | beside | goal |",
        "|---|---|---|---|",
        *rows,
    ]


if __name__ == "__main__":
    main()
