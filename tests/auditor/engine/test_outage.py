"""How long a run waits for a target that does not answer."""

from __future__ import annotations

from typing import Any

import pytest

from auditor.engine.outage import PATIENCE_S, QUOTA_PATIENCE_S, OutageError, Patience
from auditor.engine.rate import MAX_PAUSE_S


@pytest.fixture
def clock(lab: Any) -> Any:
    return lab.FakeClock()


def test_patience_ends_after_its_time_without_an_answer(clock: Any) -> None:
    patience = Patience(clock.clock)
    patience.check(100.0, "why", throttled=False)  # nothing failed yet
    patience.failed()
    clock.time += PATIENCE_S - 2
    patience.failed()
    patience.check(1.0, "why", throttled=False)
    with pytest.raises(OutageError, match="why"):
        patience.check(3.0, "why", throttled=False)


def test_an_answer_renews_it(clock: Any) -> None:
    patience = Patience(clock.clock)
    for _ in range(5):
        patience.failed()
        clock.time += PATIENCE_S - 2
        patience.check(1.0, "why", throttled=False)
        patience.answered()


def test_a_quota_that_ran_out_gets_a_minute_and_a_half(clock: Any) -> None:
    patience = Patience(clock.clock)
    patience.answered()
    patience.failed()
    clock.time += QUOTA_PATIENCE_S - 2
    patience.check(1.0, "why", throttled=True)
    with pytest.raises(OutageError):
        patience.check(1.0, "why", throttled=False)


def test_pauses_that_were_asked_for_do_not_wear_it_out(clock: Any) -> None:
    patience = Patience(clock.clock)
    patience.failed()
    for _ in range(2):
        patience.paused(100.0)
        patience.paused(100.0)  # two requests told at once are one pause
        clock.time += 100.0
        patience.check(1.0, "why", throttled=True)


def test_but_their_sum_has_an_end(clock: Any) -> None:
    patience = Patience(clock.clock)
    patience.failed()
    patience.paused(MAX_PAUSE_S)
    patience.check(1.0, "why", throttled=True)
    clock.time += MAX_PAUSE_S
    patience.paused(10.0)
    with pytest.raises(OutageError):
        patience.check(1.0, "why", throttled=True)
