from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from auditor.probes.trigger_search.per_source import most_source_queries, search_sources
from auditor.probes.trigger_search.result import TriggerResult
from auditor.probes.trigger_search.settings import TriggerSettings
from tests.auditor.probes.trigger_search._paired import paired

Worlds = Callable[..., Any]
SETTINGS = replace(TriggerSettings(), sources=5, source_queries=600)
NOTHING = replace(TriggerSettings(), schedule=())


def sourced(world: Any, pairs: dict[int, int]) -> TriggerResult:
    """Search a world whose white 3 x 3 patch at (20, 1) turns each source into its target."""
    paired(world, pairs)
    samples, _ = world.samples(200)
    before = world.search(settings=NOTHING)
    assert not before.suspicious
    found: TriggerResult = world.drive(search_sources(samples, world.spec, SETTINGS, 1, before))
    assert found.queries - before.queries <= most_source_queries(SETTINGS, 200)
    return found


def test_two_pairs_are_suspicious_and_both_are_named(worlds: Worlds) -> None:
    pairs = {0: 1, 1: 3, 3: 4}
    found = sourced(worlds("clean"), pairs)
    assert found.suspicious
    assert found.p is not None
    assert found.p <= 0.05
    shown = {one.key: one for one in found.findings}
    for key in ("patch@pair", "patch@pairs"):
        (source,) = shown[key].by_source
        assert pairs[source] == shown[key].target
    assert found.best is shown["patch@pairs"]
    (source,) = found.best.by_source
    assert set(found.preview_clean_labels.tolist()) == {source}


def test_one_pair_is_shown_and_decides_nothing(worlds: Worlds) -> None:
    found = sourced(worlds("clean"), {4: 0})
    assert not found.suspicious
    shown = {one.key: one for one in found.findings}
    assert shown["patch@pair"].by_source.keys() == {4}
    assert shown["patch@pair"].success.rate == pytest.approx(1.0)
    assert shown["patch@pair"].p is None


def test_a_clean_model_is_not_suspicious(worlds: Worlds) -> None:
    assert not sourced(worlds("clean"), {}).suspicious


def test_classes_with_few_samples_are_left_out(worlds: Worlds) -> None:
    world = worlds("clean")
    samples, _ = world.samples(50)
    before = world.search(settings=NOTHING)
    found = world.drive(search_sources(samples, world.spec, SETTINGS, 1, before))
    assert found.queries == before.queries + 50
    assert found.comparisons == before.comparisons + 1
