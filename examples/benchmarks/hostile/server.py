"""A server that misbehaves on request, and keeps its own ledger of what it was asked.

``python -m examples.benchmarks.hostile.server FOLDER`` prints one line of JSON with its ports.
``POST /KIND/RUN`` with ``{"inputs": [..]}`` answers like a classifier until its fault begins;
``GET /ledger/RUN`` says what the run asked; ``GET /release/RUN`` ends the wait of the kind
``held``. Every run has its own state, so nothing that a client
does can change another run's ledger or its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import json
import random
import socket
import ssl
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import trustme
from numpy.typing import NDArray

SHAPE, CLASSES = (1, 6, 6), 10
FAULT_FROM = 4
"""Number of the request from which a fault shows: something was answered before."""
BOMB = 1 << 30
DRIP_S = 0.05


def prototypes(seed: int) -> NDArray[np.float64]:
    """``(classes, c, h, w)`` of the classifier with this seed; 1 is the model under audit."""
    return np.random.default_rng(seed).random((CLASSES, *SHAPE))


def classify(inputs: NDArray[np.float32], seed: int = 1) -> list[int]:
    """Labels of the nearest prototype."""
    flat = prototypes(seed).reshape(CLASSES, -1)
    points = inputs.reshape(len(inputs), -1).astype(np.float64)
    labels: list[int] = ((flat**2).sum(axis=1) - 2.0 * points @ flat.T).argmin(axis=1).tolist()
    return labels


def key_of(one: NDArray[np.float32]) -> str:
    """What the ledger calls one input."""
    return hashlib.sha256(np.ascontiguousarray(one, dtype="<f4").tobytes()).hexdigest()[:24]


@dataclass
class Run:
    """One client's run: its ledger, and how far its fault is."""

    requests: int = 0
    inputs: int = 0
    answered: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    billed: int = 0
    secrets: list[str] = field(default_factory=list)
    first: float = 0.0
    last: float = 0.0
    memory: list[int] = field(default_factory=list)
    tokens: float = 5.0
    filled: float = 0.0
    held: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    rng: random.Random = field(default_factory=lambda: random.Random(7))

    def facts(self) -> dict[str, Any]:
        """The ledger, as ``GET /ledger/RUN`` gives it."""
        return {
            "requests": self.requests,
            "inputs": self.inputs,
            "answered": self.answered,
            "billed": self.billed,
            "asked": dict(self.asked),
            "secrets": self.secrets,
            "held": self.held,
            "seconds": self.last - self.first,
        }


class Talk:
    """One request under way: what was asked, and how to answer it."""

    def __init__(self, run: Run, inputs: NDArray[np.float32], writer: asyncio.StreamWriter) -> None:
        self.run, self.inputs, self.writer = run, inputs, writer
        self.number = run.requests

    @property
    def faulty(self) -> bool:
        """Whether the fault has begun."""
        return self.number >= FAULT_FROM

    @property
    def labels(self) -> list[int]:
        """What the honest model says."""
        return classify(self.inputs)

    async def answer(self, labels: list[Any]) -> None:
        """Send ``labels`` as a good reply."""
        self.run.answered += len(self.inputs)
        self.run.last = time.monotonic()
        await self.send(200, json.dumps({"labels": labels}).encode())

    async def send(self, status: int, body: bytes, **headers: str) -> None:
        """Send one whole reply."""
        lines = [f"HTTP/1.1 {status} x", f"content-length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.raw(("\r\n".join(lines) + "\r\n\r\n").encode() + body)

    async def raw(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """End the connection with RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.writer.transport.abort()

    async def forever(self, piece: bytes, pause: float = 0.0) -> None:
        """Send ``piece`` again and again, until the other side has enough."""
        for _ in range(BOMB // max(1, len(piece))):
            await self.raw(piece)
            if pause:
                await asyncio.sleep(pause)


Fault = Callable[[Talk], Awaitable[None]]
FAULTS: dict[str, Fault] = {}


def fault(name: str) -> Callable[[Fault], Fault]:
    """Register what the kind ``name`` does once its fault has begun."""

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
    """No answer until somebody asks for the release of this run."""
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


# ---- serving -----------------------------------------------------------------------------------


class Server:
    """Listens on plain and TLS ports; every run's ledger lives here."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until somebody ends it."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError, RuntimeError):
            while await self._one(reader, writer):
                pass
        with contextlib.suppress(OSError):
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, path, *_ = head.split(" ", 2)
        headers = dict(
            line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line
        )
        kind, _, name = path.strip("/").partition("/")
        run = self.runs.setdefault(name, Run())
        if method == "GET":
            if kind == "release":
                run.gate.set()
            await Talk(run, np.empty((0, *SHAPE), np.float32), writer).send(
                200, json.dumps(run.facts()).encode()
            )
            return True
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        inputs = np.array(json.loads(body)["inputs"], dtype=np.float32).reshape(-1, *SHAPE)
        talk = self._count(run, inputs, headers, writer)
        begun = talk.faulty or kind in FROM_THE_START
        if begun and kind in FAULTS:
            await FAULTS[kind](talk)
        else:
            await talk.answer(
                [f"c{n}" for n in talk.labels] if kind.startswith("label") else talk.labels
            )
        return not writer.is_closing()

    def _count(
        self,
        run: Run,
        inputs: NDArray[np.float32],
        headers: dict[str, str],
        writer: asyncio.StreamWriter,
    ) -> Talk:
        run.requests += 1
        run.first = run.first or time.monotonic()
        run.inputs += len(inputs)
        run.asked.update(key_of(one) for one in inputs)
        key = headers.get("idempotency-key", "")
        run.billed += 0 if key and run.keys[key] else len(inputs)
        run.keys[key] += 1
        if "authorization" not in headers:
            run.secrets.append("no key")
        return Talk(run, inputs, writer)


async def serve(folder: Path) -> None:
    """Listen, print the ports, and serve until killed."""
    server = Server()
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    ports = {}
    listeners = []
    for name, issuer, host in (
        ("plain", None, ""),
        ("tls", authority, "localhost"),
        ("bad-ca", stranger, "localhost"),
        ("wrong-host", authority, "elsewhere.test"),
    ):
        context = None
        if issuer is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            issuer.issue_cert(host).configure_cert(context)
        listener = await asyncio.start_server(
            server.handle, "127.0.0.1", 0, ssl=context, limit=1 << 26, backlog=200
        )
        listeners.append(listener)
        ports[name] = listener.sockets[0].getsockname()[1]

    async def mute(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    listeners.append(await asyncio.start_server(mute, "127.0.0.1", 0))
    ports["tls-drip"] = listeners[-1].sockets[0].getsockname()[1]
    print(json.dumps(ports), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
