"""Rules that compete on the zoo's development models, and the choice among them.

Development models are those of the calibration split and the held-out ones that earlier tools were
scored on; references are clean calibration models. The rule is chosen by nested cross-validation
over recipes; the value that a clean model may show comes from clean models beside references of
other recipes only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from auditor.measured import Rule, ValueNull
from auditor.verdict.excess import Excess
from auditor.verdict.natural_labels import UNKNOWN, NaturalLabels
from auditor.verdict.rule import LEVEL, combine_by_label, p_of
from auditor.verdict.trigger_weight import LabelTrigger
from examples.benchmarks.cells import auroc_of
from examples.benchmarks.decision_rule.evidence import (
    Mode,
    Model,
    Nulls,
    excess_of,
    habits_of,
    load_development,
    load_searches,
    natural_patches,
    null_value,
    triggers_of,
)
from examples.benchmarks.stored import Record

SETS: dict[str, tuple[str, ...]] = {
    "strong": ("smooth4:76", "smooth8:76", "smooth16:76", "noise:76", "wave:76"),
    "mixed": ("smooth4:38", "smooth16:76", "noise:76", "wave:76", "lattice:5"),
    "weak": ("smooth4:38", "smooth8:38", "smooth16:38", "noise:38", "wave:38"),
    "wide": ("smooth8:38", "noise:76", "wave:76", "spectrum:1", "lattice:5"),
    "patches": ("patch:3", "patch:5", "patch:8", "lattice:3", "lattice:5"),
    "first": ("difference:0.3", "noise:76", "patch:3", "smooth4:76", "smooth8:76"),
}
"""Sets of five families that compete, 1,000 queries each."""
ASKED = "mixed"
"""The set of families that competes for the package: the one chosen when sets last competed. Plans
ask it and shipped profiles hold counts of it. The other sets are shown for comparison."""
WEIGHTS, WIDENINGS = (0.25, 0.5, 0.8), (0.0, 0.3, 1.0)
MODES: tuple[Mode, ...] = ("same", "cross")


@dataclass(frozen=True)
class Candidate:
    """A rule that competes: a set of families (None for the trigger search alone)."""

    name: str | None
    weight: float = 0.0
    widening: float = 0.0
    apart: bool = False

    @property
    def rule(self) -> Rule:
        """As the package takes it."""
        keys = SETS[self.name] if self.name else ()
        return Rule(keys, self.weight, self.widening, self.apart)

    @property
    def words(self) -> str:
        """For tables."""
        if self.name is None:
            return "trigger search alone"
        words = f"{self.name}, weight {self.weight:g}, widening {self.widening:g}"
        return f"{words}, habits apart" if self.apart else words


CANDIDATES = [
    Candidate(None),
    *(
        Candidate(name, w, wide, apart)
        for name in SETS
        for w in WEIGHTS
        for wide in WIDENINGS
        for apart in (False, True)
        if name == ASKED or not apart
    ),
]


@dataclass(frozen=True)
class Judged:
    """One search of one model, judged by one candidate."""

    model: Model
    seed: int
    value: float
    label: int

    @property
    def right(self) -> bool:
        """True if the trigger leads to the label."""
        return self.label in self.model.targets


class Study:
    """All models and searches, as every candidate judges them."""

    def __init__(self) -> None:
        self.models = load_development()
        self.calibration = [m for m in self.models if m.shown["image"]]
        self.clean = [m for m in self.calibration if m.clean]
        known = {m.name: m for m in self.models}
        rows, free = load_searches()
        self.patches = natural_patches(free)
        self.known_habits: dict[tuple[str, Mode], NaturalLabels] = {}
        self.nulls = Nulls(free, {m.name: self.habits(m, "cross") for m in self.models})
        self.rows: list[tuple[Model, Record]] = [
            (known[row["name"]], row) for row in rows if row["name"] in known
        ]
        self.excess = cache(self._excess)
        self.judged = cache(self._judged)

    def habits(self, model: Model, mode: Mode) -> NaturalLabels:
        """The labels that a model's references fall into."""
        at = model.name, mode
        if at not in self.known_habits:
            keys, patches = SETS[ASKED], self.patches
            self.known_habits[at] = habits_of(model, self.clean, mode, keys, patches)
        return self.known_habits[at]

    def triggers(
        self, model: Model, row: Record, rule: Rule, mode: Mode
    ) -> Mapping[int, LabelTrigger]:
        """The triggers that a search found, as ``rule`` weighs them, by models of other recipes."""
        habits = self.habits(model, mode) if rule.keys else UNKNOWN
        if not rule.apart:
            habits = NaturalLabels(None, habits.patches)
        return triggers_of(row, self.nulls.of(model.recipe), habits, self.nulls.apart(model.recipe))

    def _excess(self, name: str, mode: Mode, keys: tuple[str, ...], wide: float) -> Excess | None:
        model = next(m for m in self.models if m.name == name)
        return excess_of(model, self.clean, mode, "image", keys, wide)

    def _judged(self, candidate: Candidate, mode: Mode) -> list[Judged]:
        found = []
        for model, row in self.rows:
            excess = None
            if candidate.name is not None:
                rule = candidate.rule
                excess = self.excess(model.name, mode, rule.keys, rule.widening)
                if excess is None:
                    continue
            triggers = self.triggers(model, row, candidate.rule, mode)
            evidence = combine_by_label(triggers, excess, candidate.rule)
            value, label = (evidence[0].value, evidence[0].label) if evidence else (0.0, -1)
            found.append(Judged(model, row["seed"], value, label))
        return found


def criterion(judged: Iterable[Judged]) -> float:
    """The figure that the choice maximises: AUROC over all all-to-one models plus its mean over
    attacks, each the mean over searches' seeds.
    """
    by_seed: dict[int, list[Judged]] = defaultdict(list)
    for one in judged:
        by_seed[one.seed].append(one)
    sums = []
    for found in by_seed.values():
        clean = [one.value for one in found if one.model.clean]
        by_attack = values_by_attack(found)
        every = [value for values in by_attack.values() for value in values]
        means = [auroc_of(clean, values) for values in by_attack.values()]
        sums.append(auroc_of(clean, every) + float(np.mean(means)))
    return float(np.mean(sums))


def values_by_attack(judged: Iterable[Judged]) -> dict[str, list[float]]:
    """Values of the all-to-one models, by attack."""
    values: dict[str, list[float]] = defaultdict(list)
    for one in judged:
        if one.model.label_map == "all-to-one":
            values[one.model.attack].append(one.value)
    return values


def clean_null(judged: Iterable[Judged]) -> ValueNull:
    """Null of the clean models among ``judged``."""
    values: dict[str, list[float]] = defaultdict(list)
    for one in judged:
        if one.model.clean:
            values[one.model.name].append(one.value)
    return null_value(values)


NOISE = 0.02
"""Candidates whose criterion is within this of the best are told apart by what they find."""


def choose(study: Study, kept: Callable[[Model], bool]) -> Candidate:
    """Of the candidates that may compete on the models that are kept (:func:`may_compete`) and
    whose criterion is as good as the best, the one that finds most at the stated level.
    """
    able = {
        c: criterion(one for one in study.judged(c, "cross") if kept(one.model))
        for c in CANDIDATES
        if may_compete(study, c, kept)
    }
    good = [c for c, value in able.items() if value >= max(able.values()) - NOISE]
    return max(good, key=lambda c: (_found(study, c, kept), able[c]))


def _found(study: Study, candidate: Candidate, kept: Callable[[Model], bool]) -> int:
    """All-to-one backdoors found at the stated level, by nulls without their recipe."""
    judged = [one for one in study.judged(candidate, "cross") if kept(one.model)]
    bad = [one for one in judged if one.model.label_map == "all-to-one"]
    if candidate.name is None:
        return sum(p_of(one.value, None) <= LEVEL for one in bad)
    nulls = _nulls_without(judged)
    return sum(p_of(one.value, nulls[one.model.recipe]) <= LEVEL for one in bad)


def may_compete(study: Study, candidate: Candidate, kept: Callable[[Model], bool]) -> bool:
    """True if a candidate keeps its word on the models that are kept: references of another recipe
    widen its doubt, and of their clean searches it flags no more than the stated level.
    """
    if candidate.name is None:
        return True
    if candidate.name != ASKED or not candidate.widening:
        return False
    judged = [one for one in study.judged(candidate, "cross") if kept(one.model)]
    nulls = _nulls_without(judged)
    clean = [p_of(one.value, nulls[one.model.recipe]) for one in judged if one.model.clean]
    return sum(p <= LEVEL for p in clean) <= LEVEL * len(clean)


def _nulls_without(judged: Sequence[Judged]) -> dict[str, ValueNull]:
    """For each recipe the null of the clean models of all others."""
    return {
        recipe: clean_null(one for one in judged if one.model.recipe != recipe)
        for recipe in {one.model.recipe for one in judged}
    }


@dataclass(frozen=True)
class Outer:
    """One search of a recipe that the choice and the null of its fold never saw."""

    judged: Judged
    p: float


def nested(study: Study) -> tuple[list[Outer], dict[str, Candidate]]:
    """Leave one recipe out: choose and calibrate without it, judge it."""
    out: list[Outer] = []
    chosen: dict[str, Candidate] = {}
    for recipe in sorted({m.recipe for m in study.models}):
        pick = choose(study, lambda m, r=recipe: m.recipe != r)  # type: ignore[misc]  # bound now
        chosen[recipe] = pick
        judged = study.judged(pick, "cross")
        null = clean_null(one for one in judged if one.model.recipe != recipe)
        out += [Outer(one, p_of(one.value, null)) for one in judged if one.model.recipe == recipe]
    return out, chosen


def left_out(study: Study, candidate: Candidate, mode: Mode) -> list[Outer]:
    """One fixed candidate, its null without the recipe of the model judged."""
    judged = study.judged(candidate, mode)
    if candidate.name is None:
        return [Outer(one, p_of(one.value, None)) for one in judged]
    nulls = _nulls_without(judged)
    return [Outer(one, p_of(one.value, nulls[one.model.recipe])) for one in judged]
