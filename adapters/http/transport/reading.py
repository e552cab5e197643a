"""Reading of a reply's body: never more of it in memory than one reply may take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

MAX_ERROR_BYTES = 64 * 1024
"""Bytes read of a reply that is no 2xx, and kept of one that is too long: enough to quote it."""

FREE_BYTES = 256 * 1024
"""Bytes that every reply may take at any time; replies with labels for a batch are smaller."""


class BodyReader:
    """Reads the bodies of replies that arrive side by side. What a reply has beyond
    :data:`FREE_BYTES` is read of one reply at a time. Otherwise the limit of one reply would be
    multiplied by the requests in flight, which a hostile server can use up all at once. The others
    wait in the network; the deadline of their attempts goes on.
    """

    def __init__(self) -> None:
        self._long = asyncio.Lock()

    async def read(
        self, chunks: AsyncIterator[bytes], status: int, headers: Mapping[str, str], limit: int
    ) -> tuple[bytes, bool]:
        """The body in ``chunks``, of at most ``limit`` bytes; only its start and True if it is too
        long. Other replies than 2xx are only quoted, and a stated length above ``limit`` is
        believed: little is read then.
        """
        stated = headers.get("content-length", "")
        long = stated.isascii() and stated.isdigit() and (len(stated) > 18 or int(stated) > limit)
        if long or not 200 <= status < 300:
            limit = min(limit, MAX_ERROR_BYTES)
        parts: list[bytes] = []
        held = False
        size = 0
        try:
            async for chunk in chunks:
                parts.append(chunk)
                size += len(chunk)
                if size > limit:
                    return _start(parts, min(limit, MAX_ERROR_BYTES)), True
                if size > FREE_BYTES and not held:
                    await self._long.acquire()
                    held = True
            return b"".join(parts), False
        finally:
            if held:
                parts.clear()  # the next long reply is read from here on
                self._long.release()


def _start(parts: list[bytes], most: int) -> bytes:
    """The first ``most`` bytes of ``parts``, without joining them all."""
    kept = bytearray()
    for part in parts:
        kept += part[: most - len(kept)]
        if len(kept) == most:
            break
    return bytes(kept)
