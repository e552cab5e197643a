"""What does running a model file in its own process cost?

    python -m examples.benchmarks isolation [--pairs 41]

The same ONNX file, inputs, threads and batch, asked in turn through the isolated oracle and through
the one in this process (``--trust-model-file``). Every figure is a ratio of two measured one after
the other in this one run. Prints a table and writes the page.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from adapters.contract import LabelOracle
from adapters.registry import open_oracle
from adapters.target import Target

MODEL = Path(str(resources.files("auditor.workflows.demo") / "assets" / "clean.onnx"))
LABELS = 5_120
PAIRS = 41


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--report", type=Path, default=Path(__file__).with_name("README.md"))
    parser.add_argument("--pairs", type=int, default=PAIRS)
    options = parser.parse_args()
    lines = [
        "# What isolation costs",
        "",
        f"Made by `make bench BENCH=isolation`: one model (the demo's clean one), {options.pairs} "
        f"pairs of {LABELS:,} labels each per row, isolated and in-process in turn, one ONNX "
        "Runtime thread, "
        "inputs from seed 0. Medians; in brackets the 95 % interval of the median (order "
        "statistics). In flight: batches asked at once; an audit of a file has 2.",
        "",
        "| batch | in flight | labels per second, isolated / in-process | processor time, same |",
        "|---|---|---|---|",
    ]
    for batch in (64, 256):
        for flight in (2, 1):
            rates, costs = asyncio.run(compare(batch, flight, options.pairs))
            lines.append(f"| {batch} | {flight} | {spread(rates)} | {spread(costs)} |")
    starts = [asyncio.run(start_up()) for _ in range(7)]
    lines += ["", f"Starting the process and loading the file: {spread(starts)} s.", ""]
    text = "\n".join(lines)
    options.report.write_text(text, encoding="utf-8")
    print(text)


async def compare(batch: int, flight: int, pairs: int) -> tuple[list[float], list[float]]:
    """Ratios of rates, and of processor time per label, isolated over in-process."""
    both = [await opened(batch, trust=trust) for trust in (False, True)]
    inputs = np.random.default_rng(0).random((batch, 1, 28, 28), dtype=np.float32)
    rates, costs = [], []
    try:
        for oracle in both:
            await ask(oracle, inputs, flight)
        for pair in range(pairs):
            found: dict[int, tuple[float, float]] = {}
            for index in (0, 1) if pair % 2 else (1, 0):
                found[index] = await ask(both[index], inputs, flight)
            rates.append(found[1][0] / found[0][0])
            costs.append(found[0][1] / found[1][1])
    finally:
        for oracle in both:
            await oracle.aclose()
    return rates, costs


async def opened(batch: int, *, trust: bool) -> LabelOracle:
    """The model, isolated or in this process."""
    target = Target(
        "onnx",
        str(MODEL),
        value_range=(0.0, 1.0),
        threads=1,
        batch=batch,
        trust_model_file=trust,
    )
    return await open_oracle(target)


async def ask(oracle: Any, inputs: Any, flight: int) -> tuple[float, float]:
    """Seconds, and seconds of processor time of all processes, for ``LABELS`` labels."""
    left = iter(range(LABELS // len(inputs)))
    process = getattr(oracle, "_process", None)
    clock = None if process is None else (~process.pid << 3) | 2

    async def one() -> None:
        for _ in left:
            await oracle.predict_labels(inputs)

    def used() -> float:
        return time.process_time() + (0.0 if clock is None else time.clock_gettime(clock))

    began, before = time.perf_counter(), used()
    await asyncio.gather(*(one() for _ in range(flight)))
    return time.perf_counter() - began, used() - before


async def start_up() -> float:
    """Seconds from nothing to a model that can be asked, isolated."""
    began = time.perf_counter()
    oracle = await opened(64, trust=False)
    took = time.perf_counter() - began
    await oracle.aclose()
    return took


def spread(values: list[float]) -> str:
    """The median and its 95 % interval."""
    ranked = sorted(values)
    n = len(ranked)
    reach = int(0.98 * n**0.5 + 0.5)  # 1.96 * sqrt(n) / 2 ranks to either side
    low, high = ranked[max(0, n // 2 - reach)], ranked[min(n - 1, n // 2 + reach)]
    return f"{statistics.median(ranked):.2f} ({low:.2f} to {high:.2f})"
