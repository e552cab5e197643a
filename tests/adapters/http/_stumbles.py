"""A classifier behind raw HTTP that stumbles at random, and counts what it was asked and gave."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import random
import socket
import zlib
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

MOST_STUMBLES = 2
"""Stumbles over one request: more would be a pattern."""

Labels = list[int]


def reply(status: int, body: bytes, *lines: str) -> bytes:
    """One HTTP reply of stated length."""
    head = [f"HTTP/1.1 {status} Said", *lines, f"content-length: {len(body)}"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def good(labels: Sequence[Any]) -> bytes:
    """The body of an honest answer."""
    return json.dumps({"labels": list(labels)}).encode()


WITHOUT_LABELS: dict[str, Callable[[Labels], bytes]] = {
    "a page": lambda _: reply(200, b"<!doctype html><title>Maintenance</title>"),
    "nothing": lambda _: reply(200, b""),
    "no content": lambda _: b"HTTP/1.1 204 No Content\r\n\r\n",
    "queued": lambda _: reply(202, b'{"status": "queued", "id": "7"}'),
    "one short": lambda labels: reply(200, good(labels[:-1])),
    "one long": lambda labels: reply(200, good([*labels, 0])),
    "a failed item": lambda labels: reply(200, good([*labels[:-1], {"error": "decode failed"}])),
    "an empty item": lambda labels: reply(200, good([None, *labels[1:]])),
    "cut off": lambda labels: reply(200, good(labels)[:-2]),
    "an error": lambda _: reply(200, b'{"error": "worker restarted"}'),
    "Google's error": lambda _: reply(200, b'{"error": {"code": 14, "message": "try later"}}'),
    "AWS's error": lambda _: reply(200, b'{"__type": "a#Failure", "message": "try later"}'),
    "damaged gzip": lambda labels: reply(
        200, gzip.compress(good(labels))[:-9], "content-encoding: gzip"
    ),
    "too many": lambda _: reply(429, b"{}", "retry-after: 0.01"),
    "unavailable": lambda _: reply(503, b"<h1>503</h1>"),
    "bad gateway": lambda _: reply(502, b""),
    "an internal error": lambda _: reply(500, b"Internal Server Error"),
    "a timeout": lambda _: reply(408, b""),
    "hanging up": lambda _: b"",
    "half a reply": lambda labels: reply(200, good(labels))[:-3],
}
"""Stumbles that lose the labels, as the bytes sent; after the last two the connection is closed."""

WITH_LABELS: dict[str, Callable[[Labels], bytes]] = {
    "a byte order mark": lambda labels: reply(200, b"\xef\xbb\xbf" + good(labels)),
    "UTF-16": lambda labels: reply(
        200,
        good(labels).decode().encode("utf-16"),
        "content-type: application/json; charset=utf-16",
    ),
    "a long header": lambda labels: reply(200, good(labels), "x-policy: " + "a" * 9000),
    "many headers": lambda labels: reply(200, good(labels), *(f"x-{n}: {n}" for n in range(150))),
    "gzip": lambda labels: reply(200, gzip.compress(good(labels)), "content-encoding: gzip"),
    "deflate": lambda labels: reply(200, zlib.compress(good(labels)), "content-encoding: deflate"),
    "early hints": lambda labels: (
        b"HTTP/1.1 103 Early\r\nlink: <x>\r\n\r\n" + reply(200, good(labels))
    ),
    "chunks": lambda labels: (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        + b"%x\r\n%s\r\n0\r\n\r\n" % (len(good(labels)), good(labels))
    ),
}
"""Odd manners that leave the labels as they are."""


class StumblingServer:
    """Answers ``{"inputs": [...]}`` by ``labels_of``; a share of the replies stumbles.

    Attributes:
        asked: how often each input arrived.
        given: how often each input was answered with its label.
        stumbles: how often each kind of stumble happened.
    """

    def __init__(
        self, labels_of: Callable[[list[Any]], Labels], *, seed: int, lost: float, odd: float
    ) -> None:
        self._labels_of = labels_of
        self._rng = random.Random(seed)
        self._lost, self._odd = lost, odd
        self._seen: Counter[bytes] = Counter()
        self.asked: Counter[str] = Counter()
        self.given: Counter[str] = Counter()
        self.stumbles: Counter[str] = Counter()
        self.requests = 0

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """The URL of the server while it runs."""
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0, limit=1 << 20)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/score"
        finally:
            server.close()

    async def _talk(self, reader: StreamReader, writer: StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
                sent, ends = self._answer(await reader.readexactly(length))
                writer.write(sent)
                await writer.drain()
                if ends:
                    break
        writer.close()

    def _answer(self, body: bytes) -> tuple[bytes, bool]:
        """The bytes to send, and if the connection ends with them."""
        inputs = json.loads(body)["inputs"]
        names = [json.dumps(one) for one in inputs]
        labels = self._labels_of(inputs)
        self.requests += 1
        self.asked.update(names)
        chance = self._rng.random()
        if chance < self._lost and self._seen[body] < MOST_STUMBLES:
            self._seen[body] += 1
            kind = self._rng.choice(list(WITHOUT_LABELS))
            self.stumbles[kind] += 1
            return WITHOUT_LABELS[kind](labels), kind in {"hanging up", "half a reply"}
        self.given.update(names)
        if chance < self._lost + self._odd:
            kind = self._rng.choice(list(WITH_LABELS))
            self.stumbles[kind] += 1
            return WITH_LABELS[kind](labels), False
        return reply(200, good(labels)), False
