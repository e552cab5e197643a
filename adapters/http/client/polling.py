"""Answers that come later: ask for them until they are there. A look is no query."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from typing import Any
from urllib.parse import quote

import httpx

from adapters.errors import BadReply, EndpointError, RetryAdvice, ServerFailed, TargetError
from adapters.http.client.client import MOVED, Client
from adapters.http.client.endpoint import Endpoint
from adapters.http.client.waits import wait_in_headers
from adapters.http.payload.json_path import JsonPath
from adapters.http.transport.reading import Reply
from adapters.quoting import printable, shown_value
from adapters.target import Poll

_LOST = RetryAdvice("transient", outcome_unknown=True)
_MAX_NAME = 200
_NAME = re.compile(r"\{\+?id\}")
_MAX_LINES = 100_000
_MOST_ODD = 4
"""Looks in vain that end in no JSON, after which the job counts as lost."""
_LONGEST_S = 2.0
"""Seconds between two looks at most, unless ``poll.interval`` or the target asks for more."""
_MOST_MOVED = 3
"""Redirects from a job to its answer, as it is customary; they stay on the same server."""


class Poller:
    """Follows one ``endpoint``'s replies to their answers; ``state_path`` leads to the state."""

    def __init__(self, client: Client, poll: Poll, state_path: str, endpoint: Endpoint) -> None:
        if not (poll.header or poll.url_path or (poll.id_path and _NAME.search(poll.url))):
            raise TargetError(
                'poll needs header or url_path, or id_path and a url that holds "{id}" or "{+id}"'
            )
        self._client = client
        self._poll = poll
        self._state_path = poll.state_path or state_path
        self._state = JsonPath.read(self._state_path)
        self._pending = {state.casefold() for state in poll.pending}
        self._done = {state.casefold() for state in poll.done}
        self._url = JsonPath.read(poll.url_path)
        self._id = JsonPath.read(poll.id_path)
        self._result = JsonPath.read(poll.result_path)
        self._endpoint = endpoint

    async def answer(self, first: Reply) -> Reply:
        """The reply with the answer that ``first`` stands for: itself if it is there already.

        Raises:
            EndpointError: the job failed, or there is no answer within ``poll.timeout``.
        """
        if self._poll.format == "json" and not self._is_pending(first, accepted=True):
            return first
        place = self._place(first)
        try:
            async with asyncio.timeout(self._poll.timeout):
                if self._poll.format == "json":
                    return await self._answered(first, place)
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

    def _is_pending(self, reply: Reply, *, accepted: bool = False) -> bool:
        """True if the answer is not there yet; a request that was just ``accepted`` may have no
        state so far. Raises ServerFailed if the job is in no state that leads to an answer.
        """
        if reply.status in self._poll.statuses:
            return True
        if not self._pending and not self._done:
            return False
        state = self._state.find(reply.json())
        said = shown_value(state).casefold()
        if said in self._pending:
            return True
        if not self._done or said in self._done:
            return False
        if accepted and state is None:
            return True
        raise ServerFailed(
            f"the target reports {self._state_path} = {shown_value(state)}, not "
            f"{printable(' or '.join(self._poll.done))}",
            RetryAdvice("odd"),
        )

    def _place(self, first: Reply) -> Endpoint:
        """URL to ask for the answer."""
        header, path = self._poll.header.lower(), self._poll.url_path
        if header:
            url, where = first.headers.get(header), f"in its header {self._poll.header}"
            return _beside(self._endpoint, url, where)
        if path:
            return _beside(self._endpoint, self._url.get(first.json()), f"at {path}")
        name = self._id.get(first.json())
        if not isinstance(name, str | int) or not 0 < len(str(name)) <= _MAX_NAME:
            raise BadReply(f"the reply names no job at {self._poll.id_path}")
        url = self._poll.url.replace("{url}", self._endpoint.path.rstrip("/"))
        return _beside(self._endpoint, _with_name(url, str(name)))

    async def _answered(self, first: Reply, place: Endpoint) -> Reply:
        last = await self._finished(place, wait_in_headers(first.headers) or self._poll.interval)
        if not self._poll.result_path:
            return last
        urls = [self._result.find(reply.json()) for reply in (last, first)]
        url = next((one for one in urls if one is not None), None)
        result = _beside(self._endpoint, url, f"of the answer at {self._poll.result_path}")
        return await self._finished(result, 0.0, final=True)

    async def _finished(self, place: Endpoint, pause: float, *, final: bool = False) -> Reply:
        """The reply at ``place``, first asked after ``pause`` seconds, as soon as it is no "not
        yet" any more, or any good one if it is the ``final`` answer.
        """
        odd, moved, wait = 0, 0, self._poll.interval
        longest = max(wait, _LONGEST_S)
        while True:
            await asyncio.sleep(pause)
            pause = wait = min(1.5 * wait, longest)
            try:
                reply = await self._client.get(place, "answer")
            except EndpointError as error:  # may pass: the job itself is paid for
                if error.advice.kind in {"never", "gone"}:
                    raise
                pause = max(wait, min(error.advice.retry_after_s or 0.0, self._poll.timeout))
                continue
            if reply.status in MOVED:
                moved, pause = moved + 1, 0.0
                if moved > _MOST_MOVED:
                    raise BadReply(f"{place.shown} redirects again and again")
                place = _beside(place, reply.headers["location"])
                continue
            try:
                if final or not self._is_pending(reply):
                    return reply
            except BadReply:
                odd += 1
                if odd == _MOST_ODD:
                    raise
            pause = wait_in_headers(reply.headers) or wait


def _with_name(url: str, name: str) -> str:
    """``url`` with a job's ``name`` for ``{id}``, and for ``{+id}``, which keeps its slashes."""
    steps = name.strip("/").split("/")
    if "{+id}" in url and not {"", ".", ".."}.isdisjoint(steps):
        raise BadReply("the reply names a job by a path that leads elsewhere")
    kept = "/".join(quote(step, safe="", errors="replace") for step in steps)
    whole = quote(name, safe="", errors="replace")
    return _NAME.sub(lambda found: kept if found[0] == "{+id}" else whole, url)


def _beside(place: Endpoint, url: Any, where: str = "") -> Endpoint:
    """The endpoint of a ``url`` that was stated at ``place``; the client refuses another server."""
    if not isinstance(url, str) or not url:
        raise BadReply(f"the reply holds no URL {where}")
    try:
        return place.beside(url)
    except (httpx.InvalidURL, ValueError):
        raise BadReply("the reply names a place for the answer that is no URL") from None


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
