"""Models that are searched class by class: clean ones, and those of other maps than all-to-one."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from auditor.probes.label_search.settings import SUCCESS_SIDES, Effort
from examples.benchmarks.label_search.tables import in_null, serves
from examples.benchmarks.small_pictures.photos import photographs, pictures_of
from examples.benchmarks.stored import Record
from examples.benchmarks.zoo_models import SEEDS_PER_CELL, images_for, recipe_of
from examples.zoo.index import collect
from examples.zoo.photos.attacks import OTHER_MAPS
from examples.zoo.photos.cells import DEVELOPMENT, HELD_OUT
from examples.zoo.photos.clean_cells import SMALL_DEVELOPMENT
from examples.zoo.photos.index import judge, read_records
from examples.zoo.photos.manifest import CLEAN, LABEL_MAPS
from examples.zoo.photos.small_cells import SMALL_CELLS

SEVENTH, EIGHTH = range(46, 53), range(53, 57)
"""Cells of the zoo's last two rounds."""
SEARCHED_AT: Effort = "thorough"
"""Effort of audits that have this search."""
Subject = tuple[Record, Path, Any]
"""What is known of a model before it is searched, its file, and a function that gives its 8-bit
test pictures ``(n, c, h, w)`` and their classes ``(n,)``."""


def subjects(options: argparse.Namespace) -> Iterator[Subject]:
    """The models that ``options`` ask for."""
    if options.larger:
        yield from larger_photographs(options.photos, options.photo_data)
        return
    yield from _zoo(options)
    if options.photos is not None:
        yield from _small_photographs(options.photos, options.photo_data)


def _zoo(options: argparse.Namespace) -> Iterator[Subject]:
    for model in collect(options.models):
        # Another label map than all-to-one, or none, of models that reached their conditions.
        if model["label_map"] != "all-to-one" and not model["failed"]:
            about = {
                "name": model["name"], "recipe": recipe_of(model), "map": model["label_map"],
                "development": _development(model), "accuracy": model["accuracy"],
                "success": model["attack_success"], "digest": model["digest"],
                "truth": _truth(model),
            }  # fmt: skip
            file = options.models / f"{model['name']}.onnx"
            yield about, file, partial(images_for, model, options)


def _truth(model: Record) -> list[list[int]]:
    """The pairs of source and target of a model's backdoor."""
    return [[s, t] for s, t in enumerate(model["mapping"]) if t not in {-1, s}]


def _development(model: Record) -> bool:
    cell = model["seed"] // SEEDS_PER_CELL
    return cell not in EIGHTH and (cell not in SEVENTH or model["label_map"] != "none")


def _small(cell: int) -> bool:
    """True for cells of small photographs that this search was measured on."""
    return cell not in SMALL_DEVELOPMENT | SMALL_CELLS


def _small_photographs(models: Path, data_dir: Path) -> Iterator[Subject]:
    for subject in photographs(models, data_dir, _small):
        if subject.row["group"] == "clean":
            name = subject.row["name"]
            about = {
                "name": name, "recipe": subject.row["recipe"], "map": "none",
                "development": sum(map(ord, name)) % 2 == 0, "truth": [],
            }  # fmt: skip
            yield about, subject.file, subject.pictures


def larger_photographs(models: Path, data_dir: Path) -> Iterator[Subject]:
    """The valid photo models of more than 40 pixels in the folder ``models`` that are clean or of
    another map than all-to-one, but for the twins of backdoored ones and what no null is made of.
    """
    for record in judge(read_records(models).values()):
        clean, split = record["attack"] == CLEAN, serves(record, SEARCHED_AT)
        wanted = (clean or record["attack"] in OTHER_MAPS) and split in {DEVELOPMENT, HELD_OUT}
        kept = not clean or split == HELD_OUT or in_null(record)
        if not (record["valid"] and wanted and kept and record["side"] > SUCCESS_SIDES[1]):
            continue
        about = {
            "name": record["name"], "side": record["side"], "sha256": record["sha256"],
            "recipe": f"{record['task']}/{record['family']}/{record['augmentation']}",
            "map": "none" if clean else LABEL_MAPS[record["attack"]],
            "inside": record["attack"].endswith("-inside"),
            "development": split == DEVELOPMENT, "accuracy": record["accuracy"],
            "success": record["success"], "truth": _truth(record),
        }  # fmt: skip
        yield (
            about,
            models / f"{record['name']}.onnx",
            partial(pictures_of, record, models, data_dir),
        )
