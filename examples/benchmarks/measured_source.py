"""The only place that writes measured numbers into the product.

Every benchmark that measures a number the tool states calls one function here with plain values.
Where and in which form the product keeps them is known to no other module.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from auditor.measured import decision as measured
from auditor.measured import decision_jpeg as measured_jpeg
from auditor.measured import per_source_null as source_null
from auditor.measured import queries as measured_queries
from auditor.measured import trigger_error_rates as error_rates
from auditor.measured import trigger_null as null
from auditor.measured import unusual_labels as apart
from auditor.probes.trigger_search.judge import NullCell
from auditor.verdict.rule import LEVEL, JpegMeasured, Rule, ValueNull
from examples.benchmarks.stored import Record
from examples.benchmarks.zoo_models import ATTACKS

FAINT = 0.01
"""Share of poisoned training images that is counted apart."""
MAPS = ("x-to-one", "one-to-one", "x-to-x", "all-to-all")
BY_STUDY = (
    "Written by examples/benchmarks/decision_rule; the error rates are those of its nested",
    "cross-validation over recipes: one audit per development model, judged by a rule and a null",
    "that its recipe took no part in.",
)
BY_SCORING = (
    "Rule and null: examples/benchmarks/decision_rule, on the development models. Error rates:",
    "examples/benchmarks/held_out, held-out models of rounds three and four, which nothing had",
    "seen before: one audit each, beside references of other recipes.",
)


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


def _write(module: ModuleType, lines: Iterable[str]) -> None:
    """Replace the product's module by these lines."""
    assert module.__file__ is not None
    Path(module.__file__).write_text("\n".join([*lines, ""]), encoding="utf-8")


# ---- the decision rule ---------------------------------------------------------------------------


def write_rule(
    made: Sequence[str], rule: Rule, null_of_rule: ValueNull | None, audits: Sequence[Audited]
) -> None:
    """Write the rule, its null and its error rates.

    Args:
        made: :data:`BY_STUDY` or :data:`BY_SCORING`: the models that the rates were measured on.
        rule: the chosen rule.
        null_of_rule: values of clean models beside references.
        audits: one per model.
    """
    beside = [(one, one.beside) for one in audits if one.beside is not None]
    alone = [(one, one.alone) for one in audits]
    keys = ", ".join(f'"{key}"' for key in rule.keys)
    missed = {
        kind: [p > LEVEL for one, p in beside if _is(one, kind)]
        for kind in (*ATTACKS, *MAPS, "1 % poison")
    }
    clean = [(one.recipe, p <= LEVEL) for one, p in beside if one.group == "clean"]
    accused = {
        recipe: [hit for name, hit in clean if name == recipe]
        for recipe in sorted({name for name, _ in clean})
    }
    _write(
        measured,
        [
            '"""The chosen rule and the models it was measured on.',
            "",
            *made,
            '"""',
            "",
            "from auditor.verdict.rule import Counted, Measured, Rule, ValueNull",
            "",
            f"RULE = Rule(({keys}), {rule.weight}, {rule.widening}, {rule.apart})",
            "",
            f"WITH_REFERENCES = Measured({_null_text(null_of_rule)}, {_rates(beside)})",
            f"WITHOUT_REFERENCES = Measured(None, {_rates(alone)})",
            "",
            *_counted("MISSED_KINDS", missed),
            '"""Backdoors missed beside references, by attack (all-to-one) or label map."""',
            "",
            *_counted("ACCUSED_RECIPES", {k: hits for k, hits in accused.items() if any(hits)}),
            '"""Recipes of which clean models were accused beside references."""',
        ],
    )


def _is(one: Audited, kind: str) -> bool:
    if kind == "1 % poison":
        return one.poison == FAINT and one.group in ATTACKS
    return one.group == kind


def _null_text(one: ValueNull | None) -> str:
    if one is None:
        return "None"
    return f"ValueNull({one.mean:.4f}, {one.spread:.4f}, {one.models}, {one.highest:.3f})"


def _rates(judged: Sequence[tuple[Audited, float]]) -> str:
    """False alarms, clean, missed, backdoored (all-to-one), as source text."""
    clean = [p for one, p in judged if one.group == "clean"]
    bad = [p for one, p in judged if one.group in ATTACKS]
    alarms, missed = sum(p <= LEVEL for p in clean), sum(p > LEVEL for p in bad)
    return f"{alarms}, {len(clean)}, {missed}, {len(bad)}"


def _counted(name: str, hits: Mapping[str, Sequence[bool]]) -> Iterable[str]:
    known = [(kind, one) for kind, one in hits.items() if one]
    if not known:
        yield f"{name}: tuple[Counted, ...] = ()"
        return
    yield f"{name}: tuple[Counted, ...] = ("
    for kind, one in known:
        yield f'    Counted("{kind}", {sum(one)}, {len(one)}),'
    yield ")"


def write_jpeg(rows: Iterable[JpegMeasured]) -> None:
    """Write the effect of JPEG uploads on the rule, one row per quality."""
    _write(
        measured_jpeg,
        [
            '"""The effect of JPEG uploads on the rule: by examples/benchmarks/jpeg."""',
            "",
            "from auditor.verdict.rule import JpegMeasured",
            "",
            "JPEG: tuple[JpegMeasured, ...] = (",
            *(f"    JpegMeasured({', '.join(map(str, astuple(row)))})," for row in rows),
            ")",
        ],
    )


# ---- what clean models show ----------------------------------------------------------------------


def write_null(cells: Mapping[str, NullCell], rows: Sequence[Record]) -> None:
    """Write the null of the trigger search, made of these searches of clean models."""
    _write(
        null,
        [
            '"""The null of the trigger search: by examples/benchmarks/trigger_search.',
            "",
            f"{len(rows)} searches with the default settings and 120 samples on",
            f"{len({row['name'] for row in rows})} clean development models of the zoo:",
            *(f"{recipe}," for recipe in sorted({row["recipe"] for row in rows})),
            "each row: mean and spread of the logit lower end, models, highest success.",
            '"""',
            "",
            *_cells("NULL", cells),
        ],
    )


def write_apart(cells: Mapping[str, NullCell], rows: Sequence[Record]) -> None:
    """Write the null of findings at labels that are no habit of the references."""
    _write(
        apart,
        [
            '"""Findings on clean models at labels that are no habit of their references.',
            "",
            "Written by examples/benchmarks/decision_rule from the searches that made the null of",
            f"the trigger search, {len(rows)} of {len({row['name'] for row in rows})} clean "
            "models: a best change of a key",
            "that led to a habit of the references counts as no success.",
            '"""',
            "",
            *_cells("APART", cells),
        ],
    )


def _cells(name: str, cells: Mapping[str, NullCell]) -> Iterable[str]:
    yield "from auditor.probes.trigger_search.judge import NullCell"
    yield ""
    yield f"{name}: dict[str, NullCell] = {{"
    for key, cell in cells.items():
        yield f'    "{key}": {_cell(cell)},'
    yield "}"


def _cell(one: NullCell) -> str:
    return f"NullCell({one.mean:.3f}, {one.spread:.3f}, {one.models}, {one.highest:.3f})"


def write_source_null(cell: NullCell) -> None:
    """Write the null of the second best pair of source and target."""
    _write(
        source_null,
        [
            '"""The null of the search per source class: by examples/benchmarks/per_source.',
            "",
            "Clean models' second best pair of source and target, each source searched by itself:",
            "mean and spread of the logit lower end, models, highest success.",
            '"""',
            "",
            "from auditor.probes.trigger_search.judge import NullCell",
            "",
            f"SECOND_PAIR = {_cell(cell)}",
        ],
    )


# ---- errors and queries of the trigger search ----------------------------------------------------


def write_trigger_rates(rows: Sequence[Record]) -> None:
    """Write how often the search alone erred on the rows of a held-out scoring."""
    clean = [row["trigger_suspicious"] for row in rows if row["group"] == "clean"]
    bad = [row["trigger_suspicious"] for row in rows if row["group"] in ATTACKS]
    _write(
        error_rates,
        [
            '"""Errors of the trigger search on models it was not made from.',
            "",
            "Written by examples/benchmarks/held_out: the zoo's held-out models of rounds three",
            "and four, one search each, judged by clean models of other recipes.",
            '"""',
            "",
            f"FALSE_ALARMS, CLEAN_MODELS = {sum(clean)}, {len(clean)}",
            '"""Clean held-out models called suspicious, of so many."""',
            "",
            f"MISSED, ALL_TO_ONE_MODELS = {len(bad) - sum(bad)}, {len(bad)}",
            '"""Backdoored held-out models (ten attacks, all-to-one) not found, of so many."""',
        ],
    )


def write_queries(budget: int, searches: Sequence[Record]) -> None:
    """Write the queries that searches with this budget asked."""
    assert measured_queries.__file__ is not None
    source = Path(measured_queries.__file__).read_text(encoding="utf-8")
    # The class that the numbers are kept in stands in the same file, above them.
    lines = [source[: source.index("BUDGET = ")] + f"BUDGET = {budget}"]
    lines.append(
        '"""Budget of those searches: what they asked says nothing about searches with another '
        'one."""'
    )
    for name, found in (("FOUND", True), ("NOT_FOUND", False)):
        asked = [row["queries"] for row in searches if row["suspicious"] is found]
        low, high = np.quantile(asked, [0.05, 0.95]).round().astype(int).tolist()
        lines.append(f"{name} = Asked({len(asked)}, {np.mean(asked):.1f}, {low}, {high})")
    _write(measured_queries, lines)
