"""Asks a request again after a failure, as long as patience, budget and user allow it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from adapters.contract import Labels
from adapters.errors import AdapterError, EndpointError, Throttled
from auditor.engine.batch_size import AskFewerError
from auditor.engine.contract import EngineLimits
from auditor.engine.odd_replies import is_odd
from auditor.engine.patience import Patience, Tries, backoff, limited_by
from auditor.engine.progress import Progress, span_text
from auditor.engine.rate import Clock, HaltedError
from auditor.engine.requests import Request
from auditor.engine.state import RunState
from auditor.errors import AuditError

T = TypeVar("T")
Ask = Callable[[Request], Awaitable[Labels]]
NOTED_OUTAGE_S = 5.0
"""An outage is shown to the user from this length on, who would see nothing happen."""
QUICKER, QUICK = 16.0, 1
BY_CHANCE, QUICK_BY_CHANCE = 64.0, 6
"""So much earlier come so many repeats where refusals without a stated wait may be chance, and
where they are. The pauses after that are those that would have come without these repeats."""


class RetryPermit:
    """Permits the attempts at ``request`` that patience and budget allow after ``first``, the
    failure of the first one, and charges each.
    """

    def __init__(
        self, run: RunState, request: Request, first: AdapterError, *, just_answered: bool
    ) -> None:
        self._run, self._request, self._tries = run, request, Tries()
        self._just_answered = just_answered
        self._first: AdapterError | None = first
        self._refusal: Exception | None = None
        self._quick = False

    async def attempt(self, ask: Ask, request: Request) -> Labels:
        """One attempt; the first one was made, and fails as it did."""
        if self._first is None:
            return await ask(request)
        first, self._first = self._first, None
        raise first

    def wait(self, retry_state: RetryCallState) -> float:
        """Seconds until the next attempt."""
        error = retry_state.outcome.exception() if retry_state.outcome else None
        assert isinstance(error, AdapterError)
        patience = self._run.engine.patience
        try:
            self._run.halt.check()
            seconds = self._wait(error)
            self._run.pay_again(len(self._request.items))
        except (AdapterError, AskFewerError, HaltedError, AuditError) as refusal:
            self._refusal = refusal
            return 0.0
        if patience.waited >= NOTED_OUTAGE_S:
            self._run.engine.note_outage(error)
        return seconds

    def _wait(self, error: AdapterError) -> float:
        engine, inputs = self._run.engine, len(self._request.items)
        failures = self._tries.sends + self._request.odd + 1
        engine.size.judge(error, inputs, failures, just_answered=self._just_answered)
        if not is_odd(error):
            sooner = self._hurry() if isinstance(error, Throttled) else 1.0
            return engine.patience.wait(self._tries, error, sooner)
        self._request.odd += 1
        engine.odd.check(error, self._request.odd, engine.patience.answers)
        return backoff(engine.limits.backoff_s, self._request.odd)

    def _hurry(self) -> float:
        """Divisor of the pause after a refusal that states none."""
        learnt, sends = self._run.engine.pace.learnt, self._tries.sends + 1
        self._quick = self._quick or (sends == 1 and (learnt.lone or learnt.unclear))
        if learnt.by_chance:
            return BY_CHANCE if sends <= QUICK_BY_CHANCE else 2.0**QUICK_BY_CHANCE
        if self._quick:
            return QUICKER if sends <= QUICK + learnt.unclear else 2.0**QUICK
        return 1.0

    def stop(self, _: RetryCallState) -> bool:
        """True if no further attempt is allowed."""
        return self._refusal is not None

    def reason(self, _: RetryCallState) -> BaseException | None:
        """The error that the request ends with: the limit reached, else the last failure."""
        return self._refusal


async def ask_with_retries(
    run: RunState, request: Request, ask: Ask, *, just_answered: bool = False
) -> Labels:
    """Labels of ``request`` by the first attempt of ``ask`` that succeeds. If a part of it was
    ``just_answered``, it fails for its size.

    Raises:
        AdapterError: it failed for good, or for the last time allowed.
        AskFewerError: it has to be asked in smaller parts.
        HaltedError: nothing new may be sent.
        OddRepliesError: it was answered too often without usable labels.
        OutageError: nothing was answered for too long.
        ComeBackError: the target asks for a longer pause than a run waits.
    """
    try:
        return await ask(request)  # tenacity costs as much as sending: only after a failure
    except AdapterError as error:
        permit = RetryPermit(run, request, error, just_answered=just_answered)
    return await _retry(run, request, ask, permit)


async def _retry(run: RunState, request: Request, ask: Ask, permit: RetryPermit) -> Labels:
    # Made anew for each request: one that is shared corrupts its own state.
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(AdapterError),
        wait=permit.wait,
        stop=permit.stop,
        sleep=run.halt.pause,
        retry_error_callback=permit.reason,
    )
    outcome: Labels | BaseException = await retrying(permit.attempt, ask, request)
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


async def open_patiently(
    opening: Callable[[], Awaitable[T]],
    limits: EngineLimits,
    progress: Progress,
    clock: Clock | None = None,
) -> T:
    """The target that ``opening`` opens, which may ask it for its metadata; a server that answers
    that it is down, not ready or busy is asked again.

    Raises:
        AdapterError: it cannot be opened.
        OutageError: it was not ready for too long.
        ComeBackError: it asks for a longer pause than that.
    """
    clock = clock or Clock()
    patience, tries = Patience(clock, limits.patience_s, limits.attempts), Tries()
    while True:
        try:
            return await opening()
        except EndpointError as error:
            if not error.status or limited_by(error, heard=False) != "time":
                raise
            wait = patience.wait(tries, error)
            if tries.sends == 1:
                longest = span_text(limits.patience_s)
                progress.note(f"{error}; asking again for up to {longest} (--patience).")
        await clock.sleep(wait)
