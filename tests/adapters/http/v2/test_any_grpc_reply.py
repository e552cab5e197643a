"""Whatever a gRPC server sends: labels or a typed error, soon, and in bounded memory.

Protobuf keeps its memory out of Python's sight, so what a reply takes is the growth of this
process's peak of resident memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import numpy as np
import pytest

from adapters.errors import AdapterError, BadReply, InputRejected, Unreachable
from adapters.http import open_oracle
from adapters.http.transport.reading import Reply
from adapters.http.v2.message_size import check_size
from adapters.target import read_target
from tests.adapters.http._memory import forget_peak, resident
from tests.adapters.http._outcome import CPU_S, outcome

grpc = pytest.importorskip("grpc")
pb = pytest.importorskip("tritonclient.grpc.service_pb2")

MIB = 1 << 20
FULL = 16 * MIB - 100
INPUTS = 4
BATCH = np.zeros((INPUTS, 1, 8, 8), np.float32)
URL = "grpc://127.0.0.1:9/m"


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def metadata(classes: int = 3) -> bytes:
    reply = pb.ModelMetadataResponse(name="m", versions=["1"], platform="p")
    reply.inputs.add(name="x", datatype="FP32", shape=[-1, 1, 8, 8])
    reply.outputs.add(name="y", datatype="FP32", shape=[-1, classes])
    encoded: bytes = reply.SerializeToString()
    return encoded


def inferred(datatype: str, shape: list[int], raw: bytes | None = None, **contents: Any) -> bytes:
    reply = pb.ModelInferResponse(model_name="m", model_version="1")
    output = reply.outputs.add(name="y", datatype=datatype, shape=shape)
    if raw is not None:
        reply.raw_output_contents.append(raw)
    for name, values in contents.items():
        getattr(output.contents, name).extend(values)
    encoded: bytes = reply.SerializeToString()
    return encoded


class Wire:
    """A transport that answers with the next of ``replies``, the last one again and again."""

    name = "fake"
    certificate = ""
    foreign: tuple[type[Exception], ...] = (OSError, ValueError)
    unsent: tuple[type[Exception], ...] = ()

    def __init__(self, replies: list[bytes]) -> None:
        self._replies = replies

    async def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, limit: int
    ) -> Reply:
        del method, url, headers, body, limit
        body = self._replies[0] if len(self._replies) == 1 else self._replies.pop(0)
        return Reply(200, {}, body, code="OK")

    async def aclose(self) -> None:
        """Nothing is open."""


async def opened(monkeypatch: pytest.MonkeyPatch, replies: list[bytes], url: str = URL) -> Any:
    wire = Wire(replies)
    monkeypatch.setattr("adapters.http.client.client.GrpcTransport", lambda *_: wire)
    return await open_oracle(read_target({"url": url, "preset": "v2-grpc"}))


# ---- random replies ------------------------------------------------------------------------------

ROWS = [0.1, 0.9, 0.0] * INPUTS
HONEST = [
    inferred("FP32", [INPUTS, 3], np.asarray(ROWS, "<f4").tobytes()),
    inferred("FP32", [INPUTS, 3], fp32_contents=ROWS),
    inferred("FP64", [INPUTS, 3], fp64_contents=ROWS),
    inferred("INT64", [INPUTS], int64_contents=[1] * INPUTS),
    inferred("INT8", [INPUTS, 3], b"\1\2\3" * INPUTS),
    inferred("BYTES", [INPUTS, 1], bytes_contents=[b"0.5:2"] * INPUTS),
]


def random_message(rng: random.Random, depth: int = 0) -> bytes:
    """Fields of any number and wire type, most of them well formed."""
    parts = []
    for _ in range(rng.randrange(6)):
        number, wire = rng.choice([1, 2, 3, 4, 5, 6, 8, 9, 5000]), rng.choice([0, 1, 2, 2, 2, 5, 3])
        content = rng.choice([b"", b"y", b"FP32", b"BYTES", b"\xff", bytes(12), rng.randbytes(9)])
        if depth < 4 and rng.random() < 0.6:
            content = random_message(rng, depth + 1)
        value = {0: varint(rng.randrange(2**64)), 1: bytes(8), 2: b"", 5: bytes(4), 3: b""}[wire]
        value = varint(len(content)) + content if wire == 2 else value
        parts.append(varint(number << 3 | wire) + value)
    return b"".join(parts)


def random_body(rng: random.Random) -> bytes:
    kind = rng.randrange(4)
    if kind == 0:
        return rng.randbytes(rng.randrange(200))
    if kind == 1:
        return random_message(rng)
    if kind == 2:  # honest but for a further part, which overrules or follows
        return rng.choice(HONEST) + random_message(rng)
    spoilt = bytearray(rng.choice(HONEST))
    for _ in range(rng.randrange(1, 4)):
        spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
    return bytes(spoilt[: rng.randrange(1, len(spoilt) + 1)])


def test_random_replies_give_labels_or_typed_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(5)
    ends: set[str] = set()

    async def run() -> None:
        for _ in range(20):
            replies = [random_body(rng) for _ in range(60)]
            oracle = await opened(monkeypatch, [metadata(), *replies, HONEST[0]])
            for _ in range(61):
                ends.add(await outcome(oracle, BATCH))
            await oracle.aclose()

    asyncio.run(run())
    assert ends == {"labels", "BadReply"}


def test_random_metadata_gives_an_oracle_or_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(6)
    seen: set[str] = set()

    async def run() -> None:
        for _ in range(600):
            spoilt = bytearray(metadata())
            for _ in range(rng.randrange(3)):
                spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
            body = random_body(rng) if rng.random() < 0.3 else bytes(spoilt)
            began = time.process_time()
            try:
                await (await opened(monkeypatch, [body])).aclose()
                seen.add("opened")
            except AdapterError as error:
                seen.add(type(error).__name__)
            assert time.process_time() - began < CPU_S

    asyncio.run(run())
    assert {"opened", "TargetError", "BadReply"} <= seen


def test_the_outline_refuses_nothing_that_protobuf_writes() -> None:
    for body in (*HONEST, b""):
        check_size(pb.ModelInferResponse.DESCRIPTOR, body)
    check_size(pb.ModelMetadataResponse.DESCRIPTOR, metadata())
    scores = inferred("FP64", [64, 1000], fp64_contents=[0.5] * 64_000)
    check_size(pb.ModelInferResponse.DESCRIPTOR, scores)


# ---- bombs ---------------------------------------------------------------------------------------

NAMED = field(1, b"y") + field(2, b"INT64")


def contents(packed: bytes, number: int = 3) -> bytes:
    return field(5, NAMED + field(3, varint(INPUTS)) + field(5, field(number, packed)))


BOMBS: dict[str, Callable[[], bytes]] = {
    "five million labels": lambda: contents(b"\1" * 5_000_000),
    "five million labels, one by one": lambda: field(5, NAMED + field(5, b"\x18\1" * 5_000_000)),
    "as many numbers as fit": lambda: contents(b"\1" * FULL),
    "as many true and false as fit": lambda: contents(b"\1" * FULL, 1),
    "as many floats as fit": lambda: contents(b"\0" * (FULL - FULL % 8), 6),
    "empty outputs": lambda: b"\x2a\0" * (FULL // 2),
    "outputs with a parameter each": lambda: field(5, field(4, b"")) * (FULL // 4),
    "parameters": lambda: field(4, field(1, b"a") + field(2, b"\x08\1")) * (FULL // 9),
    "an output again and again": lambda: field(5, b"\x2a\0" * (FULL // 2)),
    "empty texts": lambda: field(5, field(5, b"\x42\0" * (FULL // 2))),
    "short texts": lambda: field(5, field(5, b"\x42\4\xf0\x9f\x98\x80" * (FULL // 6))),
    "a long text": lambda: contents("\N{GRINNING FACE}".encode() + b"x" * (FULL - 50), 8),
    "a long name": lambda: field(2, "\N{GRINNING FACE}".encode() + b"x" * (FULL - 50)),
    "a long name of the output": lambda: field(
        5, field(1, "\N{GRINNING FACE}".encode() + b"x" * FULL)
    ),
    "axes": lambda: field(5, field(3, b"\1" * FULL)),
    "long axes": lambda: field(5, field(3, b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f" * (FULL // 9))),
    "an axis again and again": lambda: field(5, b"\x18\1" * (FULL // 2)),
    "empty raw tensors": lambda: b"\x32\0" * (FULL // 2),
    "a field that nothing knows": lambda: b"\x78\1" * (FULL // 2),
    "a part that nothing knows": lambda: b"\x7a\0" * (FULL // 2),
    "groups in groups": lambda: b"\x7b" * FULL,
    "numbers without end": lambda: b"\xff" * FULL,
    "as many numbers as are read": lambda: contents(b"\1" * ((1 << 20) - 9)),
    "as many texts as are read": lambda: contents(b"", 8) + field(5, field(5, b"\x42\0" * 700_000)),
    "a text as long as is read": lambda: contents(
        "\N{GRINNING FACE}".encode() + b"x" * 8_380_000, 8
    ),
    "one raw tensor of bytes": lambda: inferred(
        "INT8", [INPUTS, FULL // 4], b"\1" * (FULL // 4 * 4)
    ),
    "one raw tensor of halves": lambda: inferred("FP16", [INPUTS, FULL // 8], bytes(FULL // 8 * 8)),
    "a raw text": lambda: inferred(
        "BYTES", [1], struct.pack("<I", FULL) + "\N{GRINNING FACE}".encode() + b"x" * (FULL - 4)
    ),
}


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from Linux's /proc")
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_costs_little_time_and_memory(bomb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> int:
        oracle = await opened(monkeypatch, [metadata(-1), BOMBS[bomb]()])
        forget_peak()
        before = resident("VmRSS")
        assert await outcome(oracle, BATCH) == (
            "labels" if "one raw tensor" in bomb else "BadReply"
        )
        return resident("VmHWM") - before

    assert asyncio.run(run()) < 64 * MIB


@pytest.mark.parametrize("bomb", ["empty outputs", "a long name", "axes", "parameters"])
def test_metadata_that_is_a_bomb(bomb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.process_time()
    with pytest.raises(BadReply, match=r"send fewer inputs|of the V2 protocol"):
        asyncio.run(opened(monkeypatch, [BOMBS[bomb]()]))
    assert time.process_time() - began < CPU_S


# ---- on the wire ---------------------------------------------------------------------------------

Behave = Callable[[Any], Any]


@contextlib.asynccontextmanager
async def serving(behave: Behave, compression: Any = None) -> AsyncIterator[str]:
    """The URL of a server whose answers are the bytes that ``behave`` makes of a call."""

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc, name-defined]  # untyped
        def service(self, details: Any) -> Any:
            async def answer(_: bytes, context: Any) -> bytes:
                if details.method.endswith("ModelMetadata"):
                    return metadata()
                reply: bytes = await behave(context)
                return reply

            return grpc.unary_unary_rpc_method_handler(answer)

    options = [("grpc.max_metadata_size", 64 * MIB), ("grpc.absolute_max_metadata_size", 64 * MIB)]
    server = grpc.aio.server(options=options, compression=compression)
    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"grpc://127.0.0.1:{port}/m"
    finally:
        await server.stop(None)


def ask(behave: Behave, compression: Any = None) -> list[int]:
    async def run() -> list[int]:
        async with serving(behave, compression) as url:
            oracle = await open_oracle(read_target({"url": url, "preset": "v2-grpc"}))
            try:
                labels: list[int] = (await oracle.predict_labels(BATCH)).tolist()
                return labels
            finally:
                await oracle.aclose()

    return asyncio.run(run())


@pytest.mark.parametrize("size", [50 << 10, 8 << 20])
def test_headers_are_read_up_to_64_kib(size: int) -> None:
    async def behave(context: Any) -> bytes:
        await context.send_initial_metadata((("x-long", "a" * size),))
        return HONEST[0]

    if size < 64 << 10:
        assert ask(behave) == [1] * INPUTS
        return
    with pytest.raises(Unreachable, match="its headers are more than 64 KiB"):
        ask(behave)


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from Linux's /proc")
@pytest.mark.parametrize("longest", [300, 40 * MIB])
def test_random_bytes_over_the_wire_give_labels_or_typed_errors(longest: int) -> None:
    """Small replies, and such beyond what a client takes. The server shares this process, so what
    it made to send is there before the peak is.
    """
    rng = random.Random(7)
    bodies = [rng.randbytes(rng.randrange(longest // 2, longest)) for _ in range(3)]
    bodies += [] if longest > MIB else [random_body(rng) for _ in range(60)]

    async def run() -> tuple[list[str], int]:
        replies = iter(bodies)

        async def behave(_: Any) -> bytes:
            return next(replies)

        async with serving(behave) as url:
            oracle = await open_oracle(read_target({"url": url, "preset": "v2-grpc"}))
            forget_peak()
            before = resident("VmRSS")
            ends = [await outcome(oracle, BATCH) for _ in bodies]
            await oracle.aclose()
        return ends, resident("VmHWM") - before

    ends, grown = asyncio.run(run())
    if longest > MIB:
        assert set(ends) == {"InputRejected"}
        # Half of this is the server's own: its message, and the frame that it is sent in.
        assert grown < 64 * MIB + 2 * longest
    else:
        assert set(ends) <= {"labels", "BadReply"}
        assert "BadReply" in ends
        assert grown < 64 * MIB


def test_a_reason_of_megabytes_is_no_request_to_slow_down() -> None:
    async def behave(context: Any) -> bytes:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a" * (8 << 20))
        return b""

    with pytest.raises(Unreachable, match="its headers are more than 64 KiB"):
        ask(behave)


def test_compressed_replies_are_read_and_never_unpacked_beyond_the_limit() -> None:
    async def honest(_: Any) -> bytes:
        return HONEST[0]

    async def bomb(_: Any) -> bytes:
        return field(2, b"x" * (64 * MIB))

    assert ask(honest, grpc.Compression.Gzip) == [1] * INPUTS
    with pytest.raises(InputRejected) as caught:
        ask(bomb, grpc.Compression.Gzip)
    assert caught.value.advice.kind == "too-large"


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from Linux's /proc")
def test_long_replies_that_come_at_once_take_hardly_more_memory_than_one() -> None:
    """The server, in a process of its own, answers as it should at first, then with all it may. One
    such reply takes 57 MiB in gRPC's hands; 32 at once would take 900.
    """
    import multiprocessing  # noqa: PLC0415

    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=_serve_long_replies, args=(theirs,), daemon=True)
    server.start()
    try:
        assert asyncio.run(_peak_of_many(ours.recv())) < 128 * MIB
    finally:
        server.terminate()
        server.join()


async def _peak_of_many(url: str) -> int:
    oracle = await open_oracle(read_target({"url": url, "preset": "v2-grpc"}))
    try:
        assert (await oracle.predict_labels(BATCH)).tolist() == [1] * INPUTS
        forget_peak()
        before = resident("VmRSS")
        ends = await asyncio.gather(*(outcome(oracle, BATCH) for _ in range(32)))
        assert set(ends) <= {"BadReply", "ServerFailed"}
        return resident("VmHWM") - before
    finally:
        await oracle.aclose()


def _serve_long_replies(pipe: Any) -> None:
    async def run() -> None:
        asked = 0

        async def behave(_: Any) -> bytes:
            nonlocal asked
            asked += 1
            return HONEST[0] if asked == 1 else field(2, b"x" * (FULL - 100))

        async with serving(behave) as url:
            pipe.send(url)
            await asyncio.Event().wait()

    asyncio.run(run())


def test_many_honest_replies_are_in_flight_at_once() -> None:
    async def run() -> int:
        flying = most = 0

        async def behave(_: Any) -> bytes:
            nonlocal flying, most
            flying += 1
            most = max(most, flying)
            await asyncio.sleep(0.05)
            flying -= 1
            return HONEST[0]

        async with serving(behave) as url:
            oracle = await open_oracle(read_target({"url": url, "preset": "v2-grpc"}))
            await oracle.predict_labels(BATCH)
            await asyncio.gather(*(oracle.predict_labels(BATCH) for _ in range(16)))
            await oracle.aclose()
        return most

    assert asyncio.run(run()) == 16


def test_a_reply_much_longer_than_those_before_is_read_when_asked_again() -> None:
    async def run() -> list[Any]:
        asked = 0

        async def behave(_: Any) -> bytes:
            nonlocal asked
            asked += 1
            return HONEST[0] if asked == 1 else HONEST[0] + field(2, b"1" * MIB)

        async with serving(behave) as url:
            oracle = await open_oracle(read_target({"url": url, "preset": "v2-grpc"}))
            ends = [await outcome(oracle, BATCH) for _ in range(3)]
            await oracle.aclose()
        return ends

    assert asyncio.run(run()) == ["labels", "ServerFailed", "labels"]
