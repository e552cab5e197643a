"""The nulls of searches label by label, and the searches of clean models that they are made of."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.measured import FEW_CLASSES, LabelCell, LabelNull, LabelNulls
from auditor.probes.label_search.search import PATCHES
from auditor.probes.label_search.settings import EFFORTS, TOLD_AT
from auditor.verdict.scope import LOSSLESS
from examples.benchmarks.label_search.search import TELLING
from examples.benchmarks.label_search.tables import (
    OF_NULL,
    coding,
    in_null,
    judged_at,
    null_of,
    told,
)
from examples.benchmarks.stored import Record, read
from examples.zoo.photos.limits_cells import LIMITS_ROUND

LEAST_CLEAN = {"many": 8, "two": 4, "told": 8}
"""Clean models that a null is made of at least; with fewer nothing is judged."""
Nulls = dict[str, dict[str, dict[str, LabelCell]]]
Chosen = dict[str, dict[str, list[Record]]]
"""The searches that each null is made of, by group and effort."""
_FINE = "small-fine5"


def group_of_null(row: Record) -> str:
    """The null of the usual ones that a search is judged by, by its number of classes."""
    return "two" if row["classes"] == 2 else "many"


def _clean(
    rows: Sequence[Record], models: dict[str, Record], effort: str, group: str
) -> list[Record]:
    """The searches that the null of a group of tasks at one effort is made of."""
    return [
        row
        for row in rows
        if row["effort"] == effort
        and group_of_null(row) == group
        and in_null(models[row["name"]])
        and _of_null(row, models)
    ]


def _of_null(row: Record, models: dict[str, Record]) -> bool:
    """True if a search was made like those of a null: lossless, of all pictures, of its sizes."""
    sized = OF_NULL[0] <= models[row["name"]]["side"] <= OF_NULL[1]
    return sized and coding(row) == LOSSLESS and row.get("each") is None


def nulls_for(
    row: Record, models: dict[str, Record], chosen: Chosen, nulls: Nulls
) -> tuple[LabelNull, LabelNull | None]:
    """The null that a model is judged by, and that of what speaks against an all-clear, if it is
    another.
    """
    usual = _null_for(row, chosen, nulls, group_of_null(row))
    if not told(row, models[row["name"]]):
        return usual, None
    own = _null_for(row, chosen, nulls, "told")
    return own, None if row["effort"] == "exhaustive" else usual


def _null_for(row: Record, chosen: Chosen, nulls: Nulls, group: str) -> LabelNull:
    """One null: a model that is one of those that make it is left out."""
    effort = judged_at(row)
    null, made_of = nulls[group][effort], chosen[group][effort]
    if any(one["name"] == row["name"] for one in made_of):
        null = null_of([one for one in made_of if one["name"] != row["name"]])
    return LabelNulls((0, 0), {effort: null}, {effort: null}).of(effort, row["classes"])


def nulls_of(chosen: Chosen) -> Nulls:
    """By number of classes and effort, the null of clean models; of few of them there is none."""
    return {
        group: {
            effort: null_of(rows) | (_telling(effort) if group == "many" else {})
            for effort, rows in of_group.items()
            if len({row["name"] for row in rows}) >= LEAST_CLEAN[group]
        }
        for group, of_group in chosen.items()
    }


def chosen_of(rows: Sequence[Record], models: dict[str, Record]) -> Chosen:
    """The searches that every null is made of."""
    chosen: Chosen = {
        group: {effort: _clean(rows, models, effort, group) for effort in EFFORTS}
        for group in ("many", "two")
    }
    judged = [effort for effort in TOLD_AT if effort != "exhaustive"]
    return chosen | {"told": {effort: _told_clean(rows, models, effort) for effort in judged}}


def _told_clean(rows: Sequence[Record], models: dict[str, Record], effort: str) -> list[Record]:
    """Searches of all clean models of before the twenty-second round, and of those that were asked
    for patches alone; for ``thorough`` the further searches in fine cells too.
    """
    wanted = (effort, "exhaustive") if effort == "thorough" else (effort,)
    chosen = [
        row for row in rows
        if row["effort"] in wanted and _of_null(row, models)
        and row["classes"] >= FEW_CLASSES and _spent(models[row["name"]])
    ]  # fmt: skip
    chosen += [row for row in read(TELLING, {"rows": []})["rows"] if row["effort"] in wanted]
    return [
        one for row in chosen
        for one in (_in_fine(row) if row["effort"] == "exhaustive" else [row])
    ]  # fmt: skip


def _spent(model: Record) -> bool:
    """True for clean models that serve no measurement any more."""
    before: bool = model["seed"] // 1000 < LIMITS_ROUND[0].key
    return before and model["attack"] == "clean"


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
