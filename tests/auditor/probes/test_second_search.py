"""A second search before small pictures accuse: what it asks, and what it confirms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from auditor.plan.adaptive import trigger_search
from auditor.plan.plan import AuditPlan, build_plan
from auditor.plan.settings import AuditSettings
from auditor.probes.second_search import borderline, confirm, weakest
from auditor.probes.trigger_search.result import ByLabel, TriggerFinding, TriggerResult
from auditor.probes.trigger_search.verify import exact_interval
from tests.auditor.probes.conftest import (
    Floats,
    World,
    field_backdoor,
    make_world,
    patch_backdoor,
)

MakeWorld = Callable[..., Any]
TERMS = ByLabel("thorough", 10, weakness=False)


def finding(kind: str, key: str, target: int = 2, p: float = 1e-4) -> TriggerFinding:
    success = exact_interval(48, 50, 0.95)
    return TriggerFinding(
        kind, key, target, 4, 38.0, None, success, success, {}, 0.9, None, p
    )  # fmt: skip


def outcome(
    best: TriggerFinding, p: float = 0.01, *, suspicious: bool = True, terms: ByLabel | None = None
) -> TriggerResult:
    empty = np.zeros((0, 1, 28, 28), np.uint8)
    return TriggerResult(
        (best,), best, suspicious, p, 100, {"verify": 100}, 5, 13, 60, 60, empty, empty,
        np.zeros(0, np.int64), by_label=terms,
    )  # fmt: skip


PATCH = outcome(finding("patch", "patch"))
FIELD = outcome(finding("field", "field@strong"))


def test_a_finding_within_a_factor_of_ten_of_its_level_is_borderline() -> None:
    near = {p: borderline(replace(PATCH, p=p), 0.05) for p in (0.005, 0.006, 0.05)}
    assert near == {0.005: False, 0.006: True, 0.05: True}
    assert not borderline(replace(PATCH, p=0.05, suspicious=False), 0.05)


def test_changes_of_the_whole_picture_are_weakened_and_patches_are_not() -> None:
    settings = weakest(FIELD)
    assert settings is not None
    assert settings.families == ("field4", "field8")
    assert (settings.random_draws, settings.patch_sides) == (0, ())
    warp = weakest(outcome(finding("warp", "warp@weak")))
    assert warp is not None
    assert warp.families == ("warp",)
    assert weakest(PATCH) is None
    grey = weakest(outcome(finding("quantise", "quantise")))
    assert grey is not None
    assert grey.families == ()


@pytest.mark.parametrize(
    ("second", "again"),
    [
        (finding("patch", "patch"), True),
        (finding("patch", "patch@sources", p=0.04), True),
        (finding("patch", "patch", target=3), False),
        (finding("patch", "patch", p=0.06), False),
        (finding("field", "field@weak"), False),
    ],
)
def test_a_second_search_confirms_the_same_kind_and_label(
    second: TriggerFinding,
    again: bool,  # noqa: FBT001 - parametrised
) -> None:
    found = confirm(PATCH, outcome(second, suspicious=False))
    assert found.suspicious is again
    assert found.best is not None
    assert found.best.unconfirmed is not again
    assert found.best in found.findings
    assert found.queries == sum(found.spent.values()) == 200


@pytest.mark.parametrize(
    ("second", "again"),
    [
        (outcome(finding("field", "weak-field4"), terms=TERMS), True),
        (outcome(finding("field", "weak-field4", target=3), terms=TERMS), False),
        (outcome(finding("field", "weak-field4"), suspicious=False, terms=TERMS), False),
    ],
)
def test_the_least_strength_of_the_same_label_confirms_a_change_of_the_whole_picture(
    second: TriggerResult,
    again: bool,  # noqa: FBT001 - parametrised
) -> None:
    found = confirm(FIELD, second)
    assert found.suspicious is again
    assert found.by_label is None


def planned(world: World, version: int = 6) -> AuditPlan:
    samples, classes = world.samples(120)
    refs = [str(number) for number in range(len(samples))]
    return build_plan(samples, classes, refs, AuditSettings(planes=3), world.spec, version)


def searched(world: World, version: int = 6) -> TriggerResult:
    asked: Any = trigger_search(planned(world, version), world.spec)
    result: TriggerResult = world.drive(asked).result
    return result


def test_a_field_that_must_be_strong_no_longer_accuses_and_a_weak_one_does() -> None:
    """The natural triggers of fragile clean models need fourteen levels and more."""
    strong, weak = (make_world(backdoor=field_backdoor(threshold=at)) for at in (8.0, 3.0))
    before, now = searched(strong, 5), searched(strong)
    assert before.suspicious
    assert not now.suspicious
    assert now.best is not None
    assert now.best.unconfirmed
    assert now.queries > before.queries
    found = searched(weak)
    assert found.suspicious
    assert found.best is not None
    assert found.best.target == weak.target


def test_a_planted_patch_needs_no_second_search() -> None:
    def strongly(pixels: Floats, clean: NDArray[np.int64]) -> Floats:
        return 3.0 * patch_backdoor()(pixels, clean)

    found = searched(make_world(backdoor=strongly))
    assert found.suspicious
    assert "second" not in found.spent


def test_a_patch_on_the_classes_that_the_search_chose_never_accuses_alone(
    worlds: MakeWorld,
) -> None:
    assert searched(worlds("some-classes"), 5).suspicious
    now = searched(worlds("some-classes"))
    assert not now.suspicious


def test_a_plan_says_what_a_second_search_may_ask_at_most() -> None:
    world = make_world()
    assert planned(world).most_trigger_queries > 2 * planned(world, 5).most_trigger_queries - 2000
