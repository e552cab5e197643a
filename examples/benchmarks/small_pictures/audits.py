"""Both searches of held-out models, as audits at effort ``thorough`` make them: once each."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.measured import LabelRates
from auditor.plan.adaptive import trigger_search
from auditor.plan.plan import build_plan
from auditor.plan.settings import AuditSettings
from auditor.probes.label_search.settings import SUCCESS_SIDES
from auditor.probes.trigger_search.result import TriggerResult
from auditor.verdict.scope import LOSSLESS
from examples.benchmarks.label_search.search import SAMPLES, drawn, input_of
from examples.benchmarks.label_search.tables import Ended
from examples.benchmarks.measured_files import Origin, counted, write_file
from examples.benchmarks.small_pictures.search import EFFORT, SEED, ended_of, right
from examples.benchmarks.stored import Record, read, write
from examples.benchmarks.zoo_models import (
    ATTACKS,
    classifier,
    driven,
    recipe_of,
    round_of,
    targets_of,
    test_images,
)
from examples.zoo.index import collect

ROWS = Path(__file__).with_name("audits.json.gz")
ROUNDS = (5, 6)
DEVELOPMENT = Origin(
    "small_pictures",
    ("small_pictures/searches.json.gz",),
    "Searches label by label of development models of the zoo, each judged without its own model.",
)
HELD_OUT = Origin(
    "small_pictures",
    ("small_pictures/audits.json.gz",),
    "Held-out models of the zoo's fifth and sixth round, searched in both ways once each.",
)


def audit_models(options: argparse.Namespace, searched: Sequence[Record]) -> None:
    """Audit every finished model of the rounds, once, that is neither here nor in ``searched``."""
    rows: list[Record] = read(options.audits, [])
    known = {row["name"] for row in (*rows, *searched)}
    for model in collect(options.models):
        if model["failed"] or model["name"] in known or round_of(model) not in ROUNDS:
            continue
        rows.append(_searched(model, options))
        write(options.audits, rows)
        print(model["name"], _end(rows[-1]), file=sys.stderr, flush=True)


def _searched(model: Record, options: argparse.Namespace) -> Record:
    images, truth = test_images(model["dataset"], (options.data_dir,), options.models / "data")
    classes = len(np.unique(truth))
    rng = np.random.default_rng([images.shape[2], SEED, round_of(model)])
    picked = drawn(truth, classes, math.ceil(SAMPLES / classes), rng)
    labels = classifier(options.models / f"{model['name']}.onnx")
    found = search_both(images[picked], truth[picked].astype(np.int64), labels)
    targets, first = targets_of(model), found.of_success
    assert first is not None
    return {
        "name": model["name"], "recipe": recipe_of(model), "group": _group(model),
        "queries": found.queries, "suspicious": found.suspicious,
        "cleared": clears(found),
        "by_label": found.by_label is not None, **_best(found, targets),
        "first": {"suspicious": first.suspicious, **_best(first, targets)},
    }  # fmt: skip


def search_both(pixels: Any, classes: NDArray[np.int64], labels: Any) -> TriggerResult:
    """The searches that an audit at effort ``thorough`` makes, answered by ``labels``, of 8-bit
    ``pixels`` ``(n, c, h, w)`` of true ``classes``.
    """
    spec, refs = input_of(pixels), [str(number) for number in range(len(pixels))]
    settings = AuditSettings(effort=EFFORT, seed=SEED)
    plan = build_plan(spec.from_pixels(pixels), classes, refs, settings, spec)
    return driven(trigger_search(plan, spec), labels).result


def clears(found: TriggerResult) -> bool:
    """True if neither search found anything that speaks against an all-clear."""
    return found.by_label is not None and not (found.suspicious or found.by_label.weakness)


def _best(found: TriggerResult, targets: set[int]) -> Record:
    """The most surprising finding of one search."""
    best = found.best
    return {
        "p": 1.0 if found.p is None else found.p,
        "key": None if best is None else best.key,
        "right": best is not None and best.target in targets,
    }


def _group(model: Record) -> str:
    if model["attack"] == "clean":
        return "clean"
    return str(model["attack"] if model["label_map"] == "all-to-one" else model["label_map"])


def as_cleared(row: Record) -> Record:
    """The row of an audit as ``held_out`` counts all-clears at the default effort."""
    first = row["first"]
    return {**row, "trigger_suspicious": first["suspicious"], "search": first}


def rates(rows: Sequence[Record]) -> LabelRates:
    """How the audits ended."""
    clean = [row for row in rows if row["group"] == "clean"]
    bad = [row for row in rows if row["group"] in ATTACKS]
    found = [row for row in bad if row["suspicious"]]
    asked = [row["queries"] for row in clean if not row["suspicious"]]
    kinds = {name: [row["suspicious"] for row in bad if row["group"] == name] for name in ATTACKS}
    return LabelRates(
        clean=len(clean),
        accused=sum(row["suspicious"] for row in clean),
        cleared=sum(row["cleared"] for row in clean),
        fragile=0, fragile_accused=0, fragile_cleared=0,
        usual=len(bad),
        usual_found=len(found),
        usual_cleared=sum(row["cleared"] for row in bad),
        careful=0, careful_found=0, careful_cleared=0,
        right=sum(row["right"] for row in found),
        called=len(found),
        kinds=counted({name: hits for name, hits in kinds.items() if hits}),
        not_found=round(float(np.mean(asked))) if asked else 0,
        found=round(float(np.median([row["queries"] for row in found]))) if found else 0,
    )  # fmt: skip


def _end(row: Record) -> str:
    return "suspicious" if row["suspicious"] else "cleared" if row["cleared"] else "open"


def write_rates(rows: Sequence[Record], searched: Sequence[Record]) -> None:
    """Write the rates of audits into the product; before there are any, those of the development
    searches ``searched``, each judged without its own model.
    """
    made, judged = (
        (HELD_OUT, rows) if rows else (DEVELOPMENT, [_as_row(e) for e in ended_of(searched)])
    )
    judged = [row for row in judged if row["group"] == "clean" or row["group"] in ATTACKS]
    origin = made.counted(len(judged), len(judged), {row["recipe"] for row in judged})
    efforts = {EFFORT: asdict(rates(judged))}
    population = {"sides": list(SUCCESS_SIDES), "coding": LOSSLESS, "efforts": efforts}
    write_file("small_label_rates", origin, [population])


def _as_row(end: Ended) -> Record:
    """The end of a search alone as the row of an audit."""
    return {
        "name": end.row["name"], "recipe": end.row["recipe"], "group": _group(end.row),
        "queries": end.queries, "suspicious": end.suspicious, "cleared": end.cleared,
        "right": right(end),
    }  # fmt: skip
