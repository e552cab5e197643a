"""The plan: complete, seeded and hashed before anything is asked."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.errors import SamplesError, UsageError
from auditor.plan.draw import draw_in_turn, draw_triplets
from auditor.plan.plan import AuditPlan, build_plan
from auditor.plan.settings import AuditSettings, choose_settings

CLASSES = np.repeat(np.arange(5), 4)
REFS = [f"{label}/{item}.png" for label in range(5) for item in range(4)]
SETTINGS = AuditSettings(planes=6, canaries=9)


def pictures() -> NDArray[np.float32]:
    return np.random.default_rng(3).random((20, 1, 4, 4)).astype(np.float32)


def plan_of(
    images: NDArray[np.float32] | None = None, settings: AuditSettings = SETTINGS
) -> AuditPlan:
    return build_plan(pictures() if images is None else images, CLASSES, REFS, settings)


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
        images = pictures()
        pixel = images[index].reshape(-1)
        pixel[index % 16] = np.nextafter(pixel[index % 16], np.float32(2.0))
        digests.add(plan_of(images).digest)
    assert len(digests) == len(plan.used) + 1


def test_a_whole_number_is_the_same_setting_as_its_float() -> None:
    whole = AuditSettings(planes=6, canaries=9, expansion=5, alpha=10)
    assert plan_of(settings=whole).digest == plan_of().digest


@pytest.mark.parametrize("seed", range(8))
def test_triplets_hold_three_classes_and_differ(seed: int) -> None:
    triplets = draw_triplets(CLASSES, 300, seed)
    assert triplets.shape == (300, 3)
    assert all(len({int(c) for c in CLASSES[triplet]}) == 3 for triplet in triplets)
    assert len({frozenset(triplet.tolist()) for triplet in triplets}) == 300


def test_the_first_triplets_do_not_depend_on_how_many_are_drawn() -> None:
    few, many = draw_triplets(CLASSES, 5, 3), draw_triplets(CLASSES, 40, 3)
    assert few.tolist() == many[:5].tolist()


def test_triplets_depend_on_the_seed() -> None:
    assert draw_triplets(CLASSES, 5, 3).tolist() != draw_triplets(CLASSES, 5, 4).tolist()


def test_a_class_with_many_samples_is_not_favoured() -> None:
    classes = np.array([0] * 500 + [1] * 20 + [2] * 20 + [3] * 20)
    drawn = classes[draw_triplets(classes, 2000, 0)]
    shares = [float((drawn == label).any(axis=1).mean()) for label in range(4)]
    # Three of four classes: each in 3/4 of the triplets, deviation 0.0097.
    assert max(abs(share - 0.75) for share in shares) < 0.05


def test_every_possible_triplet_can_be_asked_for() -> None:
    classes = np.array([0, 0, 1, 2, 2, 3])
    sizes = [2, 1, 2, 1]
    possible = sum(a * b * c for a, b, c in itertools.combinations(sizes, 3))
    assert len(draw_triplets(classes, possible, 0)) == possible
    with pytest.raises(SamplesError, match=f"allow {possible} different planes and {possible + 1}"):
        draw_triplets(classes, possible + 1, 0)


def test_many_classes_are_counted_quickly() -> None:
    assert len(draw_triplets(np.arange(5000), 20, 0)) == 20


def test_two_classes_allow_no_plane() -> None:
    with pytest.raises(SamplesError, match="allow 0 different planes"):
        draw_triplets(np.array([0, 0, 1, 1]), 1, 0)


def test_probes_are_the_samples_then_the_planes_then_the_repeats() -> None:
    plan = plan_of()
    assert [probe.kind for probe in plan.probes] == ["samples", *["plane"] * 6, "canary"]
    assert plan.queries == len(plan.used) + 6 * 16 + 9
    assert plan.used.tolist() == sorted({int(index) for index in plan.triplets.ravel()})
    items = np.arange(plan.samples.size)
    assert plan.samples.inputs(items).tobytes() == pictures()[plan.used].tobytes()
    for triplet, probe in zip(plan.triplets, plan.planes, strict=True):
        assert probe.samples.tobytes() == pictures()[triplet].tobytes()


@pytest.mark.parametrize(
    ("settings", "per_round"),
    [
        (dataclasses.replace(SETTINGS, planes=20), 8),
        (AuditSettings.paper(planes=10, density=5, canaries=9), 4),
    ],
)
def test_rounds_ask_every_input_once_planes_in_turn_and_mixed(
    settings: AuditSettings, per_round: int
) -> None:
    plan = plan_of(settings=settings)
    orders = list(plan.schedule.rounds())
    assert len(orders) == plan.schedule.count == 3
    everything = {tuple(row) for order in orders for row in order.tolist()}
    assert len(everything) == sum(len(order) for order in orders) == plan.queries
    for number, order in enumerate(orders):
        planes = order[(order[:, 0] > 0) & (order[:, 0] <= settings.planes), 0] - 1
        first = per_round * number
        assert set(planes.tolist()) == set(range(first, min(first + per_round, settings.planes)))
        if number < 2:
            # Of neighbours, at least about three quarters belong to different planes.
            assert (np.diff(planes) != 0).mean() > 0.6
    _samples_come_with_their_plane(plan, orders, per_round)


def _samples_come_with_their_plane(
    plan: AuditPlan, orders: list[NDArray[np.int64]], per_round: int
) -> None:
    for number in range(len(orders)):
        known = {int(plan.used[item]) for one in orders[: number + 1] for n, item in one if n == 0}
        for triplet in plan.triplets[: per_round * (number + 1)]:
            assert set(triplet.tolist()) <= known
        if number == 0:
            assert known == set(plan.triplets[:per_round].ravel().tolist())


def test_repeats_ask_inputs_of_their_round_or_an_earlier_one() -> None:
    plan = plan_of(settings=dataclasses.replace(SETTINGS, planes=10, canaries=40))
    asked: set[tuple[int, ...]] = set()
    later = 0
    for order in plan.schedule.rounds():
        here = {tuple(row) for row in order.tolist()}
        asked |= here
        assert plan.repeats is not None
        repeats = [tuple(plan.repeats.picks[item].tolist()) for n, item in here if n == 11]
        assert set(repeats) <= asked
        later += sum(repeat not in here for repeat in repeats)
    assert later > 5


def test_the_order_is_the_plans_and_depends_on_seed_and_samples() -> None:
    def first(**changes: Any) -> list[list[int]]:
        plan = plan_of(settings=dataclasses.replace(SETTINGS, **changes))
        order: list[list[int]] = next(plan.schedule.rounds()).tolist()
        return order

    assert first() == first()
    assert first() != first(seed=1)
    moved = next(plan_of(pictures() + np.float32(1)).schedule.rounds()).tolist()
    assert first() != moved
    assert sorted(first()) == sorted(moved)


def test_moments_follow_the_order() -> None:
    plan = plan_of(settings=dataclasses.replace(SETTINGS, planes=10, canaries=40))
    moments = plan.schedule.moments()
    sent = [tuple(row) for order in plan.schedule.rounds() for row in order.tolist()]
    told = [moments[probe][item] for probe, item in sent]
    assert told == [position / plan.queries for position in range(plan.queries)]
    assert [len(one) for one in moments] == [probe.size for probe in plan.probes]


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


def test_triplets_drawn_in_turn_use_classes_and_samples_evenly() -> None:
    classes = np.repeat(np.arange(9), 10)
    triplets = draw_in_turn(classes, 60, 0)
    by_class = np.bincount(classes[triplets].ravel(), minlength=9)
    assert by_class.tolist() == [20] * 9
    assert np.bincount(triplets.ravel(), minlength=90).tolist() == [2] * 90
    assert len({tuple(sorted(t)) for t in triplets.tolist()}) == 60
    assert draw_in_turn(classes, 20, 0).tolist() == triplets[:20].tolist()
    assert draw_in_turn(classes, 60, 1).tolist() != triplets.tolist()


def test_sixty_samples_give_hundreds_of_planes() -> None:
    classes = np.repeat(np.arange(10), 6)
    triplets = draw_in_turn(classes, 500, 0)
    assert len({tuple(sorted(t)) for t in triplets.tolist()}) == 500


def test_every_possible_triplet_can_be_drawn_in_turn() -> None:
    classes = np.array([0, 0, 1, 2, 2, 3])
    assert len(draw_in_turn(classes, 12, 0)) == 12
    with pytest.raises(SamplesError, match="allow 12 different planes and 13"):
        draw_in_turn(classes, 13, 0)


def test_each_triplet_drawn_in_turn_is_as_likely_as_any() -> None:
    classes = np.array([0, 0, 1, 2, 3])
    firsts = [tuple(sorted(draw_in_turn(classes, 1, seed)[0].tolist())) for seed in range(3000)]
    counts = Counter(firsts)
    # Four triples of classes; class 0 has two samples, so its triples come in two kinds.
    assert len(counts) == 7
    for triplet, count in counts.items():
        expected = 3000 / 4 / (2 if {0, 1} & set(triplet) else 1)
        assert abs(count - expected) < 4 * math.sqrt(expected)


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


def test_settings_that_were_not_chosen_follow_the_sampler() -> None:
    assert choose_settings({}) == choose_settings({"sampler": "frugal"}) == AuditSettings()
    assert choose_settings({"sampler": "paper"}) == AuditSettings.paper()
    assert choose_settings({"density": 9}) == AuditSettings.paper(density=9)
    assert choose_settings({"planes": 7}) == AuditSettings(planes=7)
    assert choose_settings({"sampler": "paper", "planes": 7}) == AuditSettings.paper(planes=7)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"sampler": "frugal", "density": 50}, "density is the points per side"),
        ({"sampler": "paper", "points": 8}, "points is a setting of --sampler frugal"),
        ({"sampler": "paper", "pictures": 2}, "pictures is 2, it must be from 0"),
        ({"sampler": "frugal", "pictures": 99}, "pictures is 99, it must be from 0"),
        ({"sampler": "frugal", "points": 12}, "points is 12, it must be a power of two"),
        ({"sampler": "sobol"}, "sampler is sobol, it must be 'paper' or 'frugal'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(chosen: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        choose_settings(chosen)


def test_repeats_can_be_left_out_and_change_nothing_else() -> None:
    without = plan_of(settings=dataclasses.replace(SETTINGS, canaries=0))
    assert without.repeats is without.extra_repeats is None
    assert [p.digest for p in without.probes] == [p.digest for p in plan_of().probes[:-1]]


def test_samples_that_span_no_plane_are_named() -> None:
    images = pictures()
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


def test_the_default_is_the_frugal_samplers() -> None:
    settings = AuditSettings()
    assert (settings.sampler, settings.planes, settings.points) == ("frugal", 44, 16)
    assert (settings.pictures, settings.canaries, settings.stop_early) == (0, 150, True)


def test_the_papers_settings_are_the_published_ones() -> None:
    settings = AuditSettings.paper()
    assert settings.sampler == "paper"
    assert (settings.planes, settings.density, settings.expansion) == (20, 100, 5.0)
    assert (settings.alpha, settings.ats_threshold) == (10.0, 0.5)


@pytest.mark.parametrize("settings", [AuditSettings(seed=3), AuditSettings.paper(density=9)])
def test_settings_are_read_back_from_a_record(settings: AuditSettings) -> None:
    assert AuditSettings.from_record(dataclasses.asdict(settings)) == settings


def test_a_record_without_a_sampler_has_the_papers() -> None:
    record = dataclasses.asdict(AuditSettings.paper(density=9, seed=3))
    for later in ("sampler", "points", "pictures"):
        del record[later]
    assert AuditSettings.from_record(record) == AuditSettings.paper(density=9, seed=3)
    assert AuditSettings.from_record({}) == AuditSettings.paper()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("planes", 0),
        ("planes", 10_001),
        ("planes", 2.0),
        ("planes", True),
        ("density", 1),
        ("density", 10**9),
        ("density", "100"),
        ("expansion", -0.1),
        ("expansion", math.inf),
        ("expansion", math.nan),
        ("expansion", 1e300),
        ("alpha", 0.5),
        ("alpha", math.inf),
        ("alpha", math.nan),
        ("alpha", None),
        ("ats_threshold", 0.0),
        ("ats_threshold", 1.1),
        ("ats_threshold", math.nan),
        ("seed", -1),
        ("seed", 0.5),
        ("canaries", -1),
        ("sampler", "halton"),
    ],
)
def test_a_bad_setting_is_named(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=rf"^{name} is .*, it must be "):
        AuditSettings(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("planes", 1), ("density", 2), ("expansion", 0), ("alpha", 1), ("ats_threshold", 1)],
)
def test_the_ends_of_every_range_are_allowed(name: str, value: Any) -> None:
    assert getattr(AuditSettings(**{name: value}), name) == value


def plan_with_perturbations(count: int = 60, seed: int = 0) -> AuditPlan:
    rng = np.random.default_rng(4)
    images = rng.random((count, 1, 24, 24)).astype(np.float32)
    settings = AuditSettings(planes=2, canaries=0, seed=seed, families=True)
    spec = InputSpec((1, 24, 24), (0.0,), (1.0,))
    refs = [str(number) for number in range(count)]
    return build_plan(images, np.arange(count, dtype=np.int64) % 5, refs, settings, spec)


def test_perturbations_ask_the_samples_first_and_at_most_a_thousand_perturbed_ones() -> None:
    plan = plan_with_perturbations()
    assert plan.perturbations[0].size == 60
    assert sum(probe.size for probe in plan.perturbations[1:]) <= 1000
    assert plan.perturbation_queries == sum(probe.size for probe in plan.perturbations)


def test_the_rounds_of_perturbations_name_every_input_once_and_mix_them() -> None:
    plan = plan_with_perturbations()
    rounds = list(plan.perturbation_rounds())
    order = np.concatenate(rounds)
    wanted = {(n, i) for n, probe in enumerate(plan.perturbations) for i in range(probe.size)}
    assert {(int(n), int(i)) for n, i in order} == wanted
    assert len(order) == len(wanted)
    for number, one in enumerate(rounds):
        # The unperturbed samples come first, and each perturbation in equal parts.
        counts = np.bincount(one[:, 0], minlength=len(plan.perturbations))
        assert counts[0] == (60 if number == 0 else 0)
        assert set(counts[1:].tolist()) == {plan.perturbations[1].size // len(rounds)}
        assert len(set(one[:60, 0].tolist())) > 1


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
