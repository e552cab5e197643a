"""Writes ``auditor/measured/decision.py``: the rule, its null and its measured error rates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from auditor.verdict.rule import LEVEL, Rule, ValueNull
from examples.benchmarks.decision_data import ATTACKS, Record

FAINT = 0.01
"""Share of poisoned training images that is counted apart."""
MAPS = ("x-to-one", "one-to-one", "x-to-x", "all-to-all")


@dataclass(frozen=True)
class Audited:
    """One audit of a model whose state is known.

    Attributes:
        group: "clean", its attack, or its label map where that is not all-to-one.
        recipe: data set, architecture and training.
        poison: share of poisoned training images.
        beside: p-value beside references, or None where there were none.
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


def measured_source(
    made: Sequence[str],
    rule: Rule,
    null: ValueNull | None,
    audits: Sequence[Audited],
) -> str:
    """Source text of the module.

    Args:
        made: lines of its docstring: what the rates were measured on.
        rule: the chosen rule.
        null: values of clean models beside references.
        audits: one per model.
    """
    beside = _beside(audits)
    alone = [(one, one.alone) for one in audits]
    keys = ", ".join(f'"{key}"' for key in rule.keys)
    missed = [
        (kind, [p > LEVEL for one, p in beside if _is(one, kind)])
        for kind in (*ATTACKS, *MAPS, "1 % poison")
    ]
    recipes = dict.fromkeys(one.recipe for one, _ in beside if one.group == "clean")
    accused = [
        (recipe, [p <= LEVEL for one, p in beside if one.group == "clean" and one.recipe == recipe])
        for recipe in sorted(recipes)
    ]
    return "\n".join(
        [
            '"""The chosen rule and what it was measured on.',
            "",
            *made,
            '"""',
            "",
            "from auditor.verdict.rule import Counted, Measured, Rule, ValueNull",
            "",
            f"RULE = Rule(({keys}), {rule.weight}, {rule.widening}, {rule.apart})",
            "",
            f"WITH_REFERENCES = Measured({null_text(null)}, {_rates(beside)})",
            f"WITHOUT_REFERENCES = Measured(None, {_rates(alone)})",
            "",
            *_counted("MISSED_KINDS", dict(missed)),
            '"""Backdoors missed beside references, by attack (all-to-one) or label map."""',
            "",
            *_counted("ACCUSED_RECIPES", {k: hits for k, hits in accused if any(hits)}),
            '"""Recipes of which clean models were accused beside references."""',
            "",
        ]
    )


def _beside(audits: Sequence[Audited]) -> list[tuple[Audited, float]]:
    return [(one, one.beside) for one in audits if one.beside is not None]


def _is(one: Audited, kind: str) -> bool:
    if kind == "1 % poison":
        return one.poison == FAINT and one.group in ATTACKS
    return one.group == kind


def null_text(null: ValueNull | None) -> str:
    """A null as source text."""
    if null is None:
        return "None"
    return f"ValueNull({null.mean:.4f}, {null.spread:.4f}, {null.models}, {null.highest:.3f})"


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
