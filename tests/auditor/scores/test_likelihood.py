"""The weight of an end grows with the gap between two counts, and stays finite."""

from __future__ import annotations

import math

import pytest

from auditor.scores.likelihood import likelihood_ratio


def test_the_ratio_of_two_shares() -> None:
    weight = likelihood_ratio(90, 100, 5, 100)
    assert weight.ratio == pytest.approx(90.5 / 5.5)
    assert 1.0 < weight.low < weight.ratio


def test_counts_of_zero_stay_finite() -> None:
    weight = likelihood_ratio(20, 27, 0, 28)
    assert math.isfinite(weight.ratio)
    assert 1.0 < weight.low < weight.ratio


def test_equal_shares_weigh_nothing() -> None:
    weight = likelihood_ratio(5, 20, 5, 20)
    assert weight.ratio == pytest.approx(1.0)
    assert weight.low < 1.0


def test_no_models_are_refused() -> None:
    with pytest.raises(ValueError, match="n"):
        likelihood_ratio(0, 0, 1, 2)
