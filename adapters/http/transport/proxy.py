"""The proxy between us and the server: one that the user names, or the environment's if told so."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

import httpx

from adapters.errors import TargetError
from adapters.http.client.endpoint import Endpoint, read_endpoint
from adapters.secrets import remember_key
from adapters.target import Target

FROM_ENVIRONMENT = "env"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy at ``url``, ``http://HOST:PORT``, with its credentials if it wants some."""

    url: str
    host: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """The header that carries the credentials, if there are some."""
        pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode("ascii")
        return {"proxy-authorization": f"Basic {pair}"} if self.user else {}

    @property
    def auth(self) -> tuple[str, str] | None:
        """User and password."""
        return (self.user, self.password) if self.user else None


def choose_proxy(stated: str, endpoint: Endpoint) -> Proxy | None:
    """The proxy that requests to ``endpoint`` go through: ``stated`` is a URL, ``env`` or empty.
    Raises TargetError for a URL that cannot be one.
    """
    if stated == FROM_ENVIRONMENT:
        name = environment_proxy(endpoint)
        chosen = None if name is None else _read(os.environ[name], name)
    else:
        chosen = _read(stated, "proxy") if stated else None
    if chosen is not None and endpoint.grpc:
        raise TargetError("a proxy is for HTTP, not for gRPC: leave proxy out")
    return chosen


def environment_proxy(endpoint: Endpoint) -> str | None:
    """Name of the environment variable whose proxy other programs would use for ``endpoint``."""
    if _is_exempt(endpoint):
        return None
    scheme = {"grpc": "http", "grpcs": "https"}.get(endpoint.url.scheme, endpoint.url.scheme)
    names = (f"{kind}_proxy" for kind in (scheme, "all"))
    return next((n for name in names for n in (name, name.upper()) if os.environ.get(n)), None)


def _is_exempt(endpoint: Endpoint) -> bool:
    """True if NO_PROXY names the host, or it is this machine."""
    host = endpoint.url.host.rstrip(".").lower()
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(_names(entry, host, address, endpoint) for entry in _exceptions())


def _exceptions() -> Iterator[str]:
    text = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    return (entry for entry in re.split(r"[\s,]+", text.lower()) if entry)


def _names(
    entry: str,
    host: str,
    address: ipaddress.IPv4Address | ipaddress.IPv6Address | None,
    endpoint: Endpoint,
) -> bool:
    """True if ``entry`` of NO_PROXY is ``*``, the host, a domain above it or a network around it;
    it may name a port.
    """
    if entry == "*":
        return True
    if address is not None:
        try:
            return address in ipaddress.ip_network(entry.strip("[]"), strict=False)
        except ValueError:
            pass
    name, colon, port = entry.rpartition(":")
    if colon and port.isdigit():
        if port != endpoint.origin.rpartition(":")[2]:
            return False
        entry = name
    entry = entry.strip("[]").removeprefix("*").removeprefix(".")
    return host == entry or (address is None and host.endswith(f".{entry}"))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _read(text: str, source: str) -> Proxy:
    text = text.strip()
    try:
        url = httpx.URL(text if "://" in text else f"http://{text}")
    except httpx.InvalidURL:
        raise TargetError(f"{source} is no URL of a proxy like http://proxy:3128") from None
    if (
        url.scheme != "http"
        or not url.host
        or "%" in url.host
        or url.path not in {"", "/"}
        or url.query
    ):
        raise TargetError(f"{source} must be the URL of an HTTP proxy like http://proxy:3128")
    user, _, password = url.userinfo.decode("ascii").partition(":")
    if password:
        remember_key(unquote(password))
        remember_key(password)
    plain = f"http://{url.netloc.decode('ascii')}"
    return Proxy(plain, url.host, unquote(user), unquote(password))


def unused_proxy(target: Target) -> str:
    """Sentence on a proxy of the environment that requests to ``target`` pass by; or empty."""
    if target.kind != "http" or target.http.proxy:
        return ""
    name = environment_proxy(read_endpoint(target.location))
    return f"{name} is set and not used: --proxy env obeys it." if name else ""
