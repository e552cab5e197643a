"""What does an audit cost beyond the model?

    python -m examples.benchmarks engine

Every figure is a ratio of two things measured in turn in this one run, or a count, because
machines are noisy. Prints a report and writes the page.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import resources
from pathlib import Path

import numpy as np
import onnxruntime

from adapters.registry import open_oracle
from adapters.target import Target
from auditor.engine.contract import EngineLimits
from auditor.plan.settings import AuditSettings
from auditor.probes.plane import PlaneProbe
from auditor.samples.load import load_samples
from auditor.workflows.audit import run_audit
from auditor.workflows.prepare import prepare
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located
from examples.benchmarks.stored import ROOT

ASSETS = Path(str(resources.files("auditor.workflows.demo") / "assets"))
MODEL = ASSETS / "clean.onnx"
SAMPLES = ASSETS / "fashion-mnist-samples.npz"
REPEATS = 5


def main() -> None:
    """Run all parts, or only the memory part in its own process."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--memory", action="store_true", help="internal: one audit, print its RSS")
    parser.add_argument("--report", type=Path, default=Path(__file__).with_name("README.md"))
    options = parser.parse_args()
    if options.memory:
        print(json.dumps(asyncio.run(memory_of_an_audit())))
        return
    lines = [
        "# What the audit costs beyond the model",
        "",
        f"Made by `make bench BENCH=engine`, {REPEATS} "
        "interleaved repeats, medians of ratios (smallest to largest).",
        "",
    ]
    lines += throughput() + building() + memory()
    text = "\n".join(lines) + "\n"
    options.report.write_text(text, encoding="utf-8")
    print(text)


# ---- labels per second ------------------------------------------------------------------------


def throughput() -> list[str]:
    """Whole audit over a bare session.run loop: same model, batch, threads and process."""
    lines = [
        "## Labels per second, whole audit over a bare `session.run` loop",
        "",
        "| batch | audit / bare loop |",
        "|---|---|",
    ]
    for batch in (64, 256):
        ratios = [_audit_rate(batch) / _bare_rate(batch) for _ in range(REPEATS)]
        lines.append(f"| {batch} | {_spread(ratios)} |")
    return [*lines, ""]


QUICK = AuditSettings.paper(planes=8, density=60, canaries=0, trigger_search=False)


def _audit_rate(batch: int) -> float:
    async def once() -> float:
        oracle = await open_oracle(
            Target("onnx", str(MODEL), value_range=(0.0, 1.0), threads=1, batch=batch)
        )
        samples = load_samples(SAMPLES)
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            limits = EngineLimits(concurrency=2)
            result = await run_audit(
                AuditRequest(located(oracle), samples, QUICK, Path(folder), limits=limits)
            )
            took = time.perf_counter() - began
        await oracle.aclose()
        return float(result.report["queries"]["sent"]) / took

    return asyncio.run(once())


def _bare_rate(batch: int) -> float:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])
    inputs = np.random.default_rng(0).random((batch, 1, 28, 28), dtype=np.float32)
    rounds = QUICK.planes * QUICK.density**2 // batch
    began = time.perf_counter()
    for _ in range(rounds):
        session.run(None, {"input": inputs})[0].argmax(axis=1)
    return rounds * batch / (time.perf_counter() - began)


def building() -> list[str]:
    """Cost of building a plane's points against asking the model for their labels."""
    samples = load_samples(SAMPLES)
    triplet = samples.images[[0, 30, 60]].astype(np.float32) / 255.0
    probe = PlaneProbe(triplet, 5.0, 100)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])
    ratios = []
    for _ in range(REPEATS):
        build, ask = 0.0, 0.0
        for start in range(0, probe.size, 256):
            began = time.thread_time()
            batch = probe.inputs(np.arange(start, min(start + 256, probe.size)))
            build += time.thread_time() - began
            began = time.thread_time()
            session.run(None, {"input": batch})
            ask += time.thread_time() - began
        ratios.append(build / ask)
    return [
        "## Building a plane's points, over asking one CPU core for their labels",
        "",
        f"{_spread([100 * ratio for ratio in ratios])} % of CPU time, one plane of 100 x 100.",
        "",
        "What a request over HTTP costs: [client_cpu](../client_cpu/README.md); networks of more "
        "sizes: [throughput](../throughput/README.md).",
        "",
    ]


# ---- memory and size ---------------------------------------------------------------------------


def memory() -> list[str]:
    """Peak memory of a whole audit of 200,000 queries, and the size of what it writes."""
    command = [sys.executable, "-m", "examples.benchmarks", "engine", "--memory"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    found = json.loads(done.stdout)
    return [
        "## A 200,000-query audit of an ONNX file (the paper's N = 20, S = 100)",
        "",
        f"Peak memory {found['peak'] / 1024:,.0f} MiB, of which {found['before'] / 1024:,.0f} MiB "
        f"before the first query (interpreter, libraries, model, samples). Label store "
        f"{found['store'] / 1e6:.2f} MB, report.json {found['json'] / 1e6:.2f} MB, report.html "
        f"{found['html'] / 1e6:.2f} MB.",
        "",
    ]


async def memory_of_an_audit() -> dict[str, int]:
    """Audit the demo's model with the paper's settings; sizes in KiB and bytes."""
    oracle = await open_oracle(
        Target("onnx", str(MODEL), value_range=(0.0, 1.0), threads=1, batch=256)
    )
    samples = load_samples(SAMPLES)
    prepare(oracle, samples, AuditSettings.paper())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder)
        settings = AuditSettings.paper(trigger_search=False)
        await run_audit(
            AuditRequest(
                located(oracle), samples, settings, output, limits=EngineLimits(concurrency=2)
            )
        )
        sizes = {
            name: (output / name).stat().st_size
            for name in ("labels.sqlite3", "report.json", "report.html")
        }
    await oracle.aclose()
    return {
        "before": before,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "store": sizes["labels.sqlite3"],
        "json": sizes["report.json"],
        "html": sizes["report.html"],
    }


def _spread(values: list[float]) -> str:
    middle = statistics.median(values)
    return f"{middle:.2f} ({min(values):.2f} to {max(values):.2f})"
