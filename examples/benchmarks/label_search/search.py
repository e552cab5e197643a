"""Searches of the photo models, every stage to its end, one row per search."""

from __future__ import annotations

import argparse
import sys
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np

from adapters.contract import InputSpec
from auditor.probes.label_search.search import prepare
from auditor.probes.label_search.settings import EFFORTS, Effort
from auditor.probes.trigger_search.sample_set import Asking
from examples.benchmarks.label_search.tables import serves
from examples.benchmarks.stored import Record, read, write
from examples.benchmarks.zoo_models import classifier
from examples.zoo.photos.index import read_records
from examples.zoo.photos.samples import find
from examples.zoo.photos.sources import load
from examples.zoo.photos.tasks import TASKS

DATA = Path(__file__).with_name("data.json.gz")
SAMPLES = 120


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the step ``search``."""
    parser.add_argument("--data-dir", type=Path, help="folder of the photo data sets")
    parser.add_argument("--models", type=Path, help="folder of the trained photo models")
    parser.add_argument("--split", choices=("development", "held-out"), default="development")
    parser.add_argument("--effort", choices=tuple(EFFORTS), default="standard")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most-side", type=int, default=96, help="largest pictures, in pixels")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--results", type=Path, default=DATA)


def search_all(options: argparse.Namespace) -> None:
    """Search what was not searched yet; every row is kept as soon as it is there."""
    rows: list[Record] = read(options.results, {"rows": []})["rows"]
    done = {(row["name"], row["effort"], row["seed"]) for row in rows}
    models = [
        record
        for record in read_records(options.models).values()
        if serves(record) == options.split and record["side"] <= options.most_side
    ]
    # Tasks of two classes last, as too few clean ones are there to judge them by; and clean ones
    # first: the null is made of them.
    models.sort(key=lambda one: (TASKS[one["task"]].binary, one["attack"] != "clean"))
    tasks = [
        (record, options)
        for record in models
        if (record["name"], options.effort, options.seed) not in done
    ]
    with Pool(options.processes) as pool:
        for row in pool.imap(_task, tasks, 1):
            rows.append(row)
            write(options.results, {"samples": SAMPLES, "rows": rows})
            print(row["name"], row["effort"], row["queries"], file=sys.stderr, flush=True)


def _task(task: tuple[Record, argparse.Namespace]) -> Record:
    record, options = task
    return search_one(record, options.effort, options.seed, options.data_dir, options.models)


def search_one(record: Record, effort: Effort, seed: int, data_dir: Path, models: Path) -> Record:
    """One search of one model, as a row of plain numbers."""
    spec = find(record["name"])
    data = load(spec.task, spec.side, data_dir, models / "cache")
    rng, classes = np.random.default_rng([spec.side, seed]), len(data.info.classes)
    each = SAMPLES // classes
    pools = [np.flatnonzero(data.y_test == label) for label in range(classes)]
    picked = np.concatenate([rng.choice(pool, min(each, len(pool)), False) for pool in pools])
    pixels, truth = data.x_test[picked], data.y_test[picked].astype(np.int64)
    shape: tuple[int, int, int] = pixels.shape[1:]
    model = InputSpec(shape, (0.0,) * shape[0], (1.0,) * shape[0])
    labels = classifier(models / f"{record['name']}.onnx")
    run = _driven(prepare(model.from_pixels(pixels), truth, model, EFFORTS[effort], seed), labels)
    stages = []
    for stage in run.stages():
        before = run.search_set.total()
        found = _driven(stage, labels)
        findings = [
            [one.key, one.label, round(one.value, 4), one.carried, one.success.hits,
             one.success.images]
            for one in found
        ]  # fmt: skip
        stages.append({"queries": run.search_set.total() - before, "findings": findings})
    return {
        "name": record["name"], "sha256": record["sha256"], "effort": effort, "seed": seed,
        "classes": classes, "samples": len(picked), "queries": run.search_set.total(),
        "stages": stages,
    }  # fmt: skip


def _driven(asking: Asking[Any], labels: Any) -> Any:
    """Answer every question of ``asking``; its result."""
    try:
        batch = next(asking)
        while True:
            batch = asking.send(labels(batch))
    except StopIteration as end:
        return end.value
