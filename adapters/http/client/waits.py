"""The wait that a server asks for: in headers, in fields of its reply, or in words.

A server may write anything, so each reader looks at a bounded part of the reply, and takes time
in proportion to that part.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from adapters import strict_json
from adapters.errors import BadReply
from adapters.spans import UNITS, finite_number, span_seconds

_MOST_VALUE, _MOST_BODY, _MOST_WORDS, _MOST_NODES = 200, 65_536, 4_096, 300
_EPOCH_FROM = 1e9
"""A number this large is a date, not a span: 1e9 s would be 31 years of waiting."""

_ONE = r"(?:an?|one)\s(?=second|minute|hour|day)"
_SPAN = (
    rf"(?:\d{{1,9}}(?:\.\d{{1,9}})?\s{{0,2}}|\b{_ONE})"
    rf"(?:{'|'.join(sorted(UNITS, key=len, reverse=True))})"
)
_SPANS = rf"(?:{_SPAN}(?![a-z])[\s,]{{0,2}}(?:and )?){{1,4}}"
_DATE = r"\d{4}-\d\d-\d\d[t ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:\s?(?:z|utc|[+-]\d\d:?\d\d))?"
_WORDS = [
    re.compile(
        rf"(?:retry|try|wait|again|available|reset|ready|load|replenish)[^\d\n]{{0,60}}?({_SPANS})"
    ),
    re.compile(rf"({_SPANS})[^\d\n]{{0,40}}?(?:before|retry|try again)"),
    re.compile(r"\bin[\s:]{1,3}(\d{1,3}:\d\d:\d\d)(?![\d:])"),
    re.compile(
        r"retry[ _-]?after(?:[ _-]?seconds)?[\s:=>\"']{1,4}"
        r"(\d{1,9}(?:\.\d{1,9})?)(?![\d.%])(?!\s?[a-z])"
    ),
    re.compile(rf"(?:until|at|after|reset\w{{0,3}})[\s:]{{1,3}}({_DATE})"),
]
_WAIT_KEYS = re.compile(
    r"(?:retry|tryagain|next(?:retry|request|allowed|attempt))(?:after|in|delay|at|time)|"
    r"wait(?:time|for|until)?|(?:estimated|expected)(?:wait)?(?:time)?|(?:next)?(?:available|ready)(?:in|at)|"
    r"backoff|cooldown(?:time)?|eta|timeleft|blocked(?:for|until)"
)
_RESET_KEYS = re.compile(
    r"(?:x?ratelimit|quota|timeuntil|timeto|until)?resets?(?:in|at|after|time|delay)?"
)
_KEY_UNITS = {
    "milliseconds": 0.001, "millis": 0.001, "ms": 0.001, "seconds": 1.0, "secs": 1.0, "sec": 1.0,
    "minutes": 60.0, "mins": 60.0, "timestamp": 1.0, "epoch": 1.0, "utc": 1.0, "s": 1.0,
}  # fmt: skip
_HEADERS = {
    "retry-after-ms": 0.001,
    "grpc-retry-pushback-ms": 0.001,
    "x-ms-retry-after-ms": 0.001,
    "retry-after": 1.0,
    "x-retry-after": 1.0,
    "x-ratelimit-retry-after": 1.0,
    "x-rate-limit-retry-after": 1.0,
    "x-retry-in": 1.0,
}


def seconds_of(value: object, now: float, unit: float = 1.0) -> float | None:
    """Seconds from the Unix time ``now`` on that ``value`` states; None if it states none.

    It may be a number of ``unit`` seconds, a span (``5s``, ``1m30s``, ``PT5S``, ``00:01:30``), a
    Unix time in seconds to nanoseconds, or a date of ISO 8601 or of HTTP.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value)[: _MOST_VALUE + 1].strip().strip('"')
    if len(text) > _MOST_VALUE:
        return None
    number = finite_number(text)
    if number is not None:
        if number < _EPOCH_FROM:
            return max(0.0, number * unit)
        while number >= _EPOCH_FROM * 100:
            number /= 1000.0
        return max(0.0, number - now)
    span = span_seconds(text)
    if span is not None:
        return span
    until = date_of(text)
    return None if until is None else max(0.0, until - now)


def date_of(text: str) -> float | None:
    """Unix time of a date of ISO 8601 or HTTP; one without a time zone is in UTC."""
    text = text[:_MOST_VALUE].strip().upper()
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(text.removesuffix("UTC").strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
    return None


def reply_time(headers: Mapping[str, str]) -> float:
    """Unix time at which a reply was made, by the server's clock if it states it."""
    stated = date_of(headers.get("date", ""))
    return time.time() if stated is None else stated


def wait_in_headers(headers: Mapping[str, str]) -> float | None:
    """Seconds that ``Retry-After`` or one of its kin asks for."""
    now = reply_time(headers)
    for name, unit in _HEADERS.items():
        value = headers.get(name, "").partition(";")[0]
        whole = seconds_of(value, now, unit)
        # Two such fields of one reply arrive as one list.
        parts = value[:_MOST_VALUE].split(",") if whole is None else []
        waits = [whole, *(seconds_of(part, now, unit) for part in parts)]
        if known := [wait for wait in waits if wait is not None]:
            return max(known)
    return None


def wait_in_body(body: bytes, now: float, *, words: bool = True) -> float | None:
    """Seconds that the fields of a JSON body ask for, else those that its ``words`` ask for."""
    if body[:_MOST_WORDS].lstrip()[:1] in {b"{", b"["} and len(body) <= _MOST_BODY:
        try:
            fields = list(_fields(strict_json.parse(body)))
        except BadReply:
            fields = []
        for keys in (_WAIT_KEYS, _RESET_KEYS):
            for key, value in fields:
                wait = _field_wait(key, value, keys, now)
                if wait is not None:
                    return wait
    if not words:
        return None
    text = body[:_MOST_WORDS].decode("utf-8", errors="replace").lower()
    found = (pattern.search(text) for pattern in _WORDS)
    waits = (
        seconds_of(re.sub(_ONE, "1 ", one[1].removesuffix("and ")), now) for one in found if one
    )
    return next((wait for wait in waits if wait is not None), None)


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    """Names and values of the objects in ``value``, outer ones first; a bounded number of them."""
    todo, seen = deque([value]), 0
    while todo and seen < _MOST_NODES:
        one, seen = todo.popleft(), seen + 1
        if isinstance(one, dict):
            pairs = list(one.items())[:_MOST_NODES]
            yield from ((str(key)[:60], inner) for key, inner in pairs)
            todo.extend(inner for _, inner in pairs)
        elif isinstance(one, list):
            todo.extend(one[:_MOST_NODES])


def _field_wait(key: str, value: Any, keys: re.Pattern[str], now: float) -> float | None:
    name, unit = "".join(c for c in key.lower() if "a" <= c <= "z"), 1.0
    if not keys.fullmatch(name):
        stems = ((name.removesuffix(end), by) for end, by in _KEY_UNITS.items())
        units = [
            by
            for stem, by in stems
            if stem != name and (keys.fullmatch(stem) or keys.fullmatch(stem.removesuffix("in")))
        ]
        if not units:
            return None
        unit = units[0]
    if isinstance(value, dict) and "seconds" in value:  # a protobuf Duration written out
        value = value["seconds"]
    return seconds_of(value, now, unit)
