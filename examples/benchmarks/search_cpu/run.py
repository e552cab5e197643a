"""What does a trigger search cost besides its model?

    python -m examples.benchmarks search_cpu [--rounds 10] [--only SIDE]

Processor time of everything but the model (drawing changes, digests, store, evidence log) for a
search of a model that answers at once, beside that of a MobileNetV2 for as many inputs, in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from adapters.contract import InputSpec
from adapters.synthetic import SyntheticOracle
from auditor.engine.contract import EngineLimits
from auditor.plan.settings import AuditSettings
from auditor.workflows.prepare import prepare
from examples.benchmarks.audited import asked, made_samples
from examples.benchmarks.machine import machine
from examples.benchmarks.networks import write_network
from examples.benchmarks.stored import write_rows

PAGE = Path(__file__).with_name("README.md")
CLASSES, BATCH, BARE = 10, 64, 4
"""Classes; inputs a request; batches of the bare model in a round."""


@dataclass(frozen=True)
class Case:
    """One row of the page."""

    side: int

    @property
    def name(self) -> str:
        """For ``--only``."""
        return str(self.side)


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", default="", help="sides that hold this; writes no page")
    options = parser.parse_args()
    lines = [
        "# What a search costs besides its model",
        "",
        f"Made by `make bench BENCH=search_cpu`: {options.rounds} alternating rounds, medians "
        f"(smallest to largest) of processor time. {machine()}.",
        "",
        "*search*: the default trigger search at effort `quick`, batches of 64, of a model that "
        "answers at once; everything counts but that model: drawing and applying changes, "
        "digests, duplicates, label store and evidence log. *model*: an untrained MobileNetV2 in "
        "ONNX Runtime, one thread, batches of 64.",
        "",
        "| side | queries | search, s per 1,000 | model, s per 1,000 | search in % of the model "
        "| goal |",
        "|---|---|---|---|---|---|",
    ]
    cases = [Case(side) for side in (32, 64, 160, 224)]
    write_rows(PAGE, lines, cases, lambda case: _row(case.side, options.rounds), options.only)


def _row(side: int, rounds: int) -> str:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "model.onnx"
        write_network("mobilenetv2", side, CLASSES, path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    own, bare = [], []
    for number in range(rounds + 1):
        spent, queries = asyncio.run(_searched(side))
        beside = _bare(session, side)
        if number:  # the first round loads what the others find there
            own.append(spent)
            bare.append(beside)
    shares = [100 * one / two for one, two in zip(own, bare, strict=True)]
    return (
        f"| {side} | {queries:,} | {_spread(own, 3)} | {_spread(bare, 2)} | {_spread(shares, 1)} "
        "| 5 |"
    )


def _bare(session: Any, side: int) -> float:
    """Processor seconds of the model for 1,000 inputs."""
    batch = np.random.default_rng(0).random((BATCH, 3, side, side), dtype=np.float32)
    began = time.process_time()
    for _ in range(BARE):
        session.run(None, {"input": batch})[0].argmax(axis=1)
    return (time.process_time() - began) * 1000 / (BARE * BATCH)


class _Model:
    """Labels by the nearest of some directions of a coarse picture, and the time they took."""

    def __init__(self) -> None:
        self.spent = 0.0
        self._directions = np.random.default_rng(1).standard_normal((3 * 64, CLASSES))

    def labels(self, batch: NDArray[np.float32]) -> NDArray[Any]:
        """One label each."""
        began = time.thread_time()
        step = batch.shape[-1] // 8
        coarse = batch[:, :, ::step, ::step][:, :, :8, :8].reshape(len(batch), -1)
        found: NDArray[Any] = ((coarse - 0.5) @ self._directions).argmax(axis=1)
        self.spent += time.thread_time() - began
        return found


async def _searched(side: int) -> tuple[float, int]:
    """Processor seconds beside the model for 1,000 queries, and the queries sent."""
    model, shape = _Model(), (3, side, side)
    names = [str(number) for number in range(CLASSES)]
    spec = InputSpec(shape, (0.0,) * 3, (1.0,) * 3)
    oracle = SyntheticOracle(model.labels, spec, names, max_batch=BATCH)
    settings = AuditSettings(planes=1, canaries=0, effort="quick", stop_early=False)
    ready = prepare(oracle, made_samples(side, CLASSES, 4), settings)
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        answers = await asked(oracle, ready, Path(folder), EngineLimits(concurrency=2))
        spent = time.process_time() - began - model.spent
    assert answers.trigger is not None
    return 1000 * spent / answers.run.ledger.sent, answers.run.ledger.sent


def _spread(values: list[float], digits: int) -> str:
    middle = statistics.median(values)
    return f"{middle:.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
