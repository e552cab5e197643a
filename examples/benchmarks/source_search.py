"""Searching for a patch per source class: what that finds, what clean models show, what it costs.

    python -m examples.benchmarks.source_search --data-dir DATA

For attacks on one source class, or with another target for every source. Searches each class of
every clean calibration model, and of those with a label map that is not all-to-one, on images of
that class alone, as ``--per-source`` does: the trigger search's patches with 900 queries a class,
half of 60 images for the search, the others for verification. At most ten classes a model, the most
frequent of its data set, and three sources of its backdoor. Writes ``source_search.json`` and
``.md``, and the null into the package. Models of other splits are never opened.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np

from adapters.contract import InputSpec
from auditor.probes.trigger_search.judge import null_cell
from auditor.probes.trigger_search.result import TriggerResult
from auditor.probes.trigger_search.search import search
from auditor.probes.trigger_search.settings import TriggerSettings
from auditor.probes.trigger_search.verify import exact_interval
from examples.benchmarks.trigger_search import classifier, recipe_of, test_images
from examples.zoo import default_folder
from examples.zoo.index import collect

HERE = Path(__file__).parent
Record = dict[str, Any]
SEED = 0
NULL_FILE = HERE.parent.parent / "auditor" / "probes" / "trigger" / "source_null.py"
CLASSES, SAMPLES, QUERIES, LEAST = 10, 60, 900, 20
SETTINGS = replace(
    TriggerSettings(), schedule=(("patch", QUERIES),), budget=QUERIES + SAMPLES, extra_queries=0
)


def main() -> None:
    """Search the models and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=Path, default=default_folder())
    parser.add_argument("--data-dir", type=Path, action="append", required=True)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    models = [
        model
        for model in collect(options.models)
        if model["split"] == "calibration"
        and not model["failed"]
        and model["label_map"] != "all-to-one"
    ]
    with Pool(options.processes) as pool:
        rows = pool.map(partial(search_model, options=options), models, 1)
    lines = ",\n ".join(json.dumps(row) for row in rows)
    NULL_FILE.write_text(null_module(rows), encoding="utf-8")
    (HERE / "source_search.json").write_text(f"[\n {lines}\n]\n", encoding="utf-8")
    (HERE / "source_search.md").write_text(report(rows), encoding="utf-8")


def search_model(model: Record, *, options: argparse.Namespace) -> Record:
    """The best patch for every class of one model, most successful first."""
    images, classes = test_images(
        model["dataset"], tuple(options.data_dir), options.models / "data"
    )
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
        batch = next(asked)
        while True:
            try:
                batch = asked.send(labels(batch))
            except StopIteration as end:
                result: TriggerResult = end.value
                break
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


def null_module(rows: list[Record]) -> str:
    """Source text of what clean models' second best pairs allow."""
    seconds = [(*row["pairs"], [0, 1], [0, 1])[1] for row in rows if row["attack"] == "clean"]
    cell = null_cell(
        [exact_interval(hits, images, 0.95).low for hits, images, *_ in seconds],
        len(seconds),
        max(hits / max(1, images) for hits, images, *_ in seconds),
    )
    return f'''"""What clean models allow, as examples/benchmarks/source_search.py measured it.

Their second best pair of source and target, each source searched by itself: mean and spread of the
logit lower end, models, highest success.
"""

from auditor.probes.trigger_search.judge import NullCell

SECOND_PAIR = NullCell({cell.mean:.3f}, {cell.spread:.3f}, {cell.models}, {cell.highest:.3f})
'''


def report(rows: list[Record]) -> str:
    """The tables; a pair is ``source > target``."""
    clean = [row for row in rows if row["attack"] == "clean"]
    lines = [
        "# Patches per source class",
        "",
        "Made by `python -m examples.benchmarks.source_search --data-dir DATA`, seed 0, "
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


if __name__ == "__main__":
    main()
