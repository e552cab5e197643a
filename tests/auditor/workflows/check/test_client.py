"""The patience of ``check``: that of an audit, but little of it while formats are tried."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from adapters.errors import NotFound, RetryAdvice, ServerFailed, Throttled, Unreachable
from adapters.target import Limits
from auditor.engine.patience import ComeBackError, OutageError
from auditor.engine.progress import Progress
from auditor.engine.rate import Clock
from auditor.workflows.check import client
from auditor.workflows.check.client import Asker

Ask = Callable[[], Awaitable[str]]


class Time:
    """A clock on which every wait is over at once."""

    def __init__(self) -> None:
        self.now = 100.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    def asker(self, **limits: Any) -> Asker:
        return Asker(Limits(**limits), clock=Clock(lambda: self.now, self.sleep))


def failing(error: Exception, times: int, status: str = "503") -> tuple[Ask, list[int]]:
    """A question that fails so often, and the number of times it was put."""
    asked: list[int] = []
    error.status = status  # type: ignore[attr-defined]  # adapters' errors have it

    async def ask() -> str:
        asked.append(1)
        if len(asked) <= times:
            raise error
        return "label"

    return ask, asked


WAITS = [
    Throttled("slow down", RetryAdvice("throttled", 20.0)),
    ServerFailed("not ready", RetryAdvice("outage")),
]


@pytest.mark.parametrize("trying", [True, False])
@pytest.mark.parametrize("error", WAITS)
def test_a_server_that_says_wait_is_waited_for(error: Exception, trying: bool) -> None:  # noqa: FBT001 - a case
    clock = Time()
    asker = clock.asker()
    asker.trying = trying
    ask, asked = failing(error, 4)
    assert asyncio.run(asker.patiently(ask, 3)) == "label"
    assert (len(asked), asker.queries) == (5, 15)


@pytest.mark.parametrize(
    ("error", "trying", "sends"),
    [
        (Throttled("busy", RetryAdvice("throttled")), True, 2),
        (Unreachable("broke", RetryAdvice("outage", outcome_unknown=True)), True, 1),
        (ServerFailed("500", RetryAdvice("transient")), True, 1),
        (ServerFailed("500", RetryAdvice("transient")), False, 3),
        (NotFound("404", RetryAdvice("gone")), False, 1),
    ],
)
def test_what_may_be_the_formats_fault_is_soon_given_up(
    error: Exception,
    trying: bool,  # noqa: FBT001 - a case
    sends: int,
) -> None:
    asker = Time().asker()
    asker.trying = trying
    ask, asked = failing(error, 100, "" if isinstance(error, Unreachable) else "503")
    with pytest.raises(type(error)):
        asyncio.run(asker.patiently(ask))
    assert len(asked) == sends


def test_its_patience_is_the_descriptions() -> None:
    clock = Time()
    ask, _ = failing(ServerFailed("down", RetryAdvice("outage")), 1000)
    with pytest.raises(OutageError, match="for 10 s, and --patience is 10 s"):
        asyncio.run(clock.asker(patience=10.0).patiently(ask))
    assert clock.now == pytest.approx(110.0)
    ask, _ = failing(Throttled("quota", RetryAdvice("throttled", 3600.0)), 1000)
    with pytest.raises(ComeBackError, match="in 1 h"):
        asyncio.run(clock.asker().patiently(ask))


def test_the_pace_that_refusals_teach_is_a_limit_for_the_description() -> None:
    clock = Time()
    asker = clock.asker()
    free_at = 0.0

    async def ask() -> str:
        nonlocal free_at
        if clock.now < free_at:
            raise Throttled("slow down", RetryAdvice("throttled", 1.0))
        free_at = clock.now + 1.0
        return "label"

    async def run() -> None:
        for _ in range(20):
            await asker.patiently(ask)

    assert asker.limits() == {}
    asyncio.run(run())
    assert asker.limits() == {"request_rate": pytest.approx(1 / 1.05, rel=0.01)}


def test_a_long_step_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TELL_S", 0.05)
    notes: list[str] = []

    class Notes(Progress):
        def note(self, message: str) -> None:
            notes.append(message)

    asker = Asker(Limits(), Notes())
    asker.most = 100

    async def slow() -> str:
        until = time.monotonic() + 5.0
        while len(notes) < 2 and time.monotonic() < until:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)
        return "label"

    async def run() -> None:
        asker.doing = "Trying preset v2"
        async with asker.told():
            await asker.patiently(slow, 7)

    asyncio.run(run())
    assert notes[0].startswith("Trying preset v2: ")
    assert " so far, 7 of at most 100 queries sent in all; at this pace " in notes[0]
