"""Opens and asks targets for ``check``: counts every query, keeps every exchange, stays patient."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import Batch, InputSpec, LabelOracle, Labels, LabelSpace, PaceHint, WireCount
from adapters.errors import AdapterError, EndpointError, Throttled
from adapters.http import open_oracle as open_http
from adapters.http.client.exchange import Exchange
from adapters.registry import open_oracle
from adapters.target import Target

ATTEMPTS, TRYING_ATTEMPTS = 6, 2
ODD_REPEATS = 2
"""Repeats of a request that a target in order answered without a label."""
MAX_WAIT_S = 15.0


class Asker:
    """Everything that one ``check`` sends.

    Attributes:
        queries: inputs sent so far, repeats included.
        exchanges: requests and replies since :meth:`forget`.
        rate_headers: newest quota headers seen.
        attempts: sends per request; few while formats are tried, since many servers answer a
            body that they cannot read as if they were busy.
    """

    def __init__(self) -> None:
        self.queries = 0
        self.attempts = ATTEMPTS
        self.exchanges: list[Exchange] = []
        self.rate_headers: dict[str, str] = {}

    @contextlib.asynccontextmanager
    async def opened(self, target: Target) -> AsyncIterator[PatientOracle]:
        """Open ``target``, and close it again.

        Raises:
            AdapterError: it cannot be opened.
        """
        http = target.kind == "http"
        inner = await (open_http(target, self._watch) if http else open_oracle(target))
        try:
            yield PatientOracle(inner, self)
        finally:
            await inner.aclose()

    def forget(self) -> None:
        """Drop the exchanges so far."""
        self.exchanges.clear()

    def _watch(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        self.rate_headers.update(exchange.rate_headers())


class PatientOracle:
    """An oracle that waits and asks again if the target asks for patience.

    Outside an audit there is no engine to do that. Everything else is the inner oracle's.
    """

    def __init__(self, inner: LabelOracle, asker: Asker) -> None:
        self._inner = inner
        self._asker = asker
        self.input_spec: InputSpec = inner.input_spec
        self.label_space: LabelSpace = inner.label_space
        self.fingerprint = inner.fingerprint
        self.description: dict[str, Any] = inner.description
        self.max_batch = inner.max_batch
        self.wire: WireCount = inner.wire

    async def predict_labels(self, batch: Batch) -> Labels:
        """See :meth:`adapters.contract.LabelOracle.predict_labels`."""
        attempts = self._asker.attempts
        for attempt in range(attempts):
            self._asker.queries += len(batch)
            try:
                return await self._inner.predict_labels(batch)
            except EndpointError as error:
                changed = "another format" in str(error) and attempt == 0
                odd = error.advice.kind == "odd" and attempts == ATTEMPTS and attempt < ODD_REPEATS
                if not (isinstance(error, Throttled) or changed or odd) or attempt == attempts - 1:
                    raise
                asked = error.advice.retry_after_s
                await asyncio.sleep(
                    min(asked if asked is not None else 0.1 * 2**attempt, MAX_WAIT_S)
                )
        raise AssertionError("the last attempt neither returned nor raised")

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


async def labels_of(oracle: LabelOracle, images: NDArray[np.float32]) -> list[int]:
    """Labels of ``images``, asked together; one by one if the target does not take that.

    Raises:
        AdapterError: not even one by one.
    """
    step = oracle.max_batch
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
