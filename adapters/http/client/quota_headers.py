"""Quotas in reply headers: the time to wait, the requests left."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from adapters.contract import PaceHint

_PARAMETER = re.compile(r"([a-z]+)\s*=\s*(\d+)")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PREFIXES = ("ratelimit", "x-ratelimit", "x-rate-limit")
_EPOCH_FROM = 1e9
"""A reset this large is a date, not a span: 1e9 s would be 31 years of waiting."""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that ``Retry-After`` asks for; a date counts from the reply's own."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000.0
    text = headers.get("retry-after", "").strip()
    seconds = _number(text)
    if seconds is not None:
        return seconds
    until = _date(text)
    return None if until is None else max(0.0, until - _now(headers))


def pace_hint(headers: Mapping[str, str]) -> PaceHint | None:
    """Quota left and seconds to its reset, from the ``RateLimit`` and ``RateLimit-Policy`` draft,
    the older three ``RateLimit-*`` fields or the ``X-RateLimit-*`` family; None without such
    headers.
    """
    if not any("ratelimit" in name or "rate-limit" in name for name in map(str.lower, headers)):
        return None
    left = _number(_family(headers, "remaining", "remaining-requests"))
    hint = _draft(headers) or PaceHint(
        remaining=None if left is None else int(left),
        reset_s=_span(_family(headers, "reset-after", "reset", "reset-requests"), headers),
    )
    return None if hint == PaceHint() else hint


def _draft(headers: Mapping[str, str]) -> PaceHint | None:
    """``RateLimit: "burst";r=5;t=9, "day";r=90;t=800`` or ``limit=9, remaining=5, reset=9``."""
    text = headers.get("ratelimit", "").lower()
    windows = [dict(_PARAMETER.findall(p)) for p in headers.get("ratelimit-policy", "").split(",")]
    items = [dict(_PARAMETER.findall(part)) for part in text.split(",")]
    limits = [
        (int(item["r"]), item.get("t") or window.get("w"))
        for item, window in zip(items, windows + [{}] * len(items), strict=False)
        if "r" in item
    ]
    if limits:
        left, reset = min(limits, key=lambda pair: pair[0])
        return PaceHint(left, None if reset is None else float(reset))
    flat = dict(_PARAMETER.findall(text))
    if "remaining" not in flat:
        return None
    return PaceHint(int(flat["remaining"]), float(flat["reset"]) if "reset" in flat else None)


def _family(headers: Mapping[str, str], *endings: str) -> str:
    names = (f"{prefix}-{ending}" for ending in endings for prefix in _PREFIXES)
    return next((headers[name].strip() for name in names if name in headers), "")


def _span(text: str, headers: Mapping[str, str]) -> float | None:
    """Seconds from ``30``, ``1m30s``, a Unix time in seconds or milliseconds, or a date."""
    number = _number(text)
    if number is None:
        parts = _SPAN.findall(text)
        if parts:
            return sum(float(amount) * _SECONDS[unit] for amount, unit in parts)
        until = _date(text)
        return None if until is None else max(0.0, until - _now(headers))
    if number < _EPOCH_FROM:
        return number
    until = number / 1000.0 if number > _EPOCH_FROM * 1000 else number
    return max(0.0, until - _now(headers))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None


def _date(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _now(headers: Mapping[str, str]) -> float:
    stated = _date(headers.get("date", ""))
    return time.time() if stated is None else stated
