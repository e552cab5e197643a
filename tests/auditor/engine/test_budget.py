"""The query budget: charged before each send, never exceeded by one, over all runs."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.errors import AdapterError, InputRejected, RetryAdvice, ServerFailed, Unreachable
from auditor.engine import run as engine_run
from auditor.engine.budgets import QueryBudget
from auditor.errors import AuditError

PLAN = tuple(float(i) for i in range(60))


def stumbling(seed: int, share: float) -> Any:
    """A target that refuses large requests, which are no queries, and fails some of the others."""
    rng = random.Random(seed)

    async def script(oracle: Any, batch: NDArray[np.float32]) -> None:
        if len(batch) > 5:
            oracle.asked.subtract(batch[:, 0, 0, 0].tolist())
            raise InputRejected("too many", RetryAdvice("too-large"))
        if rng.random() < share:
            raise ServerFailed("hiccup", RetryAdvice("transient"))

    return script


@pytest.mark.parametrize("cap", [1, 7, 59])
def test_the_cap_is_used_up_and_not_exceeded(lab: Any, cap: int) -> None:
    oracle = lab.Oracle(max_batch=8)
    result = lab.run([lab.Probe(PLAN)], oracle, max_queries=cap)
    assert oracle.queries == result.ledger.sent == cap
    assert result.budget_reached
    assert not result.complete
    assert not result.stopped


def test_a_cap_that_just_suffices_is_not_reached(lab: Any) -> None:
    result = lab.run([lab.Probe(PLAN)], lab.Oracle(), max_queries=60)
    assert result.complete
    assert not result.budget_reached


def test_a_larger_budget_goes_on_where_the_smaller_one_ended(lab: Any) -> None:
    first, second = lab.Oracle(), lab.Oracle()
    lab.run([lab.Probe(PLAN)], first, max_queries=25)
    result = lab.run([lab.Probe(PLAN)], second, max_queries=60)
    assert result.complete
    assert not result.budget_reached
    assert (first.queries, second.queries) == (25, 35)
    assert result.ledger.sent_all_runs == 60


def test_an_equal_budget_buys_nothing_more(lab: Any) -> None:
    lab.run([lab.Probe(PLAN)], lab.Oracle(), max_queries=25)
    oracle = lab.Oracle()
    assert lab.run([lab.Probe(PLAN)], oracle, max_queries=25).budget_reached
    assert not oracle.calls


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("built", ["inline", "in a thread"])
def test_no_failure_makes_all_runs_exceed_the_cap(
    lab: Any, seed: int, built: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if built == "in a thread":
        monkeypatch.setattr(engine_run, "INLINE_BYTES", 0)
    cap, seen = 70 + seed, 0
    for run in range(6):
        oracle = lab.Oracle(stumbling(seed * 10 + run, 0.3), max_batch=16, clock=lab.FakeClock())
        try:
            result = lab.run([lab.Probe(PLAN)], oracle, max_queries=min(cap, 20 * (run + 1)))
        except (AdapterError, AuditError):
            result = None
        seen += oracle.queries
        totals = lab.totals()
        assert totals["sent"] == seen <= min(cap, 20 * (run + 1))
        if result is not None:
            assert result.complete != result.budget_reached
            assert result.ledger.sent == oracle.queries


def test_a_retry_that_cannot_be_paid_ends_the_run_without_an_error(lab: Any) -> None:
    async def down(_: Any, __: NDArray[np.float32]) -> None:
        raise Unreachable("no connection", RetryAdvice("transient"))

    oracle = lab.Oracle(down, clock=lab.FakeClock())
    result = lab.run([lab.Probe(PLAN)], oracle, max_queries=20, concurrency=8)
    assert result.budget_reached
    assert not result.complete
    assert oracle.queries <= 20


def test_what_never_left_is_not_charged_and_its_budget_is_there_for_others(lab: Any) -> None:
    rng = random.Random(4)
    unsent: list[int] = []

    async def script(oracle: Any, batch: NDArray[np.float32]) -> None:
        if rng.random() < 0.3 and len(unsent) < 12:
            unsent.append(len(batch))
            raise Unreachable("no connection", RetryAdvice("transient", unsent=True))
        if len(oracle.calls) - len(unsent) in {5, 9}:
            raise ServerFailed("hiccup", RetryAdvice("transient"))

    oracle = lab.Oracle(script, clock=lab.FakeClock())
    result = lab.run([lab.Probe(PLAN)], oracle, max_queries=68)
    assert len(unsent) > 3
    assert result.complete
    assert not result.budget_reached
    left = oracle.queries - sum(unsent)
    assert result.ledger.sent == lab.totals()["sent"] == left == 68
    assert result.ledger.requests == lab.totals()["requests"] == len(oracle.calls) - len(unsent)
    assert result.ledger.retried == lab.totals()["retried"] == 8
    assert lab.totals()["unknown"] == 0


def test_a_target_that_no_connection_reaches_costs_nothing_and_is_given_up(lab: Any) -> None:
    async def down(_: Any, __: NDArray[np.float32]) -> None:
        raise Unreachable("no connection", RetryAdvice("transient", unsent=True))

    oracle = lab.Oracle(down, clock=lab.FakeClock())
    with pytest.raises(Unreachable, match="no connection"):
        lab.run([lab.Probe(PLAN)], oracle, max_queries=60)
    assert 1 < len(oracle.calls) < 40
    assert lab.totals() == {"sent": 0, "requests": 0, "retried": 0, "unknown": 0}
    assert lab.run([lab.Probe(PLAN)], lab.Oracle(), max_queries=60).complete


def test_only_the_halves_of_a_request_that_was_too_large_are_charged(lab: Any) -> None:
    oracle = lab.Oracle(stumbling(0, 0.0), max_batch=20)
    result = lab.run([lab.Probe(PLAN[:20])], oracle, concurrency=1)
    assert result.labels[0].tolist() == lab.truth(PLAN[:20])
    # 20 at once, ten, and fives from then on.
    assert [n for _, n in oracle.calls] == [20, 10, 5, 5, 5, 5]
    assert result.ledger.sent == 20
    assert result.ledger.retried == 0
    assert result.ledger.requests == 4


def test_later_requests_keep_to_the_size_that_worked(lab: Any) -> None:
    oracle = lab.Oracle(stumbling(0, 0.0), max_batch=20)
    lab.run([lab.Probe(PLAN)], oracle, concurrency=1)
    assert [n for _, n in oracle.calls[6:]] == [5] * 8


def test_one_input_that_is_too_large_ends_the_run(lab: Any) -> None:
    async def never(_: Any, __: NDArray[np.float32]) -> None:
        raise InputRejected("too large", RetryAdvice("too-large"))

    oracle = lab.Oracle(never, max_batch=4)
    with pytest.raises(InputRejected, match="too large"):
        lab.run([lab.Probe(PLAN)], oracle, concurrency=1)
    assert [n for _, n in oracle.calls] == [4, 2, 1]


def test_all_or_nothing_leaves_no_charge_behind() -> None:
    budget = QueryBudget(10, spent=4)
    assert not budget.take_all(7)
    assert budget.spent == 4
    assert budget.reached
    assert budget.take_all(6)
    assert budget.take(1) == 0
    assert QueryBudget(None).take(10**9) == 10**9
