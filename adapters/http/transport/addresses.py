"""Addresses that a host name may lead to, checked on the connection and not on the name.

A public name may be made to resolve to a private address (DNS rebinding), and then the request,
key included, goes to a machine inside the user's network. So a private address is asked only
if the user's URL names one.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time

_PRIVATE_ENDINGS = (
    ".localhost", ".local", ".internal", ".intranet", ".lan", ".home.arpa", ".private", ".corp",
    ".test", ".svc", ".docker",
)  # fmt: skip
"""Endings that the public name system does not have: a URL with one means a private name."""

_CACHE_S = 60.0
_METADATA = frozenset(
    ipaddress.ip_address(a) for a in ("fd00:ec2::254", "100.100.100.200", "192.0.0.192")
)
"""Addresses of clouds' metadata, credentials included, outside the link-local range."""
_SHARED = ipaddress.ip_network("100.64.0.0/10")
_EMBEDDING = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ForbiddenAddressError(OSError):
    """The host name leads to an address that the user did not name."""


class AddressGuard:
    """Resolves one host and refuses addresses that its name does not stand for; ``private`` if a
    public name may lead to a private one. ``seen`` has every address the name led to, or the URL's
    own.
    """

    def __init__(self, host: str, *, private: bool) -> None:
        self.host = host
        self._named = _as_address(host)
        plain = host.rstrip(".").lower()
        self._private = private or "." not in plain or plain.endswith(_PRIVATE_ENDINGS)
        self._found: dict[tuple[str, int], tuple[float, tuple[str, ...]]] = {}
        self.seen: set[str] = set() if self._named is None else {str(self._named)}

    @property
    def is_address(self) -> bool:
        """True if the URL names an address itself; then there is nothing to resolve."""
        return self._named is not None

    def check(self, address: str) -> None:
        """Refuse ``address`` if the host's name does not stand for it."""
        found = _as_address(address)
        if self._named is not None and found == self._named:
            return
        kind = _kind(found)
        if kind == "private" and self._private:
            return
        if kind:
            raise ForbiddenAddressError(
                f"the name {self.host} leads to {address}, a {kind} address"
            )

    async def resolve(self, host: str, port: int, family: int = socket.AF_UNSPEC) -> list[str]:
        """Checked addresses of ``host``, kept for a minute; OSError if one is forbidden or none."""
        until, known = self._found.get((host, family), (0.0, ()))
        if until > time.monotonic():
            return list(known)
        loop = asyncio.get_running_loop()
        entries = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in entries))
        for address in addresses:
            self.check(address)
        self.seen.update(addresses)
        self._found[host, family] = (time.monotonic() + _CACHE_S, addresses)
        return list(addresses)


def _as_address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _kind(address: Address | None) -> str:
    """``private``, ``link-local or metadata``, ``reserved``, or empty for a public address."""
    if address is None:
        return "reserved"
    plain = _embedded(address)
    if plain.is_link_local or plain in _METADATA:
        return "link-local or metadata"
    if plain.is_loopback or plain.is_unspecified:
        return "private"
    if plain.is_multicast or plain.is_reserved:
        return "reserved"
    shared = isinstance(plain, ipaddress.IPv4Address) and plain in _SHARED
    return "private" if plain.is_private or shared else ""


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and any(address in network for network in _EMBEDDING):
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address
