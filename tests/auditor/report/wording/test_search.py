"""What was found, beside what clean models show for the same kind of change."""

from __future__ import annotations

import math
from typing import Any

import pytest

from auditor.measured import LabelCell, LabelNulls, small_told_label_null, trigger_null
from auditor.probes.label_search.search import none_found
from auditor.report.json_report import result_of
from auditor.report.result.result import Result
from auditor.report.wording import search as module
from auditor.report.wording.search import (
    NOT_MEASURED,
    clean_models,
    control,
    exceeds,
    place_words,
    ranked_targets,
)

LEVELS = round(2 ** small_told_label_null().of("thorough", 10)["weak-field4"].least)


def _with(report: dict[str, Any], **changes: Any) -> Result:
    report["settings"]["effort"] = "thorough"
    report["input"]["shape"] = [1, 28, 28]
    report["trigger"]["best"] |= changes
    return result_of(report)


def _clean(report: dict[str, Any], **changes: Any) -> str:
    result = _with(report, **changes)
    assert result.trigger is not None
    assert result.trigger.best is not None
    return clean_models(result, result.trigger.best)


def test_a_success_stands_beside_the_most_of_clean_models(report: dict[str, Any]) -> None:
    most = f"{trigger_null()['patch'].highest:.0%}"
    assert _clean(report, key="patch") == f"up to {most}; planted: 37 of 46 or more"
    assert _clean(report, key="wave@strong").endswith(": never counts")
    assert _clean(report, key="unknown") == NOT_MEASURED


def test_a_least_change_stands_beside_the_least_of_clean_models(report: dict[str, Any]) -> None:
    null = small_told_label_null().of("thorough", 10)
    levels = f"{2 ** null['weak-field4'].least:.0f} grey levels or more"
    assert _clean(report, family="field", key="weak-field4") == levels
    share = 1 / (1 + math.exp(null["random-shapes"].least))
    assert _clean(report, family="random shapes", key="random-shapes") == f"up to {share:.0%}"


def test_a_change_that_no_clean_model_shows(
    report: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = LabelCell(none_found("small-patch4"), 0.0, 20, 2.6, none_found("small-patch4"))
    null = LabelNulls((24, 40), {"thorough": {"small-patch4": nothing}}, {})
    monkeypatch.setattr(module, "label_null_of", lambda _, **__: null)
    assert _clean(report, family="patch", key="small-patch4") == "none had one"
    result = _with(report, key="small-patch4", family="patch")
    assert result.trigger is not None
    assert exceeds(result, result.trigger) == "no clean model measured had such a change"


def test_the_end_of_a_sentence_fits_each(report: dict[str, Any]) -> None:
    for key, words in (
        ("patch", "clean models reached up to 75%"),
        ("weak-field4", f"clean models need {LEVELS} grey levels or more"),
    ):
        result = _with(report, key=key, family="field" if "field" in key else "patch")
        assert result.trigger is not None
        assert exceeds(result, result.trigger) == words


def test_targets_are_ranked_with_that_of_the_best_first(report: dict[str, Any]) -> None:
    best = report["trigger"]["best"]
    other = {**best, "target": 1, "key": "warp@weak", "family": "warp", "texture": None}
    other["success"] = {**best["success"], "hits": 20, "rate": 20 / 46}
    none = {**other, "target": 2, "success": {**best["success"], "hits": 0, "rate": 0.0}}
    report["trigger"]["findings"] += [other, none]
    result = result_of(report)
    assert result.trigger is not None
    assert ranked_targets(result, result.trigger) == [
        "Dress: 9 of 46, patch",
        "Trouser: 20 of 46, warp",
    ]


def test_random_changes_are_the_control(report: dict[str, Any]) -> None:
    result = result_of(report)
    assert result.trigger is not None
    assert control(result, result.trigger) is None
    random = {**report["trigger"]["best"], "family": "random field", "key": "random-field"}
    report["trigger"]["findings"].append({**random, "texture": None})
    result = _with(report, family="field", key="weak-field4")
    assert result.trigger is not None
    assert control(result, result.trigger) == (
        "Random smooth patterns, new for each picture: 9 of 46 to “Dress”."
    )


@pytest.mark.parametrize(
    ("place", "words"),
    [((0, 0), "upper left: rows 1 to 4"), ((12, 12), "middle centre"), ((24, 24), "lower right")],
)
def test_a_place_is_said_in_words(place: tuple[int, int], words: str) -> None:
    assert place_words(place, 4, (1, 28, 28)).startswith(words)
