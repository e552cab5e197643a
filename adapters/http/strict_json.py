"""JSON from strangers: anything two parsers could read differently is refused."""

from __future__ import annotations

import json
from typing import Any, Never

from adapters.errors import BadReply

MAX_DIGITS = 20
"""Longest whole number taken: more digits than a 64-bit integer can have."""


def parse(body: bytes) -> Any:
    """The value in ``body``.

    Raises:
        BadReply: not UTF-8, not JSON, a key given twice, NaN or Infinity, nesting or a whole
            number beyond all reason.
    """
    try:
        return _DECODER.decode(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise BadReply("the reply is not UTF-8 text") from None
    except RecursionError:
        raise BadReply("the reply is JSON nested beyond all reason") from None
    except ValueError:
        raise BadReply("the reply is not JSON") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadReply("the reply gives one JSON key twice, so its meaning is open")
    return found


def _no_constant(name: str) -> Never:
    raise BadReply(f"the reply holds {name} where JSON has only finite numbers")


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise BadReply(f"the reply holds a whole number of {len(digits)} digits")
    return int(digits)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_whole
)
