"""One attempt at one endpoint: deadline, size cap, secrets, classification. It never retries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from adapters.contract import PaceHint, WireCount
from adapters.errors import BadReply, RetryAdvice, TargetError
from adapters.http.client import failures
from adapters.http.client.credentials import Credentials, check_header, read_credentials
from adapters.http.client.endpoint import Endpoint
from adapters.http.client.exchange import Exchange
from adapters.http.client.quota_headers import pace_hint
from adapters.http.client.server_identity import ServerIdentity
from adapters.http.transport.addresses import AddressGuard
from adapters.http.transport.grpc import GrpcTransport
from adapters.http.transport.transports import Reply, Transport, open_transport
from adapters.target import Target

HEADER_BYTES = 300
"""Rough size of one request's head, for estimates and counts."""

_MAX_CONNECT_S = 10.0


class Client:
    """Sends requests to one server; ``watch``, if set, receives every exchange."""

    def __init__(
        self,
        target: Target,
        endpoint: Endpoint,
        transport: Transport,
        keys: Credentials,
        server_identity: ServerIdentity,
    ) -> None:
        self._retry = target.http.retry
        self._limits = target.limits
        self._origin = endpoint.origin
        self._key_name = target.http.idempotency_header
        self._transport = transport
        self._secrets = keys.secrets
        self._headers = {
            "user-agent": "xray-audit",
            "accept": "application/json",
            # A reply that expands in memory is an attack; plain bytes can be capped.
            "accept-encoding": "identity",
        }
        self._keys = keys
        self._hint: PaceHint | None = None
        self.wire = WireCount()
        self.transport = transport.name
        self.server_identity = server_identity
        self.idempotent = bool(target.http.idempotency_header)
        self.watch: Callable[[Exchange], None] | None = None

    async def get(self, endpoint: Endpoint) -> Reply:
        """GET ``endpoint``; see :meth:`send`."""
        return await self.send("GET", endpoint, b"", {})

    async def send(
        self, method: str, endpoint: Endpoint, body: bytes, headers: Mapping[str, str]
    ) -> Reply:
        """Make one attempt and return its 2xx reply, unencoded and complete. ``headers``, in lower
        case, go over the client's own, and the user's over both. Raises EndpointError for anything
        else; no other exception leaves a transport.
        """
        if endpoint.origin != self._origin:
            raise BadReply(
                f"a request to {endpoint.shown} was refused: it is another server than "
                f"{self._origin}, and the key is only for that one"
            )
        self.wire.requests += 1
        self.wire.bytes_sent += len(body) + HEADER_BYTES
        every = {**self._headers, **headers, **self._keys.headers}
        url = endpoint.with_query(self._keys.query)
        if self._keys.signer is not None:
            every.update(self._keys.signer.sign(method, url, every, body))
        reply = await self._exchange(method, endpoint, url, every, body)
        self.wire.bytes_received += len(reply.body)
        self._hint = pace_hint(reply.headers) or self._hint
        secrets, where = (*self._secrets, *endpoint.secrets), endpoint.shown
        if self.watch is not None:
            self.watch(Exchange(method, where, every, body, reply, secrets))
        limit = self._limits.max_reply_bytes
        error = failures.from_reply(reply, where, self._retry, limit, secrets)
        if error is not None:
            error.status = reply.outcome
            raise error
        self.server_identity.note(reply.headers, self._transport.certificate, secrets)
        return reply

    def key_header(self, key: str) -> dict[str, str]:
        """The header that carries ``key``; none without a key or a name for it."""
        name = self._key_name.lower()
        return {name: key} if name and key else {}

    async def _exchange(
        self, method: str, endpoint: Endpoint, url: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        limit = self._limits.max_reply_bytes
        try:
            async with asyncio.timeout(self._limits.timeout):
                return await self._transport.exchange(method, url, headers, body, limit)
        except self._transport.foreign as error:
            unsent = isinstance(error, self._transport.unsent)
            stranger = endpoint.url.scheme == "https" and not self.wire.bytes_received
            found = failures.from_exception(error, endpoint.shown, unsent=unsent, stranger=stranger)
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
    keys = read_credentials(options)
    if options.idempotency_header:
        check_header(options.idempotency_header.lower(), "")
    # Shorter than the attempt, so that "never connected" differs from "no answer".
    connect_s = min(_MAX_CONNECT_S, 0.8 * target.limits.timeout)
    tls = options.tls if endpoint.url.scheme in {"https", "grpcs"} else None
    guard = AddressGuard(endpoint.url.host, private=options.private_network)
    transport: Transport
    if endpoint.grpc:
        if keys.signer is not None or keys.query:
            raise TargetError(f"auth.type {options.auth.type!r} is for HTTP, not for gRPC")
        transport = GrpcTransport(tls, guard)
    else:
        transport = open_transport(options.transport, connect_s, tls, guard)
    return Client(target, endpoint, transport, keys, ServerIdentity(guard))
