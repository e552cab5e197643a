"""How fast is a model file asked through the whole tool, beside a bare loop over it?

    python -m examples.benchmarks throughput [--rounds 10] [--only NAME]

The tool's way (the model in a process of its own, engine, label store, evidence log) and a bare
``session.run`` loop over batches that lie ready, of the same size and number, in turns in one run.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from adapters.registry import open_oracle
from adapters.target import Target
from auditor.engine.contract import EngineLimits
from auditor.plan.settings import AuditSettings
from auditor.workflows.prepare import prepare
from examples.benchmarks.audited import Clocks, asked, made_samples
from examples.benchmarks.machine import machine
from examples.benchmarks.networks import write_network
from examples.benchmarks.stored import write_rows

PAGE = Path(__file__).with_name("README.md")
CLASSES = 10


@dataclass(frozen=True)
class Case:
    """One row of the page."""

    network: str
    side: int
    batch: int
    planes: int
    density: int
    goal: float

    @property
    def name(self) -> str:
        """For ``--only``."""
        return f"{self.network} {self.side} batch {self.batch}"

    @property
    def settings(self) -> AuditSettings:
        """A few planes, nothing else."""
        planes = {"planes": self.planes, "density": self.density, "canaries": 0}
        return AuditSettings.paper(**planes, trigger_search=False, stop_early=False)


CASES = (
    Case("preactresnet", 32, 64, 8, 32, 0.97),
    Case("cnn", 32, 64, 8, 32, 0.97),
    Case("mobilenet", 32, 64, 8, 32, 0.97),
    Case("mobilenet", 64, 64, 4, 32, 0.97),
    Case("vit", 32, 64, 4, 32, 0.97),
    Case("mobilenetv2", 160, 64, 2, 8, 0.98),
    Case("mobilenetv2", 224, 64, 2, 8, 0.98),
    Case("preactresnet", 32, 1, 4, 24, 0.7),
    Case("mobilenet", 32, 1, 4, 24, 0.7),
    Case("mobilenetv2", 160, 1, 2, 5, 0.7),
)


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", default="", help="cases whose name holds this; writes no page")
    options = parser.parse_args()
    lines = [
        "# What the tool costs beside a bare loop over a model file",
        "",
        f"Made by `make bench BENCH=throughput`: {options.rounds} alternating rounds, medians of "
        "ratios (smallest to largest); other programs ran on the machine, so wall time varies "
        f"more than processor time. {machine()}.",
        "",
        "Both ask the same number of inputs in the same batches of an untrained network with one "
        "ONNX Runtime thread. The tool builds plane points, looks for duplicates, asks the model "
        "in its own process, two batches in flight, writes label store and evidence log; the bare "
        "loop runs batches that lie ready and takes the top score. Labels per second: the bare "
        "loop's seconds over the tool's. Processor time: the bare loop's over that of both of the "
        "tool's processes, which is the first ratio where all of them share one core. Beside the "
        "model: processor time of the auditor's process over that of the model's.",
        "",
        "| network | side | batch | labels per second | processor time | beside the model, % "
        "| goal, labels per second |",
        "|---|---|---|---|---|---|---|",
    ]
    write_rows(PAGE, lines, CASES, lambda case: _row(case, options.rounds), options.only)


def _row(case: Case, rounds: int) -> str:
    with tempfile.TemporaryDirectory() as place:
        model = Path(place) / "model.onnx"
        write_network(case.network, case.side, CLASSES, model)
        gc.collect()
        gc.freeze()  # torch's objects: to look through all of them takes as long as some audits
        rates, costs, beside = asyncio.run(_compare(case, model, rounds))
    return (
        f"| {case.network} | {case.side} | {case.batch} | {_spread(rates)} | {_spread(costs)} "
        f"| {_spread([100 * one for one in beside], 1)} | {case.goal} |"
    )


async def _compare(
    case: Case, model: Path, rounds: int
) -> tuple[list[float], list[float], list[float]]:
    shape = (3, case.side, case.side)
    target = Target(
        "onnx", str(model), value_range=(0.0, 1.0), threads=1, batch=case.batch, shape=shape
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    oracle = await open_oracle(target)
    ready = prepare(oracle, made_samples(case.side, 3, 4), case.settings)
    probe = max(ready.plan.probes, key=lambda one: one.size)
    batch = probe.inputs(np.arange(case.batch))
    batches = sum(-(-one.size // case.batch) for one in ready.plan.probes)
    rates, costs, beside = [], [], []
    try:
        for number in range(rounds + 1):
            began, before = time.perf_counter(), time.process_time()
            for _ in range(batches):
                session.run(None, {"input": batch})[0].argmax(axis=1)
            bare = time.perf_counter() - began, time.process_time() - before
            with tempfile.TemporaryDirectory() as folder:
                clocks = Clocks(oracle)
                answers = await asked(oracle, ready, Path(folder), EngineLimits(concurrency=2))
                wall, own, child = clocks.read()
                assert answers.run.complete
            if number:  # the first round loads what the others find there
                rates.append(bare[0] / wall)
                costs.append(bare[1] / (own + child))
                beside.append(own / child)
    finally:
        await oracle.aclose()
    return rates, costs, beside


def _spread(values: list[float], digits: int = 2) -> str:
    middle = statistics.median(values)
    return f"{middle:.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
