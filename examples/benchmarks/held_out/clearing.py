"""Ends of the trigger search alone on held-out models: what its all-clear misses.

    python -m examples.benchmarks held_out clear --data-dir DATA --models MODELS

searches the models of the fifth round that were not searched yet, once each, and writes the page.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from auditor.probes.trigger_search.judge import OPEN_LEVEL
from examples.benchmarks.cells import rate_cell
from examples.benchmarks.decision_rule.study import Study
from examples.benchmarks.measured_files import search_clears
from examples.benchmarks.stored import BENCHMARKS, Record, read, write
from examples.benchmarks.trigger_search.search import search_one, short
from examples.benchmarks.zoo_models import (
    ATTACKS,
    SEEDS_PER_CELL,
    SIXTH_ROUND_CELLS,
    recipe_of,
    round_of,
)
from examples.zoo.index import collect

ROWS = Path(__file__).with_name("clearing.json.gz")
SIXTH = BENCHMARKS / "rivals" / "tool.json.gz"
SEVENTH = BENCHMARKS / "small_pictures" / "audits.json.gz"
ROUND = 5
SEED = 0


def search_round(options: argparse.Namespace) -> None:
    """Search every finished model of the round that has no row; each row is kept at once."""
    nulls = Study().nulls
    rows: list[Record] = read(ROWS, [])
    done = {row["name"] for row in rows}
    for model in collect(options.models):
        if model["failed"] or round_of(model) != ROUND or model["name"] in done:
            continue
        found = short(search_one(model, SEED, nulls.of(recipe_of(model)), options=options))
        rows.append(
            {
                "name": model["name"],
                "recipe": recipe_of(model),
                "group": _group(model),
                "trigger_suspicious": found["suspicious"],
                "search": found,
            }
        )
        write(ROWS, rows)
        print(model["name"], "cleared" if search_clears(rows[-1]) else "not cleared", flush=True)


def every_round(rows: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    """The rows of every held-out scoring of the search alone: ``rows`` are the first, the others
    are kept here and beside the pages that they were made for. What confirms a finding came
    between the sixth and the seventh round. It changes no end without an accusing finding.
    """
    sixth = [
        _as_row(row, row["first"])
        for row in read(SIXTH, [])
        if _cell(row["name"]) in SIXTH_ROUND_CELLS
    ]
    seventh = [_as_row(row, row["standard"]) for row in read(SEVENTH, []) if not row["photo"]]
    return [
        ("third and fourth round", list(rows)),
        ("fifth round", read(ROWS, [])),
        ("sixth round", sixth),
        ("seventh round", seventh),
    ]


def _cell(name: str) -> int:
    return int(name.rpartition("-")[2]) // SEEDS_PER_CELL


def _as_row(row: Record, end: Record) -> Record:
    """The end of an audit as a row of this scoring."""
    kept = {key: row[key] for key in ("name", "recipe", "group")}
    return {**kept, "trigger_suspicious": end["suspicious"], "search": end}


def _group(model: Record) -> str:
    if model["attack"] == "clean":
        return "clean"
    return str(model["attack"] if model["label_map"] == "all-to-one" else model["label_map"])


def section(rounds: Sequence[tuple[str, Sequence[Record]]]) -> list[str]:
    """The page's section on all-clears, from the rows of one or more rounds by name."""
    every = [row for _, rows in rounds for row in rows]
    lines = [
        "## What an all-clear misses",
        "",
        "The trigger search alone, without references: suspicious, cleared (nothing suspicious, "
        f"and nothing with a chance of {OPEN_LEVEL:.0%} or less on a clean model, all comparisons "
        "paid for), or left open. The level is that of the search label by label, chosen on photo "
        "models before any end of this search was judged by it; the searches of rounds three and "
        "four had been made by then, and other levels were looked at too. The fifth round was "
        "planned before, to test it: every model of it that was trained is counted.",
        "",
        "| models | suspicious | right target | cleared |",
        "|---|---|---|---|",
    ]
    parts = [(name, rows) for name, rows in rounds if rows]
    for name, rows in [*parts, *([("all of them", every)] if len(parts) > 1 else [])]:
        clean = [row for row in rows if row["group"] == "clean"]
        bad = [row for row in rows if row["group"] in ATTACKS]
        lines += [_row(f"{name}: clean", clean), _row(f"{name}: all-to-one backdoors", bad)]
    for group in (*ATTACKS, "x-to-one", "one-to-one", "x-to-x", "all-to-all"):
        same = [row for row in every if row["group"] == group]
        if same:
            lines.append(_row(group, same))
    return [*lines, ""]


def _row(name: str, rows: Sequence[Record]) -> str:
    found = [row for row in rows if row["trigger_suspicious"]]
    right = sum(bool(row["search"]["right"]) for row in found)
    cells = [
        name,
        rate_cell(len(found), len(rows)),
        "–" if "clean" in name else f"{right} of {len(found)}",
        rate_cell(sum(search_clears(row) for row in rows), len(rows)),
    ]
    return f"| {' | '.join(cells)} |"
