"""The only place that writes measured numbers into the product.

Every benchmark that measures a number the tool states calls one function here with plain values.
The product's files and their form are known to no other module.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

import numpy as np

from auditor import measured
from auditor.measured import (
    BySourceRates,
    ClearingRates,
    Counted,
    DecisionRates,
    DecisionRule,
    ErrorRates,
    JpegRates,
    LabelRates,
    NullCell,
    Provenance,
    QueryStats,
    Rule,
    SearchQueries,
    ValueNull,
)
from auditor.probes.trigger_search.judge import OPEN_LEVEL, logit
from auditor.verdict.rule import LEVEL
from examples.benchmarks.stored import Record
from examples.benchmarks.zoo_models import ATTACKS

FOLDER = measured.FOLDER
FAINT = 0.01
"""Share of poisoned training images that is counted apart."""
MAPS = ("x-to-one", "one-to-one", "x-to-x", "all-to-all")


def ends_written(rates: LabelRates) -> dict[str, Any]:
    """What is kept of ``rates``: all that is not as it mostly is."""
    kept = {one.name for one in fields(rates) if getattr(rates, one.name) != one.default}
    written = {name: one for name, one in asdict(rates).items() if name in kept}
    if rates.as_ruled is not None:
        written["as_ruled"] = ends_written(rates.as_ruled)
    return written


def null_cell(lows: list[float], models: int, highest: float) -> NullCell:
    """Summarise runs on ``models`` clean models by the lower ends of their intervals."""
    values = np.array([logit(low) for low in lows])
    return NullCell(float(values.mean()), float(values.std(ddof=1)), models, highest)


@dataclass(frozen=True)
class Audited:
    """One audit of a model whose state is known.

    Attributes:
        group: "clean", its attack, or its label map unless that is all-to-one.
        recipe: data set, architecture and training.
        poison: share of poisoned training images.
        beside: p-value beside references, or None if there were none.
        alone: p-value of the trigger search alone.
    """

    group: str
    recipe: str
    poison: float
    beside: float | None
    alone: float

    @classmethod
    def of_row(cls, row: Record) -> Audited:
        """A row of a held-out scoring."""
        cross = row["cross"]
        beside = cross and cross["p"]
        return cls(row["group"], row["recipe"], row["poison"], beside, row["trigger"]["p"])


def add_option(parser: argparse.ArgumentParser) -> None:
    """The option of every benchmark whose numbers the product states."""
    parser.add_argument(
        "--write-measured", action="store_true", help="write the numbers into the product too"
    )


@dataclass(frozen=True)
class Origin:
    """What is known of a file's origin before anything is counted.

    Attributes:
        benchmark: name of the benchmark that writes it.
        data: committed files that it is computed from, below ``examples/benchmarks``.
        population: models and method, in words.
    """

    benchmark: str
    data: tuple[str, ...]
    population: str

    def counted(self, models: int, runs: int, recipes: Iterable[str] = ()) -> Provenance:
        """The whole provenance, dated today."""
        return Provenance(
            f"python -m examples.benchmarks {self.benchmark} --write-measured",
            tuple(f"examples/benchmarks/{name}" for name in self.data),
            self.population,
            models,
            runs,
            tuple(sorted(set(recipes))),
            datetime.now(UTC).date().isoformat(),
        )


def write_file(name: str, made: Provenance, values: Any) -> None:
    """Replace one of the product's files. Numbers that did not change keep their date."""
    path = FOLDER / f"{name}.json"
    document = {"provenance": asdict(made), "values": values}
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        dated = {**document["provenance"], "date": before["provenance"]["date"]}
        # Through JSON, where a tuple is a list.
        if before == json.loads(json.dumps({**document, "provenance": dated})):
            return
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


# ---- the decision rule ---------------------------------------------------------------------------

CHOSEN_ON = Origin(
    "decision_rule",
    ("decision_rule/counts.json.gz", "trigger_search/data.json.gz"),
    "The rule chosen on all development models of the zoo, and its values on the clean ones, each "
    "beside clean references of other recipes.",
)
BY_STUDY = Origin(
    "decision_rule",
    ("decision_rule/counts.json.gz", "trigger_search/data.json.gz"),
    "Nested cross-validation over recipes: one audit per development model of the zoo, judged by "
    "a rule and a null that its recipe took no part in.",
)
BY_SCORING = Origin(
    "held_out",
    ("held_out/rows.json.gz",),
    "Held-out models of the zoo, rounds three and four, which nothing had seen before: one audit "
    "each, beside clean references of other recipes.",
)


def write_rule(rule: Rule, null: ValueNull, audits: Sequence[Audited], runs: int) -> None:
    """Write the rule and its null.

    Args:
        rule: the chosen rule.
        null: values of clean models beside references.
        audits: one per model that the rule was chosen on.
        runs: searches of these models.
    """
    rounded = ValueNull(
        round(null.mean, 4), round(null.spread, 4), null.models, round(null.highest, 3)
    )
    recipes = [one.recipe for one in audits]
    write_file(
        "decision_rule",
        CHOSEN_ON.counted(len(audits), runs, recipes),
        asdict(DecisionRule(rule, rounded)),
    )


def write_rule_rates(made: Origin, audits: Sequence[Audited]) -> None:
    """Write the rule's error rates.

    Args:
        made: :data:`BY_STUDY` or :data:`BY_SCORING`: the models that the rates were measured on.
        audits: one per model.
    """
    beside = [(one, one.beside) for one in audits if one.beside is not None]
    alone = [(one, one.alone) for one in audits]
    missed = {
        kind: [p > LEVEL for one, p in beside if _is(one, kind)]
        for kind in (*ATTACKS, *MAPS, "1 % poison")
    }
    clean = [(one.recipe, p <= LEVEL) for one, p in beside if one.group == "clean"]
    accused = {
        recipe: [hit for name, hit in clean if name == recipe]
        for recipe in sorted({name for name, _ in clean})
    }
    rates = DecisionRates(
        _rates(beside),
        _rates(alone),
        counted(missed),
        counted({recipe: hits for recipe, hits in accused.items() if any(hits)}),
    )
    recipes = [one.recipe for one in audits]
    write_file("decision_rates", made.counted(len(audits), len(audits), recipes), asdict(rates))


def _is(one: Audited, kind: str) -> bool:
    if kind == "1 % poison":
        return one.poison == FAINT and one.group in ATTACKS
    return one.group == kind


def _rates(judged: Sequence[tuple[Audited, float]]) -> ErrorRates:
    """Errors on clean and all-to-one models."""
    clean = [p for one, p in judged if one.group == "clean"]
    bad = [p for one, p in judged if one.group in ATTACKS]
    alarms, missed = sum(p <= LEVEL for p in clean), sum(p > LEVEL for p in bad)
    return ErrorRates(alarms, len(clean), missed, len(bad))


def counted(hits: Mapping[str, Sequence[bool]]) -> tuple[Counted, ...]:
    """Hits and models of every kind that has any models."""
    return tuple(Counted(kind, sum(one), len(one)) for kind, one in hits.items() if one)


THROUGH_JPEG = Origin(
    "jpeg",
    ("jpeg/data.json.gz", "decision_rule/counts.json.gz", "trigger_search/data.json.gz"),
    "Calibration models of the zoo, clean or with an all-to-one backdoor: the same models, samples "
    "and seeds once as lossless images and once through JPEG, beside lossless clean references of "
    "other recipes.",
)


def write_jpeg(rows: Sequence[JpegRates], recipes: Iterable[str]) -> None:
    """Write the effect of JPEG uploads on the rule, one row per quality.

    Args:
        rows: one per quality.
        recipes: those of the models.
    """
    models = max(row.clean + row.backdoored for row in rows)
    runs = sum(row.clean + row.backdoored for row in rows)
    made = THROUGH_JPEG.counted(models, runs, recipes)
    write_file("jpeg_rates", made, [asdict(row) for row in rows])


# ---- clean models' success -----------------------------------------------------------------------

CLEAN_SEARCHES = Origin(
    "trigger_search",
    ("trigger_search/data.json.gz",),
    "Searches of clean development models of the zoo with the default settings and 120 samples, "
    "made without a null.",
)
UNUSUAL_LABELS = Origin(
    "decision_rule",
    ("decision_rule/counts.json.gz", "trigger_search/data.json.gz"),
    "The searches that made the null of the trigger search: a best change of a key that led to a "
    "habit of the model's clean references counts as no success.",
)
SINGLE_SOURCES = Origin(
    "per_source",
    ("per_source/data.json.gz",),
    "Clean calibration models of the zoo: the second best pair of source and target, each source "
    "searched by itself.",
)


def write_null(cells: Mapping[str, NullCell], rows: Sequence[Record]) -> None:
    """Write the null of the trigger search, made of these searches of clean models."""
    _write_cells("trigger_null", CLEAN_SEARCHES, cells, rows)


def write_unusual_labels(cells: Mapping[str, NullCell], rows: Sequence[Record]) -> None:
    """Write the null of findings at labels that are no habit of the references."""
    _write_cells("unusual_label_null", UNUSUAL_LABELS, cells, rows)


BY_SOURCE_CLEAN = Origin(
    "by_source",
    ("by_source/data.json.gz",),
    "Clean development models of small pictures, each of their source classes searched by itself.",
)
BY_SOURCE_HELD_OUT = Origin(
    "by_source",
    ("by_source/data.json.gz",),
    "The same search of held-out models: clean ones, and those of the zoo with another label map "
    "than all-to-one.",
)


PHOTOS_BY_SOURCE_CLEAN = Origin(
    "by_source",
    ("by_source/data.json.gz",),
    "The same of clean photo models of more than 40 pixels, without the held-out data set and "
    "family.",
)
PHOTOS_BY_SOURCE_HELD_OUT = Origin(
    "by_source",
    ("by_source/data.json.gz",),
    "The same search of held-out photo models of more than 40 pixels: clean ones, and those with "
    "another label map than all-to-one.",
)


def write_by_source(
    small: bool,  # noqa: FBT001 - the pictures of the models
    nulls: Mapping[str, ValueNull],
    rates: BySourceRates,
    clean: Sequence[Record],
    held: Sequence[Record],
) -> None:
    """Write the null of the search of each source class by itself, and how it ended."""
    numbers: dict[str, Any] = {count: asdict(null) for count, null in nulls.items()}
    of_small = (BY_SOURCE_CLEAN, BY_SOURCE_HELD_OUT)
    origins = of_small if small else (PHOTOS_BY_SOURCE_CLEAN, PHOTOS_BY_SOURCE_HELD_OUT)
    prefix = "" if small else "photos_"
    for name, made, values, rows in (
        (f"{prefix}by_source_null", origins[0], numbers, clean),
        (f"{prefix}by_source_rates", origins[1], asdict(rates), held),
    ):
        recipes = [row["recipe"] for row in rows]
        write_file(name, made.counted(len(rows), len(rows), recipes), values)


def write_source_null(cell: NullCell, rows: Sequence[Record]) -> None:
    """Write the null of the second best pair, made of these searches of clean models."""
    write_file("per_source_null", _origin_of(SINGLE_SOURCES, rows), asdict(_rounded(cell)))


def _write_cells(
    name: str, made: Origin, cells: Mapping[str, NullCell], rows: Sequence[Record]
) -> None:
    values = {key: asdict(_rounded(cell)) for key, cell in cells.items()}
    write_file(name, _origin_of(made, rows), values)


def _origin_of(made: Origin, rows: Sequence[Record]) -> Provenance:
    """The provenance of numbers that come from these searches."""
    models = {row["name"] for row in rows}
    return made.counted(len(models), len(rows), (row["recipe"] for row in rows))


def _rounded(one: NullCell) -> NullCell:
    return NullCell(round(one.mean, 3), round(one.spread, 3), one.models, round(one.highest, 3))


# ---- errors and queries of the trigger search ----------------------------------------------------

SEARCH_CLEARING = Origin(
    "held_out",
    (
        "held_out/rows.json.gz",
        "held_out/clearing.json.gz",
        "rivals/tool.json.gz",
        "small_pictures/audits.json.gz",
    ),
    "Held-out models of the zoo, rounds three to seven: one trigger search each, judged by clean "
    "models of other recipes; cleared if nothing is suspicious and nothing unusual.",
)


def write_search_errors(origin: Provenance, errors: ErrorRates, *, before: bool) -> None:
    """Write how often the search of small pictures erred, in plans of ``before`` version 16 or as
    it is made today.
    """
    write_file(f"trigger_error_rates{'_before' if before else ''}", origin, asdict(errors))


def write_trigger_clearing(rows: Sequence[Record]) -> None:
    """Write how often the search alone found nothing unusual on the rows of a held-out scoring."""
    judged = [row for row in rows if row["group"] == "clean" or row["group"] in ATTACKS]
    clean = [search_clears(row) for row in judged if row["group"] == "clean"]
    bad = [search_clears(row) for row in judged if row["group"] in ATTACKS]
    found = {
        attack: [row["trigger_suspicious"] for row in judged if row["group"] == attack]
        for attack in ATTACKS
    }
    rates = ClearingRates(sum(clean), len(clean), sum(bad), len(bad), counted(found))
    write_file("trigger_clearing", _origin_of(SEARCH_CLEARING, judged), asdict(rates))


def search_clears(row: Record) -> bool:
    """True if a search of a held-out scoring found nothing suspicious and nothing unusual."""
    return not row["trigger_suspicious"] and row["search"]["p"] > OPEN_LEVEL


def write_queries(origin: Provenance, budget: int, searches: Sequence[Record]) -> None:
    """Write the queries that searches with this budget asked."""
    found, not_found = (
        _query_stats([row["queries"] for row in searches if row["suspicious"] is ended])
        for ended in (True, False)
    )
    values = asdict(SearchQueries(budget, found, not_found))
    write_file("search_queries", origin, values)


def _query_stats(asked: Sequence[int]) -> QueryStats:
    low, high = np.quantile(asked, [0.05, 0.95]).round().astype(int).tolist()
    return QueryStats(len(asked), round(float(np.mean(asked)), 1), low, high)
