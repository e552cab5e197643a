"""Bodies of replies: cut at the limit, and never many long ones in memory at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.http.transport.reading import (
    FREE_BYTES,
    MAX_ERROR_BYTES,
    BodyReader,
    Reply,
    content_encoding,
)

PIECE = 64 * 1024
LIMIT = 8 * FREE_BYTES


class _Body:
    """A body in pieces; counts what was taken of it."""

    def __init__(self, pieces: int) -> None:
        self.left, self.taken = pieces, 0

    async def pieces(self) -> AsyncIterator[bytes]:
        while self.left:
            await asyncio.sleep(0)
            self.left -= 1
            self.taken += PIECE
            yield b"a" * PIECE


def _read(
    body: _Body, status: int = 200, headers: dict[str, str] | None = None
) -> tuple[bytes, bool]:
    reader = BodyReader()
    reply = asyncio.run(reader.read(body.pieces(), status, headers or {}, LIMIT))
    return reply.body, reply.truncated


def test_a_body_up_to_the_limit_is_whole() -> None:
    content, cut = _read(_Body(LIMIT // PIECE))
    assert (len(content), cut) == (LIMIT, False)


def test_of_a_longer_one_only_the_start_is_kept() -> None:
    body = _Body(10 * LIMIT // PIECE)
    content, cut = _read(body)
    assert (content, cut) == (b"a" * MAX_ERROR_BYTES, True)
    assert body.taken == LIMIT + PIECE


@pytest.mark.parametrize("stated", [str(LIMIT + 1), "9" * 5000])
def test_a_length_above_the_limit_is_believed(stated: str) -> None:
    body = _Body(10 * LIMIT // PIECE)
    assert _read(body, headers={"content-length": stated})[1]
    assert body.taken <= MAX_ERROR_BYTES + PIECE


def test_little_is_read_of_a_failure() -> None:
    body = _Body(10 * LIMIT // PIECE)
    content, cut = _read(body, status=500)
    assert (len(content), cut) == (MAX_ERROR_BYTES, True)
    assert body.taken <= MAX_ERROR_BYTES + PIECE


def test_endless_bodies_side_by_side_take_the_memory_of_one() -> None:
    async def run(bodies: list[_Body]) -> int:
        reader, most = BodyReader(), 0

        async def read(body: _Body) -> None:
            await reader.read(body.pieces(), 200, {}, LIMIT)
            body.taken = 0

        async def look() -> None:
            nonlocal most
            while any(body.taken for body in bodies) or not most:
                most = max(most, sum(body.taken for body in bodies))
                await asyncio.sleep(0)

        await asyncio.gather(look(), *map(read, bodies))
        return most

    bodies = [_Body(10 * LIMIT // PIECE) for _ in range(10)]
    assert asyncio.run(run(bodies)) <= LIMIT + 10 * (FREE_BYTES + PIECE)


def test_a_reply_that_is_given_up_lets_the_next_one_in() -> None:
    async def run() -> int:
        reader = BodyReader()

        async def stuck() -> AsyncIterator[bytes]:
            yield b"a" * (FREE_BYTES + 1)
            await asyncio.Event().wait()

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await reader.read(stuck(), 200, {}, LIMIT)
        reply = await reader.read(_Body(LIMIT // PIECE).pieces(), 200, {}, LIMIT)
        return len(reply.body)

    assert asyncio.run(run()) == LIMIT


@pytest.mark.parametrize(
    ("stated", "compressed"),
    [
        ("utf-8", ""),
        ("none", ""),
        ("aws-chunked", ""),
        ("identity, identity", ""),
        ("GZIP,", "gzip"),
        ("br", "br"),
        ("gzip, gzip", "gzip, gzip"),
    ],
)
def test_only_compressions_count_as_such(stated: str, compressed: str) -> None:
    assert content_encoding({"content-encoding": stated}) == compressed
    assert Reply(200, {"content-encoding": stated}, b"[]").encoded == bool(compressed)
