"""Do probe families that end early say what all of them would have said?

The counts of all 200 inputs of every family are known for the zoo's models
(``decision_rule/counts.json.gz``); a round asks a random fifth of each, so every order of asking is
a draw without replacement from those counts. Each model is judged :data:`ORDERS` times as an audit
judges it, looking after every round, and the word it ends with is compared with that of all 1,000
inputs. Rule, level and references are those of an audit. A model that is in ``data.json.gz`` is not
judged again: remove it there if search, rule or null changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from auditor.measured import decision_rule
from auditor.plan.settings import PERTURBATION_ROUNDS
from auditor.probes.perturbations.probe import PerturbationCounts
from auditor.verdict.curtailment import expected_counts, rest_changes_nothing
from auditor.verdict.excess import measure_excess
from auditor.verdict.rule import decide_value
from examples.benchmarks.decision_rule.evidence import Model, load_models, references_of
from examples.benchmarks.decision_rule.study import Study
from examples.benchmarks.held_out.tables import load_rows
from examples.benchmarks.stored import read, write

DATA = Path(__file__).with_name("data.json.gz")
ORDERS = 4


def judge_all() -> None:
    """Judge every model that was searched and asked."""
    study = Study()
    held_out = {row["name"]: row["search"] for row in load_rows()}
    work = [
        ("held-out", model, held_out[model.name])
        for model in load_models("held-out")
        if model.name in held_out
    ]
    work += [("development", model, row) for model, row in study.rows if row["seed"] == 0]
    data = read(DATA, {})
    found = data.setdefault("stopping", {})
    for split, model, search in work:
        if model.name in found:
            continue
        row = judge(study, model, search)
        if row is not None:
            found[model.name] = {"split": split, "group": model.group, **row}
            write(DATA, data)
            print(model.name, row, flush=True)


def judge(study: Study, model: Model, search: dict[str, Any]) -> dict[str, Any] | None:
    """The words of all inputs and of every order of asking, and its price; None without enough
    references of other recipes.
    """
    rule, null = decision_rule().rule, decision_rule().null
    others = references_of(model, study.clean, "cross")
    own = model.own["image"]
    if len(others) < 2 or any(key not in own for key in rule.keys):
        return None
    references = [dict(one.shown["image"]) for one in others]
    accuracies = [one.accuracy[1] for one in others]
    triggers = study.triggers(model, search, rule, "cross")

    def suspicious(counts: Mapping[str, PerturbationCounts]) -> bool:
        excess = measure_excess(
            counts, references, model.accuracy[0], accuracies, rule.keys, rule.widening
        )
        return decide_value(triggers, excess, rule, null).suspicious

    full = [own[key] for key in rule.keys]
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
