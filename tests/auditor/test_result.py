"""Labels sorted by what was asked, and what is missing of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.synthetic import SyntheticOracle
from auditor.auditing import prepare
from auditor.engine.store import NOT_ASKED
from auditor.plan import AuditPlan, AuditSettings
from auditor.result import (
    Answers,
    canary_rate,
    class_count,
    estimates,
    mean_shares,
    sample_accuracy,
    score_planes,
    sort_answers,
)
from auditor.samples import Samples

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
    assert plan.canaries is not None
    again = [made[probe][item] for probe, item in plan.canaries.picks]
    return [*made, np.array(again, dtype="<u2")]


def test_answers_are_sorted_by_probe(plan: AuditPlan, labels: list[Labels]) -> None:
    answers = sort_answers(plan, labels)
    assert answers.samples is labels[0]
    assert [m.shape for m in answers.maps] == [(8, 8)] * 4
    # Row i along e1, column j along e2: input number i * S + j.
    assert answers.maps[2][3, 5] == labels[3][3 * 8 + 5]
    assert answers.canaries is not None
    assert answers.first is not None
    assert answers.first.tolist() == answers.canaries.tolist()


def test_flips_are_counted_among_what_was_asked_twice(
    plan: AuditPlan, labels: list[Labels]
) -> None:
    labels[-1][:3] += 1
    labels[-1][9] = NOT_ASKED
    rate = canary_rate(sort_answers(plan, labels))
    assert rate is not None
    assert (rate.rate, rate.n) == (3 / 9, 9)


def test_canaries_nobody_answered_have_no_rate(plan: AuditPlan, labels: list[Labels]) -> None:
    labels[-1][:] = NOT_ASKED
    assert canary_rate(sort_answers(plan, labels)) is None


def test_accuracy_counts_answered_samples() -> None:
    answers = Answers(np.array([0, 1, 2, NOT_ASKED], dtype="<u2"), (), None, None)
    rate = sample_accuracy(answers, np.array([0, 1, 0, 3]))
    assert rate is not None
    assert (rate.rate, rate.n) == (2 / 3, 3)
    nothing = Answers(np.full(2, NOT_ASKED, dtype="<u2"), (), None, None)
    assert sample_accuracy(nothing, np.array([0, 1])) is None


def test_an_incomplete_plane_is_not_scored(
    plan: AuditPlan, labels: list[Labels], samples: Samples
) -> None:
    labels[2][17] = NOT_ASKED
    true = np.array([int(name) for name in samples.classes])
    scores = score_planes(plan, sort_answers(plan, labels), true, 5)
    assert sorted(scores) == [0, 2, 3]
    means = estimates(scores)
    assert means["re"].n == 3
    assert means["re"].mean == pytest.approx(np.mean([s.re for s in scores.values()]))
    shares = mean_shares(scores)
    assert shares is not None
    assert shares.sum() == pytest.approx(1.0)


def test_without_a_plane_there_is_nothing_to_report() -> None:
    assert estimates({}) == {}
    assert mean_shares({}) is None


def test_labels_seen_do_not_count_what_was_not_asked() -> None:
    one = np.array([[3, NOT_ASKED]], dtype="<u2")
    assert Answers(np.array([3, 4], dtype="<u2"), (one,), None, None).distinct == 2
    assert Answers(np.array([NOT_ASKED], dtype="<u2"), (), None, None).distinct == 0


@pytest.mark.parametrize(
    ("size", "seen", "true", "count"),
    [(10, [3], [2], 10), (None, [3], [2], 4), (None, [3], [700], 701), (None, [NOT_ASKED], [2], 3)],
)
def test_the_number_of_classes(
    size: int | None, seen: list[int], true: list[int], count: int
) -> None:
    answers = Answers(np.array(seen, dtype="<u2"), (), None, None)
    assert class_count(answers, size, np.array(true)) == count


def test_more_than_256_classes_stay_apart(plan: AuditPlan, labels: list[Labels]) -> None:
    labels[1] = (np.arange(64) * 1000).astype("<u2")
    answers = sort_answers(plan, labels)
    assert answers.maps[0].max() == 63_000
    assert answers.distinct >= 64
