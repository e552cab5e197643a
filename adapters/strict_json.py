"""Strict JSON: anything that two parsers could read differently is refused."""

from __future__ import annotations

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

_STEPS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


class StrictJsonError(ValueError):
    """The text could be read in two ways, or not at all; the message completes "the reply ..."."""


def parse(body: bytes) -> Any:
    """The value of a server's reply; BadReply unless it is UTF-8 and what :func:`loads` reads."""
    try:
        return loads(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise BadReply("the reply is not UTF-8 text") from None
    except StrictJsonError as error:
        raise BadReply(f"the reply {error}") from None


def loads(text: str) -> Any:
    """The value of JSON ``text``; the caller limits its size. Raises StrictJsonError for a key
    given twice, NaN, Infinity, a number too large for a float, nesting or a whole number beyond all
    reason.
    """
    try:
        value = _DECODER.decode(text)
    except StrictJsonError:
        raise
    except RecursionError:
        raise StrictJsonError("is JSON nested beyond all reason") from None
    except ValueError:
        raise StrictJsonError("is not JSON") from None
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise StrictJsonError("is JSON nested beyond all reason")
    return value


def _depth(text: str) -> int:
    """Deepest nesting of ``text``, which is known to be JSON: every string in it ends."""
    depth = deepest = 0
    for step in _STEPS.finditer(text):
        character = text[step.start()]
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character != '"':
            depth -= 1
    return deepest


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
    number = float(digits)
    if not math.isfinite(number):
        raise StrictJsonError(f"holds an infinite number: {digits[:20]} is out of range")
    return number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_whole, parse_float=_finite
)


def canonical(value: Any) -> bytes:
    """``value`` as compact ASCII JSON with sorted keys; ValueError for NaN or an infinity."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")
