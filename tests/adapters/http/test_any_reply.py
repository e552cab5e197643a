"""Whatever a server sends: a label or a typed error, soon, and in bounded memory."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import random
import sys
import time
import tracemalloc
import zlib
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import numpy as np
import pytest

from adapters.errors import AdapterError, BadReply
from adapters.http import open_oracle
from adapters.http.client.polling import complete_event
from adapters.http.oracle import HttpOracle
from adapters.http.transport.reading import BodyReader, Reply, read_head
from adapters.target import read_target
from tests.adapters.http._memory import forget_peak, resident
from tests.adapters.http._outcome import CPU_S, outcome

Scripted = Callable[..., contextlib.AbstractAsyncContextManager[str]]
MIB = 1 << 20
INPUTS = 4
BATCH = np.zeros((INPUTS, 1, 2, 2), np.float32)
META = {
    "name": "m",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 1, 2, 2]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 3]}],
}
TEXTS = {**META, "outputs": [{"name": "y", "datatype": "BYTES", "shape": [-1, 1]}]}
Head = list[tuple[bytes, bytes]]


class Wire:
    """A transport that answers with the next of ``replies``, read as a real one reads them."""

    name = "fake"
    certificate = ""
    foreign: tuple[type[Exception], ...] = (OSError, ValueError)
    unsent: tuple[type[Exception], ...] = ()

    def __init__(self, replies: list[tuple[int, Head, bytes]]) -> None:
        self.replies = replies
        self._reader = BodyReader()

    async def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, limit: int
    ) -> Reply:
        del method, url, headers, body
        status, head, content = self.replies[0] if len(self.replies) == 1 else self.replies.pop(0)
        return await self._reader.read(_chunks(content), status, read_head(head), limit)

    async def aclose(self) -> None:
        """Nothing is open."""


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 65536):
        yield content[start : start + 65536]


FORMATS: dict[str, dict[str, Any]] = {
    **{
        kind: {"response": {"path": "out", "kind": kind}}
        for kind in ("label", "index", "scores", "label-score-list", "label-score-dict")
    },
    "each": {"response": {"path": "out.*.y", "kind": "label", "error_path": "error"}},
    "reshaped": {"response": {"path": "out", "reshape_from": "shape"}},
    "chosen": {"response": {"path": "out", "kind": "chosen", "classes": ["a", "b"]}},
    "v2": {"protocol": "v2-json"},
    "v2 raw": {"protocol": "v2-binary"},
    "v2 texts": {"protocol": "v2-json"},
}


@contextlib.asynccontextmanager
async def opened(
    kind: str, replies: list[tuple[int, Head, bytes]], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[HttpOracle]:
    """An oracle of this format that gets ``replies``, after metadata if it asks for some."""
    path = "x/v2/models/m" if kind.startswith("v2") else "x"
    table = {"url": f"http://127.0.0.1:9/{path}", "input": {"shape": [1, 2, 2]}, **FORMATS[kind]}
    meta: tuple[int, Head, bytes] = (
        200,
        [],
        json.dumps(TEXTS if kind == "v2 texts" else META).encode(),
    )
    wire = Wire([meta, meta, *replies] if kind.startswith("v2") else replies)
    monkeypatch.setattr("adapters.http.client.client.open_transport", lambda *_: wire)
    oracle = await open_oracle(read_target(table))
    assert isinstance(oracle, HttpOracle)
    try:
        yield oracle
    finally:
        await oracle.aclose()


# ---- random replies ------------------------------------------------------------------------------

KEYS = ["out", "y", "label", "score", "error", "shape", "outputs", "name", "datatype", "data", ""]
LEAVES: list[Any] = [
    0, 1, -1, 2**31, 2**64, 10**19, 0.5, -0.0, 1e308, True, None, "", "a", "1", "x" * 300,
    "é\u202e", "FP32", "BYTES", "\ud800", [], {}, "1.5:2", [INPUTS, 3], [2**40, 2**40],
]  # fmt: skip


def random_json(rng: random.Random, depth: int = 0) -> Any:
    chance = rng.random()
    if depth > 4 or chance < 0.4:
        return rng.choice(LEAVES)
    size = rng.choice([1, INPUTS, INPUTS, rng.randrange(7)])
    if chance < 0.7:
        return [random_json(rng, depth + 1) for _ in range(size)]
    return {rng.choice(KEYS): random_json(rng, depth + 1) for _ in range(size)}


ROWS, FLAT, TENSOR = [[0.1, 0.9, 0.0]] * INPUTS, [0.1, 0.9, 0.0] * INPUTS, {"name": "y"}
SCORED = {"outputs": [{**TENSOR, "datatype": "FP32", "shape": [INPUTS, 3], "data": FLAT}]}
HONEST: dict[str, Any] = {
    "label": {"out": ["a"] * INPUTS},
    "index": {"out": [1] * INPUTS},
    "scores": {"out": ROWS},
    "label-score-list": {"out": [[{"label": "a", "score": 0.5}]] * INPUTS},
    "label-score-dict": {"out": [{"a": 0.5}] * INPUTS},
    "each": {"out": [{"y": "a"}] * INPUTS},
    "reshaped": {"out": FLAT, "shape": [INPUTS, 3]},
    "chosen": {"out": ["It is a."] * INPUTS},
    "v2": SCORED,
    "v2 raw": SCORED,
    "v2 texts": {
        "outputs": [{**TENSOR, "datatype": "BYTES", "shape": [INPUTS], "data": ["a"] * INPUTS}]
    },
}


def near_miss(rng: random.Random) -> Any:
    """An honest reply of some format with one part replaced."""
    value = json.loads(json.dumps(rng.choice(list(HONEST.values()))))
    place = value
    while isinstance(place, dict | list) and place:
        key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
        if rng.random() < 0.4:
            place[key] = random_json(rng, 2)
            break
        place = place[key]
    return value


def odd_text(rng: random.Random) -> bytes:
    """JSON that no writer of JSON would write: depths, numbers, letters and marks beyond it."""
    inner = rng.choice([
        b"[" * 3000, b"[" * 3000 + b"]" * 3000, b'{"a":' * 900 + b"1" + b"}" * 900, b"1e999",
        b"-1e-999", b"1" * 5000, b"0." + b"3" * 5000, b"NaN", b"-Infinity", b"0x1", b"01", b"+1",
        b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"\\ud800"', b'"\0"', b"'a'", b"//x", b"1,", b'"a',
    ])  # fmt: skip
    body = b'{"out":[' + b",".join([inner] * rng.choice([1, INPUTS])) + b"]}"
    return rng.choice([b"", b"", b"\xef\xbb\xbf", b"\xff\xfe", b")]}'\n"]) + body


def random_body(rng: random.Random) -> bytes:
    kind = rng.randrange(6)
    if kind == 0:
        return rng.randbytes(rng.randrange(200))
    if kind == 5:
        return odd_text(rng)
    made = near_miss(rng) if kind < 3 else random_json(rng)
    body = json.dumps(made).encode()
    if kind == 4 and body:
        spoilt = bytearray(body)
        for _ in range(rng.randrange(1, 4)):
            spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
        body = bytes(spoilt[: rng.randrange(1, len(spoilt) + 1)])
    return body


def random_head(rng: random.Random) -> Head:
    names = [
        b"content-encoding", b"content-length", b"content-type", b"retry-after", b"ratelimit",
        b"x-ratelimit-reset", b"x-ratelimit-remaining", b"inference-header-content-length",
        b"server", b"date",
    ]  # fmt: skip
    values = [
        b"gzip", b"deflate", b"br", b"5", b"-1", b"1e999", b"soon", b"text/x; charset=utf-16",
        b"\xff", b"x/json; charset=", b"9" * 5000, b'"a";r=0;t=9', b"Mon, 99 Foo 2026 99:99:99 GMT",
    ]  # fmt: skip
    pick = rng.randrange(4)
    return [(rng.choice(names), rng.choice([*values, rng.randbytes(9)])) for _ in range(pick)]


@pytest.mark.parametrize("kind", FORMATS)
def test_random_replies_give_labels_or_typed_errors(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(kind)
    ends: set[str] = set()

    async def run() -> None:
        for _ in range(20):
            statuses = [200] * 8 + [202, 204, 400, 429, 500, 503]
            replies = [(rng.choice(statuses), random_head(rng), random_body(rng)) for _ in range(8)]
            replies.append((200, [], json.dumps(HONEST[kind]).encode()))
            async with opened(kind, replies, monkeypatch) as oracle:
                for _ in range(9):
                    ends.add(await outcome(oracle, BATCH))

    asyncio.run(run())
    assert {"labels", "BadReply", "Throttled"} <= ends


def test_random_metadata_gives_an_oracle_or_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(11)
    monkeypatch.setattr("adapters.http.v2.metadata._PAUSE_S", 0.0)
    monkeypatch.setitem(FORMATS, "v2 any", {"protocol": "auto"})
    seen: set[str] = set()

    async def run() -> None:
        for _ in range(400):
            value = json.loads(json.dumps(META))
            tensor = value["inputs"][0]
            tensor[rng.choice(list(tensor))] = random_json(rng, 3)
            if rng.random() < 0.5:
                tensor["shape"] = [rng.choice([-1, 0, 1, 3, 10**6, 10**12]) for _ in range(4)]
            began = time.process_time()
            wire = Wire([(200, [], json.dumps(value).encode())])
            monkeypatch.setattr(
                "adapters.http.client.client.open_transport", lambda *_, wire=wire: wire
            )
            try:
                oracle = await open_oracle(read_target({"url": "http://127.0.0.1:9/v2/models/m"}))
                await oracle.aclose()
                seen.add("opened")
            except AdapterError as error:
                seen.add(type(error).__name__)
            assert time.process_time() - began < CPU_S

    asyncio.run(run())
    assert {"opened", "TargetError", "BadReply"} <= seen


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_random_bytes_on_the_wire(scripted: Scripted, transport: str) -> None:
    rng = random.Random(transport)

    def raw() -> bytes:
        head = b"".join(name + b": " + value + b"\r\n" for name, value in random_head(rng))
        data = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + random_body(rng)
        spoilt = bytearray(data)
        for _ in range(rng.choice([0, 0, 1, 5])):
            spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
        return bytes(spoilt) if rng.random() < 0.9 else rng.randbytes(400)

    async def script(_: StreamReader, writer: StreamWriter) -> None:
        writer.write(raw())
        await writer.drain()

    async def run() -> set[str]:
        async with scripted(script) as url:
            table = {
                "url": url,
                "transport": transport,
                "input": {"shape": [1, 2, 2]},
                "response": {"path": "out", "kind": "index"},
                "limits": {"timeout": 2.0},
            }
            oracle = await open_oracle(read_target(table))
            assert isinstance(oracle, HttpOracle)
            ends = {await outcome(oracle, BATCH) for _ in range(150)}
            await oracle.aclose()
            return ends

    assert {"BadReply", "Unreachable"} <= asyncio.run(run())


def _chunked(*parts: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"transfer-encoding: chunked\r\n\r\n" + chunks + end


def letters(body: bytes) -> list[bytes]:
    return [body[n : n + 1] for n in range(len(body))]


def _sized(body: bytes) -> bytes:
    return b"content-length: %d\r\n\r\n" % len(body) + body


GOOD = b'{"out":[1,1,1,1]}'
ZIPPED, GZIP = gzip.compress(GOOD), b"content-encoding: gzip\r\n"
RAW_DEFLATE = zlib.compress(GOOD)[2:-4]
EITHER = {"BadReply", "Unreachable"}
TRICKS: dict[str, tuple[set[str], bytes]] = {
    "an honest reply": ({"labels"}, _sized(GOOD)),
    "single letters": ({"labels"}, _chunked(*letters(GOOD))),
    "a trickle of spaces": ({"labels"}, _chunked(*[b" "] * 5_000, GOOD)),
    "a trickle of labels": (EITHER, _chunked(b'{"out":[', *[b"1,"] * 5_000, b"1]}")),
    "trailers": ({"labels", *EITHER}, _chunked(GOOD, end=b"0\r\nx: 1\r\n\r\n")),
    "trailers without end": (EITHER, _chunked(GOOD, end=b"0\r\n" + b"x: 1\r\n" * 100_000)),
    "a long extension": ({"labels", *EITHER}, b"transfer-encoding: chunked\r\n\r\n11;"
                         + b"a" * 900_000 + b"\r\n" + GOOD + b"\r\n0\r\n\r\n"),
    "a chunk of 16 EiB": (EITHER, b"transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n"),
    "a chunk below nothing": (EITHER, b"transfer-encoding: chunked\r\n\r\n-5\r\nabcde\r\n"),
    "two lengths": (EITHER, b"content-length: 3\r\n" + _sized(GOOD)),
    "a length and chunks": ({"labels", *EITHER}, b"content-length: 3\r\n" + _chunked(GOOD)),
    "a length of 10^30": (EITHER, b"content-length: 1" + b"0" * 30 + b"\r\n\r\n" + GOOD),
    "twenty thousand headers": (EITHER, b"x: 1\r\n" * 20_000 + _sized(GOOD)),
    "a header without end": (EITHER, b"x: " + b"a" * 4_000_000),
    "a name without end": (EITHER, b"x" * 4_000_000),
    "gzip": ({"labels"}, GZIP + _sized(ZIPPED)),
    "gzip in letters": ({"labels"}, GZIP + _chunked(*letters(ZIPPED))),
    "gzip in two members": ({"labels", *EITHER},
                            GZIP + _sized(gzip.compress(GOOD[:9]) + gzip.compress(GOOD[9:]))),
    "gzip cut short": (EITHER, GZIP + _sized(ZIPPED[:-9])),
    "gzip and rubbish": ({"labels", *EITHER}, GZIP + _sized(ZIPPED + b"rubbish")),
    "gzip that is none": ({"labels", *EITHER}, GZIP + _sized(GOOD)),
    "gzip twice": (EITHER, b"content-encoding: gzip, gzip\r\n" + _sized(gzip.compress(ZIPPED))),
    "deflate": ({"labels"}, b"content-encoding: deflate\r\n" + _sized(zlib.compress(GOOD))),
    "raw deflate": ({"labels", *EITHER}, b"content-encoding: deflate\r\n" + _sized(RAW_DEFLATE)),
    "a million empty members": (EITHER, GZIP + _sized(gzip.compress(b"") * 100_000)),
}  # fmt: skip


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_tricks_of_framing_and_coding_give_labels_or_typed_errors(
    scripted: Scripted, transport: str
) -> None:
    trick = [b""]

    async def script(_: StreamReader, writer: StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            for start in range(0, len(trick[0]), 65536):
                writer.write(trick[0][start : start + 65536])
                await writer.drain()

    async def run() -> dict[str, str]:
        ends = {}
        async with scripted(script) as url:
            table = {"url": url, "transport": transport, "input": {"shape": [1, 2, 2]}}
            table |= {"response": {"path": "out", "kind": "index"}, "limits": {"timeout": 20.0}}
            for name, (_, reply) in TRICKS.items():
                trick[0] = b"HTTP/1.1 200 OK\r\n" + reply
                oracle = await open_oracle(read_target(table))
                before = resident("VmRSS")
                forget_peak()
                ends[name] = await outcome(oracle, BATCH)
                assert resident("VmHWM") - before < len(reply) + 64 * MIB
                await oracle.aclose()
        return ends

    ends = asyncio.run(run())
    assert {name: end for name, end in ends.items() if end not in TRICKS[name][0]} == {}


# ---- bombs ---------------------------------------------------------------------------------------

FULL = 16 * MIB - 100
BOMBS: dict[str, Callable[[], tuple[str, bytes]]] = {
    "five million labels": lambda: ("index", b'{"out":[' + b"1," * 5_000_000 + b"1]}"),
    "a million class names": lambda: ("label", b'{"out":[' + b'"abcd",' * 1_000_000 + b'""]}'),
    "empty lists": lambda: ("scores", b'{"out":[' + b"[]," * (FULL // 3 - 9) + b"[]]}"),
    "empty objects": lambda: ("label-score-list", b'{"out":[' + b"{}," * (FULL // 3 - 9) + b"{}]}"),
    "floats": lambda: ("scores", b'{"out":[' + b"0.12345," * 1_900_000 + b"1]}"),
    "rows": lambda: ("scores", b'{"out":[' + b"[0.5,0.5]," * 1_500_000 + b"[1,2]]}"),
    "a long text": lambda: ("label", b'{"out":["' + b"x" * (FULL - 20) + b'"]}'),
    "escapes": lambda: ("label", b'{"out":["' + b"\\u0041" * (FULL // 6 - 20) + b'"]}'),
    "a long text among scores": lambda: (
        "scores",
        b'{"out":[' + b'["a"],' * 3 + b'["' + b"x" * 10_000_000 + b'"]]}',
    ),
    "texts among scores": lambda: (
        "scores",
        b'{"out":[[' + b'"a",' * 100_000 + b'"' + b"x" * 1_000_000 + b'"],[1],[1],[1]]}',
    ),
    "a long number": lambda: ("scores", b'{"out":[[0.' + b"1" * (FULL - 40) + b",1]]}"),
    "a long whole number": lambda: ("index", b'{"out":[' + b"1" * (FULL - 40) + b"]}"),
    "deep": lambda: ("scores", b'{"out":' + b"[" * 5_000_000 + b"]" * 5_000_000 + b"}"),
    "deep and wide": lambda: ("scores", b'{"out":[' + b"[[[[[[]]]]]]," * 1_000_000 + b"1]}"),
    "keys": lambda: (
        "label-score-dict",
        json.dumps({"out": [{str(n): n for n in range(600_000)}]}).encode(),
    ),
    "spaces": lambda: ("index", b" " * FULL),
    "a page": lambda: ("index", b"<title>" + b"<" * (FULL - 20)),
    "an error": lambda: ("index", b'{"error":"' + b"\\n" * (FULL // 2 - 20) + b'"}'),
    "nested errors": lambda: ("index", b'{"out":[' + b'{"a":[{"b":1}]},' * 400_000 + b"1]}"),
    "axes": lambda: (
        "v2",
        b'{"outputs":[{"name":"y","datatype":"FP32","data":[1],"shape":['
        + b"9999999999999999999," * 400_000
        + b"1]}]}",
    ),
    "zip": lambda: ("index", gzip.compress(b'{"out":[' + b"1," * 20_000_000 + b"1]}")),
    "tidy zip": lambda: ("index", gzip.compress(b" " * FULL)),
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_costs_little_time_and_memory(bomb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, body = BOMBS[bomb]()
    head: Head = [(b"content-encoding", b"gzip")] if "zip" in bomb else []

    async def run() -> int:
        async with opened(kind, [(200, head, body)], monkeypatch) as oracle:
            assert await outcome(oracle, BATCH) == "BadReply"
            tracemalloc.start()
            try:
                with contextlib.suppress(BadReply):
                    await oracle.predict_labels(BATCH)
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    assert asyncio.run(run()) < len(body) + 64 * MIB


def test_raw_texts_that_say_nothing_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "v2 raw texts", {"protocol": "v2-binary"})
    head = json.dumps(
        {"outputs": [{"name": "y", "datatype": "BYTES", "shape": [4 * MIB - 999],
                      "parameters": {"binary_data_size": 16 * MIB - 999 * 4}}]}
    ).encode()  # fmt: skip
    length = [(b"inference-header-content-length", str(len(head)).encode())]
    body = head + b"\0" * (16 * MIB - 999 * 4)

    async def run() -> str:
        async with opened("v2 raw texts", [(200, length, body)], monkeypatch) as oracle:
            return await outcome(oracle, BATCH)

    assert asyncio.run(run()) == "BadReply"


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from Linux's /proc")
@pytest.mark.parametrize("bomb", ["five million labels", "empty lists", "an error", "zip", "heads"])
@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_a_bomb_on_the_wire_costs_little_time_and_memory(
    scripted: Scripted, transport: str, bomb: str
) -> None:
    kind, body = BOMBS[bomb]() if bomb in BOMBS else ("index", b"{}")
    head = b"content-encoding: gzip\r\n" if bomb == "zip" else b""
    head += b"x-long: " + b"a" * (8 * MIB) + b"\r\n" if bomb == "heads" else b""
    size = b"content-length: %d\r\n\r\n" % len(body)
    reply = b"HTTP/1.1 200 OK\r\n" + head + size + body

    async def script(_: StreamReader, writer: StreamWriter) -> None:
        for start in range(0, len(reply), 65536):  # else this server buffers all of it
            writer.write(reply[start : start + 65536])
            await writer.drain()

    async def run() -> int:
        async with scripted(script) as url:
            table = {
                "url": url,
                "transport": transport,
                "input": {"shape": [1, 2, 2]},
                **FORMATS[kind],
            }
            oracle = await open_oracle(read_target(table))
            assert isinstance(oracle, HttpOracle)
            forget_peak()
            before = resident("VmRSS")
            try:
                assert await outcome(oracle, BATCH) == (
                    "Unreachable" if bomb == "heads" else "BadReply"
                )
                return resident("VmHWM") - before
            finally:
                await oracle.aclose()

    assert asyncio.run(run()) < len(body) + 64 * MIB


@pytest.mark.parametrize("datatype", ["INT8", "FP16", "BYTES"])
def test_raw_tensors_take_little_beside_their_bytes(
    datatype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of small numbers is never widened, nor a text of one long line decoded."""
    monkeypatch.setitem(FORMATS, "v2 any raw", {"protocol": "v2-binary"})
    size, width = 15 * MIB, {"INT8": 1, "FP16": 2, "BYTES": 4}[datatype]
    tensor = {"name": "y", "datatype": datatype, "shape": [INPUTS, size // INPUTS // width]}
    head = json.dumps({"outputs": [{**tensor, "parameters": {"binary_data_size": size}}]}).encode()
    length = [(b"inference-header-content-length", str(len(head)).encode())]
    text = (size - 4).to_bytes(4, "little") + "\N{GRINNING FACE}".encode() + b"x" * (size - 8)
    body = head + (text if datatype == "BYTES" else bytes(size))

    async def run() -> int:
        async with opened("v2 any raw", [(200, length, body)], monkeypatch) as oracle:
            tracemalloc.start()
            try:
                assert await outcome(oracle, BATCH) == "BadReply"
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    assert asyncio.run(run()) < len(body) + 64 * MIB


@pytest.mark.parametrize("stream", [b"\n\n" * 8_000_000, b"data: x\n" * 2_000_000, b"a" * FULL])
def test_a_stream_of_events_without_end_is_refused(stream: bytes) -> None:
    began = time.process_time()
    with pytest.raises(BadReply):
        complete_event(stream)
    assert time.process_time() - began < CPU_S
