"""Where a name may lead: a public one to no machine inside the user's network."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from adapters.errors import Unreachable
from adapters.http import open_oracle
from adapters.http.transport.addresses import AddressGuard, ForbiddenAddressError
from adapters.target import HttpOptions, Target

Scripted = Callable[..., contextlib.AbstractAsyncContextManager[str]]
GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\n[[0,1]]"
PUBLIC, METADATA = "93.184.215.14", "169.254.169.254"
INSIDE = [
    "10.0.0.7", "172.16.9.9", "192.168.1.1", "127.0.0.1", "0.0.0.0", "100.64.3.2", "::1", "fd12::5",
    "::ffff:10.0.0.7", "64:ff9b::a00:7", "2002:a00:7::1",
]  # fmt: skip
NEVER = [METADATA, "fe80::1", "fd00:ec2::254", "100.100.100.200", "::ffff:169.254.169.254"]
ODD = ["224.0.0.1", "240.0.0.1", "255.255.255.255", "not-an-address"]


@pytest.mark.parametrize("address", INSIDE + NEVER + ODD)
def test_a_public_name_leads_to_no_private_address(address: str) -> None:
    with pytest.raises(ForbiddenAddressError, match=r"models\.example\.com"):
        AddressGuard("models.example.com", private=False).check(address)


@pytest.mark.parametrize("address", [PUBLIC, "2606:2800:21f::1", "::ffff:93.184.215.14"])
def test_a_public_address_is_free(address: str) -> None:
    AddressGuard("models.example.com", private=False).check(address)


@pytest.mark.parametrize(
    "host", ["localhost", "triton", "triton.default.svc", "models.corp.internal", "printer.local."]
)
@pytest.mark.parametrize("address", INSIDE)
def test_a_private_name_leads_inside(host: str, address: str) -> None:
    AddressGuard(host, private=False).check(address)


@pytest.mark.parametrize("host", ["metadata.google.internal", "triton", "models.example.com"])
@pytest.mark.parametrize("address", NEVER)
def test_no_name_leads_to_metadata(host: str, address: str) -> None:
    with pytest.raises(ForbiddenAddressError, match="metadata"):
        AddressGuard(host, private=True).check(address)


@pytest.mark.parametrize("address", INSIDE + NEVER)
def test_an_address_names_itself_and_no_other(address: str) -> None:
    guard = AddressGuard(address, private=False)
    assert guard.is_address
    guard.check(address)
    with pytest.raises(ForbiddenAddressError):
        guard.check("169.254.1.1")


def test_the_user_may_allow_private_addresses() -> None:
    for address in INSIDE:
        AddressGuard("models.example.com", private=True).check(address)


def _resolves_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    asked: list[str] = []

    def resolve(host: Any, port: Any, *_: Any, **__: Any) -> Any:
        asked.append(str(host))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


async def _ask(url: str, transport: Any, **options: Any) -> list[int]:
    target = Target("http", url, shape=(1, 2, 2), http=HttpOptions(transport=transport, **options))
    oracle = await open_oracle(target)
    try:
        answers = [await oracle.predict_labels(np.zeros((1, 1, 2, 2), np.float32)) for _ in "ab"]
        return [int(labels[0]) for labels in answers]
    finally:
        await oracle.aclose()


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_a_name_rebound_to_loopback_is_not_asked(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    heads: list[bytes] = []

    async def talk(reader: Reader, writer: Writer) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        await reader.readexactly(int(heads[-1].lower().split(b"content-length: ")[1].split()[0]))
        writer.write(GOOD)

    async def run() -> None:
        async with scripted(talk, eat=False) as url:
            named = url.replace("localhost", "models.example.com")
            _resolves_to(monkeypatch, PUBLIC, "127.0.0.1")
            with pytest.raises(Unreachable, match="private address") as caught:
                await _ask(named, transport)
            assert caught.value.advice.kind == "never"
            assert not caught.value.advice.outcome_unknown
            assert heads == []
            _resolves_to(monkeypatch, "127.0.0.1")
            assert await _ask(named, transport, private_network=True) == [1, 1]
            host = b"host: " + named.split("/")[2].encode()
            assert len(heads) == 2
            assert all(host in head.lower() for head in heads)

    asyncio.run(run())


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_a_dead_address_is_followed_by_the_next(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    async def talk(_: Reader, writer: Writer) -> None:
        writer.write(GOOD)

    async def run() -> None:
        async with scripted(talk) as url:
            asked = _resolves_to(monkeypatch, "127.0.0.2", "127.0.0.1")
            named = url
            assert await _ask(named, transport) == [1, 1]
            assert set(asked) == {"localhost"}
            assert len(asked) == 1  # kept for the second request

    asyncio.run(run())
