"""Successes without labels: repeated a few times, counted, and ended as soon as they are many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.errors import BadReply, RetryAdvice
from auditor.engine.odd_replies import FIRST_SENDS, FLOOR, MOST_SENDS, OddRepliesError

PLAN = tuple(float(i) for i in range(200))


def odd_on(calls: set[int]) -> Any:
    """A target whose calls with these numbers (from 1) are answered without labels."""

    async def script(oracle: Any, _: NDArray[np.float32]) -> None:
        if len(oracle.calls) in calls:
            error = BadReply("it says: maintenance", RetryAdvice("odd"))
            error.status = "200 without labels"
            raise error

    return script


@pytest.mark.parametrize("calls", [{1}, {5}, {5, 6}, {5, 6, 7}, {3, 9, 15, 21, 27}])
def test_a_lone_odd_reply_is_repeated_and_counted(lab: Any, calls: set[int]) -> None:
    oracle = lab.Oracle(odd_on(calls), clock=lab.FakeClock())
    result = lab.run([lab.Probe(PLAN)], oracle, concurrency=1)
    assert result.labels[0].tolist() == lab.truth(PLAN)
    assert result.ledger.by_status["200 without labels"] == len(calls)
    assert result.ledger.retried == 4 * len(calls)
    assert result.ledger.sent == len(PLAN) + result.ledger.retried
    assert lab.totals()["unknown"] == 0


def test_one_request_that_is_always_odd_ends_the_audit(lab: Any) -> None:
    oracle = lab.Oracle(odd_on(set(range(5, 100))), clock=lab.FakeClock())
    with pytest.raises(OddRepliesError, match=f"{MOST_SENDS} times .*maintenance"):
        lab.run([lab.Probe(PLAN)], oracle, concurrency=1)
    assert len(oracle.calls) == 4 + MOST_SENDS


def test_a_target_that_never_gave_a_label_is_asked_less_often(lab: Any) -> None:
    oracle = lab.Oracle(odd_on(set(range(100))), clock=lab.FakeClock())
    with pytest.raises(OddRepliesError, match="maintenance"):
        lab.run([lab.Probe(PLAN)], oracle, concurrency=1)
    # The request, and then one of its inputs alone.
    assert [n for _, n in oracle.calls] == FIRST_SENDS * [4] + FIRST_SENDS * [1]


def test_many_odd_replies_are_a_pattern(lab: Any) -> None:
    oracle = lab.Oracle(odd_on(set(range(2, 400, 2))), clock=lab.FakeClock())
    with pytest.raises(OddRepliesError, match="answers held no usable labels") as caught:
        lab.run([lab.Probe(PLAN)], oracle, concurrency=1)
    assert str(caught.value).count("\n") == 0
    assert FLOOR < len(oracle.calls) < 40


def test_a_repeat_is_charged_to_the_budget(lab: Any) -> None:
    oracle = lab.Oracle(odd_on({2}), clock=lab.FakeClock())
    result = lab.run([lab.Probe(PLAN)], oracle, concurrency=1, max_queries=20)
    assert result.budget_reached
    assert (oracle.queries, result.ledger.sent) == (20, 20)
