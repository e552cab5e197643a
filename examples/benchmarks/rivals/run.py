"""What do the nearest rivals, MNTD and DeBackdoor, find on the same models?

    python -m examples.benchmarks rivals debackdoor --mode labels --data-dir DATA --models MODELS
    python -m examples.benchmarks rivals shadows --data-dir DATA --shadow-dir SHADOWS
    python -m examples.benchmarks rivals mntd --models MODELS --shadow-dir SHADOWS
    python -m examples.benchmarks rivals

``debackdoor`` searches models once with probabilities and once with labels, and needs ONNX Runtime.
``shadows`` trains small networks and ``mntd`` meta-classifiers on them and on development models;
both need torch. Each keeps what it has done and goes on from there. Without a step the page is
written from these rows and from the tool's audits of the same models.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from examples.benchmarks.rivals import debackdoor, quoted, scores, tables
from examples.benchmarks.rivals.population import AUDITS
from examples.benchmarks.rivals.scores import Column
from examples.benchmarks.stored import Record, read, write_page
from examples.benchmarks.zoo_models import require_data

HERE = Path(__file__).parent
PAGE, PICTURE, META = HERE / "README.md", HERE / "found.svg", HERE / "mntd.json.gz"


def main() -> None:
    """Search, train, or write the page."""
    options = _parser().parse_args()
    if options.step in {"debackdoor", "shadows"}:
        require_data(options)
    if options.step == "debackdoor":
        debackdoor.search_all(options)
    elif options.step == "shadows":
        from examples.benchmarks.rivals.shadows import train_all  # noqa: PLC0415 - it needs torch

        train_all(options)
    elif options.step == "mntd":
        from examples.benchmarks.rivals.mntd import measure_all  # noqa: PLC0415 - it needs torch

        measure_all(META, options)
    else:
        searches = {mode: read(debackdoor.rows_of(mode), {}) for mode in debackdoor.MODES}
        columns = columns_of(searches, read(META, {}), read(AUDITS, []))
        tables.draw(PICTURE, tables.found_against_queries(columns))
        write_page(PAGE, report(columns, searches, read(META, {})))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    steps = ("debackdoor", "shadows", "mntd", "report")
    parser.add_argument("step", nargs="?", choices=steps, default="report")
    parser.add_argument(
        "--models", type=Path, action="append", default=[], help="a folder of trained models"
    )
    parser.add_argument(
        "--data-dir", type=Path, action="append", default=[], help="as the zoo's training takes it"
    )
    parser.add_argument("--shadow-dir", type=Path, default=Path("shadows"), help="shadow networks")
    parser.add_argument("--shadows", type=int, default=40, help="as many of each data set")
    debackdoor.add_options(parser)
    return parser


def columns_of(
    searches: dict[str, dict[str, Record]], meta: dict[str, Record], audits: list[Record]
) -> list[Column]:
    """Every method at every effort that all models have come to."""
    columns = [
        scores.debackdoor(rows, mode, budget)
        for mode, rows in searches.items()
        for budget in debackdoor.BUDGETS
    ]
    found = [one for one in columns if one is not None]
    return [*found, *scores.mntd(meta), *scores.tool(audits)]


def report(
    columns: list[Column], searches: dict[str, dict[str, Record]], meta: dict[str, Record]
) -> str:
    """The page."""
    lines = [
        "# Rivals on the same models",
        "",
        "    python -m examples.benchmarks rivals debackdoor --mode MODE --data-dir DATA "
        "--models MODELS",
        "    python -m examples.benchmarks rivals shadows --data-dir DATA --shadow-dir SHADOWS",
        "    python -m examples.benchmarks rivals mntd --models MODELS --shadow-dir SHADOWS",
        "    python -m examples.benchmarks rivals",
        "",
        "MNTD (Xu et al. 2021) and DeBackdoor (Popovic et al. 2025) on held-out models of the "
        "zoo's fifth and sixth round, 28 and 32 pixels. The tool's rows are its audits at commit "
        "ee0589c, which had seen none of them; its [present rule](../small_pictures/README.md) is "
        "stricter and was made with them known. Own implementations; what they leave out stands "
        "below. Intervals are 95 %, exact for shares, DeLong's for areas.",
        "",
        "## At each number of queries",
        "",
        *tables.efforts_table(columns),
        "DeBackdoor accuses above the highest score of clean development models searched in the "
        "same way to the same budget (at most 5 % of them may lie above); no threshold of its "
        "paper could be read. MNTD's own boundary is 0.",
        "",
        "![Share of backdoors accused against queries](found.svg)",
        "",
        "## By attack: models accused, and AUROC beside the clean ones, at a method's most queries",
        "",
        *tables.attacks_table(columns),
        *_what_is_found(searches, columns),
        "## What MNTD was trained on",
        "",
        *tables.training_table(meta),
        "## Quoted, not measured",
        "",
        *quoted.table(),
    ]
    return "\n".join(lines)


def _what_is_found(searches: dict[str, dict[str, Record]], columns: list[Column]) -> list[str]:
    """The kinds of the best triggers at the largest budget of each mode."""
    lines = ["## What DeBackdoor's best triggers are", ""]
    for mode, rows in searches.items():
        budgets = [one.effort for one in columns if one.access == mode]
        if budgets:
            lines += [f"With {mode}, {budgets[-1]} queries:", ""]
            lines += tables.kinds_table(rows, int(budgets[-1].replace(",", "")))
    return lines if len(lines) > 2 else []


if __name__ == "__main__":
    main()
