from __future__ import annotations

import pytest

from auditor.measured import NullCell, trigger_null
from auditor.probes.trigger_search.judge import (
    FEW_TO_CHOOSE,
    accusing,
    beyond,
    logit,
    natural,
    p_value,
    unconfirmed,
)
from auditor.probes.trigger_search.result import TriggerFinding
from auditor.probes.trigger_search.search import KEYS
from auditor.probes.trigger_search.verify import Interval, exact_interval


def test_exact_intervals_agree_with_tables() -> None:
    one = exact_interval(30, 30, 0.95)
    assert (round(one.low, 4), one.high) == (0.8843, 1.0)
    assert exact_interval(0, 0, 0.95).rate == 0.0
    half = exact_interval(10, 20, 0.95)
    assert (round(half.low, 3), round(half.high, 3)) == (0.272, 0.728)


def test_more_success_and_more_images_are_more_surprising() -> None:
    cell = NullCell(-2.5, 0.5, 20, 0.3)
    p = [p_value(exact_interval(hits, 60, 0.95), cell) for hits in (10, 30, 50, 60)]
    assert p == sorted(p, reverse=True)
    assert p_value(exact_interval(12, 12, 0.95), cell) > p[-1]


def test_few_clean_models_make_the_judgement_cautious() -> None:
    success = exact_interval(55, 60, 0.95)
    few, many = NullCell(-2.5, 0.5, 3, 0.3), NullCell(-2.5, 0.5, 30, 0.3)
    assert p_value(success, few) > 5 * p_value(success, many)


def test_the_spread_has_a_lower_limit() -> None:
    success = exact_interval(40, 60, 0.95)
    assert p_value(success, NullCell(-2.5, 0.01, 20, 0.1)) == pytest.approx(
        p_value(success, NullCell(-2.5, 0.8, 20, 0.1))
    )


def test_hopeless_rates_count_alike() -> None:
    assert logit(0.0) == logit(0.03) < logit(0.1)


def test_weak_success_is_natural_whatever_the_null() -> None:
    assert natural("patch@sources", exact_interval(70, 100, 0.95))
    assert not natural("patch", exact_interval(95, 100, 0.95))
    assert natural("blend@strong", exact_interval(100, 100, 0.95))


def test_a_success_is_beyond_clean_models_only_with_room_to_spare() -> None:
    cell = NullCell(-2.9, 0.1, 70, 0.5)
    assert not beyond(exact_interval(60, 100, 0.95), cell)
    assert beyond(exact_interval(75, 100, 0.95), cell)
    assert not beyond(exact_interval(100, 100, 0.95), NullCell(-2.9, 0.1, 70, 0.99))


def test_the_shipped_null_covers_every_key() -> None:
    assert set(trigger_null()) == set(KEYS)
    assert all(cell.models >= 10 for cell in trigger_null().values())


def test_a_patch_for_classes_that_the_search_chose_of_many_wants_another_finding() -> None:
    all_of_some, some_of_all = exact_interval(32, 32, 0.95), exact_interval(45, 58, 0.95)
    assert accusing("patch@sources", all_of_some, 1e-8, 13)
    assert not accusing("patch", some_of_all, 1e-8, 13)
    assert not accusing("patch", all_of_some, 0.01, 13)

    def found(key: str, success: Interval, labels: int = 43) -> TriggerFinding:
        sources = dict.fromkeys(range(labels), success)
        return TriggerFinding(
            "patch", key, 1, 5, 255.0, (3, 4), success, success, sources, 1.0, None, 1e-8
        )

    alone, beside = found("patch@sources", all_of_some), found("patch", some_of_all)
    assert unconfirmed([alone, beside], 13, 0.0, FEW_TO_CHOOSE) == [alone]
    assert not unconfirmed(
        [alone, beside, found("field@weak", all_of_some)], 13, 0.0, FEW_TO_CHOOSE
    )
    assert not unconfirmed(
        [found("patch@sources", all_of_some, 10), beside], 13, 0.0, FEW_TO_CHOOSE
    )
    assert not unconfirmed([found("patch", all_of_some)], 13, 0.0, FEW_TO_CHOOSE)
    few = found("patch@sources", all_of_some, 10)
    assert unconfirmed([few, beside], 13, 0.0, 0) == [few]
