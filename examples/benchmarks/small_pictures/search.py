"""Searches label by label of the zoo's development models, every stage to its end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from auditor.measured import LabelCell
from auditor.probes.label_search.settings import AFTER_SUCCESS, SUCCESS_SIDES
from examples.benchmarks.label_search.search import SAMPLES, drawn, stages_of, started
from examples.benchmarks.label_search.tables import Ended, ended, null_of
from examples.benchmarks.measured_files import Origin, write_file
from examples.benchmarks.stored import Record, read, write
from examples.benchmarks.zoo_models import classifier, recipe_of, targets_of, test_images
from examples.zoo.index import collect

ROWS = Path(__file__).with_name("searches.json.gz")
EFFORT = AFTER_SUCCESS[0]
SEED = 0
CLEAN = Origin(
    "small_pictures",
    ("small_pictures/searches.json.gz",),
    "Searches label by label of clean development models of 28 and 32 pixels, every stage to its "
    "end.",
)


def search_models(options: argparse.Namespace) -> None:
    """Search every finished model in the folder that has no row; each row is kept at once."""
    rows: list[Record] = read(options.rows, [])
    done = {row["name"] for row in rows}
    for model in collect(options.models):
        if model["failed"] or model["name"] in done:
            continue
        rows.append(_searched(model, options))
        write(options.rows, rows)
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


def null_without(rows: Iterable[Record], name: str = "") -> dict[str, LabelCell]:
    """The null of the clean ones of ``rows``, without the model ``name``."""
    clean = [row for row in rows if row["attack"] == "clean" and row["name"] != name]
    return null_of(clean, EFFORT)


def ended_of(rows: Sequence[Record]) -> list[Ended]:
    """How each search ends beside the clean models, its own left out."""
    return [
        ended(row, {**row, "side": SUCCESS_SIDES[1], "care": "usual", "target": None}, null)
        for row in rows
        for null in [null_without(rows, row["name"])]
    ]


def right(end: Ended) -> bool:
    """True if the search suspects a true target."""
    return end.suspicious and end.target in end.row["targets"]


def write_null(rows: Sequence[Record]) -> None:
    """Write the null into the product."""
    clean = [row for row in rows if row["attack"] == "clean"]
    cells = {key: asdict(cell) for key, cell in null_without(rows).items()}
    values = {"sides": list(SUCCESS_SIDES), "many": {EFFORT: cells}, "two": {}}
    made = CLEAN.counted(len(clean), len(clean), {row["recipe"] for row in clean})
    write_file("small_label_null", made, values)
