"""Rounds: every input once, in a random order that depends on the samples too."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from auditor.plan.plan import AuditPlan
from auditor.plan.settings import AuditSettings
from tests.auditor.plan._plans import SETTINGS, plan_of, plan_with_perturbations, twenty_images


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
    moved = next(plan_of(twenty_images() + np.float32(1)).schedule.rounds()).tolist()
    assert first() != moved
    assert sorted(first()) == sorted(moved)


def test_moments_follow_the_order() -> None:
    plan = plan_of(settings=dataclasses.replace(SETTINGS, planes=10, canaries=40))
    sent = np.concatenate(list(plan.schedule.rounds()))
    stated = plan.schedule.moments(sent).tolist()
    assert stated == [position / plan.queries for position in range(plan.queries)]
    some = [70, 3, 3, 0]  # in any order, and more than once
    assert plan.schedule.moments(sent[some]).tolist() == [place / plan.queries for place in some]


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
