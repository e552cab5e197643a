"""Further searches for patches, and what comes of several searches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from auditor.probes.further_searches import (
    further_limits,
    joined,
    may_accuse,
    patches_alone,
    shown_only,
)
from auditor.probes.label_search.judge import AccusingLimits, limits_for
from auditor.probes.label_search.outcome import label_search
from auditor.probes.label_search.search import keys
from auditor.probes.label_search.settings import EFFORTS, FURTHER
from auditor.probes.trigger_search.result import TriggerResult

MakeWorld = Callable[..., Any]
KEYS = sorted({key for keys_ in FURTHER.values() for key in keys_})


@pytest.mark.parametrize("key", KEYS)
def test_a_further_search_is_for_patches_alone(key: str) -> None:
    settings = patches_alone(key)
    assert settings.order_images == 0
    assert [one for one in keys(settings) if not one.startswith("random-")] == [key]
    assert settings.random_draws == 0
    assert not settings.further
    assert patches_alone(key).most_queries(100) < EFFORTS["thorough"].most_queries(100)
    told = patches_alone(key, 20)
    assert replace(told, order_images=0, order_limits=1.0) == settings
    assert told.most_queries(100) > settings.most_queries(100)


def searched(worlds: MakeWorld, name: str, limits: AccusingLimits | None = None) -> TriggerResult:
    world = worlds(name)
    if world.backdoor is not None:
        weak = world.backdoor
        world.backdoor = lambda pixels, clean: 2 * weak(pixels, clean)
    samples, classes = world.samples(100)
    few = EFFORTS["standard"]
    settings = replace(
        patches_alone("small-patch4"),
        place_draws=few.place_draws, arms=few.arms, rounds=few.rounds, first=few.first,
    )  # fmt: skip
    result: TriggerResult = world.drive(
        label_search(
            samples,
            classes,
            world.spec,
            settings,
            "thorough",
            1,
            limits=limits or shown_only(limits_for(world.spec.shape)),
        )
    )
    return result


def test_it_finds_a_patch_and_accuses_of_nothing(worlds: MakeWorld) -> None:
    result = searched(worlds, "patch")
    assert {one.key for one in result.findings} == {"small-patch4"}
    assert {"random", "strength", "levels"}.isdisjoint(result.spent)
    assert result.best is not None
    assert result.best.target == 2
    assert not result.suspicious
    assert result.by_label is not None
    assert result.by_label.weakness


def test_the_smallest_patches_accuse_alone_and_of_no_label_that_noise_leads_to(
    worlds: MakeWorld,
) -> None:
    photo = limits_for((3, 80, 80))
    few = further_limits(photo, {0})
    # The patch is larger than two cells, and the search a short one.
    assert not searched(worlds, "patch", few).suspicious
    more = replace(few, level=photo.level, values={"small": 2.0})
    assert searched(worlds, "patch", more).suspicious
    assert not searched(worlds, "clean", more).suspicious
    habit = further_limits(photo, {2})
    assert not searched(worlds, "patch", replace(more, habits=habit.habits)).suspicious


@pytest.mark.parametrize(
    ("side", "classes", "lossy", "may"),
    [(64, 5, False, True), (96, 10, False, True), (63, 5, False, False), (97, 5, False, False),
     (80, 4, False, False), (80, 5, True, False)],
)  # fmt: skip
def test_it_may_accuse_where_it_was_measured(
    side: int, classes: int, *, lossy: bool, may: bool
) -> None:
    assert may_accuse((3, side, side), classes, lossy=lossy) is may


def test_of_two_searches_the_one_that_speaks_more_against_the_model_is_shown(
    worlds: MakeWorld,
) -> None:
    nothing = searched(worlds, "clean")
    patch = searched(worlds, "patch")
    assert patch.p is not None
    weaker = replace(patch, p=min(1.0, 2 * patch.p))
    for first, more, shown in (
        (nothing, patch, patch),
        (patch, nothing, patch),
        (weaker, patch, patch),
        (patch, replace(weaker, suspicious=True), weaker),
    ):
        both = joined(first, more)
        assert both.best is shown.best
        assert both.p == shown.p
        assert both.suspicious is more.suspicious
        assert both.queries == first.queries + more.queries
        assert sum(both.spent.values()) == both.queries
        chances = [one.p for one in (*first.findings, *more.findings) if one.p is not None]
        assert both.findings[0].p == min(chances)
        assert len({one.key for one in both.findings}) == len(both.findings)
        assert both.by_label is not None
        weak = [one.by_label.weakness for one in (first, more) if one.by_label is not None]
        assert both.by_label.weakness is any(weak)
