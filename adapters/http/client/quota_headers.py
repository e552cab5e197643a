"""Quotas in reply headers: the time to wait, the requests left, the limits themselves."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

from adapters.contract import PaceHint
from adapters.http.client.waits import reply_time, seconds_of

_MOST_VALUE, _MOST_ITEMS = 1_000, 20
_NAME = re.compile(r"rate-?limit(?:-|$)")
_WINDOWS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0}
_KINDS = ("remaining", "reset", "limit", "policy")
_RANKS = {"": 0, "requests": 1}
"""Requests are what is counted here; tokens and the like come after them."""
Scopes = dict[str, dict[str, str]]


def pace_hint(headers: Mapping[str, str]) -> PaceHint | None:
    """Quota left and seconds to its reset, from the ``RateLimit`` and ``RateLimit-Policy`` draft,
    the older three ``RateLimit-*`` fields or the ``X-RateLimit-*`` family; None without such
    headers. Of several quotas, the one that is used up counts.
    """
    scopes = _scopes(headers)
    if not scopes:
        return None
    now = reply_time(headers)
    hints = _draft(scopes) or [
        PaceHint(_whole(kinds.get("remaining", "")), seconds_of(kinds.get("reset", ""), now))
        for scope, kinds in sorted(scopes.items(), key=lambda one: _RANKS.get(one[0], 2))
        if "remaining" in kinds or "reset" in kinds
    ]
    hints = [hint for hint in hints if hint != PaceHint()]
    spent = [hint for hint in hints if hint.remaining == 0]
    if spent:
        return max(spent, key=lambda hint: hint.reset_s or 0.0)
    return hints[0] if hints else None


def stated_limits(headers: Mapping[str, str]) -> list[tuple[int, float]]:
    """The limits on requests that headers state with their window: ``(requests, seconds)``."""
    found: list[tuple[int, float]] = []
    for scope, kinds in _scopes(headers).items():
        for kind in ("policy", "limit"):
            for item in _items(kinds.get(kind, "")):
                allowed = _whole(item.get("q", item.get("", "")))
                window = seconds_of(item.get("w", ""), 0.0) or _WINDOWS.get(scope)
                if allowed and window and item.get("qu", "requests").strip('"') == "requests":
                    found.append((allowed, window))
    return found


def _scopes(headers: Mapping[str, str]) -> Scopes:
    """Values by scope (``requests``, ``day``, or empty) and kind; the draft's own is ``""``."""
    found: Scopes = defaultdict(dict)
    if "limit" not in "".join(headers).lower():  # nearly always
        return found
    for name, value in headers.items():
        lower = name.lower()
        place = _NAME.search(lower)
        if place is None or len(lower) > 100:
            continue
        words = [word for word in lower[place.end() :].split("-") if word]
        kind = next((word for word in words if word in _KINDS), "" if not words else None)
        if kind is not None:
            scope = "-".join(word for word in words if word not in {kind, "after"})
            found[scope].setdefault(kind, value[:_MOST_VALUE].strip())
    return found


def _items(text: str) -> list[dict[str, str]]:
    """The parameters of each item of a list: ``"a";q=5;w=9, 10;w=1``, a bare value under ``""``."""
    items = []
    for part in text.lower().split(",")[:_MOST_ITEMS]:
        pairs = [one.partition("=") for one in part.split(";")[:_MOST_ITEMS]]
        named = {name.strip(): value.strip() for name, equals, value in pairs if equals}
        items.append({"": pairs[0][0].strip(), **named})
    return items


def _draft(scopes: Scopes) -> list[PaceHint]:
    """``RateLimit: "burst";r=5;t=9, "day";r=90;t=800`` or ``limit=9, remaining=5, reset=9``."""
    items = _items(scopes.get("", {}).get("", ""))
    windows = _items(scopes.get("", {}).get("policy", ""))
    limits = [
        (_whole(item["r"]), seconds_of(item.get("t", window.get("w", "")), 0.0))
        for item, window in zip(items, windows + [{}] * len(items), strict=False)
        if "r" in item
    ]
    known = [(left, reset) for left, reset in limits if left is not None]
    if known:
        return [PaceHint(left, reset) for left, reset in sorted(known, key=lambda pair: pair[0])]
    flat = {name: value for item in items for name, value in item.items() if name}
    left = _whole(flat.get("remaining", ""))
    reset = seconds_of(flat.get("reset", ""), 0.0)
    return [] if left is None else [PaceHint(left, reset)]


def _whole(text: str) -> int | None:
    number = seconds_of(text, 0.0) if text[:1].isdecimal() else None
    return None if number is None else int(number)
