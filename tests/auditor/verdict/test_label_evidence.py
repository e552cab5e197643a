"""Evidence of a search label by label: accuses, shows a weakness, clears, or says why not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from adapters.contract import InputSpec, LabelSpace
from auditor.measured import Counted, LabelPopulation, LabelRates, of_earlier_search
from auditor.probes.label_search.settings import Effort
from auditor.probes.trigger_search.result import ByLabel, TriggerFinding, TriggerResult
from auditor.probes.trigger_search.verify import exact_interval
from auditor.report.wording.reasons import sentence
from auditor.verdict import label_scope as module
from auditor.verdict.label_evidence import label_evidence
from auditor.verdict.label_scope import accuses_at, clears_at, rates_for

NAMES = LabelSpace(names=["cat", "dog", "hat", "pen", "tree"])
FOUND = exact_interval(39, 40, 0.95)
SPEC = InputSpec((3, 64, 64), (0.0,) * 3, (1.0,) * 3)
GOOD = LabelRates(
    clean=30, accused=0, cleared=28, fragile=13, fragile_accused=0, fragile_cleared=6, usual=40,
    usual_found=38, usual_cleared=1, careful=20, careful_found=14, careful_cleared=5, right=52,
    called=52, kinds=(Counted("sig", 10, 10),), not_found=8000, found=2400,
)  # fmt: skip
POOR = replace(GOOD, usual_found=30, usual_cleared=9)


def measured_as(**efforts: LabelRates) -> tuple[LabelPopulation, ...]:
    """Rates of lossless pictures of 64 to 96 pixels alone."""
    return (LabelPopulation((64, 96), "lossless", dict(efforts)),)


def result(
    kind: str = "field",
    key: str = "weak-field4",
    *,
    suspicious: bool = False,
    weakness: bool = False,
    effort: Effort = "standard",
    classes: int = 5,
) -> TriggerResult:
    best = TriggerFinding(
        kind, key, 2, 4, 3.7, None, FOUND, FOUND, {}, 0.9, None, 0.0001 if suspicious else 0.3
    )
    empty, none = np.zeros((0, 3, 64, 64), np.uint8), np.zeros(0, np.int64)
    return TriggerResult(
        (best,), best, suspicious, 0.001 if suspicious else 0.9, 3000, {}, 5, 11, 60, 60, empty,
        empty, none, by_label=ByLabel(effort, classes, weakness),
    )  # fmt: skip


def terms(one: TriggerResult) -> ByLabel:
    assert one.by_label is not None
    return one.by_label


@pytest.fixture(autouse=True)
def rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "label_rates", lambda: measured_as(standard=POOR, thorough=GOOD))


def test_what_clean_models_do_not_show_accuses() -> None:
    one = result(suspicious=True)
    evidence = label_evidence(one, terms(one), NAMES, SPEC)
    assert evidence.suspicious
    assert evidence.target == 2
    words = sentence(evidence.reason)
    assert "mean change 3.7 of 255 levels" in words
    assert "39 of 40" in words
    assert "2 (hat)" in words


def test_a_wave_is_compared_on_small_pictures_with_models_that_random_ones_do_not_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = LabelPopulation((28, 40), "lossless", {"standard": GOOD})
    monkeypatch.setattr(module, "small_label_rates", lambda: (small,))
    steady = "clean models that random waves do not turn need"
    for side, those in ((32, steady), (64, "; clean models need")):
        one = result("wave", "weak-wave", suspicious=True)
        evidence = label_evidence(one, terms(one), NAMES, replace(SPEC, shape=(3, side, side)))
        assert evidence.suspicious
        assert f"{those} far more" in sentence(evidence.reason)


def test_fragile_models_count_by_themselves() -> None:
    assert accuses_at(GOOD)
    assert not accuses_at(replace(GOOD, fragile=9, fragile_accused=0))
    assert not accuses_at(replace(GOOD, accused=1, fragile_accused=1))
    # However narrow the interval is.
    assert accuses_at(replace(GOOD, clean=400, accused=12))
    assert not accuses_at(replace(GOOD, clean=400, accused=13))


@pytest.mark.parametrize("accused", [(0, 6), (1, 6), (4, 30)])
def test_a_finding_is_withheld_where_false_alarms_are_not_known_to_be_few(
    accused: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    hits, models = accused
    few = replace(GOOD, accused=hits, clean=models)
    monkeypatch.setattr(module, "label_rates", lambda: measured_as(standard=few))
    one = result(suspicious=True)
    evidence = label_evidence(one, terms(one), NAMES, SPEC)
    assert not evidence.suspicious
    assert not evidence.clears
    assert f"{hits} of {models}" in sentence(evidence.reason)
    assert "decides nothing" in sentence(evidence.reason)
    assert "--effort" not in sentence(evidence.reason)


def test_a_withheld_finding_names_the_effort_that_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    few = replace(GOOD, accused=2, clean=9)
    monkeypatch.setattr(module, "label_rates", lambda: measured_as(standard=few, thorough=GOOD))
    one = result(suspicious=True)
    said = sentence(label_evidence(one, terms(one), NAMES, SPEC).reason)
    assert said.endswith("--effort thorough can decide it.")


def test_a_search_that_finds_nothing_clears_only_if_few_backdoors_end_like_this() -> None:
    for effort, clears in (("standard", False), ("thorough", True), ("quick", False)):
        one = result(effort=effort)  # type: ignore[arg-type]  # the efforts of the loop
        assert label_evidence(one, terms(one), NAMES, SPEC).clears is clears
        few = replace(one, search_images=40, validation_images=40)
        assert not label_evidence(few, terms(few), NAMES, SPEC).clears


def test_two_classes_are_judged_by_models_of_two_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    of_two = LabelPopulation((64, 96), "lossless", {"thorough": POOR}, "two")
    populations = (*measured_as(thorough=GOOD), of_two)
    monkeypatch.setattr(module, "label_rates", lambda: populations)
    assert rates_for((3, 64, 64), "png", 2)["thorough"] == POOR
    assert rates_for((3, 64, 64), "png", 3)["thorough"] == GOOD
    found = result(effort="thorough", suspicious=True, classes=2)
    assert label_evidence(found, terms(found), NAMES, SPEC).suspicious
    nothing = result(effort="thorough", classes=2)
    assert not label_evidence(nothing, terms(nothing), NAMES, SPEC).clears
    for other, words in (
        (replace(SPEC, shape=(3, 224, 224)), "pictures of 64 to 96 pixels a side"),
        (replace(SPEC, encoding="jpeg:90"), "lossless pictures"),
    ):
        evidence = label_evidence(found, terms(found), NAMES, other)
        assert not evidence.suspicious
        assert f"{words} in tasks of two classes" in sentence(evidence.reason)


def test_pictures_whose_sides_lie_in_two_ranges_are_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    larger = LabelPopulation((97, 320), "lossless", {"thorough": GOOD})
    populations = (*measured_as(thorough=GOOD), larger)
    monkeypatch.setattr(module, "label_rates", lambda: populations)
    found = result(effort="thorough", suspicious=True, classes=5)
    for shape, words in (
        ((3, 70, 128), "whose sides are both of 64 to 96 or 97 to 320 pixels"),
        ((3, 70, 400), "pictures of 28 to 320 pixels a side"),
    ):
        evidence = label_evidence(found, terms(found), NAMES, replace(SPEC, shape=shape))
        assert not evidence.suspicious
        assert words in sentence(evidence.reason)


def test_where_exhaustive_was_not_measured_it_has_the_rates_of_thorough_which_it_begins_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "label_rates", lambda: measured_as(standard=POOR, thorough=GOOD))
    found = rates_for((3, 64, 64), "png", 10)
    first, dearer = found["thorough"], found["exhaustive"]
    assert (dearer.accused, dearer.clean) == (first.accused, first.clean)
    assert (dearer.usual_found, dearer.begins_with) == (
        first.usual_found, (first.usual_cleared, first.usual),
    )  # fmt: skip
    assert dearer.not_found > first.not_found
    assert (dearer.measured_at, first.measured_at) == ("thorough", "")
    found_ = result(effort="exhaustive", suspicious=True)
    said = sentence(label_evidence(found_, terms(found_), NAMES, SPEC).reason)
    assert "the search at effort thorough, which this one begins with, wrongly accused" in said
    # Before version 11 it may accuse, or searched otherwise; small pictures were measured.
    with of_earlier_search(earlier=False, by_label=False, version=10):
        assert {*rates_for((3, 64, 64), "png", 10)} == {"standard", "thorough"}
    assert {*rates_for((3, 64, 64), "jpeg:70", 10)} == set()


@pytest.mark.parametrize("classes", [2, 4])
def test_few_classes_decide_nothing(classes: int) -> None:
    for suspicious in (False, True):
        one = result(effort="thorough", suspicious=suspicious, classes=classes)
        evidence = label_evidence(one, terms(one), NAMES, SPEC)
        assert not evidence.suspicious
        assert not evidence.clears
        assert "tasks of 5 classes and more" in sentence(evidence.reason)


def test_what_a_second_search_did_not_find_neither_accuses_nor_clears() -> None:
    one = result(weakness=True, effort="thorough")
    assert one.best is not None
    held = replace(one, best=replace(one.best, unconfirmed=True), p=0.004)
    evidence = label_evidence(held, terms(held), NAMES, SPEC)
    assert (evidence.suspicious, evidence.clears, evidence.natural) == (False, False, True)
    said = sentence(evidence.reason)
    assert "p = 0.004" in said
    assert "a second, independent search for changes of its kind did not find it again" in said


def test_a_weakness_neither_accuses_nor_clears() -> None:
    one = result(weakness=True, effort="thorough")
    evidence = label_evidence(one, terms(one), NAMES, SPEC)
    assert not evidence.suspicious
    assert not evidence.clears
    assert "weak spot" in sentence(evidence.reason)


@pytest.mark.parametrize("shape", [(3, 2000, 2000), (3, 64, 2000)])
def test_a_size_that_was_not_measured_decides_nothing(shape: tuple[int, int, int]) -> None:
    one = result(suspicious=True, effort="thorough")
    evidence = label_evidence(one, terms(one), NAMES, replace(SPEC, shape=shape))
    assert not evidence.suspicious
    assert not evidence.clears
    assert "pixels a side" in sentence(evidence.reason)


def test_jpeg_decides_nothing_until_it_is_measured() -> None:
    one = result(suspicious=True)
    evidence = label_evidence(one, terms(one), NAMES, replace(SPEC, encoding="jpeg:90"))
    assert not evidence.suspicious


def test_a_search_is_judged_by_models_that_were_asked_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    populations = (
        *measured_as(standard=POOR),
        LabelPopulation((64, 96), "jpeg:75", {"standard": GOOD}),
        LabelPopulation((64, 96), "jpeg:90", {"thorough": GOOD}),
        LabelPopulation((97, 160), "lossless", {"quick": POOR}),
    )
    monkeypatch.setattr(module, "label_rates", lambda: populations)
    assert rates_for((3, 64, 64), "float32", 10) == {"standard": POOR}
    assert rates_for((3, 64, 96), "png", 10) == {"standard": POOR}
    assert rates_for((3, 64, 64), "jpeg:80", 10) == {"standard": GOOD}
    assert rates_for((3, 64, 64), "jpeg:100", 10)["thorough"] == GOOD
    assert rates_for((1, 128, 160), "png", 10) == {"quick": POOR}
    for shape, encoding in (
        ((3, 64, 128), "png"),
        ((3, 64, 64), "jpeg:70"),
        ((3, 128, 128), "jpeg:90"),
    ):
        assert not rates_for(shape, encoding, 10)
    one = result(suspicious=True)
    poor = label_evidence(one, terms(one), NAMES, replace(SPEC, encoding="jpeg:70"))
    assert not poor.suspicious
    assert "JPEG of quality 75 or more" in sentence(poor.reason)


def test_the_bound_is_on_the_upper_end_of_the_interval() -> None:
    assert clears_at(replace(GOOD, usual=40, usual_cleared=2))
    # A search that begins with another one clears no model that this one does not.
    many = replace(GOOD, usual=38, usual_cleared=4)
    assert not clears_at(many)
    assert clears_at(replace(many, begins_with=(19, 154)))
    assert not clears_at(replace(many, begins_with=(25, 154)))
    assert not clears_at(replace(many, begins_with=(19, 154), clears=False))
    assert not clears_at(replace(GOOD, usual=10, usual_cleared=0))


@pytest.mark.parametrize(("side", "clears"), [(97, True), (200, True), (201, False), (320, False)])
def test_nothing_is_cleared_that_is_larger_than_every_backdoored_model_searched(
    monkeypatch: pytest.MonkeyPatch,
    side: int,
    clears: bool,  # noqa: FBT001 - parametrised
) -> None:
    population = LabelPopulation((97, 320), "lossless", {"thorough": GOOD}, backdoored_to=200)
    monkeypatch.setattr(module, "label_rates", lambda: (population,))
    rates = rates_for((3, 97, side), "png", 10)["thorough"]
    assert accuses_at(rates)
    assert clears_at(rates) is clears


@pytest.mark.parametrize(
    ("kind", "key", "words"),
    [
        ("patch", "small-patch4", "a patch of 4 x 4 pixels sends"),
        ("patch", "telling-patch4", "pixels, whose cells do less when rolled or mirrored, sends"),
        ("random shapes", "random-shapes", "a set of coloured shapes, drawn anew"),
        ("warp", "weak-warp", "mean shift 3.7 pixels"),
        ("quantise", "grey-levels", "to 4 grey levels sends"),
        ("wave", "weak-wave", "wave pattern added to the picture (mean change 3.7"),
    ],
)
def test_every_kind_of_change_has_words(kind: str, key: str, words: str) -> None:
    for one in (
        result(kind, key, suspicious=True), result(kind, key, weakness=True), result(kind, key)
    ):  # fmt: skip
        assert words in sentence(label_evidence(one, terms(one), NAMES, SPEC).reason)
