"""A finding beside clean models: what makes it suspicious, and what only leaves a verdict open."""

from __future__ import annotations

import math

import pytest

from auditor.measured import LabelCell
from auditor.probes.label_search.changes import RandomChange
from auditor.probes.label_search.judge import (
    LARGE_SIDE,
    LEVEL,
    LEVEL_LARGE,
    PHOTO,
    AccusingLimits,
    Judged,
    judge,
    limits_for,
    of_any_label,
    open_kinds,
    told_limits,
)
from auditor.probes.label_search.search import LabelFinding
from auditor.probes.label_search.settings import Effort
from auditor.probes.trigger_search.verify import exact_interval

NULL = {
    "random-noise": LabelCell(2.5, 0.4, 25, 1.8, 2.0),
    "random-shapes": LabelCell(2.5, 0.4, 25, 1.8, 2.0),
    "small-patch4": LabelCell(2.3, 0.3, 25, 1.6, 1.6),
    "telling-patch4": LabelCell(2.6, 0.1, 50, 2.2, 2.2),
}


def _finding(key: str, label: int, value: float, hits: int) -> LabelFinding:
    change = RandomChange("noise", (0,))
    return LabelFinding(key, label, value, True, change, exact_interval(hits, 100, 0.95))


def _best(
    key: str, value: float, hits: int, other: float = 3.9, limits: AccusingLimits = PHOTO
) -> Judged:
    found = [_finding(key, 3, value, hits), _finding(key, 5, other, 2)]
    return judge(found, NULL, 7, limits)[0]


@pytest.mark.parametrize("hits", [40, 74, 99])
def test_random_noise_leaves_a_verdict_open_and_never_accuses(hits: int) -> None:
    rate = hits / 100
    value = -math.log(rate / (1 - rate))
    assert _best("random-shapes", value, hits).suspicious(len(NULL))
    one = _best("random-noise", value, hits)
    assert one.stands_out
    assert one.p * len(NULL) <= LEVEL
    assert not one.suspicious(len(NULL))
    assert one.leaves_open(len(NULL))


def test_a_small_patch_accuses_where_clean_models_need_far_larger_ones() -> None:
    assert _best("small-patch4", 0.0, 90).suspicious(len(NULL))
    larger = _best("small-patch4", 1.69, 90, other=2.2)
    assert not larger.suspicious(len(NULL))
    assert larger.leaves_open(len(NULL))


def test_a_patch_unlike_those_of_clean_models_may_be_larger() -> None:
    as_large = _best("small-patch4", 2.0, 90)
    assert not as_large.suspicious(len(NULL))
    assert _best("telling-patch4", 2.0, 90).suspicious(len(NULL))
    larger = _best("telling-patch4", 2.15, 90)
    assert larger.p * len(NULL) <= LEVEL
    assert not larger.suspicious(len(NULL))
    assert larger.leaves_open(len(NULL))


def test_such_a_patch_accuses_only_where_no_other_label_has_one_nearly_as_small() -> None:
    mine = _finding("telling-patch4", 3, 1.0, 90)
    for key, label, value, accuses in (
        ("small-patch4", 5, 1.3, False), ("small-patch6", 5, 0.5, False),
        ("small-patch4", 5, 1.5, True), ("small-patch4", 3, 0.5, True),
        ("weak-wave", 5, 1.0, True),
    ):  # fmt: skip
        found = [mine, _finding(key, label, value, 90)]
        one = next(one for one in judge(found, NULL, 7) if one.finding is mine)
        assert one.suspicious(len(NULL)) is accuses
        assert one.leaves_open(len(NULL))


@pytest.mark.parametrize(
    ("key", "value", "told", "before"),
    [
        ("small-patch4", 1.32, True, True),
        ("small-patch4", 1.58, False, True),
        ("telling-patch4", 2.2, True, False),
        ("weak-field4", 2.85, True, False),
        ("weak-field8", 3.2, True, False),
        ("weak-field4", 3.17, False, False),
    ],
)
def test_limits_are_others_where_more_is_asked_of_patches(
    key: str, value: float, *, told: bool, before: bool
) -> None:
    null = {key: LabelCell(5.2 if key.startswith("weak") else 3.4, 0.1, 170, 3.2, 3.2)}
    found = [_finding(key, 3, value, 90), _finding(key, 5, 5.0, 2)]
    accuses = [
        judge(found, null, 7, limits)[0].suspicious(12)
        for limits in (told_limits((3, 72, 72), "thorough"), limits_for((3, 72, 72)))
    ]
    assert accuses == [told, before]


def test_a_larger_patch_speaks_against_no_all_clear_at_exhaustive_where_more_is_asked() -> None:
    shape = (3, 72, 72)
    open_at: dict[Effort, float] = {"exhaustive": 1.74, "thorough": 2.4}
    for effort, open_to in open_at.items():
        largest = told_limits(shape, effort).open_patch
        assert _best("small-patch4", open_to, 90).leaves_open(12, largest)
    largest = told_limits(shape, "exhaustive").open_patch
    for key in ("small-patch4", "telling-patch4"):
        larger = _best(key, 1.87, 90)
        assert larger.leaves_open(12)
        assert not larger.leaves_open(12, largest)
    # Other changes count by how rare they are.
    assert _best("random-noise", -2.0, 88).leaves_open(12, largest)


def test_such_a_patch_makes_no_other_change_count_for_less() -> None:
    assert open_kinds(NULL) == len(NULL) - 1
    assert open_kinds({key: one for key, one in NULL.items() if "telling" not in key}) == 3


def test_waves_accuse_on_photographs_and_never_on_small_pictures() -> None:
    null = {"weak-wave": LabelCell(4.7, 0.2, 60, 4.1, 4.1)}
    found = [_finding("weak-wave", 3, 2.8, 90), _finding("weak-wave", 5, 4.8, 2)]
    ends = {
        side: judge(found, null, 10, limits_for((3, side, side)))[0].suspicious(12)
        for side in (32, 40, 63, 64)
    }
    assert ends == {32: False, 40: False, 63: False, 64: True}


def test_where_more_is_asked_waves_accuse_on_small_pictures_of_labels_random_ones_do_not_find() -> (
    None
):
    null = {"weak-wave": LabelCell(4.7, 0.2, 75, 4.1, 4.1)}
    found = [_finding("weak-wave", 3, 3.8, 90), _finding("weak-wave", 5, 4.8, 2)]
    limits = told_limits((3, 32, 32), "thorough")
    for label, share, accuses in ((3, 9, True), (3, 10, False), (5, 60, True)):
        gathered = _finding("random-wave", label, 0.0, share)
        one = judge([gathered, *found], null, 10, limits)[0]
        assert one.suspicious(12) is accuses
        assert one.leaves_open(12)
    stronger = [_finding("weak-wave", 3, 4.0, 90), found[1]]
    assert not judge(stronger, null, 10, limits)[0].suspicious(12)


@pytest.mark.parametrize(
    ("key", "value", "accuses"),
    [
        ("small-patch4", 1.58, False), ("small-patch4", 1.0, True), ("telling-patch6", 2.33, True),
        ("telling-patch6", 2.59, False), ("weak-field4", 2.85, True), ("weak-field4", 3.17, False),
    ],
)  # fmt: skip
def test_on_small_pictures_size_alone_accuses_only_below_natural_patches(
    key: str, value: float, *, accuses: bool
) -> None:
    null = {key: LabelCell(5.2 if key.startswith("weak") else 3.4, 0.1, 75, 3.2, 3.2)}
    found = [_finding(key, 3, value, 90), _finding(key, 5, 5.0, 2)]
    for effort in ("thorough", "exhaustive"):
        limits = told_limits((3, 32, 32), effort)
        assert judge(found, null, 7, limits)[0].suspicious(12) is accuses


def test_warps_accuse_no_model_of_photographs() -> None:
    null = {"weak-warp": LabelCell(1.32, 0.1, 60, 1.3, 1.3)}
    found = [_finding("weak-warp", 3, -0.5, 95), _finding("weak-warp", 5, 1.32, 2)]
    ends = [
        judge(found, null, 10, limits((3, 200, 200)))[0].suspicious(12)
        for limits in (of_any_label, limits_for)
    ]
    assert ends == [True, False]


@pytest.mark.parametrize("key", ["small-patch4", "weak-field4", "weak-wave"])
def test_what_leads_to_a_label_that_the_model_falls_back_on_does_not_accuse(key: str) -> None:
    null = {key: LabelCell(4.7 if key.startswith("weak") else 2.5, 0.3, 60, 4.1, 4.1)}
    found = [_finding(key, 3, 0.5, 95), _finding(key, 5, 2.4, 2)]
    for noise, label, falls in ((24, 3, False), (25, 3, True), (60, 3, True), (60, 5, False)):
        noisy = _finding("random-noise", label, 0.0, noise)
        one = judge([noisy, *found], null, 10, limits_for((3, 64, 64)))[0]
        # A planted wave gathers noise as well.
        assert one.suspicious(12) is (not falls or key == "weak-wave")
        assert one.leaves_open(12)
        assert judge([noisy, *found], null, 10, of_any_label((3, 64, 64)))[0].suspicious(12)


def test_larger_pictures_than_those_of_the_null_are_judged_more_strictly() -> None:
    one = _best("small-patch4", 1.15, 90, other=1.6)
    p = one.p * len(NULL)
    assert LEVEL_LARGE < p <= LEVEL
    for side, suspicious in ((64, True), (LARGE_SIDE - 1, True), (LARGE_SIDE, False), (224, False)):
        again = _best("small-patch4", 1.15, 90, other=1.6, limits=limits_for((3, side, 60)))
        assert again.suspicious(len(NULL)) is suspicious
    large = limits_for((3, 224, 224))
    assert _best("small-patch4", 0.0, 90, limits=large).suspicious(len(NULL))
