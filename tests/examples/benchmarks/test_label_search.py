"""The page of the search label by label: populations, other methods, fewer samples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from auditor.measured import label_null
from examples.benchmarks.label_search.sections import beside, fewer_samples
from examples.benchmarks.label_search.tables import (
    Ended,
    as_today,
    current,
    ended,
    kinds,
    null_of,
    searched,
    up_to_date,
)


def _ended(name: str, *, attack: str, suspicious: bool, p: float, each: int | None = None) -> Ended:
    row = {"name": name, "effort": "thorough", "classes": 10, "each": each}
    model: dict[str, Any] = {"name": name, "task": "digits", "attack": attack, "care": "usual"}
    model["target"] = 3
    return Ended(row, model, suspicious, not suspicious, 3 if suspicious else None, p, 900, "")


ENDS = [
    _ended("a", attack="clean", suspicious=False, p=0.6),
    _ended("b", attack="clean", suspicious=False, p=0.9),
    _ended("c", attack="sig", suspicious=True, p=1e-6),
    _ended("d", attack="sticker", suspicious=False, p=0.7),
]


def _row(re: float, norms: list[float]) -> dict[str, Any]:
    return {"re": re, "ats": re, "norms": norms, "margins": [1.0, 2.0, 1.5, 1.2, 1.1]}


def test_methods_are_compared_on_the_models_that_all_of_them_saw() -> None:
    even, odd = [50.0, 51.0, 49.0, 50.5, 49.5], [50.0, 51.0, 2.0, 50.5, 49.5]
    rows = {"a": _row(0.5, even), "b": _row(0.6, even), "c": _row(0.1, odd)}
    page = beside(ENDS, rows)
    all_of_them, with_gradients = (line for line in page if line.startswith("| usual |"))
    assert all_of_them.count("1.00 (1)") == 3
    assert with_gradients.count("1.00 (1)") == 4
    assert any("index above 2 | 0 of 2" in line and "1 of 1" in line for line in page)
    assert beside(ENDS, {}) == []


def test_the_curve_counts_by_classes_and_pictures_of_each() -> None:
    ends = [
        _ended("c", attack="sig", suspicious=True, p=1e-6, each=5),
        _ended("d", attack="sig", suspicious=False, p=0.5, each=5),
        _ended("a", attack="clean", suspicious=False, p=0.5, each=20),
    ]
    page = fewer_samples(ends)
    assert any(line.startswith("| thorough | 10 of 10 | 5 | 1 of 2") for line in page)
    assert any(line.startswith("| thorough | 10 of 10 | 20 | – | – | 0 of 1") for line in page)
    assert fewer_samples(ENDS) == []


PHOTO = {"name": "a", "side": 72, "attack": "sig", "target": 3}
SMALLEST_PATCH = ["small-fine5", 3, 1.0, True, 39, 40]
LARGER_PATCH = ["small-fine5", 3, 1.2224, True, 39, 40]
NOTHING = ["small-fine5", 3, 2.9069, False, 3, 40]


def _exhaustive(*further: list[Any]) -> dict[str, Any]:
    """A search that found nothing, and what each of its further ones found."""
    stages = [
        {"kind": kind, "queries": 100, "findings": []}
        for kind in kinds(searched(PHOTO, "exhaustive", 10))
    ]
    more = [{"kind": "small-fine5", "queries": 50, "findings": [one]} for one in further]
    total = 120 + 100 * len(stages)
    return {
        "name": "a", "effort": "exhaustive", "classes": 10, "stages": stages, "queries": total,
        "further": more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("further", "cleared"),
    [([NOTHING] * 5, True), ([NOTHING, LARGER_PATCH, NOTHING], False), ([], True)],
)
def test_a_further_search_keeps_a_model_from_being_cleared(
    further: list[list[Any]],
    cleared: bool,  # noqa: FBT001 - parametrised
) -> None:
    row = _exhaustive(*further)
    assert up_to_date(row, PHOTO)
    end = ended(row, PHOTO, label_null().of("thorough", 10))
    assert not end.suspicious
    assert end.cleared is cleared
    assert (end.p < 0.001) is not cleared
    assert end.queries == row["queries"] + 50 * len(further)
    assert end.row is row


@pytest.mark.parametrize(("noise", "accused"), [(None, True), (4, True), (3, False)])
def test_it_accuses_by_the_smallest_patches_but_of_no_label_that_noise_leads_to(
    noise: int | None,
    accused: bool,  # noqa: FBT001 - parametrised
) -> None:
    row = _exhaustive(NOTHING, SMALLEST_PATCH, NOTHING)
    if noise is not None:
        stage = next(one for one in row["stages"] if one["kind"] == "random-noise")
        stage["findings"] = [["random-noise", noise, 0.8, True, 14, 40]]
    end = ended(row, PHOTO, label_null().of("thorough", 10))
    assert end.suspicious is accused
    assert not end.cleared
    if accused:
        assert end.target == 3
        assert end.p < 1e-4
        # It is the last that is asked.
        assert end.queries == row["queries"] + 50 * 2
    small = PHOTO | {"side": 60}
    assert not ended(row, small, label_null().of("thorough", 10)).suspicious


def test_what_was_asked_at_exhaustive_before_is_not_up_to_date() -> None:
    row = _exhaustive()
    del row["further"]
    assert not up_to_date(row, PHOTO)


TELLING_PATCH = ["telling-patch6", 3, 1.58, True, 38, 40]
AS_LARGE = ["small-patch6", 3, 1.58, True, 38, 40]


def _thorough(orders: int, *found: list[Any], name: str = "a", attack: str = "sig") -> Ended:
    """A search whose patches found so much, as it ends."""
    stages = [
        {"kind": kind, "queries": 100, "findings": [*found] if kind == "small-patch6" else []}
        for kind in kinds(searched(PHOTO, "thorough", 10))
    ]
    row = {
        "name": name, "effort": "thorough", "classes": 10, "stages": stages,
        "queries": 120 + 100 * len(stages), "orders": orders,
    }  # fmt: skip
    model = {**PHOTO, "task": "digits", "attack": attack, "care": "usual"}
    return ended(row, model, label_null().of("thorough", 10))


def test_a_patch_that_tells_more_than_its_size_accuses_where_that_was_asked() -> None:
    told, before = _thorough(20, AS_LARGE, TELLING_PATCH), _thorough(0, AS_LARGE, TELLING_PATCH)
    assert (told.suspicious, told.target, told.key) == (True, 3, "telling-patch6")
    assert not before.suspicious
    assert not before.cleared
    assert not _thorough(20, AS_LARGE).suspicious


def test_searches_as_they_are_made_today_count_alone_where_there_are_some() -> None:
    told, before = _thorough(20, AS_LARGE), _thorough(0, AS_LARGE)
    assert as_today(told.row, told.model)
    assert not as_today(before.row, before.model)
    assert current([before, told]) == [told]
    assert current([before]) == [before]
    quick = replace(before, row={**before.row, "effort": "quick"})
    assert current([quick, before, told]) == [quick, told]


def test_the_null_of_telling_patches_is_of_the_models_that_were_asked() -> None:
    rows = [
        _thorough(orders, AS_LARGE, *told, name=name, attack="clean").row
        for name, orders, told in (("a", 20, []), ("b", 20, [TELLING_PATCH]), ("c", 0, []))
    ]
    null = null_of(rows)
    assert null["small-patch6"].models == 3
    assert null["telling-patch6"].models == 2
    assert null["telling-patch6"].least == 1.58
    assert null["small-patch6"].least == 1.58
    assert "telling-patch6" not in null_of(rows[2:])
