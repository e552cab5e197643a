"""Does searching each source class by itself find backdoors of other label maps?

    python -m examples.benchmarks per_source search --data-dir DATA [--write-measured]
    python -m examples.benchmarks per_source

For attacks on one source class, or with another target for every source. ``search`` asks about each
class of every clean calibration model, and of those with a label map that is not all-to-one, with
images of that class alone, as ``--per-source`` does: the trigger search's patches with 900 queries
a class, half of 60 images for the search, the others for verification. At most ten classes a model,
the most frequent of its data set, and three sources of its backdoor. Without a step the page is
written from ``data.json.gz``. Models of other splits are never opened.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np

from adapters.contract import InputSpec
from auditor.measured import NullCell
from auditor.probes.trigger_search.search import search
from auditor.probes.trigger_search.settings import TriggerSettings
from auditor.probes.trigger_search.verify import exact_interval
from examples.benchmarks import measured_files
from examples.benchmarks.stored import Record, read, write, write_page
from examples.benchmarks.zoo_models import (
    add_asking_options,
    classifier,
    driven,
    images_for,
    recipe_of,
    require_data,
)
from examples.zoo.index import collect

DATA = Path(__file__).with_name("data.json.gz")
PAGE = Path(__file__).with_name("README.md")
SEED = 0
CLASSES, SAMPLES, QUERIES, LEAST = 10, 60, 900, 20
SETTINGS = replace(
    TriggerSettings(), schedule=(("patch", QUERIES),), budget=QUERIES + SAMPLES, extra_queries=0
)


def main() -> None:
    """Search, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("step", nargs="?", choices=("search", "report"), default="report")
    parser.add_argument("--processes", type=int, default=1)
    measured_files.add_option(parser)
    add_asking_options(parser)
    options = parser.parse_args()
    if options.step == "search":
        require_data(options)
        write(DATA, search_all(options))
    rows = read(DATA)
    write_page(PAGE, report(rows))
    if options.write_measured:
        clean = [row for row in rows if row["attack"] == "clean"]
        measured_files.write_source_null(null_of_pairs(clean), clean)


def search_all(options: argparse.Namespace) -> list[Record]:
    """Search the models, one row each."""
    models = [
        model
        for model in collect(options.models)
        if model["split"] == "calibration"
        and not model["failed"]
        and model["label_map"] != "all-to-one"
    ]
    with Pool(options.processes) as pool:
        return pool.map(partial(search_model, options=options), models, 1)


def search_model(model: Record, *, options: argparse.Namespace) -> Record:
    """The best patch for every class of one model, most successful first."""
    images, classes = images_for(model, options)
    spec = InputSpec(images.shape[1:], (0.0,) * images.shape[1], (1.0,) * images.shape[1])
    labels = classifier(options.models / f"{model['name']}.onnx")
    truth = {s: t for s, t in enumerate(model["mapping"]) if t not in {-1, s}}
    frequent = np.argsort(-np.bincount(classes), kind="stable")[:CLASSES].tolist()
    rng = np.random.default_rng(500 + SEED)
    pairs, queries = [], 0
    for source in sorted({*frequent, *list(truth)[:3]}):
        picked = rng.permutation(np.flatnonzero(classes == source))[:SAMPLES]
        inputs = spec.from_pixels(images[picked])
        kept = inputs[labels(inputs) == source]
        if len(kept) < LEAST:
            continue
        asked = search(kept, np.full(len(kept), source), spec, SETTINGS, SEED, {})
        result = driven(asked, labels)
        queries += result.queries
        pairs += [
            [one.success.hits, one.success.images, source, one.target, one.size]
            for one in result.findings
            if one.key == "patch"
        ]
    pairs.sort(key=lambda pair: -exact_interval(pair[0], pair[1], 0.95).low)
    return {
        "name": model["name"], "recipe": recipe_of(model), "label_map": model["label_map"],
        "attack": model["attack"], "truth": [[s, t] for s, t in truth.items()],
        "queries": queries, "pairs": pairs,
    }  # fmt: skip


def null_of_pairs(rows: Sequence[Record]) -> NullCell:
    """The null of clean models' second best pairs."""
    seconds = [(*row["pairs"], [0, 1], [0, 1])[1] for row in rows if row["attack"] == "clean"]
    return measured_files.null_cell(
        [exact_interval(hits, images, 0.95).low for hits, images, *_ in seconds],
        len(seconds),
        max(hits / max(1, images) for hits, images, *_ in seconds),
    )


def report(rows: list[Record]) -> str:
    """The tables; a pair is ``source > target``."""
    clean = [row for row in rows if row["attack"] == "clean"]
    lines = [
        "# Patches per source class, in plans of up to version 10",
        "",
        "What audits of such plans are judged by; [the present search](../by_source/README.md).",
        "",
        "Made by `python -m examples.benchmarks per_source search --data-dir DATA`, seed 0, "
        f"{len(clean)} clean calibration models and {len(rows) - len(clean)} whose backdoor is not "
        f"all-to-one. At most ten classes and three sources per model, {QUERIES} queries each; "
        f"median {np.median([row['queries'] for row in rows]):,.0f} queries per model. A pair is "
        "source > target with its success on samples the search never saw.",
        "",
        "| model | label map | pairs of its backdoor | best | second | third |",
        "|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: (row["attack"] == "clean", row["name"])):
        truth = ", ".join(f"{s} > {t}" for s, t in row["truth"][:4])
        more = ", ..." if len(row["truth"]) > 4 else ""
        shown = [_pair(row, number) for number in range(3)]
        lines.append(
            f"| {row['name']} | {row['label_map']} | {truth or '–'}{more} | {' | '.join(shown)} |"
        )
    best, second = ([_rate(row, number) for row in clean] for number in (0, 1))
    high = sum(rate >= 0.8 for rate in best)
    lines += [
        "",
        f"Clean models: the best pair reaches 0.8 or more on {high} of {len(clean)}, at most "
        f"{max(best):.2f}; the second best at most {max(second):.2f}.",
        "",
    ]
    return "\n".join(lines)


def _pair(row: Record, number: int) -> str:
    if number >= len(row["pairs"]):
        return "–"
    hits, images, source, target, _ = row["pairs"][number]
    right = ", right" if [source, target] in row["truth"] else ""
    return f"{source} > {target}: {hits} of {images}{right}"


def _rate(row: Record, number: int) -> float:
    if number >= len(row["pairs"]):
        return 0.0
    return float(row["pairs"][number][0] / max(1, row["pairs"][number][1]))
