"""What does the evidence log cost?

    python -m examples.benchmarks evidence_log [--rounds 15]

The same audit with and without it, in turns, in one run: the ratio of the processor times (median
over rounds, with a bootstrap interval) and the bytes of log per query, for a target that answers at
once. That is the worst case, since any real target takes longer and the log's share shrinks.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from adapters.synthetic import SyntheticOracle
from auditor.engine.contract import EngineLimits
from auditor.evidence.layout import LOG
from auditor.evidence.recorder import Recorder
from auditor.evidence.records import plan_record
from auditor.plan.settings import AuditSettings
from auditor.samples.samples import Samples
from auditor.workflows.ask import ask
from auditor.workflows.prepare import Prepared, prepare
from examples.benchmarks.stored import write_page

PAGE = Path(__file__).with_name("README.md")
SHAPE = (3, 32, 32)
SETTINGS = AuditSettings.paper(planes=4, density=50, trigger_search=False)


def _oracle(batch: int) -> SyntheticOracle:
    def labels_of(inputs: NDArray[np.float32]) -> NDArray[np.int64]:
        labels: NDArray[np.int64] = (inputs[:, 0, 0, 0] > 0.5).astype(np.int64)
        return labels

    spec = InputSpec(SHAPE, (0.0,) * 3, (1.0,) * 3)
    return SyntheticOracle(labels_of, spec, list("0123"), max_batch=batch)


def _samples() -> Samples:
    pixels = np.random.default_rng(0).integers(0, 256, (24, *SHAPE)).astype(np.uint8)
    names = tuple(str(number % 4) for number in range(24))
    return Samples(tuple(range(24)), names, pixels, tuple("0123"), stated_order=True, digest="0")


def _seconds(ready: Prepared, batch: int, *, logged: bool) -> tuple[float, int]:
    """Processor seconds of one audit, and bytes of its log."""
    oracle = _oracle(batch)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        record = Recorder(folder)
        fixed = plan_record(oracle, ready, None)
        observer = (lambda: record.start(fixed, oracle.input_spec)) if logged else None
        start = time.process_time()
        asyncio.run(ask(oracle, ready, folder, EngineLimits(), observer=observer))
        record.close()
        spent = time.process_time() - start
        return spent, (folder / LOG).stat().st_size if logged else 0


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    lines = [
        "# What the evidence log costs",
        "",
        f"Made by `make bench BENCH=evidence_log`: the same audit with and without the log, in "
        f"turns, {rounds} rounds, against a target that answers at once. That is the worst case: "
        "any real target takes longer. Medians; in brackets the 95 % bootstrap interval.",
        "",
        "| batch | processor time, with / without | bytes of log per query |",
        "|---|---|---|",
        *(_row(batch, rounds) for batch in (1, 16, 64)),
    ]
    text = "\n".join(lines)
    write_page(PAGE, text)
    print(text)


def _row(batch: int, rounds: int) -> str:
    """One batch size."""
    ready = prepare(_oracle(batch), _samples(), SETTINGS)
    ratios, size = [], 0
    for _ in range(rounds):
        plain, _ = _seconds(ready, batch, logged=False)
        logged, size = _seconds(ready, batch, logged=True)
        ratios.append(logged / plain)
    rng = np.random.default_rng(0)
    draws = [np.median(rng.choice(ratios, len(ratios))) for _ in range(2000)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return (
        f"| {batch} | {np.median(ratios):.2f} ({low:.2f} to {high:.2f}) "
        f"| {size / ready.plan.queries:.1f} |"
    )
