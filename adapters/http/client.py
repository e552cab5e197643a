"""One attempt at one endpoint: deadline, size cap, secrets, classification. It never retries."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from adapters.contract import PaceHint, WireCount
from adapters.http import failures
from adapters.http.addresses import AddressGuard
from adapters.http.credentials import Credentials, check_header, read_credentials
from adapters.http.endpoint import Endpoint
from adapters.http.origin import version_headers
from adapters.http.pace import pace_hint
from adapters.http.transports import Reply, Transport, open_transport
from adapters.target import HttpOptions

HEADER_BYTES = 300
"""Rough size of one request's head, for estimates and counts."""

_MAX_CONNECT_S = 10.0


class Client:
    """Sends requests to one server.

    Attributes:
        wire: what was sent so far, metadata requests included.
        transport: name of the transport in use.
        origin: what the newest good reply said about its sender, by name.
        keyed: whether requests can carry an idempotency key.
    """

    def __init__(self, options: HttpOptions, transport: Transport, keys: Credentials) -> None:
        self._options = options
        self._transport = transport
        self._secrets = keys.secrets
        self._headers = {
            "user-agent": "xray-audit",
            "accept": "application/json",
            # A reply that expands in memory is an attack; plain bytes can be capped.
            "accept-encoding": "identity",
        }
        self._own_headers = keys.headers
        self._hint: PaceHint | None = None
        self.wire = WireCount()
        self.transport = transport.name
        self.origin: dict[str, str] = {}
        self.keyed = bool(options.idempotency_header)

    async def get(self, endpoint: Endpoint) -> Reply:
        """GET ``endpoint``; see :meth:`send`."""
        return await self.send("GET", endpoint, b"", {})

    async def send(
        self, method: str, endpoint: Endpoint, body: bytes, headers: Mapping[str, str]
    ) -> Reply:
        """Make one attempt and return its 2xx reply, unencoded and complete.

        Args:
            method: HTTP method.
            endpoint: where to.
            body: request body; may be empty.
            headers: lower-case names; added to the client's own, and the user's win over both.

        Raises:
            EndpointError: anything else; no other exception leaves a transport.
        """
        limit = self._options.max_reply_bytes
        self.wire.requests += 1
        self.wire.bytes_sent += len(body) + HEADER_BYTES
        every = {**self._headers, **headers, **self._own_headers}
        try:
            async with asyncio.timeout(self._options.timeout_s):
                reply = await self._transport.exchange(method, endpoint.address, every, body, limit)
        except self._transport.foreign as error:
            unsent = isinstance(error, self._transport.unsent)
            # "from None": the original's text may hold the URL's query or our headers.
            raise failures.from_exception(error, endpoint.shown, unsent=unsent) from None
        self.wire.bytes_received += len(reply.body)
        self._hint = pace_hint(reply.headers) or self._hint
        self._refuse(reply, endpoint)
        # Good replies only: a proxy's own error page has other headers, and labels nothing.
        self.origin.update(version_headers(reply.headers))
        if self._transport.certificate:
            self.origin["TLS certificate"] = self._transport.certificate
        return reply

    def key_header(self, key: str) -> dict[str, str]:
        """The header that carries ``key``; none without a key or a name for it."""
        name = self._options.idempotency_header.lower()
        return {name: key} if name and key else {}

    def take_pace_hint(self) -> PaceHint | None:
        """The newest quota hint, once."""
        hint, self._hint = self._hint, None
        return hint

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    def _refuse(self, reply: Reply, endpoint: Endpoint) -> None:
        where = endpoint.shown
        secrets = self._secrets + endpoint.secrets
        error = failures.from_status(reply, where, self._options.throttle_statuses, secrets)
        if error is not None:
            raise error
        if reply.encoded:
            raise failures.encoded(where)
        if reply.truncated:
            raise failures.oversized(where, self._options.max_reply_bytes)


def open_client(options: HttpOptions, endpoint: Endpoint) -> Client:
    """A client for ``endpoint``; nothing is sent yet. Must run inside the event loop.

    Raises:
        TargetError: unusable headers, key, CA file or transport.
    """
    keys = read_credentials(options)
    if options.idempotency_header:
        check_header(options.idempotency_header.lower(), "")
    # Shorter than the attempt, so that "never connected" is told apart from "no answer".
    connect_s = min(_MAX_CONNECT_S, 0.8 * options.timeout_s)
    tls = endpoint.url.scheme == "https"
    guard = AddressGuard(endpoint.url.host, private=options.private_network)
    transport = open_transport(options.transport, connect_s, options.ca_file, guard, tls=tls)
    return Client(options, transport, keys)
