"""The study behind the decision rule, on the zoo's development models alone.

    python -m examples.benchmarks.decision_rule

It asks nothing: ``family_counts`` and ``trigger_search`` did, and what they got is committed.
Development models are those of the calibration split and the held-out ones that earlier tools were
scored on; references are clean calibration models. Writes ``decision_rule.md`` and the package's
``auditor/measured/decision.py`` and ``apart.py``. The rule is chosen by nested cross-validation
over recipes; what a clean model may show comes from clean models beside references of other
recipes only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from auditor.probes.perturbations.catalogue import CATALOGUE
from auditor.probes.trigger_search.search import KEYS
from auditor.verdict.excess import Excess
from auditor.verdict.natural_labels import UNKNOWN, Habits
from auditor.verdict.rule import LEVEL, Rule, ValueNull, p_of, weigh
from auditor.verdict.trigger_weight import LabelTrigger
from examples.benchmarks.decision_data import (
    ATTACKS,
    HERE,
    PATCHES,
    Mode,
    Model,
    Nulls,
    Record,
    auroc_cell,
    auroc_of,
    excess_of,
    habits_of,
    load_development,
    load_searches,
    natural_patches,
    null_value,
    plane_scores,
    rate_cell,
    triggers_of,
)
from examples.benchmarks.measured_source import Audited, measured_source
from examples.benchmarks.trigger_search import cell_lines, null_of

BASIS = (
    "Written by examples/benchmarks/decision_rule.py; the error rates are those of its",
    "nested cross-validation over recipes: one audit per development model, judged by a rule",
    "and a null that its recipe took no part in.",
)
MEASURED = HERE.parent.parent / "auditor" / "decision" / "measured.py"
APART_FILE = MEASURED.with_name("apart.py")
NOTES = HERE / "decision_rule-notes.md"
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
"""The set of families that competes for the package: the one chosen when sets last competed, which
plans ask and shipped profiles hold counts of. The other sets are shown for comparison."""
WEIGHTS, WIDENINGS = (0.25, 0.5, 0.8), (0.0, 0.3, 1.0)
PERMUTATIONS = 200
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
        """Whether the label is one that the trigger leads to."""
        return self.label in self.model.targets


class Study:
    """All models, searches and what candidates make of them."""

    def __init__(self) -> None:
        self.models = load_development()
        self.calibration = [m for m in self.models if m.shown["image"]]
        self.clean = [m for m in self.calibration if m.clean]
        known = {m.name: m for m in self.models}
        rows, free = load_searches()
        self.patches = natural_patches(free)
        self.known_habits: dict[tuple[str, Mode], Habits] = {}
        self.nulls = Nulls(free, {m.name: self.habits(m, "cross") for m in self.models})
        self.rows: list[tuple[Model, Record]] = [
            (known[row["name"]], row) for row in rows if row["name"] in known
        ]
        self.excess = cache(self._excess)
        self.judged = cache(self._judged)

    def habits(self, model: Model, mode: Mode) -> Habits:
        """What a model's references fall into, whatever model it is."""
        at = model.name, mode
        if at not in self.known_habits:
            keys, patches = SETS[ASKED], self.patches
            self.known_habits[at] = habits_of(model, self.clean, mode, keys, patches)
        return self.known_habits[at]

    def triggers(
        self, model: Model, row: Record, rule: Rule, mode: Mode
    ) -> Mapping[int, LabelTrigger]:
        """What a search found, as ``rule`` weighs it, by models of other recipes."""
        habits = self.habits(model, mode) if rule.keys else UNKNOWN
        if not rule.apart:
            habits = Habits(None, habits.patches)
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
            evidence = weigh(triggers, excess, candidate.rule)
            value, label = (evidence[0].value, evidence[0].label) if evidence else (0.0, -1)
            found.append(Judged(model, row["seed"], value, label))
        return found


def criterion(judged: Iterable[Judged]) -> float:
    """What the choice maximises: AUROC over all all-to-one models plus its mean over attacks,
    each the mean over searches' seeds.
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
    """Whether a candidate keeps its word on the models that are kept: references of another recipe
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


# ---- tables -----------------------------------------------------------------------------------


def cell_values(study: Study, access: str, mode: Mode, key: str) -> dict[str, tuple[float, int]]:
    """Largest excess of one family alone, and its label, by model."""
    found = {}
    for model in study.calibration:
        excess = excess_of(model, study.clean, mode, access, (key,), 0.0)
        if excess is not None:
            found[model.name] = float(excess.by_label.max()), int(excess.by_label.argmax())
    return found


def family_tables(study: Study) -> list[str]:
    """Every family at every strength, in both access modes, by kind of references."""
    cells = {
        (key, access, mode): cell_values(study, access, mode, key)
        for key in CATALOGUE
        for access in ("float", "image")
        for mode in MODES
    }
    lines = [
        "| family, strength | same recipe, `float` | `image` | other recipes, `float` | `image` | "
        "target named (other recipes, `image`) |",
        "|---|---|---|---|---|---|",
    ]
    for key in CATALOGUE:
        row = [
            _cell(study.calibration, cells[key, access, mode])
            for mode in MODES
            for access in ("float", "image")
        ]
        one = cells[key, "image", "cross"]
        hits = [
            one[m.name][1] in m.targets
            for m in study.calibration
            if m.label_map == "all-to-one" and m.name in one
        ]
        lines.append(f"| {key} | {' | '.join(row)} | {sum(hits)} of {len(hits)} |")
    attacks = [a for a in ATTACKS if any(m.attack == a for m in study.calibration)]
    lines += [
        "",
        "By attack, other recipes, `image` (all-to-one, number of models in parentheses):",
        "",
        f"| family, strength | {' | '.join(attacks)} |",
        f"|---|{'---|' * len(attacks)}",
    ]
    for key in CATALOGUE:
        one = cells[key, "image", "cross"]
        row = [_cell(study.calibration, one, attack) for attack in attacks]
        lines.append(f"| {key} | {' | '.join(row)} |")
    return [*lines, "", *luck(study, cells)]


def _cell(
    models: Sequence[Model], values: dict[str, tuple[float, int]], attack: str | None = None
) -> str:
    clean = [values[m.name][0] for m in models if m.clean and m.name in values]
    bad = [
        values[m.name][0]
        for m in models
        if m.label_map == "all-to-one" and m.name in values and attack in {None, m.attack}
    ]
    return auroc_cell(clean, bad)


def luck(
    study: Study, cells: dict[tuple[str, str, Mode], dict[str, tuple[float, int]]]
) -> list[str]:
    """What the best of so many cells reaches where nothing tells models apart."""
    rng = np.random.default_rng(0)
    models = [m for m in study.calibration if m.clean or m.label_map == "all-to-one"]
    lines = []
    for mode in MODES:
        kept = {key: values for key, values in cells.items() if key[2] == mode}
        names = [m.name for m in models if all(m.name in values for values in kept.values())]
        table = np.array([[values[name][0] for name in names] for values in kept.values()])
        truth = np.array([not m.clean for m in models if m.name in set(names)])
        best = max(_auroc(row, truth) for row in table)
        chance = [
            max(_auroc(row, shuffled) for row in table)
            for shuffled in (rng.permutation(truth) for _ in range(PERMUTATIONS))
        ]
        kind = "references of the same recipe" if mode == "same" else "references of other recipes"
        lines.append(
            f"- {kind}: {len(kept)} cells tried, the best has AUROC {best:.2f}. With the models' "
            f"states shuffled ({PERMUTATIONS} times) the best of them reaches "
            f"{np.median(chance):.2f} in the median and {np.quantile(chance, 0.95):.2f} in one "
            "case of twenty: that much is luck."
        )
    return lines


def _auroc(values: np.ndarray, bad: np.ndarray) -> float:
    return auroc_of(values[~bad], values[bad].tolist())


def search_table(study: Study) -> list[str]:
    """Every kind of trigger search alone."""
    attacks = [a for a in ATTACKS if any(m.attack == a for m in study.models)]
    lines = [
        f"| search | all | {' | '.join(attacks)} |",
        f"|---|---|{'---|' * len(attacks)}",
    ]
    for key in (*KEYS, "all together"):
        judged = []
        for model, row in study.rows:
            kept = row
            if key != "all together":
                found = {k: v for k, v in row["findings"].items() if k == key}
                kept = {**row, "findings": found}
            best = triggers_of(kept, study.nulls.of(model.recipe)).values()
            value = max((one.weight for one in best), default=0.0)
            judged.append(Judged(model, row["seed"], value, -1))
        lines.append(f"| {key} | {' | '.join(_by_attack(judged, attacks))} |")
    return lines


def _by_attack(judged: Sequence[Judged], attacks: Sequence[str]) -> list[str]:
    """AUROC over all and by attack, of single searches: the mean over seeds, DeLong's interval
    of the first seed.
    """
    by_attack: dict[str, list[list[float]]] = {a: [] for a in ("all", *attacks)}
    cleans = []
    for seed in sorted({one.seed for one in judged}):
        found = [one for one in judged if one.seed == seed]
        cleans.append([one.value for one in found if one.model.clean])
        values = values_by_attack(found)
        by_attack["all"].append([v for vs in values.values() for v in vs])
        for attack in attacks:
            by_attack[attack].append(values.get(attack, []))
    cells = []
    for bad in by_attack.values():
        if not bad[0]:
            cells.append("–")
            continue
        mean = np.mean([auroc_of(c, b) for c, b in zip(cleans, bad, strict=True)])
        first = auroc_cell(cleans[0], bad[0])
        cells.append(
            f"{mean:.2f} {first[first.find('[') :]}" if "[" in first else f"{mean:.2f} (1)"
        )
    return cells


def rule_table(study: Study) -> list[str]:
    """Every candidate, other recipes and same recipe, best first."""
    rows = []
    for candidate in CANDIDATES:
        cross = criterion(study.judged(candidate, "cross"))
        same = criterion(study.judged(candidate, "same"))
        rows.append((cross, same, candidate))
    rows.sort(key=lambda row: -row[0])
    lines = [
        "| rank | candidate | criterion, other recipes | same recipe | clean searches flagged | "
        "all-to-one found | may be chosen |",
        "|---|---|---|---|---|---|---|",
    ]
    for rank, (cross, same, candidate) in enumerate(rows, 1):
        able = may_compete(study, candidate, lambda _: True)
        if rank <= 10 or able or candidate.name == ASKED or rank == len(rows):
            outers = left_out(study, candidate, "cross")
            clean = [o.p <= LEVEL for o in outers if o.judged.model.clean]
            bad = [o.p <= LEVEL for o in outers if o.judged.model.label_map == "all-to-one"]
            cells = [
                f"{cross:.3f}",
                f"{same:.3f}",
                f"{sum(clean)} of {len(clean)}",
                f"{sum(bad)} of {len(bad)}",
                "yes" if able else "no",
            ]
            lines.append(f"| {rank} | {candidate.words} | {' | '.join(cells)} |")
    return lines


def outcome_table(rows: Sequence[tuple[str, list[Outer]]], level: float = LEVEL) -> list[str]:
    """False alarms, detections and right targets at the stated level, by searches and models."""
    lines = [
        "| judged by | clean flagged, searches | clean models flagged at least once | "
        "all-to-one found, searches | patches found, searches | target right | SIG found |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, outers in rows:
        clean = [o for o in outers if o.judged.model.clean]
        bad = [o for o in outers if o.judged.model.label_map == "all-to-one"]
        found = [o for o in bad if o.p <= level]
        patches = [o for o in bad if o.judged.model.attack in PATCHES]
        sig = [o for o in bad if o.judged.model.attack == "sig"]
        wrong = {o.judged.model.name for o in clean if o.p <= level}
        cells = [
            rate_cell(sum(o.p <= level for o in clean), len(clean)),
            rate_cell(len(wrong), len({o.judged.model.name for o in clean})),
            rate_cell(len(found), len(bad)),
            rate_cell(sum(o.p <= level for o in patches), len(patches)),
            rate_cell(sum(o.judged.right for o in found), len(found)),
            rate_cell(sum(o.p <= level for o in sig), len(sig)),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def re_table(study: Study, chosen: Candidate) -> list[str]:
    """RE and ATS on the same models, and what RE would add to the rule."""
    attacks = [a for a in ATTACKS if any(m.attack == a for m in study.models)]
    lines = [
        f"| score | access | all | {' | '.join(attacks)} |",
        f"|---|---|---|{'---|' * len(attacks)}",
    ]
    for access in ("float", "image"):
        scores = plane_scores(access)
        for name in ("re", "ats", "ats_by_label"):
            judged = [
                Judged(m, 0, -scores[m.name][name], -1) for m in study.models if m.name in scores
            ]
            lines.append(f"| {name} | {access} | {' | '.join(_by_attack(judged, attacks))} |")
    plain = study.judged(chosen, "cross")
    for access in ("float", "image"):
        low = _re_excess(study, access)
        for weight in (0.25, 0.5):
            judged = [
                Judged(o.model, o.seed, o.value + weight * low.get(o.model.name, 0.0), o.label)
                for o in plain
            ]
            cells = " | ".join(_by_attack(judged, attacks))
            lines.append(f"| rule + {weight:g} x RE | {access} | {cells} |")
    lines.append(f"| rule | both | {' | '.join(_by_attack(plain, attacks))} |")
    return lines


def _re_excess(study: Study, access: str) -> dict[str, float]:
    """How far RE lies below clean references of other recipes, in deviations, at least 0."""
    scores = plane_scores(access)
    found = {}
    for model in study.models:
        others = [
            scores[m.name]["re"]
            for m in study.clean
            if m.dataset == model.dataset and m.recipe != model.recipe and m.name in scores
        ]
        if model.name in scores and len(others) >= 2:
            spread = max(0.1, float(np.std(others, ddof=1)))
            found[model.name] = max(0.0, (np.mean(others) - scores[model.name]["re"]) / spread)
    return found


# ---- writing ----------------------------------------------------------------------------------


def main() -> None:
    """Write the study and the measured rule."""
    study = Study()
    chosen = choose(study, lambda _: True)
    outer, folds = nested(study)
    alone = left_out(study, Candidate(None), "cross")
    text = report(study, chosen, outer, folds, alone)
    (HERE / "decision_rule.md").write_text(text, encoding="utf-8")
    MEASURED.write_text(measured_module(study, chosen, outer, alone), encoding="utf-8")
    APART_FILE.write_text(apart_module(study), encoding="utf-8")
    print(f"chosen: {chosen.words}")


def report(
    study: Study,
    chosen: Candidate,
    outer: list[Outer],
    folds: dict[str, Candidate],
    alone: list[Outer],
) -> str:
    """The study's text."""
    attacks = [a for a in ATTACKS if any(m.attack == a for m in study.models)]
    fixed = left_out(study, chosen, "cross")
    same = left_out(study, chosen, "same")
    kinds = sorted({m.label_map for m in study.models} - {"none", "all-to-one"})
    bad = sum(m.label_map == "all-to-one" for m in study.models)
    cells = 2 * len(CATALOGUE)
    return "\n".join(
        [
            "# The decision rule, on the development models",
            "",
            "    python -m examples.benchmarks.family_counts --data-dir DATA --labels FOLDER",
            "    python -m examples.benchmarks.decision_rule",
            "",
            f"{len(study.models)} models: {len(study.clean)} clean, {bad} with an all-to-one "
            f"backdoor, {len(study.models) - bad - len(study.clean)} with another label map; "
            f"{len({m.recipe for m in study.models})} recipes (data set, architecture, training). "
            "They are the calibration split and the held-out models that earlier tools were scored "
            "on; the models of the third held-out round took no part. Families alone are shown on "
            f"the {len(study.calibration)} of the calibration split, which were asked all of them, "
            "in both roles; references are its clean ones. Families: 200 queries each; a model is "
            "asked on other samples and directions as an audited model than as a reference. "
            "Trigger search: the saved searches of two seeds per model. AUROC above 0.5 means that "
            "backdoored models score higher. Intervals are 95 %: DeLong for AUROC (too narrow "
            "where separation is perfect), exact for counts. Figures over two searches of one "
            "model are not independent.",
            "",
            "## Families alone",
            "",
            "The largest standardised excess of any label over clean references of the same data "
            f"set: {len(CATALOGUE)} families and strengths, two access modes, two kinds of "
            f"references. In `float` the inputs may leave the range; in `image` they are clipped "
            "and rounded.",
            "",
            *family_tables(study),
            "",
            "## Trigger searches alone",
            "",
            "Weight of the strongest trigger (minus log10 of the one-look p-value; natural "
            "successes count half, at most 1), each judged by clean models of other recipes. "
            "Mean over two seeds, interval of the first. A search that convinced ended early, so "
            "later kinds have fewer chances on backdoored models.",
            "",
            *search_table(study),
            "",
            "## Candidates for the rule",
            "",
            f"{len(CANDIDATES)} candidates: {len(SETS)} sets of five families, three weights, "
            "three widenings, and the trigger search alone. Only the set that plans ask and "
            f"shipped profiles hold (**{ASKED}**, chosen when sets last competed) competes for the "
            "package, with a widening above 0, and only where it flags at most "
            f"{LEVEL:.0%} of the clean searches, its stated level (the criterion alone would take "
            f"one that accuses more). Of those within {NOISE:g} of the best criterion, the one "
            "that finds most at that level is taken. **Habits apart**: a trigger for a label that "
            "is no habit of the clean references (it takes no more than its even share of their "
            "answers under any family) is weighed by what clean models show at such labels. The "
            f"sets were put together after seeing the table of {cells} cells above on these same "
            "models; nested cross-validation pays for the choice among them, not for that. About "
            "fifteen variants of the weights of triggers, of the shift and of the spreads were "
            "compared by hand on calibration models, and about twenty of the habits on development "
            "models (thresholds of 1 to 2.5 times the even share, habits taken from the "
            "references' searches instead, strong waves in or out, how far beyond clean models a "
            "success must be, natural patches from 0.3 to 0.5). What was kept has a stated reason: "
            "a strong wave never decides alone (an honest model showed one in full), a target's "
            "own pull is no shift, a patch that clean references show too is natural. The "
            "criterion is AUROC over all all-to-one models plus its mean over attacks, at best 2.",
            "",
            *rule_table(study),
            "",
            f"Chosen on all: **{chosen.words}**: `{' '.join(SETS[chosen.name or 'mixed'])}`. "
            "Chosen in the folds of the nested cross-validation: "
            + "; ".join(f"{recipe}: {pick.words}" for recipe, pick in folds.items())
            + ".",
            "",
            f"At the stated false-positive rate of {LEVEL:.0%} (p from clean models of the other "
            "recipes):",
            "",
            *outcome_table(
                [
                    ("nested: choice and null without the recipe, other recipes", outer),
                    ("chosen rule, other recipes", fixed),
                    ("chosen rule, same recipe", same),
                    ("trigger search alone, no references", alone),
                ]
            ),
            "",
            "AUROC by attack, single searches:",
            "",
            f"| | all | {' | '.join(attacks)} |",
            f"|---|---|{'---|' * len(attacks)}",
            *(
                f"| {name} | {' | '.join(_by_attack([o.judged for o in outers], attacks))} |"
                for name, outers in (
                    ("chosen, other recipes", fixed),
                    ("chosen, same recipe", same),
                    ("trigger search alone", alone),
                )
            ),
            "",
            "Other label maps, chosen rule, other recipes, searches flagged: "
            + "; ".join(
                f"{kind} "
                + rate_cell(
                    sum(o.p <= LEVEL for o in fixed if o.judged.model.label_map == kind),
                    sum(o.judged.model.label_map == kind for o in fixed),
                )
                for kind in kinds
            )
            + ".",
            "",
            "By data set, chosen rule, other recipes (few models each):",
            "",
            *outcome_table(
                [
                    (name, [o for o in fixed if o.judged.model.dataset == name])
                    for name in sorted({m.dataset for m in study.models})
                ]
            ),
            "",
            "## RE and ATS",
            "",
            "On the same models (N = 20, S = 25), and what RE would add to the rule: its distance "
            "below clean references of other recipes.",
            "",
            *re_table(study, chosen),
            "",
            NOTES.read_text(encoding="utf-8").rstrip() if NOTES.exists() else "",
            "",
        ]
    )


def measured_module(
    study: Study, chosen: Candidate, outer: Sequence[Outer], alone: Sequence[Outer]
) -> str:
    """Source text of the package's rule and what it was measured on: one audit per model, the
    searches of the first seed.
    """
    p_alone = {one.judged.model.name: one.p for one in alone if one.judged.seed == 0}
    audits = [
        Audited(
            one.judged.model.group,
            one.judged.model.recipe,
            one.judged.model.poison,
            one.p,
            p_alone[one.judged.model.name],
        )
        for one in outer
        if one.judged.seed == 0
    ]
    return measured_source(BASIS, chosen.rule, clean_null(study.judged(chosen, "cross")), audits)


def apart_module(study: Study) -> str:
    """Source text of what clean models' findings at labels that are no habit show."""
    rows = study.nulls.elsewhere
    return "\n".join(
        [
            '"""What clean models\' findings at labels that are no habit of their references show.',
            "",
            "Written by examples/benchmarks/decision_rule.py from the searches that made the null "
            "of",
            f"the trigger search, {len(rows)} of {len({row['name'] for row in rows})} clean "
            "models: where the",
            "best change of a key led to a habit of the references, it counts as no success.",
            '"""',
            "",
            "from auditor.probes.trigger_search.judge import NullCell",
            "",
            "APART: dict[str, NullCell] = {",
            *cell_lines(null_of(rows)),
            "}",
            "",
        ]
    )


if __name__ == "__main__":
    main()
