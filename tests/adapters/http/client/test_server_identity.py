"""Who answers, and under which key: certificates, version headers, idempotency."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
import time
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trustme

from adapters.contract import IdempotentOracle, RemoteOracle
from adapters.errors import ServerFailed, TargetError
from adapters.http import open_oracle
from adapters.http.client.server_identity import ServerIdentity, version_headers
from adapters.http.transport.addresses import AddressGuard
from adapters.target import HttpOptions, Target, Tls

Scripted = Callable[..., contextlib.AbstractAsyncContextManager[str]]
BATCH = np.zeros((1, 1, 2, 2), np.float32)
KEY = "k" * 100 + "-secret"
both = pytest.mark.parametrize("transport", ["httpx", "aiohttp"])


def _target(url: str, **options: Any) -> Target:
    return Target("http", url, shape=(1, 2, 2), http=HttpOptions(**options))


def _reply(status: int = 200, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} x", "content-length: 7", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n[[0,1]]").encode()


@both
def test_version_headers_of_good_replies_are_kept(scripted: Scripted, transport: str) -> None:
    replies = [
        _reply(Server="one/1", X_Model_Version="7"),
        _reply(500, Server="proxy"),
        _reply(X_Model_Version="8", X_Host="pod-3"),
    ]

    async def talk(_: Reader, writer: Writer) -> None:
        writer.write(replies.pop(0))

    async def run() -> None:
        async with scripted(talk) as url:
            oracle = await open_oracle(_target(url, transport=transport))
            assert isinstance(oracle, RemoteOracle)
            assert oracle.server_identity == {}
            await oracle.predict_labels(BATCH)
            before = dict(oracle.server_identity)
            assert before == {"header server": "one/1", "header x-model-version": "7"}
            with pytest.raises(ServerFailed):
                await oracle.predict_labels(BATCH)
            assert oracle.server_identity == before
            await oracle.predict_labels(BATCH)
            assert oracle.server_identity == {**before, "header x-model-version": "8"}
            await oracle.aclose()

    asyncio.run(run())


def test_what_a_header_says_is_safe_to_print() -> None:
    found = version_headers({"server": "\x1b[31m\u202e" + "x" * 500})
    assert len(found["header server"]) <= 80
    assert found["header server"].isprintable()


@both
def test_another_certificate_is_noticed(tmp_path: Path, transport: str) -> None:
    authority = trustme.CA()
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    shown = []

    async def talk(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_reply())
        await writer.drain()
        writer.close()

    async def serve(port: int) -> asyncio.Server:
        certificate = authority.issue_cert("localhost")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(context)
        der = ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode())
        shown.append(f"sha256:{hashlib.sha256(der).hexdigest()}")
        return await asyncio.start_server(talk, "127.0.0.1", port, ssl=context)

    async def run() -> None:
        server = await serve(0)
        port = server.sockets[0].getsockname()[1]
        url = f"https://localhost:{port}/x"
        oracle: Any = await open_oracle(_target(url, transport=transport, tls=Tls(str(ca_file))))
        await oracle.predict_labels(BATCH)
        await oracle.predict_labels(BATCH)
        assert oracle.server_identity["TLS certificate"] == shown[0]
        server.close()
        await server.wait_closed()
        server = await serve(port)
        await oracle.predict_labels(BATCH)
        assert oracle.server_identity["TLS certificate"] == shown[1] != shown[0]
        await oracle.aclose()
        server.close()

    asyncio.run(run())


@both
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_endpoint_is_identified_without_its_secrets(
    scripted: Scripted, transport: Any, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_AUDIT_API_KEY", KEY)

    async def talk(_: Reader, writer: Writer) -> None:
        head = [
            "HTTP/1.1 200 OK",
            "content-length: 7",
            "connection: close",
            f"date: {formatdate(time.time() + 3600, usegmt=True)}",
            "server: tested/1",
            f"x-model-id: {KEY}",
        ]
        writer.write(("\r\n".join(head) + "\r\n\r\n[[0,1]]").encode())

    async def run() -> None:
        async with scripted(talk) as address:
            url = address.replace("127.0.0.1", host)
            target = Target(
                "http", f"{url}?token=T0P", shape=(1, 2, 2), http=HttpOptions(transport=transport)
            )
            oracle = await open_oracle(target)
            assert isinstance(oracle, RemoteOracle)
            assert oracle.identity()["clock_offset_s"] is None
            await oracle.predict_labels(BATCH)
            found = oracle.identity()
            await oracle.aclose()
        assert found["url"] == f"{url}?…"
        assert set(found["addresses"]) <= {"127.0.0.1", "::1"}
        assert found["addresses"]
        assert found["certificate"] is None
        assert found["headers"] == {"server": "tested/1", "x-model-id": "***"}
        assert 3595 < found["clock_offset_s"]["low"] <= found["clock_offset_s"]["high"] < 3605
        assert KEY not in str(found)
        assert "T0P" not in str(found)

    asyncio.run(run())


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Foo 9999999999 99:99:99 GMT"])
def test_a_date_that_is_none_is_no_clock(date: str) -> None:
    seen = ServerIdentity(AddressGuard("127.0.0.1", private=False))
    seen.note({"date": date})
    assert seen.record("u")["clock_offset_s"] is None


def test_offsets_span_what_was_seen() -> None:
    now = [0.0]
    seen = ServerIdentity(AddressGuard("127.0.0.1", private=False), lambda: now[0])
    for ours, theirs in ((10.0, 12.0), (20.0, 19.0), (30.0, 31.0)):
        now[0] = ours
        seen.note({"date": formatdate(theirs, usegmt=True)})
    assert seen.record("u")["clock_offset_s"] == {"low": -1.0, "high": 2.0}


@both
def test_the_key_of_a_request_travels_where_the_target_names_a_header(
    scripted: Scripted, transport: str
) -> None:
    heads: list[bytes] = []

    async def talk(reader: Reader, writer: Writer) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).lower())
        await reader.readexactly(int(heads[-1].split(b"content-length: ")[1].split()[0]))
        writer.write(_reply())

    async def ask(url: str, header: str) -> bool:
        target = _target(url, transport=transport, idempotency_header=header)
        oracle = await open_oracle(target)
        assert isinstance(oracle, IdempotentOracle)
        await oracle.predict_labels_as(BATCH, "k-123")
        await oracle.aclose()
        return oracle.idempotent

    async def run() -> None:
        async with scripted(talk, eat=False) as url:
            assert await ask(url, "Idempotency-Key")
            assert not await ask(url, "")

    asyncio.run(run())
    assert b"idempotency-key: k-123" in heads[0]
    assert b"k-123" not in heads[1]


def test_a_header_that_cannot_travel_is_refused() -> None:
    with pytest.raises(TargetError, match="name that HTTP does not allow"):
        asyncio.run(open_oracle(_target("http://127.0.0.1:9/x", idempotency_header="bad name")))
