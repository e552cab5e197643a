"""The pace that refusals teach: close to a target's limit, and with few refusals on the way."""

from __future__ import annotations

import dataclasses
import random
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.errors import RetryAdvice, Throttled
from auditor.engine.progress import StreamProgress

Limiter = Callable[[float], float | None]
"""Takes the time; the seconds to wait if the request is refused, None if it is taken."""


def spaced(seconds: float) -> Limiter:
    """One request per ``seconds``, no burst."""
    next_at = 0.0

    def limit(now: float) -> float | None:
        nonlocal next_at
        if now < next_at:
            return seconds
        next_at = now + seconds
        return None

    return limit


def windowed(allowed: int, seconds: float) -> Limiter:
    """``allowed`` requests in every window of ``seconds``."""
    taken: dict[int, int] = {}

    def limit(now: float) -> float | None:
        number = int(now // seconds)
        taken[number] = taken.get(number, 0) + 1
        return None if taken[number] <= allowed else (number + 1) * seconds - now

    return limit


def sliding(allowed: int, seconds: float) -> Limiter:
    """``allowed`` requests in any ``seconds``."""
    taken: deque[float] = deque()

    def limit(now: float) -> float | None:
        while taken and taken[0] <= now - seconds:
            taken.popleft()
        if len(taken) >= allowed:
            return taken[0] + seconds - now
        taken.append(now)
        return None

    return limit


def bucket(size: int, per_s: float) -> Limiter:
    """A bucket of ``size`` tokens that fills by ``per_s``."""
    level, at = float(size), 1000.0

    def limit(now: float) -> float | None:
        nonlocal level, at
        level, at = min(size, level + (now - at) * per_s), now
        if level < 1.0:
            return 1.0 / per_s
        level -= 1.0
        return None

    return limit


def behind(limiter: Limiter, stated: Callable[[float], float | None], latency: float) -> Any:
    """A target behind ``limiter`` that states of a wait what ``stated`` makes of it."""

    async def script(oracle: Any, _: NDArray[np.float32]) -> None:
        wait = limiter(oracle.clock.time)
        await oracle.clock.sleep(latency)
        if wait is not None:
            raise Throttled("slow down", RetryAdvice("throttled", stated(wait)))

    return script


LIMITERS: dict[str, tuple[Callable[[], Limiter], float]] = {
    "one a second": (lambda: spaced(1.0), 1.0),
    "ten a minute": (lambda: windowed(10, 60.0), 1 / 6),
    "sixty a minute, sliding": (lambda: sliding(60, 60.0), 1.0),
    "a bucket of fifty": (lambda: bucket(50, 2.0), 2.0),
    "twenty a second": (lambda: windowed(20, 1.0), 20.0),
}


@pytest.mark.parametrize(
    ("states", "concurrency"), [("the wait", 1), ("the wait", 8), ("nothing", 4)]
)
@pytest.mark.parametrize("kind", LIMITERS)
def test_a_limited_target_is_used_well_and_seldom_refuses(
    lab: Any, kind: str, states: str, concurrency: int
) -> None:
    limiter, rate = LIMITERS[kind]

    def stated(wait: float) -> float | None:
        return wait if states == "the wait" else None

    oracle = lab.Oracle(behind(limiter(), stated, 0.02), max_batch=1, clock=lab.FakeClock())
    plan = tuple(float(i) for i in range(200))
    result = lab.run([lab.Probe(plan)], oracle, concurrency=concurrency)
    assert result.labels[0].tolist() == lab.truth(plan)
    seconds = oracle.clock.time - 1000.0
    assert seconds <= 1.35 * len(plan) / rate + (0 if states == "the wait" else 6)
    # Until a pace is learnt, all in flight may be refused; unsaid waits are found by trying.
    few = 0.05 * len(plan) + (12 if states == "the wait" else 35)
    assert result.ledger.retried <= few


def test_refusals_by_chance_teach_no_pace(lab: Any) -> None:
    rng = random.Random(3)

    async def script(oracle: Any, _: NDArray[np.float32]) -> None:
        await oracle.clock.sleep(0.05)
        if rng.random() < 0.1:
            raise Throttled("slow down", RetryAdvice("throttled", retry_after_s=0.1))

    oracle = lab.Oracle(script, max_batch=1, clock=lab.FakeClock())
    plan = tuple(float(i) for i in range(300))
    assert lab.run([lab.Probe(plan)], oracle, concurrency=1).complete
    # 0.05 s a request and 0.1 s for every tenth are 0.06 s each.
    assert oracle.clock.time - 1000.0 < 2.5 * 0.06 * len(plan)


def refusing(
    share: float, limiter: Limiter | None = None, latency: float = 0.02, seed: int = 3
) -> Any:
    """A target that refuses a ``share`` of all requests whatever their pace, at once and without a
    word on waits, and the others as ``limiter`` says.
    """
    rng = random.Random(seed)

    async def script(oracle: Any, _: NDArray[np.float32]) -> None:
        limited = limiter is not None and limiter(oracle.clock.time) is not None
        if limited or rng.random() < share:
            await oracle.clock.sleep(0.002)
            raise Throttled("slow down", RetryAdvice("throttled"))
        await oracle.clock.sleep(latency)

    return script


SEEDS = [
    pytest.param(latency, seed, marks=() if seed in {0, 10} else pytest.mark.slow)
    for latency in (0.02, 0.08)
    for seed in range(12)
]


@pytest.mark.parametrize(("latency", "seed"), SEEDS)
def test_the_stated_rate_is_reached_although_a_tenth_is_refused_by_chance(
    lab: Any, latency: float, seed: int
) -> None:
    random.seed(101 * seed + 7)
    script = refusing(0.1, bucket(5, 50.0), latency, seed)
    oracle = lab.Oracle(script, max_batch=1, clock=lab.FakeClock())
    plan = tuple(float(i) for i in range(1300))
    assert lab.run([lab.Probe(plan)], oracle, concurrency=8, requests_per_s=50).complete
    assert len(plan) / (oracle.clock.time - 1000.0) >= 0.95 * 45
    assert oracle.queries <= 1.15 * len(plan)


def test_the_stated_rate_is_reached_on_a_machine_that_wakes_late(lab: Any) -> None:
    late = random.Random(9)
    clock = lab.FakeClock()
    on_time = clock.sleep

    async def sleep(seconds: float) -> None:
        await on_time(seconds + late.expovariate(100.0))

    clock.clock = dataclasses.replace(clock.clock, sleep=sleep)
    oracle = lab.Oracle(refusing(0.0, bucket(5, 50.0)), max_batch=1, clock=clock)
    plan = tuple(float(i) for i in range(600))
    result = lab.run([lab.Probe(plan)], oracle, concurrency=8, requests_per_s=50)
    # Ten milliseconds late on average, and never more than the limit within a second.
    assert len(plan) / (clock.time - 1000.0) >= 0.96 * 50
    assert result.ledger.retried <= 0.015 * len(plan)


@pytest.mark.parametrize(("share", "concurrency"), [(0.02, 1), (0.02, 8), (0.1, 8)])
def test_refusals_by_chance_cost_little_more_than_themselves(
    lab: Any, share: float, concurrency: int
) -> None:
    oracle = lab.Oracle(refusing(share), max_batch=1, clock=lab.FakeClock())
    plan = tuple(float(i) for i in range(1000))
    assert lab.run([lab.Probe(plan)], oracle, concurrency=concurrency).complete
    assert oracle.clock.time - 1000.0 < 1.5 * 0.02 * len(plan) / concurrency


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=() if seed == 7 else pytest.mark.slow) for seed in range(12)]
)
@pytest.mark.parametrize("concurrency", [1, 8])
def test_refusals_by_chance_do_not_slow_a_run_for_seconds(
    lab: Any, concurrency: int, seed: int
) -> None:
    """A target without any limit: the search for one ends, and costs little."""
    random.seed(101 * seed + 7)
    oracle = lab.Oracle(refusing(0.1, None, 0.1, seed), max_batch=1, clock=lab.FakeClock())
    plan = tuple(float(i) for i in range(400))
    assert lab.run([lab.Probe(plan)], oracle, concurrency=concurrency).complete
    reachable = len(plan) * (0.1 + 0.1 / 0.9 * 0.002) / concurrency
    assert oracle.clock.time - 1000.0 < 1.05 * reachable + (4.0 if concurrency == 1 else 1.0)


def test_quick_refusals_beside_slow_answers_teach_a_pace(lab: Any) -> None:
    """Two requests leave at once, one is answered and one refused: again and again."""
    limiter = spaced(1.0)

    async def script(oracle: Any, _: NDArray[np.float32]) -> None:
        wait = limiter(oracle.clock.time)
        await oracle.clock.sleep(0.02 if wait is None else 0.002)
        if wait is not None:
            raise Throttled("slow down", RetryAdvice("throttled", wait))

    oracle = lab.Oracle(script, max_batch=1, clock=lab.FakeClock())
    plan = tuple(float(i) for i in range(400))
    result = lab.run([lab.Probe(plan)], oracle, concurrency=4)
    assert result.complete
    assert oracle.clock.time - 1000.0 < 1.1 * len(plan)
    assert result.ledger.retried < 0.05 * len(plan)


def test_a_limit_that_comes_after_refusals_by_chance_is_learnt(lab: Any) -> None:
    rng, limiter = random.Random(4), spaced(1.0)

    async def script(oracle: Any, _: NDArray[np.float32]) -> None:
        late = oracle.queries > 1000
        refused = limiter(oracle.clock.time) is not None if late else rng.random() < 0.1
        await oracle.clock.sleep(0.02)
        if refused:
            raise Throttled("slow down", RetryAdvice("throttled"))

    oracle = lab.Oracle(script, max_batch=1, clock=lab.FakeClock())
    plan = tuple(float(i) for i in range(1100))
    result = lab.run([lab.Probe(plan)], oracle, concurrency=4)
    assert result.complete
    late = [when for when, _ in oracle.calls[1000:]]
    assert len(late) < 1.4 * (len(plan) - 900)
    assert late[-1] - late[0] < 1.35 * (len(plan) - 900)


def test_an_outage_teaches_no_pace(lab: Any) -> None:
    async def script(oracle: Any, _: NDArray[np.float32]) -> None:
        await oracle.clock.sleep(0.1)
        if 1000.3 < oracle.clock.time < 1016.0:
            raise Throttled("quota", RetryAdvice("throttled", retry_after_s=6.0))

    oracle = lab.Oracle(script, max_batch=1, clock=lab.FakeClock())
    plan = tuple(float(i) for i in range(100))
    assert lab.run([lab.Probe(plan)], oracle, concurrency=1).complete
    assert oracle.clock.time < 1000.0 + 20.0 + 0.15 * len(plan)


def test_the_time_left_is_that_of_the_learnt_pace(lab: Any) -> None:
    clock = lab.FakeClock()
    lines: list[str] = []

    class Shown(StreamProgress):
        def _write(self, text: str) -> None:
            lines.append(text)

    oracle = lab.Oracle(behind(spaced(1.0), lambda wait: wait, 0.02), max_batch=1, clock=clock)
    plan = tuple(float(i) for i in range(200))
    progress = Shown(quiet_s=10.0, now=lambda: clock.time)
    lab.run([lab.Probe(plan)], oracle, progress=progress, concurrency=2)
    left = [line for line in lines if "1 queries/s" in line and "min" in line]
    first = next(line for line in left if line.startswith(("1", "2", "3")))
    done = int(first.split(" of ")[0])
    minutes, seconds = (int(part) for part in first.split(", ")[-1].split()[:3:2])
    assert 60 * minutes + seconds == pytest.approx(1.05 * (200 - done), rel=0.15)
