"""Answers that come later: ask for them until they are there. A look is no query."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any
from urllib.parse import quote

import httpx

from adapters.errors import BadReply, EndpointError, RetryAdvice, ServerFailed
from adapters.http.client.client import Client
from adapters.http.client.endpoint import Endpoint
from adapters.http.payload.json_path import JsonPath
from adapters.http.transport.reading import Reply
from adapters.quoting import printable
from adapters.target import Poll

_LOST = RetryAdvice("transient", outcome_unknown=True)
_MAX_NAME = 200
_MAX_LINES = 100_000
_MOST_ODD = 4
"""Looks in vain that end in no JSON, after which the job counts as lost."""


class Poller:
    """Follows one ``endpoint``'s replies to their answers; ``state_path`` leads to the state."""

    def __init__(self, client: Client, poll: Poll, state_path: str, endpoint: Endpoint) -> None:
        self._client = client
        self._poll = poll
        self._state = JsonPath.read(state_path)
        self._url = JsonPath.read(poll.url_path)
        self._id = JsonPath.read(poll.id_path)
        self._endpoint = endpoint

    async def answer(self, first: Reply) -> Reply:
        """The reply with the answer that ``first`` stands for: itself if it is there already."""
        if self._poll.format == "json" and not self._is_pending(first):
            return first
        place = self._place(first.json())
        try:
            async with asyncio.timeout(self._poll.timeout):
                if self._poll.format == "json":
                    return await self._finished(place)
                events = {"accept": "text/event-stream"}
                reply = await self._client.send("GET", place, b"", events, "answer")
                return dataclasses.replace(reply, body=complete_event(reply.body))
        except EndpointError as error:
            if error.advice.unsent:  # the look never left, the job did
                error.advice = dataclasses.replace(error.advice, unsent=False, outcome_unknown=True)
            raise
        except TimeoutError:
            raise ServerFailed(
                f"{place.shown}: no answer within poll.timeout, {self._poll.timeout:g} s", _LOST
            ) from None

    def _is_pending(self, reply: Reply) -> bool:
        if reply.status in self._poll.statuses:
            return True
        state = self._state.find(reply.json()) if self._poll.pending else None
        return isinstance(state, str) and state in self._poll.pending

    def _place(self, job: Any) -> Endpoint:
        """URL of the answer; the client refuses another server."""
        try:
            return self._stated_place(job)
        except (httpx.InvalidURL, ValueError):
            raise BadReply("the reply names a place for the answer that is no URL") from None

    def _stated_place(self, job: Any) -> Endpoint:
        if self._poll.url_path:
            url = self._url.get(job)
            if not isinstance(url, str):
                raise BadReply(f"the reply holds no URL at {self._poll.url_path}")
            return self._endpoint.beside(url)
        name = self._id.get(job)
        if not isinstance(name, str | int) or not 0 < len(str(name)) <= _MAX_NAME:
            raise BadReply(f"the reply names no job at {self._poll.id_path}")
        base = self._endpoint.path.rstrip("/")
        path = self._poll.url.replace("{url}", base).replace("{id}", quote(str(name), safe=""))
        return self._endpoint.beside(path)

    async def _finished(self, place: Endpoint) -> Reply:
        odd = 0
        while True:
            await asyncio.sleep(self._poll.interval)
            try:
                reply = await self._client.get(place, "answer")
            except EndpointError as error:  # may pass: the job itself is paid for
                if error.advice.kind in {"never", "gone"}:
                    raise
                await asyncio.sleep(min(error.advice.retry_after_s or 0.0, self._poll.timeout))
                continue
            try:
                if not self._is_pending(reply):
                    return reply
            except BadReply:
                odd += 1
                if odd == _MOST_ODD:
                    raise


def complete_event(stream: bytes) -> bytes:
    """The data of the event ``complete`` in a stream of server-sent events."""
    if stream.count(b"\n") > _MAX_LINES:
        raise BadReply(f"the stream of events has more than {_MAX_LINES} lines")
    try:
        text = stream.decode("utf-8")
    except UnicodeDecodeError:
        raise BadReply("the stream of events is not UTF-8 text") from None
    for block in text.replace("\r\n", "\n").split("\n\n"):
        fields = [line.partition(":") for line in block.split("\n")]
        values = [(name, value.removeprefix(" ")) for name, _, value in fields]
        event = next((value for name, value in values if name == "event"), "")
        data = "\n".join(value for name, value in values if name == "data")
        if event == "error":
            reason = printable(data) if data not in {"", "null"} else "without a reason"
            raise ServerFailed(f"the target reports a failure: {reason}", RetryAdvice("odd"))
        if event == "complete":
            return data.encode()
    raise BadReply("the stream of events ended without an answer")
