"""Do probe families that end early say what all of them would have said?

    python -m examples.benchmarks.queries_stop

It asks nothing. The counts of all 200 inputs of every family are known for the zoo's models
(``counts/``); a round asks a random fifth of each, so every order of asking is a draw without
replacement from those counts. Each model is judged :data:`ORDERS` times as an audit judges it,
looking after every round, and the word it ends with is compared with that of all 1,000 inputs.
Rule, level and references are those of an audit. Writes ``dense/stopping.json``; what is there
already is not done again: remove it where search, rule or null changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from auditor.measured.decision import RULE, WITH_REFERENCES
from auditor.plan.settings import PERTURBATION_ROUNDS
from auditor.probes.perturbations.probe import PerturbationCounts
from auditor.verdict.curtailment import expected_counts, rest_changes_nothing
from auditor.verdict.excess import measure_excess
from auditor.verdict.rule import decide_value
from examples.benchmarks.decision_data import Model, load_models, references_of
from examples.benchmarks.decision_rule import Study

HERE = Path(__file__).parent
PATH = HERE / "dense" / "stopping.json"
PRESENT_SCORINGS = (HERE / "decision_third_round.json", HERE / "decision_fourth_round.json")
"""Held-out models that the present search and rule were scored on."""
ORDERS = 4


def main() -> None:
    """Judge every model that was searched and asked."""
    study = Study()
    scored = [row for path in PRESENT_SCORINGS for row in json.loads(path.read_text())]
    held_out = {row["name"]: row["search"] for row in scored}
    work = [
        ("held-out", model, held_out[model.name])
        for model in load_models("held-out")
        if model.name in held_out
    ]
    work += [("development", model, row) for model, row in study.rows if row["seed"] == 0]
    found = json.loads(PATH.read_text()) if PATH.exists() else {}
    for split, model, search in work:
        if model.name in found:
            continue
        row = judge(study, model, search)
        if row is not None:
            found[model.name] = {"split": split, "group": model.group, **row}
            lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(found.items())]
            PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
            print(model.name, row, flush=True)


def judge(study: Study, model: Model, search: dict[str, Any]) -> dict[str, Any] | None:
    """What all inputs say, and what every order of asking says and asks; None without enough
    references of other recipes.
    """
    others = references_of(model, study.clean, "cross")
    own = model.own["image"]
    if len(others) < 2 or any(key not in own for key in RULE.keys):
        return None
    references = [dict(one.shown["image"]) for one in others]
    accuracies = [one.accuracy[1] for one in others]
    triggers = study.triggers(model, search, RULE, "cross")

    def suspicious(counts: Mapping[str, PerturbationCounts]) -> bool:
        excess = measure_excess(
            counts, references, model.accuracy[0], accuracies, RULE.keys, RULE.widening
        )
        return decide_value(triggers, excess, RULE, WITH_REFERENCES.null).suspicious

    full = [own[key] for key in RULE.keys]
    said, asked = [], []
    for seed in range(ORDERS):
        rng = np.random.default_rng([seed, 17])
        word, queries = _in_order(full, references, suspicious, rng)
        said.append(word)
        asked.append(queries)
    whole = suspicious({one.key: one for one in full})
    return {"search": bool(search["suspicious"]), "all": whole, "said": said, "asked": asked}


def _in_order(
    full: list[PerturbationCounts],
    references: list[dict[str, PerturbationCounts]],
    suspicious: Any,
    rng: np.random.Generator,
) -> tuple[bool, int]:
    """The word that one order of asking ends with, and the inputs asked for it."""
    whole = {one.key: (one.asked, one.inputs) for one in full}
    orders = {
        one.key: rng.permutation(np.repeat(np.arange(len(one.moved) + 1), [*one.moved, one.kept]))
        for one in full
    }
    for turn in range(1, PERTURBATION_ROUNDS + 1):
        partial = [
            _first(one, orders[one.key], turn * one.inputs // PERTURBATION_ROUNDS) for one in full
        ]
        if turn == PERTURBATION_ROUNDS or rest_changes_nothing(
            partial, whole, references, suspicious, rng
        ):
            break
    word = suspicious({one.key: expected_counts(one, *whole[one.key]) for one in partial})
    return word, sum(one.inputs for one in partial)


def _first(full: PerturbationCounts, order: Any, asked: int) -> PerturbationCounts:
    """The counts of the first ``asked`` inputs."""
    if asked >= full.inputs:
        return full
    seen = np.bincount(order[:asked], minlength=len(full.moved) + 1).tolist()
    part = tuple(max(1, round(one * asked / full.inputs)) for one in full.asked)
    return PerturbationCounts(full.key, part, tuple(seen[:-1]), seen[-1], asked)


if __name__ == "__main__":
    main()
