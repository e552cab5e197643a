"""The body of a request, whole or in pieces that lie where they are."""

from __future__ import annotations

from collections.abc import AsyncIterator

CHUNK_BYTES = 1 << 16


class Pieces:
    """A body of ``pieces``: a tensor of many megabytes needs no copy behind its head."""

    def __init__(self, *pieces: bytes | memoryview) -> None:
        self.pieces = pieces
        self._size = sum(map(len, pieces))

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        return b"".join(self.pieces)


Body = bytes | Pieces


async def chunks(body: Body) -> AsyncIterator[memoryview]:
    """``body`` in order, a little at a time."""
    for piece in body.pieces if isinstance(body, Pieces) else (body,):
        view = memoryview(piece)
        for start in range(0, len(view), CHUNK_BYTES):
            yield view[start : start + CHUNK_BYTES]
