"""What does a search label by label find in photo models, and what do clean ones allow?

    python -m examples.benchmarks label_search search --data-dir DATA --models MODELS
    python -m examples.benchmarks label_search [--write-measured]

``search`` asks trained photo models and adds one row per search to ``data.json.gz``; ``again``
makes second searches of what was found near its level anew, as the product makes them; ``patches``
adds to kept rows what today's search for patches asks; ``further`` makes searches at ``exhaustive``
of those at ``thorough``; ``telling`` asks clean models what tells planted patches from natural
ones; ``beside`` runs other methods on them (:mod:`beside`); without a step the page is written from
both.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np

from auditor.measured import FEW_CLASSES
from auditor.probes.label_search.search import PATCHES, keys
from auditor.probes.label_search.settings import EFFORTS, FINE
from auditor.verdict.label_scope import group_of
from auditor.verdict.scope import LOSSLESS
from examples.benchmarks import measured_files
from examples.benchmarks.cells import auroc_cell, rate_cell, surprise
from examples.benchmarks.label_search.beside import DATA as BESIDE
from examples.benchmarks.label_search.beside import measure_all
from examples.benchmarks.label_search.codings import DATA as CODINGS
from examples.benchmarks.label_search.codings import codings
from examples.benchmarks.label_search.measured import (
    write_label_null,
    write_label_rates,
    write_told_null,
)
from examples.benchmarks.label_search.nulls import (
    Chosen,
    Nulls,
    chosen_of,
    group_of_null,
    nulls_for,
    nulls_of,
)
from examples.benchmarks.label_search.search import (
    DATA,
    add_options,
    search_again,
    search_all,
    search_further,
    search_patches,
    search_telling,
)
from examples.benchmarks.label_search.sections import beside, by_kind, fewer_samples
from examples.benchmarks.label_search.tables import (
    OF_NULL,
    SIDES,
    Ended,
    as_today,
    coding,
    current,
    ended,
    fragile,
    judged_at,
    serves,
    split_of,
    told,
    up_to_date,
)
from examples.benchmarks.stored import Record, read, write_page
from examples.zoo.photos.cells import HELD_OUT
from examples.zoo.photos.index import INDEX_PATH

PAGE = Path(__file__).with_name("README.md")
LEAST_WRITTEN = 8
"""Clean models of a null that the product judges by."""
GROUPS = ("usual", "careful", "adaptive", "easy", "apart")
GROUPS_OF_CLASSES = {
    "many": "five classes and more", "few": "three or four classes", "two": "two classes",
}  # fmt: skip


def main() -> None:
    """Search, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("step", nargs="?", choices=STEPS, default="report")
    add_options(parser)
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="beside: start none after"
    )
    parser.add_argument("--white-box", action="store_true", help="beside: with torch")
    measured_files.add_option(parser)
    options = parser.parse_args()
    STEPS[options.step](options)


def all_ends(results: Path = DATA) -> list[Ended]:
    """How every committed search of a valid model ends."""
    rows, models = _judged_rows(results)
    chosen = chosen_of(rows, models)
    return _ends(rows, models, chosen, nulls_of(chosen))


def _judged_rows(results: Path) -> tuple[list[Record], dict[str, Record]]:
    """Rows of valid models, and the records of these; a rebuilt one has a name of its own."""
    index = json.loads(INDEX_PATH.read_text(encoding="utf-8"))
    models = {one["name"]: one for one in index["models"] if one["valid"]}
    rebuilt = {one["sha256"]: one for one in index.get("rebuilt", []) if one["valid"]}
    named = {sha256: f"{one['name']} {sha256[:8]}" for sha256, one in rebuilt.items()}
    models |= {named[sha256]: one for sha256, one in rebuilt.items()}
    rows = [
        {**row, "name": named.get(row["sha256"], row["name"])}
        for row in read(results, {"rows": []})["rows"]
    ]
    return [row for row in rows if row["name"] in models], models


def _ends(
    rows: Sequence[Record], models: dict[str, Record], chosen: Chosen, nulls: Nulls
) -> list[Ended]:
    return [
        ended(row, models[row["name"]], *nulls_for(row, models, chosen, nulls))
        for row in rows
        if nulls[group_of_null(row)].get(judged_at(row)) and up_to_date(row, models[row["name"]])
    ]


def write_all(options: argparse.Namespace) -> None:
    """Write the page and, if wanted, the product's numbers."""
    rows, models = _judged_rows(options.results)
    chosen = chosen_of(rows, models)
    nulls = nulls_of(chosen)
    ends = _ends(rows, models, chosen, nulls)
    fewer, ends = [e for e in ends if e.row.get("each")], [e for e in ends if not e.row.get("each")]
    held_out = [
        one
        for one in ends
        if split_of(one.row, one.model) == HELD_OUT and one.row["classes"] >= FEW_CLASSES
    ]
    many = [
        one for one in held_out
        if coding(one.row) == LOSSLESS and OF_NULL[0] <= one.model["side"] <= OF_NULL[1]
    ]  # fmt: skip
    others = _ends(_judged_rows(CODINGS)[0], models, chosen, nulls)
    sections = [
        *by_kind(current(held_out)), *codings([*held_out, *others]),
        *beside(many, read(BESIDE, {})),
        *fewer_samples(fewer),
    ]  # fmt: skip
    write_page(PAGE, "\n".join([report(ends, nulls), *sections]))
    if options.write_measured:
        _write_measured(models, chosen, nulls, ends)


def _write_measured(
    models: dict[str, Record], chosen: Chosen, nulls: Nulls, ends: Sequence[Ended]
) -> None:
    """Write the product's numbers."""
    written = {
        group: {
            effort: {
                key: cell
                for key, cell in cells.items()
                if key in _asked_at(effort) and cell.models >= LEAST_WRITTEN
            }
            for effort, cells in of_group.items()
            if cells["grey-levels"].models >= LEAST_WRITTEN
        }
        for group, of_group in nulls.items()
    }
    clean = [
        row for group in ("many", "two") for effort in written[group]
        for row in chosen[group][effort]
    ]  # fmt: skip
    sides = [models[row["name"]]["side"] for row in clean]
    write_label_null((min(sides), max(sides)), written["many"], written["two"], clean, models)
    of_told = [
        row for effort in written["told"]
        for row in chosen["told"][effort] if row["name"] in models
    ]  # fmt: skip
    write_told_null(written["told"], of_told, models)
    held_out = [e for e in ends if split_of(e.row, e.model) == HELD_OUT]
    once = [e.row for e in ends if serves(e.model, e.row["effort"]) == HELD_OUT]
    before = _ends([row | {"orders": 0} for row in once], models, chosen, nulls)
    write_label_rates(
        [e for e in held_out if as_today(e.row, e.model)],
        [e for e in ends if e.model["split"] == HELD_OUT], before,
    )  # fmt: skip


def _asked_at(effort: str) -> set[str]:
    """Kinds of change that the product asks for at ``effort``: others were tried and left out."""
    forms = [*EFFORTS.items(), *FINE.items()]
    every = {key for name, form in forms if name == effort for key in keys(form)}
    return every | {key.replace(*PATCHES) for key in every if key.startswith(PATCHES[0])}


STEPS = {
    "search": search_all, "again": search_again, "patches": search_patches,
    "further": search_further, "telling": search_telling, "beside": measure_all,
    "report": write_all,
}  # fmt: skip
"""What the command does, by its step."""


def report(ends: Sequence[Ended], nulls: Nulls) -> str:
    """The page."""
    lines = [
        "# Search label by label, on photo models",
        "",
        "    python -m examples.benchmarks label_search search --data-dir DATA --models MODELS "
        "--effort EFFORT [--split held-out]",
        "    python -m examples.benchmarks label_search --write-measured",
        "",
        "120 test pictures a model, evenly over its classes, half of them for verification only; "
        "every stage asked to its end, and ended afterwards where the search would have stopped. "
        "Clean development models make the null, each left out of its own; held-out ones are "
        "scored with it. Intervals are exact, 95 %.",
        "",
    ]
    sections = product(
        ("held-out", "development"), SIDES, sorted({coding(one.row) for one in ends}, reverse=True),
        EFFORTS, GROUPS_OF_CLASSES, (True, False),
    )  # fmt: skip
    for split, (smallest, largest), sent, effort, group, today in sections:
        chosen = [
            one for one in ends
            if split_of(one.row, one.model) == split and one.row["effort"] == effort
            and smallest <= one.model["side"] <= largest and coding(one.row) == sent
            and group_of(one.row["classes"]) == group and as_today(one.row, one.model) is today
        ]  # fmt: skip
        if chosen:
            sides = [one.model["side"] for one in chosen]
            models = nulls[_judges(chosen[0])][judged_at(chosen[0].row)]["grey-levels"].models
            size = f"{min(sides)} to {max(sides)} px, {sent.replace(':', ' ')}"
            before = "" if today else ", as of plan version 12"
            words = f"{GROUPS_OF_CLASSES[group]}{before} (null: {models} clean models)"
            lines += [f"## {split}, {effort}, {size}, {words}", "", *table(chosen), ""]
    return "\n".join(lines)


def _judges(one: Ended) -> str:
    """The null that judges a search."""
    return "told" if told(one.row, one.model) else group_of_null(one.row)


def table(ends: Sequence[Ended]) -> list[str]:
    """Counts by group and by attack."""
    clean = [one for one in ends if one.group == "clean"]
    lines = [
        "| models | called suspicious | target right | cleared | queries where found | not | "
        "AUROC beside clean (n) |",
        "|---|---|---|---|---|---|---|",
        _row("clean", clean, clean),
        _row("– fragile", [one for one in clean if fragile(one.model)], clean),
    ]
    for group in GROUPS:
        of_group = [one for one in ends if one.group == group]
        if not of_group:
            continue
        lines.append(_row(f"**{group}**", of_group, clean))
        for attack in sorted({one.model["attack"] for one in of_group}):
            same = [one for one in of_group if one.model["attack"] == attack]
            lines.append(_row(f"{group}: {attack}", same, clean))
    return lines


def _row(name: str, ends: Sequence[Ended], clean: Sequence[Ended]) -> str:
    found = [one for one in ends if one.suspicious]
    asked = [
        f"{np.median([one.queries for one in part]):,.0f}" if part else "–"
        for part in (found, [one for one in ends if not one.suspicious])
    ]
    values = [[surprise(one.p) for one in part] for part in (clean, ends)]
    cells = [
        name,
        rate_cell(len(found), len(ends)),
        f"{sum(one.right for one in found)} of {len(found)}"
        if found and ends is not clean
        else "–",
        rate_cell(sum(one.cleared for one in ends), len(ends)),
        *asked,
        "–" if "clean" in name or "fragile" in name else auroc_cell(*values),
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
