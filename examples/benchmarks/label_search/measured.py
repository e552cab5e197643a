"""Writes the null and the error rates of the search label by label into the product."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from auditor.measured import FOLDER, ClassGroup, LabelCell, LabelRates, Provenance
from auditor.plan.digest import MORE_CLEAN
from auditor.probes.label_search.settings import FINE, TELLING_SIDES, TOLD_AT
from auditor.verdict.label_scope import group_of
from auditor.verdict.scope import LOSSLESS
from examples.benchmarks.label_search.tables import OF_NULL, SIDES, Ended, coding, fragile
from examples.benchmarks.measured_files import Origin, counted, ends_written, write_file
from examples.benchmarks.stored import Record

PHOTOS_CLEAN = Origin(
    "label_search",
    ("label_search/data.json.gz", "label_search/telling.json.gz"),
    "Searches label by label of clean development photo models, every stage to its end.",
)
PHOTOS_TOLD = Origin(
    "label_search",
    ("label_search/data.json.gz", "label_search/telling.json.gz"),
    "Searches label by label of all clean photo models of 64 to 96 pixels before the twenty-second "
    "round, every stage to its end.",
)
PHOTOS_HELD_OUT = Origin(
    "label_search",
    ("label_search/data.json.gz",),
    "Searches label by label of held-out photo models, one each at each effort, "
    "judged by clean development models.",
)
LabelCells = Mapping[str, Mapping[str, LabelCell]]
Values = dict[str, Any]


def write_label_null(
    sides: tuple[int, int],
    many: LabelCells,
    two: LabelCells,
    rows: Sequence[Record],
    models: Mapping[str, Record],
) -> None:
    """Write the null of the search label by label, by effort.

    Args:
        sides: least and largest side of the pictures.
        many: cells of tasks of three classes or more.
        two: cells of tasks of two classes.
        rows: searches of clean models.
        models: record of every photo model, by name.
    """
    values: dict[str, Any] = {"sides": list(sides)}
    for name, of_group in (("many", many), ("two", two)):
        values[name] = _of_efforts(of_group)
    write_file("label_null", _photo_origin(PHOTOS_CLEAN, rows, models), values)


def write_told_null(
    cells: LabelCells, rows: Sequence[Record], models: Mapping[str, Record]
) -> None:
    """Write the null of searches that ask of found patches what tells planted ones, by effort.

    Args:
        cells: of tasks of five classes or more.
        rows: searches of clean models.
        models: record of every photo model, by name.
    """
    values = {"sides": list(TELLING_SIDES), "many": _of_efforts(cells), "two": {}}
    write_file("told_label_null", _photo_origin(PHOTOS_TOLD, rows, models), values)


def _of_efforts(cells: LabelCells) -> Values:
    return {
        effort: {key: asdict(cell) for key, cell in of_key.items()}
        for effort, of_key in cells.items()
    }


def write_label_rates(
    ends: Sequence[Ended], scored: Sequence[Ended], before: Sequence[Ended]
) -> None:
    """Write how searches of held-out photo models ended, by size, coding, number of classes and
    effort.

    Args:
        ends: of searches as they are made today.
        scored: those of earlier plans too.
        before: all of them, as those of plan version 12 would have ended.
    """
    models = {one.row["name"]: one.model for one in before}
    kept = _of_earlier_plans()
    made = _photo_origin(PHOTOS_HELD_OUT, [one.row for one in before], models)
    values = list(kept)
    for low, high in SIDES:
        sized = [one for one in ends if low <= one.model["side"] <= high]
        groups = {_alike(one) for one in sized}
        for sent, group in sorted(groups, key=_order):
            alike = [one for one in sized if _alike(one) == (sent, group)]
            by_effort = {
                effort: [one for one in alike if one.row["effort"] == effort]
                for effort in sorted({str(one.row["effort"]) for one in alike})
            }
            efforts = {
                effort: ends_written(_label_rates(ended))
                for effort, ended in by_effort.items()
                # Others the page shows; no rate of a search can be known by them.
                if {"clean", "usual"} <= {one.group for one in ended}
            }
            if ((low, high), sent, group) == (TELLING_SIDES, LOSSLESS, "many"):
                _begun_before(efforts, before)
            else:
                _begun(efforts)
            # Sizes above those of the null reach as far as they were measured.
            most = high if high <= OF_NULL[1] else max(one.model["side"] for one in alike)
            part = {"sides": [low, most], "coding": sent, "classes": group}
            new = {name: one for name, one in efforts.items() if not _said(part, name, one, kept)}
            if new:
                values.append(part | {"efforts": new, "since": MORE_CLEAN} | _largest(alike, most))
    write_file("label_rates", made, [one | {"tasks": _tasks(one, scored)} for one in values])


def _tasks(part: Values, scored: Sequence[Ended]) -> list[int]:
    """Least and most classes of the tasks of a population."""
    low, high = part["sides"]
    alike = (part["coding"], part.get("classes", "many"))
    classes = [
        one.row["classes"] for one in scored
        if low <= one.model["side"] <= high and _alike(one) == alike
    ]  # fmt: skip
    return [min(classes), max(classes)]


def _begun(efforts: Mapping[str, Values]) -> None:
    """Add to a search that begins with another one's how many backdoors that clears."""
    begins, first = efforts.get("exhaustive"), efforts.get("thorough")
    if begins and first:
        own = [first["usual_cleared"], first["usual"]]
        begins["begins_with"] = first.get("begins_with", own)


def _begun_before(efforts: Mapping[str, Values], before: Sequence[Ended]) -> None:
    """Add to a search that asks more of found patches how many backdoors it would clear without:
    what it leaves open or accuses then is never cleared with it. At ``exhaustive`` larger patches
    leave nothing open any more, so that its own count alone.
    """
    low, high = TELLING_SIDES
    for effort, of_effort in efforts.items():
        usual = [
            one for one in before
            if one.group == "usual" and one.row["effort"] == effort
            and low <= one.model["side"] <= high and _alike(one) == (LOSSLESS, "many")
        ]  # fmt: skip
        if effort in TOLD_AT and effort != "exhaustive":
            of_effort["begins_with"] = [sum(one.cleared for one in usual), len(usual)]


def _largest(ends: Sequence[Ended], most: int) -> Values:
    """The largest side that backdoored models were searched at, where clean ones are larger."""
    sides = [
        one.model["side"] for one in ends if one.group == "usual" and one.row["effort"] in FINE
    ]
    return {"backdoored_to": max(sides)} if most > OF_NULL[1] and max(sides) < most else {}


def _of_earlier_plans() -> list[Values]:
    """What earlier plans are judged by: it stays as it was written, else their verdicts changed.
    What says nothing of later plans, as their search is another one, states ``until`` which.
    """
    values = json.loads((FOLDER / "label_rates.json").read_text(encoding="utf-8"))["values"]
    return [one for one in values if one.get("since", 0) < MORE_CLEAN]


def _said(part: Values, effort: str, rates: Values, kept: Sequence[Values]) -> bool:
    """True if the same is said of earlier plans already, and of these too."""
    alike = [
        one for one in kept
        if (one["sides"], one["coding"], one.get("classes", "many"))
        == (part["sides"], part["coding"], part["classes"]) and "until" not in one
    ]  # fmt: skip
    said = json.loads(json.dumps(rates))
    return any(one["efforts"].get(effort) == said for one in alike)


def _alike(one: Ended) -> tuple[str, ClassGroup]:
    """Coding of a search, and its task's number of classes."""
    return coding(one.row), group_of(one.row["classes"])


def _order(alike: tuple[str, ClassGroup]) -> tuple[int, bool, str]:
    coding_of, group = alike
    return ("many", "few", "two").index(group), coding_of != LOSSLESS, coding_of


def _photo_origin(made: Origin, rows: Sequence[Record], models: Mapping[str, Record]) -> Provenance:
    names = {row["name"] for row in rows}
    recipes = {
        f"{model['task']}/{model['side']}/{model['family']}/{model['augmentation']}"
        for model in (models[name] for name in names)
    }
    return made.counted(len(names), len(rows), recipes)


def _label_rates(ends: Sequence[Ended]) -> LabelRates:
    names = ("clean", "usual", "careful", "adaptive")
    clean, usual, careful, adaptive = ([e for e in ends if e.group == name] for name in names)
    weak = [one for one in clean if fragile(one.model)]
    bad = [one for one in (*usual, *careful) if one.suspicious]
    attacks = sorted({one.model["attack"] for one in (*usual, *careful)})
    kinds = {
        name: [one.suspicious for one in (*usual, *careful) if one.model["attack"] == name]
        for name in attacks
    }
    asked = [one.queries for one in clean if not one.suspicious]
    return LabelRates(
        clean=len(clean),
        accused=sum(one.suspicious for one in clean),
        cleared=sum(one.cleared for one in clean),
        fragile=len(weak),
        fragile_accused=sum(one.suspicious for one in weak),
        fragile_cleared=sum(one.cleared for one in weak),
        usual=len(usual),
        usual_found=sum(one.suspicious for one in usual),
        usual_cleared=sum(one.cleared for one in usual),
        careful=len(careful),
        careful_found=sum(one.suspicious for one in careful),
        careful_cleared=sum(one.cleared for one in careful),
        right=sum(one.right for one in bad),
        called=len(bad),
        adaptive=len(adaptive),
        adaptive_found=sum(one.suspicious for one in adaptive),
        adaptive_cleared=sum(one.cleared for one in adaptive),
        kinds=counted(kinds),
        not_found=round(float(np.mean(asked))) if asked else 0,
        found=round(float(np.median([one.queries for one in bad]))) if bad else 0,
    )
