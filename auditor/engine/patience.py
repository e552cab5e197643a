"""Patience with failures: by time while the target is down or says "wait", by count where the
request itself may be at fault.

The adapters classify a failure; see :class:`adapters.errors.RetryAdvice`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from adapters.errors import AdapterError, Throttled
from auditor.engine.contract import BACKOFF_S, PATIENCE_S
from auditor.engine.progress import span_text
from auditor.engine.rate import Clock
from auditor.errors import AuditError, ExitCode

ATTEMPTS = 8
"""Sends of a request that may be at fault, the first included. A target that fails every tenth
request by chance does so eight times running once in a hundred million requests."""
PATTERN_FROM, PATTERN_SHARE = 20, 0.5
"""Failures that may be the requests' fault end a run beyond so many and that share of the answers:
each was repeated, and may have been billed."""
MAX_BACKOFF_S = 10.0
_YEAR_S = 366 * 86_400.0


class OutageError(AuditError):
    """The target did not answer for too long."""


class ComeBackError(AuditError):
    """The target asks for a longer pause than a run waits: a quota is used up."""

    exit_code = ExitCode.COME_BACK


def limited_by(error: BaseException, *, heard: bool) -> Literal["nothing", "count", "time"]:
    """The limit on repeats after ``error``: a ``count`` where the request may be at fault, the
    ``time`` without an answer where the target is down or says "wait", ``nothing`` if a repeat is
    no use at all. ``heard`` is True if the target has answered before.
    """
    if not isinstance(error, AdapterError) or error.advice.kind in {"never", "too-large"}:
        return "nothing"
    advice = error.advice
    if advice.kind == "gone":
        return "time" if heard else "nothing"
    if advice.unsent and not heard:  # it may be the wrong address
        return "count"
    return "time" if advice.retry_after_s or advice.kind in {"throttled", "outage"} else "count"


def backoff(first_s: float, attempt: int) -> float:
    """Seconds to wait after ``attempt`` if nothing is asked for: exponential, with jitter, at most
    ``first_s`` after the first.
    """
    return random.uniform(0.5, 1.0) * min(first_s * 2.0 ** min(attempt - 1, 30), MAX_BACKOFF_S)


@dataclass(slots=True)
class Tries:
    """The failures of one request so far.

    Attributes:
        sends: all of them.
        counted: those that looked like the request's fault.
        began: time of the first one.
        answers: answers that the target had given in all when the newest one came.
    """

    sends: int = 0
    counted: int = 0
    began: float = 0.0
    answers: int | None = None


class Patience:
    """The one policy on failures of a target, over all requests and runs of an engine.

    Args:
        clock: gives the time.
        seconds: longest time without an answer.
        attempts: most sends of a request, whatever the failure; None leaves that to the policy.
        backoff_s: see :func:`backoff`.

    Attributes:
        answers: answers so far.
    """

    def __init__(
        self,
        clock: Clock,
        seconds: float = PATIENCE_S,
        attempts: int | None = None,
        backoff_s: float = BACKOFF_S,
    ) -> None:
        self._clock, self.seconds = clock, seconds
        self._attempts, self._backoff_s = attempts, backoff_s
        self._since: float | None = None
        self._refused = False
        self.answers = self._counted = 0

    @property
    def heard(self) -> bool:
        """True if the target has answered before."""
        return self.answers > 0

    @property
    def waited(self) -> float:
        """Seconds since the first failure that no answer followed; 0 without one."""
        return 0.0 if self._since is None else self._clock.now() - self._since

    def answered(self) -> float:
        """Note an answer, and return the seconds of the outage that it ends; a pause that the
        target asked for is none.
        """
        outage = 0.0 if self._refused else self.waited
        self._since, self._refused = None, False
        self.answers += 1
        return outage

    def forget_failures(self) -> None:
        """Count those anew that may be the requests' fault."""
        self._counted = 0

    def wait(self, tries: Tries, error: Exception, sooner: float = 1.0) -> float:
        """Seconds until the next attempt at the request of ``tries``, which ended in ``error``;
        a pause that nothing is stated about is divided by ``sooner``.

        Raises:
            AdapterError: ``error`` itself: it is final, or the last of its kind allowed.
            OutageError: nothing was answered for too long.
            ComeBackError: the target asks for a longer pause than that.
        """
        now = self._clock.now()
        tries.began = tries.began if tries.sends else now
        tries.sends += 1
        limit = limited_by(error, heard=self.heard)
        if limit == "nothing" or tries.sends == self._attempts:
            raise error
        assert isinstance(error, AdapterError)
        self._since = now if self._since is None else self._since
        self._refused = isinstance(error, Throttled)
        # A target that answers others meanwhile is not down.
        others = tries.answers is not None and self.answers > tries.answers
        tries.answers = self.answers
        if limit == "count" or (others and not isinstance(error, Throttled)):
            self._count(tries, error)
        return self._within(tries, error, error.advice.retry_after_s or 0.0, sooner)

    def _count(self, tries: Tries, error: AdapterError) -> None:
        """Count ``error`` as one that may be the request's fault, of this one and of all."""
        tries.counted += 1
        self._counted += 1
        if tries.counted >= ATTEMPTS:
            raise error
        if self._counted > PATTERN_FROM + PATTERN_SHARE * self.answers:
            said = f"{error}; {self._counted} such failures beside {self.answers} answers are no"
            ended = type(error)(f"{said} chance, so the run ends", error.advice)
            ended.status = error.status
            raise ended from error

    def _within(self, tries: Tries, error: AdapterError, asked: float, sooner: float) -> float:
        """``asked`` or a back-off, if that lies within the patience."""
        waited = self.waited
        if asked > self.seconds:
            raise ComeBackError(self._come_back(error, asked))
        # Others may be answered while one request never is.
        if tries.sends > ATTEMPTS:
            waited = max(waited, self._clock.now() - tries.began)
        left = self.seconds - waited
        if left <= 0 or asked > left:
            raise OutageError(
                f"no answer came for {span_text(waited)}, and --patience is "
                f"{span_text(self.seconds)}, so this run ends; the same command goes on where it "
                f"stopped. The last failure: {error}"
            )
        return asked or min(backoff(self._backoff_s / sooner, tries.sends), left)

    def _come_back(self, error: AdapterError, asked: float) -> str:
        when = "in more than a year"
        if asked < _YEAR_S:
            moment = datetime.fromtimestamp(self._clock.wall() + asked, UTC)
            when = f"at {moment:%Y-%m-%d %H:%M:%S} UTC (in {span_text(asked)})"
        said, patience = str(error).rstrip("."), span_text(self.seconds)
        return (
            f"{said}; its quota comes back {when}, and --patience is {patience}: "
            "run the same command again then, it goes on where it stopped"
        )
