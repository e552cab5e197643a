"""Tables of the study of the decision rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.probes.perturbations.catalogue import CATALOGUE
from auditor.probes.trigger_search.search import KEYS
from auditor.verdict.rule import LEVEL
from examples.benchmarks.cells import auroc_cell, auroc_of, rate_cell
from examples.benchmarks.decision_rule.evidence import (
    Mode,
    Model,
    excess_of,
    plane_scores,
    triggers_of,
)
from examples.benchmarks.decision_rule.study import (
    ASKED,
    CANDIDATES,
    MODES,
    Candidate,
    Judged,
    Outer,
    Study,
    criterion,
    left_out,
    may_compete,
    values_by_attack,
)
from examples.benchmarks.zoo_models import ATTACKS, PATCHES

PERMUTATIONS = 200


def attacks_of(models: Sequence[Model]) -> list[str]:
    """The attacks that there are models of."""
    return [a for a in ATTACKS if any(m.attack == a for m in models)]


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
    attacks = attacks_of(study.calibration)
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


def _auroc(values: NDArray[np.float64], bad: NDArray[np.bool_]) -> float:
    return auroc_of(values[~bad], values[bad].tolist())


def search_table(study: Study) -> list[str]:
    """Every kind of trigger search alone."""
    attacks = attacks_of(study.models)
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
        lines.append(f"| {key} | {' | '.join(by_attack_cells(judged, attacks))} |")
    return lines


def by_attack_cells(judged: Sequence[Judged], attacks: Sequence[str]) -> list[str]:
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


def outcome_table(rows: Sequence[tuple[str, Sequence[Outer]]], level: float = LEVEL) -> list[str]:
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
    """RE and ATS on the same models, and the rule with RE added."""
    attacks = attacks_of(study.models)
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
            lines.append(f"| {name} | {access} | {' | '.join(by_attack_cells(judged, attacks))} |")
    plain = study.judged(chosen, "cross")
    for access in ("float", "image"):
        low = _re_excess(study, access)
        for weight in (0.25, 0.5):
            judged = [
                Judged(o.model, o.seed, o.value + weight * low.get(o.model.name, 0.0), o.label)
                for o in plain
            ]
            cells = " | ".join(by_attack_cells(judged, attacks))
            lines.append(f"| rule + {weight:g} x RE | {access} | {cells} |")
    lines.append(f"| rule | both | {' | '.join(by_attack_cells(plain, attacks))} |")
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
