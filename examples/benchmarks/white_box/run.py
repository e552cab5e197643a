"""Do methods that see gradients and logits tell more than the rule on hard labels?

    python -m examples.benchmarks white_box measure --data-dir DATA [--round 4] [--minutes 50]
    python -m examples.benchmarks white_box

``measure`` needs torch and writes per-class statistics of Neural Cleanse and MM-BD to
``data.json.gz`` (:mod:`methods`); without a step the page is written from them and from the rows of
``held_out``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from examples.benchmarks.cells import rate_cell
from examples.benchmarks.held_out.tables import Rows, area_table, groups_of, load_rows
from examples.benchmarks.stored import Record, read, write_page
from examples.benchmarks.white_box.scores import WhiteBox, score
from examples.benchmarks.zoo_models import add_asking_options, require_data

DATA = Path(__file__).with_name("data.json.gz")
PAGE = Path(__file__).with_name("README.md")


def main() -> None:
    """Measure, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("step", nargs="?", choices=("measure", "report"), default="report")
    add_asking_options(parser)
    parser.add_argument("--split", default="held-out")
    parser.add_argument("--round", type=int, choices=(1, 2, 3, 4), default=3)
    parser.add_argument("--only", default="", help="only models whose name contains this")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start none after this")
    options = parser.parse_args()
    if options.step == "measure":
        require_data(options)
        from examples.benchmarks.white_box.methods import (  # noqa: PLC0415 - it needs torch
            measure_all,
        )

        measure_all(DATA, options)
    held = {name: score(row["norms"], row["margins"]) for name, row in read(DATA).items()}
    write_page(PAGE, report(load_rows(), held))


def report(every: Rows, held: Mapping[str, WhiteBox]) -> str:
    """The page: the rule beside both methods, on the held-out models that these were run on."""
    rows = [r for r in every if r["name"] in held and r["cross"]]
    columns: dict[str, Callable[[Record], float | None]] = {
        "rule, hard labels": lambda r: r["cross"]["value"],
        "Neural Cleanse": lambda r: held[r["name"]].index,
        "MM-BD": lambda r: held[r["name"]].surprise,
    }
    lines = [
        "# White-box lines on the held-out models",
        "",
        "    python -m examples.benchmarks white_box measure --data-dir DATA",
        "    python -m examples.benchmarks white_box",
        "",
        "Neural Cleanse (Wang et al. 2019) and MM-BD (Wang et al. 2024) see gradients and logits; "
        "the [decision rule](../held_out) sees hard labels only.",
        "",
        f"{len(rows)} of the {len(every)} models; AUROC of the anomaly index and of the "
        "p-value, by `methods.py` (own implementations, fewer steps than published).",
        "",
        *area_table(rows, columns),
        "",
        "Called backdoored: the rule at its level, Neural Cleanse above an index of 2, MM-BD at "
        "p ≤ 0.05.",
        "",
        "| group | rule | Neural Cleanse | its target right | MM-BD | its target right |",
        "|---|---|---|---|---|---|",
        *(_row(name, group, held) for name, group in groups_of(rows)),
    ]
    return "\n".join(lines)


def _row(name: str, group: Rows, held: Mapping[str, WhiteBox]) -> str:
    cleanse = [r for r in group if held[r["name"]].cleanse_flags]
    margin = [r for r in group if held[r["name"]].margin_flags]
    hit_c = sum(held[r["name"]].cleanse_target in r["targets"] for r in cleanse)
    hit_m = sum(held[r["name"]].margin_target in r["targets"] for r in margin)
    clean = name == "clean"
    cells = [
        rate_cell(sum(r["cross"]["flagged"] for r in group), len(group)),
        rate_cell(len(cleanse), len(group)),
        "–" if clean else f"{hit_c} of {len(cleanse)}",
        rate_cell(len(margin), len(group)),
        "–" if clean else f"{hit_m} of {len(margin)}",
    ]
    return f"| {name} | {' | '.join(cells)} |"
