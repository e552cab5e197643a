"""One attempt at one endpoint: deadline, size cap, secrets, classification. It never retries, but
for a key that ran out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Literal

from adapters.contract import PaceHint, WireCount
from adapters.errors import BadReply, RetryAdvice, TargetError
from adapters.http.client import failures
from adapters.http.client.credentials import KeyRing, check_header, read_credentials
from adapters.http.client.endpoint import Endpoint
from adapters.http.client.exchange import Exchange
from adapters.http.client.oauth2 import granted_token
from adapters.http.client.quota_headers import pace_hint
from adapters.http.client.server_identity import ServerIdentity
from adapters.http.transport.addresses import AddressGuard
from adapters.http.transport.body import Body
from adapters.http.transport.grpc import GrpcTransport
from adapters.http.transport.proxy import choose_proxy, environment_proxy
from adapters.http.transport.reading import Reply
from adapters.http.transport.transports import Transport, open_transport
from adapters.quoting import error_text
from adapters.target import HttpOptions, Target

Asking = Literal["labels", "metadata", "answer"]
"""labels: a request with inputs. metadata: a question about the model. answer: a look for an answer
that comes later."""

HEADER_BYTES = 300
"""Rough size of one request's head, for estimates and counts."""

MOVED = (301, 302, 303, 307, 308)
"""Statuses of a redirect: a look for an answer may be sent on to it, nothing else is."""

_MAX_CONNECT_S = 10.0
_MOST_REPLY = 16 << 20
_REPLY_FROM, _REPLY_EACH = 4 << 20, 256 << 10
"""Bytes that any reply with labels may have, and more of them for each input asked for."""
_ANSWERED = 200


class Client:
    """Sends requests to one server; ``watch``, if set, receives every exchange."""

    def __init__(
        self,
        target: Target,
        endpoint: Endpoint,
        transport: Transport,
        keys: KeyRing,
        server_identity: ServerIdentity,
        proxy: str = "",
    ) -> None:
        self._retry = target.http.retry
        self._limits = target.limits
        self._origin = endpoint.origin
        self._key_name = target.http.idempotency_header
        self._transport = transport
        self.proxy = proxy
        self._headers = {
            "user-agent": "xray-audit",
            "accept": "application/json",
            # Plain bytes need no trust in a decompressor; some servers compress all the same.
            "accept-encoding": "identity",
        }
        self._keys = keys
        self._hint: PaceHint | None = None
        self.wire = WireCount()
        self.transport = transport.name
        self.server_identity = server_identity
        self.idempotent = bool(target.http.idempotency_header)
        self.watch: Callable[[Exchange], None] | None = None

    async def get(self, endpoint: Endpoint, asking: Asking = "metadata") -> Reply:
        """GET ``endpoint``; see :meth:`send`."""
        return await self.send("GET", endpoint, b"", {}, asking)

    async def send(
        self,
        method: str,
        endpoint: Endpoint,
        body: Body,
        headers: Mapping[str, str],
        asking: Asking = "labels",
        inputs: int = 0,
    ) -> Reply:
        """Make one attempt, or a second where the key has run out, and return its 2xx reply,
        unencoded and complete. ``headers``, in lower case, go over the client's own, and the user's
        over both; the number of ``inputs`` bounds the reply. Raises EndpointError for anything
        else, with a remedy that fits what is asked; no other exception leaves a transport.
        """
        if endpoint.origin != self._origin:
            raise BadReply(
                f"a request to {endpoint.shown} was refused: it is another server than "
                f"{self._origin}, and the key is only for that one"
            )
        self.wire.requests += 1
        self.wire.bytes_sent += len(body) + HEADER_BYTES
        keys = await self._keys.current()
        every = {**self._headers, **headers, **keys.headers}
        url = endpoint.with_query(keys.query)
        if keys.signer is not None:
            every.update(keys.signer.sign(method, url, every, bytes(body)))
        limit = self._most_bytes(inputs)
        reply = await self._exchange(method, endpoint, url, every, body, limit)
        if self._keys.refused(keys, reply.status):
            return await self.send(method, endpoint, body, headers, asking, inputs)
        self.wire.bytes_received += reply.received or len(reply.body)
        self._hint = pace_hint(reply.headers) or self._hint
        secrets, where = self._to_hide(endpoint), endpoint.shown
        if self.watch is not None:
            look = asking == "answer"
            self.watch(Exchange(method, where, every, bytes(body), reply, secrets, look=look))
        if asking == "answer" and reply.status in MOVED and "location" in reply.headers:
            return reply
        about = "one input" if inputs == 1 else asking
        error = failures.from_reply(reply, where, self._retry, limit, secrets, about)
        if error is not None:
            error.status = reply.outcome
            raise error
        self.server_identity.note(reply.headers, self._transport.certificate, secrets)
        return reply

    def odd(self, reply: Reply, endpoint: Endpoint, why: BadReply) -> BadReply:
        """The error of a success at ``endpoint`` that has no usable answer, because of ``why``."""
        final = reply.status in self._retry.final
        error = failures.odd(reply, endpoint.shown, why, self._to_hide(endpoint), final=final)
        error.status = f"{reply.outcome} without labels"
        return error

    def odd_metadata(self, reply: Reply, endpoint: Endpoint, problem: str) -> BadReply:
        """The error of an answer at ``endpoint`` that describes no model."""
        said = error_text(reply.body, self._to_hide(endpoint), reply.charset, failed=False)
        return BadReply(
            f"{endpoint.shown} answered HTTP {reply.status} without the model's metadata: {problem}"
            f"{f'; it says: {said}' if said else ''}; check the URL: the server, and the model's "
            "name and version"
        )

    def _to_hide(self, endpoint: Endpoint) -> tuple[str, ...]:
        return (*self._keys.now.secrets, *endpoint.secrets)

    def key_header(self, key: str) -> dict[str, str]:
        """The header that carries ``key``; none without a key or a name for it."""
        return {self._key_name.lower(): key} if self._key_name and key else {}

    def _most_bytes(self, inputs: int) -> int:
        """Bytes that the reply to a request with so many inputs may have; 0 inputs if its length
        says nothing about that of the reply. gRPC bounds its replies by their requests itself.
        """
        stated = self._limits.max_reply_bytes
        if stated is not None or not inputs or self.transport == "grpc":
            return stated or _MOST_REPLY
        return min(_MOST_REPLY, _REPLY_FROM + inputs * _REPLY_EACH)

    async def _exchange(
        self,
        method: str,
        endpoint: Endpoint,
        url: str,
        headers: Mapping[str, str],
        body: Body,
        limit: int,
    ) -> Reply:
        try:
            async with asyncio.timeout(self._limits.timeout):
                return await self._transport.exchange(method, url, headers, body, limit)
        except self._transport.foreign as error:
            unsent = isinstance(error, self._transport.unsent)
            stranger = endpoint.url.scheme == "https" and not self.wire.bytes_received
            unused = "" if self.proxy else environment_proxy(endpoint) or ""
            found = failures.from_exception(
                error,
                endpoint.shown,
                unsent=unsent,
                stranger=stranger,
                proxy=self.proxy,
                unused=unused,
            )
            if found.advice.unsent:
                self.wire.requests -= 1
                self.wire.bytes_sent -= len(body) + HEADER_BYTES
            if self._retry.on_reset == "stop" and found.advice.outcome_unknown:
                found.advice = RetryAdvice("never", outcome_unknown=True)
            # "from None": the original's text may hold the URL's query or our headers.
            raise found from None

    def take_pace_hint(self) -> PaceHint | None:
        """The newest quota hint, once."""
        hint, self._hint = self._hint, None
        return hint

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()


def open_client(target: Target, endpoint: Endpoint) -> Client:
    """A client for ``endpoint``; nothing is sent yet. Must run inside the event loop. Raises
    TargetError for unusable headers, key, certificates or transport.
    """
    options = target.http
    keys = read_credentials(options, lambda secret: granted_token(target, secret, open_client))
    if options.idempotency_header:
        check_header(options.idempotency_header.lower(), "")
    # Shorter than the attempt, so that "never connected" differs from "no answer".
    connect_s = min(_MAX_CONNECT_S, 0.8 * target.limits.timeout)
    tls = options.tls if endpoint.url.scheme in {"https", "grpcs"} else None
    guard = AddressGuard(endpoint.url.host, private=options.private_network)
    proxy = choose_proxy(options.proxy, endpoint)
    _check_statuses(options)
    transport: Transport
    if endpoint.grpc:
        if keys.now.signer is not None or keys.now.query or options.auth.type in {"hmac", "query"}:
            raise TargetError(f"auth.type {options.auth.type!r} is for HTTP, not for gRPC")
        transport = GrpcTransport(tls, guard)
    else:
        reached = guard if proxy is None else AddressGuard(proxy.host, private=True)
        transport = open_transport(options.transport, connect_s, tls, reached, proxy)
    through = "" if proxy is None else proxy.url
    return Client(target, endpoint, transport, keys, ServerIdentity(guard), through)


def _check_statuses(options: HttpOptions) -> None:
    """Refuse statuses that could not mean what the description gives them."""
    retry = options.retry
    for name in ("throttle", "statuses", "final"):
        wrong = [s for s in getattr(retry, name) if s <= _ANSWERED]
        if wrong:
            what = "every answer has" if wrong[0] == _ANSWERED else "no request ends with"
            raise TargetError(f"retry.{name} holds {wrong[0]}, which {what}: leave it out")
    refused = [s for s in (options.poll.statuses if options.poll else ()) if s // 100 != 2]
    if refused:
        raise TargetError(
            f"poll.statuses holds {refused[0]}, which says that the request failed: name statuses "
            "from 200 to 299 there, or the failure in retry.statuses"
        )
