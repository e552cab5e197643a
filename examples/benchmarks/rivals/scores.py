"""From scores to decisions: thresholds, accusations and targets. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from examples.benchmarks.rivals.population import DEVELOPMENT, HELD_OUT
from examples.benchmarks.stored import Record

ACCUSED = 0.05
"""Share of clean development models that a threshold may accuse."""


@dataclass(frozen=True)
class Scored:
    """One method's score of one held-out model.

    Attributes:
        name: the model.
        group: ``clean`` or its attack.
        score: higher is more suspicious.
        queries: what it was asked.
        right: True if the label named is a target; None if the method names none.
    """

    name: str
    group: str
    score: float
    queries: int
    right: bool | None


@dataclass(frozen=True)
class Column:
    """One method at one effort.

    Attributes:
        method: its name.
        access: what it reads of an answer.
        effort: budget in queries, in words.
        bar: the score above which it accuses.
        source: where the bar comes from.
        models: the held-out models.
    """

    method: str
    access: str
    effort: str
    bar: float
    source: str
    models: Sequence[Scored]

    def accused(self, chosen: Callable[[Scored], bool]) -> list[Scored]:
        """The accused among those that ``chosen`` takes."""
        return [one for one in self.models if chosen(one) and one.score > self.bar]


def bar_of(clean: Sequence[float]) -> float:
    """The least threshold above which at most :data:`ACCUSED` of clean models score."""
    ranked = sorted(clean, reverse=True)
    return ranked[int(ACCUSED * len(ranked))]


def debackdoor(rows: Mapping[str, Record], access: str, budget: int) -> Column | None:
    """DeBackdoor at one budget; None unless every model has come that far."""
    found = [row for row in rows.values() if str(budget) in row["best"]]
    development = [row for row in found if row["part"] == DEVELOPMENT and row["group"] == "clean"]
    held_out = [row for row in found if row["part"] == HELD_OUT]
    if len(found) < len(rows) or not development or not held_out:
        return None
    bests = [row["best"][str(budget)] for row in held_out]
    models = [
        Scored(row["name"], row["group"], best["score"], min(budget, row["queries"]),
               best["label"] in row["targets"])
        for row, best in zip(held_out, bests, strict=True)
    ]  # fmt: skip
    bar = bar_of([row["best"][str(budget)]["score"] for row in development])
    source = f"{len(development)} clean development models"
    return Column("DeBackdoor", access, f"{budget:,}", bar, source, models)


def mntd(kept: Mapping[str, Record]) -> list[Column]:
    """MNTD by its classifier's own boundary, and by clean development models left out."""
    queries = {part["queries"] for part in kept.values()}
    if not kept:
        return []
    models = [
        Scored(name, row["group"], row["score"], part["queries"], None)
        for part in kept.values()
        for name, row in part["held_out"].items()
    ]
    clean = [
        row["score"]
        for part in kept.values()
        for row in part["trained"].values()
        if row.get("group") == "clean"
    ]
    columns = [(0.0, "the classifier's boundary"),
               (bar_of(clean), f"{len(clean)} clean development models")]  # fmt: skip
    return [
        Column("MNTD", "logits", f"{max(queries):,}", bar, source, models)
        for bar, source in columns
    ]


def tool(rows: Sequence[Record]) -> list[Column]:
    """The tool's own audits of the same models at its two efforts, from the rows of
    ``small_pictures``; its accusations are those of the audit, its score the p-value.
    """
    columns = []
    for effort in ("standard", "thorough"):
        models = []
        for row in rows:
            end = row["first"] if effort == "standard" else row
            # A bar of 0 between the two ends of the audit; p-values rank within each.
            score = 1 - end["p"] if end["suspicious"] else -end["p"]
            models.append(Scored(row["name"], row["group"], score, row["queries"], end["right"]))
        columns.append(Column("this tool", "hard labels", effort, 0.0, "its own rule", models))
    return columns
