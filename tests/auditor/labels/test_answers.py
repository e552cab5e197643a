"""Labels sorted by what was asked, and what is missing of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.synthetic import SyntheticOracle
from auditor.engine.store import NOT_ASKED
from auditor.labels.answers import Answers
from auditor.plan.plan import AuditPlan
from auditor.plan.settings import AuditSettings
from auditor.samples.samples import Samples
from auditor.workflows.prepare import prepare

MakeOracle = Callable[..., SyntheticOracle]
Labels = NDArray[np.uint16]


@pytest.fixture
def plan(make_oracle: MakeOracle, samples: Samples, settings: AuditSettings) -> AuditPlan:
    return prepare(make_oracle(), samples, settings).plan


@pytest.fixture
def labels(plan: AuditPlan) -> list[Labels]:
    """Seeded labels of every probe; canaries repeat the first answer."""
    rng = np.random.default_rng(8)
    made = [rng.integers(0, 5, probe.size).astype("<u2") for probe in plan.probes[:-1]]
    assert plan.repeats is not None
    again = [made[probe][item] for probe, item in plan.repeats.picks]
    return [*made, np.array(again, dtype="<u2")]


def test_answers_are_sorted_by_probe(plan: AuditPlan, labels: list[Labels]) -> None:
    answers = Answers.of_labels(plan, labels)
    assert answers.samples is labels[0]
    assert [m.tolist() for m in answers.planes] == [one.tolist() for one in labels[1:17]]
    assert answers.repeated is not None
    first, second = answers.repeated
    assert first.tolist() == second.tolist()


def test_answers_of_the_papers_grid_are_maps(make_oracle: MakeOracle, samples: Samples) -> None:
    settings = AuditSettings.paper(planes=4, density=8, canaries=0)
    plan = prepare(make_oracle(), samples, settings).plan
    labels = [np.arange(probe.size).astype("<u2") for probe in plan.probes]
    answers = Answers.of_labels(plan, labels)
    assert [m.shape for m in answers.planes] == [(8, 8)] * 4
    # Row i along e1, column j along e2: input number i * S + j.
    assert answers.planes[2][3, 5] == labels[3][3 * 8 + 5]


def test_flips_are_counted_among_what_was_asked_twice(
    plan: AuditPlan, labels: list[Labels]
) -> None:
    labels[-1][:3] += 1
    labels[-1][9] = NOT_ASKED
    rate = Answers.of_labels(plan, labels).flip_rate()
    assert rate is not None
    assert (rate.rate, rate.n) == (3 / 9, 9)


def test_canaries_nobody_answered_have_no_rate(plan: AuditPlan, labels: list[Labels]) -> None:
    labels[-1][:] = NOT_ASKED
    assert Answers.of_labels(plan, labels).flip_rate() is None


def test_accuracy_counts_answered_samples(
    plan: AuditPlan, labels: list[Labels], samples: Samples
) -> None:
    true = np.array([int(name) for name in samples.classes])
    labels[0] = true[plan.used].astype("<u2")
    labels[0][1] += 1
    labels[0][3:] = NOT_ASKED
    rate = Answers.of_labels(plan, labels).accuracy(true)
    assert rate is not None
    assert (rate.rate, rate.n) == (2 / 3, 3)
    labels[0][:] = NOT_ASKED
    assert Answers.of_labels(plan, labels).accuracy(true) is None


def answered(plan: AuditPlan, seen: list[int]) -> Answers:
    """Answers that hold the labels ``seen`` among the samples, and nothing else."""
    labels = [np.full(probe.size, NOT_ASKED, dtype="<u2") for probe in plan.probes]
    labels[0][: len(seen)] = seen
    return Answers.of_labels(plan, labels)


def test_labels_seen_do_not_count_what_was_not_asked(plan: AuditPlan) -> None:
    assert answered(plan, [3, 4]).distinct == 2
    assert answered(plan, []).distinct == 0


@pytest.mark.parametrize(
    ("size", "seen", "true", "count"),
    [(10, [3], [2], 10), (None, [3], [2], 4), (None, [3], [700], 701), (None, [], [2], 3)],
)
def test_the_number_of_classes(
    plan: AuditPlan, size: int | None, seen: list[int], true: list[int], count: int
) -> None:
    assert answered(plan, seen).class_count(size, np.array(true)) == count


def test_more_than_256_classes_stay_apart(plan: AuditPlan, labels: list[Labels]) -> None:
    labels[1] = (np.arange(16) * 1000).astype("<u2")
    answers = Answers.of_labels(plan, labels)
    assert answers.planes[0].max() == 15_000
    assert answers.distinct >= 16
