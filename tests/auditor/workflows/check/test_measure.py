"""``xray-audit check`` against targets with a known flaw."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import Batch, Labels, LabelSpace
from adapters.errors import InputRejected, ServerFailed
from adapters.synthetic import SyntheticOracle, nearest_prototype, synthetic_prototypes
from auditor.samples.fit import class_indices, to_model_units
from auditor.samples.samples import Samples
from auditor.workflows.check.measure import CheckResult, check_target

MakeOracle = Callable[..., SyntheticOracle]


def checked(oracle: SyntheticOracle, samples: Samples) -> CheckResult:
    images = to_model_units(samples, oracle.input_spec)
    classes, _ = class_indices(samples, oracle.label_space)
    return asyncio.run(check_target(oracle, images, classes))


class Counting:
    """Labels by nearest prototype, altered by ``change(labels, calls so far)``; counts inputs."""

    def __init__(self, change: Callable[[NDArray[np.int64], int], NDArray[np.int64]]) -> None:
        self._honest = nearest_prototype(synthetic_prototypes(1, 5, (1, 4, 4)))
        self._change = change
        self.sizes: list[int] = []

    def __call__(self, batch: Batch) -> Labels:
        self.sizes.append(len(batch))
        return self._change(self._honest(batch), len(self.sizes))


def honest(labels: NDArray[np.int64], _: int) -> NDArray[np.int64]:
    return labels


def test_a_good_target_has_no_problem(make_oracle: MakeOracle, samples: Samples) -> None:
    counting = Counting(honest)
    found = checked(make_oracle(labels_of=counting), samples)
    assert found.problems == []
    assert found.queries == sum(counting.sizes) < 100
    assert (found.accuracy.rate, found.accuracy.n) == (1.0, 20)
    assert (found.flips, found.repeats, found.label_count) == (0, 10, 5)
    assert found.labels_seen == ["0", "1", "2", "3", "4"]
    assert list(found.seconds_per_request) == [1, 4, 16, 30]
    assert found.best_batch in found.seconds_per_request
    speed = found.best_batch / found.seconds_per_request[found.best_batch]
    assert found.queries_per_second == pytest.approx(speed)


@pytest.mark.parametrize(
    ("max_batch", "sizes"), [(1, [1]), (3, [1, 3]), (5, [1, 4, 5]), (16, [1, 4, 16])]
)
def test_no_request_exceeds_the_targets_batch(
    make_oracle: MakeOracle, samples: Samples, max_batch: int, sizes: list[int]
) -> None:
    counting = Counting(honest)
    found = checked(make_oracle(labels_of=counting, max_batch=max_batch), samples)
    assert max(counting.sizes) <= max_batch
    assert list(found.seconds_per_request) == sizes
    assert found.queries == sum(counting.sizes)


def test_thousands_of_samples_cost_no_more(make_oracle: MakeOracle, samples: Samples) -> None:
    images = np.tile(to_model_units(samples, make_oracle().input_spec), (50, 1, 1, 1))
    classes = np.tile(np.repeat(np.arange(5), 4), 50)
    counting = Counting(honest)
    asyncio.run(check_target(make_oracle(labels_of=counting), images, classes))
    assert sum(counting.sizes) == 90


def test_one_label_for_everything(make_oracle: MakeOracle, samples: Samples) -> None:
    found = checked(make_oracle(labels_of=Counting(lambda labels, _: labels * 0)), samples)
    assert any("same label" in problem for problem in found.problems)


def test_wrong_classes(make_oracle: MakeOracle, samples: Samples) -> None:
    shifted = Counting(lambda labels, _: (labels + 1) % 5)
    found = checked(make_oracle(labels_of=shifted), samples)
    assert found.accuracy.rate == 0.0
    assert any("Only 0% of the samples" in problem for problem in found.problems)


def test_a_model_whose_lowest_score_wins_is_told_from_one_that_guesses(
    make_oracle: MakeOracle, samples: Samples
) -> None:
    def least_wins(labels: NDArray[np.int64], _: int) -> NDArray[np.int64]:
        return (labels + 2) % 5

    words = "A guess would be right more often"
    found = checked(make_oracle(labels_of=Counting(least_wins)), samples)
    assert any(problem.startswith(words) for problem in found.problems)
    found = checked(make_oracle(labels_of=Counting(lambda labels, _: labels * 0)), samples)
    assert found.accuracy.rate == 0.2
    assert not any(problem.startswith(words) for problem in found.problems)


def test_answers_that_change(make_oracle: MakeOracle, samples: Samples) -> None:
    drifting = Counting(lambda labels, call: labels if call <= 11 else (labels + 1) % 5)
    found = checked(make_oracle(labels_of=drifting), samples)
    assert found.flips == 10
    assert any("10 of 10 samples got another label when asked again" in p for p in found.problems)


def test_one_class_in_two_spellings_is_named_as_such(
    make_oracle: MakeOracle, samples: Samples
) -> None:
    varying = Counting(lambda labels, call: labels if call <= 11 else labels + 5)
    oracle = make_oracle(labels_of=varying)
    oracle.label_space = LabelSpace([*"abcde", *"ABCDE"])
    images = to_model_units(samples, oracle.input_spec)
    found = asyncio.run(check_target(oracle, images, np.arange(20) // 4))
    assert found.flips == 10
    assert any("the target varies how it writes a class" in p for p in found.problems)


def test_batches_answered_in_another_order(make_oracle: MakeOracle, samples: Samples) -> None:
    def reversing(labels: NDArray[np.int64], call: int) -> NDArray[np.int64]:
        return labels[::-1] if call > 21 else labels

    found = checked(make_oracle(labels_of=Counting(reversing)), samples)
    assert found.flips == 0
    assert any("inputs in one request changed their label" in p for p in found.problems)


def test_accuracy_is_measured_in_requests_that_leave_labels_alone(
    make_oracle: MakeOracle, samples: Samples
) -> None:
    counting = Counting(lambda labels, _: (labels + 1) % 5 if len(labels) > 2 else labels)
    found = checked(make_oracle(labels_of=counting), samples)
    assert found.good_batch == 2
    assert (found.accuracy.rate, found.accuracy.n) == (1.0, 20)
    assert found.missed_classes == []
    assert found.problems == found.batch_problems
    assert found.queries == sum(counting.sizes)


def test_batches_that_are_refused_are_counted(make_oracle: MakeOracle, samples: Samples) -> None:
    def refusing(labels: NDArray[np.int64], call: int) -> NDArray[np.int64]:
        if len(labels) >= 16 and call > 21:
            raise InputRejected("too many inputs")
        return labels

    counting = Counting(refusing)
    found = checked(make_oracle(labels_of=counting), samples)
    assert found.queries == sum(counting.sizes)
    assert "A request of 16 inputs failed (too many inputs): lower --batch." in found.problems
    assert list(found.seconds_per_request) == [1, 4, 10, 13, 14]


@pytest.mark.parametrize(("most", "good"), [(1, 1), (2, 2), (3, 3), (4, 4), (7, 7), (29, 16)])
@pytest.mark.parametrize("wrong", [False, True])
def test_the_largest_request_that_does_well_is_found(
    make_oracle: MakeOracle, samples: Samples, most: int, good: int, *, wrong: bool
) -> None:
    def limited(labels: NDArray[np.int64], call: int) -> NDArray[np.int64]:
        if len(labels) <= most or call <= 21:
            return labels
        if wrong:
            return (labels + 1) % 5
        raise ServerFailed("failed (HTTP 500)")

    counting = Counting(limited)
    found = checked(make_oracle(labels_of=counting), samples)
    assert found.good_batch == good
    assert len(found.batch_problems) == 1
    assert found.queries == sum(counting.sizes) < 100
