"""What an audit can decide is said before it is paid for, and what more would need."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from adapters.contract import Access, InputSpec, LabelSpace
from auditor.measured import (
    ErrorRates,
    LabelCell,
    LabelNulls,
    LabelPopulation,
    LabelRates,
    by_source_rates,
    trigger_clearing,
    trigger_error_rates,
)
from auditor.plan.plan import build_plan
from auditor.plan.settings import AuditSettings
from auditor.report.wording.prospects import decides
from auditor.verdict import clearing, label_scope
from auditor.verdict import prospects as module
from auditor.verdict.prospects import Prospects, prospects
from tests.auditor.verdict.test_label_evidence import GOOD, POOR, measured_as

CELLS = {"weak-field4": LabelCell(4.7, 0.1, 20, 4.1, 4.3)}
NULLS = LabelNulls((64, 96), {"standard": CELLS, "thorough": CELLS}, {})


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = measured_as(standard=POOR, thorough=GOOD)
    monkeypatch.setattr(module, "label_null", lambda: NULLS)
    monkeypatch.setattr(label_scope, "label_rates", lambda: rates)


def found(
    side: int,
    samples: int = 60,
    classes: int = 5,
    encoding: str | None = None,
    labels: LabelSpace | None = None,
    recoded: str = "",
    **settings: Any,
) -> Prospects:
    rng = np.random.default_rng(0)
    images = (rng.integers(0, 256, (samples, 1, side, side)) / 255).astype(np.float32)
    given = np.arange(samples) % classes
    chosen = AuditSettings(**{"planes": 3, "canaries": 0, **settings})
    access: Access = "image" if recoded else "float"
    spec = InputSpec((1, side, side), (0.0,), (1.0,), access, recoded=recoded)
    spec = spec if encoding is None else replace(spec, encoding=encoding)
    plan = build_plan(images, given, [str(n) for n in range(samples)], chosen, spec)
    return prospects(plan, classes, samples, spec, labels or LabelSpace())


def test_a_service_that_recodes_is_promised_what_jpeg_is() -> None:
    for side, quality in ((72, 75), (28, 90), (28, 20)):
        lossless = found(side, 120, 10, encoding="png")
        sent = found(side, 120, 10, encoding=f"jpeg:{quality}")
        recoded = found(side, 120, 10, encoding="png", recoded=f"jpeg:{quality}")
        assert replace(recoded, recoded=False) == sent != lossless
        assert recoded.recoded


def test_too_few_samples_are_said_before_anything_is_paid() -> None:
    few = found(28, samples=30)
    assert not few.accuses
    assert decides(few) == (
        "30 samples: planes only, no verdict can come of it without a profile. Give 40 samples or "
        "more, evenly over the classes."
    )


def test_two_classes_have_no_planes_to_promise() -> None:
    said = decides(found(28, samples=30, classes=2))
    assert "planes only" not in said
    assert said.startswith(
        "30 samples: too few for a search, and planes need three classes, so no verdict can come "
        "of it. "
    )


def test_the_classes_of_the_measured_models_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    of_tasks = replace(measured_as(standard=GOOD)[0], tasks=(5, 10))
    monkeypatch.setattr(label_scope, "label_rates", lambda: (of_tasks,))
    more = "This model has 1,000 classes, more than any of those"
    few = decides(found(64, labels=LabelSpace(size=10)))
    of = "photo models of this project, 64 to 96 pixels, of 5 to 10 classes"
    assert f"(on held-out {of}, it missed 2 of 40" in few
    assert "more than any" not in few
    assert more in decides(found(64, labels=LabelSpace(size=1000)))
    # The target may not say how many it has: then its samples tell the least.
    assert "This model has 11 classes" in decides(found(64, 120, classes=11))
    # Of these small models no number is stated.
    assert more not in decides(found(28, labels=LabelSpace(size=1000)))


def test_classes_that_only_answers_show_are_said() -> None:
    said = decides(found(64, labels=LabelSpace(open=True)))
    assert "unless new ones keep coming up, which leaves the audit inconclusive" in said
    assert "new ones" not in decides(found(64))


@pytest.mark.parametrize(
    ("samples", "classes", "settings", "words"),
    [
        (120, 10, {}, "an all-clear is possible"),
        (60, 10, {}, "an all-clear needs 100 samples or more"),
        (120, 4, {}, "an all-clear needs samples of 5 classes or more"),
        (120, 10, {"per_source": True}, "an all-clear is possible"),
    ],
)
def test_small_pictures_are_cleared_as_they_were_measured(
    samples: int, classes: int, settings: dict[str, Any], words: str
) -> None:
    small = found(28, samples, classes, **settings)
    assert small.accuses
    assert small.clears is (words == "an all-clear is possible")
    assert words in decides(small)


def test_two_classes_can_be_accused_at_the_effort_that_was_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nulls = replace(NULLS, two={"thorough": CELLS})
    of_two = LabelPopulation((64, 96), "lossless", {"thorough": POOR}, "two")
    monkeypatch.setattr(module, "label_null", lambda: nulls)
    monkeypatch.setattr(label_scope, "label_rates", lambda: (*measured_as(thorough=GOOD), of_two))
    able = found(64, 120, 2, effort="thorough")
    assert (able.accuses, able.clears) == (True, False)
    assert "an all-clear is not possible: too many backdoors are missed" in decides(able)
    assert decides(found(64, 120, 2)).endswith("With --effort thorough it decides.")
    unlike = found(128, 120, 2, effort="thorough")
    assert not unlike.accuses
    assert "pictures of 64 to 96 pixels a side in tasks of two classes" in decides(unlike)


@pytest.mark.parametrize(
    ("rates", "missed"),
    [(GOOD, 2), (replace(GOOD, accused=9, as_ruled=replace(GOOD, usual_found=20)), 20)],
)
def test_where_the_least_change_may_not_accuse_its_accusations_are_none(
    rates: LabelRates, missed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = (LabelPopulation((28, 40), "lossless", {"thorough": rates}),)
    monkeypatch.setattr(label_scope, "small_label_rates", lambda: both)
    assert found(28, 120, 10, effort="thorough").rates == ErrorRates(0, 30, missed, 40)
    assert found(28, 120, 10).rates == trigger_error_rates()


def test_small_pictures_through_jpeg_are_not_cleared() -> None:
    said = decides(found(28, 120, 10, encoding="jpeg:90"))
    assert "an all-clear needs pictures that reach the model without loss" in said


def test_too_many_backdoors_cleared_take_the_all_clear_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    poor = replace(trigger_clearing(), missed=17, backdoored=85)
    monkeypatch.setattr(clearing, "trigger_clearing", lambda: poor)
    said = found(28, 120, 10)
    assert not said.clears
    assert "too many backdoors are missed" in decides(said)


def test_an_effort_that_cannot_clear_names_the_one_that_can() -> None:
    standard = found(64)
    assert standard.accuses
    assert not standard.clears
    assert "it missed 10 of 40" in decides(standard)
    assert "an all-clear needs --effort thorough" in decides(standard)
    assert "an all-clear is possible" in decides(found(64, 120, effort="thorough"))
    few = found(64, 60, effort="thorough")
    assert few.accuses
    assert not few.clears
    assert "an all-clear needs --effort thorough and 100 samples or more" in decides(few)


@pytest.mark.parametrize(("side", "sides"), [(48, "64 to 96"), (128, "28 to 96")])
def test_a_size_that_was_not_measured_decides_nothing(side: int, sides: str) -> None:
    other = found(side)
    assert not other.accuses
    assert f"pictures of {sides} pixels a side" in decides(other)


def test_an_effort_without_measurements_decides_nothing() -> None:
    assert "was not measured at this effort" in decides(found(64, effort="quick"))


def test_false_alarms_that_are_not_known_to_be_few_are_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = replace(GOOD, accused=1, clean=6)
    rates = measured_as(standard=few, thorough=GOOD)
    monkeypatch.setattr(label_scope, "label_rates", lambda: rates)
    said = found(64)
    assert not said.accuses
    assert "accused 1 of 6 (" in decides(said)
    assert " With --effort thorough it decides." in decides(said)


def test_pairs_accuse_where_the_search_label_by_label_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rates = measured_as(standard=replace(GOOD, accused=1, clean=6), thorough=GOOD)
    monkeypatch.setattr(label_scope, "label_rates", lambda: rates)
    said = found(64, 120, 5, per_source=True)
    assert said.accuses
    assert decides(said).endswith(" Only a patch that sends several classes to others accuses.")


def test_a_search_left_out_is_said() -> None:
    assert "Without a trigger search" in decides(found(28, trigger_search=False))


def test_jpeg_of_larger_pictures_is_out_of_scope() -> None:
    assert "lossless pictures" in decides(found(64, encoding="jpeg:90"))


@pytest.mark.parametrize(
    ("side", "samples", "classes", "remedy"),
    [
        (64, 30, 5, "Give 40 samples or more, evenly over the classes, with --effort thorough."),
        (64, 30, 3, "Give 40 samples or more, of 5 classes or more, with --effort thorough."),
        (160, 30, 5, "only of a profile's thresholds."),
        (160, 60, 5, "only of a profile's thresholds."),
        (64, 60, 3, "Give samples of 5 classes or more, if the model has them, with --effort"),
    ],
)
def test_the_remedy_fits_the_obstacle(
    side: int, samples: int, classes: int, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(GOOD, accused=1, clean=6)
    rates = measured_as(standard=few, thorough=GOOD)
    monkeypatch.setattr(label_scope, "label_rates", lambda: rates)
    said = found(side, samples, classes)
    assert not said.accuses
    assert remedy in decides(said)


def test_what_a_remedy_names_can_decide() -> None:
    assert found(64, samples=40, effort="thorough").accuses
    assert found(28, samples=40, classes=3).accuses


def test_both_searches_of_small_pictures_clear_by_rates_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def measured_as_small(rates: LabelRates) -> None:
        small = (LabelPopulation((24, 40), "lossless", {"thorough": rates}),)
        monkeypatch.setattr(label_scope, "small_label_rates", lambda: small)

    measured_as_small(GOOD)
    both = found(28, 120, 10, effort="thorough")
    assert both.accuses
    assert both.clears
    assert both.rates == ErrorRates(0, 30, 2, 40)
    of = "models of small pictures of this project, 28 to 40 pixels"
    assert f"(on held-out {of}, it missed 2 of 40" in decides(both)
    measured_as_small(POOR)
    assert found(28, 120, 10, effort="thorough").clears, "the first search alone clears as seldom"
    often = replace(trigger_clearing(), missed=60)
    monkeypatch.setattr(label_scope, "trigger_clearing", lambda: often)
    poor = found(28, 120, 10, effort="thorough")
    assert poor.accuses
    assert not poor.clears
    assert "an all-clear is not possible: too many backdoors are missed" in decides(poor)
    # The default effort has rates of its own.
    assert found(28, 120, 10).clears


@pytest.mark.parametrize(
    ("samples", "classes", "settings", "words"),
    [
        (60, 5, {}, "--effort thorough and 20 samples of each class"),
        (120, 5, {}, "--effort thorough"),
        (60, 5, {"effort": "thorough"}, "20 samples of each class"),
        (120, 5, {"effort": "thorough"}, ""),
        (120, 5, {"per_source": True}, ""),
        (120, 4, {}, ""),
    ],
)
def test_what_seeks_exchanged_classes_is_said(
    samples: int, classes: int, settings: dict[str, Any], words: str
) -> None:
    for side in (28, 64):
        said = decides(found(side, samples, classes, **settings))
        assert said.endswith(f" Backdoors that exchange classes are sought with {words}.") is bool(
            words
        )
        assert ("exchange classes" in said) is bool(words)
    largest = by_source_rates((64, 64)).sides[1]
    assert "exchange classes" not in decides(found(largest + 1, samples, classes, **settings))
