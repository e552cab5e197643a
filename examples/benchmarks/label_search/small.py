"""The search label by label on the zoo's small pictures: what it finds there, without a null.

    python -m examples.benchmarks label_search small --data-dir DATA --models MODELS

No verdict rests on it: audits of up to 40 pixels are searched for the most successful change.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from auditor.probes.label_search.judge import STANDS_OUT, best_of
from auditor.probes.label_search.search import LabelFinding
from examples.benchmarks.cells import rate_cell
from examples.benchmarks.label_search.search import SAMPLES, drawn, stages_of, started
from examples.benchmarks.label_search.tables import findings
from examples.benchmarks.stored import Record, read, write
from examples.benchmarks.zoo_models import classifier, recipe_of, targets_of, test_images
from examples.zoo.index import collect

ROWS = Path(__file__).with_name("small.json.gz")
EFFORT = "thorough"
SEED = 0


def search_small(options: argparse.Namespace) -> None:
    """Search every finished model of the zoo that has no row, once; each row is kept at once."""
    rows: list[Record] = read(ROWS, [])
    done = {row["name"] for row in rows}
    for model in collect(options.models):
        if model["failed"] or model["name"] in done:
            continue
        rows.append(_searched(model, options))
        write(ROWS, rows)
        print(model["name"], rows[-1]["queries"], file=sys.stderr, flush=True)


def _searched(model: Record, options: argparse.Namespace) -> Record:
    images, truth = test_images(model["dataset"], (options.data_dir,), options.models / "data")
    classes = len(np.unique(truth))
    rng = np.random.default_rng([images.shape[2], SEED])
    picked = drawn(truth, classes, max(1, SAMPLES // classes), rng)
    labels = classifier(options.models / f"{model['name']}.onnx")
    run = started(images[picked], truth[picked].astype(np.int64), labels, EFFORT, SEED)
    stages = list(stages_of(run, labels))
    return {
        "name": model["name"], "recipe": recipe_of(model), "attack": model["attack"],
        "label_map": model["label_map"], "split": model["split"],
        "targets": sorted(targets_of(model)), "classes": classes, "effort": EFFORT, "seed": SEED,
        "samples": len(picked), "queries": stages[-1][1], "stages": [one for one, _ in stages],
    }  # fmt: skip


def section(rows: Sequence[Record]) -> list[str]:
    """The page's section on small pictures; empty without rows."""
    if not rows:
        return []
    lines = [
        "## Small pictures: what this search finds there",
        "",
        "The zoo's models of 28 and 32 pixels, each searched once at `thorough`. There is no null "
        "of clean models for them yet and audits do not ask this search there, so nothing is "
        "judged: counted is the smallest patch that carries a label and needs clearly less than "
        "the model's next label, and the same for smooth fields and waves.",
        "",
        "| models | a patch stands out | at the true target | a field or wave stands out | at the "
        "true target | queries (median) |",
        "|---|---|---|---|---|---|",
    ]
    kinds = sorted({row["attack"] for row in rows if row["label_map"] == "all-to-one"})
    groups = [("clean", [row for row in rows if row["attack"] == "clean"])]
    bad = [row for row in rows if row["label_map"] == "all-to-one"]
    groups += [("all-to-one", bad)]
    groups += [(kind, [row for row in bad if row["attack"] == kind]) for kind in kinds]
    groups += [("other maps", [row for row in rows if _other(row)])]
    return [*lines, *(_row(name, group) for name, group in groups if group), ""]


def _other(row: Record) -> bool:
    return row["label_map"] not in {"none", "all-to-one"}


def _row(name: str, rows: Sequence[Record]) -> str:
    cells = [name]
    for prefixes in (("small-",), ("weak-field", "weak-wave")):
        found = [(row, _standing_out(row, prefixes)) for row in rows]
        hits = [(row, label) for row, label in found if label is not None]
        right = sum(label in row["targets"] for row, label in hits)
        cells += [rate_cell(len(hits), len(rows)), "–" if name == "clean" else f"{right}"]
    cells.append(f"{np.median([row['queries'] for row in rows]):,.0f}")
    return f"| {' | '.join(cells)} |"


def _standing_out(row: Record, prefixes: tuple[str, ...]) -> int | None:
    """The label that the least such change carries, if it stands out among the model's labels."""
    by_key: dict[str, list[LabelFinding]] = {}
    for stage in row["stages"]:
        for one in findings(stage):
            if one.key.startswith(prefixes):
                by_key.setdefault(one.key, []).append(one)
    best: tuple[float, int] | None = None
    for key, found in by_key.items():
        least, margin, value = best_of(found)
        out = least.carried and margin >= STANDS_OUT[key.partition("-")[0]]
        if out and (best is None or value < best[0]):
            best = value, least.label
    return None if best is None else best[1]
