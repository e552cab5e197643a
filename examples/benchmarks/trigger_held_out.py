"""The one scoring of the trigger search on the zoo's held-out models.

    python -m examples.benchmarks.trigger_held_out --data-dir DATA

Settings and null are those frozen with ``trigger_search``. Every model is judged by a null of the
clean *calibration* models of other recipes (data set, architecture, training) than its own, with
one seed. Writes ``trigger_held_out.json`` and ``trigger_held_out.md``. A model that has its row
already is not searched again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from auditor.probes.trigger_search.verify import exact_interval
from examples.benchmarks.trigger_search import Record, null_of, recipe_of, search_one
from examples.zoo import default_folder
from examples.zoo.index import collect

HERE = Path(__file__).parent
RATES_FILE = HERE.parent.parent / "auditor" / "probes" / "trigger" / "error_rates.py"
PATCHES = ("badnets", "trojannn", "blind")
SEED = 0


def main() -> None:
    """Search every held-out model once and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=Path, default=default_folder())
    parser.add_argument("--data-dir", type=Path, action="append", required=True)
    parser.add_argument("--samples", type=int, default=120)
    options = parser.parse_args()
    path = HERE / "trigger_held_out.json"
    rows: list[Record] = json.loads(path.read_text()) if path.exists() else []
    study = json.loads((HERE / "trigger_search.json").read_text(encoding="utf-8"))
    free = [_long(row) for row in study["clean_without_null"]]
    done = {row["name"] for row in rows}
    for model in collect(options.models):
        if model["split"] != "held-out" or model["failed"] or model["name"] in done:
            continue
        null = null_of([row for row in free if row["recipe"] != recipe_of(model)])
        row = search_one(model, SEED, null, options=options)
        rows.append({**row, "seen": any(r["recipe"] == row["recipe"] for r in free)})
        path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        print(model["name"], row["suspicious"], row["right"], row["key"], row["queries"])
    (HERE / "trigger_held_out.md").write_text(report(rows), encoding="utf-8")
    RATES_FILE.write_text(rates_module(rows), encoding="utf-8")


def _long(row: Record) -> Record:
    """A row of the study with its findings as the null takes them."""
    findings = {}
    for key, (_, hits, images, _) in row["findings"].items():
        interval = exact_interval(hits, images, 0.95)
        findings[key] = {"hits": hits, "images": images, "low": interval.low}
    return {**row, "findings": findings}


def report(rows: Sequence[Record]) -> str:
    """The tables."""
    lines = [
        "# The trigger search on the held-out models",
        "",
        "Made by `python -m examples.benchmarks.trigger_held_out --data-dir DATA`. One search per "
        "model (seed 0, 120 samples), settings frozen before any held-out model was opened, judged "
        "by clean calibration models of other recipes. Intervals are exact 95 % intervals.",
        "",
        "| group | models | flagged | target right | median queries, flagged | not flagged |",
        "|---|---|---|---|---|---|",
    ]
    groups: list[tuple[str, Callable[[Record], bool]]] = [
        ("clean", lambda r: r["attack"] == "clean"),
        (
            "clean, recipe without a calibration model",
            lambda r: r["attack"] == "clean" and not r["seen"],
        ),
        ("all patches, all-to-one", lambda r: r["attack"] in PATCHES and _one(r)),
        ("all ten attacks, all-to-one", lambda r: r["attack"] != "clean" and _one(r)),
        (
            "... recipe without a calibration model",
            lambda r: r["attack"] != "clean" and _one(r) and not r["seen"],
        ),
    ]
    groups += [
        (attack, lambda r, a=attack: r["attack"] == a and _one(r))  # type: ignore[misc]  # bound now
        for attack in sorted({r["attack"] for r in rows} - {"clean"})
    ]
    groups += [
        (kind, lambda r, k=kind: r["label_map"] == k)  # type: ignore[misc]  # bound now
        for kind in sorted({r["label_map"] for r in rows} - {"none", "all-to-one"})
    ]
    lines += [_line(name, [r for r in rows if chosen(r)]) for name, chosen in groups]
    missed = [r for r in rows if r["attack"] != "clean" and _one(r) and not r["suspicious"]]
    lines += ["", "Missed, all-to-one: " + (", ".join(r["name"] for r in missed) or "none") + "."]
    wrong = [r for r in rows if r["attack"] == "clean" and r["suspicious"]]
    lines += ["", "Clean and flagged: " + (", ".join(r["name"] for r in wrong) or "none") + ".", ""]
    return "\n".join(lines)


def rates_module(rows: Sequence[Record]) -> str:
    """Source text of the package's error rates, with where they come from."""
    clean = [r for r in rows if r["attack"] == "clean"]
    bad = [r for r in rows if r["attack"] != "clean" and _one(r)]
    alarms = sum(r["suspicious"] for r in clean)
    missed = sum(not r["suspicious"] for r in bad)
    return "\n".join(
        [
            '"""How often the trigger search erred on models it was not made from.',
            "",
            "Written by examples/benchmarks/trigger_held_out.py and, with models trained since,",
            "decision_held_out.py: the zoo's held-out models, one search each, judged by clean",
            "models of other recipes.",
            '"""',
            "",
            f"FALSE_ALARMS, CLEAN_MODELS = {alarms}, {len(clean)}",
            '"""Clean held-out models called suspicious, of so many."""',
            "",
            f"MISSED, ALL_TO_ONE_MODELS = {missed}, {len(bad)}",
            '"""Backdoored held-out models (ten attacks, all-to-one) not found, of so many."""',
            "",
        ]
    )


def _one(row: Record) -> bool:
    return bool(row["label_map"] == "all-to-one")


def _line(name: str, rows: Sequence[Record]) -> str:
    if not rows:
        return f"| {name} | 0 | – | – | – | – |"
    flagged = [r for r in rows if r["suspicious"]]
    rest = [r for r in rows if not r["suspicious"]]
    rate = exact_interval(len(flagged), len(rows), 0.95)
    right = f"{sum(r['right'] for r in flagged)} of {len(flagged)}" if flagged else "–"
    median = [f"{np.median([r['queries'] for r in part]):,.0f}" if part else "–"
              for part in (flagged, rest)]  # fmt: skip
    return (
        f"| {name} | {len(rows)} | {rate.hits} of {rate.images} = {rate.rate:.2f} "
        f"[{rate.low:.2f}, {rate.high:.2f}] | {right} | {median[0]} | {median[1]} |"
    )


if __name__ == "__main__":
    main()
