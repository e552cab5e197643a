"""The plan: complete, seeded and hashed before anything is asked."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from auditor.errors import SamplesError
from auditor.plan.settings import AuditSettings
from tests.auditor.plan._plans import (
    CLASSES,
    REFS,
    SETTINGS,
    plan_of,
    plan_with_perturbations,
    twenty_images,
)


def test_equal_plans_have_equal_digests_and_inputs() -> None:
    one, two = plan_of(), plan_of()
    assert one.digest == two.digest
    for probe, again in zip(one.probes, two.probes, strict=True):
        items = np.arange(probe.size)
        assert probe.inputs(items).tobytes() == again.inputs(items).tobytes()


CHANGES: dict[str, Any] = {
    "planes": 7,
    "density": 6,
    "expansion": 4.0,
    "alpha": 9.0,
    "ats_threshold": 0.4,
    "seed": 1,
    "canaries": 8,
    "trigger_search": False,
    "per_source": True,
    "families": True,
    "stop_early": False,
    "sampler": "paper",
    "points": 32,
    "pictures": 1,
    "effort": "thorough",
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_setting_changes_the_digest(name: str) -> None:
    other = dataclasses.replace(SETTINGS, **{name: CHANGES[name]})
    assert plan_of(settings=other).digest != plan_of().digest


def test_every_setting_is_in_the_list_of_changes() -> None:
    assert {field.name for field in dataclasses.fields(AuditSettings)} == set(CHANGES)


def test_any_pixel_of_any_used_sample_changes_the_digest() -> None:
    plan = plan_of()
    digests = {plan.digest}
    for index in plan.used:
        images = twenty_images()
        pixel = images[index].reshape(-1)
        pixel[index % 16] = np.nextafter(pixel[index % 16], np.float32(2.0))
        digests.add(plan_of(images).digest)
    assert len(digests) == len(plan.used) + 1


def test_a_whole_number_is_the_same_setting_as_its_float() -> None:
    whole = AuditSettings(planes=6, canaries=9, expansion=5, alpha=10)
    assert plan_of(settings=whole).digest == plan_of().digest


def test_probes_are_the_samples_then_the_planes_then_the_repeats() -> None:
    plan = plan_of()
    assert [probe.kind for probe in plan.probes] == ["samples", *["plane"] * 6, "canary"]
    assert plan.queries == len(plan.used) + 6 * 16 + 9
    assert plan.used.tolist() == sorted({int(index) for index in plan.triplets.ravel()})
    items = np.arange(plan.samples.size)
    assert plan.samples.inputs(items).tobytes() == twenty_images()[plan.used].tobytes()
    for triplet, probe in zip(plan.triplets, plan.planes, strict=True):
        assert np.asarray(probe.samples).tobytes() == twenty_images()[triplet].tobytes()


FRUGAL = AuditSettings(planes=9, points=8, canaries=5)


def test_a_frugal_plan_asks_few_points_and_gives_every_class_its_turn() -> None:
    plan = plan_of(settings=FRUGAL)
    assert [probe.size for probe in plan.planes] == [8] * 9
    assert len({probe.digest for probe in plan.planes}) == 9
    assert plan.schedule.count == 2
    # Five classes: of every order of them three are used, so all triplets differ in classes.
    assert all(len(set(CLASSES[triplet])) == 3 for triplet in plan.triplets)
    more = plan_of(settings=dataclasses.replace(FRUGAL, planes=12))
    assert [p.digest for p in more.planes[:9]] == [p.digest for p in plan.planes]


def test_the_samplers_settings_change_the_digest() -> None:
    changes: list[dict[str, Any]] = [{"points": 16}, {"pictures": 1}, {"sampler": "paper"}]
    plans = [plan_of(settings=dataclasses.replace(FRUGAL, **change)) for change in changes]
    assert len({plan.digest for plan in (plan_of(settings=FRUGAL), *plans)}) == 4


def test_label_maps_are_grids_of_the_first_planes() -> None:
    plan = plan_of(settings=dataclasses.replace(FRUGAL, pictures=2, density=100))
    assert [probe.size for probe in plan.mapped_planes] == [10_000, 10_000]
    assert [probe.bounds for probe in plan.mapped_planes] == [p.bounds for p in plan.planes[:2]]
    assert plan.most_map_queries == 5000
    assert plan.as_dict(REFS)["pictures"] == {"planes": 2, "most_queries": 5000}


def test_repeats_can_be_left_out_and_change_nothing_else() -> None:
    without = plan_of(settings=dataclasses.replace(SETTINGS, canaries=0))
    assert without.repeats is without.extra_repeats is None
    assert [p.digest for p in without.probes] == [p.digest for p in plan_of().probes[:-1]]


def test_samples_that_span_no_plane_are_named() -> None:
    images = twenty_images()
    triplet = plan_of(images).triplets[0]
    images[triplet[2]] = images[triplet[0]] * 0.5 + images[triplet[1]] * 0.5
    names = ", ".join(REFS[index] for index in triplet)
    with pytest.raises(SamplesError, match=f"samples {names} span no plane: .*one line"):
        plan_of(images)
    images[triplet[1]] = images[triplet[0]]
    with pytest.raises(SamplesError, match=f"samples {names} span no plane: .*identical"):
        plan_of(images)


def test_the_plan_as_data() -> None:
    plan = plan_of()
    data = json.loads(json.dumps(plan.as_dict(REFS), allow_nan=False))
    assert data["plan_digest"] == plan.digest
    assert data["settings"] == dataclasses.asdict(SETTINGS)
    assert data["queries"] == plan.queries
    assert data["triplets"] == [[REFS[i] for i in triplet] for triplet in plan.triplets]
    assert [(p["kind"], p["digest"], p["size"]) for p in data["probes"]] == [
        (probe.kind, probe.digest, probe.size) for probe in plan.probes
    ]


def test_perturbations_ask_the_samples_first_and_at_most_a_thousand_perturbed_ones() -> None:
    plan = plan_with_perturbations()
    assert plan.perturbations[0].size == 60
    assert sum(probe.size for probe in plan.perturbations[1:]) <= 1000
    assert plan.perturbation_queries == sum(probe.size for probe in plan.perturbations)


def test_perturbations_are_part_of_the_digest_and_follow_the_seed() -> None:
    plans = [
        plan_with_perturbations(),
        plan_with_perturbations(seed=1),
        plan_with_perturbations(59),
    ]
    assert len({plan.digest for plan in plans}) == 3
    digests = [{probe.digest for probe in plan.perturbations[1:]} for plan in plans]
    assert not digests[0] & digests[1]


def test_too_few_samples_ask_no_perturbations() -> None:
    assert plan_with_perturbations(39).perturbations == ()
    assert plan_with_perturbations(39).perturbation_queries == 0
