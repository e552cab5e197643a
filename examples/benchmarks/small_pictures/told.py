"""Searches of development models that ask what tells planted patches from natural ones, every stage
and every further search to its end: the null of ``thorough`` and ``exhaustive``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

from auditor.measured import LabelCell
from auditor.probes.further_searches import FURTHER_STREAM, patches_alone
from auditor.probes.label_search.judge import WAVE, best_of, told_limits, waves_led_to
from auditor.probes.label_search.settings import AFTER_SUCCESS, SUCCESS_SIDES, settings_for, telling
from examples.benchmarks.label_search.search import stages_of, started
from examples.benchmarks.label_search.tables import Ended, ended, findings, null_of
from examples.benchmarks.measured_files import Origin, write_file
from examples.benchmarks.small_pictures.photos import photographs
from examples.benchmarks.small_pictures.search import SEED, samples_of, subjects_of_zoo
from examples.benchmarks.stored import Record, read, write
from examples.benchmarks.zoo_models import SCORED_ROUND, classifier, round_of
from examples.zoo.photos.small_cells import SMALL_CELLS

ROWS = Path(__file__).with_name("told.json.gz")
DEAREST = AFTER_SUCCESS[-1]
NULL_OF = AFTER_SUCCESS[0]
"""The effort that the null is of; each further search asks what one of it does."""
CLEAN = Origin(
    "small_pictures",
    ("small_pictures/told.json.gz",),
    "Searches label by label, and further ones for patches, of clean models of 28 to 40 pixels "
    "that were known before the zoo's ninth round, trained anew, every stage to its end.",
)


def search_told(options: argparse.Namespace) -> None:
    """Search every development model in the folders that has no row; each row is kept at once."""
    rows: list[Record] = read(options.told, [])
    done = {row["name"] for row in rows}
    for row, file, load in chain(_zoo(options), _photos(options)):
        if row["name"] not in done:
            rows.append(_searched(row, file, load))
            write(options.told, rows)
            print(row["name"], rows[-1]["queries"], file=sys.stderr, flush=True)


def _zoo(options: argparse.Namespace) -> Iterator[tuple[Record, Path, Any]]:
    for model, row, file, pictures in subjects_of_zoo(options):
        if round_of(model) < SCORED_ROUND:
            yield {**row, "photo": False}, file, pictures


def _photos(options: argparse.Namespace) -> Iterator[tuple[Record, Path, Any]]:
    if options.photos is None:
        return
    for photo in photographs(options.photos, options.photo_data, _known):
        attack = photo.row["group"]
        row = {
            **{key: photo.row[key] for key in ("name", "recipe", "photo")},
            "attack": attack, "label_map": "none" if attack == "clean" else "all-to-one",
            "targets": sorted(photo.targets),
        }  # fmt: skip
        yield row, photo.file, photo.pictures


def _known(cell: int) -> bool:
    """True for cells of small photographs of before the ninth round."""
    return cell not in SMALL_CELLS


def _searched(row: Record, file: Path, load: Any) -> Record:
    pixels, known, classes = samples_of(load)
    shape, labels = pixels.shape[2:], classifier(file)
    settings = telling(settings_for(shape, DEAREST), shape, DEAREST)
    stages = list(stages_of(started(pixels, known, labels, settings, SEED), labels))
    further = []
    for number, key in enumerate(settings.further, 1):
        alone = patches_alone(key, settings.order_images)
        run = started(pixels, known, labels, alone, SEED + number * FURTHER_STREAM)
        further += [stage for stage, _ in stages_of(run, labels)]
    return {
        **row, "side": shape[0], "classes": classes, "samples": len(known), "seed": SEED,
        "effort": NULL_OF, "orders": settings.order_images, "queries": stages[-1][1],
        "stages": [one for one, _ in stages], "further": further,
    }  # fmt: skip


def null_without(rows: Sequence[Record], name: str = "") -> dict[str, LabelCell]:
    """The null of the clean ones of ``rows`` without the model ``name``."""
    clean = [row for row in rows if row["attack"] == "clean" and row["name"] != name]
    return null_of(part for row in clean for part in _parts(row))


def _parts(row: Record) -> list[Record]:
    """The first search of a row and every further one, each as a row of its own. A wave for a label
    that random ones lead to accuses of nothing: it counts as none.
    """
    stages = [_without_gathered(stage, row) for stage in row["stages"]]
    first = {**{key: value for key, value in row.items() if key != "further"}, "stages": stages}
    return [first, *({**first, "stages": [stage]} for stage in row["further"])]


def _without_gathered(stage: Record, row: Record) -> Record:
    found = findings(stage)
    if stage["kind"] != WAVE or not found:
        return stage
    every = [one for stage in row["stages"] for one in findings(stage)]
    gathered = waves_led_to(every, told_limits((row["side"],) * 2, NULL_OF))
    return {**stage, "findings": []} if best_of(found)[0].label in gathered else stage


def ended_at(rows: Sequence[Record], effort: str) -> list[Ended]:
    """How each search at ``effort`` ends beside the clean models, its own left out."""
    return [
        ended(_at(row, effort), _model_of(row), null_without(rows, row["name"])) for row in rows
    ]


def _at(row: Record, effort: str) -> Record:
    """A row as a search at ``effort`` asks it."""
    if effort == NULL_OF:
        return {key: value for key, value in row.items() if key != "further"}
    return {**row, "effort": effort}


def _model_of(row: Record) -> Record:
    target = next(iter(row["targets"]), None)
    return {**row, "care": "usual", "target": target}


def write_null(rows: Sequence[Record]) -> None:
    """Write the null into the product."""
    clean = [row for row in rows if row["attack"] == "clean"]
    cells = {key: asdict(cell) for key, cell in null_without(rows).items()}
    values = {"sides": list(SUCCESS_SIDES), "many": {NULL_OF: cells}, "two": {}}
    made = CLEAN.counted(len(clean), len(clean), {row["recipe"] for row in clean})
    write_file("small_told_label_null", made, values)
