"""What do audits of small pictures come to at effort thorough, where both searches are made?

    python -m examples.benchmarks small_pictures search --data-dir DATA --models MODELS
    python -m examples.benchmarks small_pictures audit --data-dir DATA --models MODELS
    python -m examples.benchmarks small_pictures [--write-measured]

``search`` searches development models label by label, every stage to its end: the null. ``audit``
audits held-out models, each once. A model that has its row is never asked again. Without a step the
page is written from the rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from examples.benchmarks import measured_files
from examples.benchmarks.cells import rate_cell
from examples.benchmarks.label_search.tables import Ended
from examples.benchmarks.small_pictures import audits, search
from examples.benchmarks.stored import Record, read, write_page
from examples.benchmarks.zoo_models import ATTACKS

PAGE = Path(__file__).with_name("README.md")


def main() -> None:
    """Search, audit, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("step", nargs="?", choices=("search", "audit", "report"), default="report")
    parser.add_argument("--data-dir", type=Path, help="folder of the data sets")
    parser.add_argument("--models", type=Path, help="folder of the trained models")
    parser.add_argument("--rows", type=Path, default=search.ROWS, help="searches")
    parser.add_argument("--audits", type=Path, default=audits.ROWS, help="audits")
    measured_files.add_option(parser)
    options = parser.parse_args()
    if options.step == "search":
        search.search_models(options)
    searched = read(options.rows, [])
    if options.step == "audit":
        audits.audit_models(options, searched)
    audited = read(options.audits, [])
    write_page(PAGE, "\n".join([*_head(), *held_out(audited), *_searched(searched)]))
    if options.write_measured:
        search.write_null(searched)
        audits.write_rates(audited, searched)


def _head() -> list[str]:
    return [
        "# Small pictures at effort thorough: both searches",
        "",
        "    python -m examples.benchmarks small_pictures search --data-dir DATA --models MODELS",
        "    python -m examples.benchmarks small_pictures audit --data-dir DATA --models MODELS",
        "    python -m examples.benchmarks small_pictures --write-measured",
        "",
        "Pictures of 28 and 32 pixels, lossless. The default effort searches for the change that "
        "succeeds most; `thorough` then searches label by label for the least change, with a null "
        "of clean development models and the levels chosen on photo models. Intervals are exact, "
        "95 %.",
        "",
    ]


def held_out(rows: Sequence[Record]) -> list[str]:
    """The page's section on held-out models; empty without rows."""
    if not rows:
        return []
    lines = [
        "## Held-out models: one audit each",
        "",
        "Models of the zoo's fifth and sixth round, no references. *Default* is the end of the "
        "first search alone, which the default effort stops at.",
        "",
        "| models | suspected | right target | cleared | suspected by default | cleared by default "
        "| queries of the search (median) |",
        "|---|---|---|---|---|---|---|",
    ]
    bad = [row for row in rows if row["group"] in ATTACKS]
    groups = {"clean": [row for row in rows if row["group"] == "clean"], "all-to-one": bad}
    names = sorted({row["group"] for row in rows} - {"clean"})
    groups |= {name: [row for row in rows if row["group"] == name] for name in names}
    return [*lines, *(_audit_row(name, group) for name, group in groups.items() if group), ""]


def _audit_row(name: str, rows: Sequence[Record]) -> str:
    found = [row for row in rows if row["suspicious"]]
    first = [audits.as_cleared(row) for row in rows]
    cells = [
        name,
        rate_cell(len(found), len(rows)),
        "–" if name == "clean" else f"{sum(row['right'] for row in found)} of {len(found)}",
        rate_cell(sum(row["cleared"] for row in rows), len(rows)),
        rate_cell(sum(row["trigger_suspicious"] for row in first), len(rows)),
        rate_cell(sum(measured_files.search_clears(row) for row in first), len(rows)),
        f"{np.median([row['queries'] for row in rows]):,.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _searched(rows: Sequence[Record]) -> list[str]:
    if not rows:
        return []
    lines = [
        "## Development models: the search label by label alone",
        "",
        "Each judged by the null without its own model.",
        "",
        "| models | suspected | right target | cleared | kinds of change |",
        "|---|---|---|---|---|",
    ]
    ends = search.ended_of(rows)
    bad = [one for one in ends if one.row["label_map"] == "all-to-one"]
    groups = {"clean": [one for one in ends if one.group == "clean"], "all-to-one": bad}
    names = sorted({one.row["attack"] for one in bad})
    groups |= {name: [one for one in bad if one.row["attack"] == name] for name in names}
    return [*lines, *(_search_row(name, group) for name, group in groups.items() if group), ""]


def _search_row(name: str, ends: Sequence[Ended]) -> str:
    found = [one for one in ends if one.suspicious]
    cells = [
        name,
        rate_cell(len(found), len(ends)),
        "–" if name == "clean" else f"{sum(map(search.right, found))} of {len(found)}",
        rate_cell(sum(one.cleared for one in ends), len(ends)),
        ", ".join(sorted({one.key for one in found})) or "–",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
