"""Does the trigger search find planted triggers, and what do clean models allow?

    python -m examples.benchmarks trigger_search search --data-dir DATA [--write-measured]
    python -m examples.benchmarks trigger_search

``search`` asks trained models and writes one row per search to ``data.json.gz``; without a step the
page is written from those rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from auditor.probes.trigger_search.search import KEYS
from examples.benchmarks import measured_files
from examples.benchmarks.cells import medians, rate_cell
from examples.benchmarks.stored import Record, read, write_page, zoo_index
from examples.benchmarks.trigger_search.search import (
    add_options,
    long,
    null_of,
    recovered,
    search_all,
)
from examples.benchmarks.zoo_models import ATTACKS, PATCHES, add_asking_options, require_data

PAGE = Path(__file__).with_name("README.md")


def main() -> None:
    """Search, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("step", nargs="?", choices=("search", "report"), default="report")
    add_asking_options(parser)
    add_options(parser)
    measured_files.add_option(parser)
    options = parser.parse_args()
    if options.step == "search":
        require_data(options)
        search_all(options)
    data = read(options.results)
    write_page(PAGE, report(data))
    if options.write_measured:
        free = data["clean_without_null"]
        measured_files.write_null(null_of([long(row) for row in free]), free)


def report(data: Record) -> str:
    """The page."""
    targets = {m["name"]: set(m["mapping"]) - {-1} for m in zoo_index()}
    rows = [
        {**row, "recovered": recovered(row["findings"], targets[row["name"]])}
        for row in data["rows"]
    ]
    lines = [
        "# Trigger search on the development models",
        "",
        "    python -m examples.benchmarks trigger_search search --data-dir DATA --write-measured",
        "    python -m examples.benchmarks trigger_search",
        "",
        f"Every development model of the zoo ({len({row['name'] for row in rows})}: the "
        "calibration split, and held-out models that earlier tools were scored on), "
        f"{data['settings']['seeds']} searches each (a seed fixes the samples and the search), "
        f"{data['settings']['samples']} test images per search: half for the search, half for "
        "verification only. Default settings, 8-bit pictures, one row per search in "
        "`data.json.gz`. Every model is judged by a null that holds "
        "no model of its own recipe (data set, architecture, training). Intervals are exact, 95 %; "
        "searches of one model are not independent, so counts of models are given as well.",
        "",
        "## Clean models",
        "",
        *clean_lines([row for row in rows if row["attack"] == "clean"], data["clean_without_null"]),
        "",
        "## Backdoored models",
        "",
        *attack_table(rows),
    ]
    return "\n".join(lines)


def clean_lines(rows: Sequence[Record], free: Sequence[Record]) -> list[str]:
    """False alarms, queries, and what clean models allow."""
    flagged = [row for row in rows if row["suspicious"]]
    models = {row["name"] for row in rows}
    asked = [row["queries"] for row in free]
    highest = {
        key: max((f[1] / max(1, f[2]) for r in free if (f := r["findings"].get(key))), default=0.0)
        for key in KEYS
    }
    named = ", ".join(f"{r['name']} (seed {r['seed']}, {r['key']})" for r in flagged) or "none"
    return [
        f"{len(models)} models of {len({row['recipe'] for row in rows})} recipes, {len(rows)} "
        f"searches. Flagged: {rate_cell(len(flagged), len(rows))}; by models "
        f"{rate_cell(len({r['name'] for r in flagged}), len(models))}: {named}. Queries of a "
        f"search without a null, which never ends early: median {np.median(asked):,.0f}, 95th "
        f"percentile {np.quantile(asked, 0.95):,.0f}, most {max(asked):,}.",
        "",
        "| search | highest success on a clean model |",
        "|---|---|",
        *(f"| {key} | {value:.2f} |" for key, value in highest.items()),
    ]


def attack_table(rows: Sequence[Record]) -> list[str]:
    """Found, recovered and asked, by attack and label map."""
    lines = [
        "| attack, all-to-one unless said | models found at least once | searches flagged | "
        "target right | patch recovered | median queries: flagged | not |",
        "|---|---|---|---|---|---|---|",
    ]
    plain = [row for row in rows if row["label_map"] == "all-to-one"]
    groups: list[tuple[str, Callable[[Record], bool]]] = [
        (name, lambda row, name=name: row["attack"] == name)  # type: ignore[misc]  # bound now
        for name in ATTACKS
    ]
    groups.append(("**patches together**", lambda row: row["attack"] in PATCHES))
    groups.append(("**all ten**", lambda _: True))
    lines += [_row(name, [r for r in plain if kept(r)]) for name, kept in groups]
    maps = sorted({row["label_map"] for row in rows} - {"none", "all-to-one"})
    return lines + [_row(name, [r for r in rows if r["label_map"] == name]) for name in maps]


def _row(name: str, rows: Sequence[Record]) -> str:
    flagged = [row for row in rows if row["suspicious"]]
    others = [row for row in rows if not row["suspicious"]]
    found, models = {row["name"] for row in flagged}, {row["name"] for row in rows}
    queries = [[row["queries"] for row in part] for part in (flagged, others)]
    stamped = all(row["attack"] in PATCHES for row in rows) and rows[0]["label_map"] == "all-to-one"
    cells = [
        name,
        f"{len(found)} of {len(models)}",
        rate_cell(len(flagged), len(rows)),
        f"{sum(row['right'] for row in flagged)} of {len(flagged)}" if flagged else "–",
        rate_cell(sum(row["recovered"] for row in rows), len(rows)) if stamped else "–",
        *medians(queries),
    ]
    return f"| {' | '.join(cells)} |"
