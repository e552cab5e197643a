"""One HTTP exchange, over aiohttp or httpx: bytes out, bytes in, nothing else.

Both sit below cookies, redirects, environment proxies, decompression and URL logging, which an
audit must not have. Measured per request: aiohttp 0.08 ms of CPU, httpx's transport 0.55 ms,
httpx's client 0.75 ms.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import importlib.util
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache, partial
from typing import Any, Literal, Protocol

import httpx

from adapters.errors import MissingExtra
from adapters.http.transport.addresses import AddressGuard
from adapters.http.transport.body import Body, chunks
from adapters.http.transport.proxy import Proxy
from adapters.http.transport.reading import (
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    BodyReader,
    Reply,
    read_head,
)
from adapters.http.transport.tls import tls_context
from adapters.target import Tls

_KEPT_URLS = 100
_WARNS_FROM = 1 << 20
"""Body size from which aiohttp warns about plain bytes."""


class Transport(Protocol):
    """Transport as the client needs it.

    Attributes:
        foreign: every exception that :meth:`exchange` may raise.
        unsent: those of them that come before the request could leave.
        certificate: SHA-256 of the certificate that the newest connection was shown; empty without
            TLS.
    """

    name: str
    certificate: str
    foreign: tuple[type[Exception], ...]
    unsent: tuple[type[Exception], ...]

    async def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: Body, limit: int
    ) -> Reply:
        """Send ``body`` and read at most ``limit`` bytes of the reply's body."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


def open_transport(
    name: Literal["auto", "httpx", "aiohttp"],
    connect_s: float,
    tls: Tls | None,
    guard: AddressGuard,
    proxy: Proxy | None = None,
) -> Transport:
    """The transport called ``name``; ``auto`` takes aiohttp if it is installed. A connection may
    take ``connect_s`` seconds to stand; ``tls`` is None unless the endpoint is https; ``guard`` is
    the proxy's if there is one, as the proxy finds the server itself. Raises MissingExtra without
    the aiohttp asked for, TargetError for an unreadable certificate.
    """
    context = None if tls is None else tls_context(tls)
    has_aiohttp = importlib.util.find_spec("aiohttp") is not None
    if name == "aiohttp" and not has_aiohttp:
        raise MissingExtra("aiohttp is not installed; install xray-audit[fast]")
    kind = HttpxTransport if name == "httpx" or not has_aiohttp else AiohttpTransport
    reader = BodyReader()  # one for all that a server's failures make open anew
    transport = FreshTransport(lambda: kind(connect_s, context, guard, reader, proxy))
    if context is not None:
        _record_certificates(context, transport)
    return transport


def _record_certificates(context: ssl.SSLContext, transport: FreshTransport) -> None:
    """Let ``transport`` know the certificate of every connection that ``context`` makes."""

    class Recording(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            shown = self.getpeercert(binary_form=True)
            if shown is not None:
                transport.certificate = f"sha256:{hashlib.sha256(shown).hexdigest()}"

    context.sslobject_class = Recording


class _GuardedResolver:
    """Resolver for aiohttp, which connects to no other address."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: int = socket.AF_INET
    ) -> list[dict[str, Any]]:
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
            for address in await self._guard.resolve(host, port, family)
        ]

    async def close(self) -> None:
        """Nothing is held."""


class FreshTransport:
    """Another transport, opened by ``make``, that never sends on a connection that was open when
    the server failed. MLServer and MLflow answer 500 and reset the connection with the next
    request, which would then be charged although it was never read.
    """

    def __init__(self, make: Callable[[], Transport]) -> None:
        self._make = make
        self._now = make()
        self._users = {self._now: 0}
        self.name = self._now.name
        self.certificate = ""
        self.foreign = self._now.foreign
        self.unsent = self._now.unsent

    async def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: Body, limit: int
    ) -> Reply:
        """See :meth:`Transport.exchange`."""
        used = self._now
        self._users[used] += 1
        try:
            reply = await used.exchange(method, url, headers, body, limit)
            if reply.status >= 500 and used is self._now:
                self._now = self._make()
                self._users[self._now] = 0
            return reply
        finally:
            self._users[used] -= 1
            if used is not self._now and not self._users[used]:
                del self._users[used]
                await used.aclose()

    async def aclose(self) -> None:
        """See :meth:`Transport.aclose`."""
        for one in self._users:
            await one.aclose()


class AiohttpTransport:
    """aiohttp, the fast one."""

    name = "aiohttp"
    certificate = ""

    def __init__(
        self,
        connect_s: float,
        context: ssl.SSLContext | None,
        guard: AddressGuard,
        reader: BodyReader,
        proxy: Proxy | None,
    ) -> None:
        self._reader = reader
        # An optional package: imported on use.
        self._aiohttp = aiohttp = importlib.import_module("aiohttp")
        yarl = importlib.import_module("yarl")
        # Every answer that comes later has a URL of its own.
        self._url = lru_cache(_KEPT_URLS)(partial(yarl.URL, encoded=True))
        self.unsent: tuple[type[Exception], ...] = (
            aiohttp.ClientConnectorError,
            aiohttp.ClientHttpProxyError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.InvalidURL,
        )
        # ValueError: what its parsers raise on some malformed replies.
        self.foreign: tuple[type[Exception], ...] = (
            aiohttp.ClientError,
            OSError,
            EOFError,
            ValueError,
        )
        # In a tunnel the proxy reads the head that opens it, otherwise that of the request itself.
        self._proxy_headers = {} if proxy is None else proxy.headers
        connector = aiohttp.TCPConnector(
            limit=0,  # the engine bounds concurrency; a second, silent bound would stall it
            ssl=context or True,
            resolver=_GuardedResolver(guard),
            use_dns_cache=False,  # the guard keeps what it checked
        )
        self._session = self._open_session(connector, connect_s, proxy)

    def _open_session(self, connector: Any, connect_s: float, proxy: Proxy | None) -> Any:
        aiohttp = self._aiohttp
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_s),
            max_line_size=MAX_HEAD_BYTES,
            max_field_size=MAX_HEAD_BYTES,
            max_headers=MAX_HEADERS,
            proxy=None if proxy is None else proxy.url,
        )

    async def _once(self, request: Any, send: Callable[[Any], Awaitable[Any]]) -> Any:
        """Send ``request`` once. aiohttp would send a PUT anew if a kept connection breaks: billed
        twice, charged once. It does so for two kinds of errors only.
        """
        aiohttp = self._aiohttp
        try:
            return await send(request)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise aiohttp.ClientConnectionError(*error.args) from error

    async def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: Body, limit: int
    ) -> Reply:
        """See :meth:`Transport.exchange`."""
        parsed = self._url(url)
        if self._proxy_headers and parsed.scheme != "https":
            headers = {**headers, **self._proxy_headers}
        data: Any = bytes(body) or None if len(body) < _WARNS_FROM else chunks(body)
        if len(body) >= _WARNS_FROM:  # chunks do not tell their length, and io.BytesIO is a copy
            headers = {**headers, "content-length": str(len(body))}
        async with self._session.request(
            method,
            parsed,
            data=data,
            headers=headers,
            proxy_headers=self._proxy_headers,
            allow_redirects=False,
            middlewares=() if method == "POST" else (self._once,),
        ) as response:
            headers = read_head(response.raw_headers)
            content = response.content.iter_any()
            reply = await self._reader.read(content, response.status, headers, limit)
            if reply.truncated or reply.fault:
                response.close()
            return reply

    async def aclose(self) -> None:
        """See :meth:`Transport.aclose`."""
        await self._session.close()
        # TLS connections say goodbye in one more turn of the loop.
        await asyncio.sleep(0)


class HttpxTransport:
    """httpx, the one that is always there."""

    name = "httpx"
    certificate = ""
    foreign: tuple[type[Exception], ...] = (
        httpx.HTTPError,
        httpx.StreamError,
        httpx.InvalidURL,
        OSError,
        EOFError,
        ValueError,
    )
    unsent: tuple[type[Exception], ...] = (
        httpx.ConnectError,
        httpx.ConnectTimeout,
        httpx.PoolTimeout,
        httpx.ProxyError,
        httpx.UnsupportedProtocol,
        httpx.InvalidURL,
    )

    def __init__(
        self,
        connect_s: float,
        context: ssl.SSLContext | None,
        guard: AddressGuard,
        reader: BodyReader,
        proxy: Proxy | None,
    ) -> None:
        self._reader = reader
        self._guard = guard
        self._direct = proxy is None
        self._url = lru_cache(_KEPT_URLS)(httpx.URL)
        self._extensions: dict[str, Any] = {
            "timeout": {"connect": connect_s, "read": None, "write": None, "pool": None}
        }
        self._transport = httpx.AsyncHTTPTransport(
            # Without TLS the context goes unused, and the default one takes long to load.
            verify=context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            trust_env=False,
            # The engine bounds concurrency; a second, silent bound here would stall it.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
            proxy=None if proxy is None else httpx.Proxy(proxy.url, auth=proxy.auth),
        )

    async def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: Body, limit: int
    ) -> Reply:
        """See :meth:`Transport.exchange`."""
        parsed = self._url(url)
        response = await self._connect(
            lambda address: self._request(method, parsed, headers, body, address)
        )
        try:
            named = read_head(response.headers.raw)
            return await self._reader.read(response.aiter_raw(), response.status_code, named, limit)
        finally:
            await response.aclose()

    async def _connect(self, request: Callable[[str | None], httpx.Request]) -> httpx.Response:
        """Send to the first checked address of the host that takes a connection."""
        first = request(None)
        if self._guard.is_address or not self._direct:
            return await self._transport.handle_async_request(first)
        host, port = first.url.host, first.url.port or 0
        failure: Exception | None = None
        for address in await self._guard.resolve(host, port):
            try:
                return await self._transport.handle_async_request(request(address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error  # nothing was sent, so another address may be tried
        raise failure or httpx.ConnectError("the host name has no address")

    def _request(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        body: Body,
        address: str | None,
    ) -> httpx.Request:
        """The request, to ``address`` if one is given: httpx would resolve the name anew."""
        extensions, named = self._extensions, dict(headers)
        if address is not None:
            named.setdefault("host", url.netloc.decode("ascii"))
            extensions = {**extensions, "sni_hostname": url.host}
            url = url.copy_with(host=address)
        return httpx.Request(method, url, headers=named, content=bytes(body), extensions=extensions)

    async def aclose(self) -> None:
        """See :meth:`Transport.aclose`."""
        await self._transport.aclose()
