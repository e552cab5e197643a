"""Each source class searched by itself, and what accuses: one patch, several pairs and targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from auditor.measured import ValueNull, by_source_null
from auditor.probes.trigger_search import by_source as module
from auditor.probes.trigger_search.by_source import (
    COUNTS,
    SEVERAL,
    Pair,
    apart,
    most_by_source,
    paid,
    search_by_source,
    several,
    statistic,
)
from auditor.probes.trigger_search.judge import LEAST_SPREAD, OPEN_LEVEL, SIGNIFICANCE, logit, tail
from auditor.probes.trigger_search.result import TriggerResult
from auditor.probes.trigger_search.settings import TriggerSettings
from auditor.probes.trigger_search.verify import exact_interval
from tests.auditor.probes.trigger_search._paired import paired

Worlds = Callable[..., Any]
SETTINGS = replace(TriggerSettings(), sources=5, source_queries=600, source_samples=30, parts=True)
NOTHING = replace(TriggerSettings(), schedule=())
TO_OTHERS, ONE_TARGET = {0: 1, 1: 3, 2: 0, 3: 4, 4: 2}, {0: 4, 1: 4, 2: 4}


def sourced(
    world: Any,
    pairs: dict[int, int],
    settings: TriggerSettings = SETTINGS,
    count: int = 200,
    *,
    judged: bool = True,
) -> tuple[TriggerResult, TriggerResult]:
    """Search a world whose white 3 x 3 patch at (20, 1) turns each source into its target; what was
    known before, and after.
    """
    paired(world, pairs)
    samples, _ = world.samples(count)
    before = world.search(settings=NOTHING)
    assert not before.suspicious
    found: TriggerResult = world.drive(
        search_by_source(samples, world.spec, settings, 1, before, judged=judged)
    )
    assert found.queries - before.queries <= most_by_source(settings, count)
    assert found.queries == sum(found.spent.values())
    return before, found


def test_one_patch_for_pairs_of_several_targets_accuses_and_names_them(worlds: Worlds) -> None:
    before, found = sourced(worlds("clean"), TO_OTHERS)
    assert found.suspicious
    assert found.p is not None
    assert found.p <= SIGNIFICANCE
    assert found.comparisons == paid(before) == before.comparisons + len(COUNTS)
    pairs = [one for one in found.findings if one.key == SEVERAL]
    assert len(pairs) in COUNTS
    assert found.best is pairs[0]
    sources = [source for one in pairs for source in one.by_source]
    assert [TO_OTHERS[source] for source in sources] == [one.target for one in pairs]
    assert len({id(one.texture) for one in pairs}) == 1
    assert found.alone == 5
    # What is shown is that patch on samples of these classes.
    assert {*found.preview_clean_labels.tolist()} <= {*sources}
    changed = np.any(found.preview != found.preview_clean, axis=1)
    assert changed.any(axis=0).sum() <= pairs[0].size ** 2
    assert len(found.preview) == len(found.preview_clean_labels)


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


def test_nothing_is_judged_where_no_clean_model_was_asked(worlds: Worlds) -> None:
    before, found = sourced(worlds("clean"), TO_OTHERS, judged=False)
    assert (found.suspicious, found.p, found.best) == (False, before.p, before.best)
    assert {"patch@pair", "patch@pairs"} <= {one.key for one in found.findings}


def test_labels_of_few_samples_are_left_out(worlds: Worlds) -> None:
    before, found = sourced(worlds("clean"), TO_OTHERS, count=50)
    assert found.queries == before.queries + 50
    assert found.findings == before.findings


def pair(source: int, target: int, hits: int, images: int = 30) -> Pair:
    return Pair(source, target, exact_interval(hits, images, 0.95))


def test_of_every_target_the_best_pair_counts() -> None:
    pairs = [pair(0, 4, 20), pair(1, 4, 30), pair(2, 3, 25), pair(3, 0, 10)]
    assert apart(pairs) == [pairs[1], pairs[2], pairs[3]]
    found = statistic([[pair(0, 1, 30)], pairs], 3)
    assert found.pairs == [pairs[1], pairs[2], pairs[3]]
    assert found.patch == 1
    assert found.value == logit(pairs[3].success.low)
    assert statistic([pairs], 4).value == statistic([], 3).value == logit(0.0)


def nulls_up_to(value: float) -> dict[str, ValueNull]:
    return {"3": ValueNull(-2.5, 0.8, 50, value), "4": ValueNull(-2.5, 0.8, 50, 9.0)}


def test_it_takes_clearly_more_than_any_clean_model_showed() -> None:
    moved = [[pair(0, 1, 28), pair(1, 2, 27), pair(2, 3, 26)]]
    value = statistic(moved, 3).value
    low, high = (nulls_up_to(value - LEAST_SPREAD + step) for step in (-0.01, 0.01))
    found = several(moved, low, 15)
    assert found is not None
    assert found.accuses
    assert found.chance == pytest.approx(tail(value - low["3"].mean, low["3"], LEAST_SPREAD))
    assert found.p == pytest.approx(15 * found.chance)
    for nulls, comparisons in ((high, 15), (low, 10**6)):
        less = several(moved, nulls, comparisons)
        assert less is not None
        assert not less.accuses
    assert several([[pair(0, 1, 30), pair(2, 3, 30)]], low, 15) is None


def test_what_leaves_a_model_open_pays_for_no_other_search() -> None:
    moved = [[pair(0, 1, 28), pair(1, 2, 18), pair(2, 3, 17)]]
    nulls = nulls_up_to(9.0)
    first, raised = (several(moved, nulls, comparisons) for comparisons in (15, 400))
    assert first is not None
    assert raised is not None
    assert not raised.accuses
    assert raised.leaves_open is first.leaves_open is True
    assert raised.p == first.p <= OPEN_LEVEL


def test_what_few_clean_models_show_leaves_a_model_open(
    worlds: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "by_source_null", lambda _: nulls_up_to(9.0))
    monkeypatch.setattr(module, "leaves_open", lambda _: False)
    before, found = sourced(worlds("clean"), TO_OTHERS)
    assert not found.suspicious
    assert found.best is not None
    assert found.best.key == SEVERAL
    assert found.p is not None
    assert found.p <= OPEN_LEVEL
    # Where the other searches leave it open already, what they found is shown.
    monkeypatch.setattr(module, "leaves_open", lambda _: True)
    assert sourced(worlds("clean"), TO_OTHERS)[1].best is before.best


def test_the_shipped_nulls_are_of_the_counts_that_are_judged() -> None:
    for side in (32, 64):
        assert {*by_source_null((side, side))} == {str(count) for count in COUNTS}
