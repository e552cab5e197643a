"""Changes that the search does not ask for, tried on models that serve development.

    python -m examples.benchmarks.label_search.trials --data-dir DATA --models MODELS [...]
    python -m examples.benchmarks.label_search.trials

With ``--models`` every model that was drawn is asked: natural patches and two changes at once, at
random, beside the random changes of the search at the same number of queries; and how faint and how
small patches may be. With ``--wide`` all models that serve development are asked two kinds alone.
Rows go to ``trials.json.gz``; without ``--models`` the counts are printed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from auditor.measured import FEW_CLASSES
from auditor.probes.further_searches import patches_alone
from auditor.verdict.scope import LOSSLESS
from examples.benchmarks.label_search.run import all_ends
from examples.benchmarks.label_search.search import SAMPLES, drawn, input_of, started
from examples.benchmarks.label_search.tables import OF_NULL, coding, fragile, serves
from examples.benchmarks.label_search.trial_draws import TRIED, Asked, Samples, ask_kind, gathered
from examples.benchmarks.label_search.trial_opacity import (
    natural_patches,
    planted,
    searched_patches,
)
from examples.benchmarks.label_search.trial_tables import tables
from examples.benchmarks.stored import Record, read, write
from examples.benchmarks.zoo_models import classifier
from examples.zoo.photos.cells import DEVELOPMENT
from examples.zoo.photos.index import read_records
from examples.zoo.photos.samples import find
from examples.zoo.photos.sources import load
from examples.zoo.photos.tasks import TASKS
from examples.zoo.triggers.base import load_trigger

DATA = Path(__file__).with_name("trials.json.gz")
EFFORT = "exhaustive"  # the effort that has most models which serve development
PATCHED = ("sticker", "badnets-any", "badnets-corner", "badnets-inside")
ATTACKS = (*PATCHED, "blended", "sig")
CLEAN, MISSED, FOUND = 10, 4, 2  # of fragile and other clean ones; of each attack
DRAWS = 900
CHOICE_SEED, STREAM = 20, 77
WIDE = ("shapes", "patches")  # what the first models showed, asked of all


def main() -> None:
    """Ask the models that were drawn, or print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=Path, action="append", help="folders of trained models")
    parser.add_argument("--data-dir", type=Path, help="folder of the photo data sets")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-patches", action="store_true", help="no search for patches")
    parser.add_argument("--wide", action="store_true", help="all models, few kinds")
    parser.add_argument("--results", type=Path, default=DATA)
    options = parser.parse_args()
    if options.models:
        ask_all(options)
    else:
        print("\n".join(tables(read(options.results, {"rows": []})["rows"])))


def ask_all(options: argparse.Namespace) -> None:
    """Ask what was not asked yet; every row is kept as soon as it is there."""
    rows: list[Record] = read(options.results, {"rows": []})["rows"]
    done = {(row["sha256"], row["asked_seed"], row.get("wide", False)) for row in rows}
    models = pool(options.models)
    for record in models if options.wide else chosen(models):
        if (record["sha256"], options.seed, options.wide) in done:
            continue
        rows.append(ask_one(record, options))
        write(options.results, {"draws": DRAWS, "samples": SAMPLES, "rows": rows})
        print(record["name"], record["thorough"], file=sys.stderr, flush=True)


def pool(folders: list[Path]) -> list[Record]:
    """Valid models of these folders that serve development, with five classes and more; and
    whether ``thorough`` found a backdoored one at its target.
    """
    ends = {
        one.row["sha256"]: one
        for one in all_ends()
        if one.row["effort"] == "thorough" and coding(one.row) == LOSSLESS
        and not one.row.get("each") and one.row["seed"] == 0
    }  # fmt: skip
    valid = {sha256 for sha256, one in ends.items() if one.group in {"usual", "careful", "clean"}}
    known: dict[str, Record] = {}
    for folder in folders:
        for record in read_records(folder).values():
            ready = (folder / f"{record['name']}.onnx").exists()
            clean = record["attack"] == "clean"
            if ready and _serves(record) and (clean or record["sha256"] in valid):
                end = ends.get(record["sha256"])
                word = "" if clean else "found" if end and end.right else "missed"
                model = {**record, "folder": str(folder), "thorough": word}
                known.setdefault(record["sha256"], model)
    return sorted(known.values(), key=lambda one: (one["name"], one["sha256"]))


def _serves(record: Record) -> bool:
    sized = OF_NULL[0] <= record["side"] <= OF_NULL[1]
    classes = len(TASKS[record["task"]].classes)
    return sized and classes >= FEW_CLASSES and serves(record, EFFORT) == DEVELOPMENT


def chosen(models: list[Record]) -> list[Record]:
    """Some of them, drawn by a seed: clean ones, half of them fragile, and of every attack some
    that ``thorough`` found and more that it did not.
    """
    rng = np.random.default_rng(CHOICE_SEED)

    def some(part: list[Record], count: int) -> list[Record]:
        return [part[i] for i in rng.permutation(len(part))[:count].tolist()]

    clean = [one for one in models if one["attack"] == "clean"]
    picked = [
        one
        for weak in (True, False)
        for one in some([model for model in clean if fragile(model) == weak], CLEAN)
    ]
    for attack in ATTACKS:
        same = [one for one in models if one["attack"] == attack]
        picked += some([one for one in same if one["thorough"] == "missed"], MISSED)
        picked += some([one for one in same if one["thorough"] == "found"], FOUND)
    return picked


def ask_one(record: Record, options: argparse.Namespace) -> Record:
    """All trials on one model, as a row of plain numbers."""
    pixels, _, labels = asked = _samples(record, options)
    classes = len(TASKS[record["task"]].classes)
    kept = ("name", "sha256", "seed", "attack", "care", "target", "side", "family", "thorough")
    row = {name: record[name] for name in kept} | {
        "asked_seed": options.seed, "fragile": fragile(record), "classes": classes,
    }  # fmt: skip
    spec = input_of(pixels)
    samples = Samples(pixels, labels(spec.from_pixels(pixels)), spec)
    draws = {
        kind: ask_kind(kind, samples, labels, DRAWS, _rng(record, options, number))
        for number, kind in enumerate(TRIED)
        if kind in WIDE or not options.wide
    }
    row["draws"] = {kind: gathered(one, samples, classes) for kind, one in draws.items()}
    if options.wide:
        return row | {"wide": True}
    if not options.no_patches and row["attack"] in (*PATCHED, "clean"):
        row |= _patches(record, asked, samples, draws, options)
    return row


def _rng(record: Record, options: argparse.Namespace, number: int) -> np.random.Generator:
    return np.random.default_rng([STREAM, record["seed"], options.seed, number])


def _samples(record: Record, options: argparse.Namespace) -> tuple[Any, Any, Any]:
    """The samples of a search, their classes, and the model."""
    spec, folder = find(record["name"]), Path(record["folder"])
    data = load(spec.task, spec.side, options.data_dir, folder / "cache")
    rng, classes = np.random.default_rng([spec.side, options.seed]), len(data.info.classes)
    picked = drawn(data.y_test, range(classes), SAMPLES // classes, rng)
    model = classifier(folder / f"{record['name']}.onnx")
    return data.x_test[picked], data.y_test[picked].astype(np.int64), model


def _patches(
    record: Record, asked: tuple[Any, Any, Any], samples: Samples, draws: dict[str, Asked],
    options: argparse.Namespace,
) -> Record:  # fmt: skip
    """How faint and how small the patches are that a search finds, natural ones, and the planted
    trigger.
    """
    rows, queries = [], {}
    for run, one in searched_patches(asked, options.seed):
        rows.append(one)
        queries[one["from"]] = run.search_set.total()
    run = started(*asked, patches_alone("small-patch4"), options.seed)
    for number, word in enumerate(("crop", "texture")):
        rng = _rng(record, options, len(TRIED) + number)
        rows += natural_patches(draws[word], samples, run, asked[2], rng, word)
    if record["attack"] != "clean":
        path = Path(record["folder"]) / f"{record['name']}.npz"
        rows.append(planted(run, load_trigger(path), record["target"], asked[2]))
    return {"patches": rows, "patch_queries": queries}


if __name__ == "__main__":
    main()
