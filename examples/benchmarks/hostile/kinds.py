"""The kinds of misbehaviour that the hostile server knows, by name."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Awaitable, Callable

from examples.benchmarks.hostile.talk import BOMB, CLASSES, FAULT_FROM, Talk, classify

DRIP_S = 0.05
Fault = Callable[[Talk], Awaitable[None]]
FAULTS: dict[str, Fault] = {}


def fault(name: str) -> Callable[[Fault], Fault]:
    """Register the behaviour of the kind ``name`` once its fault has begun."""

    def keep(function: Fault) -> Fault:
        FAULTS[name] = function
        return function

    return keep


def says(name: str, status: int, body: bytes, **headers: str) -> None:
    """A kind that answers with one fixed reply."""

    @fault(name)
    async def reply(talk: Talk) -> None:
        await talk.send(status, body, **headers)


OK = "HTTP/1.1 200 OK\r\n"
for _name, _status, _headers in (
    ("redirect-here", 302, {"Location": "/elsewhere"}),
    ("redirect-away", 307, {"Location": "http://127.0.0.1:9/steal"}),
    ("redirect-metadata", 301, {"Location": "http://169.254.169.254/latest/meta-data"}),
    ("status-401", 401, {}),
    ("status-403", 403, {}),
    ("status-500", 500, {}),
    ("throttle-days", 429, {"Retry_After": "9999999999"}),
    ("always-503", 503, {}),
):
    says(_name, _status, b'{"error": "as the benchmark asked"}', **_headers)
says("error-in-200", 200, b'{"error": "model failed"}')
says("gzip", 200, gzip.compress(b"0" * 10_000_000), Content_Encoding="gzip")
says(
    "gzip-twice",
    200,
    gzip.compress(gzip.compress(b"0" * 200_000_000, 1)),
    Content_Encoding="gzip, gzip",
)
says("zstd", 200, b"(\xb5/\xfd" + b"\0" * 100, Content_Encoding="zstd")
says("brotli", 200, b"\x0b\x02\x80" + b"a" * 100, Content_Encoding="br")
says("bad-utf8", 200, b'{"labels": [1], "x": "\xff\xfe"}')
says("surrogate", 200, b'{"labels": ["\\ud800"]}')
says("truncated-json", 200, b'{"labels": [1, 2')
says("deep-json", 200, b"[" * 50_000 + b"]" * 50_000)
says("huge-integer", 200, b'{"labels": [' + b"9" * 5000 + b"]}")
says("nan", 200, b'{"labels": [NaN]}')
says("html", 200, b"<html><script>alert(1)</script></html>", Content_Type="text/html")


@fault("duplicate-keys")
async def _duplicates(talk: Talk) -> None:
    honest, other = json.dumps(talk.labels), json.dumps([0] * len(talk.inputs))
    await talk.send(200, f'{{"labels": {honest}, "labels": {other}}}'.encode())


@fault("reset-before")
async def _reset_before(talk: Talk) -> None:
    talk.reset()


@fault("reset-middle")
async def _reset_middle(talk: Talk) -> None:
    await talk.raw(f"{OK}content-length: 500\r\n\r\n".encode() + b'{"labels": [')
    talk.reset()


@fault("short-body")
async def _short_body(talk: Talk) -> None:
    await talk.raw(f"{OK}content-length: 500\r\n\r\n".encode() + b'{"labels": [1')
    talk.writer.close()


@fault("silence")
async def _silence(_: Talk) -> None:
    await asyncio.sleep(3600)


@fault("header-drip")
async def _header_drip(talk: Talk) -> None:
    await talk.raw(OK.encode() + b"x-a: ")
    await talk.forever(b"a", DRIP_S)


@fault("body-drip")
async def _body_drip(talk: Talk) -> None:
    await talk.raw(f"{OK}content-length: 100000\r\n\r\n".encode())
    await talk.forever(b" ", DRIP_S)


@fault("endless-1xx")
async def _endless_1xx(talk: Talk) -> None:
    await talk.forever(b"HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n", DRIP_S)


@fault("endless-body")
async def _endless_body(talk: Talk) -> None:
    await talk.raw(f"{OK}content-length: {BOMB}\r\n\r\n".encode())
    await talk.forever(b" " * 65536)


@fault("endless-chunks")
async def _endless_chunks(talk: Talk) -> None:
    await talk.raw(f"{OK}transfer-encoding: chunked\r\n\r\n".encode())
    await talk.forever(b"10000\r\n" + b" " * 65536 + b"\r\n")


def once(name: str, status: int, **headers: str) -> None:
    """A kind that refuses every third request from the fault on, and answers the others."""

    @fault(name)
    async def sometimes(talk: Talk) -> None:
        if talk.number % 6 == FAULT_FROM:
            await talk.send(status, b"{}", **headers)
        else:
            await talk.answer(talk.labels)


once("status-408", 408)
once("throttle-seconds", 429, Retry_After="1")
once("throttle-date", 429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")


@fault("status-413")
async def _too_large(talk: Talk) -> None:
    if len(talk.inputs) > 4:
        # Refused before anything was classified, so nothing of it counts.
        talk.run.inputs -= len(talk.inputs)
        talk.run.billed -= len(talk.inputs)
        await talk.send(413, b"{}")
    else:
        await talk.answer(talk.labels)


# ---- labels and meanings --------------------------------------------------------------------

LABELS = {
    "label-escape": "\x1b]0;owned\x07\x1b[31mcat",
    "label-bidi": "cat\u202egnp.exe",
    "label-markup": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "label-formula": '=HYPERLINK("http://evil")\n@SUM(1)',
    "label-megabyte": "cat" * 350_000,
}
for _name, _text in LABELS.items():

    @fault(_name)
    async def _label(talk: Talk, text: str = _text) -> None:
        await talk.answer([text if label == 3 else f"c{label}" for label in talk.labels])


@fault("label-growing")
async def _growing(talk: Talk) -> None:
    start = talk.run.inputs
    await talk.answer([f"new-{start - n}" for n in range(len(talk.inputs))])


@fault("swap")
async def _swap(talk: Talk) -> None:
    await talk.answer(classify(talk.inputs, 2 if talk.run.inputs > 300 else 1))


@fault("ab-routing")
async def _ab(talk: Talk) -> None:
    pairs = zip(talk.labels, classify(talk.inputs, 2), strict=True)
    await talk.answer([b if talk.run.rng.random() < 0.05 else a for a, b in pairs])


@fault("noise")
async def _noise(talk: Talk) -> None:
    rng = talk.run.rng
    await talk.answer([rng.randrange(CLASSES) if rng.random() < 0.01 else a for a in talk.labels])


@fault("constant")
async def _constant(talk: Talk) -> None:
    await talk.answer([0] * len(talk.inputs))


@fault("shuffled")
async def _shuffled(talk: Talk) -> None:
    labels = talk.labels
    talk.run.rng.shuffle(labels)
    await talk.answer(labels)


@fault("replay")
async def _replay(talk: Talk) -> None:
    memory = talk.run.memory
    if len(memory) < 64:
        memory += talk.labels
    await talk.answer((memory * len(talk.inputs))[: len(talk.inputs)])


@fault("rate-50")
async def _rate(talk: Talk) -> None:
    """50 requests a second, a burst of 5, and every tenth request refused whatever its time."""
    run, now = talk.run, time.monotonic()
    run.tokens = min(5.0, run.tokens + 50.0 * (now - (run.filled or now)))
    run.filled = now
    if run.tokens < 1.0 or run.rng.random() < 0.1:
        await talk.send(429, b"{}")
        return
    run.tokens -= 1.0
    await asyncio.sleep(0.02)
    await talk.answer(talk.labels)


@fault("slow")
async def _slow(talk: Talk) -> None:
    await asyncio.sleep(0.005)
    await talk.answer(talk.labels)


@fault("held")
async def _held(talk: Talk) -> None:
    """No answer until the release of this run is asked for."""
    talk.run.held += 1
    try:
        await talk.run.gate.wait()
    finally:
        talk.run.held -= 1
    await talk.answer(talk.labels)


FROM_THE_START = {
    "constant", "rate-50", "slow", "always-503", "throttle-days", "shuffled", "replay", *LABELS,
    "label-growing",
}  # fmt: skip
