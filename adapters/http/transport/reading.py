"""Reading of a reply: never more of its head or body in memory than one reply may take."""

from __future__ import annotations

import asyncio
import itertools
import zlib
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from adapters import strict_json

MAX_ERROR_BYTES = 64 * 1024
"""Bytes read of a reply that is no 2xx, and kept of one that is too long: enough to quote it."""

FREE_BYTES = 256 * 1024
"""Bytes that every reply may take at any time; replies with labels for a batch are smaller."""

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 400
"""Bounds of all headers of one reply together."""

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""Compressions that are undone although none was asked for, with zlib's name for each."""
_PLAIN = {"", "identity", "none", "utf-8", "utf8", "binary", "7bit", "8bit", "aws-chunked"}
"""Words in place of a compression that name none."""
_MAX_RATIO = 100
_MOST_PARTS = 1000
_TEXT = {b"{", b"[", b'"', b" ", b"\r", b"\n", b"\t", b"<"}
"""Bytes by which no gzip begins, and JSON or a page does."""
_RATIO_FROM = 1 << 20
"""A reply may grow to this size at any ratio: a list of equal labels compresses very well."""


class HeadTooLongError(OSError):
    """The head of a reply is longer than any honest one."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: HTTP status, headers (names in lower case) and body, of which only the first 64
    KiB if ``truncated``; ``code`` is another protocol's name of the outcome, such as gRPC's ``OK``.

    Attributes:
        received: bytes of the body on the wire; 0 if they are the body's own.
        unpacked: True if the body came compressed, and is no longer so.
        fault: why it could not be unpacked; completes "the server".
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool = False
    code: str = ""
    received: int = 0
    unpacked: bool = False
    fault: str = ""

    def json(self, part: bytes | None = None) -> Any:
        """The value of the body, or of a ``part`` of it. Raises BadReply unless it is JSON."""
        return strict_json.parse(self.body if part is None else part, self.charset)

    @property
    def outcome(self) -> str:
        """The status for the record: in the words of the protocol that was spoken."""
        return self.code or str(self.status)

    @property
    def encoded(self) -> bool:
        """True if the body is compressed in a way that is not undone; we never ask for any."""
        return not self.unpacked and content_encoding(self.headers) != ""

    @property
    def charset(self) -> str:
        """The charset that the content type states, in lower case; empty if none."""
        kind = self.headers.get("content-type", "").lower()
        if "charset=" not in kind:  # nearly always
            return ""
        return kind.partition("charset=")[2].partition(";")[0].strip(" \"'")


def content_encoding(headers: Mapping[str, str]) -> str:
    """The compressions of a reply, in lower case; empty if it has none, whatever else servers
    state there.
    """
    whole = headers.get("content-encoding", "")
    if not whole:  # nearly always
        return ""
    stated = (part.strip() for part in whole.lower().split(","))
    return ", ".join(part for part in stated if part not in _PLAIN)


def read_head(pairs: Collection[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by name in lower case; values of one name are joined. Raises HeadTooLongError."""
    size = sum(map(len, itertools.chain.from_iterable(pairs)))
    if size > MAX_HEAD_BYTES or len(pairs) > MAX_HEADERS:
        raise HeadTooLongError
    found: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


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
    ) -> Reply:
        """The reply with the body in ``chunks``, of at most ``limit`` bytes; only its start if it
        is too long. Other replies than 2xx are only quoted, and a stated length above ``limit`` is
        believed: little is read then.
        """
        stated = headers.get("content-length", "")
        long = stated.isascii() and stated.isdigit() and (len(stated) > 18 or int(stated) > limit)
        if long or not 200 <= status < 300:
            limit = min(limit, MAX_ERROR_BYTES)
        unpacker = _unpacker(headers, limit)
        parts: list[bytes] = []
        size = received = 0
        fault, held, cut = "", False, False
        try:
            async for raw in chunks:
                received += len(raw)
                parts.append(unpacker.feed(raw) if unpacker else raw)
                size += len(parts[-1])
                fault = unpacker.fault if unpacker else ""
                cut = size > limit or received > limit
                if cut or fault:
                    break
                if size > FREE_BYTES and not held:
                    await self._long.acquire()
                    held = True
            if unpacker and received and not (unpacker.ended or cut or fault):
                fault = "sent a compressed reply that ends too early"
            body = _start(parts, min(limit, MAX_ERROR_BYTES)) if cut or fault else b"".join(parts)
            unpacked = unpacker is not None
            return Reply(
                status, headers, body, cut, received=received, unpacked=unpacked, fault=fault
            )
        finally:
            if held:
                parts.clear()  # the next long reply is read from here on
                self._long.release()


def _unpacker(headers: Mapping[str, str], limit: int) -> _Unpacker | None:
    window = _WINDOWS.get(content_encoding(headers))
    return None if window is None else _Unpacker(window, limit)


class _Unpacker:
    """Undoes one compression, a chunk at a time, for at most a byte more than ``limit``. Text under
    the name of gzip is text: a gateway that unpacked it may have kept the name.
    """

    def __init__(self, window: int, limit: int) -> None:
        self._zlib = zlib.decompressobj(window)
        self._gzip = window == _WINDOWS["gzip"]
        self._limit = limit
        self._taken = self._given = 0
        self._parts = 1
        self._text = False
        self.fault = ""

    @property
    def ended(self) -> bool:
        """True if the compressed data is complete."""
        return self._text or self._zlib.eof

    def feed(self, raw: bytes) -> bytes:
        """The bytes that ``raw`` stands for; ``fault`` says if they cannot be read."""
        if not self._taken:
            self._text = self._gzip and raw[:1] in _TEXT
            if raw[:1] and raw[0] & 0x0F != 8 and raw[0] != 0x1F:
                # Without the wrapping that the name stands for, as some servers send it.
                self._zlib = zlib.decompressobj(-15)
        self._taken += len(raw)
        if self._text:
            return raw
        plain = []
        # No more at once than the ratio allows: zlib needs twice the memory of what it gives.
        most = min(self._limit, max(_RATIO_FROM, _MAX_RATIO * self._taken))
        while raw and not self.fault and self._given <= most:
            if self._zlib.eof and not self._next_part(raw):
                break
            try:
                plain.append(self._zlib.decompress(raw, most + 1 - self._given))
            except zlib.error:
                self.fault = "sent a compressed reply that is damaged"
                break
            self._given += len(plain[-1])
            raw = self._zlib.unused_data
        if self._given > max(_RATIO_FROM, _MAX_RATIO * self._taken):
            self.fault = f"compressed its reply by more than {_MAX_RATIO} to 1"
        return b"".join(plain)

    def _next_part(self, raw: bytes) -> bool:
        """Begin another part of gzip, of which a reply may have many; False if ``raw`` is none."""
        self._parts += 1
        if not self._gzip or raw[:1] != b"\x1f" or self._parts > _MOST_PARTS:
            self.fault = "sent something behind its compressed reply"
            return False
        self._zlib = zlib.decompressobj(_WINDOWS["gzip"])
        return True


def _start(parts: list[bytes], most: int) -> bytes:
    """The first ``most`` bytes of ``parts``, without joining them all."""
    kept = bytearray()
    for part in parts:
        kept += part[: most - len(kept)]
        if len(kept) == most:
            break
    return bytes(kept)
