"""Which models a held-out scoring takes, from the manifest alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from examples.benchmarks.zoo_models import SCORED_ROUND, remembered, round_of
from examples.zoo.manifest import build_manifest


def test_the_second_round_is_the_four_cells_planned_for_it() -> None:
    models = [spec.as_json() for spec in build_manifest() if spec.split == "held-out"]
    rounds = {model["name"]: round_of(model) for model in models}
    second = [model for model in models if rounds[model["name"]] == 2]
    assert {model["seed"] // 10_000 for model in second} == {19, 20, 21, 22}
    assert Counter(model["attack"] == "clean" for model in second) == {True: 15, False: 36}
    kinds = {model["label_map"] for model in second}
    assert {"one-to-one", "x-to-x", "all-to-one"} <= kinds
    assert 0.01 in {model["poison_rate"] for model in second}


def test_the_third_round_is_the_cells_planned_after_the_second() -> None:
    models = [spec.as_json() for spec in build_manifest() if round_of(spec.as_json()) == 3]
    assert {model["seed"] // 10_000 for model in models} == set(range(24, 33))
    assert {model["split"] for model in models} == {"held-out"}
    assert Counter(model["attack"] == "clean" for model in models) == {True: 28, False: 65}


def test_the_fourth_round_adds_four_cells_for_the_same_tool() -> None:
    models = [spec.as_json() for spec in build_manifest() if round_of(spec.as_json()) == 4]
    assert {model["seed"] // 10_000 for model in models} == {33, 34, 35, 36}
    assert Counter(model["attack"] == "clean" for model in models) == {True: 12, False: 36}


def test_the_ninth_round_has_attackers_of_every_care() -> None:
    models = [spec.as_json() for spec in build_manifest() if round_of(spec.as_json()) == 9]
    assert SCORED_ROUND == 9
    assert Counter(model["attack"] == "clean" for model in models) == {True: 21, False: 69}
    cares = Counter(model["options"].get("care") for model in models)
    assert (cares["careful"], cares["adaptive"]) == (13, 7)


def test_a_model_is_asked_for_every_input_once() -> None:
    asked = []

    def labels(batch: NDArray[np.float32]) -> NDArray[np.int64]:
        asked.append(len(batch))
        return batch[:, 0].astype(np.int64)

    kept = remembered(labels)
    first = np.arange(4, dtype=np.float32)[:, None]
    assert kept(first).tolist() == [0, 1, 2, 3]
    assert kept(np.concatenate([first[2:], first + 4])).tolist() == [2, 3, 4, 5, 6, 7]
    assert kept(first).tolist() == [0, 1, 2, 3]
    assert asked == [4, 4]


@pytest.mark.parametrize("number", [2, 3, 4, 9])
def test_no_other_model_shares_dataset_network_and_length_with_a_later_round(number: int) -> None:
    specs = build_manifest()
    held = {spec.siblings for spec in specs if round_of(spec.as_json()) == number}
    others = {spec.siblings for spec in specs if round_of(spec.as_json()) != number}
    assert not held & others
