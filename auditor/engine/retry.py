"""Asks a request again after a passing failure: how long to wait, and when to give up.

The adapters classify a failure; see :class:`adapters.errors.RetryAdvice`. A pause that the target
asked for, as with a 429, holds back all requests: :class:`auditor.engine.rate.PauseGate`.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception
from tenacity.stop import stop_base

from adapters.contract import Labels
from adapters.errors import AdapterError, Throttled
from auditor.engine.odd_replies import is_odd
from auditor.engine.rate import MAX_PAUSE_S, HaltedError
from auditor.engine.requests import Request
from auditor.engine.state import RunState
from auditor.errors import AuditError

MAX_BACKOFF_S = 30.0


def is_retryable(error: BaseException) -> bool:
    """True if the adapter says that another attempt may succeed within a pause we would wait."""
    return (
        isinstance(error, AdapterError)
        and error.advice.kind in {"transient", "throttled", "odd"}
        and (error.advice.retry_after_s or 0.0) <= MAX_PAUSE_S
    )


def backoff(first_s: float, attempt: int) -> float:
    """Seconds to wait after ``attempt``: exponential, with jitter, at most ``first_s`` after the
    first. A pause that the target asked for is the gate's affair.
    """
    return random.uniform(0.5, 1.0) * min(first_s * 2.0 ** (attempt - 1), MAX_BACKOFF_S)


class RetryPermit(stop_base):
    """Stops the attempts at a request of ``queries`` inputs unless all limits allow one more, which
    it charges.
    """

    def __init__(self, run: RunState, queries: int) -> None:
        self._run, self._queries = run, queries
        self._refusal: Exception | None = None
        self._odd = 0

    def __call__(self, retry_state: RetryCallState) -> bool:
        """True if no further attempt is allowed."""
        if retry_state.attempt_number >= self._run.engine.limits.attempts:
            return True
        try:
            self._charge(_failure(retry_state), retry_state.upcoming_sleep)
        except (HaltedError, AuditError) as refusal:
            self._refusal = refusal
        return self._refusal is not None

    def reason(self, retry_state: RetryCallState) -> BaseException | None:
        """The error that the request ends with: the limit reached, else the last failure."""
        return self._refusal or _failure(retry_state)

    def _charge(self, error: BaseException | None, wait: float) -> None:
        self._run.halt.check()
        engine = self._run.engine
        if is_odd(error):
            self._odd += 1
            engine.odd.check(error, self._odd)
            self._run.pay_again(self._queries)
            return
        engine.outage.check(wait, error, throttled=isinstance(error, Throttled))
        engine.retries.take(error)
        self._run.pay_again(self._queries)


async def ask_with_retries(
    run: RunState, request: Request, ask: Callable[[Request], Awaitable[Labels]]
) -> Labels:
    """Labels of ``request`` by the first attempt of ``ask`` that succeeds.

    Raises:
        AdapterError: it failed for good, or for the last time allowed.
        HaltedError: nothing new may be sent.
        OddRepliesError: it was answered too often without usable labels.
        RetryBudgetSpentError: too many requests of the audit failed.
        OutageError: nothing was answered for too long.
    """
    permit = RetryPermit(run, len(request.items))
    # Made anew for each request: one that is shared corrupts its own state.
    retrying = AsyncRetrying(
        retry=retry_if_exception(is_retryable),
        wait=lambda state: backoff(run.engine.limits.backoff_s, state.attempt_number),
        stop=permit,
        sleep=run.halt.pause,
        retry_error_callback=permit.reason,
    )
    outcome: Labels | BaseException = await retrying(ask, request)
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _failure(retry_state: RetryCallState) -> BaseException | None:
    return retry_state.outcome.exception() if retry_state.outcome else None
