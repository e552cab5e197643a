"""Both transports behave alike: bytes, heads, compression and proxies, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import gzip
import socket
import ssl
import zlib
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trustme

from adapters.errors import BadReply, TargetError, Unreachable
from adapters.http import open_oracle
from adapters.http.client.exchange import Exchange
from adapters.target import read_target

Scripted = Callable[..., contextlib.AbstractAsyncContextManager[str]]
Script = Callable[[StreamReader, StreamWriter], Awaitable[None]]
zipped = functools.partial(gzip.compress, mtime=0)
ZEROS = np.zeros((1, 1, 2, 2), np.float32)
LABELS = b'{"labels": [1]}'

pytestmark = pytest.mark.parametrize("transport", ["httpx", "aiohttp"])


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def reply(body: bytes, *lines: str, status: int = 200) -> bytes:
    head = [f"HTTP/1.1 {status} Said", *lines, f"content-length: {len(body)}"]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def says(data: bytes) -> Script:
    async def script(_: StreamReader, writer: StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return script


async def ask(url: str, transport: str, **fields: Any) -> tuple[Any, Any, list[Exchange]]:
    """The labels of one query, the oracle and the exchanges."""
    response = {"path": "labels", "kind": "index", **fields.pop("response", {})}
    table = {"url": url, "transport": transport, "input": {"shape": [1, 2, 2]}, **fields}
    seen: list[Exchange] = []
    oracle = await open_oracle(read_target({**table, "response": response}), seen.append)
    try:
        return (await oracle.predict_labels(ZEROS)).tolist(), oracle, seen
    finally:
        await oracle.aclose()


def answered(serve: Scripted, data: bytes, transport: str, **fields: Any) -> tuple[Any, Any, Any]:
    async def run() -> tuple[Any, Any, list[Exchange]]:
        async with serve(says(data)) as url:
            return await ask(url, transport, **fields)

    return asyncio.run(run())


# ---- bytes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\xef\xbb\xbf" + LABELS, "application/json"),
        (b"\r\n\xef\xbb\xbf\xef\xbb\xbf" + LABELS + b"\n", "application/json"),
        (LABELS.decode().encode("utf-16"), "application/json; charset=utf-16"),
        (LABELS.decode().encode("utf-16-le"), "application/json; charset=UTF-16LE"),
        (LABELS.decode().encode("utf-16-be"), "application/json; charset=utf-16be"),
        (LABELS.decode().encode("utf-32"), "application/json"),
        (b'{"labels": [1], "x": "caf\xe9"}', 'text/plain; charset="ISO-8859-1"'),
        (b'\xef\xbb\xbf{"labels": [1], "x": "caf\xc3\xa9"}', "text/html; charset=latin-1"),
    ],
)
def test_json_is_read_in_the_encoding_that_it_has(
    scripted: Scripted, body: bytes, kind: str, transport: str
) -> None:
    labels, *_ = answered(scripted, reply(body, f"content-type: {kind}"), transport)
    assert labels == [1]


def test_a_western_class_name_is_read_as_it_is_stated(scripted: Scripted, transport: str) -> None:
    body = b'{"labels": ["caf\xe9"]}'
    data = reply(body, "content-type: application/json; charset=windows-1252")
    named = {"response": {"kind": "label"}}
    _, oracle, _ = answered(scripted, data, transport, **named)
    assert oracle.label_space.names == ["café"]
    with pytest.raises(BadReply, match="not UTF-8"):
        answered(scripted, reply(body), transport, **named)


# ---- heads ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        ["content-security-policy: " + "a" * 9000],
        ["x-long: " + "a" * 60_000],
        [f"x-{number}: {number}" for number in range(150)],
        [f"x-{number}: {number}" for number in range(390)],
        ["set-cookie: a=1"] * 300,
    ],
)
def test_long_heads_are_read(scripted: Scripted, lines: list[str], transport: str) -> None:
    assert answered(scripted, reply(LABELS, *lines), transport)[0] == [1]


@pytest.mark.parametrize(
    "lines",
    [
        ["x-long: " + "a" * 70_000],
        ["x-long: " + "a" * 40_000, "x-other: " + "b" * 40_000],
        [f"x-{number}: {number}" for number in range(450)],
        [f"x-{number}: {'a' * 60_000}" for number in range(200)],
    ],
)
def test_heads_beyond_the_bound_are_named_as_the_cause(
    scripted: Scripted, lines: list[str], transport: str
) -> None:
    with pytest.raises(Unreachable, match="headers are more than 64 KiB, or more than 400"):
        answered(scripted, reply(LABELS, *lines), transport)


def test_headers_are_the_same_whatever_reads_them(scripted: Scripted, transport: str) -> None:
    lines = ["X-Model: one", "x-model: two", "Server: caf\xe9", "X-Empty:"]
    _, _, seen = answered(scripted, reply(LABELS, *lines), transport)
    headers = {"x-model": "one, two", "server": "caf\xe9", "x-empty": ""}
    assert seen[0].reply.headers == {**headers, "content-length": str(len(LABELS))}


# ---- compression that was not asked for ---------------------------------------------------------


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKED = {
    "gzip": zipped(LABELS),
    "x-gzip": zipped(LABELS),
    "GZIP": zipped(LABELS),
    " gzip": zipped(LABELS[:4]) + zipped(b"") * 900 + zipped(LABELS[4:]),
    "Gzip": LABELS,
    "deflate": zlib.compress(LABELS),
    " deflate": _raw_deflate(LABELS),
    "identity": LABELS,
}


@pytest.mark.parametrize("encoding", PACKED)
def test_a_compressed_reply_is_read_and_counted_as_it_travelled(
    scripted: Scripted, encoding: str, transport: str
) -> None:
    packed = PACKED[encoding]
    data = reply(packed, f"content-encoding:{encoding}")
    labels, oracle, _ = answered(scripted, data, transport)
    assert labels == [1]
    assert oracle.wire.bytes_received == len(packed)


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (zipped(LABELS)[:-10], "ends too early"),
        (b"\x1f\x8b" + b"junk" * 9, "damaged"),
        (zipped(LABELS[:4]) + zipped(LABELS[4:])[:-9], "ends too early"),
        (zipped(b"") * 1001 + zipped(LABELS), "behind its compressed reply"),
        (zipped(LABELS) + b"more", "behind its compressed reply"),
        (zipped(b"0" * 40_000_000), "more than 100 to 1|more than 16777216 bytes"),
        (zipped(zipped(LABELS)), "not UTF-8"),
    ],
)
def test_a_compressed_reply_that_cannot_be_trusted_is_a_stumble(
    scripted: Scripted, packed: bytes, words: str, transport: str
) -> None:
    with pytest.raises(BadReply, match=words) as caught:
        answered(scripted, reply(packed, "content-encoding: gzip"), transport)
    assert caught.value.advice.kind == "odd"


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "aes128gcm"])
def test_what_cannot_be_undone_is_refused_with_its_name(
    scripted: Scripted, encoding: str, transport: str
) -> None:
    with pytest.raises(BadReply, match=f"as '{encoding}' .* only gzip and deflate are undone"):
        answered(scripted, reply(b"???", f"content-encoding: {encoding}"), transport)


def test_the_words_of_a_compressed_refusal_are_quoted(scripted: Scripted, transport: str) -> None:
    body = zipped(b'{"error": "no such model"}')
    with pytest.raises(Exception, match="no such model"):
        answered(scripted, reply(body, "content-encoding: gzip", status=404), transport)


# ---- proxies ------------------------------------------------------------------------------------


class FakeProxy:
    """Forwards requests and opens tunnels to one server, whatever name is asked for."""

    def __init__(self, to: int, password: str = "", status: int = 200) -> None:
        self._to, self._status = to, status
        pair = base64.b64encode(f"me:{password}".encode()).decode()
        self._wanted = f"proxy-authorization: basic {pair}".lower() if password else ""
        self.asked: list[str] = []

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()

    async def _talk(self, reader: StreamReader, writer: StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(head.partition(b"\r\n")[0].decode())
            if self._wanted not in head.decode().lower():
                writer.write(reply(b"who are you?", status=407))
            elif self._status != 200:
                writer.write(reply(b"no way", status=self._status))
            else:
                await self._pass_on(head, reader, writer)
            await writer.drain()
        writer.close()

    async def _pass_on(self, head: bytes, reader: StreamReader, writer: StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        if head.startswith(b"CONNECT"):
            writer.write(b"HTTP/1.1 200 Established\r\n\r\n")
        else:
            far_writer.write(head)
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))


async def _pump(reader: StreamReader, writer: StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


PUBLIC = "http://models.acme-shop.example/classify"


def through(
    serve: Scripted, proxy: str, transport: str, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> tuple[list[int], FakeProxy, Any]:
    """Labels of a query that only a proxy can bring to the server, the proxy, and the oracle."""

    async def run() -> tuple[list[int], FakeProxy, Any]:
        async with serve(says(reply(LABELS))) as url:
            fake = FakeProxy(int(url.rpartition(":")[2].partition("/")[0]), **options)
            async with fake.serving() as place:
                with_name = place.replace("//", "//me:s3cret-pw@")
                monkeypatch.setenv("HTTP_PROXY", with_name if options.get("password") else place)
                stated = {"proxy": place if proxy == "URL" else proxy} if proxy else {}
                labels, oracle, _ = await ask(PUBLIC, transport, **stated)
                return labels, fake, oracle

    return asyncio.run(run())


@pytest.mark.parametrize("proxy", ["env", "URL"])
def test_requests_go_through_the_proxy_that_is_named(
    scripted: Scripted, proxy: str, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, fake, oracle = through(scripted, proxy, transport, monkeypatch)
    assert labels == [1]
    assert fake.asked == [f"POST {PUBLIC} HTTP/1.1"]
    assert oracle.description["proxy"].startswith("http://127.0.0.1:")


def test_the_proxys_password_travels_and_shows_nowhere(
    scripted: Scripted, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, fake, oracle = through(scripted, "env", transport, monkeypatch, password="s3cret-pw")
    assert (labels, len(fake.asked)) == ([1], 1)
    assert "s3cret-pw" not in f"{oracle.description} {oracle.fingerprint} {vars(oracle)}"


@pytest.mark.parametrize(
    ("target", "no_proxy", "kind"),
    [("server.test", "", "unsent"), ("server.test", "other, .test", "direct")],
)
def test_no_proxy_is_obeyed(
    transport: str, target: str, no_proxy: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    monkeypatch.setenv("http_proxy", "http://proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    said = {
        "unsent": "through the proxy http://proxy.test:3128: the proxy's name does not resolve",
        "direct": "the host name does not resolve; check the URL$",
    }
    with pytest.raises(Unreachable, match=said[kind]) as caught:
        asyncio.run(ask(f"http://{target}/x", transport, proxy="env"))
    assert caught.value.advice.unsent


def test_a_tunnel_is_opened_for_https_and_the_server_proves_itself(
    transport: str, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("models.acme-shop.example").configure_cert(context)

    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"proxy-authorization" not in head.lower()
            writer.write(reply(LABELS, "connection: close"))
            await writer.drain()
        writer.close()

    async def run() -> FakeProxy:
        server = await asyncio.start_server(
            talk, "127.0.0.1", 0, ssl=context, ssl_shutdown_timeout=0.5
        )
        fake = FakeProxy(server.sockets[0].getsockname()[1])
        async with server, fake.serving() as place:
            url = PUBLIC.replace("http:", "https:")
            labels, oracle, _ = await ask(
                url, transport, proxy=place, tls={"ca": str(tmp_path / "ca.pem")}
            )
            assert labels == [1]
            assert oracle.server_identity["TLS certificate"].startswith("sha256:")
            with pytest.raises(Unreachable, match="is not trusted"):
                await ask(url, transport, proxy=place)
            return fake

    assert asyncio.run(run()).asked == ["CONNECT models.acme-shop.example:443 HTTP/1.1"] * 2


@pytest.mark.parametrize(("status", "retry"), [(403, "never"), (407, "never"), (503, "outage")])
def test_a_proxy_that_opens_no_tunnel_is_named(status: int, retry: str, transport: str) -> None:
    async def run() -> None:
        async with FakeProxy(1, status=status).serving() as place:
            await ask(PUBLIC.replace("http:", "https:"), transport, proxy=place)

    with pytest.raises(Unreachable, match=rf"the proxy refuses \(HTTP {status}\)") as caught:
        asyncio.run(run())
    assert caught.value.advice.unsent
    assert caught.value.advice.kind == retry


def test_a_proxy_that_is_not_there_is_named(transport: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(
        Unreachable, match=f"through the proxy {place}: connection refused; is the proxy running"
    ):
        asyncio.run(ask(PUBLIC, transport, proxy=place))


def test_a_proxy_that_is_set_and_not_used_is_told_when_nothing_connects(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    monkeypatch.setenv("HTTP_PROXY", "http://me:s3cret-pw@127.0.0.1:9")
    with pytest.raises(Unreachable, match=r"HTTP_PROXY is set and not used.*--proxy env") as caught:
        asyncio.run(ask(PUBLIC, transport))
    assert "s3cret-pw" not in str(caught.value)
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(Unreachable, match=r"check the URL$"):
        asyncio.run(ask(PUBLIC, transport))


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("socks5://127.0.0.1:1080", "must be the URL of an HTTP proxy"),
        ("https://127.0.0.1:1", "must be the URL of an HTTP proxy"),
        ("http://me:pw@127.0.0.1:1", "holds a user name or password"),
        ("http://[", "must be the URL of an HTTP proxy"),
    ],
)
def test_proxies_that_cannot_be_used_are_refused(proxy: str, words: str, transport: str) -> None:
    with pytest.raises(TargetError, match=words):
        asyncio.run(ask(PUBLIC, transport, proxy=proxy))
