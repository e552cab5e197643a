"""The held-out models of photographs of 28 to 40 pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from auditor.probes.label_search.settings import SUCCESS_SIDES
from examples.benchmarks.stored import Record
from examples.zoo.photos.index import judge, read_records
from examples.zoo.photos.samples import find
from examples.zoo.photos.sources import load


@dataclass(frozen=True)
class Subject:
    """A model to be asked: ``row`` says what it is, ``pictures`` gives 8-bit test pictures
    ``(n, c, h, w)`` and their classes ``(n,)``.
    """

    row: Record
    file: Path
    targets: set[int]
    pictures: Any


def photographs(
    models: Path, data_dir: Path, of_cell: Callable[[int], bool], least: int = SUCCESS_SIDES[0]
) -> Iterator[Subject]:
    """The valid small ones in the folder ``models``, from ``least`` pixels on, without the twins of
    backdoored ones, whose cell of the plan ``of_cell`` takes.
    """
    for record in judge(read_records(models).values()):
        small = least <= record["side"] <= SUCCESS_SIDES[1] and record["split"] != "twin"
        if not (small and record["valid"] and of_cell(record["seed"] // 1000)):
            continue
        targets = set() if record["target"] is None else {record["target"]}
        group = "clean" if record["attack"] == "clean" else record["attack"]
        recipe = f"{record['task']}/{record['family']}/{record['augmentation']}"
        row = {"name": record["name"], "recipe": recipe, "group": group, "photo": True}
        pictures = partial(pictures_of, record, models, data_dir)
        yield Subject(row, models / f"{record['name']}.onnx", targets, pictures)


def pictures_of(record: Record, models: Path, data_dir: Path) -> tuple[Any, Any]:
    """A model's 8-bit test pictures ``(n, c, h, w)`` and their classes ``(n,)``."""
    spec = find(record["name"])
    data = load(spec.task, spec.side, data_dir, models / "cache")
    return data.x_test, data.y_test
