"""The search label by label finds what a small or weak change carries, and how little it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from auditor.measured import LabelCell, label_null
from auditor.probes.label_search import outcome as module
from auditor.probes.label_search.judge import PHOTO, judge
from auditor.probes.label_search.outcome import label_search
from auditor.probes.label_search.search import keys, none_found, prepare
from auditor.probes.label_search.settings import EFFORTS, searched_by_label
from auditor.probes.trigger_search.result import TriggerResult

SETTINGS = EFFORTS["standard"]
MakeWorld = Callable[..., Any]
TARGET = 2


@pytest.fixture(autouse=True)
def judged_as_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of these worlds are as small as no photo that the null is of."""
    monkeypatch.setattr(module, "label_null_of", lambda _: label_null())


def searched(world: Any, seed: int = 1) -> TriggerResult:
    samples, classes = world.samples(100)
    result: TriggerResult = world.drive(
        label_search(samples, classes, world.spec, SETTINGS, "standard", seed)
    )
    return result


@pytest.mark.parametrize(
    ("kind", "key"),
    [("blend", "weak-field4"), ("quantise", "grey-levels")],
)
def test_a_planted_change_is_found_at_its_target(worlds: MakeWorld, kind: str, key: str) -> None:
    result = searched(worlds(kind))
    assert result.suspicious
    assert result.best is not None
    assert result.best.target == TARGET
    assert result.best.key == key
    assert result.best.success.rate >= 0.8
    assert result.p is not None
    assert result.p <= 0.02
    assert result.queries == sum(result.spent.values())


def test_a_change_stronger_than_planted_ones_is_a_weakness_and_no_suspicion(
    worlds: MakeWorld,
) -> None:
    result = searched(worlds("field"))  # carries its label from some nine levels on
    assert not result.suspicious
    assert result.best is not None
    assert result.best.target == TARGET
    assert result.by_label is not None
    assert result.by_label.weakness


def test_what_speaks_against_an_all_clear_may_be_judged_by_other_models(worlds: MakeWorld) -> None:
    usual = label_null().of("standard", 5)
    as_much = {key: replace(cell, mean=cell.mean - 9.0) for key, cell in usual.items()}
    for null, open_null, open_ in ((as_much, None, False), (as_much, usual, True)):
        world = worlds("field")
        samples, classes = world.samples(100)
        result: TriggerResult = world.drive(
            label_search(
                samples, classes, world.spec, SETTINGS, "standard", 1, null=null,
                open_null=open_null,
            )
        )  # fmt: skip
        assert not result.suspicious
        assert result.by_label is not None
        assert result.by_label.weakness is open_


def test_few_classes_leave_random_changes_out_and_ask_for_less() -> None:
    null = label_null()
    assert any(key.startswith("random-") for key in null.of("standard", 5))
    assert not any(key.startswith("random-") for key in null.of("standard", 4))
    assert PHOTO.most_value("weak-field4", 4) == PHOTO.most_value("weak-field4", 5) - 1.0
    assert PHOTO.most_value("grey-levels", 4) == PHOTO.most_value("grey-levels", 5)


def test_a_clean_model_is_not_suspected(worlds: MakeWorld) -> None:
    result = searched(worlds("clean"))
    assert not result.suspicious
    assert result.by_label is not None
    assert result.by_label.effort == "standard"
    assert result.by_label.classes == 5
    assert result.queries <= SETTINGS.most_queries(100)


def test_the_same_labels_lead_to_the_same_questions(worlds: MakeWorld) -> None:
    first, second = worlds("field"), worlds("field")
    searched(first)
    searched(second)
    assert len(first.asked) == len(second.asked)
    assert all(np.array_equal(a, b) for a, b in zip(first.asked, second.asked, strict=True))


def test_another_seed_asks_other_questions(worlds: MakeWorld) -> None:
    first, second = worlds("clean"), worlds("clean")
    searched(first, seed=1)
    searched(second, seed=2)
    assert not np.array_equal(first.asked[1], second.asked[1])


def test_every_input_is_a_picture_in_the_models_range(worlds: MakeWorld) -> None:
    world = worlds("clean", channels=3)
    searched(world)
    for batch in world.asked:
        assert np.array_equal(batch, world.spec.from_pixels(world.spec.to_pixels(batch)))


def test_every_finding_has_a_key_of_its_settings(worlds: MakeWorld) -> None:
    world = worlds("clean")
    samples, classes = world.samples(60)
    run = world.drive(prepare(samples, classes, world.spec, SETTINGS, 3))
    for stage in run.stages():
        found = world.drive(stage)
        assert {one.key for one in found} <= set(keys(SETTINGS))
        for one in found:
            assert one.carried or one.value == none_found(one.key)


def test_too_few_samples_are_refused(worlds: MakeWorld) -> None:
    world = worlds("clean")
    samples, classes = world.samples(7)
    with pytest.raises(ValueError, match="needs 8 samples, 7 given"):
        world.drive(prepare(samples, classes, world.spec, SETTINGS, 0))


def test_a_natural_trigger_of_several_labels_is_not_suspected(worlds: MakeWorld) -> None:
    # A wide null: what one label needs, the next one needs too.
    world = worlds("blend")
    samples, classes = world.samples(100)
    run = world.drive(prepare(samples, classes, world.spec, SETTINGS, 1))
    for stage in run.stages():
        run.findings += world.drive(stage)
    twice = [*run.findings]
    twice += [type(one)(one.key, 4, one.value, one.carried, one.change, one.success)
              for one in run.findings if one.label == TARGET]  # fmt: skip
    null = {key: LabelCell(none_found(key), 0.1, 20, 0.0, 0.0) for key in keys(SETTINGS)}
    assert any(one.suspicious(len(null)) for one in judge(run.findings, null, 10))
    assert not any(one.suspicious(len(null)) for one in judge(twice, null, 10))


def test_a_strong_change_is_never_suspicious_however_rare(worlds: MakeWorld) -> None:
    world = worlds("field")
    samples, classes = world.samples(100)
    run = world.drive(prepare(samples, classes, world.spec, SETTINGS, 1))
    for stage in run.stages():
        run.findings += world.drive(stage)
    null = {key: LabelCell(50.0, 0.1, 20, 50.0, 50.0) for key in keys(SETTINGS)}
    for one in judge(run.findings, null, 10):
        if one.finding.value > PHOTO.most_value(one.finding.key, 10):
            assert not one.suspicious(len(null))


@pytest.mark.parametrize(
    ("shape", "by_label"),
    [((28, 28), False), ((40, 40), False), ((41, 30), True), ((224, 224), True)],
)
def test_larger_pictures_are_searched_label_by_label(
    shape: tuple[int, int],
    by_label: bool,  # noqa: FBT001 - a case of the table
) -> None:
    assert searched_by_label(shape) is by_label


def test_a_patch_that_tells_more_than_its_size_is_listed_once(
    worlds: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = worlds("patch")
    weak = world.backdoor
    world.backdoor = lambda pixels, clean: 2 * weak(pixels, clean)
    for share in ("OWN_ORDER", "IN_CORNER"):
        monkeypatch.setattr(f"auditor.probes.label_search.telling.{share}", 1.0)
    samples, classes = world.samples(100)
    listed = []
    for orders in (0, 20):
        settings = replace(SETTINGS, families=(), strength_draws=0, order_images=orders)
        null = {key: LabelCell(none_found(key), 0.1, 20, 0.0, 0.0) for key in keys(settings)}
        null = {key: cell for key, cell in null.items() if "patch" in key}
        result = world.drive(
            label_search(samples, classes, world.spec, settings, "standard", 1, null=null)
        )
        assert result.verifications == len(result.findings)
        listed.append([one.key for one in result.findings])
    assert [len(keys) for keys in listed] == [1, 1]
