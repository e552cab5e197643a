"""What the trigger search finds on the zoo's development models, and what clean ones allow.

    python -m examples.benchmarks.trigger_search --data-dir DATA [--seeds 2] [--write-null]

Development models are those of the calibration split and the held-out ones that earlier tools
were scored on (:mod:`rounds`). Searches each with every seed, in two passes: clean models without
any null (so nothing ends early), which gives the null; then all models, each judged by a null
that leaves its own recipe (data set, architecture, training) out. Writes one row per search to
``trigger_search.json``; ``--write-null`` also writes the null of all clean models into the
package. Models of the round that the tool is tested on are never opened.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import cache, partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.probes.trigger_search.judge import NullCell, natural, null_cell, p_value
from auditor.probes.trigger_search.result import TriggerResult
from auditor.probes.trigger_search.search import KEYS, UNUSUAL, search
from auditor.probes.trigger_search.settings import TriggerSettings
from auditor.probes.trigger_search.verify import exact_interval
from examples.benchmarks.rounds import is_development
from examples.zoo import default_folder
from examples.zoo.data import load
from examples.zoo.errors import DataMissingError
from examples.zoo.index import collect

HERE = Path(__file__).parent
NULL_FILE = HERE.parent.parent / "auditor" / "probes" / "trigger" / "null.py"
Record = dict[str, Any]
Null = dict[str, NullCell]
Task = tuple[Record, int, Null]


def main() -> None:
    """Search all development models and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=Path, default=default_folder())
    parser.add_argument("--data-dir", type=Path, action="append", required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--samples", type=int, default=120)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--only", default="", help="only models whose name contains this")
    parser.add_argument("--results", type=Path, default=HERE / "trigger_search.json")
    parser.add_argument("--write-null", action="store_true")
    options = parser.parse_args()
    models = [
        model
        for model in collect(options.models)
        if is_development(model) and options.only in model["name"]
    ]
    tasks: list[Task] = [
        (model, seed, {})
        for model in models
        if model["attack"] == "clean"
        for seed in range(options.seeds)
    ]
    free = _all(tasks, options)
    nulls: dict[str, Null] = {}
    for model in models:
        recipe = recipe_of(model)
        nulls.setdefault(recipe, null_of([row for row in free if row["recipe"] != recipe]))
    rows = [judged_again(row, nulls[row["recipe"]]) for row in free]
    same = {(row["name"], row["seed"]) for row in rows if row["p"] > UNUSUAL}
    rows = [row for row in rows if row["p"] > UNUSUAL]
    tasks = [
        (model, seed, nulls[recipe_of(model)])
        for model in models
        for seed in range(options.seeds)
        if (model["name"], seed) not in same
    ]
    rows += _all(tasks, options)
    note = {"samples": options.samples, "seeds": options.seeds, **asdict(TriggerSettings())}
    write(options.results, {"settings": note, "clean_without_null": free, "rows": rows})
    if options.write_null:
        NULL_FILE.write_text(null_module(null_of(free), free), encoding="utf-8")
    report(rows)


def _all(tasks: list[Task], options: argparse.Namespace) -> list[Record]:
    with Pool(options.processes) as pool:
        return pool.starmap(partial(search_one, options=options), tasks, 1)


def recipe_of(model: Record) -> str:
    """What a model shares with its siblings."""
    return f"{model['dataset']}/{model['architecture']}/{model['training']}"


@cache
def test_images(
    name: str, folders: tuple[Path, ...], kept: Path
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The test images of a data set from the first folder that has it."""
    for folder in folders:
        try:
            data = load(name, folder, kept)
        except DataMissingError:
            continue
        return data.x_test, data.y_test
    raise SystemExit(f"{name} is in none of the data directories")


def classifier(path: Path) -> Callable[[NDArray[np.float32]], NDArray[np.int64]]:
    """A model file as a function from inputs to hard labels, on one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def labels(batch: NDArray[np.float32]) -> NDArray[np.int64]:
        parts = [
            session.run(None, {"input": batch[i : i + 128]})[0].argmax(axis=1)
            for i in range(0, len(batch), 128)
        ]
        return np.concatenate(parts).astype(np.int64)

    return labels


def search_one(
    model: Record,
    seed: int,
    null: Null,
    *,
    options: argparse.Namespace,
    sent: Callable[[NDArray[np.float32], InputSpec], NDArray[np.float32]] | None = None,
) -> Record:
    """One search of one model, as a row of plain numbers; ``sent`` says what the model receives
    of a batch where that is not the batch itself.
    """
    images, classes = test_images(
        model["dataset"], tuple(options.data_dir), options.models / "data"
    )
    picked = np.random.default_rng(100 + seed).permutation(len(images))[: options.samples]
    channels = images.shape[1]
    spec = InputSpec((channels, *images.shape[2:]), (0.0,) * channels, (1.0,) * channels)
    asked = search(
        spec.from_pixels(images[picked]), classes[picked], spec, TriggerSettings(), seed, null
    )
    labels = classifier(options.models / f"{model['name']}.onnx")
    batch = next(asked)
    while True:
        try:
            batch = asked.send(labels(batch if sent is None else sent(batch, spec)))
        except StopIteration as end:
            return row_of(model, seed, end.value)


def row_of(model: Record, seed: int, result: TriggerResult) -> Record:
    """What the study needs of one result."""
    targets = {t for source, t in enumerate(model["mapping"]) if t not in {-1, source}}
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
        cells[key] = null_cell([one["low"] for one in found], models, highest)
    return cells


def null_module(null: Null, rows: list[Record]) -> str:
    """Source text of the package's null, with where it comes from."""
    recipes = sorted({row["recipe"] for row in rows})
    lines = [
        '"""What clean models allow, measured: written by examples/benchmarks/trigger_search.py.',
        "",
        f"{len(rows)} searches with the default settings and 120 samples on",
        f"{len({row['name'] for row in rows})} clean development models of the zoo:",
        *(f"{recipe}," for recipe in recipes),
        "each row: mean and spread of the logit lower end, models, highest success.",
        '"""',
        "",
        "from auditor.probes.trigger_search.judge import NullCell",
        "",
        "NULL: dict[str, NullCell] = {",
        *cell_lines(null),
        "}",
        "",
    ]
    return "\n".join(lines)


def cell_lines(null: Null) -> list[str]:
    """Source text of the cells, a line each."""
    return [
        f'    "{key}": NullCell({c.mean:.3f}, {c.spread:.3f}, {c.models}, {c.highest:.3f}),'
        for key, c in null.items()
    ]


def report(rows: list[Record]) -> None:
    """Print detection per attack with exact intervals, and the queries."""
    groups: dict[str, list[Record]] = {}
    for row in rows:
        usual = row["label_map"] in {"all-to-one", "none"}
        name = row["attack"] if usual else f"{row['attack']} {row['label_map']}"
        groups.setdefault(name, []).append(row)
    for name, group in sorted(groups.items()):
        flagged = [row for row in group if row["suspicious"]]
        rate = exact_interval(len(flagged), len(group), 0.95)
        queries = np.median([row["queries"] for row in (flagged or group)])
        print(
            f"{name:24} models {len({row['name'] for row in group}):3} flagged {rate.hits}/"
            f"{rate.images} [{rate.low:.2f}, {rate.high:.2f}] target right "
            f"{sum(row['right'] for row in flagged)} median queries {queries:.0f}"
        )
        for row in group:
            if row["suspicious"] == (name == "clean") or (row["suspicious"] and not row["right"]):
                best = row["findings"].get(row["key"], {})
                print("   ", row["name"], row["seed"], row["key"], best, row["p"])


def write(path: Path, content: Record) -> None:
    """Write the rows one per line, so that a change shows as such."""
    text = json.dumps({"settings": content["settings"]}, indent=1)[:-2]
    for key in ("clean_without_null", "rows"):
        lines = ",\n  ".join(json.dumps(_short(row)) for row in content[key])
        text += f',\n "{key}": [\n  {lines}\n ]'
    path.write_text(text + "\n}\n", encoding="utf-8")


def _short(row: Record) -> Record:
    """A row whose findings are ``[target, hits, images, size]``."""
    findings = {
        key: [one["target"], one["hits"], one["images"], one["size"]]
        for key, one in row["findings"].items()
    }
    p = None if row["p"] is None else float(f"{row['p']:.2g}")
    return {**row, "p": p, "findings": findings}


if __name__ == "__main__":
    main()
