"""What a hostile, broken or merely busy server does to one attempt: always a typed error."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import gzip
import json
import socket
import time
import traceback
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import numpy as np
import pytest

from adapters.errors import (
    AccessDenied,
    BadReply,
    EndpointError,
    InputRejected,
    NotFound,
    RetryAdvice,
    ServerFailed,
    TargetError,
    Throttled,
    Unreachable,
)
from adapters.http import open_oracle
from adapters.target import Auth, HttpOptions, Limits, RequestFormat, Retry, Target, Tls

Scripted = Callable[..., contextlib.AbstractAsyncContextManager[str]]
KEY = "canary-key-93761"
BATCH = np.zeros((1, 1, 2, 2), np.float32)
GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n[[0,1]]"

both = pytest.mark.parametrize("transport", ["httpx", "aiohttp"])


def _reply(status: int, body: bytes = b"", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Reason", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _says(data: bytes) -> Callable[[Reader, Writer], Awaitable[None]]:
    async def script(_: Reader, writer: Writer) -> None:
        writer.write(data)
        await writer.drain()

    return script


def _target(url: str, **options: Any) -> Target:
    limits = Limits(
        timeout=options.pop("timeout_s", 30.0),
        max_reply_bytes=options.pop("max_reply_bytes", 100_000),
    )
    return Target("http", url, shape=(1, 2, 2), http=HttpOptions(**options), limits=limits)


async def _query(url: str, **options: Any) -> Any:
    oracle = await open_oracle(_target(url, **options))
    try:
        labels = await oracle.predict_labels(BATCH)
        return labels, oracle
    finally:
        await oracle.aclose()


def _fail(
    serve: Scripted, script: Any, kind: type[EndpointError], words: str = "", **options: Any
) -> EndpointError:
    """The error of one query against ``script``; its message must match ``words``."""

    async def run() -> EndpointError:
        async with serve(script) as url:
            with pytest.raises(EndpointError, match=words or None) as caught:
                await _query(url, **options)
            return caught.value

    error = asyncio.run(run())
    assert type(error) is kind, repr(error)
    assert "\n" not in str(error)
    return error


@both
@pytest.mark.parametrize(
    ("status", "kind", "retry"),
    [
        (301, NotFound, "never"),
        (302, NotFound, "gone"),
        (307, NotFound, "gone"),
        (308, NotFound, "never"),
        (400, InputRejected, "never"),
        (401, AccessDenied, "never"),
        (402, AccessDenied, "never"),
        (403, AccessDenied, "never"),
        (404, NotFound, "gone"),
        (405, NotFound, "never"),
        (408, ServerFailed, "transient"),
        (409, ServerFailed, "transient"),
        (413, InputRejected, "too-large"),
        (451, AccessDenied, "never"),
        (415, InputRejected, "never"),
        (420, ServerFailed, "transient"),
        (418, InputRejected, "never"),
        (421, NotFound, "never"),
        (422, InputRejected, "never"),
        (424, ServerFailed, "transient"),
        (426, NotFound, "never"),
        (429, Throttled, "throttled"),
        (431, AccessDenied, "never"),
        (499, ServerFailed, "transient"),
        (500, ServerFailed, "transient"),
        (502, ServerFailed, "outage"),
        (503, Throttled, "throttled"),
        (504, ServerFailed, "outage"),
        (599, ServerFailed, "transient"),
    ],
)
def test_every_status_has_its_place(
    scripted: Scripted, status: int, kind: type[EndpointError], retry: str, transport: str
) -> None:
    error = _fail(scripted, _says(_reply(status)), kind, str(status), transport=transport)
    assert error.advice.kind == retry
    assert error.advice.outcome_unknown == (status in {502, 504})


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, b'{"error": "inference request batch-size must be <= 2 for \'m\'"}'),
        (400, b"Too many images: 8"),
        (422, b'{"detail": "at most 4 instances per call"}'),
        (400, b"Got invalid dimensions for input: x\\n index: 0 Got: 8 Expected: 1"),
    ],
)
def test_a_refusal_that_speaks_of_the_batch_wants_a_smaller_one(
    scripted: Scripted, status: int, said: bytes
) -> None:
    error = _fail(scripted, _says(_reply(status, said)), InputRejected, "send fewer inputs")
    assert error.advice.kind == "too-large"


def test_throttle_statuses_are_the_users(scripted: Scripted) -> None:
    busy = _says(_reply(409, b'{"error":"At capacity"}'))
    _fail(scripted, busy, Throttled, "At capacity", retry=Retry(throttle=(409,)))
    _fail(scripted, _says(_reply(503)), ServerFailed, retry=Retry(throttle=(409,)))
    _fail(scripted, _says(_reply(429)), ServerFailed, "retry.throttle", retry=Retry(throttle=()))


@both
def test_one_input_that_is_too_large_needs_another_remedy_than_fewer(
    scripted: Scripted, transport: str
) -> None:
    words = "this one input is too large"
    error = _fail(scripted, _says(_reply(413)), InputRejected, words, transport=transport)
    assert error.advice.kind == "too-large"
    words = "sent more than 100000 bytes; raise limits.max_reply_bytes$"
    _fail(scripted, _says(_reply(200, b" " * 200_000)), BadReply, words, transport=transport)


@both
def test_retry_after(scripted: Scripted, transport: str) -> None:
    def wait(**headers: str) -> float | None:
        script = _says(_reply(429, b"", **headers))
        return _fail(scripted, script, Throttled, transport=transport).advice.retry_after_s

    now = 1_800_000_000
    assert wait(Retry_After="7") == 7
    assert wait(Retry_After="0.5") == 0.5
    assert wait(Retry_After="soon") is None
    at = {"Date": email.utils.formatdate(now, usegmt=True)}
    assert wait(Retry_After=email.utils.formatdate(now + 90, usegmt=True), **at) == 90
    assert wait(Retry_After=email.utils.formatdate(now - 90, usegmt=True), **at) == 0
    assert wait(RateLimit='"burst";r=0;t=12') == 12
    assert wait() is None
    calm = _says(_reply(420, b"Enhance your calm", X_Rate_Limit_Reset=str(now + 9), **at))
    assert _fail(scripted, calm, Throttled, transport=transport).advice.retry_after_s == 9


@both
def test_pace_hint_is_given_once(scripted: Scripted, transport: str) -> None:
    async def run() -> None:
        reply = _reply(200, b"[[0,1]]", RateLimit='"burst";r=5;t=9')
        async with scripted(_says(reply)) as url:
            _, oracle = await _query(url, transport=transport)
        hint = oracle.take_pace_hint()
        assert (hint.remaining, hint.reset_s) == (5, 9.0)
        assert oracle.take_pace_hint() is None

    asyncio.run(run())


async def _silence(reader: Reader, _: Writer) -> None:
    await reader.read(1)


async def _reset(_: Reader, writer: Writer) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


async def _close(_: Reader, writer: Writer) -> None:
    writer.close()


async def _drip(_: Reader, writer: Writer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    with contextlib.suppress(OSError):
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)


async def _drip_head(_: Reader, writer: Writer) -> None:
    with contextlib.suppress(OSError):
        while not writer.is_closing():
            writer.write(b"HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)


BROKEN = {
    "silence": (_silence, "in time"),
    "drip": (_drip, "in time"),
    "endless 1xx": (_drip_head, "in time"),
    "reset": (_reset, "broke"),
    "close": (_close, "broke"),
    "short body": (_says(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n[[0"), "broke"),
    "short chunk": (
        _says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n[["),
        "broke",
    ),
    "bad chunk": (
        _says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n[[0,1]]\r\n0\r\n\r\n"),
        "breaks the rules",
    ),
    "not http": (_says(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "breaks the rules"),
    "bad length": (
        _says(b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n[[0,1]]"),
        "breaks the rules",
    ),
    "two lengths": (
        _says(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\ncontent-length: 3\r\n\r\n[[0,1]]"),
        "breaks the rules",
    ),
    "huge header": (_says(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 200_000 + b"\r\n\r\n"), "broke"),
}


@both
@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_connection_has_an_unknown_outcome(
    scripted: Scripted, fault: str, transport: str
) -> None:
    script, words = BROKEN[fault]
    timeout = 0.3 if words == "in time" else 5.0
    start = time.perf_counter()
    error = _fail(scripted, script, Unreachable, words, transport=transport, timeout_s=timeout)
    assert time.perf_counter() - start < 2.0
    # A server that speaks something else stays so: that is no outage to wait for.
    assert error.advice.kind == ("transient" if words == "breaks the rules" else "outage")
    assert error.advice.outcome_unknown


@both
def test_after_a_failure_the_next_query_uses_a_fresh_connection(
    scripted: Scripted, transport: str
) -> None:
    """MLServer answers 500 and resets the connection with the next request: never sent there."""
    served = 0

    async def script(reader: Reader, writer: Writer) -> None:
        nonlocal served
        served += 1
        writer.write(GOOD if served > 1 else _reply(500))
        await writer.drain()
        if served == 1:
            await reader.read(1)

    async def run() -> None:
        async with scripted(script) as url:
            oracle = await open_oracle(_target(url, transport=transport))
            with pytest.raises(ServerFailed):
                await oracle.predict_labels(BATCH)
            assert (await oracle.predict_labels(BATCH)).tolist() == [1]
            assert oracle.wire.requests == 2
            await oracle.aclose()

    asyncio.run(run())


@both
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_kept_connection_that_breaks_is_not_tried_anew_behind_our_back(
    scripted: Scripted, method: Literal["POST", "PUT"], transport: str
) -> None:
    read = 0

    async def script(reader: Reader, writer: Writer) -> None:
        nonlocal read
        read += 1
        writer.write(GOOD)
        await writer.drain()
        if await reader.read(1):  # the second request, which is read and never answered
            read += 1

    async def run() -> None:
        async with scripted(script) as url:
            oracle = await open_oracle(
                _target(url, transport=transport, request=RequestFormat(method=method))
            )
            await oracle.predict_labels(BATCH)
            with pytest.raises(Unreachable) as broken:
                await oracle.predict_labels(BATCH)
            assert broken.value.advice == RetryAdvice("outage", outcome_unknown=True)
            await oracle.aclose()

    asyncio.run(run())
    assert read == 2


@both
def test_refused(transport: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable, match="refused") as refused:
        asyncio.run(_query(f"http://localhost:{port}/x", transport=transport))
    assert refused.value.advice == RetryAdvice("outage", unsent=True)


@both
def test_unknown_host(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(Unreachable, match="does not resolve") as unknown:
        asyncio.run(_query("http://no-such-host.invalid/x", transport=transport))
    assert unknown.value.advice == RetryAdvice("gone", unsent=True)


@both
@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "x-odd"])
def test_compressed_replies_are_refused_unread(
    scripted: Scripted, encoding: str, transport: str
) -> None:
    bomb = gzip.compress(gzip.compress(b"0" * 1_000_000))
    script = _says(_reply(200, bomb, Content_Encoding=encoding))
    _fail(scripted, script, BadReply, "compressed", transport=transport)
    script = _says(_reply(400, bomb, Content_Encoding=encoding))
    _fail(scripted, script, InputRejected, transport=transport)


@both
@pytest.mark.parametrize("head", [b"content-length: 400000000", b"transfer-encoding: chunked"])
def test_endless_replies_are_cut(scripted: Scripted, head: bytes, transport: str) -> None:
    sent = 0

    async def script(_: Reader, writer: Writer) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
        block = b"%x\r\n" % 65536 + b" " * 65536 + b"\r\n"
        with contextlib.suppress(OSError):
            while sent < 400_000_000:
                writer.write(block)
                sent += len(block)
                await writer.drain()

    error = _fail(
        scripted, script, BadReply, "100000 bytes", transport=transport, max_reply_bytes=100_000
    )
    assert sent < 100_000_000
    assert error.advice.kind == "never"


@both
@pytest.mark.parametrize(
    ("inputs", "stated", "read"), [(1, None, False), (8, None, True), (1, 6 << 20, True)]
)
def test_a_reply_is_bounded_by_what_was_asked(
    scripted: Scripted,
    transport: Literal["httpx", "aiohttp"],
    inputs: int,
    stated: int | None,
    *,
    read: bool,
) -> None:
    labels = b" " * (5 << 20) + json.dumps([[0, 1]] * inputs).encode()
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    reply = head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(labels), labels)

    async def run() -> Any:
        async with scripted(_says(reply)) as url:
            options = HttpOptions(transport=transport)
            limits = Limits(max_reply_bytes=stated)
            oracle = await open_oracle(
                Target("http", url, shape=(1, 2, 2), http=options, limits=limits)
            )
            try:
                return await oracle.predict_labels(np.repeat(BATCH, inputs, axis=0))
            finally:
                await oracle.aclose()

    if read:
        assert asyncio.run(run()).tolist() == [1] * inputs
    else:
        with pytest.raises(
            BadReply, match=r"sent more than 4456448 bytes; raise limits\.max_reply"
        ):
            asyncio.run(run())


@both
def test_an_endless_error_keeps_its_status(scripted: Scripted, transport: str) -> None:
    async def script(_: Reader, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 422 No\r\ncontent-length: 480000000\r\n\r\n")
        with contextlib.suppress(OSError):
            for _n in range(7000):
                writer.write(b"x" * 65536)
                await writer.drain()

    error = _fail(scripted, script, InputRejected, "422", transport=transport)
    assert len(str(error)) < 500


@both
def test_a_redirect_is_never_followed(scripted: Scripted, transport: str) -> None:
    seen = 0

    async def script(_: Reader, writer: Writer) -> None:
        nonlocal seen
        seen += 1
        goal = "http://user:pw@other.example/new?token=abc"
        writer.write(_reply(302, Location=goal))
        await writer.drain()

    error = _fail(scripted, script, NotFound, "other.example/new", transport=transport)
    assert seen == 1
    assert "abc" not in str(error)
    assert "pw" not in str(error)


@both
def test_server_words_are_quoted_short_and_harmless(scripted: Scripted, transport: str) -> None:
    body = '{"error": "bad \x1b[31m\u202egnp.exe ' + "x" * 5000 + '"}'
    script = _says(_reply(400, body.replace("\x1b", "\\u001b").encode()))
    error = _fail(scripted, script, InputRejected, "bad", transport=transport)
    assert "\\x1b[31m\\u202e" in str(error)
    assert "\x1b" not in str(error)
    assert str(error).count("x" * 20) > 0
    assert len(str(error)) < 400


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"detail": [{"loc": ["x"], "msg": "field required"}]}', "field required"),
        (b'{"error": {"message": "quota used up"}}', "quota used up"),
        (b"plain\r\ntext", "plain text"),
        (b'{"code": 503, "message": "Prediction failed"}', "Prediction failed"),
        (b"\xff\xfe broken", "broken"),
    ],
)
def test_where_servers_put_their_words(scripted: Scripted, body: bytes, words: str) -> None:
    _fail(scripted, _says(_reply(400, body)), InputRejected, words)


@both
def test_no_secret_gets_out(
    scripted: Scripted,
    transport: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    caplog.set_level(0)
    scripts: list[Any] = [_says(GOOD), _close, _silence, _says(b"junk\r\n\r\n")]
    scripts.append(_says(_reply(401, f"bad key Bearer {KEY}, q {KEY}-q, h {KEY}-h".encode())))
    scripts.append(_says(_reply(200, b"nonsense")))
    texts: list[str] = []

    async def one(script: Any) -> None:
        async with scripted(script) as url:
            target = _target(
                f"{url}?token={KEY}-q",
                auth=Auth(secret_env="MY_KEY"),
                headers={"X-Other": f"{KEY}-h"},
                transport=transport,
                timeout_s=0.3,
            )
            oracle = await open_oracle(target)
            texts.extend([repr(target.http), oracle.fingerprint, repr(oracle.description)])
            texts.extend([repr(oracle), repr(vars(oracle))])
            try:
                await oracle.predict_labels(BATCH)
            except EndpointError as error:
                texts.extend(traceback.format_exception(error))
                texts.append(repr(error))
            finally:
                await oracle.aclose()

    for script in scripts:
        asyncio.run(one(script))
    texts += [record.getMessage() for record in caplog.records]
    assert [text for text in texts if KEY in text] == []
    assert any("***" in text for text in texts)


@both
def test_the_key_travels(
    scripted: Scripted, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", f"  {KEY}\n")
    heads: list[bytes] = []

    async def talk(reader: Reader, writer: Writer) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(GOOD)

    async def run() -> None:
        options = {"auth": Auth("header", header="X-API-Key", secret_env="MY_KEY")}
        async with scripted(talk, eat=False) as url:
            await _query(f"{url}?a=b%20c#part", transport=transport, **options)

    asyncio.run(run())
    head = heads[0].lower()
    assert f"\r\nx-api-key: {KEY}\r\n".encode() in head
    assert head.startswith(b"post /score?a=b%20c http/1.1\r\n")
    for name in (b"host", b"content-length", b"accept-encoding", b"content-type", b"x-api-key"):
        assert head.count(b"\r\n" + name + b":") == 1


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("http://me:secret@host/x", {}, "user and secret_env"),
        ("ftp://host/x", {}, "http://"),
        ("host/x", {}, "http://"),
        ("http:///x", {}, "http://"),
        ("http://host:port/x", {}, "not a valid URL"),
        ("http://[bad/x", {}, "http://"),
        (
            "http://host/x",
            {"auth": Auth(secret_env="NO_SUCH_VARIABLE_HERE")},
            "NO_SUCH_VARIABLE_HERE",
        ),
        ("http://host/x", {"headers": {"X-A": "b\r\nX-C: d"}}, "does not allow"),
        ("http://host/x", {"headers": {"X A": "b"}}, "does not allow"),
        ("http://host/x", {"headers": {"Content-Length": "5"}}, "by the client itself"),
        ("https://host/x", {"tls": Tls("/no/such/file.pem")}, r"tls\.ca"),
    ],
)
def test_targets_that_cannot_work(url: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(TargetError, match=words) as caught:
        asyncio.run(_query(url, **options))
    assert "me:secret" not in str(caught.value)


@both
def test_environment_proxies_are_ignored(
    scripted: Scripted, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def run() -> None:
        async with scripted(_says(GOOD)) as url:
            labels, _ = await _query(url, transport=transport)
            assert labels.tolist() == [1]

    asyncio.run(run())


@both
def test_cookies_are_not_kept(scripted: Scripted, transport: str) -> None:
    heads: list[bytes] = []

    async def talk(reader: Reader, writer: Writer) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            heads.append(head)
            size = head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
            await reader.readexactly(int(size))
            writer.write(_reply(200, b"[[0,1]]", Set_Cookie="who=audit"))

    async def run() -> None:
        async with scripted(talk, eat=False) as url:
            oracle = await open_oracle(_target(url, transport=transport))
            for _ in range(2):
                await oracle.predict_labels(BATCH)
            await oracle.aclose()

    asyncio.run(run())
    assert len(heads) == 2
    assert b"cookie" not in heads[1].lower()


@both
def test_https_against_plain_http(scripted: Scripted, transport: str) -> None:
    async def talk(reader: Reader, writer: Writer) -> None:
        await reader.read(1)
        writer.write(_reply(400))

    async def run() -> None:
        async with scripted(talk, eat=False) as url:
            with pytest.raises(Unreachable, match="no TLS there") as caught:
                await _query(url.replace("http:", "https:"), transport=transport)
            assert caught.value.advice.kind == "never"

    asyncio.run(run())


@both
def test_a_tls_handshake_that_hangs_is_no_broken_tls(scripted: Scripted, transport: str) -> None:
    async def talk(reader: Reader, _: Writer) -> None:
        await reader.read(-1)

    async def run() -> None:
        async with scripted(talk, eat=False) as url:
            with pytest.raises(Unreachable, match="in time") as caught:
                await _query(url.replace("http:", "https:"), transport=transport, timeout_s=0.3)
            assert caught.value.advice == RetryAdvice("outage", unsent=True)

    asyncio.run(run())


@both
def test_many_queries_in_flight_are_not_held_back(scripted: Scripted, transport: str) -> None:
    """The usual default of 100 connections would stall this for ever."""
    waiting = 0
    everyone = asyncio.Event()

    async def script(_: Reader, writer: Writer) -> None:
        nonlocal waiting
        waiting += 1
        if waiting == 120:
            everyone.set()
        await everyone.wait()
        writer.write(GOOD)
        await writer.drain()

    async def run() -> None:
        async with scripted(script, backlog=200) as url:
            oracle = await open_oracle(_target(url, transport=transport, timeout_s=20.0))
            await asyncio.gather(*(oracle.predict_labels(BATCH) for _ in range(120)))
            assert oracle.wire.requests == 120
            assert oracle.wire.bytes_received == 120 * 7
            assert oracle.wire.bytes_sent > 120 * 60
            await oracle.aclose()

    asyncio.run(run())


@both
def test_a_cancelled_query_leaves_a_working_client(scripted: Scripted, transport: str) -> None:
    served = 0
    arrived = asyncio.Event()

    async def script(reader: Reader, writer: Writer) -> None:
        nonlocal served
        served += 1
        if served == 1:
            arrived.set()
            await reader.read(1)
            return
        writer.write(GOOD)
        await writer.drain()

    async def run() -> None:
        async with scripted(script) as url:
            oracle = await open_oracle(_target(url, transport=transport))
            task = asyncio.create_task(oracle.predict_labels(BATCH))
            await arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await oracle.predict_labels(BATCH)).tolist() == [1]
            await oracle.aclose()

    asyncio.run(run())
