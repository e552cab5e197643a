"""The URL of an endpoint: checked once, shown without its secrets ever after."""

from __future__ import annotations

import re

import httpx

from adapters.errors import TargetError


class Endpoint:
    """A checked URL of http, https, grpc or grpcs. Its query may hold a secret, so neither ``url``
    nor ``address`` is ever shown, but ``shown``, which has no query values.

    Attributes:
        path: percent-encoded path, without the query.
        origin: scheme, host and port: the server.
        secrets: values of the query parameters, to be hidden wherever a server repeats them.
    """

    def __init__(self, url: httpx.URL) -> None:
        self.url = url
        self.address = str(url)
        self.grpc = url.scheme in {"grpc", "grpcs"}
        self.shown = str(url.copy_with(query=None)) + ("?…" if url.query else "")
        self.path = url.raw_path.split(b"?", 1)[0].decode("ascii")
        port = url.port or {"https": 443, "http": 80}.get(url.scheme, 0)
        self.origin = f"{url.scheme}://{url.host}:{port}"
        self.secrets = tuple(value for _, value in url.params.multi_items() if value)

    def __repr__(self) -> str:
        return f"Endpoint({self.shown})"

    def at(self, path: str) -> Endpoint:
        """The same server and query at another, already percent-encoded, path."""
        query = self.url.query
        raw = path.encode("ascii") + (b"?" + query if query else b"")
        return Endpoint(self.url.copy_with(raw_path=raw))

    def beside(self, location: str) -> Endpoint:
        """The endpoint at ``location``: a whole URL, or a path on this server, query kept."""
        url = self.url.join(location)
        return Endpoint(url.copy_with(fragment=None))

    def with_query(self, extra: str) -> str:
        """The address with ``extra``, already percent-encoded, added to its query."""
        if not extra:
            return self.address
        return f"{self.address}{'&' if self.url.query else '?'}{extra}"


def read_endpoint(location: str) -> Endpoint:
    """The endpoint at ``location``; TargetError for other schemes, no host or a password inside."""
    try:
        url = httpx.URL(location.strip())
    except httpx.InvalidURL:
        raise TargetError("the endpoint is not a valid URL") from None
    if url.userinfo:
        raise TargetError(
            "the endpoint URL holds a user name or password; "
            'take them out and state [auth] type = "basic" with user and secret_env'
        )
    # httpx escapes what cannot be a host name instead of refusing it.
    grpc = url.scheme in {"grpc", "grpcs"}
    if not (url.scheme in {"http", "https"} or grpc) or not url.host or "%" in url.host:
        bare = re.fullmatch(r"[\w.-]+(:\d+)?(/[\w./-]*)?", location.strip())
        hint = f"; did you mean http://{location.strip()}?" if bare else ""
        raise TargetError(f"the endpoint must be a URL that starts with http:// or https://{hint}")
    if grpc and url.port is None:
        raise TargetError("a gRPC endpoint must name its port: grpc://HOST:8001/NAME")
    if url.port is not None and not 0 < url.port < 65536:
        raise TargetError(f"the endpoint URL names port {url.port}, ports go from 1 to 65535")
    return Endpoint(url.copy_with(fragment=None))
