"""Strict JSON: anything that two parsers could read differently is refused."""

from __future__ import annotations

import contextlib
import json
import math
import re
from typing import Any, Never

from adapters.errors import BadReply

MAX_DIGITS = 20
"""Longest whole number taken: more digits than a 64-bit integer can have."""

MAX_DEPTH = 64
"""Deepest nesting taken. The parser's own limit depends on the stack it is called from, so a
reply just below it could be read here and not be quoted there."""

MAX_NUMBER = 1100
"""Longest number taken, in characters: more than a float has when all its digits are written."""

MAX_MEMORY = 48 << 20
"""Bytes that the values of one reply may take: a page of empty lists takes 24 times its size."""

_COSTS = {b"{": 200, b"[": 64, b",": 32, b'"': 28}
"""Bytes of memory that each of these characters leads to, about."""
_SMALL, _PIECE = 1 << 18, 1 << 20
_WESTERN = {"iso-8859-1", "latin-1", "latin1", "windows-1252", "cp1252"}
_STATED = re.compile(
    r"iso-8859-\d\d?|(?:windows-|cp)125\d|gb(?:k|2312|18030)|big5|shift[_-]jis|euc-(?:jp|kr)|koi8-r"
)
"""Charsets that are read where a reply states them."""


class StrictJsonError(ValueError):
    """The text could be read in two ways, or not at all; the message completes "the reply ..."."""


_GUARD = re.compile(r"\A[\s\ufeff]*(?:\)\]\}',?|for\s*\(;;\);|while\s*\(1\);)?")
"""Lines that servers put before JSON so that no script reads it, and byte order mark after mark, as
pages put together from files bring them.
"""


def parse(body: bytes, charset: str = "") -> Any:
    """The value of a server's reply in UTF-8, UTF-16 or UTF-32, or in the national ``charset`` that
    it states; BadReply unless it is what :func:`loads` reads, and of bearable size.
    """
    try:
        if len(body) > _SMALL and _memory(body) > MAX_MEMORY:
            raise StrictJsonError(
                f"is JSON of {len(body)} bytes that would take more than {MAX_MEMORY >> 20} MiB of "
                "memory; send fewer inputs per request"
            )
        text = decoded(body, charset)
        return loads(text if text[:1] == "{" else _GUARD.sub("", text, count=1))
    except UnicodeDecodeError:
        raise BadReply("the reply is not UTF-8 text") from None
    except StrictJsonError as error:
        raise BadReply(f"the reply {error}") from None


def decoded(body: bytes, charset: str = "") -> str:
    """``body`` as text without its byte order mark, in ``charset`` if it is not Unicode. Raises
    UnicodeDecodeError if it is none.
    """
    try:
        if body[:4].isascii() and b"\0" not in body[:4]:  # neither a mark nor a wider character
            return body.decode()
        return body.decode(json.detect_encoding(body) if len(body) > 3 else "utf-8-sig")
    except UnicodeDecodeError:
        if charset.lower() in _WESTERN:
            return body.decode("cp1252")
        if _STATED.fullmatch(charset.lower()):
            with contextlib.suppress(LookupError):
                return body.decode(charset)
        raise


def _memory(body: bytes) -> int:
    """Bytes that the values of JSON in ``body`` take, about and rather too many."""
    return len(body) + sum(body.count(character) * cost for character, cost in _COSTS.items())


def loads(text: str) -> Any:
    """The value of JSON ``text``; the caller limits its size. Raises StrictJsonError for a key
    given twice, NaN, Infinity, a number too large for a float, nesting or a whole number beyond all
    reason.
    """
    try:
        value = (_PLAIN_DECODER if _is_plain(text) else _DECODER).decode(text)
    except StrictJsonError:
        raise
    except RecursionError:
        raise StrictJsonError("is JSON nested beyond all reason") from None
    except ValueError:
        raise StrictJsonError("is not JSON") from None
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deep(value):
        raise StrictJsonError("is JSON nested beyond all reason")
    return value


def _is_deep(value: Any) -> bool:
    """True if lists and objects are nested in ``value`` deeper than MAX_DEPTH."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inner = [one.values() if isinstance(one, dict) else one for one in level]
        level = [one for many in inner for one in many if isinstance(one, list | dict)]
        if not level:
            return False
    return True


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise StrictJsonError("gives one JSON key twice, so its meaning is open")
    return found


def _no_constant(name: str) -> Never:
    raise StrictJsonError(f"holds {name} where JSON has only finite numbers")


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise StrictJsonError(f"holds a whole number of {len(digits)} digits")
    return int(digits)


def _finite(digits: str) -> float:
    if len(digits) > MAX_NUMBER:
        raise StrictJsonError(f"holds a number of {len(digits)} characters")
    number = float(digits)
    if not math.isfinite(number):
        raise StrictJsonError(f"holds an infinite number: {digits[:20]} is out of range")
    return number


_RUNS = bytes.maketrans(b"0123456789E", b"0000000000e")


def _is_plain(text: str) -> bool:
    """True if no number of JSON ``text`` can be too long or too large, so that none needs a look
    of its own, which takes longer than all the rest.
    """
    for start in range(0, len(text), _PIECE):  # a copy of all of it would take as much again
        piece = text[start : start + _PIECE + MAX_DIGITS + 2]
        runs = piece.encode("utf-8", "surrogatepass").translate(_RUNS, b"+")
        if b"e0" in runs or b"0" * (MAX_DIGITS + 1) in runs:
            return False
    return True


_PLAIN_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_whole, parse_float=_finite
)


def canonical(value: Any) -> bytes:
    """``value`` as compact ASCII JSON with sorted keys; ValueError for NaN or an infinity."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")
