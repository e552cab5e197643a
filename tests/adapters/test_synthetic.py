from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
import pytest

from adapters.contract import InputSpec
from adapters.errors import BadReply, TargetError
from adapters.synthetic import (
    SyntheticOracle,
    nearest_prototype,
    open_oracle,
    synthetic_prototypes,
)
from adapters.target import Target

SHAPE = (2, 3, 4)
SPEC = InputSpec(SHAPE, (0.0, 0.0), (1.0, 1.0))


def test_a_prototype_has_its_own_label() -> None:
    prototypes = synthetic_prototypes(3, 5, SHAPE)
    oracle = asyncio.run(open_oracle(Target("synthetic", "prototypes:3:5:2:3:4")))
    labels = asyncio.run(oracle.predict_labels(prototypes.astype(np.float32)))
    assert labels.tolist() == [0, 1, 2, 3, 4]
    assert oracle.wire.requests == 1


def test_regions_are_voronoi_cells() -> None:
    prototypes = synthetic_prototypes(0, 6, SHAPE)
    points = np.random.default_rng(1).normal(size=(50, *SHAPE)).astype(np.float32)
    distances = ((points[:, None] - prototypes[None]) ** 2).sum(axis=(2, 3, 4))
    labels = nearest_prototype(prototypes)(points)
    assert labels.tolist() == distances.argmin(axis=1).tolist()


def test_seeds_make_different_models() -> None:
    first, second = (
        asyncio.run(open_oracle(Target("synthetic", f"prototypes:{seed}:3:1:4:4")))
        for seed in (1, 2)
    )
    assert first.fingerprint != second.fingerprint


@pytest.mark.parametrize(
    "location", ["", "prototypes:1:2", "voronoi:1:3:1:4:4", "prototypes:-1:3:1:4:4"]
)
def test_other_locations_are_refused(location: str) -> None:
    with pytest.raises(TargetError, match="prototypes:SEED:CLASSES:C:H:W"):
        asyncio.run(open_oracle(Target("synthetic", location)))


def test_image_access_rounds_before_the_function_sees_it() -> None:
    seen: list[Any] = []

    def labels_of(batch: Any) -> Any:
        seen.append(batch)
        return np.zeros(len(batch), np.int64)

    spec = InputSpec(SHAPE, (0.0, 0.0), (1.0, 1.0), access="image", encoding="uint8")
    oracle = SyntheticOracle(labels_of, spec, ["a", "b"])
    asyncio.run(oracle.predict_labels(np.full((1, *SHAPE), 1.7, np.float32)))
    assert np.array_equal(seen[0], np.ones((1, *SHAPE), np.float32))


def test_a_function_that_breaks_its_word_is_caught() -> None:
    oracle = SyntheticOracle(lambda b: np.full(len(b), 2), SPEC, ["a", "b"])
    with pytest.raises(BadReply):
        asyncio.run(oracle.predict_labels(np.zeros((1, *SHAPE), np.float32)))


def test_the_description_is_plain() -> None:
    oracle = SyntheticOracle(lambda b: np.zeros(len(b)), SPEC, ["a", "b"], "mine")
    assert json.loads(json.dumps(oracle.description)) == {"kind": "synthetic", "name": "mine"}
