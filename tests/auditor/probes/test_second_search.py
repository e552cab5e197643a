"""A second search before small pictures accuse: what it asks, and what it confirms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.measured import (
    label_null,
    small_label_null,
    small_told_label_null,
    told_label_null,
)
from auditor.plan import adaptive
from auditor.plan.adaptive import trigger_search
from auditor.plan.digest import PLAN_VERSION
from auditor.plan.plan import AuditPlan, build_plan
from auditor.plan.settings import AuditSettings
from auditor.probes.further_searches import SUREST, patches_alone
from auditor.probes.label_search.judge import (
    LEVEL_TOLD,
    limits_for,
    of_any_label,
    told_limits,
    with_waves,
)
from auditor.probes.label_search.search import keys
from auditor.probes.label_search.settings import (
    EFFORTS,
    FINE,
    Effort,
    LabelSearchSettings,
)
from auditor.probes.second_search import (
    SECOND_STREAM,
    again_limits,
    borderline,
    confirm,
    same_kind,
    weakest,
)
from auditor.probes.trigger_search.result import ByLabel, TriggerFinding, TriggerResult
from auditor.probes.trigger_search.verify import exact_interval
from examples.benchmarks.zoo_models import driven
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


# ---- label by label, above 40 pixels -----------------------------------------------------------

SPEC = InputSpec((1, 48, 48), (0.0,), (1.0,))
LEVEL = limits_for(SPEC.shape).level


def large(
    version: int = PLAN_VERSION, classes: int = 5, effort: Effort = "thorough", side: int = 48
) -> AuditPlan:
    pixels = np.random.default_rng(5).integers(0, 256, (60, 1, side, side))
    samples = (pixels / 255).astype(np.float32)
    settings = AuditSettings(planes=3, effort=effort)
    refs = [str(number) for number in range(60)]
    return build_plan(samples, np.arange(60) % classes, refs, settings, SPEC, version)


nulls: list[Any] = []
"""What each search of :func:`ended_with` was given to be judged by."""
open_nulls: list[Any] = []
"""By what it judges what speaks against an all-clear, if by other models."""
kinds: list[int | None] = []
"""The kinds of change that it was told to pay for."""


def ended_with(
    monkeypatch: pytest.MonkeyPatch,
    plan: AuditPlan,
    *results: TriggerResult,
    spec: InputSpec = SPEC,
) -> tuple[TriggerResult, list[tuple[Any, ...]]]:
    """The outcome of the plan's search where each search label by label ends with the next of
    ``results``, and how each was asked.
    """
    asked: list[tuple[Any, ...]] = []
    nulls.clear()
    kinds.clear()
    open_nulls.clear()

    def search(*given: Any, **limits: Any) -> Any:
        limited = given[8] if given[8:] else limits["limits"]
        asked.append((*given[3:6], limited))
        nulls.append(given[9] if given[9:] else limits["null"])
        kinds.append(given[10] if given[10:] else None)
        open_nulls.append(limits.get("open_null"))
        yield np.zeros((1, 1, 48, 48), np.float32)
        return results[len(asked) - 1]

    monkeypatch.setattr(adaptive, "label_search", search)
    outcome_of = driven(trigger_search(plan, spec), lambda batch: np.zeros(len(batch), np.int64))
    return outcome_of.result, asked


def by_label(key: str = "small-patch4", target: int = 2, p: float = LEVEL / 2) -> TriggerResult:
    return outcome(finding("patch", key, target), p, suspicious=p <= LEVEL, terms=TERMS)


@pytest.mark.parametrize(
    ("second", "again"),
    [(by_label(p=LEVEL), True), (by_label(target=3), False), (by_label(p=0.5), False)],
)
def test_what_is_near_its_level_accuses_if_a_second_search_finds_it_too(
    monkeypatch: pytest.MonkeyPatch,
    second: TriggerResult,
    again: bool,  # noqa: FBT001 - parametrised
) -> None:
    plan = large()
    found, asked = ended_with(monkeypatch, plan, by_label(), second)
    assert found.suspicious is again
    assert found.best is not None
    assert found.best.unconfirmed is not again
    assert found.by_label is not None
    assert found.by_label.weakness is not again
    (_, _, seed, limits), (settings, _, other, easier) = asked
    assert plan.by_label is not None
    assert settings == same_kind("small-patch4", plan.by_label)
    assert other == seed + SECOND_STREAM
    assert easier == again_limits(limits)
    assert limits.level < easier.level < 0.05


@pytest.mark.parametrize(
    ("found", "version"),
    [(by_label(p=LEVEL / 20), PLAN_VERSION), (by_label(p=0.5), PLAN_VERSION), (by_label(), 6)],
)
def test_what_is_beyond_doubt_or_nothing_needs_no_second_search_nor_did_earlier_plans(
    monkeypatch: pytest.MonkeyPatch, found: TriggerResult, version: int
) -> None:
    ended, asked = ended_with(monkeypatch, large(version), found)
    assert ended.suspicious is found.suspicious
    assert len(asked) == 1


def test_waves_accuse_from_64_pixels_on_and_in_earlier_plans_from_41() -> None:
    sides = {
        side: limits_for((side, side)).most_value("weak-wave", 10) > 0 for side in (40, 63, 64)
    }
    assert sides == {40: False, 63: False, 64: True}
    assert with_waves(SPEC.shape).most_value("weak-wave", 10) > 0


@pytest.mark.parametrize(
    ("plan", "judged"),
    [
        ({"classes": 2}, True),
        ({"classes": 2, "version": 7}, False),
        ({"effort": "exhaustive", "version": 9}, True),
        ({"effort": "exhaustive", "version": 7}, False),
        ({"version": 7}, True),
    ],
)
def test_what_had_no_clean_models_before_is_judged_by_none_in_earlier_plans(
    monkeypatch: pytest.MonkeyPatch,
    plan: dict[str, Any],
    judged: bool,  # noqa: FBT001 - parametrised
) -> None:
    ended_with(monkeypatch, large(**plan), by_label(p=0.5))
    assert nulls == [None if judged else {}]


def test_earlier_plans_keep_their_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for version, limits in (
        (6, with_waves(SPEC.shape)),
        (7, of_any_label(SPEC.shape)),
        (PLAN_VERSION, limits_for(SPEC.shape)),
    ):
        _, asked = ended_with(monkeypatch, large(version), by_label(p=0.5))
        assert asked[0][3] == limits


def test_where_more_is_asked_of_patches_other_models_judge_since_version_15(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec, known = replace(SPEC, shape=(1, 72, 72)), told_label_null()
    efforts: tuple[tuple[Effort, Effort], ...] = (
        ("standard", "standard"), ("thorough", "thorough"), ("exhaustive", "thorough"),
    )  # fmt: skip
    for effort, judged_at in efforts:
        for version, now in ((PLAN_VERSION, True), (14, False)):
            plan = large(version, effort=effort, side=72)
            assert plan.by_label is not None
            searches = 1 + len(plan.by_label.further)
            _, asked = ended_with(monkeypatch, plan, *(NOISY,) * searches, spec=spec)
            told, usual = told_limits(spec.shape, effort), limits_for(spec.shape)
            assert asked[0][3] == (told if now else usual)
            before = None if effort != "exhaustive" else label_null().of("thorough", 5)
            assert nulls == [known.of(judged_at, 5) if now else before] * searches
            # At `exhaustive` alone they judge what speaks against an all-clear, too.
            apart = now and effort != "exhaustive"
            assert open_nulls[0] == (label_null().of(effort, 5) if apart else None)
            assert [one[3].open_patch for one in asked] == [asked[0][3].open_patch] * searches


def small(version: int = PLAN_VERSION, effort: Effort = "thorough") -> AuditPlan:
    return large(version, effort=effort, side=32)


SMALL_SPEC = replace(SPEC, shape=(1, 32, 32))


def in_small(monkeypatch: pytest.MonkeyPatch, plan: AuditPlan, *results: TriggerResult) -> Any:
    """As :func:`ended_with`, after a search for the most successful change that finds nothing."""

    def nothing(*_: Any) -> Any:
        yield np.zeros((1, *SMALL_SPEC.shape), np.float32)
        return outcome(finding("patch", "patch", p=0.5), 1.0, suspicious=False)

    monkeypatch.setattr(adaptive, "search", nothing)
    return ended_with(monkeypatch, plan, *results, spec=SMALL_SPEC)


def test_of_small_pictures_too_what_is_near_its_level_is_searched_for_again_since_version_16(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    near = replace(by_label("telling-patch6", p=LEVEL_TOLD / 2), suspicious=True)
    for second, again in ((near, True), (by_label(p=0.5), False)):
        found, asked = in_small(monkeypatch, small(), near, second)
        assert found.suspicious is again
        assert len(asked) == 2
        assert asked[1][3] == again_limits(told_limits(SMALL_SPEC.shape, "thorough"))
        assert nulls == [small_told_label_null().of("thorough", 5)] * 2
        assert open_nulls[0] == small_label_null().of("thorough", 5)
    found, asked = in_small(monkeypatch, small(15), near)
    assert found.suspicious
    assert asked[0][3] == limits_for(SMALL_SPEC.shape)
    assert nulls == [None]


def test_at_exhaustive_further_searches_of_small_pictures_accuse_of_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    none = by_label(p=0.5)
    found, asked = in_small(monkeypatch, small(effort="exhaustive"), *(none,) * 6)
    assert not found.suspicious
    assert [bool(one[3].values) for one in asked] == [True] + [False] * 5
    assert nulls == [small_told_label_null().of("thorough", 5)] * 6
    assert len(in_small(monkeypatch, small(15, "exhaustive"), none)[1]) == 1


KINDS = [
    (key, settings)
    for settings in (EFFORTS["thorough"], FINE["thorough"])
    for key in keys(settings)
]


@pytest.mark.parametrize(("key", "settings"), KINDS)
def test_a_second_search_is_for_one_kind_of_change(key: str, settings: LabelSearchSettings) -> None:
    few = keys(same_kind(key, settings))
    assert key in few
    families = {name.partition("-")[0] for name in few if not name.startswith("random-")}
    assert families <= {"grey", key.partition("-")[0]}


def test_a_second_search_is_deeper_than_the_first_and_was_not_in_plans_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for version, deeper in ((7, 1), (8, 2), (PLAN_VERSION, 2)):
        _, asked = ended_with(monkeypatch, large(version), by_label(), by_label(p=0.5))
        first, second = asked[0][0], asked[1][0]
        assert second == same_kind("small-patch4", first, deeper)
        assert (second.place_draws, second.arms) == (deeper * first.place_draws, deeper * 16)
        assert [draws for draws, _ in second.focus] == [deeper * one for one, _ in first.focus]
        assert second.patch_sides == (4,)


def test_the_most_that_a_plan_may_ask_holds_the_dearest_second_search() -> None:
    before, now = large(6), large(8)
    assert now.by_label is not None
    dearest = max(same_kind(key, now.by_label).most_queries(60) for key in keys(now.by_label))
    assert now.most_trigger_queries == before.most_trigger_queries + dearest


NOTHING = by_label(p=0.5)
FOUND = by_label(p=LEVEL / 20)


@pytest.mark.parametrize(
    ("results", "suspicious"),
    [
        ((FOUND,), True),
        ((by_label(), by_label()), True),
        # The second search does not confirm the first one: the others are still made.
        ((by_label(), NOTHING, *(NOTHING,) * 5), False),
        ((NOTHING,) * 6, False),
    ],
)
def test_exhaustive_searches_for_patches_again_while_nothing_is_suspicious(
    monkeypatch: pytest.MonkeyPatch,
    results: tuple[TriggerResult, ...],
    suspicious: bool,  # noqa: FBT001 - parametrised
) -> None:
    plan = large(effort="exhaustive")
    assert plan.by_label is not None
    found, asked = ended_with(monkeypatch, plan, *results)
    assert found.suspicious is suspicious
    assert found.queries == sum(one.queries for one in results)
    assert len(asked) == len(results)
    # Each is another search, of its own halves, beside models that were searched once.
    assert len({seed for _, _, seed, _ in asked}) == len(asked)
    assert nulls == [label_null().of("thorough", 5)] * len(asked)
    assert asked[0][0] == plan.by_label
    further = [one for one in asked[1:] if not one[3].values]
    assert [one[0] for one in further] == [
        patches_alone(key) for key in plan.by_label.further[: len(further)]
    ]
    assert len(further) == (0 if suspicious else 5)


NOISY = replace(NOTHING, comparisons=12, by_label=replace(TERMS, habits=frozenset({3})))
"""A first search of a model that calls noise 3."""


@pytest.mark.parametrize(
    ("version", "side", "values"),
    [
        (PLAN_VERSION, 72, {"small": 1.0, "telling": 2.1}),
        (13, 72, {"small": 1.0}),
        (PLAN_VERSION, 48, {}),
        (PLAN_VERSION, 100, {}),
        (10, 72, {}),
    ],
)
def test_a_further_search_accuses_of_the_smallest_patches_where_it_was_measured(
    monkeypatch: pytest.MonkeyPatch, version: int, side: int, values: dict[str, float]
) -> None:
    plan, spec = (
        large(version, effort="exhaustive", side=side),
        replace(SPEC, shape=(1, side, side)),
    )
    assert plan.by_label is not None
    further = len(plan.by_label.further)
    found, asked = ended_with(monkeypatch, plan, NOISY, *(NOTHING,) * further, spec=spec)
    assert not found.suspicious
    limits = asked[1][3]
    assert limits.values == values
    if values:
        assert limits.level == SUREST < limits_for(spec.shape).level / 10
        assert limits.habits == {3}
    # What accuses pays for the kinds of the first search and of all that follow it.
    assert kinds == [None, *([12 + 5 * len(values) if values else None] * further)]


def test_one_that_accuses_is_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, spec = large(effort="exhaustive", side=72), replace(SPEC, shape=(1, 72, 72))
    found, asked = ended_with(monkeypatch, plan, NOTHING, NOTHING, FOUND, spec=spec)
    assert found.suspicious
    assert len(asked) == 3
    assert found.queries == 2 * NOTHING.queries + FOUND.queries


def test_no_other_effort_searches_for_patches_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for plan in (large(), large(version=9, effort="exhaustive")):
        _, asked = ended_with(monkeypatch, plan, NOTHING)
        assert len(asked) == 1


def test_few_grey_levels_accuse_no_model_whose_pictures_travel_as_jpeg(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lossy = replace(SPEC, encoding="jpeg:90")
    for spec, version, grey in ((SPEC, PLAN_VERSION, True), (lossy, PLAN_VERSION, False),
                                (lossy, 6, True)):  # fmt: skip
        _, asked = ended_with(monkeypatch, large(version), by_label(p=0.5), spec=spec)
        assert (asked[0][3].most_value("grey-levels", 10) > 0) is grey
