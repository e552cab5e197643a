"""Targets that fail for too many inputs at once, and say nothing about them."""

from __future__ import annotations

import copy
import math
import random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.errors import (
    AdapterError,
    BadReply,
    InputRejected,
    RetryAdvice,
    ServerFailed,
    Unreachable,
)
from auditor.engine.patience import OutageError
from auditor.engine.progress import StreamProgress

PLAN = tuple(float(i) for i in range(200))
FAILURES: dict[str, AdapterError] = {
    "500": ServerFailed("failed (HTTP 500)", RetryAdvice("transient")),
    "502": ServerFailed("failed (HTTP 502)", RetryAdvice("outage", outcome_unknown=True)),
    "503": ServerFailed("is not ready (HTTP 503)", RetryAdvice("outage")),
    "a time-out": Unreachable("no reply in time", RetryAdvice("outage", outcome_unknown=True)),
    "a success without labels": BadReply("one label for 16", RetryAdvice("odd")),
    "400 without a word": InputRejected("refused (HTTP 400)", RetryAdvice("never")),
}

KINDS = [
    pytest.param(kind, marks=pytest.mark.slow if kind in {"502", "a time-out"} else ())
    for kind in FAILURES
]


def fails(kind: str) -> AdapterError:
    """A new error, as each request has its own."""
    return copy.copy(FAILURES[kind])


def failing(kind: str, most: int) -> Any:
    """A target that fails for more than ``most`` inputs at once."""

    async def script(oracle: Any, batch: NDArray[np.float32]) -> None:
        await oracle.clock.sleep(0.05)
        if len(batch) > most:
            raise fails(kind)

    return script


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize(("batch", "most"), [(16, 5), (64, 1), (7, 6)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_size_that_always_fails_is_lowered(
    lab: Any, kind: str, batch: int, most: int, concurrency: int
) -> None:
    oracle = lab.Oracle(failing(kind, most), max_batch=batch, clock=lab.FakeClock())
    result = lab.run([lab.Probe(PLAN)], oracle, concurrency=concurrency)
    assert result.labels[0].tolist() == lab.truth(PLAN)
    failed = sum(size > most for _, size in oracle.calls)
    # Four times the first, and then once a halving; those of others that were in flight.
    assert failed <= 5 + 2 * math.log2(batch) + 2 * concurrency
    assert result.ledger.sent == oracle.queries
    assert result.ledger.sent - result.ledger.retried == len(PLAN)
    assert oracle.clock.time - 1000.0 < 25.0 + 0.06 * len(PLAN)
    later = [size for _, size in oracle.calls[len(oracle.calls) // 2 :]]
    assert most / 2 < max(later) <= most


def test_the_user_reads_why_requests_become_smaller(lab: Any) -> None:
    lines: list[str] = []

    class Shown(StreamProgress):
        def _write(self, text: str) -> None:
            lines.append(text)

    oracle = lab.Oracle(failing("500", 8), max_batch=16, clock=lab.FakeClock())
    lab.run([lab.Probe(PLAN)], oracle, progress=Shown(), concurrency=2)
    [said] = [line for line in lines if "at most" in line]
    assert said == "failed (HTTP 500); from now on at most 8 inputs are sent.\n"


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("began", [0.0, 2.0])
@pytest.mark.parametrize("lasts", [5.0, 60.0])
@pytest.mark.parametrize("kind", KINDS[1:4])
def test_an_outage_lowers_no_size(
    lab: Any, kind: str, lasts: float, began: float, concurrency: int
) -> None:
    async def script(oracle: Any, _: NDArray[np.float32]) -> None:
        await oracle.clock.sleep(0.05)
        if began <= oracle.clock.time - 1000.0 < began + lasts:
            raise fails(kind)

    oracle = lab.Oracle(script, max_batch=4, clock=lab.FakeClock())
    result = lab.run([lab.Probe(PLAN * 3)], oracle, concurrency=concurrency)
    assert result.labels[0].tolist() == lab.truth(PLAN * 3)
    assert oracle.clock.time - 1000.0 < 1.2 * lasts + 12.0 + 0.05 * 150
    assert 4 in {size for _, size in oracle.calls[-5:]}


def test_an_outage_that_lasts_ends_the_run_with_single_inputs_tried(lab: Any) -> None:
    oracle = lab.Oracle(failing("503", 0), max_batch=16, clock=lab.FakeClock())
    with pytest.raises(OutageError, match="HTTP 503"):
        lab.run([lab.Probe(PLAN)], oracle, concurrency=8, patience_s=60.0)
    assert oracle.clock.time - 1000.0 == pytest.approx(60.0, abs=2.0)
    assert [size for _, size in oracle.calls][-5:] == [1] * 5
    assert len(oracle.calls) < 25


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_failures_by_chance_lower_no_size(lab: Any, share: float) -> None:
    rng = random.Random(5)

    async def script(oracle: Any, _: NDArray[np.float32]) -> None:
        await oracle.clock.sleep(0.05)
        if rng.random() < share:
            raise ServerFailed("failed (HTTP 500)", RetryAdvice("transient"))

    oracle = lab.Oracle(script, max_batch=4, clock=lab.FakeClock())
    plan = tuple(float(i) for i in range(2000))
    result = lab.run([lab.Probe(plan)], oracle)
    assert result.labels[0].tolist() == lab.truth(plan)
    assert 4 in {size for _, size in oracle.calls[-5:]}


def test_a_target_that_comes_to_fail_for_a_size_it_took_is_asked_with_fewer(lab: Any) -> None:
    async def script(oracle: Any, batch: NDArray[np.float32]) -> None:
        await oracle.clock.sleep(0.05)
        if len(batch) > 3 and oracle.queries > 100:
            raise ServerFailed("out of memory (HTTP 500)", RetryAdvice("transient"))

    oracle = lab.Oracle(script, max_batch=8, clock=lab.FakeClock())
    result = lab.run([lab.Probe(PLAN)], oracle)
    assert result.labels[0].tolist() == lab.truth(PLAN)
    assert max(size for _, size in oracle.calls[-10:]) in {2, 3}


def test_an_input_that_fails_alone_ends_the_run_with_its_failure(lab: Any) -> None:
    async def script(_: Any, batch: NDArray[np.float32]) -> None:
        if 37.0 in batch[:, 0, 0, 0]:
            raise ServerFailed("cannot work (HTTP 500)", RetryAdvice("transient"))

    oracle = lab.Oracle(script, max_batch=16, clock=lab.FakeClock())
    with pytest.raises(ServerFailed, match="cannot work"):
        lab.run([lab.Probe(PLAN)], oracle, concurrency=1)
    assert sum(size == 1 for _, size in oracle.calls) >= 8
