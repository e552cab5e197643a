"""Measured numbers: sound files with provenance, read once and only when used."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from shutil import copy
from typing import Any

import pytest

from auditor import measured
from auditor.errors import AuditError
from auditor.measured import (
    FOLDER,
    NAMES,
    Counted,
    ErrorRates,
    NullCell,
    QueryStats,
    decision_rates,
    decision_rule,
    jpeg_rates,
    label_rates,
    label_rates_before,
    of_earlier_search,
    per_source_null,
    provenance,
    read_numbers,
    search_queries,
    trigger_error_rates,
    trigger_null,
    unusual_label_null,
)
from auditor.measured.types import DecisionRule, LabelPopulation
from auditor.plan.digest import (
    FOCUSED,
    FURTHER_ACCUSE,
    FURTHER_TELL,
    MORE_CLEAN,
    MORE_NULLS,
    PLAN_VERSION,
    REPEATED,
    TELLING,
    searched_before,
)
from auditor.probes.further_searches import SMALLEST_SIDE
from auditor.probes.label_search.settings import FINE, FINE_SIDE, TELLING_SIDES
from auditor.verdict.label_scope import clears_at, group_of, rates_for, usual_cleared

RATES: dict[str, Callable[[], ErrorRates]] = {
    "with references": lambda: decision_rates().with_references,
    "without references": lambda: decision_rates().without_references,
    "trigger search": trigger_error_rates,
}


def test_every_file_has_a_reader_and_every_reader_a_file() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(NAMES)
    for name in NAMES:
        read: Callable[..., Any] = getattr(measured, name.removeprefix("photos_"))
        # Those of searches class by class are read by the pictures.
        side = 64 if name.startswith("photos_") else 28
        given = [(side, side)] if "by_source" in name else []
        assert read(*given) is read(*given)


@pytest.mark.parametrize("name", NAMES)
def test_every_file_has_its_provenance(name: str) -> None:
    made = provenance(name)
    assert made.command.startswith("python -m examples.benchmarks ")
    assert made.data
    assert made.population.endswith(".")
    assert 0 < made.models <= made.runs
    assert made.recipes == tuple(sorted(set(made.recipes)))
    assert date.fromisoformat(made.date)


@pytest.mark.parametrize("of", RATES)
def test_no_rate_counts_more_errors_than_models(of: str) -> None:
    rates = RATES[of]()
    assert 0 <= rates.false_alarms <= rates.clean
    assert 0 <= rates.missed <= rates.backdoored
    assert min(rates.clean, rates.backdoored) > 0


def test_the_rates_are_those_of_the_models_that_the_file_names() -> None:
    rates = decision_rates().without_references
    assert rates.clean + rates.backdoored <= provenance("decision_rates").models
    alone = trigger_error_rates()
    assert alone.clean + alone.backdoored == provenance("trigger_error_rates").models


def test_missed_and_accused_kinds_add_up_to_the_rates() -> None:
    rates = decision_rates()
    kinds: tuple[Counted, ...] = (*rates.missed_kinds, *rates.accused_recipes)
    assert all(0 <= one.hits <= one.models and one.models > 0 for one in kinds)
    assert len({one.kind for one in kinds}) == len(kinds)
    accused = sum(one.hits for one in rates.accused_recipes)
    assert accused == rates.with_references.false_alarms
    other = {"x-to-one", "one-to-one", "x-to-x", "all-to-all", "1 % poison"}
    attacks = [one for one in rates.missed_kinds if one.kind not in other]
    assert sum(one.hits for one in attacks) == rates.with_references.missed
    assert sum(one.models for one in attacks) == rates.with_references.backdoored


def test_every_jpeg_quality_was_measured_once_on_the_same_models() -> None:
    rows = jpeg_rates()
    assert len({one.quality for one in rows}) == len(rows) > 0
    assert len({(one.clean, one.backdoored) for one in rows}) == 1
    for one in rows:
        assert 1 <= one.quality <= 100
        assert 0 <= one.alarms <= one.clean
        assert 0 <= one.lossless_alarms <= one.clean
        assert 0 <= one.found <= one.backdoored
        assert 0 <= one.lossless_found <= one.backdoored


def test_every_null_is_of_many_models_and_within_what_a_success_can_be() -> None:
    cells: list[NullCell] = [
        *trigger_null().values(),
        *unusual_label_null().values(),
        per_source_null(),
    ]
    for cell in cells:
        assert cell.models >= 10
        assert cell.spread >= 0.0
        assert 0.0 <= cell.highest <= 1.0
    for name, null in (
        ("trigger_null", trigger_null()),
        ("unusual_label_null", unusual_label_null()),
    ):
        assert {cell.models for cell in null.values()} == {provenance(name).models}
    assert per_source_null().models == provenance("per_source_null").models


def test_the_rule_and_its_null_are_usable() -> None:
    chosen = decision_rule()
    assert len(set(chosen.rule.keys)) == len(chosen.rule.keys) > 0
    assert chosen.rule.weight > 0.0
    assert chosen.rule.widening >= 0.0
    assert chosen.null.spread > 0.0
    assert 2 <= chosen.null.models <= provenance("decision_rule").models
    assert chosen.null.highest >= chosen.null.mean


def test_searches_asked_less_when_they_found_a_trigger() -> None:
    asked = search_queries()
    ends: tuple[QueryStats, ...] = (asked.found, asked.not_found)
    assert sum(one.searches for one in ends) == provenance("search_queries").runs
    assert all(0 < one.low <= one.mean <= one.high for one in ends)
    assert asked.found.mean < asked.not_found.mean


# ---- the reader ----------------------------------------------------------------------------------


def changed(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of the rule's file with ``change`` made to it."""
    copy(FOLDER / "decision_rule.json", folder)
    path = folder / "decision_rule.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    return folder


def test_a_changed_number_is_read_as_it_stands(tmp_path: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        document["values"]["null"]["spread"] = 0.25

    found = read_numbers(changed(tmp_path, change), "decision_rule", DecisionRule)
    expected = {**asdict(decision_rule().null), "spread": 0.25}
    assert asdict(found.null) == expected
    assert found.rule == decision_rule().rule


def without_a_number(document: dict[str, Any]) -> None:
    del document["values"]["rule"]["weight"]


def with_a_word(document: dict[str, Any]) -> None:
    document["values"]["rule"]["weight"] = "0.5"


def with_a_flag_for_a_count(document: dict[str, Any]) -> None:
    document["values"]["null"]["models"] = True


def with_no_number(document: dict[str, Any]) -> None:
    document["values"]["null"]["mean"] = float("nan")


def with_an_unknown_key(document: dict[str, Any]) -> None:
    document["values"]["rule"]["wieght"] = 0.5


def without_provenance(document: dict[str, Any]) -> None:
    del document["provenance"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_a_number, "values.rule.weight"),
        (with_a_word, "values.rule.weight"),
        (with_a_flag_for_a_count, "values.null.models"),
        (with_no_number, "values"),
        (with_an_unknown_key, "values.rule.wieght"),
        (without_provenance, "provenance"),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    with pytest.raises(AuditError) as refused:
        read_numbers(changed(tmp_path, change), "decision_rule", DecisionRule)
    sentence = str(refused.value)
    assert said in sentence
    assert "decision_rule.json" in sentence
    assert "install xray-audit again" in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_a_missing_file_and_one_that_is_not_json_are_refused(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "decision_rule.json").write_bytes(content)
    with pytest.raises(AuditError, match=r"decision_rule\.json cannot be used .* install"):
        read_numbers(tmp_path, "decision_rule", DecisionRule)


def test_importing_the_package_reads_no_file_and_loads_no_library() -> None:
    code = (
        "import sys\n"
        "opened = []\n"
        "def hook(event, args):\n"
        "    if event == 'open' and str(args[0]).endswith('.json'):\n"
        "        opened.append(args[0])\n"
        "sys.addaudithook(hook)\n"
        "import auditor.measured as measured\n"
        "assert not opened and not {'numpy', 'pydantic'} & set(sys.modules), opened\n"
        "measured.trigger_error_rates()\n"
        "measured.trigger_error_rates()\n"
        "assert len(opened) == 1, opened\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_audits_by_earlier_plans_are_judged_by_the_rates_of_their_search() -> None:
    now = label_rates()
    assert now != label_rates_before()
    with of_earlier_search(earlier=False, by_label=True):
        assert label_rates() is label_rates_before()
    with of_earlier_search(**searched_before(PLAN_VERSION)):
        assert label_rates() == now


def test_what_was_measured_later_says_nothing_about_earlier_plans() -> None:
    later = [one for one in label_rates() if one.since]
    every = {MORE_NULLS, FOCUSED, REPEATED, FURTHER_ACCUSE, FURTHER_TELL, MORE_CLEAN}
    assert {one.since for one in later} == every
    for version, since in (
        (MORE_NULLS - 1, {0}),
        (FOCUSED - 1, {0, MORE_NULLS}),
        (REPEATED - 1, {MORE_NULLS, FOCUSED}),
        (FURTHER_ACCUSE - 1, {MORE_NULLS, FOCUSED, REPEATED}),
        (TELLING - 1, {MORE_NULLS, FOCUSED, REPEATED, FURTHER_ACCUSE}),
        (FURTHER_TELL - 1, {MORE_NULLS, FOCUSED, REPEATED, FURTHER_ACCUSE, TELLING}),
        (MORE_CLEAN - 1, every - {MORE_CLEAN}),
    ):
        assert {one.since for one in label_rates_of(version)} == since
    assert {"two", "few"} <= {one.classes for one in later}


def label_rates_of(version: int) -> tuple[LabelPopulation, ...]:
    with of_earlier_search(**searched_before(version)):
        return label_rates()


def test_the_classes_of_photo_models_fit_their_group() -> None:
    for version in (MORE_NULLS - 1, PLAN_VERSION):
        for one in label_rates_of(version):
            assert {group_of(classes) for classes in one.tasks} == {one.classes}
    for one in label_rates():
        rates = rates_for((3, *one.sides), one.coding, one.tasks[0])
        assert {held.tasks for held in rates.values()} == {one.tasks}


Key = tuple[int, str, str, str]


def told(version: int) -> dict[Key, Any]:
    """Rates that plans of ``version`` are judged by: by least side, coding, classes and effort."""
    return {
        (one.sides[0], one.coding, one.classes, effort): rates
        for one in label_rates_of(version)
        for effort, rates in one.efforts.items()
    }


def test_a_search_that_asks_more_of_patches_has_rates_of_its_own() -> None:
    before, now = told(TELLING - 1), told(TELLING)
    asked_otherwise = {
        (TELLING_SIDES[0], "lossless", "many", effort) for effort in ("standard", "thorough")
    }
    unknown = (TELLING_SIDES[0], "lossless", "many", "exhaustive")
    assert {key for key in before if now.get(key) != before[key]} == {*asked_otherwise, unknown}
    assert unknown not in now
    for key in asked_otherwise:
        # It can only accuse more, so that it clears no more than all that were asked less.
        cleared, models = now[key].begins_with
        assert models >= now[key].usual + before[key].usual
        assert cleared >= now[key].usual_cleared + before[key].usual_cleared
    side = TELLING_SIDES[0]
    with of_earlier_search(**searched_before(TELLING)):
        dearer, first = (
            rates_for((3, side, side), "png", 10)[effort] for effort in ("exhaustive", "thorough")
        )
    assert (dearer.measured_at, dearer.begins_with) == ("thorough", first.begins_with)
    assert clears_at(dearer)
    assert usual_cleared(first) == first.begins_with
    with of_earlier_search(**searched_before(FURTHER_TELL)):
        measured = rates_for((3, side, side), "png", 10)["exhaustive"]
    assert (measured.measured_at, measured.begins_with) == ("", first.begins_with)
    assert measured.usual_found > first.usual_found
    assert usual_cleared(measured) == (measured.usual_cleared, measured.usual)
    assert clears_at(measured)


def test_where_larger_patches_leave_nothing_open_a_searchs_own_count_bounds_what_it_clears() -> (
    None
):
    shape = (3, TELLING_SIDES[0], TELLING_SIDES[0])
    with of_earlier_search(**searched_before(FURTHER_TELL)):
        before = rates_for(shape, "png", 10)
    now = rates_for(shape, "png", 10)
    dearer = now["exhaustive"]
    assert (dearer.begins_with, usual_cleared(dearer)) == (
        (0, 0),
        (dearer.usual_cleared, dearer.usual),
    )
    assert dearer.cleared / dearer.clean > before["exhaustive"].cleared / before["exhaustive"].clean
    for effort in ("standard", "thorough"):
        cleared, models = now[effort].begins_with
        assert models > before[effort].begins_with[1]
        assert cleared >= now[effort].usual_cleared
    assert clears_at(now["thorough"])
    assert clears_at(dearer)
    assert not clears_at(now["standard"])


def test_a_share_is_told_as_it_was_when_a_plan_was_made() -> None:
    with of_earlier_search(**searched_before(REPEATED)):
        rates = rates_for((3, 72, 72), "png", 10)["exhaustive"]
        assert rates.begins_with == (19, 154)
        assert clears_at(rates)
        assert usual_cleared(rates) == (rates.usual_cleared, rates.usual) == (4, 38)


@pytest.mark.parametrize(
    ("version", "least", "efforts"),
    [
        (FOCUSED, FINE_SIDE, {*FINE}),
        (REPEATED, 41, {"exhaustive"}),
        (FURTHER_ACCUSE, SMALLEST_SIDE, {"exhaustive"}),
    ],
)
def test_what_was_measured_of_a_search_says_nothing_about_later_ones_that_ask_otherwise(
    version: int, least: int, efforts: set[str]
) -> None:
    before, now = told(version - 1), told(version)
    asked_otherwise = {key for key in before if key[0] >= least and key[-1] in efforts}
    assert asked_otherwise
    # Of these nothing was counted on, while what is asked as before was asked of more models.
    for key in asked_otherwise:
        assert now[key].usual_found > before[key].usual_found
    for key in {*before} - asked_otherwise:
        assert now[key].clean >= before[key].clean
        assert now[key].usual >= before[key].usual
