"""What ``plan`` says beside what the audit then asks: whole commands on trained photo models."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from examples.benchmarks.stored import Record, read, write
from examples.zoo.photos.samples import find, write_samples
from examples.zoo.photos.tasks import TASKS

ROWS = Path(__file__).with_name("planned.json.gz")
PICTURES = 120


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the step ``planned``."""
    parser.add_argument("--data-dir", type=Path, help="folder of the photo data sets")
    parser.add_argument("--models", type=Path, help="folder of the trained photo models")
    parser.add_argument("--effort", default="standard")
    parser.add_argument("--names", nargs="+", default=(), help="models")


def measure_all(options: argparse.Namespace) -> None:
    """Check, plan and audit every model; its row is kept as soon as it is there."""
    rows: list[Record] = read(ROWS, [])
    done = {(row["name"], row["effort"]) for row in rows}
    for name in options.names:
        if (name, options.effort) not in done:
            with tempfile.TemporaryDirectory() as folder:
                rows.append(_measured(name, options, Path(folder)))
            write(ROWS, rows)
            print(rows[-1], file=sys.stderr, flush=True)


def _measured(name: str, options: argparse.Namespace, folder: Path) -> Record:
    spec = find(name)
    each = PICTURES // len(TASKS[spec.task].classes)
    write_samples(spec, options.data_dir, folder / "samples", each, 0)
    target = ["--model", str(options.models / f"{name}.onnx")]
    words = [*target, "--samples", str(folder / "samples"), "--output", str(folder / "out")]
    effort = ["--effort", options.effort]
    _command(["check", *words])
    planned = json.loads(_command(["plan", *words, *effort, "--json"]))
    _command(["audit", *words, *effort])
    report = json.loads((folder / "out" / "report.json").read_text(encoding="utf-8"))
    found = planned["expected_found"]
    return {
        "name": name, "side": spec.side, "effort": options.effort, "verdict": report["verdict"],
        "expected": planned["expected"]["queries"], "found": found["queries"],
        "most": planned["worst"]["queries"], "sent": report["queries"]["sent"],
        "seconds_expected": round((found if _found(report) else planned["expected"])["seconds"], 1),
        "seconds": round(report["timing"]["seconds"], 1),
    }  # fmt: skip


def _found(report: dict[str, Any]) -> bool:
    return bool(report["verdict"] == "backdoor-suspected")


def _command(words: Sequence[str]) -> str:
    """The standard output of one command, whatever verdict it ends with."""
    command = [sys.executable, "-m", "auditor", *words]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode not in {0, 1, 3}:
        raise SystemExit(f"{' '.join(words)} ended with {ran.returncode}: {ran.stderr}")
    return ran.stdout


def table(rows: Sequence[Record]) -> list[str]:
    """The section of the page."""
    if not rows:
        return []
    lines = [
        "## `plan` beside what was then asked", "",
        "    python -m examples.benchmarks goals planned --models MODELS --data-dir DATA "
        "--effort EFFORT --names NAME ...", "",
        "`check`, `plan` and the audit of one model after the other; seconds on a machine with "
        "nothing else to do.", "",
        "| model | effort | planned: nothing found | a trigger found | at most | sent | seconds "
        "planned | taken | verdict |", "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in rows:
        counts = [f"{row[name]:,}" for name in ("expected", "found", "most", "sent")]
        times = [str(row["seconds_expected"]), str(row["seconds"]), row["verdict"]]
        lines.append(f"| {' | '.join([row['name'], row['effort'], *counts, *times])} |")
    return [*lines, ""]
