"""How do time, memory and files of audits grow with queries, pixels, classes and models?

    python -m examples.benchmarks growth [--rounds 3] [--only NAME]

Whole audits of a model that answers at once, each in a process of its own: the auditor's own
processor time without the model's, peak memory, what lies on the disk, every view of the report but
the PDF, and `verify`. An exponent is the slope between the last two rows of a series on logarithmic
axes: 1 is linear.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from adapters.synthetic import SyntheticOracle
from auditor.evidence.bundle import load_bundle
from auditor.evidence.layout import LOG
from auditor.plan.settings import AuditSettings
from auditor.report.source import ReportSource
from auditor.report.views import FILES, ViewName, render, view_settings
from auditor.workflows.audit import run_audit
from auditor.workflows.prepare import STORE_NAME
from auditor.workflows.request import AuditRequest
from auditor.workflows.targets import located
from auditor.workflows.verify.verify import verify_bundle
from examples.benchmarks.audited import made_samples
from examples.benchmarks.machine import machine
from examples.benchmarks.stored import ROOT, write_page

PAGE = Path(__file__).with_name("README.md")
PICTURE = Path(__file__).with_name("growth.svg")


@dataclass(frozen=True)
class Case:
    """One audit, or of so many ``models`` in turn: the paper's planes if there are any, else the
    default audit at effort quick.
    """

    series: str
    value: int
    side: int = 32
    classes: int = 10
    planes: int = 0
    density: int = 0
    models: int = 1

    @property
    def settings(self) -> AuditSettings:
        """Its settings."""
        if not self.planes:
            return AuditSettings(effort="quick")
        planes = {"planes": self.planes, "density": self.density}
        return AuditSettings.paper(**planes, trigger_search=False, stop_early=False)


CASES = (
    Case("queries", 2_000, 16, planes=20, density=10),
    Case("queries", 20_000, 16, planes=20, density=32),
    Case("queries", 200_000, 16, planes=20, density=100),
    Case("queries", 1_000_000, 16, planes=100, density=100),
    *(Case("side", side, side) for side in (32, 64, 128, 224)),
    *(Case("classes", classes, 64, classes) for classes in (3, 10, 100, 1000)),
    *(Case("models", models, models=models) for models in (1, 10, 100)),
)
COLUMNS = {
    "own": "auditor, s",
    "memory": "peak memory, MiB",
    "store": "label store, MB",
    "log": "evidence log, MB",
    "views": "views, s",
    "verify": "verify, s",
}


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="series of this name; writes no page")
    parser.add_argument("--one", type=int, help="internal: number of a case")
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(asyncio.run(_measure(CASES[options.one]))))
        return
    rows: dict[Case, dict[str, float]] = {}
    for number, case in enumerate(CASES):
        if options.only in case.series:
            rows[case] = _medians([_apart(number) for _ in range(options.rounds)])
            print(case, rows[case], flush=True)
    lines = _page(rows, options.rounds)
    print("\n".join(lines))
    if not options.only:
        write_page(PAGE, "\n".join(lines))
        _draw(rows)


def _apart(number: int) -> dict[str, float]:
    command = [sys.executable, "-m", "examples.benchmarks", "growth", "--one", str(number)]
    # The model's own threads would count for the auditor.
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, env=alone)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _medians(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


class _Model:
    """Labels by the nearest of some directions of a coarse picture, and the time they took."""

    def __init__(self, classes: int, number: int) -> None:
        self.spent = 0.0
        self._directions = np.random.default_rng(1 + number).standard_normal((3 * 64, classes))

    def labels(self, batch: NDArray[np.float32]) -> NDArray[Any]:
        """One label each."""
        began = time.thread_time()
        step = batch.shape[-1] // 8
        coarse = batch[:, :, :: step or 1, :: step or 1][:, :, :8, :8].reshape(len(batch), -1)
        found: NDArray[Any] = ((coarse - 0.5) @ self._directions[: coarse.shape[1]]).argmax(axis=1)
        self.spent += time.thread_time() - began
        return found


async def _measure(case: Case) -> dict[str, float]:
    found = [await _audit(case, number) for number in range(case.models)]
    sums = {name: sum(one[name] for one in found) for name in found[0]}
    return {**sums, "memory": found[-1]["memory"]}


async def _audit(case: Case, number: int) -> dict[str, float]:
    model, shape = _Model(case.classes, number), (3, case.side, case.side)
    names = [str(number) for number in range(case.classes)]
    spec = InputSpec(shape, (0.0,) * 3, (1.0,) * 3)
    oracle = SyntheticOracle(model.labels, spec, names, max_batch=256)
    samples = made_samples(case.side, case.classes, -(-40 // case.classes))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        began = time.process_time()
        request = AuditRequest(located(oracle), samples, case.settings, folder, views=())
        result = await run_audit(request)
        own = time.process_time() - began - model.spent
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        began = time.process_time()
        _views(folder)
        views = time.process_time() - began
        began = time.process_time()
        verified = verify_bundle(folder)
        checked = time.process_time() - began
        assert not verified.failed, asdict(verified)
        sizes = {name: (folder / file).stat().st_size / 1e6 for name, file in _FILES.items()}
    sent = float(result.report["queries"]["sent"])
    times = {"own": own, "views": views, "verify": checked, "memory": memory}
    return {"queries": sent, **times, **sizes}


_FILES = {"store": STORE_NAME, "log": LOG}


def _views(folder: Path) -> None:
    """Every view but the PDF, rendered as ``xray-audit report`` does it."""
    held = load_bundle(folder)
    source = ReportSource(held.result, held.pictures, held.run, held.profile)
    for name in FILES:
        if name != ViewName.PDF:
            render(name, source, view_settings())


def _page(rows: dict[Case, dict[str, float]], rounds: int) -> list[str]:
    lines = [
        "# How an audit grows",
        "",
        f"Made by `make bench BENCH=growth`: medians of audits, {rounds} a row, every one in a "
        "process of its own, of a model that answers at once and whose own time is taken out; "
        f"processor seconds, on a machine that was busy with other work. {machine()}.",
        "",
        "*queries* are the paper's planes at 16 pixels a side, *side* and *classes* the default "
        "audit at effort `quick` (64 pixels for *classes*; fewer than 40 pixels are searched "
        "another way, with fewer queries), *models* audits of so many models in one process, as a "
        "fleet's worker makes them. Views: all formats but PDF.",
        "",
        f"| series | value | queries sent | {' | '.join(COLUMNS.values())} | exponent, auditor "
        "| exponent, verify |",
        "|---|---|---|" + "---|" * (len(COLUMNS) + 2),
    ]
    before: Case | None = None
    for case, found in rows.items():
        same = before if before is not None and before.series == case.series else None
        slopes = [_slope(rows, same, case, name) for name in ("own", "verify")]
        cells = [f"{found[name]:,.2f}" for name in COLUMNS]
        lines.append(
            f"| {case.series} | {case.value:,} | {found['queries']:,.0f} | {' | '.join(cells)} "
            f"| {' | '.join(slopes)} |"
        )
        before = case
    return [*lines, "", "![Processor time and memory of each series](growth.svg)"]


def _slope(rows: dict[Case, dict[str, float]], one: Case | None, two: Case, name: str) -> str:
    if one is None:
        return ""
    return f"{math.log(rows[two][name] / rows[one][name]) / math.log(two.value / one.value):.2f}"


def _draw(rows: dict[Case, dict[str, float]]) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - slow to load, and no measurement needs it

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "growth", "svg.fonttype": "none"})
    from matplotlib import pyplot as plt  # noqa: PLC0415 - as above

    names = list(dict.fromkeys(case.series for case in rows))
    figure, axes = plt.subplots(1, len(names), figsize=(3 * len(names), 3), layout="constrained")
    for series, axis in zip(names, axes, strict=True):
        cases = [case for case in rows if case.series == series]
        for name in ("own", "verify", "views", "memory"):
            values = [rows[case][name] for case in cases]
            axis.loglog([case.value for case in cases], values, marker="o", label=COLUMNS[name])
        axis.set_xlabel(series)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=7)
    figure.savefig(PICTURE, metadata={"Date": None})


if __name__ == "__main__":
    main()
