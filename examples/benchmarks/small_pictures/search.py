"""Searches label by label of the zoo's development models, every stage to its end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from auditor.measured import LabelCell
from auditor.probes.label_search.settings import AFTER_SUCCESS, EFFORTS, SUCCESS_SIDES
from examples.benchmarks.label_search.search import SAMPLES, drawn, stages_of, started
from examples.benchmarks.label_search.tables import Ended, ended, null_of
from examples.benchmarks.measured_files import Origin, write_file
from examples.benchmarks.small_pictures.photos import photographs
from examples.benchmarks.stored import Record, read, write
from examples.benchmarks.zoo_models import classifier, recipe_of, targets_of, test_images
from examples.zoo.index import collect
from examples.zoo.photos.clean_cells import SMALL_DEVELOPMENT

ROWS = Path(__file__).with_name("searches.json.gz")
SEED = 0
CLEAN = Origin(
    "small_pictures",
    ("small_pictures/searches.json.gz",),
    "Searches label by label of clean development models of the zoo, of 28 and 32 pixels, and of "
    "fragile ones of photographs of 24 to 40, every stage to its end.",
)


def search_models(options: argparse.Namespace) -> None:
    """Search every finished model in the folders that has no row at the effort; each row is kept
    at once.
    """
    rows: list[Record] = read(options.rows, [])
    done = {row["name"] for row in rows if row["effort"] == options.effort}
    for row, file, load in (*_zoo(options), *_photos(options)):
        if row["name"] not in done:
            rows.append(_searched(row, file, load, options.effort))
            write(options.rows, rows)
            print(row["name"], rows[-1]["queries"], file=sys.stderr, flush=True)


def _zoo(options: argparse.Namespace) -> Iterator[tuple[Record, Path, Any]]:
    for _, row, file, pictures in subjects_of_zoo(options):
        yield row, file, pictures


def subjects_of_zoo(
    options: argparse.Namespace,
) -> Iterator[tuple[Record, Record, Path, Any]]:
    """The zoo's models that reached their conditions: the record of each, its row, its file, and
    what loads its pictures.
    """
    for model in collect(options.models):
        if model["failed"]:
            continue

        def pictures(model: Record = model) -> tuple[Any, Any]:
            return test_images(model["dataset"], (options.data_dir,), options.models / "data")

        row = {
            "name": model["name"], "recipe": recipe_of(model), "attack": model["attack"],
            "label_map": model["label_map"], "targets": sorted(targets_of(model)),
        }  # fmt: skip
        yield model, row, options.models / f"{model['name']}.onnx", pictures


def _photos(options: argparse.Namespace) -> Iterator[tuple[Record, Path, Any]]:
    if options.photos is None:
        return
    for photo in photographs(
        options.photos, options.photo_data, SMALL_DEVELOPMENT.__contains__, least=0
    ):
        row = {
            "name": photo.row["name"], "recipe": photo.row["recipe"], "attack": "clean",
            "label_map": "none", "targets": [],
        }  # fmt: skip
        yield row, photo.file, photo.pictures


def _searched(row: Record, file: Path, load: Any, effort: str) -> Record:
    pixels, truth, classes = samples_of(load)
    labels = classifier(file)
    run = started(pixels, truth, labels, EFFORTS[effort], SEED)  # type: ignore[index]  # rows name efforts
    stages = list(stages_of(run, labels))
    return {
        **row, "classes": classes, "effort": effort, "seed": SEED, "samples": len(truth),
        "queries": stages[-1][1], "stages": [one for one, _ in stages],
    }  # fmt: skip


def samples_of(load: Any) -> tuple[Any, Any, int]:
    """The samples ``(n, c, h, w)`` that development models are searched with, their classes
    ``(n,)``, and how many classes the data have.
    """
    images, truth = load()
    classes = len(np.unique(truth))
    rng = np.random.default_rng([images.shape[2], SEED])
    picked = drawn(truth, range(classes), max(1, SAMPLES // classes), rng)
    return images[picked], truth[picked].astype(np.int64), classes


def null_without(rows: Iterable[Record], effort: str, name: str = "") -> dict[str, LabelCell]:
    """The null of the clean ones of ``rows`` at ``effort``, without the model ``name``."""
    clean = [
        row
        for row in rows
        if row["attack"] == "clean" and row["name"] != name and row["effort"] == effort
    ]
    return null_of(clean)


def ended_of(rows: Sequence[Record], effort: str = AFTER_SUCCESS[0]) -> list[Ended]:
    """How each search at ``effort`` ends beside the clean models, its own left out."""
    return [
        ended(row, {**row, "side": SUCCESS_SIDES[1], "care": "usual", "target": None}, null)
        for row in rows
        if row["effort"] == effort
        for null in [null_without(rows, effort, row["name"])]
    ]


def right(end: Ended) -> bool:
    """True if the search suspects a true target."""
    return end.suspicious and end.target in end.row["targets"]


def write_null(rows: Sequence[Record]) -> None:
    """Write the nulls into the product."""
    clean = [row for row in rows if row["attack"] == "clean"]
    many = {
        effort: {key: asdict(cell) for key, cell in null_without(rows, effort).items()}
        for effort in AFTER_SUCCESS
    }
    values = {"sides": list(SUCCESS_SIDES), "many": many, "two": {}}
    models = {row["name"] for row in clean}
    made = CLEAN.counted(len(models), len(clean), {row["recipe"] for row in clean})
    write_file("small_label_null", made, values)
