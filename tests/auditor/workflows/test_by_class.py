"""Audits of larger pictures that search class by class, from the samples to the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.synthetic import nearest_prototype
from auditor.errors import ExitCode
from auditor.measured import by_source_rates
from auditor.report.json_report import read_result
from auditor.report.wording.coverage import kinds_rows
from auditor.report.wording.deciding import class_queries, further_queries, rates_of
from auditor.report.wording.formal import risk_rows
from auditor.report.wording.search import levels
from auditor.verdict import label_scope
from auditor.verdict.label_scope import rates_for
from auditor.workflows.verify.verify import verify_bundle
from tests import _bundles as world

Images = NDArray[Any]
SIDE, CLASSES = 64, ("ant", "bee", "cow", "dog", "eel")
THOROUGH = {**world.FEW, "planes": 3, "canaries": 6, "effort": "thorough"}
RATES = by_source_rates((SIDE, SIDE))
ALONE: dict[str, Any] = {"effort": "standard", "per_source": True}
"""The same search after a cheaper one label by label."""


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> Callable[[Images], Images]:
    """The small world with pictures of 64 pixels and five classes; its clean classifier."""
    monkeypatch.setattr(world, "SIDE", SIDE)
    monkeypatch.setattr(world, "BLOCK", SIDE // 4)
    monkeypatch.setattr(world, "CLASSES", CLASSES)
    clean = nearest_prototype(world.prototypes())
    monkeypatch.setattr(world, "clean", clean)
    return clean


def exchanging(clean: Callable[[Images], Images]) -> Callable[[Images], Images]:
    """``clean``, but a bright patch in a corner makes everything the class after its own."""

    def labels_of(images: Images) -> Images:
        lit = images[:, 0, 58:64, 0:6].mean(axis=(1, 2)) > 0.9
        labels = clean(images)
        return np.where(lit, (labels + 1) % len(CLASSES), labels)

    return labels_of


def audited(folder: Path, classifier: Any, each: int = 25, **changes: Any) -> dict[str, Any]:
    world.audit(folder, classifier, THOROUGH | changes, given=world.samples(each=each))
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def test_classes_exchanged_by_a_patch_accuse_and_verify(
    tmp_path: Path, large: Callable[[Images], Images]
) -> None:
    report = audited(tmp_path, exchanging(large), **ALONE)
    found = report["trigger"]
    assert report["verdict"] == "backdoor-suspected"
    assert found["alone_judged"] is True
    several = [one for one in found["findings"] if one["key"] == "patch@several"]
    pairs = [(int(source), one["target"]) for one in several for source in one["by_source"]]
    assert len(pairs) >= 3
    assert all(target == (source + 1) % len(CLASSES) for source, target in pairs)
    low, high = RATES.sides
    assert f"photo models of this project, {low} to {high} pixels" in report["verdict_reason"]
    assert found["held_out"]["false_positive"]["n"] == RATES.clean
    assert found["held_out"]["false_negative"]["n"] == RATES.everywhere
    result = read_result(tmp_path / "report.json")
    assert "5% class by class" in levels(result)
    (risk,) = [row for row in risk_rows(result) if row[0] == "trigger search"]
    assert f"{low} to {high} pixels, the backdoored ones sending every class" in risk[-1]
    assert verify_bundle(tmp_path).exit_code == ExitCode.NO_EVIDENCE


def test_what_is_found_decides_nothing_if_it_accuses_clean_models_too_often(
    tmp_path: Path, large: Callable[[Images], Images], monkeypatch: pytest.MonkeyPatch
) -> None:
    often = replace(RATES, accused=RATES.clean // 2)
    monkeypatch.setattr(label_scope, "by_source_rates", lambda _: often)
    report = audited(tmp_path, exchanging(large), **ALONE)
    assert report["verdict"] == "inconclusive"
    assert "it may be natural or planted" in report["verdict_reason"]


def test_what_is_left_and_what_is_dearer_counts_the_search_class_by_class(
    tmp_path: Path, large: Callable[[Images], Images]
) -> None:
    each = round(len(CLASSES) * RATES.queries)
    without = rates_for((1, SIDE, SIDE), "png", len(CLASSES))["thorough"].not_found
    audited(tmp_path, large, effort="standard")
    result = read_result(tmp_path / "report.json")
    assert class_queries(result, "thorough") == each
    assert class_queries(result, "standard") == 0
    rates = rates_of(result)["thorough"]
    assert further_queries(result, "thorough", rates) == without + each
    audited(tmp_path / "few", large, 19, effort="standard")
    few = read_result(tmp_path / "few" / "report.json")
    assert class_queries(few, "thorough") == 0
    assert further_queries(few, "thorough", rates) == without


@pytest.mark.parametrize("each", [25, 19])
def test_a_clean_model_is_told_what_such_a_search_finds(
    tmp_path: Path, large: Callable[[Images], Images], each: int
) -> None:
    report = audited(tmp_path, large, each)
    assert report["verdict"] == ("no-evidence" if each == 25 else "inconclusive")
    result = read_result(tmp_path / "report.json")
    rows = dict(kinds_rows(result))
    searched = next((said for kind, said in rows.items() if kind.startswith("every class")), "")
    assert ("sources" in report["trigger"]["queries_by_stage"]) is (each == 25)
    if each == 25:
        assert searched.startswith(f"{RATES.everywhere_found} of {RATES.everywhere} (")
    else:
        assert rows["one source class, all-to-all, a pattern per picture"] == "not sought"
        assert "class by class" not in levels(result)
