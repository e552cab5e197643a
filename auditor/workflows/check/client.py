"""Opens and asks targets for ``check``: counts every query, keeps every exchange, stays patient."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from adapters import strict_json
from adapters.contract import Batch, InputSpec, LabelOracle, Labels, LabelSpace, PaceHint, WireCount
from adapters.errors import AdapterError, BadReply, EndpointError, Throttled
from adapters.http import open_oracle as open_http
from adapters.http.client.exchange import Exchange
from adapters.http.client.quota_headers import stated_limits
from adapters.model_files.oracle import ModelFileOracle, differ_in_inputs_alone
from adapters.registry import open_oracle
from adapters.secrets import without_secrets
from adapters.target import Limits, Target
from auditor.engine.contract import PATIENCE_S, EngineLimits
from auditor.engine.patience import Patience, Tries, limited_by
from auditor.engine.progress import Progress, span_text
from auditor.engine.rate import Clock, Halt, Pace

T = TypeVar("T")
TRYING_ATTEMPTS, COUNTED_ATTEMPTS = 2, 3
BACKOFF_S, TELL_S, NOTED_PAUSE_S = 0.2, 10.0, 5.0
MOST_TRANSCRIBED = 5000
_HOUR, _DAY = 3600.0, 86_400.0


class Asker:
    """Everything that one ``check`` sends.

    Attributes:
        queries: inputs sent so far, repeats included.
        exchanges: requests and replies since :meth:`forget`.
        rate_headers: newest quota headers seen.
        transcript: every exchange as text, questions about the server too; None for none.
        windows: the limits that headers stated, ``(requests, seconds)``.
        trying: True while formats are tried: many servers answer a body that they cannot read as
            if they were busy, so little patience is due then.
        tokens, priced: tokens that replies state, by kind, and the number of such replies.
        doing: the present step, in words.
        most: most inputs that the check sends in all.
        pace: its own, which the target's refusals teach.
        together: most inputs of a request if more are known to change labels; None if not.
    """

    def __init__(
        self, limits: Limits, progress: Progress | None = None, clock: Clock | None = None
    ) -> None:
        clock = clock or Clock()
        allowed = EngineLimits(
            queries_per_s=limits.rate,
            requests_per_s=limits.request_rate,
            patience_s=limits.patience or PATIENCE_S,
            concurrency=1,
        )
        self._clock, self._halt = clock, Halt(clock)
        self._progress = progress or Progress()
        self._patience = Patience(clock, allowed.patience_s, backoff_s=BACKOFF_S)
        self.pace = Pace(allowed, clock)
        self.queries = 0
        self.trying = False
        self.doing = ""
        self.most = 0
        self.exchanges: list[Exchange] = []
        self.transcript: list[str] | None = None
        self.rate_headers: dict[str, str] = {}
        self.tokens: Counter[str] = Counter()
        self.priced = 0
        self.windows: set[tuple[int, float]] = set()
        self.seconds = 0.0
        self.together: int | None = None
        self._kept: tuple[Target, ModelFileOracle] | None = None

    @contextlib.asynccontextmanager
    async def opened(self, target: Target) -> AsyncIterator[PatientOracle]:
        """Open ``target``, and close it again. A model file stays open for the next target that
        differs in its inputs alone: some libraries take longer to load than to answer.

        Raises:
            AdapterError: it cannot be opened.
        """
        inner: LabelOracle | None = await self._kept_for(target)
        if inner is None and target.kind == "http":
            inner = await self.patiently(lambda: open_http(target, self._watch))
        elif inner is None:
            inner = await open_oracle(target)
        asked = PatientOracle(inner, self)
        try:
            yield asked
        except BaseException:
            await inner.aclose()
            raise
        if isinstance(inner, ModelFileOracle) and not asked.failed:
            self._kept = target, inner
        else:
            await inner.aclose()

    async def _kept_for(self, target: Target) -> ModelFileOracle | None:
        """The model file that is open, now with inputs as ``target`` describes them; None, and it
        is closed, if it does not serve ``target``.
        """
        if self._kept is None:
            return None
        before, oracle = self._kept
        if differ_in_inputs_alone(before, target) and oracle.takes(target):
            self._kept = None
            return oracle
        await self.aclose()
        return None

    async def aclose(self) -> None:
        """Close the model file that is still open, if any."""
        kept, self._kept = self._kept, None
        if kept is not None:
            await kept[1].aclose()

    async def patiently(self, ask: Callable[[], Awaitable[T]], queries: int = 0) -> T:
        """The answer of ``ask``, which sends ``queries`` inputs: asked again as an audit would,
        but for fewer failures that look like the request's fault.

        Raises:
            AdapterError: it failed for good.
            OutageError: nothing was answered for too long.
            ComeBackError: the target asks for a longer pause than that.
        """
        tries = Tries()
        while True:
            await self.pace.wait_for_turn(max(1, queries), self._halt)
            self.queries += queries
            began = self._clock.now()
            try:
                answer = await ask()
            except EndpointError as error:
                wait = self._failed(error, tries, began)
            else:
                self.seconds = self._clock.now() - began
                self._patience.answered()
                self.pace.answered(None, began)
                return answer
            await self._halt.sleep(wait)

    @contextlib.asynccontextmanager
    async def told(self) -> AsyncIterator[None]:
        """Tell the user now and then, while it lasts, what is being done."""
        task = asyncio.create_task(self._tell())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def limits(self) -> dict[str, float]:
        """The limits that the target stated or its refusals taught, as a description has them."""
        rates = [allowed / window for allowed, window in self.windows if window <= _HOUR]
        if self.pace.learnt.proven:
            rates.append(1.0 / self.pace.learnt.proven)
        days = [allowed * _DAY / window for allowed, window in self.windows if window > _HOUR]
        found: dict[str, float] = {"request_rate": float(f"{min(rates):.3g}")} if rates else {}
        return {**found, "requests_per_day": int(min(days))} if days else found

    def seen(self) -> dict[str, float]:
        """The limits, and the tokens per input that a language model's replies state."""
        used = {name: count / self.priced for name, count in self.tokens.items() if self.priced}
        return {**self.limits(), **used}

    def forget(self) -> None:
        """Drop the exchanges so far."""
        self.exchanges.clear()

    def transcribe(self, exchange: Exchange) -> None:
        """Write an exchange down, without secrets, if a transcript is wanted."""
        if self.transcript is not None and len(self.transcript) < MOST_TRANSCRIBED:
            asked, answered = exchange.request_text(), exchange.reply_text()
            number = len(self.transcript) + 1
            whole = f"=== {number}. {self.doing}\n\n{asked}\n\n{answered}\n"
            self.transcript.append(without_secrets(whole))

    def _watch(self, exchange: Exchange) -> None:
        self.transcribe(exchange)
        used = tokens_used(exchange) or {}
        self.priced += bool(used)
        self.tokens.update(used)
        if exchange.look and self.exchanges:  # the request's own reply at last
            self.exchanges[-1] = replace(self.exchanges[-1], reply=exchange.reply)
        else:
            self.exchanges.append(exchange)
        self.rate_headers.update(exchange.rate_headers())
        self.windows.update(stated_limits(exchange.reply.headers))

    def _failed(self, error: EndpointError, tries: Tries, began: float) -> float:
        """Seconds until the next attempt after ``error``; raises it if none is due."""
        asked = error.advice.retry_after_s or 0.0
        if not self._worth_another(error, tries):
            raise error
        wait = self._patience.wait(tries, error)
        if isinstance(error, Throttled) and (asked or not self.trying):
            self.pace.refused(asked, began)
        if asked >= NOTED_PAUSE_S:
            self._progress.note(f"The target asks for a pause of {asked:.0f} s.")
        return wait

    def _worth_another(self, error: EndpointError, tries: Tries) -> bool:
        advice, sends = error.advice, tries.sends + 1
        if advice.kind == "gone":  # a guess, as likely as not
            return False
        if limited_by(error, heard=self._patience.heard) != "time":
            changed = "another format" in str(error)
            most = 2 if changed else 1 if self.trying else COUNTED_ATTEMPTS
            return advice.kind != "never" and sends < most
        if not self.trying or advice.retry_after_s or advice.unsent or error.status == "429":
            return True
        if advice.kind == "outage":
            return bool(error.status)  # a broken connection may be an unreadable body too
        return sends < TRYING_ATTEMPTS

    async def _tell(self) -> None:
        start = began = self._clock.now()
        step = self.doing
        while True:
            await self._clock.sleep(TELL_S)
            now = self._clock.now()
            began, step = (began, step) if step == self.doing else (now - TELL_S, self.doing)
            left = max(0, self.most - self.queries) * (now - start) / max(1, self.queries)
            self._progress.note(
                f"{step}: {span_text(now - began)} so far, {self.queries} of at most {self.most} "
                f"queries sent in all; at this pace the others take {span_text(left)} at most."
            )


def tokens_used(exchange: Exchange) -> dict[str, int] | None:
    """Tokens that a language model's reply to one input states; None if it states none."""
    if b'"usage"' not in exchange.reply.body:
        return None
    try:
        reply = strict_json.parse(exchange.reply.body)
    except BadReply:
        return None
    usage = reply.get("usage") if isinstance(reply, dict) else None
    names = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}
    found = {ours: usage.get(own) for ours, own in names.items()} if isinstance(usage, dict) else {}
    good = all(type(count) is int and 0 <= count < 10**9 for count in found.values())
    return {name: int(count or 0) for name, count in found.items()} if found and good else None


class PatientOracle:
    """An oracle that waits and asks again if the target asks for patience.

    Outside an audit there is no engine to do that. Everything else is the inner oracle's.

    Attributes:
        failed: True once a question failed for good: the model's process may have ended.
    """

    def __init__(self, inner: LabelOracle, asker: Asker) -> None:
        self._inner = inner
        self._asker = asker
        self.input_spec: InputSpec = inner.input_spec
        self.label_space: LabelSpace = inner.label_space
        self.fingerprint = inner.fingerprint
        self.description: dict[str, Any] = inner.description
        self.max_batch = min(inner.max_batch, asker.together or inner.max_batch)
        self.wire: WireCount = inner.wire
        self.failed = False

    @property
    def seconds(self) -> float:
        """Seconds that the newest answer took, without any wait before it."""
        return self._asker.seconds

    async def predict_labels(self, batch: Batch) -> Labels:
        """See :meth:`adapters.contract.LabelOracle.predict_labels`."""
        try:
            return await self._asker.patiently(
                lambda: self._inner.predict_labels(batch), len(batch)
            )
        except AdapterError:
            self.failed = True
            raise

    def request_bytes(self, n: int) -> int:
        """See :meth:`adapters.contract.LabelOracle.request_bytes`."""
        return self._inner.request_bytes(n)

    def take_pace_hint(self) -> PaceHint | None:
        """See :meth:`adapters.contract.LabelOracle.take_pace_hint`."""
        return self._inner.take_pace_hint()

    async def aclose(self) -> None:
        """See :meth:`adapters.contract.LabelOracle.aclose`."""
        await self._inner.aclose()


async def names_of(oracle: LabelOracle, images: NDArray[np.float32]) -> list[str]:
    """The target's names for ``images``, asked as :func:`labels_of` does."""
    return [oracle.label_space.name(label) for label in await labels_of(oracle, images)]


async def labels_of(
    oracle: LabelOracle, images: NDArray[np.float32], most: int | None = None
) -> list[int]:
    """Labels of ``images``, asked together or ``most`` at once; one by one if the target does not
    take that.

    Raises:
        AdapterError: not even one by one.
    """
    step = min(oracle.max_batch, most or len(images), len(images))
    labels: list[int] = []
    while len(labels) < len(images):
        part = images[len(labels) : len(labels) + step]
        try:
            labels += (await oracle.predict_labels(part)).tolist()
        except AdapterError:
            if step == 1:
                raise
            step = 1
    return labels
