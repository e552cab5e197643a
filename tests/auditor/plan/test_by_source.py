"""Which plans search the classes by themselves, and on which samples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from adapters.contract import InputSpec
from auditor.evidence.records import used_images
from auditor.measured import by_source_rates
from auditor.plan.digest import PLAN_VERSION
from auditor.plan.draw import (
    LEAST_SOURCES,
    MAX_OF_SOURCE,
    MIN_OF_SOURCE,
    SOURCES,
    pick_by_source,
)
from auditor.plan.plan import AuditPlan, build_plan
from auditor.plan.searches import SOURCE_QUERIES
from auditor.plan.settings import AuditSettings
from auditor.workflows.expected import expected_search
from auditor.workflows.prepare import source_note

SPEC = InputSpec((1, 28, 28), (0.0,), (1.0,))
LARGEST = by_source_rates((64, 64)).sides[1]
"""Most pixels a side of pictures that clean models were searched so with."""


def planned(each: int = 25, classes: int = 6, side: int = 28, **settings: Any) -> AuditPlan:
    spec = replace(SPEC, shape=(1, side, side), encoding=settings.pop("encoding", "png"))
    count = each * classes
    pixels = np.random.default_rng(5).integers(0, 256, (count, 1, side, side))
    chosen = AuditSettings(**{"planes": 3, "effort": "thorough", **settings})
    refs = [str(number) for number in range(count)]
    images = (pixels / 255).astype(np.float32)
    return build_plan(images, np.arange(count) % classes, refs, chosen, spec)


@pytest.mark.parametrize(
    ("changes", "sources"),
    [
        ({}, 6),
        ({"effort": "exhaustive"}, 6),
        ({"classes": 12}, SOURCES),
        ({"effort": "standard"}, 0),
        ({"effort": "standard", "per_source": True}, 6),
        ({"each": MIN_OF_SOURCE - 1}, 0),
        ({"each": MIN_OF_SOURCE - 1, "per_source": True}, 0),
        ({"encoding": "jpeg:90"}, 0),
        ({"side": 64}, 6),
        ({"side": 64, "effort": "standard"}, 0),
        ({"side": 64, "effort": "standard", "per_source": True}, 6),
        ({"side": 64, "encoding": "jpeg:90"}, 0),
        ({"side": 64, "encoding": "jpeg:90", "per_source": True}, 6),
        ({"side": 64, "classes": 4, "each": 40}, 0),
        ({"side": LARGEST + 1}, 0),
        ({"side": LARGEST + 1, "per_source": True}, 6),
        ({"classes": 4, "each": 40}, 0),
        ({"trigger_search": False}, 0),
    ],
)
def test_classes_are_searched_where_it_was_measured_or_asked_for(
    changes: dict[str, Any], sources: int
) -> None:
    plan = planned(**changes)
    assert plan.trigger.sources == sources
    assert plan.by_source is (sources > 0)
    stated = plan.as_dict([str(number) for number in range(1000)])["trigger_search"]
    assert ("source_samples" in stated) is plan.by_source
    asked = {*used_images(plan).tolist()}
    if sources:
        assert {*plan.source_samples.tolist()} <= asked
        assert len(plan.source_samples) == sources * 25
    else:
        assert asked == {*plan.used.tolist(), *plan.search_samples.tolist()}


@pytest.mark.parametrize(("shape", "judged"), [((64, 96), True), ((64, 97), False)])
def test_pictures_that_the_search_label_by_label_knows_nothing_of_are_not_judged(
    shape: tuple[int, int],
    judged: bool,  # noqa: FBT001 - parametrised
) -> None:
    spec = replace(SPEC, shape=(1, *shape))
    pixels = np.random.default_rng(5).integers(0, 256, (150, *spec.shape))
    refs = [str(number) for number in range(150)]
    settings = AuditSettings(planes=3, effort="thorough")
    images = (pixels / 255).astype(np.float32)
    plan = build_plan(images, np.arange(150) % 6, refs, settings, spec)
    assert plan.judged_by_source is plan.by_source is judged


def test_other_searches_ask_the_same_samples_at_every_effort() -> None:
    plan, cheaper = planned(), planned(effort="standard")
    assert np.array_equal(plan.search_samples, cheaper.search_samples)
    assert plan.at_effort("standard").digest == cheaper.digest
    assert cheaper.at_effort("thorough").digest == plan.digest
    assert cheaper.at_effort("thorough").trigger.sources == 6


def test_plans_of_before_ask_as_they_did() -> None:
    assert planned(side=64).at_version(11).trigger.sources == 0
    before = planned().at_version(10)
    assert before.trigger.sources == 0
    asked = planned(per_source=True).at_version(10)
    assert (asked.trigger.sources, asked.by_source) == (SOURCES, False)
    assert (asked.trigger.source_samples, asked.trigger.source_queries) == (60, 900)
    now = planned().trigger
    assert (now.source_samples, now.source_queries) == (MAX_OF_SOURCE, SOURCE_QUERIES)
    assert before.at_version(PLAN_VERSION).digest == planned().digest


def test_samples_are_drawn_of_classes_that_have_enough() -> None:
    classes = np.repeat(np.arange(14), [40] * 12 + [5, MIN_OF_SOURCE - 1])
    picked = pick_by_source(classes, 0)
    names, counts = np.unique(classes[picked], return_counts=True)
    assert len(names) == SOURCES
    assert max(names) < 12
    assert set(counts.tolist()) == {MAX_OF_SOURCE}
    assert np.array_equal(picked, np.sort(picked))
    assert not np.array_equal(names, np.unique(classes[pick_by_source(classes, 1)]))
    assert not len(pick_by_source(np.repeat(np.arange(LEAST_SOURCES - 1), 40), 0))


def test_what_it_asks_is_foreseen() -> None:
    few, many = planned(each=MIN_OF_SOURCE - 1), planned()
    added = expected_search(many, SPEC).not_found - expected_search(few, SPEC).not_found
    assert added == round(6 * by_source_rates(SPEC.shape).queries)
    assert many.most_trigger_queries > few.most_trigger_queries + 6 * SOURCE_QUERIES


def test_too_few_samples_are_said_where_it_was_asked_for() -> None:
    assert not source_note(planned())
    assert not source_note(planned(each=10))
    said = source_note(planned(each=10, per_source=True))
    assert f"fewer than {LEAST_SOURCES} have {MIN_OF_SOURCE} samples" in said
