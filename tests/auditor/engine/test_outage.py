"""How long a run waits for a target that does not answer."""

from __future__ import annotations

from typing import Any

import pytest

from auditor.engine.budgets import OUTAGE_S, QUOTA_OUTAGE_S, OutageError, OutageTimer
from auditor.engine.rate import MAX_PAUSE_S


@pytest.fixture
def clock(lab: Any) -> Any:
    return lab.FakeClock()


def test_a_run_ends_after_its_time_without_an_answer(clock: Any) -> None:
    timer = OutageTimer(clock.clock)
    timer.check(100.0, "why", throttled=False)  # nothing failed yet
    timer.failed()
    clock.time += OUTAGE_S - 2
    timer.failed()
    timer.check(1.0, "why", throttled=False)
    with pytest.raises(OutageError, match="why"):
        timer.check(3.0, "why", throttled=False)


def test_an_answer_renews_it(clock: Any) -> None:
    timer = OutageTimer(clock.clock)
    for _ in range(5):
        timer.failed()
        clock.time += OUTAGE_S - 2
        timer.check(1.0, "why", throttled=False)
        timer.answered()


def test_a_quota_that_ran_out_gets_a_minute_and_a_half(clock: Any) -> None:
    timer = OutageTimer(clock.clock)
    timer.answered()
    timer.failed()
    clock.time += QUOTA_OUTAGE_S - 2
    timer.check(1.0, "why", throttled=True)
    with pytest.raises(OutageError):
        timer.check(1.0, "why", throttled=False)


def test_pauses_that_were_asked_for_do_not_wear_it_out(clock: Any) -> None:
    timer = OutageTimer(clock.clock)
    timer.failed()
    for _ in range(2):
        timer.paused(100.0)
        timer.paused(100.0)  # stated to two requests at once: one pause
        clock.time += 100.0
        timer.check(1.0, "why", throttled=True)


def test_but_their_sum_has_an_end(clock: Any) -> None:
    timer = OutageTimer(clock.clock)
    timer.failed()
    timer.paused(MAX_PAUSE_S)
    timer.check(1.0, "why", throttled=True)
    clock.time += MAX_PAUSE_S
    timer.paused(10.0)
    with pytest.raises(OutageError):
        timer.check(1.0, "why", throttled=True)
