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
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from auditor.measured import FEW_CLASSES, LabelCell, LabelNull, LabelNulls
from auditor.probes.label_search.search import PATCHES, keys
from auditor.probes.label_search.settings import EFFORTS, FINE, TOLD_AT
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
from examples.benchmarks.label_search.search import (
    DATA,
    TELLING,
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
    in_null,
    judged_at,
    null_of,
    serves,
    split_of,
    told,
    up_to_date,
)
from examples.benchmarks.stored import Record, read, write_page
from examples.zoo.photos.cells import HELD_OUT
from examples.zoo.photos.index import INDEX_PATH
from examples.zoo.photos.limits_cells import LIMITS_ROUND

PAGE = Path(__file__).with_name("README.md")
LEAST_CLEAN = {"many": 8, "two": 4, "told": 8}
"""Clean models that a null is made of at least; with fewer nothing is judged."""
LEAST_WRITTEN = 8
"""Clean models of a null that the product judges by."""
GROUPS = ("usual", "careful", "adaptive", "easy", "apart")
GROUPS_OF_CLASSES = {
    "many": "five classes and more", "few": "three or four classes", "two": "two classes",
}  # fmt: skip
Nulls = dict[str, dict[str, dict[str, LabelCell]]]
_FINE = "small-fine5"


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
    nulls = _nulls(rows, models)
    return _ends(rows, models, nulls)


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


def _ends(rows: Sequence[Record], models: dict[str, Record], nulls: Nulls) -> list[Ended]:
    return [
        ended(row, models[row["name"]], *_nulls_for(row, rows, models, nulls))
        for row in rows
        if nulls[_two(row)].get(judged_at(row)) and up_to_date(row, models[row["name"]])
    ]


def write_all(options: argparse.Namespace) -> None:
    """Write the page and, if wanted, the product's numbers."""
    rows, models = _judged_rows(options.results)
    nulls = _nulls(rows, models)
    ends = _ends(rows, models, nulls)
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
    others = _ends(_judged_rows(CODINGS)[0], models, nulls)
    sections = [
        *by_kind(current(held_out)), *codings([*held_out, *others]),
        *beside(many, read(BESIDE, {})),
        *fewer_samples(fewer),
    ]  # fmt: skip
    write_page(PAGE, "\n".join([report(ends, nulls), *sections]))
    if options.write_measured:
        _write_measured(rows, models, nulls, ends)


def _write_measured(
    rows: Sequence[Record], models: dict[str, Record], nulls: Nulls, ends: Sequence[Ended]
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
        row for group in LEAST_CLEAN if group != "told" for effort in written[group]
        for row in _clean(rows, models, effort, group)
    ]  # fmt: skip
    sides = [models[row["name"]]["side"] for row in clean]
    write_label_null((min(sides), max(sides)), written["many"], written["two"], clean, models)
    of_told = [row for effort in written["told"] for row in _told_clean(rows, models, effort)]
    write_told_null(written["told"], [one for one in of_told if one["name"] in models], models)
    held_out = [e for e in ends if split_of(e.row, e.model) == HELD_OUT]
    once = [e.row for e in ends if serves(e.model, e.row["effort"]) == HELD_OUT]
    before = _ends([row | {"orders": 0} for row in once], models, nulls)
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


def _two(row: Record) -> str:
    return "two" if row["classes"] == 2 else "many"


def _clean(
    rows: Sequence[Record], models: dict[str, Record], effort: str, group: str
) -> list[Record]:
    """The searches that the null of a group of tasks at one effort is made of."""
    return [
        row
        for row in rows
        if row["effort"] == effort
        and _two(row) == group
        and in_null(models[row["name"]])
        and coding(row) == LOSSLESS
        and row.get("each") is None
        and OF_NULL[0] <= models[row["name"]]["side"] <= OF_NULL[1]
    ]


def _nulls_for(
    row: Record, rows: Sequence[Record], models: dict[str, Record], nulls: Nulls
) -> tuple[LabelNull, LabelNull | None]:
    """The null that a model is judged by, and that of what speaks against an all-clear, if it is
    another.
    """
    usual = partial(_null_for, row, rows, models, nulls)
    if not told(row, models[row["name"]]):
        return usual(_two(row)), None
    return usual("told"), None if row["effort"] == "exhaustive" else usual(_two(row))


def _null_for(
    row: Record, rows: Sequence[Record], models: dict[str, Record], nulls: Nulls, group: str
) -> LabelNull:
    """One null: a model that is one of those that make it is left out."""
    effort = judged_at(row)
    null, chosen = nulls[group][effort], _chosen(rows, models, effort, group)
    if row["name"] in {one["name"] for one in chosen}:
        null = null_of([one for one in chosen if one["name"] != row["name"]])
    return LabelNulls((0, 0), {effort: null}, {effort: null}).of(effort, row["classes"])


def _nulls(rows: Sequence[Record], models: dict[str, Record]) -> Nulls:
    """By number of classes and effort, the null of clean development models."""
    nulls: Nulls = {"many": {}, "two": {}, "told": {}}
    for group, of_group in nulls.items():
        for effort in TOLD_AT[:2] if group == "told" else EFFORTS:
            chosen = _chosen(rows, models, effort, group)
            if len({row["name"] for row in chosen}) >= LEAST_CLEAN[group]:
                of_group[effort] = null_of(chosen) | (_telling(effort) if group == "many" else {})
    return nulls


def _chosen(
    rows: Sequence[Record], models: dict[str, Record], effort: str, group: str
) -> list[Record]:
    """The searches that one null is made of."""
    if group == "told":
        return _told_clean(rows, models, effort)
    return _clean(rows, models, effort, group)


def _told_clean(rows: Sequence[Record], models: dict[str, Record], effort: str) -> list[Record]:
    """Searches of all clean models of before the twenty-second round, and of those that were asked
    for patches alone; for ``thorough`` the further searches in fine cells too.
    """
    wanted = (effort, "exhaustive") if effort == "thorough" else (effort,)
    chosen = [
        row for row in rows
        if row["effort"] in wanted and coding(row) == LOSSLESS and row.get("each") is None
        and row["classes"] >= FEW_CLASSES and _spent(models[row["name"]])
    ]  # fmt: skip
    chosen += [row for row in read(TELLING, {"rows": []})["rows"] if row["effort"] in wanted]
    return [
        one for row in chosen
        for one in (_in_fine(row) if row["effort"] == "exhaustive" else [row])
    ]  # fmt: skip


def _spent(model: Record) -> bool:
    """True for clean models of the null's sizes that serve no measurement any more."""
    sized = OF_NULL[0] <= model["side"] <= OF_NULL[1]
    before = bool(model["seed"] // 1000 < LIMITS_ROUND[0].key)
    return sized and before and model["attack"] == "clean"


def _in_fine(row: Record) -> list[Record]:
    """The further searches in fine cells of a row, each as a row of its own."""
    asked: list[Record] = row.get("further") or row["stages"]
    return [{**row, "stages": [one]} for one in asked if one.get("kind") == _FINE]


def _telling(effort: str) -> dict[str, LabelCell]:
    """The null of patches that are unlike those of clean models, at one effort: that of
    ``thorough`` has those in fine cells of the further searches of ``exhaustive`` as well.
    """
    every = read(TELLING, {"rows": []})["rows"]
    rows = [row for row in every if row["effort"] == effort != "exhaustive"]
    if effort == "thorough":
        rows += [one for row in every if row["effort"] == "exhaustive" for one in _in_fine(row)]
    return {key: cell for key, cell in null_of(rows).items() if key.startswith(PATCHES[1])}


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
    return "told" if told(one.row, one.model) else _two(one.row)


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
