"""Deciding early: how often comparisons at every step err, and how soon they end."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from auditor.scores.sequential_test import EarlyRule, decide_side

RULE = EarlyRule(threshold=0.5, low=0.0, high=1.0, error=0.05)
Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]

AT_THE_THRESHOLD: dict[str, Draw] = {
    "spread": lambda rng, n: rng.random(n),
    "near": lambda rng, n: rng.beta(40, 40, n),
    "coins": lambda rng, n: rng.integers(0, 2, n).astype(np.float64),
    "skewed": lambda rng, n: np.where(rng.random(n) < 0.9, 4 / 9, 1.0),
}


@pytest.mark.parametrize("name", AT_THE_THRESHOLD)
def test_comparing_after_every_value_errs_no_more_often_than_stated(name: str) -> None:
    rng = np.random.default_rng(0)
    ended = [decide_side(AT_THE_THRESHOLD[name](rng, 200).tolist(), RULE) for _ in range(500)]
    # A mean at the threshold is the hardest case: either side is an error.
    assert sum(side is not None for side in ended) / 500 <= 0.05 + 3 * 0.0098


def test_comparing_often_with_a_fixed_interval_errs() -> None:
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(200):
        values = rng.random(200)
        numbers = np.arange(5, 201)
        sums, squares = np.cumsum(values)[4:], np.cumsum(values**2)[4:]
        means = sums / numbers
        errors = np.sqrt((squares / numbers - means**2) / (numbers - 1))
        wrong += bool((np.abs(means - 0.5) > stats.t.ppf(0.975, numbers - 1) * errors).any())
    assert wrong / 200 > 0.2


@pytest.mark.parametrize(("mean", "side"), [(0.75, "above"), (0.25, "below")])
def test_a_clear_case_ends_early_and_on_the_right_side(mean: float, side: str) -> None:
    rng = np.random.default_rng(1)
    sides, lengths = [], []
    for _ in range(100):
        values = np.clip(rng.normal(mean, 0.15, 100), 0, 1).tolist()
        sides.append(decide_side(values, RULE))
        lengths.append(next(n for n in range(1, 101) if decide_side(values[:n], RULE)))
    assert set(sides) == {side}
    assert np.median(lengths) <= 20


def test_a_decision_stays_whatever_comes_after_it() -> None:
    values = [0.9] * 40
    first = next(n for n in range(41) if decide_side(values[:n], RULE) == "above")
    assert decide_side(values[:first] + [0.0] * 200, RULE) == "above"


def test_a_smaller_error_takes_longer() -> None:
    def length(error: float) -> int:
        rule = EarlyRule(0.5, 0.0, 1.0, error)
        return next(n for n in range(500) if decide_side([0.8, 0.7] * (n // 2), rule))

    assert length(0.1) < length(0.01) < length(0.0001)


def test_values_and_thresholds_in_other_units_decide_alike() -> None:
    rng = np.random.default_rng(2)
    values = rng.beta(5, 3, 60)
    other = EarlyRule(-1.0, -11.0, 9.0, 0.05)
    for n in range(60):
        here = decide_side(values[:n].tolist(), RULE)
        assert decide_side((values[:n] * 20 - 11).tolist(), other) == here


def test_a_threshold_that_no_mean_can_cross_decides_nothing() -> None:
    assert decide_side([0.0] * 500, EarlyRule(0.0, 0.0, 1.0)) is None
    assert decide_side([1.0] * 500, EarlyRule(1.2, 0.0, 1.0)) is None
    assert decide_side([], RULE) is None


@pytest.mark.parametrize(
    ("low", "high", "error", "words"),
    [(1.0, 1.0, 0.1, "leave nothing"), (0.0, 1.0, 0.0, "between"), (0.0, 1.0, 1.0, "between")],
)
def test_a_rule_without_sense_is_refused(low: float, high: float, error: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        EarlyRule(0.5, low, high, error)
