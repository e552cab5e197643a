"""Searches of the zoo's development models, and the success that clean ones allow.

Development models are those of the calibration split and the held-out ones that earlier tools
were scored on. Each is searched with every seed, in two passes: clean models without any null (so
that nothing ends early), which gives the null; then all models, each judged by a null that leaves
its own recipe (data set, architecture, training) out. Models of the rounds that the tool is tested
on are never opened.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Container
from dataclasses import asdict
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.measured import NullCell
from auditor.probes.trigger_search.judge import natural, p_value
from auditor.probes.trigger_search.result import TriggerResult
from auditor.probes.trigger_search.search import KEYS, UNUSUAL, search
from auditor.probes.trigger_search.settings import TriggerSettings
from auditor.probes.trigger_search.verify import exact_interval
from examples.benchmarks import measured_files
from examples.benchmarks.stored import Record, write
from examples.benchmarks.zoo_models import (
    classifier,
    driven,
    images_for,
    is_development,
    recipe_of,
    targets_of,
)
from examples.zoo.index import collect

DATA = Path(__file__).with_name("data.json.gz")
RECOVERED = 0.9
Null = dict[str, NullCell]
Task = tuple[Record, int, Null]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the step ``search``, those of asking apart."""
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--samples", type=int, default=120)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--only", default="", help="only models whose name contains this")
    parser.add_argument("--results", type=Path, default=DATA)


def search_all(options: argparse.Namespace) -> None:
    """Search all development models and write the rows, one per search."""
    models = [
        model
        for model in collect(options.models)
        if is_development(model) and options.only in model["name"]
    ]
    seeds = range(options.seeds)
    clean = [model for model in models if model["attack"] == "clean"]
    free = _all([(model, seed, {}) for model in clean for seed in seeds], options)
    nulls: dict[str, Null] = {}
    for recipe in {recipe_of(model) for model in models}:
        nulls[recipe] = null_of([row for row in free if row["recipe"] != recipe])
    rows = [judged_again(row, nulls[row["recipe"]]) for row in free]
    rows = [row for row in rows if row["p"] > UNUSUAL]
    same = {(row["name"], row["seed"]) for row in rows}
    rows += _all(
        [
            (model, seed, nulls[recipe_of(model)])
            for model in models
            for seed in seeds
            if (model["name"], seed) not in same
        ],
        options,
    )
    note = {"samples": options.samples, "seeds": options.seeds, **asdict(TriggerSettings())}
    kept = {"clean_without_null": list(map(_kept, free)), "rows": list(map(_kept, rows))}
    write(options.results, {"settings": note, **kept})


def _all(tasks: list[Task], options: argparse.Namespace) -> list[Record]:
    with Pool(options.processes) as pool:
        return pool.starmap(partial(search_one, options=options), tasks, 1)


def search_one(
    model: Record,
    seed: int,
    null: Null,
    *,
    options: argparse.Namespace,
    sent: Callable[[NDArray[np.float32], InputSpec], NDArray[np.float32]] | None = None,
) -> Record:
    """One search of one model, as a row of plain numbers; ``sent`` gives the batch that the model
    receives, if that is not the batch itself.
    """
    images, classes = images_for(model, options)
    picked = np.random.default_rng(100 + seed).permutation(len(images))[: options.samples]
    channels = images.shape[1]
    spec = InputSpec((channels, *images.shape[2:]), (0.0,) * channels, (1.0,) * channels)
    asked = search(
        spec.from_pixels(images[picked]), classes[picked], spec, TriggerSettings(), seed, null
    )
    labels = classifier(options.models / f"{model['name']}.onnx")
    received = labels if sent is None else lambda batch: labels(sent(batch, spec))
    return row_of(model, seed, driven(asked, received))


def row_of(model: Record, seed: int, result: TriggerResult) -> Record:
    """The part of one result that the study needs."""
    targets = targets_of(model)
    best = result.best
    return {
        "name": model["name"],
        "recipe": recipe_of(model),
        "attack": model["attack"],
        "label_map": model["label_map"],
        "seed": seed,
        "suspicious": result.suspicious,
        "p": result.p,
        "key": best.key if best else None,
        "right": bool(best and best.target in targets),
        "queries": result.queries,
        "findings": {
            one.key: {
                "target": one.target,
                "hits": one.success.hits,
                "images": one.success.images,
                "low": round(one.success.low, 4),
                "size": one.size,
                "right": one.target in targets,
            }
            for one in result.findings
        },
    }


def judged_again(row: Record, null: Null) -> Record:
    """The row of a search without a null, judged by one.

    Where none of its findings is unusual, the search with the null would have asked the same: a
    null only ends a search early or prolongs it. ``p`` is of one look here for others.
    """
    ranked = []
    for key, one in row["findings"].items():
        success = exact_interval(one["hits"], one["images"], TriggerSettings().confidence)
        ranked.append((natural(key, success), p_value(success, null[key]), key))
    least = min(p for _, p, _ in ranked)
    _, p, key = min(ranked)
    best = row["findings"][key]
    p = least if least <= UNUSUAL else min(1.0, p * len(KEYS))
    return {**row, "p": p, "key": key, "right": best["right"], "suspicious": False}


def null_of(rows: list[Record]) -> Null:
    """The null of clean ``rows``: a key that was not reached counts as no success."""
    models = len({row["name"] for row in rows})
    cells: Null = {}
    for key in KEYS:
        found = [row["findings"].get(key, {"hits": 0, "images": 1, "low": 0.0}) for row in rows]
        highest = max(one["hits"] / max(1, one["images"]) for one in found)
        cells[key] = measured_files.null_cell([one["low"] for one in found], models, highest)
    return cells


def short(row: Record) -> Record:
    """A row whose findings are ``[target, hits, images, size]``."""
    findings = {
        key: [one["target"], one["hits"], one["images"], one["size"]]
        for key, one in row["findings"].items()
    }
    return {**row, "findings": findings}


def long(row: Record) -> Record:
    """A row of :func:`short` with its findings as the null takes them."""
    findings = {
        key: {
            "target": target,
            "hits": hits,
            "images": images,
            "low": exact_interval(hits, images, 0.95).low,
        }
        for key, (target, hits, images, _) in row["findings"].items()
    }
    return {**row, "findings": findings}


def recovered(findings: Record, targets: Container[int]) -> bool:
    """True if a verified patch sends :data:`RECOVERED` of fresh samples to a true target."""
    target, hits, images, _ = findings.get("patch", (-1, 0, 1, 0))
    return target in targets and hits >= RECOVERED * images


def _kept(row: Record) -> Record:
    p = None if row["p"] is None else float(f"{row['p']:.2g}")
    return {**short(row), "p": p}
