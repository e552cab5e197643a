"""Retries, pauses, failures for good, and stopping; on a clock that needs no waiting."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import PaceHint
from adapters.errors import (
    AccessDenied,
    BadReply,
    EndpointError,
    InputRejected,
    RetryAdvice,
    ServerFailed,
    Throttled,
    Unreachable,
)
from auditor.engine.engine import QueryEngine
from auditor.engine.patience import ComeBackError, OutageError
from auditor.engine.progress import Progress
from auditor.engine.store import NOT_ASKED, LabelStore

PLAN = tuple(float(i) for i in range(60))
HICCUP = RetryAdvice("transient")


def fails_on(calls: set[int], error: type[EndpointError], advice: RetryAdvice) -> Any:
    """A target whose calls with these numbers (from 1) fail."""

    async def script(oracle: Any, _: NDArray[np.float32]) -> None:
        if len(oracle.calls) in calls:
            raise error("the target failed", advice)

    return script


def always(error: type[EndpointError], advice: RetryAdvice) -> Any:
    return fails_on(set(range(1, 100_000)), error, advice)


# ---- retries -----------------------------------------------------------------------------------


def test_a_passing_failure_is_retried_after_a_growing_pause(lab: Any) -> None:
    oracle = lab.Oracle(fails_on({1, 2, 3}, ServerFailed, HICCUP), clock=lab.FakeClock())
    result = lab.run([lab.Probe(PLAN[:4])], oracle, concurrency=1, backoff_s=1.0)
    assert result.labels[0].tolist() == lab.truth(PLAN[:4])
    assert (result.ledger.sent, result.ledger.retried, result.ledger.requests) == (16, 12, 4)
    times = [at for at, _ in oracle.calls]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert all(
        longest / 2 <= pause <= longest
        for longest, pause in zip([1.0, 2.0, 4.0], pauses, strict=True)
    )


def test_attempts_are_capped(lab: Any) -> None:
    oracle = lab.Oracle(always(ServerFailed, HICCUP), clock=lab.FakeClock())
    with pytest.raises(ServerFailed, match="the target failed"):
        lab.run([lab.Probe(PLAN[:4])], oracle, concurrency=1, attempts=3)
    assert len(oracle.calls) == 3
    assert lab.totals() == {"sent": 12, "requests": 3, "retried": 8, "unknown": 0}


@pytest.mark.parametrize("error", [AccessDenied, BadReply])
def test_a_failure_for_good_is_not_retried(lab: Any, error: type[EndpointError]) -> None:
    oracle = lab.Oracle(always(error, RetryAdvice("never")))
    with pytest.raises(error):
        lab.run([lab.Probe(PLAN)], oracle, concurrency=1)
    assert len(oracle.calls) == 1


@pytest.mark.parametrize("concurrency", [1, 2, 8, 40])
@pytest.mark.parametrize("kind", ["throttled", "outage"])
def test_a_dead_target_costs_a_tenth_more_than_the_plan_at_most_and_ends_with_the_patience(
    lab: Any, concurrency: int, kind: Any
) -> None:
    clock = lab.FakeClock()
    oracle = lab.Oracle(always(Throttled, RetryAdvice(kind)), max_batch=1, clock=clock)
    with pytest.raises(OutageError, match=r"for 30 s, and --patience is 30 s.*the target failed"):
        lab.run([lab.Probe(PLAN)], oracle, concurrency=concurrency, patience_s=30.0)
    assert oracle.queries <= 0.25 * len(PLAN)
    assert clock.time == pytest.approx(1030.0)
    assert lab.totals()["sent"] == oracle.queries


@pytest.mark.parametrize("advice", [HICCUP, RetryAdvice("outage", unsent=True)])
def test_what_may_be_the_requests_fault_is_asked_eight_times_by_however_many_workers(
    lab: Any, advice: RetryAdvice
) -> None:
    clock = lab.FakeClock()
    oracle = lab.Oracle(always(ServerFailed, advice), max_batch=1, clock=clock)
    with pytest.raises(ServerFailed):
        lab.run([lab.Probe(PLAN)], oracle, concurrency=40)
    assert 8 <= len(oracle.calls) <= 12
    # Seven pauses of 10 s at most; they are random.
    assert clock.time < 1070.0


def test_a_target_dead_from_the_middle_on_costs_as_little(lab: Any) -> None:
    clock = lab.FakeClock()
    dead = fails_on(set(range(300, 10_000)), Throttled, RetryAdvice("throttled"))
    oracle = lab.Oracle(dead, max_batch=1, clock=clock)
    with pytest.raises(OutageError):
        lab.run([lab.Probe(tuple(float(i) for i in range(2000)))], oracle)
    assert len(oracle.calls) <= 360
    assert clock.time < 1000.0 + 301


@pytest.mark.parametrize(
    "advice",
    [
        RetryAdvice("outage", unsent=True),
        RetryAdvice("outage", outcome_unknown=True),
        RetryAdvice("gone"),
        RetryAdvice("throttled"),
        RetryAdvice("transient", retry_after_s=5.0),
    ],
)
def test_an_outage_in_mid_run_is_waited_for_whatever_its_face(
    lab: Any, advice: RetryAdvice
) -> None:
    async def script(oracle: Any, _: NDArray[np.float32]) -> None:
        await oracle.clock.sleep(0.1)
        if 1002.0 <= oracle.clock.time < 1222.0:
            raise ServerFailed("away", advice)

    oracle = lab.Oracle(script, max_batch=1, clock=lab.FakeClock())
    notes: list[str] = []
    plan = tuple(float(i) for i in range(120))
    result = lab.run([lab.Probe(plan)], oracle, progress=Notes(notes), concurrency=2)
    assert result.labels[0].tolist() == lab.truth(plan)
    assert oracle.clock.time < 1222.0 + 30.0
    assert result.ledger.requests <= len(plan) + 60
    assert any("asking again for up to 5 min (--patience)" in note for note in notes)


def test_a_request_that_alone_fails_while_others_are_answered_is_at_fault(lab: Any) -> None:
    async def script(oracle: Any, batch: NDArray[np.float32]) -> None:
        await oracle.clock.sleep(1.0)
        if batch[0, 0, 0, 0] == 7.0:
            raise Unreachable("the connection broke", RetryAdvice("outage", outcome_unknown=True))

    oracle = lab.Oracle(script, max_batch=1, clock=lab.FakeClock())
    plan = tuple(float(i) for i in range(400))
    with pytest.raises(Unreachable):
        lab.run([lab.Probe(plan)], oracle, concurrency=3)
    assert oracle.asked[7.0] <= 10


def test_a_target_that_fails_more_often_than_not_is_given_up(lab: Any) -> None:
    async def script(oracle: Any, batch: NDArray[np.float32]) -> None:
        if oracle.asked[batch[0, 0, 0, 0]] % 4:
            raise ServerFailed("the target failed", HICCUP)

    oracle = lab.Oracle(script, max_batch=1, clock=lab.FakeClock())
    said = r"the target failed; \d+ such failures beside \d+ answers are no chance, so the run ends"
    with pytest.raises(ServerFailed, match=said):
        lab.run([lab.Probe(PLAN)], oracle, concurrency=1)
    assert len(oracle.calls) < len(PLAN)


def test_attempts_that_the_user_states_cap_every_kind_of_failure(lab: Any) -> None:
    oracle = lab.Oracle(always(Throttled, RetryAdvice("throttled")), clock=lab.FakeClock())
    with pytest.raises(Throttled):
        lab.run([lab.Probe(PLAN[:4])], oracle, concurrency=1, attempts=2)
    assert len(oracle.calls) == 2


def test_every_tenth_request_throttled_costs_little(lab: Any) -> None:
    rng = random.Random(5)

    async def busy(_: Any, __: NDArray[np.float32]) -> None:
        if rng.random() < 0.1:
            raise Throttled("slow down", RetryAdvice("throttled"))

    oracle = lab.Oracle(busy, max_batch=1, clock=lab.FakeClock())
    plan = tuple(float(i) for i in range(2500))
    result = lab.run([lab.Probe(plan)], oracle)
    assert result.labels[0].tolist() == lab.truth(plan)
    assert oracle.queries <= 1.15 * len(plan)
    assert result.ledger.sent - result.ledger.retried == len(plan)
    assert result.ledger.throttled == result.ledger.retried


def test_inputs_refused_for_their_size_were_not_sent(lab: Any) -> None:
    async def script(_: Any, batch: NDArray[np.float32]) -> None:
        if len(batch) > 2:
            raise InputRejected("too large", RetryAdvice("too-large"))

    oracle = lab.Oracle(script, max_batch=16)
    result = lab.run([lab.Probe(PLAN)], oracle, max_queries=len(PLAN))
    assert result.labels[0].tolist() == lab.truth(PLAN)
    assert (result.ledger.sent, result.ledger.retried) == (len(PLAN), 0)
    answered = sum(size <= 2 for _, size in oracle.calls)
    assert lab.totals() == {"sent": 60, "requests": answered, "retried": 0, "unknown": 0}


# ---- pauses --------------------------------------------------------------------------------------


def test_retry_after_pauses_all_workers(lab: Any) -> None:
    advice = RetryAdvice("throttled", retry_after_s=40.0)
    oracle = lab.Oracle(fails_on({5}, Throttled, advice), max_batch=1, clock=lab.FakeClock())
    notes: list[str] = []
    result = lab.run([lab.Probe(PLAN)], oracle, progress=Notes(notes), concurrency=4)
    assert result.complete
    at = oracle.calls[4][0]
    # What was in flight beside the refused request had left before the refusal was known.
    assert all(when == at or when >= at + 40.0 for when, _ in oracle.calls[4:])
    assert sum(when >= at + 40.0 for when, _ in oracle.calls) > 50
    assert notes == ["The target asks for a pause of 40 s."]


def test_a_pause_longer_than_a_run_waits_ends_it_at_once(lab: Any) -> None:
    clock = lab.FakeClock()
    advice = RetryAdvice("throttled", retry_after_s=1e10)
    oracle = lab.Oracle(always(Throttled, advice), clock=clock)
    with pytest.raises(ComeBackError, match="in more than a year, and --patience is 5 min: run"):
        lab.run([lab.Probe(PLAN)], oracle)
    assert clock.time == 1000.0
    assert len(oracle.calls) <= 2


def test_a_quota_ends_the_run_with_the_time_it_comes_back_and_the_same_run_goes_on_then(
    lab: Any,
) -> None:
    clock, left = lab.FakeClock(), 25

    async def script(_: Any, batch: NDArray[np.float32]) -> None:
        nonlocal left
        if left < len(batch):
            advice = RetryAdvice("throttled", retry_after_s=1026.0 + 6 * 3600 - clock.time)
            raise Throttled("the day's quota is used up", advice)
        left -= len(batch)

    oracle = lab.Oracle(script, max_batch=1, clock=clock)
    back = r"quota is used up; its quota comes back at 1970-01-01 06:17:06 UTC \(in 6 h 1 s\)"
    with pytest.raises(ComeBackError, match=back):
        lab.run([lab.Probe(PLAN)], oracle, requests_per_s=1.0)
    clock.time, left = 1026.0 + 6 * 3600, 1000
    result = lab.run([lab.Probe(PLAN)], oracle)
    assert result.labels[0].tolist() == lab.truth(PLAN)
    assert result.ledger.cached == 25
    assert all(count == 1 for value, count in oracle.asked.items() if value < 25)
    assert oracle.queries <= len(PLAN) + 2


def test_an_exhausted_quota_pauses_until_its_reset(lab: Any) -> None:
    hints = [PaceHint(1, 100.0), PaceHint(0, 25.0), None]
    oracle = lab.Oracle(hints=hints, clock=lab.FakeClock())
    assert lab.run([lab.Probe(PLAN[:12])], oracle, concurrency=1).complete
    assert [at for at, _ in oracle.calls] == [1000.0, 1000.0, 1025.0]


def test_a_quota_hint_cannot_stall_a_run_for_days(lab: Any) -> None:
    oracle = lab.Oracle(hints=[PaceHint(0, 1e9)], clock=lab.FakeClock())
    assert lab.run([lab.Probe(PLAN[:8])], oracle, concurrency=1).complete
    assert oracle.calls[1][0] == 1000.0


def test_throttling_halves_what_is_in_flight_retries_included(lab: Any) -> None:
    throttled_at = 60

    async def script(oracle: Any, _: NDArray[np.float32]) -> None:
        refuse = throttled_at <= len(oracle.calls) < throttled_at + 8
        await oracle.clock.sleep(5.0)
        if refuse:
            raise Throttled("slow down", RetryAdvice("throttled"))

    oracle = lab.Oracle(script, max_batch=1, clock=lab.FakeClock())
    plan = tuple(float(i) for i in range(110))
    assert lab.run([lab.Probe(plan)], oracle, concurrency=8).complete
    assert max(oracle.peaks[:throttled_at]) == 8
    after = oracle.peaks[throttled_at + 16 :]
    assert max(after[:8]) <= 5
    assert max(after) <= 8


# ---- what is kept and what is unknown ----------------------------------------------------------


def test_a_failure_drains_the_others_and_keeps_their_labels(lab: Any) -> None:
    async def script(oracle: Any, batch: NDArray[np.float32]) -> None:
        if batch[0, 0, 0, 0] == 40.0:
            await oracle.clock.sleep(1.0)
            raise AccessDenied("the key was revoked")
        await oracle.clock.sleep(10.0)

    oracle = lab.Oracle(script, max_batch=1, clock=lab.FakeClock())
    with pytest.raises(AccessDenied):
        lab.run([lab.Probe(PLAN)], oracle, concurrency=4)
    resumed = lab.Oracle()
    result = lab.run([lab.Probe(PLAN)], resumed)
    assert result.ledger.cached == oracle.queries - 1
    assert lab.totals()["unknown"] == 0


def test_the_first_failure_in_time_is_the_one_told(lab: Any) -> None:
    async def script(oracle: Any, batch: NDArray[np.float32]) -> None:
        if batch[0, 0, 0, 0] == 1.0:
            await oracle.clock.sleep(1.0)
            raise AccessDenied("the cause")
        await oracle.clock.sleep(2.0)
        raise BadReply("an after-effect")

    oracle = lab.Oracle(script, max_batch=1, clock=lab.FakeClock())
    with pytest.raises(AccessDenied, match="the cause"):
        lab.run([lab.Probe(PLAN)], oracle)


def test_outcomes_that_were_never_seen_are_counted_as_unknown(lab: Any) -> None:
    lost = RetryAdvice("transient", outcome_unknown=True)
    oracle = lab.Oracle(fails_on({2, 3}, Unreachable, lost), clock=lab.FakeClock())
    result = lab.run([lab.Probe(PLAN)], oracle)
    assert result.complete
    assert result.ledger.unknown == 8
    assert lab.run([lab.Probe(PLAN)], lab.Oracle()).ledger.unknown == 8


def test_a_fault_of_the_adapter_leaves_no_intent_behind(lab: Any) -> None:
    async def broken(oracle: Any, _: NDArray[np.float32]) -> None:
        if len(oracle.calls) == 3:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lab.run([lab.Probe(PLAN)], lab.Oracle(broken), concurrency=1)
    assert lab.totals()["unknown"] == 4


@pytest.mark.parametrize(
    "labels",
    [
        np.zeros(3, dtype=np.int64),
        np.zeros((4, 1), dtype=np.int64),
        np.zeros(4),
        np.array([0, 1, 2, NOT_ASKED]),
        np.array([0, 1, 2, -1]),
        [0, 1, 2, 2**63],
    ],
    ids=["count", "shape", "float", "reserved", "negative", "huge"],
)
def test_answers_that_are_no_labels_are_refused_and_not_stored(lab: Any, labels: Any) -> None:
    async def script(_: Any, __: NDArray[np.float32]) -> Any:
        return labels

    with pytest.raises(BadReply):
        lab.run([lab.Probe(PLAN[:4])], lab.Oracle(script))
    result = lab.run([lab.Probe(PLAN[:4])], lab.Oracle())
    assert result.ledger.cached == 0
    assert result.complete


def test_small_integer_types_are_labels_too(lab: Any) -> None:
    async def script(_: Any, batch: NDArray[np.float32]) -> Any:
        return np.full(len(batch), 65534, dtype=np.uint16)

    assert lab.run([lab.Probe(PLAN)], lab.Oracle(script)).labels[0].tolist() == [65534] * 60


# ---- stopping ------------------------------------------------------------------------------------


def stop_when(ready: Any) -> Any:
    """Presses Ctrl-C once ``ready(engine)``."""

    async def watch(engine: QueryEngine, _: LabelStore) -> None:
        while not ready():  # noqa: ASYNC110 - any condition
            await asyncio.sleep(0)
        engine.stop()

    return watch


def test_stop_keeps_what_is_in_flight_and_asks_nothing_new(lab: Any) -> None:
    async def script(oracle: Any, _: NDArray[np.float32]) -> None:
        await oracle.clock.sleep(3.0)

    oracle = lab.Oracle(script, clock=lab.FakeClock())
    watch = stop_when(lambda: len(oracle.calls) >= 4)
    result = lab.run([lab.Probe(PLAN)], oracle, watch=watch)
    assert result.stopped
    assert not result.complete
    assert not result.budget_reached
    assert int((result.labels[0] != NOT_ASKED).sum()) == oracle.queries == result.ledger.sent
    assert lab.run([lab.Probe(PLAN)], lab.Oracle()).ledger.unknown == 0


@pytest.mark.parametrize(
    ("limits", "hints"),
    [({"queries_per_s": 0.001}, []), ({"requests_per_s": 0.001}, []), ({}, [PaceHint(0, 200.0)])],
    ids=["queries", "requests", "pause"],
)
def test_stop_wakes_workers_that_wait_their_turn(
    lab: Any, limits: dict[str, float], hints: list[PaceHint]
) -> None:
    oracle = lab.Oracle(hints=hints)  # the real clock: a worker that slept on would show
    watch = stop_when(lambda: oracle.calls and oracle.in_flight == 0)
    result = lab.run([lab.Probe(PLAN)], oracle, watch=watch, concurrency=3, **limits)
    assert result.stopped
    assert len(oracle.calls) <= 2
    assert lab.totals()["sent"] == oracle.queries


def test_stop_during_a_retry_is_a_stop_not_a_failure(lab: Any) -> None:
    oracle = lab.Oracle(always(ServerFailed, HICCUP))
    watch = stop_when(lambda: len(oracle.calls) >= 2)
    result = lab.run([lab.Probe(PLAN)], oracle, watch=watch, backoff_s=20.0)
    assert result.stopped
    assert oracle.queries == lab.totals()["sent"]


def test_stop_before_the_start_asks_nothing(lab: Any) -> None:
    async def script(_: Any, __: NDArray[np.float32]) -> None:
        raise AssertionError

    async def start(engine: QueryEngine, _: LabelStore) -> None:
        engine.stop()

    result = lab.run([lab.Probe(PLAN)], lab.Oracle(script), watch=start)
    assert result.stopped


def test_a_stop_that_came_too_late_is_none(lab: Any) -> None:
    oracle = lab.Oracle(max_batch=60)
    watch = stop_when(lambda: oracle.calls)
    result = lab.run([lab.Probe(PLAN)], oracle, watch=watch)
    assert result.complete
    assert not result.stopped


def test_cancelling_lists_what_was_in_flight_and_keeps_the_rest(lab: Any) -> None:
    hanging = asyncio.Event

    async def script(oracle: Any, _: NDArray[np.float32]) -> None:
        if len(oracle.calls) > 5:
            await hanging().wait()

    oracle = lab.Oracle(script)

    async def main() -> None:
        run = asyncio.create_task(lab.start([lab.Probe(PLAN)], oracle, None, None, "audit", {}))
        while oracle.in_flight == 0 or len(oracle.calls) <= 5:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(main())
    in_flight = oracle.queries - 20
    assert lab.totals() == {
        "sent": oracle.queries,
        "requests": len(oracle.calls),
        "retried": 0,
        "unknown": in_flight,
    }
    assert lab.run([lab.Probe(PLAN)], lab.Oracle()).ledger.cached == 20


class Notes(Progress):
    """Progress that keeps its notes."""

    def __init__(self, notes: list[str]) -> None:
        self._notes = notes

    def note(self, message: str) -> None:
        self._notes.append(message)
