"""Spans of time as people and servers write them: ``5s``, ``1m30s``, ``120ms``, ``PT5S``."""

from __future__ import annotations

import math
import re

UNITS = {
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"), 0.001),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
}
_PART = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s{0,2}([a-z]+)[\s,]{0,3}(?:and )?")
_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,2}):(\d{2})")


def span_seconds(text: str) -> float | None:
    """Seconds of a span of time such as ``1m30s``, ``120ms``, ``PT5S`` or ``00:01:30``."""
    text = text.strip().lower()
    clock = _CLOCK.fullmatch(text)
    if clock:
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return hours * 3600.0 + minutes * 60.0 + seconds
    text = text[1:].replace("t", "") if text.startswith("p") else text
    total, place = 0.0, 0
    while part := _PART.match(text, place):
        if part[2] not in UNITS:
            return None
        total, place = total + float(part[1]) * UNITS[part[2]], part.end()
    return total if text and place == len(text) else None


def finite_number(text: str) -> float | None:
    """The number that ``text`` is; None for any other text, NaN and infinities."""
    if not text.isascii() or "_" in text:  # float() takes both
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def read_span(text: str) -> float | None:
    """Seconds of a span that a user writes, a bare number in seconds; None for any other text."""
    number = finite_number(text)
    return span_seconds(text) if number is None else number
