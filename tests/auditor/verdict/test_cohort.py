from __future__ import annotations

import numpy as np
import pytest

from auditor.errors import UsageError
from auditor.verdict.cohort import lower_tail, rank_cohort
from auditor.verdict.profile import Reference


def _models(values: list[float]) -> list[Reference]:
    return [Reference(f"m{i}", "", re=v, ats=v, ats_by_label=v) for i, v in enumerate(values)]


def test_the_lowest_model_comes_first_and_an_obvious_one_is_flagged() -> None:
    ranks = rank_cohort(_models([1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 0.98, 0.01]))
    assert ranks[0].name == "m7"
    assert ranks[0].outlier
    assert not any(rank.outlier for rank in ranks[1:])


def test_a_high_score_is_never_suspicious() -> None:
    ranks = rank_cohort(_models([1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 0.98, 9.0]))
    assert not any(rank.outlier for rank in ranks)


def test_clean_cohorts_are_flagged_at_most_at_the_stated_rate() -> None:
    rng = np.random.default_rng(7)
    flagged = 0
    trials = 400
    for _ in range(trials):
        values = rng.normal(size=(8, 2))
        models = [
            Reference(f"m{i}", "", re=a, ats=0.0, ats_by_label=b) for i, (a, b) in enumerate(values)
        ]
        flagged += any(rank.outlier for rank in rank_cohort(models, 0.05))
    # 0.05 plus three standard errors of 400 trials.
    assert flagged / trials <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)
    assert flagged > 0, "a test that can never flag says nothing about the rate"


def test_equal_models_show_no_outlier() -> None:
    assert lower_tail(np.ones(5)).tolist() == [1.0] * 5
    assert not any(rank.outlier for rank in rank_cohort(_models([1.0] * 5)))


def test_too_few_models_and_a_bad_error_rate_are_refused() -> None:
    with pytest.raises(UsageError, match="at least 4 models"):
        rank_cohort(_models([1.0, 2.0, 3.0]))
    with pytest.raises(UsageError, match="error rate"):
        rank_cohort(_models([1.0] * 5), 1.5)
