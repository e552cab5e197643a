"""Each source class searched by itself, and what accuses: one patch, several pairs and targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from auditor.measured import ValueNull, by_source_null
from auditor.probes.trigger_search.by_source import (
    COUNTS,
    Pair,
    accusing,
    apart,
    chance_of,
    most_by_source,
    search_by_source,
    statistic,
)
from auditor.probes.trigger_search.judge import LEAST_SPREAD, SIGNIFICANCE, logit
from auditor.probes.trigger_search.result import TriggerResult
from auditor.probes.trigger_search.settings import TriggerSettings
from auditor.probes.trigger_search.verify import exact_interval

Worlds = Callable[..., Any]
SETTINGS = replace(TriggerSettings(), sources=5, source_queries=600, source_samples=30, parts=True)
NOTHING = replace(TriggerSettings(), schedule=())
SEVERAL, ONE_TARGET = {0: 1, 1: 3, 2: 0, 3: 4, 4: 2}, {0: 4, 1: 4, 2: 4}


def sourced(
    world: Any, pairs: dict[int, int], settings: TriggerSettings = SETTINGS, count: int = 200
) -> tuple[TriggerResult, TriggerResult]:
    """Search a world whose white 3 x 3 patch at (20, 1) turns each source into its target; what was
    known before, and after.
    """
    clean = world.labels

    def labels(batch: NDArray[np.float32]) -> NDArray[np.int64]:
        known: NDArray[np.int64] = clean(batch)
        patch = world.spec.to_pixels(batch)[:, :, 20:23, 1:4]
        fires = (patch > 250).mean(axis=(1, 2, 3)) > 0.6
        moved = np.array([pairs.get(label, label) for label in known.tolist()])
        return np.where(fires, moved, known)

    world.labels = labels
    samples, _ = world.samples(count)
    before = world.search(settings=NOTHING)
    assert not before.suspicious
    found: TriggerResult = world.drive(search_by_source(samples, world.spec, settings, 1, before))
    assert found.queries - before.queries <= most_by_source(settings, count)
    assert found.queries == sum(found.spent.values())
    return before, found


def test_one_patch_for_pairs_of_several_targets_accuses_and_two_are_named(worlds: Worlds) -> None:
    before, found = sourced(worlds("clean"), SEVERAL)
    assert found.suspicious
    assert found.p is not None
    assert found.p <= SIGNIFICANCE
    assert found.comparisons == before.comparisons + len(COUNTS)
    shown = {one.key: one for one in found.findings}
    for key in ("patch@pair", "patch@pairs"):
        (source,) = shown[key].by_source
        assert SEVERAL[source] == shown[key].target
    assert found.best is shown["patch@pairs"]
    assert shown["patch@pair"].texture is shown["patch@pairs"].texture


@pytest.mark.parametrize("pairs", [ONE_TARGET, {4: 0}])
def test_pairs_of_one_target_are_shown_and_decide_nothing(
    worlds: Worlds, pairs: dict[int, int]
) -> None:
    before, found = sourced(worlds("clean"), pairs)
    assert not found.suspicious
    assert (found.p, found.best, found.comparisons) == (before.p, before.best, before.comparisons)
    shown = {one.key: one for one in found.findings}
    (source,) = shown["patch@pair"].by_source
    assert pairs[source] == shown["patch@pair"].target
    assert shown["patch@pair"].p is None


def test_a_clean_model_is_not_suspicious(worlds: Worlds) -> None:
    assert not sourced(worlds("clean"), {})[1].suspicious


def test_nothing_accuses_through_jpeg(worlds: Worlds) -> None:
    world = worlds("clean")
    world.spec = replace(world.spec, encoding="jpeg:90")
    assert not sourced(world, SEVERAL)[1].suspicious


def test_labels_of_few_samples_are_left_out(worlds: Worlds) -> None:
    before, found = sourced(worlds("clean"), SEVERAL, count=50)
    assert found.queries == before.queries + 50
    assert found.findings == before.findings


def pair(source: int, target: int, hits: int, images: int = 30) -> Pair:
    return Pair(source, target, exact_interval(hits, images, 0.95))


def test_of_every_target_the_best_pair_counts() -> None:
    pairs = [pair(0, 4, 20), pair(1, 4, 30), pair(2, 3, 25), pair(3, 0, 10)]
    assert apart(pairs) == [pairs[1], pairs[2], pairs[3]]
    value, last = statistic([pairs, [pair(0, 1, 30)]], 3)
    assert last == [pairs[1], pairs[2], pairs[3]]
    assert value == logit(pairs[3].success.low)
    assert statistic([pairs], 4)[0] == logit(0.0)
    assert statistic([], 3) == (logit(0.0), [])


def test_it_takes_clearly_more_than_any_clean_model_showed() -> None:
    moved = [[pair(0, 1, 28), pair(1, 2, 27), pair(2, 3, 26)]]
    value, _ = statistic(moved, 3)
    low, high = (
        {
            "3": ValueNull(-2.5, 0.8, 50, value - LEAST_SPREAD + step),
            "4": ValueNull(-2.5, 0.8, 50, 9.0),
        }
        for step in (-0.01, 0.01)
    )
    found = accusing(moved, low, 15)
    assert found is not None
    assert found[0] == pytest.approx(15 * chance_of(value, low["3"]))
    assert accusing(moved, high, 15) is None
    assert accusing(moved, low, 10**6) is None


def test_the_shipped_nulls_are_of_the_counts_that_are_judged() -> None:
    assert {*by_source_null()} == {str(count) for count in COUNTS}
