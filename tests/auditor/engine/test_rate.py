"""Rate limits, pauses and adaptive concurrency."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import PaceHint
from adapters.errors import RetryAdvice, Throttled
from auditor.engine.rate import (
    LATE_S,
    AdaptiveConcurrency,
    Clock,
    Halt,
    HaltedError,
    PauseGate,
    RateLimiter,
)

PLAN = tuple(float(i) for i in range(48))


def spacings(oracle: Any) -> list[float]:
    times = [at for at, _ in oracle.calls]
    return [later - earlier for earlier, later in pairwise(times)]


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize(
    ("limits", "least"),
    [
        ({"queries_per_s": 8.0}, 0.5),
        ({"requests_per_s": 4.0}, 0.25),
        ({"queries_per_s": 8.0, "requests_per_s": 1.0}, 1.0),
    ],
    ids=["queries", "requests", "both"],
)
def test_requests_leave_one_by_one(
    lab: Any, limits: dict[str, float], least: float, concurrency: int
) -> None:
    oracle = lab.Oracle(max_batch=4, clock=lab.FakeClock())
    assert lab.run([lab.Probe(PLAN)], oracle, concurrency=concurrency, **limits).complete
    assert spacings(oracle) == pytest.approx([least] * 11, abs=1e-9)


def test_a_large_request_pays_its_time_before_small_ones_leave(lab: Any) -> None:
    probes = [lab.Probe(PLAN[:30]), lab.Probe(PLAN[30:31]), lab.Probe(PLAN[31:32])]
    oracle = lab.Oracle(max_batch=30, clock=lab.FakeClock())
    lab.run(probes, oracle, queries_per_s=3.0, requests_per_s=1.0)
    assert spacings(oracle) == pytest.approx([10.0, 1.0])


def test_nothing_is_sent_in_a_bunch_after_a_pause(lab: Any) -> None:
    async def script(oracle: Any, _: NDArray[np.float32]) -> None:
        number = len(oracle.calls)
        await oracle.clock.sleep(0.75)
        if number == 20:
            raise Throttled("slow down", RetryAdvice("throttled", retry_after_s=20.0))

    oracle = lab.Oracle(script, max_batch=1, clock=lab.FakeClock())
    assert lab.run([lab.Probe(PLAN)], oracle, requests_per_s=2.0, concurrency=8).complete
    assert min(spacings(oracle)) >= 0.5 - 1e-9
    refused = oracle.calls[19][0] + 0.75
    assert not [at for at, _ in oracle.calls if refused < at < refused + 20.0]


def reserve(limiter: RateLimiter, queries: int, now: float) -> float:
    """Take the next turn; returns when it is."""
    turn = limiter.next_turn(now)
    limiter.take(queries, turn, turn)
    return turn


def test_idle_time_is_not_saved_up() -> None:
    limiter = RateLimiter(10.0, None)
    assert reserve(limiter, 5, 0.0) == 0.0
    assert reserve(limiter, 1, 100.0) == 100.0
    assert reserve(limiter, 1, 100.0) == pytest.approx(100.1)
    unlimited = RateLimiter(None, None)
    assert [reserve(unlimited, 1000, 3.0) for _ in range(3)] == [3.0] * 3


def test_the_gate_takes_the_longest_pause_up_to_its_ceiling() -> None:
    now = [0.0]
    gate = PauseGate(Clock(lambda: now[0]), 300.0)
    assert gate.left <= 0
    gate.close_for(30.0)
    gate.close_for(10.0)
    assert gate.left == 30.0
    gate.close_for(1e12)
    assert gate.left == 300.0
    now[0] = 300.0
    assert gate.left <= 0
    for harmless in (PaceHint(0, None), PaceHint(3, 60.0), None):
        gate.apply(harmless)
    gate.close_for(-5.0)
    gate.close_for(float("nan"))
    assert gate.left <= 0
    gate.apply(PaceHint(0, 60.0))
    assert gate.left == 60.0


def clean_round(slots: AdaptiveConcurrency) -> None:
    async def fill() -> None:
        taken = slots.limit
        for _ in range(taken):
            await slots.acquire()
        for _ in range(taken):
            slots.succeeded()
            slots.release()

    asyncio.run(fill())


def test_concurrency_doubles_until_throttled_then_grows_by_one() -> None:
    now = [0.0]
    slots = AdaptiveConcurrency(16, Clock(lambda: now[0]))
    limits = []
    for _ in range(4):
        clean_round(slots)
        limits.append(slots.limit)
    assert limits == [4, 8, 16, 16]
    slots.throttled()
    assert slots.limit == 8
    clean_round(slots)
    assert slots.limit == 9


def test_one_event_cuts_once() -> None:
    now = [0.0]
    slots = AdaptiveConcurrency(16, Clock(lambda: now[0]), start=16)
    for _ in range(10):
        slots.throttled()
    assert slots.limit == 8
    now[0] = 1.0
    slots.throttled()
    assert slots.limit == 4
    for _ in range(20):
        now[0] += 1.0
        slots.throttled()
    assert slots.limit == 1


def test_a_limit_that_is_not_used_does_not_grow() -> None:
    slots = AdaptiveConcurrency(16, Clock(), start=4)

    async def one_at_a_time() -> None:
        for _ in range(50):
            await slots.acquire()
            slots.succeeded()
            slots.release()

    asyncio.run(one_at_a_time())
    assert slots.limit == 4


def test_a_waiter_that_was_cancelled_does_not_swallow_a_slot() -> None:
    async def main() -> None:
        slots = AdaptiveConcurrency(1, Clock())
        await slots.acquire()
        gone, next_one = (asyncio.create_task(slots.acquire()) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        slots.release()
        await asyncio.wait_for(next_one, 5)
        assert slots.in_flight == 1

    asyncio.run(main())


def test_halting_ends_a_wait_at_once_and_forbids_the_next() -> None:
    async def main() -> None:
        halt = Halt(Clock())
        wait = asyncio.create_task(halt.sleep(3600.0))
        await asyncio.sleep(0)
        halt.set()
        with pytest.raises(HaltedError):
            await asyncio.wait_for(wait, 5)
        with pytest.raises(HaltedError):
            await halt.sleep(0.0)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)

    asyncio.run(main())


def test_a_learnt_pace_near_to_the_stated_one_adds_nothing() -> None:
    limiter = RateLimiter(None, 50.0)
    assert reserve(limiter, 1, 100.0) == 100.0
    assert limiter.next_turn(100.0, 1 / 45) == pytest.approx(100.02)
    assert limiter.next_turn(100.0, 1 / 20) == pytest.approx(100.05)


@pytest.mark.parametrize("rate", [1.5, 7.0, 50.0, 200.0])
def test_no_second_holds_more_than_the_stated_limit_and_late_turns_cost_no_rate(
    rate: float,
) -> None:
    """A machine that wakes a millisecond late each time, and once in ten seconds far later."""
    for seed in range(4):
        rng, limiter, now, sent = random.Random(seed), RateLimiter(None, rate), 1000.0, []
        for _ in range(int(30 * rate)):
            turn = limiter.next_turn(now - LATE_S)
            if turn > now:
                stall = rng.choice([0.03, 0.06, 0.09]) if rng.random() < 0.1 / rate else 0.0
                now = turn + rng.expovariate(1000.0) + stall
            limiter.take(1, turn, now)
            sent.append(now)
        times = np.array(sent)
        within = np.searchsorted(times, times + 1.0 - 1e-9) - np.arange(len(times))
        assert within.max() <= max(1.01 * rate, np.ceil(rate))
        assert (len(times) - 1) / (times[-1] - times[0]) >= 0.99 * rate
