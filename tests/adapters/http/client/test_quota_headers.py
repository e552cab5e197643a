from __future__ import annotations

import email.utils
import time

import httpx
import pytest

from adapters.contract import PaceHint
from adapters.http.client.quota_headers import pace_hint
from adapters.http.client.waits import wait_in_headers

NOW = 1_800_000_000
DATE = email.utils.formatdate(NOW, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "remaining", "reset"),
    [
        ({"RateLimit": '"default";r=50;t=30'}, 50, 30.0),
        ({"RateLimit": '"burst";r=5;t=9, "day";r=900;t=80000'}, 5, 9.0),
        ({"RateLimit": '"b";r=5', "RateLimit-Policy": '"b";q=100;w=60'}, 5, 60.0),
        ({"RateLimit": "limit=100, remaining=40, reset=7"}, 40, 7.0),
        ({"RateLimit-Remaining": "3", "RateLimit-Reset": "12"}, 3, 12.0),
        ({"X-RateLimit-Remaining": "3", "X-RateLimit-Reset": str(NOW + 20)}, 3, 20.0),
        ({"X-RateLimit-Remaining": "3", "X-RateLimit-Reset": f"{NOW + 20}000"}, 3, 20.0),
        ({"X-Rate-Limit-Remaining": "0"}, 0, None),
        (
            {"x-ratelimit-remaining-requests": "9", "x-ratelimit-reset-requests": "1m30s"},
            9,
            90.0,
        ),
        ({"x-ratelimit-reset-requests": "20ms"}, None, 0.02),
        ({"X-RateLimit-Reset": email.utils.formatdate(NOW + 5, usegmt=True)}, None, 5.0),
        ({"X-RateLimit-Reset": str(NOW - 500)}, None, 0.0),
    ],
)
def test_quota_headers(headers: dict[str, str], remaining: int | None, reset: float | None) -> None:
    assert pace_hint(httpx.Headers({"Date": DATE, **headers})) == PaceHint(remaining, reset)


@pytest.mark.parametrize(
    "headers",
    [{}, {"RateLimit": "nonsense"}, {"X-RateLimit-Remaining": "nan"}, {"RateLimit-Limit": "100"}],
)
def test_no_quota_no_hint(headers: dict[str, str]) -> None:
    assert pace_hint(httpx.Headers(headers)) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After-Ms": "250", "Retry-After": "9"}, 0.25),
        ({"Retry-After": email.utils.formatdate(NOW + 30, usegmt=True)}, 30.0),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "Mon, 99 Foo 2026"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_in_headers(httpx.Headers({"Date": DATE, **headers})) == seconds


def test_without_a_date_header_our_clock_decides() -> None:
    at = email.utils.formatdate(time.time() + 100, usegmt=True)
    assert wait_in_headers(httpx.Headers({"Retry-After": at})) == pytest.approx(100, abs=5)
