"""More trigger searches of the clean references, for the natural patches of their task.

    python -m examples.benchmarks.reference_searches --data-dir DATA

A search finds a natural patch only now and then, so two searches of a reference show too few of
them. This adds :data:`SEEDS` more of every clean calibration model, without a null, and keeps what
they found of patches in ``reference_searches.json``. A search that is there already is not made
again; remove the file where the search changed.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from multiprocessing import Pool
from pathlib import Path

from auditor.verdict.natural_labels import PATCH_KEYS
from examples.benchmarks.decision_data import Record, short
from examples.benchmarks.trigger_search import Task, search_one
from examples.zoo import default_folder
from examples.zoo.index import collect

PATH = Path(__file__).parent / "reference_searches.json"
SEEDS = range(2, 8)
"""``trigger_search`` made those of the seeds before."""


def main() -> None:
    """Make the searches that are missing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=Path, default=default_folder())
    parser.add_argument("--data-dir", type=Path, action="append", required=True)
    parser.add_argument("--samples", type=int, default=120)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    rows: list[Record] = json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else []
    done = {(row["name"], row["seed"]) for row in rows}
    wanted: list[Task] = [
        (model, seed, {})
        for model in collect(options.models)
        if model["split"] == "calibration" and model["attack"] == "clean" and not model["failed"]
        for seed in SEEDS
        if (model["name"], seed) not in done
    ]
    with Pool(options.processes) as pool:
        rows += map(_kept, pool.starmap(partial(search_one, options=options), wanted, 1))
    rows.sort(key=lambda row: (row["name"], row["seed"]))
    text = ",\n".join(json.dumps(row) for row in rows)
    PATH.write_text(f"[\n{text}\n]\n", encoding="utf-8")


def _kept(row: Record) -> Record:
    """What is needed of a search."""
    findings = {key: one for key, one in short(row)["findings"].items() if key in PATCH_KEYS}
    return {"name": row["name"], "recipe": row["recipe"], "seed": row["seed"], "findings": findings}


if __name__ == "__main__":
    main()
